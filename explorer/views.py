"""What a person sees of a trace, as text and as HTML. Pure functions: the player, the notebook and the terminal share them.

Whatever comes from a payload is text and stays text: it is escaped here, and nowhere interpreted.
"""

import functools
import inspect
import json
import re
import shlex
from html import escape

from explorer.explorations import Scenario, exploration
from explorer.flowcharts import caption, name_of, path_of, refused
from explorer.stations import BY_KEY, NODES
from explorer.trace import codes, difference

MARKS = {'added': '+', 'changed': '~', 'dropped': '−'}
_MISSING = object()
_STEERING = re.compile('[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]')


# --------------------------------------------------------------------------------------------------- what is to be told


def asked(trace):
    """Say in one line what was asked: the command, if there was one, and the request it sent."""
    request = f'{trace.request["method"]} {path_of(trace)}' if trace.request else 'nothing was sent'
    if 'python-novaclient' not in trace.versions:
        how = 'without the nova client, which can not ask so: ' if trace.request and not trace.scenario.get('request') else ''
        return visible(how + request)
    return visible(f'nova {shlex.join(Scenario(**trace.scenario).command())}: {request}')


def answered(trace):
    """Say in one line what was answered."""
    status = str(trace.response['status'] if trace.response else 'no answer')
    if trace.note and not (trace.response and trace.response['status'] >= 400):
        return visible(f'no order was sent: {trace.note}')
    return visible(f'{status} {trace.note}' if trace.note else status)


def in_focus(trace, key):
    """Give the steps at the focus of an exploration, in order, and those that turned the request back."""
    wanted = {*exploration(key).focus, *refused(trace)}
    return [step for step in trace.steps if step.station in wanted]


def made_within(trace):
    """Say for each step which parts of its payload the steps within it have changed: a list of sets of names.

    A step compares entry and exit, so it also shows what was done in between; locals are always a step's own.
    """
    within = [set() for _ in trace.steps]
    for step in reversed(trace.steps):  # what is within comes after
        cause = step.parent if step.parent is not None else step.hop_from
        if cause is not None:
            own = {path[-1] for paths in trace.changes(step).values() for path in paths if len(path) > 1}
            within[cause] |= within[step.index] | {name for name in own if isinstance(name, str)}
    return within


def changes(trace, step, within=()):
    """List what a station did: (mark, dotted path, value as text), the result or error last.

    Shape: a mark in brackets tells that a step *within*, one of `made_within`, has changed that.
    """
    found = trace.changes(step)

    def mark(kind, path):
        return f'({MARKS[kind]})' if len(path) > 1 and path[-1] in within else MARKS[kind]

    rows = [(mark(kind, path), _dotted(path), short(value))
            for kind in ('added', 'dropped') for path, value in found[kind].items()]
    rows += [(mark('changed', path), _dotted(path), f'{short(old)} → {short(new)}')
             for path, (old, new) in found['changed'].items()]
    if step.error is not None:
        rows.append(('✗', 'raises', short(step.error)))
    elif step.result is not None:
        rows.append(('=', 'returns', short(step.result)))
    return rows


def journey(trace, name):
    """List where a field first has a name and a value on a node: (index, station, dotted path, value as text)."""
    rows = {}
    for step, _, path, value in trace.follow(name):
        rows.setdefault((step.node, path[-2:], short(value)), (step.index, name_of(step.station), _dotted(path), short(value)))
    return list(rows.values())


def _dotted(path):
    return visible('.'.join(map(str, path)))


def visible(text):
    """Escape what would steer a terminal or turn the order of characters round, and what is no Unicode."""
    return _STEERING.sub(lambda found: f'\\u{ord(found[0]):04x}', text)


def short(value, longest=72):
    """Show plain data in one line of at most *longest* characters."""
    name = value[''] if isinstance(value, dict) and isinstance(value.get(''), str) else ''
    shown = {key: part for key, part in value.items() if key} if name else value
    # Sorted, for the results of Routes have no order of their own.
    text = visible(f'{name} {json.dumps(shown, ensure_ascii=False, sort_keys=True)}'.strip())
    return text if len(text) <= longest else f'{text[:longest - 1]}…'


# -------------------------------------------------------------------------------------------------------------- text


def tell(trace, key=None):
    """Tell a trace as text: the steps in focus and the followed field of an exploration; without *key*, every step."""
    row = exploration(key) if key else None
    steps = in_focus(trace, key) if row else trace.steps
    within = made_within(trace) if row else ()
    lines = [*([f'{row.number}. {row.title}', row.question] if row else []), f'{asked(trace)} → {answered(trace)}', '']
    for step in steps:
        lines.append(f'{step.index:4} {NODES[step.node]:14} {name_of(step.station)}: {BY_KEY[step.station].says}')
        if row is None:
            continue
        lines += [f'{"":9}{mark} {path} {text}' for mark, path, text in changes(trace, step, within[step.index])]
    if row:
        lines += ['', f'{row.follow} on its way']
        lines += [f'{index:4} {station}: {path} = {text}' for index, station, path, text in journey(trace, row.follow)]
        lines.append(f'and {len(trace.steps) - len(steps)} more steps')
    return '\n'.join(['' if line.isspace() else line for line in lines])


# -------------------------------------------------------------------------------------------------------------- HTML


