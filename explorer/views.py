"""What a person sees of a trace, as text and as HTML. Pure functions: the player, the notebook and the terminal share them.

Whatever comes from a payload is text and stays text: it is escaped here, and nowhere interpreted.
"""

import functools
import json
import re
import shlex
from html import escape

from explorer import exception
from explorer.cloud import Cloud
from explorer.errors import WrongUse
from explorer.explorations import OPTIONS, exploration, scenario_of_trace
from explorer.flowcharts import caption, name_of, path_of, refusals, refused, turned_back
from explorer.libraries import oslo_messaging
from explorer.payloads import difference, is_container, is_marked, kind_of, leaves, parts
from explorer.recordings import head_of
from explorer.sources import EDITED, code_of, is_ours, our_text, statements, text_of, was_edited
from explorer.stations import BY_KEY, FIELDS, NODES, NOVA
from explorer.trace import unpacked

MARKS = {'added': '+', 'changed': '~', 'dropped': '−'}
ENDS = {end: name for name, ends in FIELDS.items() for end in ends}
LONGEST = 160  # characters of a value that is shown unfolded
_MISSING = object()
_FOR_SUPPORT = re.compile(r' \(HTTP \d+\)| \(Request-ID: [^)]*\)')
_STEERING = re.compile('[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]')


# --------------------------------------------------------------------------------------------------- what is to be told


def asked(trace):
    """Say in one line what was asked, by whom and of what: the command, if there was one, and the request it sent."""
    request = f'{trace.request["method"]} {path_of(trace)}' if trace.request else 'nothing was sent'
    how = circumstances(trace)
    if 'python-novaclient' in trace.versions:
        request = f'nova {shlex.join(scenario_of_trace(trace).command())}: {request}'
    elif trace.request and not trace.scenario.get('request'):
        request = f'without the nova client, which can not ask so: {request}'
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
        return visible(f'{status}; but then {name_of(late.station)} failed in the conductor, and nobody was told')
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
    return f'{NODES[step.node]}: {name_of(step.station)} {BY_KEY[step.station].says}'


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
            place = step.index, name_of(step.station), *turning_line(step)
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


def journey(trace, name):
    """Tell where a field has which name, type and value: rows of texts, from the command line on.

    Shape: (index, where, station, dotted path, type, value); the index of the command line is ''.
    """
    rows = [('', 'command line', 'nova live-migration', *first)] if (first := given(trace, name)) else []
    for node, path, kind, value, steps in journeys(trace).get(name, ()):
        step = trace.steps[steps[0]]
        rows.append((step.index, NODES[node], name_of(step.station), path, kind, value))
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


def visible(text):
    """Escape what would steer a terminal or turn the order of characters round, and what is no Unicode."""
    return _STEERING.sub(lambda found: f'\\u{ord(found[0]):04x}', text)


def short(value, longest=72):
    """Show plain data in one line of at most *longest* characters; of an error what it says."""
    name = value[''] if isinstance(value, dict) and isinstance(value.get(''), str) and not is_marked(value) else ''
    if name and isinstance(value.get('args'), list):
        said = value['args'] or [value[key] for key in ('message', 'code') if value.get(key)]
        return short_text(visible(f'{name}: {" ".join(str(said[0]).split())}' if said else name), longest)
    shown = {key: part for key, part in value.items() if key} if name else value
    return short_text(visible(f'{name} {literal(shown)}'.strip()), longest)


def literal(value):
    """Write plain data as Python does: what the functions hold is None and True, and only on the wire null and true."""
    if is_marked(value):
        if not isinstance(value.get('items'), list):
            return str(value.get('value'))
        items = (': '.join(map(literal, item)) if isinstance(item, list) else literal(item) for item in value['items'])
        return f'{{{", ".join(items)}}}'
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):  # sorted, for the results of Routes have no order of their own
        return f'{{{", ".join(f"{literal(key)}: {literal(value[key])}" for key in sorted(value))}}}'
    return f'[{", ".join(map(literal, value))}]' if isinstance(value, list) else str(value)


