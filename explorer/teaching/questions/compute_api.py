"""The lesson's questions about the leg `compute-api`, and the notes for its teacher."""

from explorer.explorations import Scenario, bare
from explorer.stations import BY_KEY
from explorer.teaching.facts import before, first, order, outcome, status, turned_by
from explorer.teaching.tasks import Ask, Build, Choice, Facts, Option, Questions, Sentence
from explorer.trace import Trace
from explorer.views.facts import message


def _two_keys(ask: Ask) -> Facts:
    complete = (order().request or {})['body']
    trace = ask(bare({**complete, 'pause': None}))
    return {'answer': status(trace), 'by': BY_KEY[turned_by(trace)].name}


def _locked_for_whom(ask: Ask) -> Facts:
    state = {'locked_by': 'owner'}
    return {'answer': tuple(status(ask(Scenario(caller=who, state=state))) for who in ('admin', 'manager'))}


def _outermost(ask: Ask) -> Facts:
    guards = [step for step in ask(Scenario()).steps
              if step.exploration == 'compute-api' and '<locals>' in step.qualname]
    return {'answer': guards[0].station, 'name': BY_KEY[guards[0].station].name, 'count': len(guards),
            'last': BY_KEY[guards[-1].station].name}


def _handed_over(ask: Ask) -> Facts:
    walk = ask(Scenario())
    host = before(walk, 'ComputeTaskAPI.live_migrate_instance')['host_name']
    return {'answer': 'nobody' if host is None else 'api', 'host': host,
            'there': first(walk, 'get_instance').result['host']}


def _race(ask: Ask) -> Facts:
    trace, later = ask(Scenario(race={'task_state': 'rebooting'})), ask(Scenario(state={'task_state': 'rebooting'}))
    failed = [step.station for step in trace.steps
              if step.error is not None and step.error[''] == 'UnexpectedTaskStateError']
    kept = outcome(trace)['task_state_after'] == 'rebooting' and 'Instance.save' in failed
    return {'answer': 'race' if kept else 'other', 'status': status(trace), 'seen': status(later),
            'state': outcome(trace)['task_state_after']}


def _share_and_lock(ask: Ask) -> Facts:
    trace = ask(Scenario(caller='manager', state={'locked_by': 'owner', 'share': True}))
    return {'answer': turned_by(trace), 'name': BY_KEY[turned_by(trace)].name, 'status': status(trace),
            'message': message(trace)}


def _lacks_500_untouched(trace: Trace, ask: Ask) -> str:
    if status(trace) != 500:
        return f'the answer is {status(trace)}'
    if trace.messages:
        return 'a message was sent'
    if trace.scenario.get('request'):
        return 'ask for it as the client does'
    return 'the action was noted' if outcome(trace)['actions'] else ''


