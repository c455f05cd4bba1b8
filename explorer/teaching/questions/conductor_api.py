"""The lesson's questions about the leg `conductor-api`, and the notes for its teacher."""

from collections.abc import Callable

from explorer.explorations import Scenario
from explorer.teaching.facts import arguments, before, none, order, parts_at, sent, status
from explorer.teaching.tasks import Ask, Build, Choice, Facts, Option, Questions, Sentence
from explorer.trace import Trace


def _oldest_rules(ask: Ask) -> Facts:
    auto, no = (status(ask(order(None, block_migration=value, disk_over_commit=False))) for value in ('auto', False))
    return {'answer': (auto, no), 'auto': auto, 'no': no}


def _where_host(version: str | None) -> Callable[[Ask], Facts]:
    def facts(ask: Ask) -> Facts:
        found = arguments(ask(Scenario(host='host2', microversion=version)))
        wish = found['request_spec']['requested_destination']
        hint = found['scheduler_hint']['host']
        kind = 'order' if hint and not wish else 'wish' if wish and not hint else 'both'
        return {'answer': kind, 'hint': hint, 'wish': wish and wish['host']}
    return facts


def _decides(ask: Ask) -> Facts:
    traces = [ask(Scenario(host='host2', microversion=version)) for version in ('2.33', '2.34')]
    old, new = (before(trace, 'ComputeTaskAPI.live_migrate_instance') for trace in traces)
    changed = tuple(name for name in old if old[name] != new[name] and isinstance(old[name], bool | str | None))
    kinds = {trace.messages[0]['kind'] for trace in traces}
    return {'answer': changed[0] if len(changed) == 1 and len(kinds) == 2 else changed}


def _no_host(ask: Ask) -> Facts:
    fails = {'raise': 'NoValidHost', 'kwargs': {'reason': 'all are full'}}
    old, new = (status(ask(Scenario(microversion=version, conductor_reply=fails))) for version in ('2.33', '2.34'))
    return {'answer': 'errors' if (old, new) == (400, 202) else 'other', 'old': old, 'new': new}


def _lacks_call_with_auto(trace: Trace, ask: Ask) -> str:
    if not trace.messages:
        return 'nothing is on the bus'
    kind = trace.messages[0]['kind']
    if kind != 'call':
        return f'the message is a {kind}'
    value = sent(trace, 'block_migration')
    return '' if value == 'auto' else f'the body says block_migration: {value!r}'


_TASKS = (
    Choice(
        'conductor-api.recall',
        'From the first and the third leg: a request without any header of a microversion, complete by the oldest '
        'rules. Once its body says `"block_migration": "auto"`, once `false`. The two answers?',
        'They are {auto} and {no}. Who names no version gets the oldest, 2.1; and those rules have no "auto".',
        _oldest_rules, options=(
            Option((202, 202), '202 and 202', 'Without a version the newest holds.',
                   'It is the oldest, so that old clients go on working.'),
            Option((400, 202), '400 and 202', 'Without a version the oldest holds.', ''),
            Option((406, 406), '406 and 406', 'A version is missing.',
                   'That is for one that is asked for and not there.'))),
    Choice(
'conductor-api.predict',
        '`nova --os-compute-api-version 2.29 live-migration web-1 host2`. Is the scheduler asked about host2?',
        'In the message the hint holds {hint}, and the request spec asks for {wish}. A host in the hint is an order: '
        'the scheduler is passed by, and what is left are the checks of the conductor and of the hosts.',
        _where_host('2.29'), options=(
            Option('order', 'No: host2 is an order', 'Who names a host, knows what to do.', ''),
            Option('wish', 'Yes: it has to agree to host2', 'It judges every host.',
                   'Only from 2.30 on. Before, a host that is named goes past it.', myth='asks'),
            Option('both', 'Yes, and it may choose another', 'A name is a proposal, and it knows better.',
                   'For that host2 would have to be where the scheduler looks. It is not.'))),
    Choice(
        'conductor-api.look-text',
        'Which argument of `live_migrate_instance` decides which of the two methods of the RPC API is called?',
        '`{answer}`: it is the one that changes when the message does.',
        _decides, options=(
            Option('host_name', 'host_name', 'With a host there is less to do.',
                   'It is packed into the hint, either way.'),
            Option('block_migration', 'block_migration', 'With disks it takes long, so one would not wait.',
                   'It is handed on as it is.'),
            Option('async_', 'async_', 'One waits, or not.', ''))),
    Choice(
        'conductor-api.look-happened',
        'At the newest microversion, with host2 named: where is it now?',
        'The hint holds {hint}, the request spec asks for {wish}: from an order it has become a question. The '
        'scheduler may say no to it, but takes no other.',
        _where_host(None), options=(
            Option('wish', 'In the request spec', 'The scheduler reads it there.', ''),
            Option('order', 'In the hint', 'A hint names a host.', 'Look at scheduler_hint once more: it is empty.'),
            Option('both', 'In both', 'Conductor and scheduler both need it.', 'It is moved, not copied.'))),
    Choice(
        'conductor-api.look-purpose',
        'If no host will do, what does a caller learn at 2.33, and at 2.34?',
        'The answers are {old} and {new}. Waiting has the good of an honest answer; the price is that the caller '
        'waits, too.',
        _no_host, options=(
            Option('errors', 'At 2.33 that there is none; at 2.34 that the order was taken',
                   'One waits for the checks, one does not.', ''),
            Option('same', 'The same: there is no host', 'An error is an error.',
                   'At 2.34 the answer does not wait for anybody who looks.'),
            Option('later', 'At 2.34 the client learns it later, over the same connection',
                   'Asynchronous means: later.',
                   'A request has one answer. What becomes of it has to be asked for.'))),
    Choice(
        'conductor-api.change',
        'One change: 2.33 becomes 2.34. Your hypothesis: up to where do the two runs go the same way?',
        'Side by side: {words}.',
        parts_at(Scenario(microversion='2.33'), Scenario(microversion='2.34')), options=(
            Option('client', 'To the client; the request is another', 'It sends another body.',
                   'The body is the same.'),
            Option('controller', 'Behind the controller', 'There async_ is set.',
                   'It is set there, by the same lines; then the way goes on as before, with another value.'),
            Option('conductor-api', "Where the conductor's API hands over to the bus", 'There the value decides.', ''),
            Option('rpc', 'In the conductor, behind the bus', 'There the work is done.',
                   'It comes by another message, already.'))),
    Build(
        'conductor-api.check',
        'Make a request whose body says "auto", and for which the API **waits** for the conductor: a call.',
        'One that does it: `{solution}`.',
        none, (
            'Two limits meet: one for "auto", one for the cast.',
            '"auto" came with 2.25, the cast with 2.34.',
            'Take a microversion between the two.'),
        lacks=_lacks_call_with_auto,
        tries=tuple(Scenario(microversion=version) for version in ('2.96', '2.24', '2.30'))),
    Sentence(
        'conductor-api.say', 'In one sentence: who waits, and who decides that?',
        'Below 2.34 the API waits for the conductor and passes on most of what it says ({old}); from 2.34 on it '
        'answers {new} at once; the microversion decides.',
        _no_host),
)

LEG = Questions(
    'conductor-api', 12,
    goal='To tell who waits, from which microversion on, and where a host that was named has gone.',
    ask='What does a caller gain by waiting, and what does it cost? Who asks the scheduler?',
    board=('A line of microversions: 2.25 auto, 2.30 wish, 2.34 cast, 2.68 no force. Put each example of the class on '
           'it.'),
    show='The table of five versions; follow `host` in the player.',
    tasks=_TASKS)
