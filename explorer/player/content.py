"""What the player shows of one trace or two, as plain data: for the widget and for the exported page.

Every fragment of HTML is made here and by the pure functions of explorer/views/; the browser only inserts it.
protocol.py describes the data.
"""


import re
from collections.abc import Sequence
from html import escape
from typing import cast

from webob.util import status_reasons

from explorer.explorations import EXPLORATIONS, OPTIONS, exploration
from explorer.player.frame import frame
from explorer.player.protocol import Content, FieldRow, FormField, RunContent, StepContent
from explorer.stations import BY_KEY, NODES
from explorer.trace import Trace
from explorer.views import fields
from explorer.views.changed import Changed, layers
from explorer.views.code import Listings
from explorer.views.comparison import FEW_DIFFERENCES, Comparison, Row, compare, differences_html, table
from explorer.views.facts import answered, caption, command, lost, refusals, setting, turned_back
from explorer.views.flowcharts import flowchart, outline, render
from explorer.views.lanes import draw_lanes, story
from explorer.views.markup import said
from explorer.views.moments import Moment, moments
from explorer.views.tells import tells

SHORTEST_FOLD = 120  # characters
_REFUSED = ' class="refused"'


def content(trace: Trace, key: str, other: Trace | None = None, *, form: Sequence[FormField] = (),
            before: bool = False) -> Content:
    """Assemble what the browser shows of one trace, or of two to be compared; Graphviz runs once for each.

    Shape: *form* is empty if there is no kernel to send a request to; *before* is true if there is a previous run
    to compare with.
    Raises: WrongUse for an unknown exploration.
    """
    row, both = exploration(key), compare(trace, other) if other else None
    traces = [each for each in (trace, other) if each]
    runs = [_run(each, key, half=bool(both)) for each in traces]
    folds = _show(traces, runs, both)
    used = {step['station'] for each in runs for step in each['steps']}
    for number, each in enumerate(runs):
        each['facts'] = _facts(runs, number)
        if both:
            each['words'], each['more'] = _words(both), f'<div class="beside">{table(both)}</div>'
    # The flowcharts of the two traces are next to each other, because gzip finds repetitions only within 32 kB.
    runs[1:] = [cast(RunContent, dict(reversed(each.items()))) for each in runs[1:]]
    return {
        'key': key, 'title': f'{row.number}. {row.title}', 'follow': row.follow,
        'start': runs[0]['start'], 'page': frame(row, form, before=before, two=bool(both)), 'nodes': NODES,
        'stations': {station: BY_KEY[station].name for station in BY_KEY if station in used},
        'folds': folds, 'runs': runs, 'fields': _together([fields.journeys(each) for each in traces]),
        'differs': [(row.a, row.b, _differs(row)) for row in both.rows] if both else None}


def _show(traces: Sequence[Trace], runs: Sequence[RunContent], both: Comparison | None) -> list[str]:
    """Fill in what is shown of each step at its two moments, and return the folds.

    Corresponding steps of two runs are shown one after the other, so that their folds are near each other.
    """
    folds: dict[str, int] = {}

    def fold(text: str) -> str:
        return _fold(text, folds)

    listings, changed = Listings(fold), Changed(fold)
    for number, index in _in_turn(both) if both else [(0, step.index) for step in traces[0].steps]:
        trace, shown = traces[number], runs[number]['steps'][index]
        step = trace.steps[index]
        shown['head'] = _fold(listings.heading(step), folds)
        shown['tells'] = said(tells(trace, step, 'entry')), said(tells(trace, step, 'return'))
        shown['code'] = listings.show(step)
        rejected = layers(trace, step, run=number)
        shown['payload'] = changed.enter(trace, step), f'{rejected}{changed.leave(trace, step, number)}'
    return list(folds)


def _differs(row: Row) -> str:
    """Return what differs in a step, as the HTML to show above its payload."""
    told = differences_html(row, row.differences, FEW_DIFFERENCES)
    if row.badge:
        return f'<b>this visit, compared with the real Nova: {row.badge}</b> {told}'
    return told and f'<b>≠ B compared with A</b> {told}'


def _together(journeys: list[dict[str, list[fields.Appearance]]]) -> dict[str, list[FieldRow]]:
    """Merge the journeys of the fields in all runs."""
    merged: dict[str, dict[tuple[str, str, str, str], list[fields.Appearance | None]]] = {}
    for number, found in enumerate(journeys):
        for name, rows in found.items():
            for row in rows:
                merged.setdefault(name, {}).setdefault(row[:4], [None for _ in journeys])[number] = row
    return {name: [_field_row(*form, rows) for form, rows in forms.items()] for name, forms in merged.items()}


def _field_row(node: str, path: str, kind: str, value: str, rows: Sequence[fields.Appearance | None]) -> FieldRow:
    held = [each.steps if each else [] for each in rows]
    return cast(FieldRow, (node, path, kind, value, *held, *(each.origin if each else None for each in rows)))


def _fold(text: str, folds: dict[str, int]) -> str:
    r"""Store a long text in *folds* and return \x02N; for it; no payload contains \x02, which the views escape."""
    return text if len(text) < SHORTEST_FOLD else f'\x02{folds.setdefault(text, len(folds))};'


def _in_turn(comparison: Comparison) -> list[tuple[int, int]]:
    """List (run, index) of every step, with corresponding steps next to each other."""
    return [(number, index) for row in comparison.rows for number, index in ((0, row.a), (1, row.b))
            if index is not None]


