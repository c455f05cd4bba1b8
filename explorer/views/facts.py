"""What a trace says: how it began and ended, what each step did, where a field was. Pure functions."""

import functools
import re
import shlex

from explorer import exception
from explorer.engines.cloud import Cloud
from explorer.engines.recordings import head_of
from explorer.errors import WrongUse
from explorer.explorations import OPTIONS, exploration, scenario_of_trace
from explorer.libraries import oslo_messaging
from explorer.payloads import difference, is_marked, kind_of, leaves, parts
from explorer.stations import BY_KEY, FIELDS, NODES, NOVA
from explorer.trace import unpacked
from explorer.views.sources import statements
from explorer.views.text import literal, short, short_text, visible

MARKS = {'added': '+', 'changed': '~', 'dropped': '−'}
ENDS = {end: name for name, ends in FIELDS.items() for end in ends}
_FOR_SUPPORT = re.compile(r' \(HTTP \d+\)| \(Request-ID: [^)]*\)')




def asked(trace):
    """Say in one line what was asked, by whom and of what: the command, if there was one, and the request it sent."""
    request = f'{trace.request["method"]} {path_of(trace)}' if trace.request else 'nothing was sent'
    how = circumstances(trace)
    if 'python-novaclient' in trace.versions:
        request = f'nova {shlex.join(scenario_of_trace(trace).command())}: {request}'
    elif trace.request and not trace.scenario.get('request'):
        request = f'without the nova client, which cannot ask so: {request}'
    return visible(f'{request} ({", ".join(how)})' if how else request)


def circumstances(trace):
    """Say what is not as usual about a run: who asks, the state of the server, what goes wrong on the way."""
    if not trace.scenario:
        return []
    scenario, usual = scenario_of_trace(trace), Cloud().server_defaults
    who = {'admin': '', 'no_token': 'without a token', 'bad_token': 'with a token that nobody knows'}
    reply = scenario.conductor_reply or {}
    whose = 'the bus' if hasattr(oslo_messaging, reply.get('raise', '')) else 'the conductor'
    failing = 'the conductor is silent' if reply.get('raise') == 'MessagingTimeout' else f'{whose} fails with {reply.get("raise")}'
    state = [f'{name} {literal(value)}' for name, value in scenario.state.items() if value != usual.get(name)]
    return [*filter(None, (
        _engine(trace), who.get(scenario.caller, f'as {scenario.caller}'), *state, reply and failing,
        scenario.race and f'another request sets {literal(scenario.race["task_state"])} first'))]


def _engine(trace):
    if trace.engine == 'recorded':
        return f'of the real Nova {trace.versions["nova"]}, recorded on {_recorded()["date"]}'
    return f'of the real Nova {trace.versions["nova"]}' if trace.engine == 'nova' else ''


def answered(trace):
    """Say in one line what was answered, and what went wrong after that."""
    note = _FOR_SUPPORT.sub('', ' '.join((trace.note or message(trace)).split()))
    status = str(trace.response['status'] if trace.response else 'no answer')
    if note and not (trace.response and trace.response['status'] >= 400):
        return visible(f'no order was sent: {note}')
    late = lost(trace)
    if late:
        return visible(f'{status}; but then {BY_KEY[late.station].name} failed in the conductor, and nobody was told')
    return visible(f'{status} {note}' if note else status)


def message(trace):
    """Read what an error of the API says; nothing of any other answer."""
    body = trace.response['body'] if trace.response and trace.response['status'] >= 400 else None
    inner = next(iter(body.values()), None) if isinstance(body, dict) and len(body) == 1 else None
    said = inner.get('message', '') if isinstance(inner, dict) else ''
    return said if isinstance(said, str) else literal(said)


def lost(trace):
    """Give the step that failed when the request had been answered without an error; or None."""
    accepted = trace.response and trace.response['status'] < 400
    return next((step for step in refusals(trace) if step.node == 'conductor'), None) if accepted else None


def ending(step):
    """Say in which error or answer a step ended that turned the request back."""
    what = step.error if step.error is not None else step.result
    layer, name, _ = _layer(what)
    return f'here it ends in {name}' if layer else 'here it ends in an error'


def spoken(step):
    """Say in one line where a step is and what it does."""
    return f'{NODES[step.node]}: {BY_KEY[step.station].name} {BY_KEY[step.station].says}'


def in_focus(trace, key):
    """Give the steps at the focus of an exploration, in order, and those that turned the request back."""
    wanted = {*exploration(key).focus, *refused(trace)}
    return [step for step in trace.steps if step.station in wanted]


def made_within(trace):
    """Say for each step which parts of its payload the steps within it have changed: a list of sets of names.

    A step compares entry and exit, so it also shows what was done in between; locals are always a step's own.
    """
    return _made_within(trace.packed)


