"""The lesson as data: for each of the seven what is asked, which claims people make, and what one has to run to find out.

A fact is read off traces by a small function, which is given *ask*: Scenario -> Trace. No answer is written here.
"""

import dataclasses
import re
from collections.abc import Mapping

from explorer.closing import CLOSING_TASKS, PAUSE_TASKS
from explorer.explorations import EXPLORATIONS, Scenario, bare, client_newest
from explorer.flowcharts import name_of
from explorer.pipeline import ComputeTaskManager
from explorer.reading import arguments, first, none, order, parts_at, sent, stations, status, statuses, turned_by
from explorer.tasks import Build, Choice, Option, Sentence, Short, Task
from explorer.views import lost, message, path_of

MYTHS: Mapping[str, str] = {
    'moved': 'A 202 means that the server has moved',
    'picks': 'The API picks the host',
    'asks': 'Who names a host always has the scheduler asked about it',
    'field': '`async` is a field of the request',
    'same': 'False, None and "auto" are the same',
    'route': 'The route picks the method',
    'topic': 'A namespace is a topic by another name',
    'casts': 'Every client makes a cast',
    'may': 'Who may migrate a server, may say where to',
    'locked': 'A locked server is locked for everybody',
    'undone': 'If the bus is broken, all is left as it was',
}

MINUTES: Mapping[str, int] = {
    'client': 12, 'service': 11, 'routes': 11, 'controller': 12, 'compute-api': 12, 'conductor-api': 12, 'rpc': 12}


# ----------------------------------------------------------------------------------------------- 1. client


def _exchanges(ask):
    found = ask(Scenario()).find('http')
    requests = [step.before['request'] for step in found]
    asked = [f"{each['method']} {'/' + each['url'].split('/', 3)[3].partition('?')[0]}" for each in requests]
    version = [number for number, each in enumerate(requests, 1) if 'x-openstack-nova-api-version' in each['headers']['store']]
    return {'answer': len(found), 'asked': ', '.join(asked[:2]), 'last': f"{requests[-1]['method']} …/action",
            'first_version': version[0] if version == list(range(version[0], len(requests) + 1)) else 0,
            'key': list(ask(Scenario()).request['body'])[0]}


def _key(ask):
    found = _exchanges(ask)
    return {**found, 'answer': found['key'], 'step': first(ask(Scenario()), '_action').index, 'station': name_of('_action')}


def _first_header(ask):
    found = _exchanges(ask)
    return {**found, 'answer': found['first_version'], 'step': ask(Scenario()).find('http')[0].index}


def _negotiated(ask):
    trace = ask(Scenario())
    api = first(trace, 'http').result['content']
    newest = int(api.partition('"version": "2.')[2].partition('"')[0])
    chosen = first(trace, 'discover_version').result['ver_minor']
    return {'answer': 'agree' if chosen == min(newest, client_newest()) else 'other', 'client': client_newest(), 'api': newest,
            'chosen': chosen, 'step': first(trace, 'discover_version').index}


def _lacks_false(trace, ask):
    value = sent(trace, 'block_migration')
    if 'http' not in stations(trace):
        return 'it was sent without the client; the question is what the client fills in'
    return '' if value is False else f'the body says block_migration: {value!r}'


CLIENT = (
    Choice(
        'client.predict',
        'The client holds a token already. You type `nova live-migration web-1`, and nothing else. How many HTTP requests '
        'does it send to Nova?',
        'There were {answer}, beginning with {asked}; the last one, {last}, is the order. A name has to become an id; and '
        'before it speaks a version, the command asks which ones there are.',
        _exchanges, options=(
            Option(1, 'One: the order.', 'One command, one request.',
                   'The order needs the id of the server, and you gave a name.'),
            Option(2, 'Two: a login, then the order.', 'Every cloud wants to see a token first.',
                   'To log in is a matter of Keystone, not of Nova; and the token is there already.'),
            Option(3, 'Three: look for the name, fetch the server, order.', 'The order needs an id, and you gave a name.',
                   'Well thought; but before it speaks, the client asks which versions the API speaks.'),
            Option(4, 'Four: ask for versions, look for the name, fetch the server, order.',
                   'Nothing can be asked before the two have agreed on a version.', ''))),
    Short(
        'client.look-text',
        'Go to step {step}, `{station}`, and read the payload: what is the one key in the body of the order?',
        'The key is `{answer}`. It is all that names a live migration in this request; neither the path nor the method does.',
        _key, hints=(
            'The body is built from the name of the action and from what is wished for.',
            'In the payload of that step, look at `action`, or at `body`.',
            'It begins with os- and has a hyphen.')),
    Choice(
        'client.look-happened',
        'Step through the exchanges, from step {step} on: which is the first one that carries the header of a microversion?',
        'It is number {answer}. Before, the client can not know which to ask for; from then on every request carries it.',
        _first_header, options=(
            Option(1, 'The first.', 'A header belongs to every request.', 'The first asks which versions there are.'),
            Option(2, 'The second.', 'After the first answer both know what they can speak.', ''),
            Option(4, 'The fourth.', 'Only the order needs rules.',
                   'What a server looks like in an answer depends on the microversion, too.'))),
    Choice(
        'client.look-purpose',
        'See what `discover_version` returns at step {step}. What is the first request good for?',
        'The client knows up to 2.{client}, the API up to 2.{api}; so they take 2.{chosen}. The rules by which the order is '
        'read are settled here, before there is an order.',
        _negotiated, options=(
            Option('agree', 'To find the newest microversion that both sides know.', 'They may be of different age.', ''),
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
            Option('controller', 'To the controller; then another method takes it.', 'Moving disks is quite another job.',
                   'So it is, for the hosts. Up to the conductor it is one value that is carried along.'),
            Option('conductor-api', "To the conductor's API; then another message goes out.", 'The conductor has to be told.',
                   'It is told: by an argument of the same message.'),
            Option('nowhere', 'To the end: the same stations, with another value.', 'An option fills a field, and no more.', ''))),
    Build(
        'client.check',
        'Nobody types "auto"; the client fills it in. Make a request in which **the client** fills in `block_migration: false`.',
        'One that does it: `{solution}`. Before 2.25 there was no "auto"; if you say nothing, the client then says no.',
        none, (
            'Which value the client fills in depends on the rules that it is asked to speak.',
            'Those are the microversion. "auto" has not always been there: 2.25 brought it.',
            "Try Scenario(microversion='2.…') with something older than 2.25."),
        lacks=_lacks_false, tries=tuple(Scenario(microversion=version) for version in ('2.96', '2.25', '2.24'))),
    Sentence(
        'client.say', 'In one sentence: what does the client make of your command?',
        'The client makes {answer} requests of it, of which the last is a POST to the actions of the server; what it orders '
        'is the key `{key}` in the body, and by which rules is a header.',
        _exchanges),
)


