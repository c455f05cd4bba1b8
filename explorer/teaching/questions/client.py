"""The lesson's questions about the leg `client`, and the notes for its teacher."""

from explorer.explorations import Scenario, client_newest
from explorer.stations import BY_KEY
from explorer.teaching.facts import first, none, parts_at, request, sent, stations
from explorer.teaching.tasks import Ask, Build, Choice, Facts, Option, Questions, Sentence, Word
from explorer.trace import Trace


def _exchanges(ask: Ask) -> Facts:
    found = ask(Scenario()).find('http')
    requests = [(step.before or {})['request'] for step in found]
    asked = [f"{each['method']} {'/' + each['url'].split('/', 3)[3].partition('?')[0]}" for each in requests]
    version = [number for number, each in enumerate(requests, 1)
               if 'x-openstack-nova-api-version' in each['headers']['store']]
    return {'answer': len(found), 'asked': ', '.join(asked[:2]), 'last': f"{requests[-1]['method']} …/action",
            'first_version': version[0] if version == list(range(version[0], len(requests) + 1)) else 0,
            'key': next(iter(request(ask(Scenario()))['body']))}


def _key(ask: Ask) -> Facts:
    found = _exchanges(ask)
    return {**found, 'answer': found['key'], 'step': first(ask(Scenario()), '_action').index + 1,
            'station': BY_KEY['_action'].name}


def _first_header(ask: Ask) -> Facts:
    found = _exchanges(ask)
    return {**found, 'answer': found['first_version'], 'step': ask(Scenario()).find('http')[0].index + 1}


def _negotiated(ask: Ask) -> Facts:
    trace = ask(Scenario())
    api = first(trace, 'http').result['content']
    newest = int(api.partition('"version": "2.')[2].partition('"')[0])
    chosen = first(trace, 'discover_version').result['ver_minor']
    return {'answer': 'agree' if chosen == min(newest, client_newest()) else 'other', 'client': client_newest(),
            'api': newest, 'chosen': chosen, 'step': first(trace, 'discover_version').index + 1}


def _lacks_false(trace: Trace, ask: Ask) -> str:
    value = sent(trace, 'block_migration')
    if 'http' not in stations(trace):
        return 'it was sent without the client; the question is what the client fills in'
    return '' if value is False else f'the body says block_migration: {value!r}'


_TASKS = (
    Choice(
        'client.predict',
        'The client holds a token already. You type `nova live-migration web-1`, and nothing else. How many HTTP '
        'requests does it send to Nova?',
        'There were {answer}, beginning with {asked}; the last one, {last}, is the order. A name has to become an id; '
        'and before it speaks a version, the command asks which ones there are.',
        _exchanges, options=(
            Option(1, 'One: the order.', 'One command, one request.',
                   'The order needs the id of the server, and you gave a name.'),
            Option(2, 'Two: a login, then the order.', 'Every cloud wants to see a token first.',
                   'To log in is a matter of Keystone, not of Nova; and the token is there already.'),
            Option(3, 'Three: look for the name, fetch the server, order.',
                   'The order needs an id, and you gave a name.',
                   'Well thought; but before it speaks, the client asks which versions the API speaks.'),
            Option(4, 'Four: ask for versions, look for the name, fetch the server, order.',
                   'Nothing can be asked before the two have agreed on a version.', ''))),
    Word(
        'client.look-text',
        'Go to step {step}, `{station}`, and read the payload: what is the one key in the body of the order?',
        'The key is `{answer}`. It is all that names a live migration in this request; neither the path nor the method '
        'does.',
        _key, hints=(
            'The body is built from the name of the action and from what is wished for.',
            'In the payload of that step, look at `action`, or at `body`.',
            'It begins with os- and has a hyphen.')),
    Choice(
        'client.look-happened',
        'Step through the exchanges, from step {step} on: which is the first one that carries the header of a '
        'microversion?',
        'It is number {answer}. Before, the client cannot know which to ask for; from then on every request carries '
        'it.',
        _first_header, options=(
            Option(1, 'The first.', 'A header belongs to every request.', 'The first asks which versions there are.'),
            Option(2, 'The second.', 'After the first answer both know what they can speak.', ''),
            Option(4, 'The fourth.', 'Only the order needs rules.',
                   'What a server looks like in an answer depends on the microversion, too.'))),
    Choice(
        'client.look-purpose',
        'See what `discover_version` returns at step {step}. What is the first request good for?',
        'The client knows up to 2.{client}, the API up to 2.{api}; so they take 2.{chosen}. The rules by which the '
        'order is read are settled here, before there is an order.',
        _negotiated, options=(
            Option('agree', 'To find the newest microversion that both sides know.', 'They may be of different age.',
                   ''),
            Option('token', 'To see whether the token is still good.', 'Better to fail early.',
                   'It would be an answer to another question: nothing in the result speaks of the token.'),
            Option('alive', 'To see whether the API is up.', 'One knocks before one enters.',
                   'That could be seen by the order itself; but the answer is used: a version is computed from it.'))),
    Choice(
        'client.change',
        'One change: `--block-migrate`. Your hypothesis: up to where do the two runs visit the same stations?',
        'Side by side: {words}.',
        parts_at(Scenario(), Scenario(block_migrate=True)), options=(
            Option('client', 'To the client; then it sends another request.', 'Another option, another order.',
                   'It sends the same request with another value in it.'),
            Option('controller', 'To the controller; then another method takes it.',
                   'Moving disks is quite another job.',
                   'So it is, for the hosts. Up to the conductor it is one value that is carried along.'),
            Option('conductor-api', "To the conductor's API; then another message goes out.",
                   'The conductor has to be told.',
                   'It knows, from an argument of the same message.'),
            Option('nowhere', 'To the end: the same stations, with another value.',
                   'An option fills a field, and no more.', ''))),
    Build(
        'client.check',
        'Nobody types "auto"; the client fills it in. Make a request in which **the client** fills in '
        '`block_migration: false`.',
        'One that does it: `{solution}`. Before 2.25 there was no "auto"; if you say nothing, the client then says no.',
        none, (
            'Which value the client fills in depends on the rules that it is asked to speak.',
            'Those are the microversion. "auto" has not always been there: 2.25 brought it.',
            "Try Scenario(microversion='2.…') with something older than 2.25."),
        lacks=_lacks_false, tries=tuple(Scenario(microversion=version) for version in ('2.96', '2.25', '2.24'))),
    Sentence(
        'client.say', 'In one sentence: what does the client make of your command?',
        'The client makes {answer} requests of it, of which the last is a POST to the actions of the server; what it '
        'orders is the key `{key}` in the body, and by which rules is a header.',
        _exchanges),
)

LEG = Questions(
    'client', 12,
    goal='To tell what leaves the client for a command, and who filled in which value.',
    ask='Who has typed "auto"? Where does the microversion come from?',
    board=('Four arrows from client to API, each with method and path; over them the version that was agreed on. '
           'Leave the fourth open until the run.'),
    show='Step from one Session.send to the next. Then `--block-migrate`, and "Compare with the previous run".',
    tasks=_TASKS)