def page(trace, key):
    """Tell what `tell` tells, as HTML that needs no script."""
    row, steps, within = exploration(key), in_focus(trace, key), made_within(trace)
    rows = [(
        step.index, NODES[step.node], f'{_code(name_of(step.station))} {escape(BY_KEY[step.station].says)}',
        '<br>'.join(f'{mark} {_code(path)} {escape(text)}'
                    for mark, path, text in changes(trace, step, within[step.index]))) for step in steps]
    return (f'<h4>{row.number}. {escape(row.title)}</h4><p>{escape(row.question)}<br>{_code(asked(trace))} '
            f'→ {escape(answered(trace))}</p>{_table(("step", "where", "station", "what it did"), rows)}'
            f'{journey_html(trace, row.follow)}'
            f'<p>and {len(trace.steps) - len(steps)} more steps. {escape(caption(trace))}</p>')


def journey_html(trace, name):
    """Show the names and values of a field as a table."""
    rows = [(index, _code(station), _code(path), escape(text)) for index, station, path, text in journey(trace, name)]
    return _table(('step', 'station', 'name', 'value'), rows, f'{name} on its way')


def _code(text):
    return f'<code>{escape(text)}</code>'


def _table(heads, rows, title=''):
    """Lay out cells of HTML; notebooks align to the right what does not say otherwise."""
    head = ''.join(f'<th align="left">{head}</th>' for head in heads)
    body = ''.join('<tr>' + ''.join(f'<td align="left">{cell}</td>' for cell in row) + '</tr>' for row in rows)
    caption = f'<caption>{escape(title)}</caption>' if title else ''
    return f'<table>{caption}<tr>{head}</tr>{body}</table>'


@functools.lru_cache(512)
def source(station, column, file, line):
    """Show the function of a station, a line an element: data-line tells the number, "code" that it can run.

    Shape: *column* says under which name it is watched, 'ours' or 'nova'; *file* and *line* as in the step, for a function
    may have variants.
    """
    row = BY_KEY[station]
    head = f'<p><code>{escape(row.nova)}</code>, here at <code>{escape(file)}:{line}</code></p>'
    try:
        code = next(code for code in codes(getattr(row, column)) if code.co_firstlineno == line)
        lines, first = inspect.getsourcelines(code)
    except (LookupError, StopIteration, OSError):
        return f'{head}<p>Its text is not at hand in this environment.</p>'
    runs = {number for _, _, number in code.co_lines()} - {line}
    indent = len(lines[0]) - len(lines[0].lstrip())
    listing = ''.join(
        f'<span data-line="{number}"{" class=code" if number in runs else ""}>{escape(text[indent:].rstrip())}\n</span>'
        for number, text in enumerate(lines, first))
    return f'{head}<pre>{listing}</pre>'


def payload(step, within=()):
    """Show what a step was given and what it made of it, as a tree; what changed is marked and unfolded.

    Shape: *within* is one of `made_within`; the marks of those names are in brackets.
    """
    outcome = {'raises': step.error} if step.error is not None else {'returns': step.result}
    return (f'<ul>{_branches(step.before or {}, step.after or {}, (), within)}</ul>'
            f'<ul class="outcome">{_branches(outcome, outcome)}</ul>')


def _branches(old, new, here=(), below=()):
    """Show the parts of a container; *here* and *below* are the names that steps within have changed."""
    names = [name for name in [*new, *(name for name in old if name not in new)] if name != '']
    return ''.join(_branch(name, old.get(name, _MISSING), new.get(name, _MISSING), here, below) for name in names)


def _changed_first(before, after, within):
    """Show what has changed in a container, and fold what has not."""
    same = {name: part for name, part in after.items() if name in before and before[name] == part and name != ''}
    if len(same) < 4:
        return _branches(before, after, within, within)
    old, new = ({name: part for name, part in parts.items() if name not in same} for parts in (before, after))
    return (f'{_branches(old, new, within, within)}<li><details><summary class="rest">{len(same)} unchanged</summary>'
            f'<ul>{_branches(same, same)}</ul></details></li>')


def _branch(name, old, new, here, below):
    inner = name in here
    kind = 'added' if old is _MISSING else 'dropped' if new is _MISSING else ''
    value = old if new is _MISSING else new
    before, after = _parts(old), _parts(value)
    if after:
        changed = not kind and old is not new and bool(before) and any(difference(old, new).values())
        if not kind and not before:
            kind = 'changed'
        parts = _changed_first(before, after, below) if changed else _branches(before if before and not kind else after, after)
        opened = ' open' if kind or changed else ''
        return (f'<li{_class(kind)}><details{opened}><summary>{_name(name, kind, inner)}{escape(_brief(value))}</summary>'
                f'<ul>{parts}</ul></details></li>')
    if not kind and (old != new or type(old) is not type(new)):
        kind = 'changed'
    was = f'<del>{_text(old)}</del> → ' if kind == 'changed' and not before else ''
    return f'<li{_class(kind)}>{_name(name, kind, inner)}{was}{_text(value)}</li>'


def _parts(value):
    """Give what is in a container by name, or nothing."""
    return value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list) else {}


def _class(kind):
    return f' class="{kind}"' if kind else ''


def _name(name, kind, inner):
    mark = f'<b title="{kind} by a step within">({MARKS[kind]})</b> ' if inner and kind else (
        f'<b title="{kind}">{MARKS[kind]}</b> ' if kind else '')
    return f'{mark}<code>{escape(visible(str(name)))}</code> '


def _brief(value):
    """Name a container that is folded: the class of an object, or how much is in it."""
    if isinstance(value, dict):
        return value[''] if isinstance(value.get(''), str) else f'{{{len(value)}}}'
    return f'[{len(value)}]'


def _text(value):
    """Show a value that holds nothing; what is long is folded."""
    text = visible(json.dumps(value, ensure_ascii=False))
    if len(text) <= 160:
        return f'<bdi>{escape(text)}</bdi>'
    return f'<details><summary>{escape(text[:120])}…</summary><bdi>{escape(text)}</bdi></details>'
