"""The lesson's closing as data: predict how a run ends, diagnose one that failed, and trace another action.

None of the cases was shown before. As in the other files, runs decide the answers.
"""

from collections.abc import Callable

from explorer.explorations import Scenario, bare
from explorer.payloads import Plain
from explorer.teaching.facts import before, none, outcome
from explorer.teaching.tasks import Ask, Choice, Diagnosis, Facts, Foretell, Option, ends
from explorer.trace import Trace
from explorer.views.facts import lost

CLOSING = 'closing'  # the leg of these tasks


def _symptoms(trace: Trace) -> Plain:
    """Return what an operator sees: the response, what the database holds, what went over the bus."""
    return {**ends(trace), 'vm_state': outcome(trace)['vm_state_after'],
            'error noted with the server': outcome(trace)['faults'],
            'action noted': [action['action'] for action in outcome(trace)['actions']],
            'client said': (trace.note or '').partition('(')[2].partition(')')[0],  # the class of its error
            'failed in the conductor': bool(lost(trace))}


def _seen_of(patient: Scenario) -> Callable[[Ask], Facts]:
    def facts(ask: Ask) -> Facts:
        seen = _symptoms(ask(patient))
        told = '; '.join(
            f'{name}: {_shown(value)}' for name, value in seen.items() if name != 'failed in the conductor')
        return {'answer': tuple(map(str, seen.items())), 'status': seen['status'], 'message': seen['message'],
                'state': seen['task_state'], 'seen': told}
    return facts


def _shown(value: object) -> str:
    return (', '.join(map(str, value)) or 'none' if isinstance(value, list)
            else 'nothing' if value in ('', None) else str(value))


def _patient(number: int, scenario: Scenario, told: str, *options: Option) -> Diagnosis:
    return Diagnosis(
        f'{CLOSING}.diagnose-{number}', 'A run without a label. What was seen: {seen}. What had happened?', told,
        _seen_of(scenario), options=options, patient=scenario, seen=_symptoms)


FAILS = {'raise': 'NoValidHost', 'kwargs': {'reason': 'all are full'}}
AWAY = {'raise': 'MessageDeliveryFailure', 'kwargs': {}}
SILENT = {'raise': 'MessagingTimeout', 'kwargs': {}}


def _foretell(number: int, asks: str, scenario: Scenario, told: str) -> Foretell:
    return Foretell(f'{CLOSING}.foretell-{number}', asks, told, none, scenario=scenario)


