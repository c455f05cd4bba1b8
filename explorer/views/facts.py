"""State what a trace shows: how it began and ended, what each step did, where a field occurred. Pure functions."""

import functools
import re
import shlex
from collections.abc import Collection, Iterator
from typing import NamedTuple

from explorer import exception
from explorer.engines.cloud import Cloud
from explorer.engines.recordings import Head, head_of
from explorer.errors import WrongUse
from explorer.explorations import exploration, scenario_of_trace
from explorer.libraries import oslo_messaging
from explorer.payloads import Path, Value, parts
from explorer.stations import BY_KEY, FIELDS, NOVA
from explorer.trace import Step, Trace
from explorer.views.sources import statements
from explorer.views.text import literal, short, short_text, visible

_STATES = 'vm_state', 'task_state'
MARKS = {'added': '+', 'changed': '~', 'dropped': '−'}
ENDS = {end: name for name, ends in FIELDS.items() for end in ends}
_FOR_SUPPORT = re.compile(r' \(HTTP \d+\)| \(Request-ID: [^)]*\)')


class Layer(NamedTuple):
    """A form that an error took on its way to the client; in the last row, all but the first two fields are ''."""

    layer: str
    what: str
    step: int | str  # its index
    station: str
    line: str  # 'file:line'
    text: str  # of that line


def asked(trace: Trace) -> str:
    """Describe the request in one line: the command, if there was one, the request it sent, and what is unusual."""
    request = _line(trace)
    how = circumstances(trace)
    if 'python-novaclient' in trace.versions:
        request = f'{command(trace)}: {request}'
    elif trace.request and not trace.scenario.get('request'):
        request = f'without the nova client, which cannot send this: {request}'
    return visible(f'{request} ({", ".join(how)})' if how else request)


def command(trace: Trace) -> str:
    """Return the command line, or method and path if the request was sent without the client."""
    sent = 'python-novaclient' in trace.versions
    return visible(f'nova {shlex.join(scenario_of_trace(trace).command())}' if sent else _line(trace))


def _line(trace: Trace) -> str:
    return f'{trace.request["method"]} {path_of(trace)}' if trace.request else 'nothing was sent'


def setting(trace: Trace) -> list[str]:
    """List who asked, the state of the server, and what else is unusual."""
    if not trace.scenario:
        return []
    scenario = scenario_of_trace(trace)
    state = {**Cloud().server_defaults, **scenario.state}
    states = [str(state[name]) for name in _STATES if state[name]]
    return [visible(each) for each in (
        _who(scenario.caller) or 'as admin', f'{scenario.server} {", ".join(states)}', *_unusual(trace, _STATES))]


def circumstances(trace: Trace) -> list[str]:
    """List what is unusual about a trace: the engine, the caller, the state of the server, the failure on the way."""
    return [*filter(None, [_who(scenario_of_trace(trace).caller)]), *_unusual(trace)] if trace.scenario else []


def _who(caller: str) -> str:
    words = {'admin': '', 'no_token': 'without a token', 'bad_token': 'with an invalid token'}
    return words.get(caller, f'as {caller}')


def _unusual(trace: Trace, known: Collection[str] = ()) -> list[str]:
    scenario, usual = scenario_of_trace(trace), Cloud().server_defaults
    reply = scenario.conductor_reply or {}
    whose = 'the bus' if hasattr(oslo_messaging, reply.get('raise', '')) else 'the conductor'
    failing = ('the conductor is silent' if reply.get('raise') == 'MessagingTimeout'
               else f'{whose} fails with {reply.get("raise")}')
    state = [f'{name} {literal(value)}' for name, value in scenario.state.items()
             if value != usual.get(name) and name not in known]
    return [*filter(None, (
        _engine(trace), *state, failing if reply else '',
        f'another request sets {literal(scenario.race["task_state"])} first' if scenario.race else ''))]


def _engine(trace: Trace) -> str:
    if trace.engine == 'recorded':
        return f'answered by the real Nova {trace.versions["nova"]}, recorded on {recorded_head()["date"]}'
    return f'answered by the real Nova {trace.versions["nova"]}' if trace.engine == 'nova' else ''


