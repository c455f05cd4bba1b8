"""What a person sees of a trace, as text and as HTML. Pure functions: the player, the notebook and the terminal share them.

Whatever comes from a payload is text and stays text: it is escaped here, and nowhere interpreted.
"""

import functools
import json
from html import escape

from explorer.explorations import exploration
from explorer.payloads import difference, is_container, is_marked, parts
from explorer.stations import BY_KEY, NODES
from explorer.views.facts import (
    MARKS,
    _recorded,
    answered,
    asked,
    caption,
    changes,
    field_of,
    in_focus,
    field_rows,
    letter,
    made_within,
    refusal,
    turned_back,
)
from explorer.views.sources import EDITED, code_of, is_ours, our_text, text_of, was_edited
from explorer.views.text import literal, visible

LONGEST_VALUE = 160  # characters of a value that is shown unfolded
_MISSING = object()




def tell(trace, key=None):
    """Tell a trace as text: the steps in focus and the followed field of an exploration; without *key*, every step."""
    row = exploration(key) if key else None
    steps = in_focus(trace, key) if row else trace.steps
    within = made_within(trace) if row else ()
    lines = [*([f'{row.number}. {row.title}', row.question] if row else []), f'{asked(trace)} → {answered(trace)}']
    lines += [*(f'     {layer}: {what}{f" ({station}, {line}: {text})" if line else ""}'
                for layer, what, _, station, line, text in refusal(trace)), '']
    for step in steps:
        lines.append(f'{step.index:4} {NODES[step.node]:14} {BY_KEY[step.station].name}: {BY_KEY[step.station].says}')
        if row is None:
            continue
        lines += [f'{"":9}{mark} {path} {text}' for mark, path, text in changes(trace, step, within[step.index])]
    if row:
        lines += ['', f'{row.follow} on its way']
        lines += [f'{index:4} {where:14} {station}: {path} = {text} ({kind})'
                  for index, where, station, path, kind, text in field_rows(trace, row.follow)]
        lines.append(f'and {len(trace.steps) - len(steps)} more steps')
    return '\n'.join(['' if line.isspace() else line for line in lines])




# Notebooks align tables to the right. Where styles are taken out, as on GitHub, the cells say the same by themselves.
LEFT = '<style>.jp-RenderedHTMLCommon :is(td, th) { text-align: left; vertical-align: top; }</style>'


def page(trace, key):
    """Tell what `tell` tells, as HTML that needs no script."""
    row, steps, within = exploration(key), in_focus(trace, key), made_within(trace)
    rows = [(
        step.index, NODES[step.node], f'{_code(BY_KEY[step.station].name)} {escape(BY_KEY[step.station].says)}',
        '<br>'.join(f'{mark} {_code(path)} {escape(text)}'
                    for mark, path, text in changes(trace, step, within[step.index]))) for step in steps]
    return (f'{LEFT}<h4>{row.number}. {escape(row.title)}</h4><p>{escape(row.question)}<br>{_code(asked(trace))} '
            f'→ {escape(answered(trace))}</p>{refusal_html(trace)}{html_table(("step", "where", "station", "what it did"), rows)}'
            f'{journey_html(trace, row.follow)}'
            f'<p>and {len(trace.steps) - len(steps)} more steps. {escape(caption(trace))}</p>')


def journey_html(trace, name):
    """Show the names, types and values of a field as a table."""
    rows = [(goto(index), where, _code(station), _code(path), kind, escape(text))
            for index, where, station, path, kind, text in field_rows(trace, name)]
    return html_table(('step', 'where', 'station', 'name', 'type', 'value'), rows, f'{name} on its way')


def refusal_html(trace):
    """Show how a request was turned back, as a table; nothing, if it was not."""
    rows = [(escape(layer), escape(what), goto(index), _code(station), f'{_code(line)} {_code(text)}' if line else '')
            for layer, what, index, station, line, text in refusal(trace)]
    return html_table(('layer', 'what', 'step', 'station', 'line'), rows, 'how it was turned back') if rows else ''


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


def html_table(heads, rows, title=''):
    """Lay out cells of HTML in rows; notebooks align to the right what does not say otherwise."""
    head = ''.join(f'<th align="left">{head}</th>' for head in heads)
    body = ''.join('<tr>' + ''.join(f'<td align="left">{cell}</td>' for cell in row) + '</tr>' for row in rows)
    caption = f'<caption>{escape(title)}</caption>' if title else ''
    return f'<table>{caption}<tr>{head}</tr>{body}</table>'


# How the miniature stands to the real Nova at a station, as `reasons` works it out when the real one is recorded.
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
    if len(text) <= LONGEST_VALUE:
        return f'<bdi>{escape(text)}</bdi>'
    return f'<details><summary>{escape(text[:LONGEST_VALUE - 40])}…</summary><bdi>{escape(text)}</bdi></details>'