# ----------------------------------------------------------------------------------------------- 2. service


def _stranger_with_nonsense(ask):
    trace = ask(bare({'os-migrateLive': {}}, caller='bad_token'))
    return {'answer': status(trace), 'known': status(ask(bare({'os-migrateLive': {}})))}


def _makes_context(ask):
    trace = ask(Scenario())
    makers = [step for step in trace.steps if step.exploration == 'service' and
              any(path[-1] == 'nova.context' for path in trace.changes(step)['added'])]
    begin = next(step.index for step in trace.steps if step.exploration == 'service')
    return {'answer': makers[-1].station, 'name': name_of(makers[-1].station), 'begin': begin, 'step': makers[-1].index}


def _last_filter(ask):
    trace = ask(EXPLORATIONS[1].compare)
    return {'answer': trace.steps[-1].station, 'name': name_of(trace.steps[-1].station), 'count': len(trace.steps), 'all': len(
        [step for step in ask(Scenario()).steps if step.exploration == 'service'])}


def _request_id(ask):
    trace = ask(Scenario())
    here = first(trace, 'NovaKeystoneContext').after['ctx']['request_id']
    there = first(trace, 'manager.live_migrate_instance').before['context']['request_id']
    return {'answer': 'joins' if here == there else 'other', 'step': first(trace, 'ComputeReqIdMiddleware').index}


NOWHERE = '/v2.1/nonsense'


def _largest(ask):
    return {'largest': first(ask(Scenario()), 'RequestBodySizeLimiter').after['max_size']}


def _lacks_early_end(trace, ask):
    if 'URLMap' not in stations(trace):
        return 'the client gave up before it sent the order; send it without the client'
    if 'AuthProtocol' in stations(trace):
        return 'the filter that looks at the token has run'
    return '' if status(trace) >= 400 else f'it was not turned back: {status(trace)}'


