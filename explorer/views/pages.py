"""Show a trace as text and as HTML. Pure functions, shared by the player, the notebook and the terminal.

Whatever comes from a payload is text and stays text: it is escaped here and interpreted nowhere.
"""

import functools
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from html import escape
from typing import TypeAlias, TypedDict

from explorer.explorations import exploration
from explorer.payloads import Path, Value, difference, is_container, is_marked, parts
from explorer.stations import BY_KEY, NODES
from explorer.trace import Step, Trace
from explorer.views.facts import (
    MARKS,
    _recorded,
    answered,
    asked,
    caption,
    changes,
    field_of,
    field_rows,
    in_focus,
    letter,
    made_within,
    refusal,
    turned_back,
)
from explorer.views.sources import EDITED, code_of, is_ours, our_text, text_of, was_edited
from explorer.views.text import literal, visible

LONGEST_VALUE = 160  # characters of a value that is shown unfolded
_MISSING = object()


_Parts: TypeAlias = Mapping[Value, Value]


class Source(TypedDict):
    """The function of a station."""

    head: str  # HTML
    first: int  # number of the first line
    lines: list[str]
    runs: list[int]  # numbers of the lines that can run


def tell(trace: Trace, key: str | None = None) -> str:
    """Return a trace as text: the steps in focus and the followed field of an exploration; without *key*, every step.

    Raises: WrongUse for an unknown exploration.
    """
    row = exploration(key) if key else None
    steps = in_focus(trace, row.key) if row else trace.steps
    within = made_within(trace) if row else ()
    lines = [*([f'{row.number}. {row.title}', row.question] if row else []), f'{asked(trace)} → {answered(trace)}']
    lines += [*(f'     {layer}: {what}{f" ({station}, {line}: {text})" if line else ""}'
                for layer, what, _, station, line, text in refusal(trace)), '']
    for step in steps:
        station = BY_KEY[step.station]
        lines.append(f'{step.index + 1:4} {NODES[step.node]:14} {station.name}: {station.says}')
        if row is None:
            continue
        lines += [f'{"":9}{mark} {path} {text}' for mark, path, text in changes(trace, step, within[step.index])]
    if row:
        lines += ['', f'{row.follow} on its way']
        lines += [f'{numbered(index):>4} {where:14} {name}: {path} = {text} ({kind})'
                  for index, where, name, path, kind, text in field_rows(trace, row.follow)]
        lines.append(f'and {len(trace.steps) - len(steps)} more steps')
    return '\n'.join(['' if line.isspace() else line for line in lines])


# Notebooks align cells to the right; this style aligns them to the left. Where styles are removed, as on GitHub, the
# align attributes of the cells do that.
LEFT = '<style>.jp-RenderedHTMLCommon :is(td, th) { text-align: left; vertical-align: top; }</style>'


def page(trace: Trace, key: str) -> str:
    """Return the content of `tell` as HTML that needs no script.

    Raises: WrongUse for an unknown exploration.
    """
    row, steps, within = exploration(key), in_focus(trace, key), made_within(trace)
    rows = [(
        step.index + 1, NODES[step.node], f'{_code(BY_KEY[step.station].name)} {escape(BY_KEY[step.station].says)}',
        '<br>'.join(f'{mark} {_code(path)} {escape(text)}'
                    for mark, path, text in changes(trace, step, within[step.index]))) for step in steps]
    return (f'{LEFT}<h4>{row.number}. {escape(row.title)}</h4><p>{escape(row.question)}<br>{_code(asked(trace))} '
            f'→ {escape(answered(trace))}</p>{refusal_html(trace)}'
            f'{html_table(("step", "where", "station", "what it did"), rows)}{journey_html(trace, row.follow)}'
            f'<p>and {len(trace.steps) - len(steps)} more steps. {escape(caption(trace))}</p>')


def journey_html(trace: Trace, name: str) -> str:
    """Show the names, types and values of a field as a table."""
    rows = [(goto(index), where, _code(station), _code(path), kind, escape(text))
            for index, where, station, path, kind, text in field_rows(trace, name)]
    return html_table(('step', 'where', 'station', 'name', 'type', 'value'), rows, f'{name} on its way')


def refusal_html(trace: Trace) -> str:
    """Show how a request was rejected, as a table; '' if it was not."""
    rows = [(escape(layer), escape(what), goto(index), _code(station), f'{_code(line)} {_code(text)}' if line else '')
            for layer, what, index, station, line, text in refusal(trace)]
    return html_table(('layer', 'what', 'step', 'station', 'line'), rows, 'how it was rejected') if rows else ''