def short_text(text, longest):
    """Cut a text to at most *longest* characters."""
    return text if len(text) <= longest else f'{text[:longest - 1]}…'


# -------------------------------------------------------------------------------------------------------------- text


def tell(trace, key=None):
    """Tell a trace as text: the steps in focus and the followed field of an exploration; without *key*, every step."""
    row = exploration(key) if key else None
    steps = in_focus(trace, key) if row else trace.steps
    within = made_within(trace) if row else ()
    lines = [*([f'{row.number}. {row.title}', row.question] if row else []), f'{asked(trace)} → {answered(trace)}']
    lines += [*(f'     {layer}: {what}{f" ({station}, {line}: {text})" if line else ""}'
                for layer, what, _, station, line, text in refusal(trace)), '']
    for step in steps:
        lines.append(f'{step.index:4} {NODES[step.node]:14} {name_of(step.station)}: {BY_KEY[step.station].says}')
        if row is None:
            continue
        lines += [f'{"":9}{mark} {path} {text}' for mark, path, text in changes(trace, step, within[step.index])]
    if row:
        lines += ['', f'{row.follow} on its way']
        lines += [f'{index:4} {where:14} {station}: {path} = {text} ({kind})'
                  for index, where, station, path, kind, text in journey(trace, row.follow)]
        lines.append(f'and {len(trace.steps) - len(steps)} more steps')
    return '\n'.join(['' if line.isspace() else line for line in lines])


# -------------------------------------------------------------------------------------------------------------- HTML


# Notebooks align tables to the right. Where styles are taken out, as on GitHub, the cells say the same by themselves.
LEFT = '<style>.jp-RenderedHTMLCommon :is(td, th) { text-align: left; vertical-align: top; }</style>'


def page(trace, key):
    """Tell what `tell` tells, as HTML that needs no script."""
    row, steps, within = exploration(key), in_focus(trace, key), made_within(trace)
    rows = [(
        step.index, NODES[step.node], f'{_code(name_of(step.station))} {escape(BY_KEY[step.station].says)}',
        '<br>'.join(f'{mark} {_code(path)} {escape(text)}'
                    for mark, path, text in changes(trace, step, within[step.index]))) for step in steps]
    return (f'{LEFT}<h4>{row.number}. {escape(row.title)}</h4><p>{escape(row.question)}<br>{_code(asked(trace))} '
            f'→ {escape(answered(trace))}</p>{refusal_html(trace)}{_table(("step", "where", "station", "what it did"), rows)}'
            f'{journey_html(trace, row.follow)}'
            f'<p>and {len(trace.steps) - len(steps)} more steps. {escape(caption(trace))}</p>')


def journey_html(trace, name):
    """Show the names, types and values of a field as a table."""
    rows = [(goto(index), where, _code(station), _code(path), kind, escape(text))
            for index, where, station, path, kind, text in journey(trace, name)]
    return _table(('step', 'where', 'station', 'name', 'type', 'value'), rows, f'{name} on its way')


def refusal_html(trace):
    """Show how a request was turned back, as a table; nothing, if it was not."""
    rows = [(escape(layer), escape(what), goto(index), _code(station), f'{_code(line)} {_code(text)}' if line else '')
            for layer, what, index, station, line, text in refusal(trace)]
    return _table(('layer', 'what', 'step', 'station', 'line'), rows, 'how it was turned back') if rows else ''


def refusal_line(trace):
    """Show in one line who turned a request back, and through which layers the error became the answer."""
    rows = refusal(trace)
    if not rows:
        return ''
    _, _, index, station, line, _ = rows[0]
    what = 'turned back' if turned_back(trace) else 'lost'
    layers = ' → '.join(f'{escape(layer)} {_code(what.split(":")[0].split()[0])}' for layer, what, *_ in rows)
    return f'<p class="turned">{what} at step {goto(index)} by {_code(station)}, {_code(line)}: {layers}</p>'