SERVICE = (
    Choice(
        'service.predict',
        'A request with a token that nobody knows, and with an order that is incomplete: `{{"os-migrateLive": {{}}}}`. What '
        'is the answer?',
        'The answer is {answer}; nobody has opened the letter. With a good token the same body gets {known}.',
        _stranger_with_nonsense, options=(
            Option(400, '400: the order is incomplete.', 'What is asked is read first, then who asks.',
                   'The body is opened much later, behind all filters.'),
            Option(401, '401: who are you?', 'One looks who is there before one opens the letter.', ''),
            Option(403, '403: you may not do that.', 'A stranger has no rights.',
                   'Rights belong to somebody. Without a known token there is nobody yet.'),
            Option(404, '404: there is nothing for you here.', 'To strangers one does not tell what there is.',
                   'That is so for servers of others, later on. Here there is no server in play yet.'))),
    Choice(
        'service.look-text',
        'From step {begin} on, look for `nova.context` in the payload. Which filter puts it into the environment? (Marks in '
        'brackets were made further in.)',
        'It is `{name}`, at step {step}: of the headers that the filter before it has written, it makes a context with a '
        'person and roles.',
        _makes_context, options=(
            Option('NovaKeystoneContext', 'NovaKeystoneContext', 'It has the context in its name.', ''),
            Option('AuthProtocol', 'AuthProtocol', 'It knows the token, so it knows the person.',
                   'It writes down whom the token stands for, as headers. What is a person to Nova is made of them afterwards.'),
            Option('ComputeReqIdMiddleware', 'RequestId', 'It makes the id by which the request is known.',
                   'The id is the first that is written down, and the context will hold it; but it comes into being elsewhere.'))),
    Choice(
        'service.look-happened',
        'With a token that nobody knows (*Compare* shows it): which station was the last to run?',
        'It was `{name}`, number {count}; a good token leads past {all} stations of this leg.',
        _last_filter, options=(
            Option('FaultWrapper', 'FaultWrapper', 'It makes answers of errors.',
                   'It is further out, and makes answers of what nobody foresaw. A refusal is no such error.'),
            Option('check_is_admin', 'check_is_admin', 'It decides about rights.',
                   'It asks whether somebody is an administrator. There is nobody to ask about.'),
            Option('AuthProtocol', 'AuthProtocol', 'It sees the token first.', ''))),
    Choice(
        'service.look-purpose',
        '`RequestId` makes an id at step {step}. Follow `request_id` through the player: what is it good for?',
        'The same id stands in the context on the other side of the bus. It is what joins the halves of the story, here and '
        'in the logs.',
        _request_id, options=(
            Option('joins', 'So that the two halves find each other, on both sides of the bus.', 'It is in the message, too.', ''),
            Option('once', 'So that no request is worked on twice.', 'Ids are for telling doubles.',
                   'The id is made anew for each request that comes in. Send it twice, and there are two.'),
            Option('token', 'It takes the place of the token.', 'The token is masked, and the id is not.',
                   'It says which request this is, not who sent it.'))),
    Choice(
        'service.change',
        'One change: the token. A path that the API does not have (`/v2.1/nonsense`), with a token that nobody knows, and '
        'with a good one. Your hypothesis: which two statuses?',
        'The answers were {status_1} and {status_2}. The filters stand before the routes: first somebody has to be there, '
        'then one can be told that there is nothing.',
        statuses(bare({}, path=NOWHERE, caller='bad_token'), bare({}, path=NOWHERE)), options=(
            Option((404, 404), '404 and 404', 'What is not there, is not there for anybody.',
                   'Whether it is there is found out behind the filters.'),
            Option((401, 401), '401 and 401', 'What is unknown might be secret.', 'With a good token one is told.'),
            Option((404, 401), '404 and 401', 'Only what exists has to be guarded.', 'It is the other way round.'),
            Option((401, 404), '401 and 404', 'Who one is comes before what there is.', ''))),
    Build(
        'service.check',
        'Make a request that is turned back (400 or more) **before** anybody looks at the token.',
        'One that does it: `{solution}`. The filter that measures the body stands before the one that looks at the token.',
        _largest, (
            'Which filters stand before the one with the token? The flowchart has them in order.',
            'One of them measures the body. It allows {largest} bytes.',
            "bare('x' * 200_000): with a text for a body, it is sent as it is."),
        lacks=_lacks_early_end, tries=(bare('x'), bare('x' * 200_000))),
    Sentence(
        'service.say', 'In one sentence: what do the filters do for the application behind them?',
        'They see to it that whatever gets through is small enough, has an id, and comes from somebody known: `{name}` at the '
        'end makes a context of headers, and the application can ask "who" without knowing what a token is.',
        _makes_context),
)


# ----------------------------------------------------------------------------------------------- 3. routes


def _unknown_action(ask):
    trace = ask(bare({'os-nope': {}}))
    return {'answer': turned_by(trace), 'name': name_of(turned_by(trace)), 'status': status(trace), 'message': message(trace)}


def _where_named(ask):
    walk = ask(Scenario())
    request = walk.request
    named = [name for name, text in (('path', request['path']), ('headers', str(request['headers'])), ('body', str(request['body'])))
             if re.search('live-?migrat|migrate-?live', text, re.IGNORECASE)]
    return {'answer': named[0] if len(named) == 1 else tuple(named), 'path': path_of(walk)}


def _route_action(ask):
    return {'answer': first(ask(Scenario()), 'routematch').result[0]['action'],
            'method': first(ask(Scenario()), '_get_method').result.strip('<>').rpartition('.')[2]}


def _reads(ask):
    found = [name for name in stations(ask(Scenario())) if name in ('action_peek', '_from_json')]
    return {'answer': len(found), 'where': ' and '.join(f'`{name_of(name)}`' for name in found)}


def _peek(ask):
    bad, two = ask(bare({'os-migrateLive': {}})), ask(bare({'os-migrateLive': {}, 'os-nope': {}}))
    passed = first(bad, 'action_peek').error is None and turned_by(bad) != 'action_peek'
    whole = 'os-migrateLive' in first(ask(Scenario()), '_migrate_live').before['body']
    return {'answer': 'finds' if passed and whole else 'checks', 'later': name_of(turned_by(bad)), 'two': status(two),
            'message': message(two)}


def _lacks_form(trace, ask):
    if status(trace) != 400:
        return f'the answer is {status(trace)}'
    if 'action_peek' not in stations(trace):
        return 'nobody has looked at the body'
    if '_schema_validation_helper' in stations(trace):
        return 'a schema has looked at it'
    return '' if turned_by(trace) == 'action_peek' else 'its form is in order; what it asks for is not known'