CLOSING_TASKS = (
    _patient(
        1, Scenario(state={'request_spec': False}),
        'The row with the request spec is missing. It is read before the mark is written: no action was noted, and the '
        'task state is {state}.',
        Option(Scenario(race={'task_state': 'rebooting'}), 'Another request was faster', 'It ends in a 500, too.',
               'Then the mark of the other one would be there.'),
        Option(Scenario(conductor_reply=AWAY), 'The bus was away', 'It ends in a 500, too.',
               'Then our own mark would be there, and the action.'),
        Option(Scenario(state={'request_spec': False}), 'The request spec was missing',
               'Something that should be there is not.', ''),
        Option(Scenario(conductor_reply=SILENT, microversion='2.30'), 'The conductor did not answer',
               'A 500 and no word.',
               'Then a call would have been sent.')),
    _patient(
        2, Scenario(conductor_reply=SILENT, microversion='2.30'),
        'Somebody waited, in vain: a {message}, the mark ({state}), and an error that was noted when the time was up.',
        Option(Scenario(conductor_reply=AWAY, microversion='2.30'), 'The bus was away',
               'The mark is there, and the answer is a 500.', 'Then no error would be noted.'),
        Option(Scenario(conductor_reply=SILENT, microversion='2.30'), 'The conductor did not answer in time',
               'A call has an end.', ''),
        Option(Scenario(conductor_reply=FAILS, microversion='2.30'), 'No host would do', 'The conductor found none.',
               'That gets a 400.'),
        Option(Scenario(conductor_reply=SILENT), 'The conductor did not answer, and nobody waited', 'It was silent.',
               'Then the answer would be a 202.')),
    _patient(
        3, Scenario(caller='manager_other_project'),
        'The client asked for the name, was answered {status}, and found no such server. The order was never sent; so '
        'nobody had to refuse it.',
        Option(Scenario(caller='member'), 'A member of the project asked', 'Members may not migrate.',
               'The order would have been sent, and answered with 403.'),
        Option(Scenario(caller='manager_other_project'), 'A manager of another project asked',
               'To them the server does not exist.', ''),
        Option(Scenario(caller='bad_token'), 'The token had run out', 'Nothing can be seen then.',
               'The client would have been told so, with a 401.'),
        Option(Scenario(state={'task_state': 'deleting'}), 'The server was being deleted', 'Soon it will not exist.',
               'Until then it does: 409.')),
    _patient(
        4, Scenario(caller='manager', state={'locked_by': 'owner'}),
        'A conflict, {status}, and the states are as they were: of these four only a lock that holds leaves it so.',
        Option(Scenario(state={'locked_by': 'owner'}), 'The owner had locked the server, an administrator asked',
               'Locked is locked.', 'An administrator stands above it.'),
        Option(Scenario(state={'task_state': 'rebooting'}), 'The server was rebooting', 'It is a conflict, too.',
               'Then the task state would say so.'),
        Option(Scenario(state={'vm_state': 'stopped'}), 'The server was stopped', 'It is a conflict, too.',
               'Then vm_state would say so.'),
        Option(Scenario(caller='manager', state={'locked_by': 'owner'}),
               'The owner had locked the server, a manager asked',
               'The lock holds for managers.', '')),
    _foretell(
        1, 'A member of the project, and a server that is stopped: `nova live-migration web-1`.',
        Scenario(caller='member', state={'vm_state': 'stopped'}),
        '{status}, {message}, {task_state}: the policy is asked before anybody looks at the state.'),
    _foretell(
        2,
        'An administrator, and a server that is paused and that an administrator has locked: `nova '
        '--os-compute-api-version 2.29 live-migration web-1 host2`.',
        Scenario(host='host2', microversion='2.29', state={'vm_state': 'paused', 'locked_by': 'admin'}),
        '{status}, {message}, {task_state}: paused will do, the lock does not hold for administrators, and below 2.34 '
        'somebody waits.'),
    _foretell(
        3,
        'An administrator of another project, who gives the id of the server: `nova live-migration '
        '6d1f0a52-3c1e-4a0b-9d0e-0c5f6f1f7a11`.',
        Scenario(server='6d1f0a52-3c1e-4a0b-9d0e-0c5f6f1f7a11', caller='admin_other_project'),
        '{status}, {message}, {task_state}: by its id an administrator finds a server of any project, and may move '
        'it.'),
    _foretell(
        4,
        'An administrator, and a server whose request spec is missing: `nova live-migration web-1 moon`. There is no '
        'host called moon.',
        Scenario(host='moon', state={'request_spec': False}),
        '{status}, {message}, {task_state}: the host is looked up before the request spec, so the caller learns of '
        'the host.'),
    _foretell(
        5, 'A manager of the project: `nova --os-compute-api-version 2.33 live-migration --block-migrate web-1`.',
        Scenario(caller='manager', microversion='2.33', block_migrate=True),
        '{status}, {message}, {task_state}: as long as no host is named, a manager may; and 2.33 is the last version '
        'for which somebody waits.'),
    _foretell(
        6, 'An administrator: `nova --os-compute-api-version 2.67 live-migration --force web-1`. No host is named.',
        Scenario(force=True, microversion='2.67'),
        '{status}, {message}, {task_state}: to force something there has to be something; the controller asks for the '
        'host.'),
)


def _pause_to_whom(ask: Ask) -> Facts:
    target = before(ask(PAUSE), 'send')['target']
    return {'answer': target['topic'], 'server': target['server'], 'method': ask(PAUSE).messages[0]['method']}


PAUSE = bare({'pause': None}, caller='member')
PAUSE_TASKS = (
    Foretell(
        f'{CLOSING}.pause-member',
        'A member of the project sends `{{"pause": null}}`. The policy for it: members of the '
        'project may. How does it end?',
        '{status}, {message}, {task_state}: found, allowed and marked in the same way, with a mark of its own; of the '
        'guards only lock and state are asked.', none, scenario=PAUSE),
    Foretell(
        f'{CLOSING}.pause-locked', 'The same, by a manager; but the owner has locked the server.',
        '{status}, {message}, {task_state}: the guard of the lock is the same function.', none,
        scenario=bare({'pause': None}, caller='manager', state={'locked_by': 'owner'})),
    Choice(
        f'{CLOSING}.pause-whom', 'To whom is the message of `pause` addressed?',
        'To {server} alone: topic `{answer}`, server `{server}`, method `{method}`. The API knows the host, and tells '
        'it itself.',
        _pause_to_whom, options=(
            Option('conductor', 'To the conductor, as before', 'It gets the slow work done.',
                   'For a migration a host has to be found first. Here it is known.'),
            Option('compute', 'To the host that the server is on', 'It is the one that can do it.', ''),
            Option('scheduler', 'To the scheduler', 'It knows where servers are.',
                   'Where it is stands in the row of the server.'))),
)