def goto(index, run=0):
    """Show the index of a step, so that the player can go there."""
    return '' if index in ('', None) else f'<span data-goto="{index}" data-run="{run}">{index}</span>'


def _code(text):
    return f'<code>{escape(text)}</code>'


def _table(heads, rows, title=''):
    """Lay out cells of HTML; notebooks align to the right what does not say otherwise."""
    head = ''.join(f'<th align="left">{head}</th>' for head in heads)
    body = ''.join('<tr>' + ''.join(f'<td align="left">{cell}</td>' for cell in row) + '</tr>' for row in rows)
    caption = f'<caption>{escape(title)}</caption>' if title else ''
    return f'<table>{caption}<tr>{head}</tr>{body}</table>'


# How the miniature stands to the real Nova at a station, as `besides` works it out when the real one is recorded.
BADGES = {
    'same': 'the miniature is given the same, runs nothing less, and gives back the same; objects of the real one may have more fields',
    'simplified': 'the real one does more here, or holds something in another form; nova-explorer beside KEY lists it',
    'left out': 'the miniature does not do this',
}


def source(station, file, line):
    """Give the function of a station: {head: HTML, first: number of the first line, lines, runs: numbers that can run}.

    Shape: *file* and *line* as in the step, for a function may have variants.
    """
    shown = _source(station, file, line)
    return {**shown, 'head': f'{shown["head"]}<p role="note">{EDITED}</p>'} if was_edited(station, file, line) else shown


@functools.lru_cache(512)
def _source(station, file, line):
    row, kept = BY_KEY[station], _recorded()
    badge, place = kept['badges'].get(station), kept['places'].get(station)
    where = f'{place[0]}:{place[1]}' if place else row.nova_file
    said = f' <b class="badge" title="{BADGES[badge]}">{badge}</b>' if badge else ''
    head = (f'<p>Nova {kept["nova"]}: <code>{escape(row.nova)}</code> in <code>{where}</code>{said}<br>'
            f'{"this repository" if is_ours(file) else "ran"}: <code>{escape(file)}:{line}</code></p>')
    lines = text_of(station, file, line)
    if not lines and code_of(station, file, line):
        return {'head': f'{head}<p>The text of this function is not the one that ran.</p>', 'first': line, 'lines': [], 'runs': []}
    if not lines:
        ours = escape(chr(10).join(_dedented(our_text(station))))
        return {'head': f'{head}<p>The text of Nova is not part of this repository; <code>make nova</code> brings it. Ours:</p><pre>{ours}</pre>',
                'first': line, 'lines': [], 'runs': []}
    runs = {number for _, _, number in code_of(station, file, line).co_lines()} - {line, None}
    return {'head': head, 'first': line, 'lines': _dedented(lines), 'runs': sorted(runs)}


def _dedented(lines):
    indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    return [visible(text[indent:].rstrip()) for text in lines]


def _recorded():
    """Give the head of the recordings; nothing, where they are missing: the views do without."""
    try:
        return head_of()
    except WrongUse:
        return {'nova': NOVA, 'date': 'a day unknown', 'badges': {}, 'places': {}}


def payload(step, within=()):
    """Show what a step was given and what it made of it, as a tree; what changed is marked and unfolded.

    Shape: *within* is one of `made_within`; the marks of those names are in brackets. data-field names the field of a
    value where it is not what the tree shows. On the bus, the address and the text of the message stand before.
    """
    return Payloads().show(step, within)


def _letter_html(step):
    rows = letter(step)
    if not rows:
        return ''
    items = ''.join(f'<dt>{name}</dt><dd>{escape(text)}</dd>' for name, text in rows)
    wire = visible(json.dumps(step.before['message'], ensure_ascii=False))
    return (f'<section class="letter"><b>✉ on the bus</b><dl>{items}</dl><details><summary>the message as it is on the wire, '
            f'{len(wire):,} characters</summary><code>{escape(wire)}</code></details></section>')