def _wants_one_key(ask):
    return {'message': message(ask(bare({'os-migrateLive': {}, 'os-nope': {}})))}


ROUTES = (
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
        'The same request, but with the key `os-nope` in place of `os-migrateLive`. Where is it turned back?',
        'By `{name}`, with {status}: "{message}".',
        _unknown_action, options=(
            Option('_dispatch', 'In the table of routes: 404', 'Routes lead to methods; for what does not exist there is none.',
                   'The route is that of all actions, and it is there. The table never sees the body.', myth='route'),
            Option('_get_method', 'In `_get_method`, which looks for the method', 'The key is the name of the method.', ''),
            Option('validate', 'In the schema: 400', 'The body is not as it should be.',
                   'Which schema? They hang at the method, and that is not found yet.'),
            Option('authorize', 'In the policy: 403', 'What is not allowed is forbidden.',
                   'A policy has a name, of an action that exists.'))),
    Short(
        'routes.look-text',
        'Which `action` does the table of routes give for this path? (See what `routematch` returns.)',
        'It says `{answer}`: a method that the servers controller does not have. That is where the body is asked, and the '
        'method is `{method}`.',
        _route_action, hints=('It is in the result of routematch.', 'Beside the id it has two entries. One is the controller.', 'It is the last word of the path.')),
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
        'It finds the key, and no more: an order that is incomplete gets past it, and is turned back by `{later}`. Two keys '
        'it can not choose between: {two}, "{message}".',
        _peek, options=(
            Option('finds', 'It finds the one key, by which the method is chosen.', 'There is nothing else to choose by.', ''),
            Option('checks', 'It checks whether the body is complete.', 'Better to know before the method runs.',
                   'What complete means only the schema knows, and that hangs at the method.'),
            Option('changes', 'It unwraps the body for the method.', 'The method wants what is inside.',
                   'The method gets the whole body, with the key.'))),
    Choice(
        'routes.change',
        'One change, sent without the client, for it would refuse: the microversion is 2.999. Your hypothesis: the answer?',
        'It is {status_1}. A version that is asked for is a promise about the rules; nobody guesses at it.',
        statuses(Scenario(microversion='2.999')), options=(
            Option(202, '202: the API takes the newest that it has', 'Newer clients should work with older clouds.',
                   'So they do: by asking first, as in the first leg.'),
            Option(400, '400: bad request', 'The header is wrong.', 'It is well formed. An ill-formed one would get that.'),
            Option(406, '406: not acceptable', 'It can not answer in that version.', ''),
            Option(404, '404: not found', 'There is no such version.',
                   'The path was found before; a wrong path would have been a 404.'))),
    Build(
        'routes.check',
        'Make a request whose body is turned back with 400 because of its **form**: after somebody has peeked at it, and '
        'before a schema does.',
        'One that does it: `{solution}`. What peeks wants JSON with exactly one key; all else is told "{message}".',
        _wants_one_key, (
            'The peek wants to find exactly one thing.',
            'What if it finds two? Or what if the text is no JSON?',
            "bare({{'os-migrateLive': {{}}, 'another': {{}}}}), or bare('a text that is no JSON')"),
        lacks=_lacks_form, tries=(bare({'os-migrateLive': {}}), bare({'os-migrateLive': {}, 'os-nope': {}}))),
    Sentence(
        'routes.say', 'In one sentence: what leads to the method?',
        'The route leads to a controller and to the word `{answer}`, which all actions share; the one key of the body leads '
        'from there to `{method}`.',
        _route_action),
)


# ----------------------------------------------------------------------------------------------- 4. controller


def _manager_names_host(ask):
    named, unnamed = ask(Scenario(caller='manager', host='host2')), ask(Scenario(caller='manager'))
    return {'answer': status(named), 'without': status(unnamed), 'rule': first(named, 'authorize').before['action']}


def _async(ask):
    old, new = (first(ask(order(version)), '_migrate_live').after['async_'] for version in ('2.33', '2.34'))
    told = status(ask(order('2.34', **{'async': True})))
    return {'answer': 'microversion' if (old, new) == (False, True) and told == 400 else 'other', 'old': old, 'new': new, 'told': told}


def _schemas(ask):
    walk = ask(Scenario())
    looked = {step.parent for step in walk.find('validate')}
    bodies = [step for step in walk.find('_schema_validation_helper') if step.before['min_version']]
    return {'answer': sum(step.index in looked for step in bodies), 'all': len(bodies)}


def _target(ask):
    walk = ask(Scenario())
    target, instance = first(walk, 'authorize').before['target'], first(walk, 'get_instance').result
    other = status(ask(dataclasses.replace(order(), caller='member_other_project')))
    return {'answer': 'whose' if target.get('project_id') == instance['project_id'] else 'other', 'other': other}


def _three_values(ask):
    auto, no = (arguments(ask(order('2.34', block_migration=value)))['block_migration'] for value in ('auto', False))
    null = ask(order('2.34', block_migration=None))
    return {'answer': (auto, no, status(null) if status(null) >= 400 else arguments(null)['block_migration']), 'auto': auto, 'no': no,
            'null': status(null)}