def _run(trace: Trace, key: str, *, half: bool) -> RunContent:
    """Return what is shown of a run; the steps, `facts`, `words` and `more` are filled in later."""
    red = {step.index for step in refusals(trace)}
    svg, why = render(flowchart(trace, key).source)
    steps: list[StepContent] = [
        {'station': step.station, 'node': step.node, 'refused': step.index in red,
         'up': step.parent if step.parent is not None else step.hop_from,
         'head': '', 'tells': ('', ''), 'code': '', 'payload': ('', '')} for step in trace.steps]
    return {
        'asked': _asked(trace), 'caption': caption(trace), 'start': start(trace, key), 'legs': legs(trace),
        'steps': steps, 'moments': [step for step, _ in moments(trace)], 'story': list(story(trace, key)),
        'given': {name: given for name in OPTIONS if (given := fields.given(trace, name))},
        'facts': '', 'words': '', 'more': '', 'map': draw_lanes(trace, key, half=half),
        'flowchart': drawing(svg) if svg else without_drawing(trace, key, why)}


def start(trace: Trace, key: str) -> Moment:
    """Return the moment to begin at.

    It is where the request was rejected or lost, else the first stop of the leg's story, else the end.
    """
    turned = turned_back(trace) or lost(trace)
    if turned:
        return turned.index, 'return'
    order = moments(trace)
    return order[next(iter(story(trace, key)), -1)] if order else (0, 'entry')


def positions(trace: Trace) -> dict[str, int]:
    """Name the positions of a trace: {key of a station: index of its first step} and what `legs` returns."""
    named: dict[str, int] = {}
    for step in trace.steps:
        named.setdefault(step.station, step.index)
    return {**named, **legs(trace)}


def legs(trace: Trace) -> dict[str, int]:
    """Return {key of an exploration: index of its first step in focus} for the explorations that were reached."""
    found = {row.key: [step.index for step in trace.steps if step.exploration == row.key and step.station in row.focus]
             for row in EXPLORATIONS}
    return {key: indices[0] for key, indices in found.items() if indices}


def drawing(svg: str) -> str:
    """Prepare Graphviz's SVG for the page: name the station of each box and drop what the style sheet sets."""
    superfluous = r'<!--.*?-->\n?|<title>.*?</title>\n?|<g id="a_[^>]*><a [^>]*>\n?|</a>\n</g>\n?'
    svg = re.sub(superfluous, '', svg[svg.index('<svg'):], flags=re.S)
    svg = re.sub(r'<path [^>]*?((?: stroke-dasharray="[^"]*")?) d="(M[^"]*Z?)"/>', _as_box, svg)
    svg = re.sub(r' (?:font-\w+|fill|stroke|stroke-width|xmlns:xlink|xml:space)="[^"]*"| text-anchor="middle"'
                 r'| id="(?:edge|clust|graph)\d+"', '', svg)
    svg = re.sub(r'<[^>]*>', lambda tag: re.sub(r'(\d)\.\d+', r'\1', tag[0]), svg)  # the texts keep their decimals
    return svg.replace('id="station_', 'data-station="')


def _as_box(path: re.Match[str]) -> str:
    """Write the outline of a rounded box, a path of twelve curves, as a rectangle."""
    numbers = [float(number) for number in re.findall(r'-?[\d.]+', path[2])]
    if 'fill="none"' in path[0] or len(numbers) < 40:  # an arrow, or a cylinder
        return path[0]
    (left, *_, right), (top, *_, bottom) = sorted(numbers[::2]), sorted(numbers[1::2])
    return f'<rect x="{left:.0f}" y="{top:.0f}" width="{right - left:.0f}" height="{bottom - top:.0f}" rx="8"/>'


def without_drawing(trace: Trace, key: str, why: str) -> str:
    """Return the flowchart as text, for a computer without Graphviz."""
    return f'<p>{escape(why)}</p><pre>{escape(outline(trace, key))}</pre>'


# ------------------------------------------------------------------------------------------------ the header


def _asked(trace: Trace) -> str:
    """Return the request, its setting and its response, for one line."""
    failed = bool(trace.note) or not trace.response or trace.response['status'] >= 400
    ended = answered(trace)
    status = ended.split()[0] if trace.response else 'no response'
    phrase = status_reasons.get(int(status), '') if status.isdecimal() else ''
    more = '' if turned_back(trace) else ended.removeprefix(status).lstrip(' ,')
    says = f' <span class="says" title="{escape(more)}">{escape(more)}</span>' if more else ''
    return (f'<code>{escape(command(trace))}</code> <span class="setting">{escape(", ".join(setting(trace)))}</span> '
            f'<strong{_REFUSED if failed else ""}>{escape(f"{status} {phrase}".strip())}</strong>{says}')


def _facts(runs: Sequence[RunContent], number: int) -> str:
    """Return HTML: what a run sent and how it ended, and the same of the other one."""
    if len(runs) == 1:
        return f'<p class="asked">{runs[0]["asked"]}</p>'
    return ''.join(
        f'<p class="asked"><b>{name}</b> {each["asked"]}</p>' if each is runs[number] else
        f'<p class="other"><button type="button" data-action="swap">show {name}</button> {each["asked"]}</p>'
        for name, each in zip('AB', runs, strict=True))


def _words(both: Comparison) -> str:
    return f'<b>B compared with A:</b> {said(both.words)}'