def answered(trace: Trace) -> str:
    """Describe the response in one line, and what went wrong after it."""
    note = _FOR_SUPPORT.sub('', ' '.join((trace.note or message(trace)).split()))
    status = str(trace.response['status'] if trace.response else 'no response')
    if note and not (trace.response and trace.response['status'] >= 400):
        return visible(f'no request was sent: {note}')
    late = lost(trace)
    if late:
        return visible(f'{status}, but then {BY_KEY[late.station].name} failed in the conductor, and the client never '
                       'learned of it')
    return visible(f'{status} {note}' if note else status)


def message(trace: Trace) -> str:
    """Return the message of the API's error response; '' for any other response."""
    body = trace.response['body'] if trace.response and trace.response['status'] >= 400 else None
    inner = next(iter(body.values()), None) if isinstance(body, dict) and len(body) == 1 else None
    said = inner.get('message', '') if isinstance(inner, dict) else ''
    return said if isinstance(said, str) else literal(said)


def lost(trace: Trace) -> Step | None:
    """Return the step that failed in the conductor after the request was accepted, or None."""
    accepted = trace.response and trace.response['status'] < 400
    return next((step for step in refusals(trace) if step.node == 'conductor'), None) if accepted else None


def in_focus(trace: Trace, key: str) -> list[Step]:
    """Return the steps in the focus of an exploration, in order, and those that rejected the request.

    Raises: WrongUse for an unknown exploration.
    """
    wanted = {*exploration(key).focus, *refused(trace)}
    return [step for step in trace.steps if step.station in wanted]


def letter(step: Step) -> list[tuple[str, str]]:
    """Return the address of the message that a step puts on the bus, as (name, value); [] for any other step."""
    sent = step.before or {}
    target, message = sent.get('target'), sent.get('message')
    if step.node != 'bus' or not isinstance(target, dict) or not isinstance(message, dict):
        return []
    kind = (f'call: the sender waits up to {sent.get("timeout")} s' if sent.get('wait_for_reply')
            else 'cast: the sender does not wait')
    return [('kind', kind), *((name, short(target.get(name))) for name in ('topic', 'namespace', 'version')),
            ('method', short(message.get('method'))), ('args', visible(', '.join(parts(message.get('args')))))]


def refusal(trace: Trace) -> list[Layer]:
    """List how a request was rejected and how the error became the response, from the inside out.

    Shape: the last row is the response; if the request had already been accepted, the last row states that nobody is
    waiting for the error. A line is the last `raise` that ran in the step, or else the last statement that ran.
    """
    rows: list[Layer]
    last: tuple[str, str] | None
    rows, step, last = [], turned_back(trace) or lost(trace), None
    if step is None or trace.response is None:
        return []
    late = lost(trace) is not None
    beyond = ('bus', 'client') if late else ('client',)
    while step is not None:
        what = step.error if step.error is not None else step.result
        layer, name, says = _layer(what)
        if layer and (layer, name) != last:
            place = step.index, BY_KEY[step.station].name, *turning_line(step)
            wrapped = what.get('wrapped_exc')
            if wrapped and _layer(wrapped)[:2] != last:
                rows.append(Layer('HTTP error', visible(_layer(wrapped)[2]), *place))
            rows.append(Layer(layer, visible(says), *place))
            last = layer, name
        cause = step.parent if step.parent is not None else step.hop_from
        step = trace.steps[cause] if cause is not None and trace.steps[cause].node not in beyond else None
    if late:
        return [*rows, Layer('nobody', 'waits for this error: the client already has its response; Nova goes on to '
                             'record the failure in the migration record, beyond the end of this path', '', '', '', '')]
    return [*rows, Layer(
        'response', f'{trace.response["status"]} {short(trace.response["body"], 200)}', '', '', '', '')]


def _layer(what: Value) -> tuple[str, str, str]:
    """Return the layer of an error or a response, its class, and its class with its message; '' for anything else."""
    if not isinstance(what, dict) or not isinstance(what.get(''), str):
        return '', '', ''
    name = what['']
    if 'wrapped_exc' in what:
        return 'fault', name, f'{name} around {_layer(what["wrapped_exc"])[1]}'
    if 'status' in what and 'explanation' in what:
        return 'HTTP error', name, ' '.join(
            ': '.join(map(str, filter(None, (name, what['status'], what['explanation'])))).split())
    if isinstance(what.get('args'), list):
        layer = 'domain error' if name.removesuffix('_Remote') in vars(exception) else 'error'
        return layer, name, ' '.join(': '.join(map(str, [name, *what['args'][:1]])).split())
    return '', '', ''