def _lacks_body_before_rights(trace, ask):
    if status(trace) != 400 or turned_by(trace) != 'validate':
        return f'the answer is {status(trace)}, and not from a schema'
    asked = status(ask(dataclasses.replace(order(), caller=trace.scenario['caller'])))
    return '' if asked == 403 else f'{trace.scenario["caller"]} may well do that: a complete order gets {asked}'


CONTROLLER = (
    Choice(
        'controller.recall',
        'From the second leg: a reader with a token that nobody knows sends an order that is incomplete. Which answer?',
        'It is {status_1}: the filters stand before everything that this leg is about.',
        statuses(bare({'os-migrateLive': {}}, caller='bad_token')), options=(
            Option(400, '400', 'The order is incomplete.', 'Nobody has opened it.'),
            Option(403, '403', 'A reader may not migrate.', 'Who it is can not be told from that token.'),
            Option(401, '401', 'The token comes first.', ''))),
    Choice(
        'controller.predict',
        'A manager may live migrate the servers of the project. Now a manager asks for `nova live-migration web-1 host2`. The '
        'answer?',
        'It is {answer}: the rule asked is `{rule}`, which is for administrators. Without a host the same manager gets {without}.',
        _manager_names_host, options=(
            Option(202, '202', 'Who may migrate a server, may say where to.',
                   'These are two rules: one for moving, one for saying where to. Hosts are not a matter of projects.', myth='may'),
            Option(400, '400', 'A manager can not know the names of hosts.', 'Whether the host exists would be looked at later.'),
            Option(403, '403', 'Hosts are for administrators.', ''),
            Option(409, '409', 'It is in conflict with what the scheduler thinks.', 'The scheduler is still far away.'))),
    Choice(
        'controller.look-text',
        'In `_migrate_live`, find the line that sets `async_`. Where does its value come from?',
        'The same body gives {old} at 2.33 and {new} at 2.34. And who writes `async` into the body gets {told}: it is no field.',
        _async, options=(
            Option('microversion', 'From the microversion', 'It is a matter of the rules.', ''),
            Option('body', 'From a field of the body', 'The code reads host and block_migration from there.',
                   'The schema knows no such field, and refuses what it does not know.', myth='field'),
            Option('option', 'From the configuration', 'An operator decides how the cloud works.',
                   'The line asks the request, not the configuration.'))),
    Short(
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
        'The policy is asked about the project of the server. And for a member of another project the server does not exist: '
        '{other}.',
        _target, options=(
            Option('lock', 'So that it is locked while one decides', 'Else it could change meanwhile.',
                   'Nothing is locked by reading.'),
            Option('cheap', 'Looking is cheaper than asking', 'The cheap question first.',
                   'It costs a look into two databases, and a thread; the policy costs neither.'),
            Option('whose', 'The policy has to know whose server it is', 'What one may do depends on the project.', ''))),
    Choice(
        'controller.change',
        'One change: `block_migration` is "auto", false, and null, at 2.34. Your hypothesis: what arrives in the message?',
        '"auto" arrives as {auto}, false as {no}, and null is answered with {null}. False is an order: do not take the disks '
        'along. None leaves it to the hosts. And null is none of the values that the schema allows here.',
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
            'Two things have to be wrong at once, and the outer one is told.',
            'You need a caller without the right, and a body that a schema refuses.',
            "bare({{'os-migrateLive': …}}, caller='reader')"),
        lacks=_lacks_body_before_rights,
        tries=(dataclasses.replace(bare({'os-migrateLive': {}})), dataclasses.replace(bare({'os-migrateLive': {}}), caller='reader'))),
    Sentence(
        'controller.say', 'In one sentence: what has to be true before the controller calls the compute API?',
        'The body has to fit the schema of its microversion, the server has to be one of those that the caller can see, and '
        'the policy has to allow it; naming a host is a right of its own ({rule}), and force needs a host.',
        _manager_names_host),
)


# ----------------------------------------------------------------------------------------------- 5. compute-api


def _two_keys(ask):
    complete = order().request['body']
    trace = ask(bare({**complete, 'pause': None}))
    return {'answer': status(trace), 'by': name_of(turned_by(trace))}


def _locked_for_whom(ask):
    state = {'locked_by': 'owner'}
    return {'answer': tuple(status(ask(Scenario(caller=who, state=state))) for who in ('admin', 'manager'))}


def _outermost(ask):
    guards = [step for step in ask(Scenario()).steps if step.exploration == 'compute-api' and '<locals>' in step.qualname]
    return {'answer': guards[0].station, 'name': name_of(guards[0].station), 'count': len(guards), 'last': name_of(guards[-1].station)}


def _handed_over(ask):
    walk = ask(Scenario())
    host = first(walk, 'ComputeTaskAPI.live_migrate_instance').before['host_name']
    return {'answer': 'nobody' if host is None else 'api', 'host': host, 'there': first(walk, 'get_instance').result['host']}


