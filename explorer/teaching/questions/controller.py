"""The lesson's questions about the leg `controller`, and the notes for its teacher."""

import dataclasses

from explorer.explorations import Scenario, bare
from explorer.teaching.facts import after, arguments, before, first, none, order, status, statuses, turned_by
from explorer.teaching.tasks import Ask, Build, Choice, Facts, Option, Questions, Sentence, Word
from explorer.trace import Trace


def _manager_names_host(ask: Ask) -> Facts:
    named, unnamed = ask(Scenario(caller='manager', host='host2')), ask(Scenario(caller='manager'))
    return {'answer': status(named), 'without': status(unnamed), 'rule': before(named, 'authorize')['action']}


def _async(ask: Ask) -> Facts:
    old, new = (after(ask(order(version)), '_migrate_live')['async_'] for version in ('2.33', '2.34'))
    told = status(ask(order('2.34', **{'async': True})))
    return {'answer': 'microversion' if (old, new) == (False, True) and told == 400 else 'other',
            'old': old, 'new': new, 'told': told}


def _schemas(ask: Ask) -> Facts:
    walk = ask(Scenario())
    looked = {step.parent for step in walk.find('validate')}
    bodies = [step for step in walk.find('_schema_validation_helper') if (step.before or {})['min_version']]
    return {'answer': sum(step.index in looked for step in bodies), 'all': len(bodies)}


def _target(ask: Ask) -> Facts:
    walk = ask(Scenario())
    target, instance = before(walk, 'authorize')['target'], first(walk, 'get_instance').result
    other = status(ask(dataclasses.replace(order(), caller='member_other_project')))
    return {'answer': 'whose' if target.get('project_id') == instance['project_id'] else 'other', 'other': other}


def _three_values(ask: Ask) -> Facts:
    auto, no = (arguments(ask(order('2.34', block_migration=value)))['block_migration'] for value in ('auto', False))
    null = ask(order('2.34', block_migration=None))
    return {'answer': (auto, no, status(null) if status(null) >= 400 else arguments(null)['block_migration']),
            'auto': auto, 'no': no, 'null': status(null)}


def _lacks_body_before_rights(trace: Trace, ask: Ask) -> str:
    if status(trace) != 400 or turned_by(trace) != 'validate':
        return f'the answer is {status(trace)}, and not from a schema'
    asked = status(ask(dataclasses.replace(order(), caller=trace.scenario['caller'])))
    return '' if asked == 403 else f'{trace.scenario["caller"]} may well do that: a complete order gets {asked}'


