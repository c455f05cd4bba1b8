"""The lesson's questions about the leg `rpc`, and the notes for its teacher."""

from explorer.explorations import Scenario
from explorer.pipeline import ComputeTaskManager
from explorer.stations import BY_KEY
from explorer.teaching.facts import before, none, order, outcome, status
from explorer.teaching.tasks import Ask, Build, Choice, Facts, Option, Questions, Sentence
from explorer.trace import Trace
from explorer.views.facts import lost


def _openstack_client(ask: Ask) -> Facts:
    message = ask(order('2.30')).messages[0]
    return {'answer': message['kind'], 'method': message['method']}


def _broker_away(ask: Ask) -> Facts:
    trace = ask(Scenario(conductor_reply={'raise': 'MessageDeliveryFailure', 'kwargs': {}}))
    state = outcome(trace)['task_state_after']
    return {'answer': (status(trace), state), 'status': status(trace), 'state': state,
            'actions': ', '.join(action['action'] for action in outcome(trace)['actions'])}


def _address(ask: Ask) -> Facts:
    target = before(ask(Scenario()), 'send')['target']
    return {'answer': target['topic'], 'station': BY_KEY['send'].name, 'namespace': target['namespace'],
            'method': ask(Scenario()).messages[0]['method']}


def _accepted(ask: Ask) -> Facts:
    trace = ask(Scenario(conductor_reply={'raise': 'NoValidHost', 'kwargs': {'reason': 'all are full'}}))
    failed = lost(trace)
    return {'answer': 'taken' if status(trace) == 202 and failed else 'other', 'status': status(trace),
            'where': failed and BY_KEY[failed.station].name}


def _version(ask: Ask) -> Facts:
    asked = before(ask(Scenario()), 'send')['message']['version']
    own = ComputeTaskManager.target.version
    other = ask(Scenario(microversion='2.30')).messages[0]['version']
    lower = tuple(map(int, asked.split('.'))) < tuple(map(int, own.split('.')))
    return {'answer': 'needs' if lower and asked != other else 'own', 'sent': asked, 'own': own, 'other': other}


def _other_message(ask: Ask) -> Facts:
    message = ask(Scenario(microversion='2.30')).messages[0]
    return {'answer': (message['kind'], message['method']), 'version': message['version'], 'kind': message['kind'],
            'method': message['method']}


def _lacks_lost(trace: Trace, ask: Ask) -> str:
    if status(trace) != 202:
        return f'the answer is {status(trace)}'
    return '' if lost(trace) else 'nothing went wrong behind the bus'