@functools.lru_cache(maxsize=4)
def _made_within(packed):
    steps = unpacked(packed)
    within = [set() for _ in steps]
    for step in reversed(steps):  # what is within comes after
        cause = step.parent if step.parent is not None else step.hop_from
        if cause is not None:
            own = {path[-1] for paths in difference(step.before or {}, step.after or {}).values() for path in paths if len(path) > 1}
            within[cause] |= within[step.index] | {name for name in own if isinstance(name, str)}
    return within


def changes(trace, step, within=()):
    """List what a station did: (mark, dotted path, value as text), the result or error last.

    Shape: a mark in brackets tells that a step *within*, one of `made_within`, has changed that.
    """
    found = trace.changes(step)

    def mark(kind, path):
        return f'({MARKS[kind]})' if len(path) > 1 and path[-1] in within else MARKS[kind]

    rows = [('✉', name, text) for name, text in letter(step)]
    rows += [(mark(kind, path), _dotted(path), short(value))
             for kind in ('added', 'dropped') for path, value in found[kind].items()]
    rows += [(mark('changed', path), _dotted(path), f'{short(old)} → {short(new)}')
             for path, (old, new) in found['changed'].items()]
    if step.error is not None:
        rows.append(('✗', 'raises', short(step.error)))
    elif step.result is not None:
        rows.append(('=', 'returns', short(step.result)))
    return rows


def letter(step):
    """Read the address of the message that a step puts on the bus: (name, value as text), or nothing elsewhere."""
    sent = step.before or {}
    target, message = sent.get('target'), sent.get('message')
    if step.node != 'bus' or not isinstance(target, dict) or not isinstance(message, dict):
        return []
    kind = f'call: the sender waits, at most {sent.get("timeout")} s' if sent.get('wait_for_reply') else 'cast: nobody waits'
    return [('kind', kind), *((name, short(target.get(name))) for name in ('topic', 'namespace', 'version')),
            ('method', short(message.get('method'))), ('args', visible(', '.join(parts(message.get('args')))))]


def refusal(trace):
    """Tell how a request was turned back and how the error became the answer, from the inside out.

    Shape: rows of (layer, what, index, station, 'file:line', text of that line); the last row is the answer. The line is
    the last `raise` among those that ran, else the last line that ran.
    """
    rows, step, last = [], turned_back(trace) or lost(trace), None
    if step is None:
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
                rows.append(('HTTP error', visible(_layer(wrapped)[2]), *place))
            rows.append((layer, visible(says), *place))
            last = layer, name
        cause = step.parent if step.parent is not None else step.hop_from
        step = trace.steps[cause] if cause is not None and trace.steps[cause].node not in beyond else None
    if late:
        return [*rows, ('nobody', 'waits for this: the answer was given before; Nova goes on to note the failure with the '
                        'migration, which is where our path ends', '', '', '', '')]
    return [*rows, ('answer', f'{trace.response["status"]} {short(trace.response["body"], 200)}', '', '', '', '')]


def _layer(what):
    """Say of which layer an error or an answer is: (layer, class, class and what it says)."""
    if not isinstance(what, dict) or not isinstance(what.get(''), str):
        return '', '', ''
    name = what['']
    if 'wrapped_exc' in what:
        return 'fault', name, f'{name} around {_layer(what["wrapped_exc"])[1]}'
    if 'status' in what and 'explanation' in what:
        return 'HTTP error', name, ' '.join(': '.join(map(str, filter(None, (name, what['status'], what['explanation'])))).split())
    if isinstance(what.get('args'), list):
        layer = 'domain error' if name.removesuffix('_Remote') in vars(exception) else 'error'
        return layer, name, ' '.join(': '.join(map(str, [name, *what['args'][:1]])).split())
    return '', '', ''


def turning_line(step):
    """Find where a step ended in an error: ('file:line', the statement); that is empty where the text is not at hand."""
    first = statements(step.station, step.file, step.line)
    ran = [first[number] for number in step.lines if number in first]
    if not ran:
        return f'{step.file}:{step.line}', ''
    number, text = ([statement for statement in ran if statement[1].startswith('raise')] or ran)[-1]
    return f'{step.file}:{number}', short_text(text, 120)


@functools.lru_cache(maxsize=1 << 14)
def field_of(path):
    """Name the field at a dotted path: as in FIELDS, else by its last name.

    Shape: a name that ends one of FIELDS elsewhere goes with its owner, such as `instance.host`; '' for what has no name.
    """
    rooted = (None, *path)
    for length in (3, 2, 1):
        if name := ENDS.get(rooted[-length:]):
            return name
    names = [part for part in path if isinstance(part, str) and part != 'nova_object.data'] or ['']
    return '.'.join(names[-2:]) if names[-1] in _TAKEN else names[-1]


_TAKEN = {end[-1] for end in ENDS}