def refusal_line(trace: Trace) -> str:
    """Show in one line what rejected a request, and through which layers the error became the response."""
    rows = refusal(trace)
    if not rows:
        return ''
    _, _, index, station, line, _ = rows[0]
    what = 'rejected' if turned_back(trace) else 'lost'
    layers = ' → '.join(f'{escape(layer)} {_code(what.split(":")[0].split()[0])}' for layer, what, *_ in rows)
    return f'<p class="turned">{what} at step {goto(index)} by {_code(station)}, {_code(line)}: {layers}</p>'


def goto(index: int | str | None, run: int = 0) -> str:
    """Show the number of a step, counted from 1, as an element that the player turns into a link; '' without a step.

    Shape: *index* is the index of the step.
    """
    return f'<span data-goto="{index}" data-run="{run}">{numbered(index)}</span>' if isinstance(index, int) else ''


def numbered(index: int | str | None) -> str:
    """Write the number of a step as people read it, counted from 1; '' without a step."""
    return str(index + 1) if isinstance(index, int) else ''


def _code(text: str) -> str:
    return f'<code>{escape(text)}</code>'


def html_table(heads: Iterable[str], rows: Iterable[Iterable[object]], title: str = '') -> str:
    """Lay out cells of HTML as a table, aligned to the left; *title* is plain text."""
    head = ''.join(f'<th align="left">{head}</th>' for head in heads)
    body = ''.join('<tr>' + ''.join(f'<td align="left">{cell}</td>' for cell in row) + '</tr>' for row in rows)
    caption = f'<caption>{escape(title)}</caption>' if title else ''
    return f'<table>{caption}<tr>{head}</tr>{body}</table>'


# Whether the miniature matches the real Nova at a station, as `reasons` computes it when the real Nova is recorded.
BADGES = {
    'same': 'the miniature receives the same, leaves no function out and returns the same; objects of the real Nova '
            'may have more fields',
    'simplified': 'the real Nova does more here, or holds something in another form; nova-explorer beside KEY lists '
                  'the differences',
    'left out': 'the miniature does not do this',
}


def source(station: str, file: str, line: int) -> Source:
    """Return the function of a station.

    Shape: *file* and *line* as in the step, because a function may have variants.
    """
    shown = _source(station, file, line)
    note = f'<p role="note">{EDITED}</p>' if was_edited(station, file, line) else ''
    return {**shown, 'head': f'{shown["head"]}{note}'}


@functools.lru_cache(512)
def _source(station: str, file: str, line: int) -> Source:
    row, kept = BY_KEY[station], _recorded()
    badge, place = kept['badges'].get(station), kept['places'].get(station)
    where = f'{place[0]}:{place[1]}' if place else row.nova_file
    said = f' <b class="badge" title="{BADGES[badge]}">{badge}</b>' if badge else ''
    head = (f'<p>Nova {kept["nova"]}: <code>{escape(row.nova)}</code> in <code>{where}</code>{said}<br>'
            f'{"this repository" if is_ours(file) else "ran"}: <code>{escape(file)}:{line}</code></p>')
    lines, code = text_of(station, file, line), code_of(station, file, line)
    if code is None:
        ours = escape(chr(10).join(_dedented(our_text(station))))
        return {'head': f"{head}<p>Nova's source is not part of this repository; <code>make nova</code> installs it. "
                        f"The miniature's function:</p><pre>{ours}</pre>", 'first': line, 'lines': [], 'runs': []}
    if not lines:
        return {'head': f'{head}<p>The source found for this function is not the one that ran.</p>',
                'first': line, 'lines': [], 'runs': []}
    runs = {number for _, _, number in code.co_lines() if number is not None} - {line}
    return {'head': head, 'first': line, 'lines': _dedented(lines), 'runs': sorted(runs)}


def _dedented(lines: list[str]) -> list[str]:
    indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    return [visible(text[indent:].rstrip()) for text in lines]


def payload(step: Step, within: Collection[str] = ()) -> str:
    """Show as a tree what a step received and how it changed that; changes are marked and unfolded.

    Shape: *within* is what `made_within` returns for this step; the marks of those names are in parentheses. data-field
    names the field of a value if the tree shows it under another name. On the bus, the address and the text of the
    message come first.
    """
    return Payloads().show(step, within)