_TASKS = (
    Choice(
        'rpc.recall',
        'From the sixth leg: the command `openstack server migrate --live-migration web-1` sends its order at 2.30. '
        'What goes over the bus?',
        'A {answer}. The nova command asks for the newest version that both know, and makes a cast: same wish, another '
        'message.',
        _openstack_client, options=(
            Option('call', 'A call', 'The version decides, not the client.', ''),
            Option('cast', 'A cast', 'A live migration is a cast.', 'It is one from 2.34 on.', myth='casts'),
            Option('none', 'Nothing', 'It is another command.', 'To the API it is the same action.'))),
    Choice(
        'rpc.predict',
        'The broker is away, and the driver gives up after a moment. What is answered, and in which task state is the '
        'server left?',
        'The answer is {status}, and the server stays `{state}`; the action is noted ({actions}), and stays open. The '
        'mark was written before the message was sent, and nobody takes it back.',
        _broker_away, options=(
            Option((500, None), '500, and no task state', 'If it fails, all is left as it was.',
                   'Nobody takes the mark back: of all that can go wrong with the bus only a timeout is caught, and '
                   'for that an error is noted.', myth='undone'),
            Option((202, 'migrating'), '202, and migrating', 'Nobody waits for a cast.',
                   'Not for what becomes of it; but it has to be sent.'),
            Option((500, 'error'), '500, and error', 'Nova notes what went wrong.',
                   '`error` is no task state. It is a state of the server (vm_state), and it is the conductor that '
                   'would write it.'),
            Option((500, 'migrating'), '500, and migrating', 'Something went wrong halfway.', ''))),
    Choice(
        'rpc.look-text',
        'The message, at `{station}`: which name is that of the queue?',
        '`{answer}` is. `{namespace}` says which object in the conductor is meant, and `{method}` which of its '
        'methods.',
        _address, options=(
            Option('conductor', 'conductor', 'One queue for all of them.', ''),
            Option('compute_task', 'compute_task', 'It says for whom it is.',
                   'It is the namespace: it matters when the message has arrived.', myth='topic'),
            Option('live_migrate_instance', 'live_migrate_instance', 'A queue for each job.', 'It is the method.'))),
    Choice(
        'rpc.look-happened',
        'The API has answered 202. What is certain?',
        'Let the conductor find no host: the answer is {status}, although `{where}` failed. What is certain is that '
        'the message was handed to the bus.',
        _accepted, options=(
            Option('moved', 'The server has moved', '2xx is success.',
                   'It may not even have begun to; nobody waited for it.',
                   myth='moved'),
            Option('host', 'There is a host for it', 'Else it would be refused.',
                   'The answer does not wait for the one who looks.'),
            Option('taken', 'The order has been handed over', 'It has been taken, the word says no more.', ''))),
    Choice(
        'rpc.look-purpose',
        'The message says version {sent}, the conductor has {own}. Why not the same?',
        'It asks for the lowest that will do, {sent}; for the other method the same API asks for {other}. So an older '
        'conductor can serve it, while a cloud is being upgraded.',
        _version, options=(
            Option('own', 'The API is older than the conductor', 'Versions tell age.',
                   'Both are of the same release here.'),
            Option('micro', 'It follows from the microversion', 'Another microversion, another message.',
                   'That decides which method is called. Its version comes with the method.'),
            Option('needs', 'It asks for no more than the method needs', 'Then more conductors can serve it.', ''))),
    Choice(
        'rpc.change',
        'One change: the microversion is 2.30. Your hypothesis: what is on the bus?',
        'A {kind} of `{method}`, version {version}: an older and more general method, that waits.',
        _other_message, options=(
            Option(('call', 'migrate_server'), 'a call of migrate_server', 'Each way has its own method.', ''),
            Option(('call', 'live_migrate_instance'), 'a call of live_migrate_instance', 'The same job, with waiting.',
                   'That method is always cast.'),
            Option(('cast', 'migrate_server'), 'a cast of migrate_server', 'An older method.',
                   'It is the older one; but somebody waits for it.'))),
    Build(
        'rpc.check',
        'Make an order that is accepted and comes to nothing.',
        'One that does it: `{solution}`.',
        none, (
            'What does nobody wait for?',
            'The conductor has to fail, behind a cast.',
            "Scenario(conductor_reply={{'raise': 'NoValidHost'}})"),
        lacks=_lacks_lost,
        tries=(Scenario(), Scenario(conductor_reply={'raise': 'NoValidHost', 'kwargs': {'reason': 'all are full'}}))),
    Sentence(
        'rpc.say', 'In one sentence: what travels, and who picks it up?',
        'Plain text travels, the objects taken apart, on the queue `{answer}`; any one conductor takes it, and '
        'namespace (`{namespace}`), method and version lead to the function.',
        _address),
)

LEG = Questions(
    'rpc', 12,
    goal='To tell what is on the bus, who takes it, and what is left behind if it fails.',
    ask='The API has answered 202. What do we know? What does the database say if the broker is gone?',
    board='An envelope: topic outside, namespace, method and version on the letter. Beside it the row: migrating.',
    show='The message; then the failure "the bus is unreachable".',
    tasks=_TASKS)
