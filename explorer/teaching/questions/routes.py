"""The lesson's questions about the leg `routes`, and the notes for its teacher."""

import re

from explorer.explorations import Scenario, bare
from explorer.stations import BY_KEY
from explorer.teaching.facts import before, first, request, stations, status, statuses, turned_by
from explorer.teaching.tasks import Ask, Build, Choice, Facts, Option, Questions, Sentence, Word
from explorer.trace import Trace
from explorer.views.facts import message, path_of


def _unknown_action(ask: Ask) -> Facts:
    trace = ask(bare({'os-nope': {}}))
    return {'answer': turned_by(trace), 'name': BY_KEY[turned_by(trace)].name, 'status': status(trace),
            'message': message(trace)}


def _where_named(ask: Ask) -> Facts:
    walk = ask(Scenario())
    named = [name for name in ('path', 'headers', 'body')
             if re.search('live-?migrat|migrate-?live', str(request(walk)[name]), re.IGNORECASE)]
    return {'answer': named[0] if len(named) == 1 else tuple(named), 'path': path_of(walk)}


def _route_action(ask: Ask) -> Facts:
    return {'answer': first(ask(Scenario()), 'routematch').result[0]['action'],
            'method': first(ask(Scenario()), '_get_method').result.strip('<>').rpartition('.')[2]}


def _reads(ask: Ask) -> Facts:
    found = [name for name in stations(ask(Scenario())) if name in ('action_peek', '_from_json')]
    return {'answer': len(found), 'where': ' and '.join(f'`{BY_KEY[name].name}`' for name in found)}


def _peek(ask: Ask) -> Facts:
    bad, two = ask(bare({'os-migrateLive': {}})), ask(bare({'os-migrateLive': {}, 'os-nope': {}}))
    passed = first(bad, 'action_peek').error is None and turned_by(bad) != 'action_peek'
    whole = 'os-migrateLive' in before(ask(Scenario()), '_migrate_live')['body']
    return {'answer': 'finds' if passed and whole else 'checks', 'later': BY_KEY[turned_by(bad)].name,
            'two': status(two), 'message': message(two)}


def _lacks_form(trace: Trace, ask: Ask) -> str:
    if status(trace) != 400:
        return f'the answer is {status(trace)}'
    if 'action_peek' not in stations(trace):
        return 'nobody has looked at the body'
    if '_schema_validation_helper' in stations(trace):
        return 'a schema has looked at it'
    return '' if turned_by(trace) == 'action_peek' else 'its form is in order; what it asks for is not known'


def _wants_one_key(ask: Ask) -> Facts:
    return {'message': message(ask(bare({'os-migrateLive': {}, 'os-nope': {}})))}


_TASKS = (
    Choice(
        'routes.recall',
        'From the first leg: which part of the request says that this is a live migration?',
        'Only the {answer}. The path, {path}, is that of all actions.',
        _where_named, options=(
            Option('path', 'The path', 'An API names its resources by paths.', 'It ends in /action, for all of them.'),
            Option('headers', 'A header', 'The microversion is there, too.', 'They say by which rules, not what.'),
            Option('body', 'A key in the body', 'It was the only place where the name turned up.', ''))),
    Choice(
        'routes.predict',
        'The same request, but with the key `os-nope` in place of `os-migrateLive`. Where is it rejected?',
        'By `{name}`, with {status}: "{message}".',
        _unknown_action, options=(
            Option('_dispatch', 'In the table of routes: 404',
                   'Routes lead to methods; for what does not exist there is none.',
                   'The route is that of all actions, and it is there. The table never sees the body.', myth='route'),
            Option('_get_method', 'In `_get_method`, which looks for the method', 'The key is the name of the method.',
                   ''),
            Option('validate', 'In the schema: 400', 'The body is not as it should be.',
                   'Which schema? They hang at the method, and that is not found yet.'),
            Option('authorize', 'In the policy: 403', 'What is not allowed is forbidden.',
                   'A policy has a name, of an action that exists.'))),
    Word(
        'routes.look-text',
        'Which `action` does the table of routes give for this path? (See what `routematch` returns.)',
        'It says `{answer}`: a method that the servers controller does not have. That is where the body is asked, and '
        'the method is `{method}`.',
        _route_action, hints=(
            'It is in the result of routematch.',
            'Beside the id it has two entries. One is the controller.',
            'It is the last word of the path.')),
    Choice(
        'routes.look-happened',
        'How often has the text of the body been read as JSON by the time the method is called?',
        '{answer} times: in {where}. First to find the method, then to call it.',
        _reads, options=(
            Option(1, 'Once', 'Once read, it is known.', 'The peek throws away all but the key.'),
            Option(2, 'Twice', 'One has to peek to know whose it is.', ''),
            Option(3, 'Three times', 'Each schema reads it again.', 'The schemas get what was read, as plain data.'))),
    Choice(
        'routes.look-purpose',
        'What does `action_peek` do with the body?',
        'It finds the key, and no more: an order that is incomplete gets past it, and is rejected by `{later}`. Two '
        'keys it cannot choose between: {two}, "{message}".',
        _peek, options=(
            Option('finds', 'It finds the one key, by which the method is chosen.',
                   'There is nothing else to choose by.', ''),
            Option('checks', 'It checks whether the body is complete.', 'Better to know before the method runs.',
                   'What complete means only the schema knows, and that hangs at the method.'),
            Option('changes', 'It unwraps the body for the method.', 'The method wants what is inside.',
                   'The method gets the whole body, with the key.'))),
    Choice(
        'routes.change',
        'One change, sent without the client, for it would refuse: the microversion is 2.999. Your hypothesis: the '
        'answer?',
        'It is {status_1}. A version that is asked for is a promise about the rules; nobody guesses at it.',
        statuses(Scenario(microversion='2.999')), options=(
            Option(202, '202: the API takes the newest that it has', 'Newer clients should work with older clouds.',
                   'So they do: by asking first, as in the first leg.'),
            Option(400, '400: bad request', 'The header is wrong.',
                   'It is well formed. An ill-formed one would get that.'),
            Option(406, '406: not acceptable', 'It cannot answer in that version.', ''),
            Option(404, '404: not found', 'There is no such version.',
                   'The path was found before; a wrong path would have been a 404.'))),
    Build(
        'routes.check',
        'Make a request whose body is rejected with 400 because of its **form**: after somebody has peeked at it, '
        'and before a schema does.',
        'One that does it: `{solution}`. What peeks wants JSON with exactly one key; anything else gets "{message}".',
        _wants_one_key, (
            'The peek wants to find exactly one thing.',
            'What if it finds two? Or what if the text is no JSON?',
            "bare({{'os-migrateLive': {{}}, 'another': {{}}}}), or bare('a text that is no JSON')"),
        lacks=_lacks_form, tries=(bare({'os-migrateLive': {}}), bare({'os-migrateLive': {}, 'os-nope': {}}))),
    Sentence(
        'routes.say', 'In one sentence: what leads to the method?',
        'The route leads to a controller and to the word `{answer}`, which all actions share; the one key of the body '
        'leads from there to `{method}`.',
        _route_action),
)

LEG = Questions(
    'routes', 11,
    goal='To tell how a path that all actions share leads to one method.',
    ask='Which part of this request says what is wanted? Could the table of routes know?',
    board='Three boxes: path, word "action", key of the body; an arrow from the last two to the method.',
    show='`_get_method`: the line that fails, and the line that it falls back on.',
    tasks=_TASKS)