def _letter_html(step: Step) -> str:
    rows = letter(step)
    if not rows or step.before is None:
        return ''
    items = ''.join(f'<dt>{name}</dt><dd>{escape(text)}</dd>' for name, text in rows)
    wire = visible(json.dumps(step.before['message'], ensure_ascii=False))
    return (f'<section class="letter"><b>✉ on the bus</b><dl>{items}</dl><details><summary>the message on the wire, '
            f'{len(wire):,} characters</summary><code>{escape(wire)}</code></details></section>')


class Payloads:
    """Show the payloads of many steps; what they share is rendered once.

    Shape: the HTML within each container passes through *fold*, which may store it elsewhere.
    """

    def __init__(self, fold: Callable[[str], str] = str) -> None:
        self._known: dict[tuple[Path, int], str]
        self._within: Collection[str]
        self._fold, self._known, self._within = fold, {}, ()

    def show(self, step: Step, within: Collection[str] = ()) -> str:
        """Show a payload, as `payload` does."""
        self._within = within
        outcome = {'raises': step.error} if step.error is not None else {'returns': step.result}
        return (f'{_letter_html(step)}<ul>{self._branches(step.before or {}, step.after or {}, (), ())}</ul>'
                f'<ul class="outcome">{self._branches(outcome, outcome, (), ())}</ul>')

    def enter(self, step: Step) -> str:
        """Show what a step received."""
        before = step.before or {}
        return f'{_letter_html(step)}<ul>{self._branches(before, before, (), ())}</ul>'

    def _branches(self, old: _Parts, new: _Parts, path: Path, here: Collection[str]) -> str:
        """Show the parts of a container; *here* are the names whose marks are in parentheses."""
        names = [name for name in [*new, *(name for name in old if name not in new)] if name != '']
        return self._fold(''.join(
            self._branch((*path, name), old.get(name, _MISSING), new.get(name, _MISSING), here) for name in names))

    def _unchanged(self, same: _Parts, path: Path, owner: object) -> str:
        """Show the parts of a container that did not change; *owner* holds them and lives as long as the trace."""
        key = path, id(owner)
        if key not in self._known:
            self._known[key] = self._branches(same, same, path, ())
        return self._known[key]

    def _changed_first(self, before: _Parts, after: _Parts, path: Path) -> str:
        """Show what has changed in a container, and fold the rest."""
        same = {name: part for name, part in after.items() if name in before and before[name] == part and name != ''}
        if len(same) < 4:
            return self._branches(before, after, path, self._within)
        old, new = ({name: part for name, part in each.items() if name not in same} for each in (before, after))
        return (f'{self._branches(old, new, path, self._within)}<li><details>'
                f'<summary class="rest">{len(same)} unchanged</summary>'
                f'<ul>{self._branches(same, same, path, ())}</ul></details></li>')

    def _branch(self, path: Path, old: Value, new: Value, here: Collection[str]) -> str:
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
            return (f'<li{_class(kind)}><details{opened}><summary>{name}{escape(_brief(value))}</summary>'
                    f'<ul>{inner}</ul></details></li>')
        was = f'<del>{_folded(old)}</del> → ' if kind == 'changed' and not before else ''
        return f'<li{_class(kind)}>{name}{was}{_folded(value)}</li>'


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ''


def _name(path: Path, kind: str, inner: bool, *, leaf: bool) -> str:
    mark = f'<b title="{kind} by a function that it called">({MARKS[kind]})</b> ' if inner and kind else (
        f'<b title="{kind}">{MARKS[kind]}</b> ' if kind else '')
    # What a step returns is followed as `result`, as in a trace.
    field = field_of(('result', *path[1:]) if path[0] in ('returns', 'raises') else path) if leaf else ''
    known = f' data-field="{escape(visible(field))}"' if field and field != path[-1] else ''
    return f'{mark}<code{known}>{escape(visible(str(path[-1])))}</code> '


def _brief(value: Value) -> str:
    """Describe a folded container: the class of an object, or the number of its parts."""
    if isinstance(value, dict) and not is_marked(value):
        return str(value['']) if isinstance(value.get(''), str) else f'{{{len(value)}}}'
    return f'[{len(value)}]' if isinstance(value, list) else f'{{{len(parts(value))}}}'


def _folded(value: Value) -> str:
    """Show a value that has no parts; fold it if it is long."""
    text = visible(literal(value))
    if len(text) <= LONGEST_VALUE:
        return f'<bdi>{escape(text)}</bdi>'
    return f'<details><summary>{escape(text[:LONGEST_VALUE - 40])}…</summary><bdi>{escape(text)}</bdi></details>'