def _race(ask):
    trace, later = ask(Scenario(race={'task_state': 'rebooting'})), ask(Scenario(state={'task_state': 'rebooting'}))
    failed = [step.station for step in trace.steps if step.error is not None and step.error[''] == 'UnexpectedTaskStateError']
    kept = trace.outcome['task_state_after'] == 'rebooting' and 'Instance.save' in failed
    return {'answer': 'race' if kept else 'other', 'status': status(trace), 'seen': status(later),
            'state': trace.outcome['task_state_after']}


def _share_and_lock(ask):
    trace = ask(Scenario(caller='manager', state={'locked_by': 'owner', 'share': True}))
    return {'answer': turned_by(trace), 'name': name_of(turned_by(trace)), 'status': status(trace), 'message': message(trace)}


def _lacks_500_untouched(trace, ask):
    if status(trace) != 500:
        return f'the answer is {status(trace)}'
    if trace.messages:
        return 'a message was sent'
    if trace.scenario.get('request'):
        return 'ask for it as the client does'
    return 'the action was noted' if trace.outcome['actions'] else ''


COMPUTE_API = (
    Choice(
        'compute-api.recall',
        'From the third leg: a body with two keys, `os-migrateLive` and `pause`. The answer?',
        'It is {answer}, by `{by}`: with two keys there is no telling which method is meant, so it never comes to a controller.',
        _two_keys, options=(
            Option(202, '202: the first one counts', 'Most readers take what comes first.',
                   'Here nobody takes one of two: the keys are counted first.'),
            Option(400, '400: malformed', 'There has to be exactly one.', ''),
            Option(409, '409: they are in conflict', 'A server can not do both.', 'Nobody has asked what they mean.'))),
    Choice(
        'compute-api.predict',
        'The owner has locked the server. An administrator orders a live migration, then a manager does. The two answers?',
        'They are {answer[0]} and {answer[1]}. The lock is for those who are not administrators, whoever has set it.',
        _locked_for_whom, options=(
            Option((409, 409), '409 and 409', 'A locked server is locked.',
                   'The guard looks at the lock and at who asks: it lets an administrator through.', myth='locked'),
            Option((202, 202), '202 and 202', 'A lock is for users, and both are more.', 'A manager is no administrator.'),
            Option((403, 403), '403 and 403', 'A lock takes away the right.',
                   'The right is judged before, and it is there. The lock is about the server.'),
            Option((202, 409), '202 and 409', 'An administrator stands above locks.', ''))),
    Choice(
        'compute-api.look-text',
        'The guards are decorators. Which of these three runs first?',
        '`{name}` does, of {count}; the innermost is `{last}`.',
        _outermost, options=(
            Option('check_instance_state', 'check_instance_state', 'The state is the first thing to look at.', 'It is the last.'),
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
        '`save` is told `expected_task_state=[None]`. What would go wrong without?',
        'If another request was faster, ours is answered with {status}, and the state stays {state}: what the other one has '
        'written is not written over.',
        _race, options=(
            Option('both', 'Of two orders at once, both would be refused', 'Each would find the mark of the other.',
                   'Both would be taken, one on top of the other: nobody would have looked.'),
            Option('fast', 'It would be slower', 'A condition saves the reading.',
                   'The server has been read; the condition is in the UPDATE.'),
            Option('race', 'Two orders at once would write over each other', 'Both have read None.', ''))),
    Choice(
        'compute-api.change',
        'One change: the locked server has a share, too, and a manager asks. Your hypothesis: who turns the order back?',
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
        lacks=_lacks_500_untouched, tries=(Scenario(race={'task_state': 'rebooting'}), Scenario(state={'request_spec': False}))),
    Sentence(
        'compute-api.say', 'In one sentence: how is a server that is taken kept from others?',
        'By a mark. Who comes later and sees it is turned back by the guard of the state, with {seen}; who had looked before '
        'it was written fails when writing, with {status}.',
        _race),
)


# ----------------------------------------------------------------------------------------------- 6. conductor-api


def _oldest_rules(ask):
    auto, no = (status(ask(order(None, block_migration=value, disk_over_commit=False))) for value in ('auto', False))
    return {'answer': (auto, no), 'auto': auto, 'no': no}


def _where_host(version):
    def facts(ask):
        found = arguments(ask(Scenario(host='host2', microversion=version)))
        wish = found['request_spec']['requested_destination']
        hint = found['scheduler_hint']['host']
        kind = 'order' if hint and not wish else 'wish' if wish and not hint else 'both'
        return {'answer': kind, 'hint': hint, 'wish': wish and wish['host']}
    return facts


def _decides(ask):
    traces = [ask(Scenario(host='host2', microversion=version)) for version in ('2.33', '2.34')]
    old, new = (first(trace, 'ComputeTaskAPI.live_migrate_instance').before for trace in traces)
    changed = tuple(name for name in old if old[name] != new[name] and isinstance(old[name], bool | str | None))
    kinds = {trace.messages[0]['kind'] for trace in traces}
    return {'answer': changed[0] if len(changed) == 1 and len(kinds) == 2 else changed}


def _no_host(ask):
    fails = {'raise': 'NoValidHost', 'kwargs': {'reason': 'all are full'}}
    old, new = (status(ask(Scenario(microversion=version, conductor_reply=fails))) for version in ('2.33', '2.34'))
    return {'answer': 'errors' if (old, new) == (400, 202) else 'other', 'old': old, 'new': new}


def _lacks_call_with_auto(trace, ask):
    if not trace.messages:
        return 'nothing is on the bus'
    kind = trace.messages[0]['kind']
    if kind != 'call':
        return f'the message is a {kind}'
    value = sent(trace, 'block_migration')
    return '' if value == 'auto' else f'the body says block_migration: {value!r}'


CONDUCTOR_API = (
    Choice(
        'conductor-api.recall',
        'From the first and the third leg: a request without any header of a microversion, complete by the oldest rules. Once '
        'its body says `"block_migration": "auto"`, once `false`. The two answers?',
        'They are {auto} and {no}. Who names no version gets the oldest, 2.1; and those rules have no "auto".',
        _oldest_rules, options=(
            Option((202, 202), '202 and 202', 'Without a version the newest holds.',
                   'It is the oldest, so that old clients go on working.'),
            Option((400, 202), '400 and 202', 'Without a version the oldest holds.', ''),
            Option((406, 406), '406 and 406', 'A version is missing.', 'That is for one that is asked for and not there.'))),
    Choice(
'conductor-api.predict',
        '`nova --os-compute-api-version 2.29 live-migration web-1 host2`. Is the scheduler asked about host2?',
        'In the message the hint holds {hint}, and the request spec asks for {wish}. A host in the hint is an order: the '
        'scheduler is passed by, and what is left are the checks of the conductor and of the hosts.',
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
            Option('host_name', 'host_name', 'With a host there is less to do.', 'It is packed into the hint, either way.'),
            Option('block_migration', 'block_migration', 'With disks it takes long, so one would not wait.',
                   'It is handed on as it is.'),
            Option('async_', 'async_', 'One waits, or not.', ''))),
    Choice(
        'conductor-api.look-happened',
        'At the newest microversion, with host2 named: where is it now?',
        'The hint holds {hint}, the request spec asks for {wish}: from an order it has become a question. The scheduler may '
        'say no to it, but takes no other.',
        _where_host(None), options=(
            Option('wish', 'In the request spec', 'The scheduler reads it there.', ''),
            Option('order', 'In the hint', 'A hint names a host.', 'Look at scheduler_hint once more: it is empty.'),
            Option('both', 'In both', 'Conductor and scheduler both need it.', 'It is moved, not copied.'))),
    Choice(
        'conductor-api.look-purpose',
        'If no host will do, what does a caller learn at 2.33, and at 2.34?',
        'The answers are {old} and {new}. Waiting has the good of an honest answer; the price is that the caller waits, too.',
        _no_host, options=(
            Option('errors', 'At 2.33 that there is none; at 2.34 that the order was taken',
                   'One waits for the checks, one does not.', ''),
            Option('same', 'The same: there is no host', 'An error is an error.',
                   'At 2.34 the answer does not wait for anybody who looks.'),
            Option('later', 'At 2.34 it is told later on, over the same connection', 'Asynchronous means: later.',
                   'A request has one answer. What becomes of it has to be asked for.'))),
    Choice(
        'conductor-api.change',
        'One change: 2.33 becomes 2.34. Your hypothesis: up to where do the two runs go the same way?',
        'Side by side: {words}.',
        parts_at(Scenario(microversion='2.33'), Scenario(microversion='2.34')), options=(
            Option('client', 'To the client; the request is another', 'It sends another body.', 'The body is the same.'),
            Option('controller', 'Behind the controller', 'There async_ is set.',
                   'It is set there, by the same lines; then the way goes on as before, with another value.'),
            Option('conductor-api', "Where the conductor's API hands over to the bus", 'There the value decides.', ''),
            Option('rpc', 'In the conductor, behind the bus', 'There the work is done.', 'It comes by another message, already.'))),
    Build(
        'conductor-api.check',
        'Make a request whose body says "auto", and for which the API **waits** for the conductor: a call.',
        'One that does it: `{solution}`.',
        none, (
            'Two limits meet: one for "auto", one for the cast.',
            '"auto" came with 2.25, the cast with 2.34.',
            'Take a microversion between the two.'),
        lacks=_lacks_call_with_auto, tries=tuple(Scenario(microversion=version) for version in ('2.96', '2.24', '2.30'))),
    Sentence(
        'conductor-api.say', 'In one sentence: who waits, and who decides that?',
        'Below 2.34 the API waits for the conductor and passes on most of what it says ({old}); from 2.34 on it answers {new} '
        'at once; the microversion decides.',
        _no_host),
)