_TASKS = (
    Choice(
        'compute-api.recall',
        'From the third leg: a body with two keys, `os-migrateLive` and `pause`. The answer?',
        'It is {answer}, by `{by}`: with two keys there is no telling which method is meant, so it never comes to a '
        'controller.',
        _two_keys, options=(
            Option(202, '202: the first one counts', 'Most readers take what comes first.',
                   'Here nobody takes one of two: the keys are counted first.'),
            Option(400, '400: malformed', 'There has to be exactly one.', ''),
            Option(409, '409: they are in conflict', 'A server cannot do both.', 'Nobody has asked what they mean.'))),
    Choice(
        'compute-api.predict',
        'The owner has locked the server. An administrator orders a live migration, then a manager does. The two '
        'answers?',
        'They are {answer[0]} and {answer[1]}. The lock is for those who are not administrators, whoever has set it.',
        _locked_for_whom, options=(
            Option((409, 409), '409 and 409', 'A locked server is locked.',
                   'The guard looks at the lock and at who asks: it lets an administrator through.', myth='locked'),
            Option((202, 202), '202 and 202', 'A lock is for users, and both are more.',
                   'A manager is no administrator.'),
            Option((403, 403), '403 and 403', 'A lock takes away the right.',
                   'The right is judged before, and it is there. The lock is about the server.'),
            Option((202, 409), '202 and 409', 'An administrator stands above locks.', ''))),
    Choice(
        'compute-api.look-text',
        'The guards are decorators. Which of these three runs first?',
        '`{name}` does, of {count}; the innermost is `{last}`.',
        _outermost, options=(
            Option('check_instance_state', 'check_instance_state', 'The state is the first thing to look at.',
                   'It is the last.'),
            Option('check_instance_lock', 'check_instance_lock', 'Who is locked out needs no more questions.',
                   'It is the last but one.'),
            Option('block_shares', 'block_shares_not_supported', 'It is the first in the list.', ''))),
    Choice(
        'compute-api.look-happened',
        'You named no host. Which host has been chosen when `live_migrate` hands over to the conductor?',
        'None: `host_name` is {host} there. The server is on {there}; where it will go, is asked behind the conductor.',
        _handed_over, options=(
            Option('nobody', 'None', 'The conductor gets the slow work done.', ''),
            Option('api', 'host2, by the API', 'There are two hosts, and it is on the other one.',
                   'Nothing in this leg chooses. Look at host_name.', myth='picks'),
            Option('scheduler', 'One that the scheduler has been asked for', 'Choosing is its work.',
                   'It is; but nobody has asked it yet.'))),
    Choice(
        'compute-api.look-purpose',
        '`save` gets `expected_task_state=[None]`. What would go wrong without it?',
        'If another request was faster, ours is answered with {status}, and the state stays {state}: what the other '
        'one has written is not written over.',
        _race, options=(
            Option('both', 'Of two orders at once, both would be refused', 'Each would find the mark of the other.',
                   'Both would be taken, one on top of the other: nobody would have looked.'),
            Option('fast', 'It would be slower', 'A condition saves the reading.',
                   'The server has been read; the condition is in the UPDATE.'),
            Option('race', 'Two orders at once would write over each other', 'Both have read None.', ''))),
    Choice(
        'compute-api.change',
        'One change: the locked server has a share, too, and a manager asks. Your hypothesis: who turns the order '
        'back?',
        '`{name}` does, with {status}: "{message}" The outermost guard speaks first.',
        _share_and_lock, options=(
            Option('block_shares', 'The guard of the shares', 'It stands further out.', ''),
            Option('check_instance_lock', 'The guard of the lock', 'A locked server tells no more about itself.',
                   'It is further in.'),
            Option('authorize', 'The policy', 'Both together are too much for a manager.',
                   'A policy knows nothing of shares and locks.'))),
    Build(
        'compute-api.check',
        'An order by the client that is answered with **500**, without a message, and without an action noted.',
        'One that does it: `{solution}`. The controller has no answer of its own for that, so it becomes a {status}.',
        _race, (
            'Nothing is wrong with the order; something is odd about the server, or about the moment.',
            'Two ways: somebody else was faster, or something is missing that is stored with every server.',
            "Scenario(race={{'task_state': …}}), or Scenario(state={{'request_spec': …}})"),
        lacks=_lacks_500_untouched,
        tries=(Scenario(race={'task_state': 'rebooting'}), Scenario(state={'request_spec': False}))),
    Sentence(
        'compute-api.say', 'In one sentence: how is a server that is taken kept from others?',
        'By a mark. Who comes later and sees it is rejected by the guard of the state, with {seen}; who had looked '
        'before it was written fails when writing, with {status}.',
        _race),
)

LEG = Questions(
    'compute-api', 12,
    goal='To tell which servers are rejected and by whom, and why the mark is written under a condition.',
    ask='Two people press Enter at the same moment. What must not happen?',
    board=('Nine doors in a row, the last two with names: lock, state. Behind them a row in a table: None → migrating, '
           '"only if".'),
    show='`Instance.save`, and the failure "another request is faster".',
    tasks=_TASKS)