_TASKS = (
    Choice(
        'controller.recall',
        'From the second leg: a reader with a token that nobody knows sends an order that is incomplete. Which answer?',
        'It is {status_1}: the filters stand before everything that this leg is about.',
        statuses(bare({'os-migrateLive': {}}, caller='bad_token')), options=(
            Option(400, '400', 'The order is incomplete.', 'Nobody has opened it.'),
            Option(403, '403', 'A reader may not migrate.', 'Who it is cannot be told from that token.'),
            Option(401, '401', 'The token comes first.', ''))),
    Choice(
        'controller.predict',
        'A manager may live migrate the servers of the project. Now a manager asks for `nova live-migration web-1 '
        'host2`. The answer?',
        'It is {answer}: the rule asked is `{rule}`, which is for administrators. Without a host the same manager gets '
        '{without}.',
        _manager_names_host, options=(
            Option(202, '202', 'Who may migrate a server, may say where to.',
                   'These are two rules: one for moving, one for saying where to. Hosts are not a matter of '
                   'projects.', myth='may'),
            Option(400, '400', 'A manager cannot know the names of hosts.',
                   'Whether the host exists would be looked at later.'),
            Option(403, '403', 'Hosts are for administrators.', ''),
            Option(409, '409', 'It is in conflict with what the scheduler thinks.',
                   'The scheduler is still far away.'))),
    Choice(
        'controller.look-text',
        'In `_migrate_live`, find the line that sets `async_`. Where does its value come from?',
        'The same body gives {old} at 2.33 and {new} at 2.34. And who writes `async` into the body gets {told}: it is '
        'no field.',
        _async, options=(
            Option('microversion', 'From the microversion', 'It is a matter of the rules.', ''),
            Option('body', 'From a field of the body', 'The code reads host and block_migration from there.',
                   'The schema knows no such field, and refuses what it does not know.', myth='field'),
            Option('option', 'From the configuration', 'An operator decides how the cloud works.',
                   'The line asks the request, not the configuration.'))),
    Word(
        'controller.look-happened',
        'A stack of schemas for the body hangs at the method. How many of them have looked at this body?',
        'Of {all} that were asked, {answer}: the one in whose range the microversion is.',
        _schemas, hints=(
            'Each is asked, and each asks first whether the microversion is in its range.',
            'Only one that is in charge calls `validate`.',
            'The ranges do not overlap.')),
    Choice(
        'controller.look-purpose',
        'Why is the server fetched **before** the policy is asked?',
        'The policy is asked about the project of the server. And for a member of another project the server does not '
        'exist: {other}.',
        _target, options=(
            Option('lock', 'So that it is locked while one decides', 'Else it could change meanwhile.',
                   'Nothing is locked by reading.'),
            Option('cheap', 'Looking is cheaper than asking', 'The cheap question first.',
                   'It costs a look into two databases, and a thread; the policy costs neither.'),
            Option('whose', 'The policy has to know whose server it is', 'What one may do depends on the project.',
                   ''))),
    Choice(
        'controller.change',
        'One change: `block_migration` is "auto", false, and null, at 2.34. Your hypothesis: what arrives in the '
        'message?',
        '"auto" arrives as {auto}, false as {no}, and null is answered with {null}. False is an order: do not take the '
        'disks along. None leaves it to the hosts. And null is none of the values that the schema allows here.',
        _three_values, options=(
            Option((None, None, None), 'None, each time', 'Nothing is wished for, in three ways.',
                   'False is a wish: without the disks.', myth='same'),
            Option((None, False, None), 'None, False, None', 'null is the JSON for None.',
                   'The schema lets pass true, false, and "auto", and words for them.'),
            Option((None, False, 400), 'None, False, and 400 for null', 'The schema knows which values there are.', ''),
            Option(('auto', False, 400), '"auto", False, and 400 for null', 'The conductor has to be told of "auto".',
                   '"auto" is a word of the API. Behind the controller nobody knows it.'))),
    Build(
        'controller.check',
        'The order of judgement: let somebody who may **not** migrate be told that the body is wrong.',
        'One that does it: `{solution}`. The schemas hang outside the method, the policy is asked inside.',
        none, (
            'Two things have to be wrong at once, and the outer one is reported.',
            'You need a caller without the right, and a body that a schema refuses.',
            "bare({{'os-migrateLive': …}}, caller='reader')"),
        lacks=_lacks_body_before_rights,
        tries=(bare({'os-migrateLive': {}}), bare({'os-migrateLive': {}}, caller='reader'))),
    Sentence(
        'controller.say', 'In one sentence: what has to be true before the controller calls the compute API?',
        'The body has to fit the schema of its microversion, the server has to be one of those that the caller can '
        'see, and the policy has to allow it; naming a host is a right of its own ({rule}), and force needs a host.',
        _manager_names_host),
)

LEG = Questions(
    'controller', 12,
    goal=('To tell the order of judgement: version, body, server, right; and which error is reported if two things are '
          'wrong.'),
    ask='Two things are wrong at once. Which one is the caller told? Why in that order?',
    board='A ladder: 401, 404 (path), 406, 400 (body), 404 (server), 403. Let the class put the rungs in order.',
    show=('The stack of schemas, of which one validates; then "Compare: as a reader", and how the error became the '
          'answer.'),
    tasks=_TASKS)