# ----------------------------------------------------------------------------------------------- 7. rpc


def _openstack_client(ask):
    message = ask(order('2.30')).messages[0]
    return {'answer': message['kind'], 'method': message['method']}


def _broker_away(ask):
    trace = ask(Scenario(conductor_reply={'raise': 'MessageDeliveryFailure', 'kwargs': {}}))
    return {'answer': (status(trace), trace.outcome['task_state_after']), 'status': status(trace), 'state': trace.outcome['task_state_after'],
            'actions': ', '.join(action['action'] for action in trace.outcome['actions'])}


def _address(ask):
    target = first(ask(Scenario()), 'send').before['target']
    return {'answer': target['topic'], 'station': name_of('send'), 'namespace': target['namespace'], 'method': ask(Scenario()).messages[0]['method']}


def _accepted(ask):
    trace = ask(Scenario(conductor_reply={'raise': 'NoValidHost', 'kwargs': {'reason': 'all are full'}}))
    return {'answer': 'taken' if status(trace) == 202 and lost(trace) else 'other', 'status': status(trace), 'where': lost(trace) and name_of(lost(trace).station)}


def _version(ask):
    asked = first(ask(Scenario()), 'send').before['message']['version']
    own = ComputeTaskManager.target.version
    other = ask(Scenario(microversion='2.30')).messages[0]['version']
    lower = tuple(map(int, asked.split('.'))) < tuple(map(int, own.split('.')))
    return {'answer': 'needs' if lower and asked != other else 'own', 'sent': asked, 'own': own, 'other': other}