def journeys(trace):
    """Follow every field: {field: rows}, a row for each name, type and value that it takes on a node.

    Shape: rows of (node, dotted path, type, value as text, [indices of the steps that hold it so]), in causal order.
    """
    return _journeys(trace.packed)


@functools.lru_cache(maxsize=4)
def _journeys(packed):
    found, known = {}, {}
    for step in unpacked(packed):
        for payload in (step.before or {}, step.after or {}, {'result': step.result}):
            for name, part in payload.items():
                key = step.node, name, id(part)  # steps share what is equal
                if key not in known:
                    known[key] = _rows(found, step.node, name, part)
                for row in known[key]:
                    if row[-1][-1:] != [step.index]:
                        row[-1].append(step.index)
    return {name: list(rows.values()) for name, rows in found.items()}


def _rows(found, node, name, part):
    """Find the rows that tell of what is in a part of a payload; make those that are new."""
    rows = []
    for path, value in leaves(part, (name,)):
        field = field_of(path)
        if field and path[-1] != '':
            typed = kind_of(value), literal(value) if is_marked(value) else value if type(value) not in (list, dict) else None
            rows.append(found.setdefault(field, {}).setdefault(
                (node, path[-2:], *typed), (node, _dotted(path), kind_of(value), short(value), [])))
    return rows


def field_rows(trace, name):
    """Tell where a field has which name, type and value: rows of texts, from the command line on.

    Shape: (index, where, station, dotted path, type, value); the index of the command line is ''.
    """
    rows = [('', 'command line', 'nova live-migration', *first)] if (first := given(trace, name)) else []
    for node, path, kind, value, steps in journeys(trace).get(name, ()):
        step = trace.steps[steps[0]]
        rows.append((step.index, NODES[node], BY_KEY[step.station].name, path, kind, value))
    return rows


def given(trace, name):
    """Say how the command line gives a field: (option, type, value), or nothing."""
    option = OPTIONS.get(name)
    if not option or 'python-novaclient' not in trace.versions:
        return ()
    value = trace.scenario[option[0]]
    return option[1], type(value).__name__, 'left out' if value in (None, False) else 'given' if value is True else short(value)


def _dotted(path):
    return visible('.'.join(map(str, path)))


def _recorded():
    """Give the head of the recordings; nothing, where they are missing: the views do without."""
    try:
        return head_of()
    except WrongUse:
        return {'nova': NOVA, 'date': 'a day unknown', 'badges': {}, 'places': {}}


def refused(trace):
    """Give the keys of the stations that turned the request back, as `refusals` finds them."""
    return {step.station for step in refusals(trace)}


def refusals(trace):
    """Give the steps that turned the request back: they raised the error, and did not just pass it on.

    Where nobody raised one, it is the innermost that answered with an error. The client's own error, on a refusal that it
    got, is no refusal; but it is all there is where only the client knows.
    """
    passed_on = {cause for step in trace.steps if step.error is not None for cause in _causes(trace, step)}
    raised = [step for step in trace.steps if step.error is not None and step.index not in passed_on]
    answered = [step for step in trace.steps if step.node == 'api' and _is_refusal(step.result)]
    return [step for step in raised if step.node != 'client'] or answered[-1:] or raised


def turned_back(trace):
    """Give the step that turned the request back, or None; None, too, where the answer was no error.

    Later refusals only say the same in another form.
    """
    return next(iter(refusals(trace)), None) if trace.response and trace.response['status'] >= 400 else None


def _causes(trace, step):
    """Walk outwards from a step: yield the index of each that called it, or sent it what it works on."""
    while (cause := step.parent if step.parent is not None else step.hop_from) is not None:
        yield cause
        step = trace.steps[cause]


def _is_refusal(result):
    return isinstance(result, dict) and str(result.get('status', ''))[:1] in ('4', '5')


def caption(trace, focus=None):
    """Say what the picture shows: engine, version, microversion, answer."""
    version = trace.versions.get('nova', '')
    headers = {name.lower(): value for name, value in (trace.response or {}).get('headers', {}).items()}
    microversion = headers.get('x-openstack-nova-api-version', 'none')
    status = trace.response['status'] if trace.response else 'no answer'
    leg = f'{exploration(focus).number}. {exploration(focus).title}: ' if focus else ''
    return f'{leg}Engine {trace.engine}, Nova {version}, microversion {microversion}, answer {status}'


def how_red(trace):
    """Say what it is that happened at the red boxes: the request was refused, or something failed."""
    status = trace.response['status'] if trace.response else 500
    return 'refused' if 400 <= status < 500 else 'failed'


def path_of(trace):
    """Give the path of the request with an {id} in the place of the server's uuid."""
    uuid = trace.request['path'].partition('/servers/')[2].partition('/')[0]
    return trace.request['path'].replace(uuid, '{id}') if len(uuid) == 36 else trace.request['path']