class Payloads:
    """Show the payloads of many steps; what they share is worked out once.

    Shape: what is within each container passes through *fold*, so that it can be put aside.
    """

    def __init__(self, fold=str):
        self._fold, self._known, self._within = fold, {}, ()

    def show(self, step, within=()):
        """Show a payload, as `payload` does."""
        self._within = within
        outcome = {'raises': step.error} if step.error is not None else {'returns': step.result}
        return (f'{_letter_html(step)}<ul>{self._branches(step.before or {}, step.after or {}, (), ())}</ul>'
                f'<ul class="outcome">{self._branches(outcome, outcome, (), ())}</ul>')

    def _branches(self, old, new, path, here):
        """Show the parts of a container; *here* are those of `within` that may be marked in brackets."""
        names = [name for name in [*new, *(name for name in old if name not in new)] if name != '']
        return self._fold(''.join(
            self._branch((*path, name), old.get(name, _MISSING), new.get(name, _MISSING), here) for name in names))

    def _unchanged(self, same, path, owner):
        """Show the parts of a container that did not change; *owner* holds them, and lives as long as the trace."""
        key = path, id(owner)
        if key not in self._known:
            self._known[key] = self._branches(same, same, path, ())
        return self._known[key]

    def _changed_first(self, before, after, path):
        """Show what has changed in a container, and fold what has not."""
        same = {name: part for name, part in after.items() if name in before and before[name] == part and name != ''}
        if len(same) < 4:
            return self._branches(before, after, path, self._within)
        old, new = ({name: part for name, part in each.items() if name not in same} for each in (before, after))
        return (f'{self._branches(old, new, path, self._within)}<li><details><summary class="rest">{len(same)} unchanged</summary>'
                f'<ul>{self._branches(same, same, path, ())}</ul></details></li>')

    def _branch(self, path, old, new, here):
        kind = 'added' if old is _MISSING else 'dropped' if new is _MISSING else ''
        value = old if new is _MISSING else new
        before, after = parts(old), parts(value)
        alike = not kind and type(old) is type(new) and is_container(new)
        found = difference(old, new) if alike and old is not new else {}
        changed = any(found.values())
        if not kind and (() in found['changed'] if changed else old != new or type(old) is not type(new)):
            kind = 'changed'
        name = _name(path, kind, path[-1] in here, leaf=not after)
        if after or changed:
            inner = self._changed_first(before, after, path) if changed else self._unchanged(after, path, value)
            opened = ' open' if kind or changed else ''
            return (f'<li{_class(kind)}><details{opened}><summary>{name}{escape(_brief(value))}</summary><ul>{inner}</ul>'
                    '</details></li>')
        was = f'<del>{_folded(old)}</del> → ' if kind == 'changed' and not before else ''
        return f'<li{_class(kind)}>{name}{was}{_folded(value)}</li>'


def _class(kind):
    return f' class="{kind}"' if kind else ''


def _name(path, kind, inner, *, leaf):
    mark = f'<b title="{kind} by a step within">({MARKS[kind]})</b> ' if inner and kind else (
        f'<b title="{kind}">{MARKS[kind]}</b> ' if kind else '')
    # What a step gives is followed as `result`, as in a trace.
    field = field_of(('result', *path[1:]) if path[0] in ('returns', 'raises') else path) if leaf else ''
    known = f' data-field="{escape(visible(field))}"' if field and field != path[-1] else ''
    return f'{mark}<code{known}>{escape(visible(str(path[-1])))}</code> '


def _brief(value):
    """Name a container that is folded: the class of an object, or how much is in it."""
    if isinstance(value, dict) and not is_marked(value):
        return value[''] if isinstance(value.get(''), str) else f'{{{len(value)}}}'
    return f'[{len(value)}]' if isinstance(value, list) else f'{{{len(parts(value))}}}'


def _folded(value):
    """Show a value that holds nothing; what is long is folded."""
    text = visible(literal(value))
    if len(text) <= LONGEST:
        return f'<bdi>{escape(text)}</bdi>'
    return f'<details><summary>{escape(text[:LONGEST - 40])}…</summary><bdi>{escape(text)}</bdi></details>'