def _other_message(ask):
    message = ask(Scenario(microversion='2.30')).messages[0]
    return {'answer': (message['kind'], message['method']), 'version': message['version'], 'kind': message['kind'], 'method': message['method']}


def _lacks_lost(trace, ask):
    if status(trace) != 202:
        return f'the answer is {status(trace)}'
    return '' if lost(trace) else 'nothing went wrong behind the bus'


RPC = (
    Choice(
        'rpc.recall',
        'From the sixth leg: the command `openstack server migrate --live-migration web-1` sends its order at 2.30. What goes '
        'over the bus?',
        'A {answer}. The nova command asks for the newest version that both know, and makes a cast: same wish, another message.',
        _openstack_client, options=(
            Option('call', 'A call', 'The version decides, not the client.', ''),
            Option('cast', 'A cast', 'A live migration is a cast.', 'It is one from 2.34 on.', myth='casts'),
            Option('none', 'Nothing', 'It is another command.', 'To the API it is the same action.'))),
    Choice(
        'rpc.predict',
        'The broker is away, and the driver gives up after a moment. What is answered, and in which task state is the server left?',
        'The answer is {status}, and the server stays `{state}`; the action is noted ({actions}), and stays open. The mark '
        'was written before the message was sent, and nobody takes it back.',
        _broker_away, options=(
            Option((500, None), '500, and no task state', 'If it fails, all is left as it was.',
                   'Nobody takes the mark back: of all that can go wrong with the bus only a timeout is caught, and for that '
                   'an error is noted.', myth='undone'),
            Option((202, 'migrating'), '202, and migrating', 'Nobody waits for a cast.',
                   'Not for what becomes of it; but it has to be sent.'),
            Option((500, 'error'), '500, and error', 'Nova notes what went wrong.',
                   '`error` is no task state. It is a state of the server (vm_state), and it is the conductor that would write it.'),
            Option((500, 'migrating'), '500, and migrating', 'Something went wrong halfway.', ''))),
    Choice(
        'rpc.look-text',
        'The message, at `{station}`: which name is that of the queue?',
        '`{answer}` is. `{namespace}` says which object in the conductor is meant, and `{method}` which of its methods.',
        _address, options=(
            Option('conductor', 'conductor', 'One queue for all of them.', ''),
            Option('compute_task', 'compute_task', 'It says for whom it is.',
                   'It is the namespace: it matters when the message has arrived.', myth='topic'),
            Option('live_migrate_instance', 'live_migrate_instance', 'A queue for each job.', 'It is the method.'))),
    Choice(
        'rpc.look-happened',
        'The API has answered 202. What is certain?',
        'Let the conductor find no host: the answer is {status}, although `{where}` failed. What is certain is that the '
        'message was handed to the bus.',
        _accepted, options=(
            Option('moved', 'The server has moved', '2xx is success.', 'It may not even have begun to; nobody waited for it.',
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
            Option('own', 'The API is older than the conductor', 'Versions tell age.', 'Both are of the same release here.'),
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
        lacks=_lacks_lost, tries=(Scenario(), Scenario(conductor_reply={'raise': 'NoValidHost', 'kwargs': {'reason': 'all are full'}}))),
    Sentence(
        'rpc.say', 'In one sentence: what travels, and who picks it up?',
        'Plain text travels, the objects taken apart, on the queue `{answer}`; any one conductor takes it, and namespace '
        '(`{namespace}`), method and version lead to the function.',
        _address),
)


SEVEN = {'client': CLIENT, 'service': SERVICE, 'routes': ROUTES, 'controller': CONTROLLER, 'compute-api': COMPUTE_API,
         'conductor-api': CONDUCTOR_API, 'rpc': RPC}
TASKS: Mapping[str, Task] = {task.key: task for tasks in (*SEVEN.values(), CLOSING_TASKS, PAUSE_TASKS) for task in tasks}


def myths():
    """Say which belief of MYTHS is settled in which task: {key: (what people believe, task)}."""
    return {key: (belief, task) for key, belief in MYTHS.items() for task in TASKS.values()
            if isinstance(task, Choice) and any(option.myth == key for option in task.options)}
