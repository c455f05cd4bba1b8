"""Show a trace, or a moment of it, as text and as HTML. Pure functions for the player, the notebook and the terminal.

Whatever comes from a payload is text and stays text: it is escaped here and interpreted nowhere.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from html import escape

from explorer.errors import WrongUse, shorten
from explorer.explorations import exploration
from explorer.payloads import Value, is_container, is_marked, parts
from explorer.stations import BY_KEY, NODES
from explorer.trace import Step, Trace
from explorer.views.changed import LONGEST_VALUE, MOST_LINES, Letter, changes_text, letter_of
from explorer.views.code import listing_text
from explorer.views.facts import (
    answered,
    asked,
    caption,
    in_focus,
    letter,
    lost,
    recorded_head,
    refusal,
    turned_back,
)
from explorer.views.fields import field_rows
from explorer.views.lanes import still, story
from explorer.views.markup import LEFT, code_html, goto, html_table, numbered, said
from explorer.views.moments import When, moments
from explorer.views.sources import is_ours
from explorer.views.tells import tells
from explorer.views.text import literal, short_ids, short_text, visible

LONGEST_REJECTION = 200  # characters of the line that says where and why a request was rejected


# ---------------------------------------------------------------------------------------------------- a whole trace


def tell(trace: Trace, key: str | None = None) -> str:
    """Return a trace as text: the story of an exploration and its steps in focus; without *key*, every step.

    Raises: WrongUse for an unknown exploration.
    """
    row = exploration(key) if key else None
    steps = in_focus(trace, row.key) if row else trace.steps
    lines = [*([f'{row.number}. {row.title}', row.question] if row else []), f'{asked(trace)} → {answered(trace)}']
    lines += [*(f'     {line}' for line in _refusal_lines(trace)), '']
    if row:
        lines += [*(f'{number:2}. {_stop(trace, *stop)}' for number, stop in enumerate(stops(trace, row.key), 1)), '']
    for step in steps:
        lines.append(f'{step.index + 1:4} {NODES[step.node]:14} {BY_KEY[step.station].name}: '
                     f'{tells(trace, step, "return")}')
        if row is None:
            continue
        lines += [f'{"":9}{line}' for line in _what_it_did(trace, step)]
    if row:
        lines += ['', f'{row.follow} on its way']
        lines += [f'{numbered(index):>4} {where:14} {name}: {path} = {text} ({kind})'
                  for index, where, name, path, kind, text in field_rows(trace, row.follow)]
        lines.append(f'and {len(trace.steps) - len(steps)} more steps')
    return '\n'.join(['' if line.isspace() else line for line in lines])


def stops(trace: Trace, key: str) -> list[tuple[Step, When]]:
    """Return the moments at which the story of an exploration stops.

    Raises: WrongUse for an unknown exploration.
    """
    order = moments(trace)
    return [(trace.steps[step], moment) for step, moment in (order[place] for place in story(trace, key))]


def _stop(trace: Trace, step: Step, moment: When) -> str:
    """Return a stop in one line, as text."""
    return f'step {step.index + 1} · {NODES[step.node]} · {BY_KEY[step.station].name}: {tells(trace, step, moment)}'


def _refusal_lines(trace: Trace) -> list[str]:
    """List how a request was rejected, from the inside out."""
    return [f'{layer}: {what}{f" ({station}, {line}: {text})" if line else ""}'
            for layer, what, _, station, line, text in refusal(trace)]


def _what_it_did(trace: Trace, step: Step) -> list[str]:
    """List what a visit changed and returned; of the message that it puts on the bus, the address comes first."""
    return [*_on_bus(step), *changes_text(trace, step, 'return')]


def _on_bus(step: Step) -> list[str]:
    return [f'✉ {name} {text}' for name, text in letter(step)]


# --------------------------------------------------------------------------------------------------------- a moment


def step_numbered(trace: Trace, number: object) -> Step:
    """Return a step by the number that people read, from 1.

    Raises: WrongUse for a number that this trace does not have.
    """
    if type(number) is not int or not 1 <= number <= len(trace.steps):
        raise WrongUse(f'this trace has no step {shorten(number)}; use a number from 1 to {len(trace.steps)}')
    return trace.steps[number - 1]


def moment_text(trace: Trace, step: Step, moment: When, *, whole: bool = False) -> str:
    """Return as text what the player shows at a moment: the function, a sentence, the code with its values, the data.

    Shape: values are shortened as in the player; *whole* adds every value that the step holds, in full.
    """
    ends = moment == 'return'
    turned = turned_back(trace) or lost(trace)
    rejects = ends and turned is not None and turned.index == step.index
    sections = [
        ('Arguments', changes_text(trace, step, 'entry') or ['No arguments are recorded here.']),
        ('On the bus', _on_bus(step)),
        *(_letter_lines(written) for written in _letters(trace, step, moment)),
        ('What it changed, and how it ended', changes_text(trace, step, 'return') if ends else []),
        ('What became of the error', _refusal_lines(trace) if rejects else []),
        *(_everything(step) if whole else ())]
    return '\n\n'.join([
        '\n'.join(_head(trace, step, moment)), tells(trace, step, moment), listing_text(step, moment),
        *('\n'.join([f'{title}:', *(f'  {line}'.rstrip() for line in lines)]) for title, lines in sections if lines)])


def _head(trace: Trace, step: Step, moment: When) -> Iterator[str]:
    """Yield two lines: which step this is, and which function."""
    row, visits = BY_KEY[step.station], [each.index for each in trace.find(step.station)]
    visit = f', visit {visits.index(step.index) + 1} of {len(visits)}' if len(visits) > 1 else ''
    yield f'step {step.index + 1} of {len(trace.steps)}{visit} · {NODES[step.node]} · {row.name} · {moment}'
    kept, ran = recorded_head(), f'{step.file}:{step.line}'
    badge, place = kept['badges'].get(step.station, ''), kept['places'].get(step.station)
    there = (f'{place[0]}:{place[1]}' if place else row.nova_file) if is_ours(step.file) else ran
    version = f' of Nova {kept["nova"]}' if there.startswith('nova/') else ''
    ours = (f'; {badge or "here"}{" in" if badge else ""} {ran}' if is_ours(step.file) else
            f'; {badge} in the miniature' if badge else '')
    yield visible(f'{row.nova}, {there}{version}{ours}')


def _letters(trace: Trace, step: Step, moment: When) -> Iterator[Letter]:
    """Yield each request or response that this visit is the first to hold."""
    yield from _new(_arguments(step), [value for caller in _callers(trace, step) for value in _arguments(caller)])
    if moment == 'return':
        yield from _new([step.result], [each.result for each in trace.steps if each.parent == step.index])


def _callers(trace: Trace, step: Step) -> Iterator[Step]:
    while step.parent is not None:
        step = trace.steps[step.parent]
        yield step


def _arguments(step: Step) -> list[Value]:
    return [*(step.before or {}).values()]


def _new(held: Sequence[Value], elsewhere: Sequence[Value]) -> list[Letter]:
    written = [each for each in map(letter_of, held) if each]
    known = [letter_of(each) for each in elsewhere] if written else []
    return [each for number, each in enumerate(written) if each not in [*known, *written[:number]]]


def _letter_lines(written: Letter) -> tuple[str, list[str]]:
    """Lay out a request or a response as a section."""
    title = 'The response' if written.first.startswith('HTTP/') else 'The request'
    lines = [written.first, *(f'{name}: {value}' for name, value in written.headers)]
    body = [line for part in (written.body, written.note) if part for line in part.split('\n')]
    lines += ['', *body[:MOST_LINES]] if body else []
    lines += [f'… {len(body) - MOST_LINES:,} more lines'] if len(body) > MOST_LINES else []
    return title, [short_text(short_ids(visible(line)), LONGEST_VALUE) for line in lines]


def _everything(step: Step) -> Iterator[tuple[str, list[str]]]:
    """Yield all values that a step holds, as sections."""
    ending = ('Error', step.error) if step.error is not None else ('Result', step.result)
    for title, held in (('All values at its entry', step.before), ('All values at its return', step.after)):
        yield title, ['They were not recorded.'] if held is None else [
            line for name, value in held.items() for line in _all_lines(name, value)] or ['There are none.']
    yield ending[0], [line for line in _all_lines('', ending[1]) if line]


def _all_lines(name: Value, value: Value, depth: int = 0) -> Iterator[str]:
    """Yield a value in full: a line for its name and class, and the lines of its parts below."""
    below = parts(value) if is_container(value) else {}
    named = not is_marked(value) and isinstance(below.get(''), str)
    words = str(name), below[''] if named else '' if below else literal(value)
    yield visible(f'{"  " * depth}{" ".join(filter(None, words))}')
    for inner, part in below.items():
        if not (named and inner == ''):
            yield from _all_lines(inner, part, depth + 1)


# ------------------------------------------------------------------------------------------------------------ a page


def page(trace: Trace, key: str, flowchart: str = '') -> str:
    """Return the content of `tell` as HTML that needs no script: the map and the story, and the rest in folds.

    Shape: *flowchart* is the flowchart as text, '' to leave it out.
    Raises: WrongUse for an unknown exploration.
    """
    row, steps = exploration(key), in_focus(trace, key)
    rows = [(
        step.index + 1, NODES[step.node],
        f'{code_html(BY_KEY[step.station].name)} {said(tells(trace, step, "return"))}',
        '<br>'.join(map(escape, _what_it_did(trace, step)))) for step in steps]
    told = ''.join(f'<li>{_stop_html(trace, *stop)}</li>' for stop in stops(trace, key))
    did = (f'{html_table(("step", "where", "station", "what it did"), rows)}'
           f'<p>and {len(trace.steps) - len(steps)} more steps</p>')
    return (f'{LEFT}<h4>{row.number}. {escape(row.title)}</h4><p>{escape(row.question)}<br>{code_html(asked(trace))} '
            f'→ {escape(answered(trace))}{_rejection(trace)}</p>{_map(trace, key)}<ol>{told}</ol>'
            f'{_fold("What became of the error", refusal_html(trace))}{_fold("What each step did", did)}'
            f'{_fold(f"{row.follow} on its way", journey_html(trace, row.follow))}'
            f'{_fold("The flowchart as text", flowchart and f"<pre>{escape(flowchart)}</pre>")}'
            f'<p>{escape(caption(trace))}</p>')


def _stop_html(trace: Trace, step: Step, moment: When) -> str:
    return (f'step {step.index + 1} · {NODES[step.node]} · {code_html(BY_KEY[step.station].name)}: '
            f'{said(tells(trace, step, moment))}')


def _rejection(trace: Trace) -> str:
    """Show in one line where and why a request was rejected, or failed after the response; '' for any other."""
    rows = refusal(trace)
    if not rows:
        return ''
    first = rows[0]
    how = 'Rejected' if turned_back(trace) else 'Failed after the response'
    why = escape(short_text(first.what, LONGEST_REJECTION))
    return f'<br><b>{how}</b> in step {numbered(first.step)}, {code_html(first.station)} ({escape(first.line)}): {why}'


def _fold(title: str, inner: str) -> str:
    return f'<details><summary>{escape(title)}</summary>{inner}</details>' if inner else ''


def _map(trace: Trace, key: str) -> str:
    """Show the map as an image: sanitizers of notebooks remove SVG elements but keep images, and its style stays in."""
    packed = base64.b64encode(_slim(still(trace, key)).encode()).decode()
    return (f'<p><img alt="Map of the request; the list describes it." width="960" style="max-width:100%;height:auto" '
            f'src="data:image/svg+xml;base64,{packed}"></p>')


def _slim(svg: str) -> str:
    """Make the map smaller: without what only the player needs, in px, and with one path for neighbouring bars."""
    svg = re.sub(r' data-\w+="[^"]*"', '', svg)
    svg = re.sub(r'([\d.]+)%', lambda share: f'{float(share[1]) * 9.6:.1f}'.removesuffix('.0'), svg)
    return re.sub(r'<rect class="(\w+)" x=[^>]*/>(?:<rect class="\1" x=[^>]*/>)*', _as_path, svg)


def _as_path(bars: re.Match[str]) -> str:
    """Write rectangles of one class, each with x, width, y and height, as one path."""
    numbers = re.findall(r' \w+="([\d.]+)"', bars[0])
    drawn = ''.join(f'M{x} {y}h{width}v{height}H{x}z' for x, width, y, height in zip(
        *(numbers[at::4] for at in range(4)), strict=True))
    return f'<path class="{bars[1]}" d="{drawn}"/>'


def journey_html(trace: Trace, name: str) -> str:
    """Show the names, types and values of a field as a table."""
    rows = [(goto(index), where, code_html(station), code_html(path), kind, escape(text))
            for index, where, station, path, kind, text in field_rows(trace, name)]
    return html_table(('step', 'where', 'station', 'name', 'type', 'value'), rows)


def refusal_html(trace: Trace) -> str:
    """Show how a request was rejected, as a table; '' if it was not."""
    rows = [(escape(layer), escape(what), goto(index), code_html(station),
             f'{code_html(line)} {code_html(text)}' if line else '')
            for layer, what, index, station, line, text in refusal(trace)]
    return html_table(('layer', 'what', 'step', 'station', 'line'), rows) if rows else ''
