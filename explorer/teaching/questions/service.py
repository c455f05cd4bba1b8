"""The lesson's questions about the leg `service`, and the notes for its teacher."""

from explorer.explorations import Scenario, bare, exploration
from explorer.stations import BY_KEY
from explorer.teaching.facts import after, before, first, stations, status, statuses
from explorer.teaching.tasks import Ask, Build, Choice, Facts, Option, Questions, Sentence
from explorer.trace import Trace


def _stranger_with_nonsense(ask: Ask) -> Facts:
    trace = ask(bare({'os-migrateLive': {}}, caller='bad_token'))
    return {'answer': status(trace), 'known': status(ask(bare({'os-migrateLive': {}})))}


def _makes_context(ask: Ask) -> Facts:
    trace = ask(Scenario())
    makers = [step for step in trace.steps if step.exploration == 'service'
              and any(path[-1] == 'nova.context' for path in trace.changes(step)['added'])]
    begin = next(step.index + 1 for step in trace.steps if step.exploration == 'service')
    return {'answer': makers[-1].station, 'name': BY_KEY[makers[-1].station].name, 'begin': begin,
            'step': makers[-1].index + 1}


def _last_filter(ask: Ask) -> Facts:
    leg = exploration('service')
    trace = ask(leg.versus or leg.scenario)
    return {'answer': trace.steps[-1].station, 'name': BY_KEY[trace.steps[-1].station].name, 'count': len(trace.steps),
            'all': len([step for step in ask(Scenario()).steps if step.exploration == 'service'])}


def _request_id(ask: Ask) -> Facts:
    trace = ask(Scenario())
    here = after(trace, 'NovaKeystoneContext')['ctx']['request_id']
    there = before(trace, 'manager.live_migrate_instance')['context']['request_id']
    return {'answer': 'joins' if here == there else 'other', 'step': first(trace, 'ComputeReqIdMiddleware').index + 1}


NOWHERE = '/v2.1/nonsense'


def _largest(ask: Ask) -> Facts:
    return {'largest': after(ask(Scenario()), 'RequestBodySizeLimiter')['max_size']}


def _lacks_early_end(trace: Trace, ask: Ask) -> str:
    if 'URLMap' not in stations(trace):
        return 'the client gave up before it sent the order; send it without the client'
    if 'AuthProtocol' in stations(trace):
        return 'the filter that looks at the token has run'
    return '' if status(trace) >= 400 else f'it was not rejected: {status(trace)}'


_TASKS = (
    Choice(
        'service.predict',
        'A request with a token that nobody knows, and with an order that is incomplete: `{{"os-migrateLive": {{}}}}`. '
        'What is the answer?',
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
        'From step {begin} on, look for `nova.context` in the payload. Which filter puts it into the environment? '
        '(Marks in brackets were made further in.)',
        'It is `{name}`, at step {step}: of the headers that the filter before it has written, it makes a context with '
        'a person and roles.',
        _makes_context, options=(
            Option('NovaKeystoneContext', 'NovaKeystoneContext', 'It has the context in its name.', ''),
            Option('AuthProtocol', 'AuthProtocol', 'It knows the token, so it knows the person.',
                   'It writes down whom the token stands for, as headers. What is a person to Nova is made of them '
                   'afterwards.'),
            Option('ComputeReqIdMiddleware', 'RequestId', 'It makes the id by which the request is known.',
                   'The id is the first that is written down, and the context will hold it; but it comes into being '
                   'elsewhere.'))),
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
        'The same id stands in the context on the other side of the bus. It is what joins the halves of the story, '
        'here and in the logs.',
        _request_id, options=(
            Option('joins', 'So that the two halves find each other, on both sides of the bus.',
                   'It is in the message, too.', ''),
            Option('once', 'So that no request is worked on twice.', 'Ids are for telling doubles.',
                   'The id is made anew for each request that comes in. Send it twice, and there are two.'),
            Option('token', 'It takes the place of the token.', 'The token is masked, and the id is not.',
                   'It says which request this is, not who sent it.'))),
    Choice(
        'service.change',
        'One change: the token. A path that the API does not have (`/v2.1/nonsense`), with a token that nobody knows, '
        'and with a good one. Your hypothesis: which two statuses?',
        'The answers were {status_1} and {status_2}. The filters stand before the routes: first somebody has to be '
        'there, then one can be told that there is nothing.',
        statuses(bare({}, path=NOWHERE, caller='bad_token'), bare({}, path=NOWHERE)), options=(
            Option((404, 404), '404 and 404', 'What is not there, is not there for anybody.',
                   'Whether it is there is found out behind the filters.'),
            Option((401, 401), '401 and 401', 'What is unknown might be secret.',
                   'With a valid token, the response is a 404.'),
            Option((404, 401), '404 and 401', 'Only what exists has to be guarded.', 'It is the other way round.'),
            Option((401, 404), '401 and 404', 'Who one is comes before what there is.', ''))),
    Build(
        'service.check',
        'Make a request that is rejected (400 or more) **before** anybody looks at the token.',
        'One that does it: `{solution}`. The filter that measures the body stands before the one that looks at the '
        'token.',
        _largest, (
            'Which filters stand before the one with the token? The flowchart has them in order.',
            'One of them measures the body. It allows {largest} bytes.',
            "bare('x' * 200_000): with a text for a body, it is sent as it is."),
        lacks=_lacks_early_end, tries=(bare('x'), bare('x' * 200_000))),
    Sentence(
        'service.say', 'In one sentence: what do the filters do for the application behind them?',
        'They see to it that whatever gets through is small enough, has an id, and comes from somebody known: `{name}` '
        'at the end makes a context of headers, and the application can ask "who" without knowing what a token is.',
        _makes_context),
)

LEG = Questions(
    'service', 11,
    goal='To tell how far a request gets, and what it has gained on the way: an id, a person, roles.',
    ask='What does the API know of a request before it has read it? What could it refuse already?',
    board='An onion with eight skins; write at each what it does. Cross out those that a bad token never sees.',
    show='The environment growing in the payload; then "Compare: with a token that nobody knows".',
    tasks=_TASKS)