def turning_line(step: Step) -> tuple[str, str]:
    """Return where a step ended in an error: 'file:line' and the statement, which is '' if the source is missing."""
    first = statements(step.station, step.file, step.line)
    ran = [first[number] for number in step.lines if number in first]
    if not ran:
        return f'{step.file}:{step.line}', ''
    number, text = ([statement for statement in ran if statement[1].startswith('raise')] or ran)[-1]
    return f'{step.file}:{number}', short_text(text, 120)


@functools.lru_cache(maxsize=1 << 14)
def field_of(path: Path) -> str:
    """Name the field at a path: as in FIELDS, or else by the last name in the path.

    Shape: a name that FIELDS uses for another path is qualified with its owner, such as `instance.host`; '' if there is
    no name.
    """
    rooted = (None, *path)
    for length in (3, 2, 1):
        if name := ENDS.get(rooted[-length:]):
            return name
    names = [part for part in path if isinstance(part, str) and part != 'nova_object.data'] or ['']
    return '.'.join(names[-2:]) if names[-1] in _TAKEN else names[-1]


_TAKEN = {end[-1] for end in ENDS}


def recorded_head() -> Head:
    """Return the head of the recordings, or one without badges and places if the recordings cannot be used."""
    try:
        return head_of()
    except WrongUse:
        return {'schema': 0, 'nova': NOVA, 'python': '', 'date': 'an unknown day',
                'scenarios': {}, 'badges': {}, 'places': {}}


def refused(trace: Trace) -> set[str]:
    """Return the keys of the stations that rejected the request, as `refusals` finds them."""
    return {step.station for step in refusals(trace)}


def refusals(trace: Trace) -> list[Step]:
    """Return the steps that rejected the request: those that raised an error rather than merely passing it on.

    If no step raised an error, this is the innermost step that returned an error response. An error that the client
    raises counts only if nothing else failed, because the client raises one for every error response.
    """
    passed_on = {cause for step in trace.steps if step.error is not None for cause in _causes(trace, step)}
    raised = [step for step in trace.steps if step.error is not None and step.index not in passed_on]
    answered = [step for step in trace.steps if step.node == 'api' and isinstance(step.result, dict)
                and str(step.result.get('status', ''))[:1] in ('4', '5')]
    return [step for step in raised if step.node != 'client'] or answered[-1:] or raised


def turned_back(trace: Trace) -> Step | None:
    """Return the step that rejected the request; None if the response is not an error.

    Later refusals only repeat the first in another form.
    """
    return next(iter(refusals(trace)), None) if trace.response and trace.response['status'] >= 400 else None


def _causes(trace: Trace, step: Step) -> Iterator[int]:
    """Walk outwards from a step: yield the index of each step that called it or sent it the request."""
    while (cause := step.parent if step.parent is not None else step.hop_from) is not None:
        yield cause
        step = trace.steps[cause]


def caption(trace: Trace, focus: str | None = None) -> str:
    """Describe a picture: engine, version, microversion, response."""
    version = trace.versions.get('nova', '')
    headers = {name.lower(): value for name, value in (trace.response or {}).get('headers', {}).items()}
    microversion = headers.get('x-openstack-nova-api-version', 'none')
    status = trace.response['status'] if trace.response else 'none'
    leg = f'{exploration(focus).number}. {exploration(focus).title}: ' if focus else ''
    return f'{leg}Engine {trace.engine}, Nova {version}, microversion {microversion}, response {status}'


def how_red(trace: Trace) -> str:
    """Name what happened at the red boxes: the request was refused, or something failed."""
    status = trace.response['status'] if trace.response else 500
    return 'refused' if 400 <= status < 500 else 'failed'


def path_of(trace: Trace) -> str:
    """Return the path of the request with {id} in place of the server's uuid; '' if nothing was sent."""
    path: str = trace.request['path'] if trace.request else ''
    uuid = path.partition('/servers/')[2].partition('/')[0]
    return path.replace(uuid, '{id}') if len(uuid) == 36 else path
