"""The map of a request: one bar for each visit, in lanes.

A visit has two moments, its entry and its return. The bars are laid out by entries, so a bar ends at the last entry
before its return, and the return of a visit is never to the left of what happened within it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from typing import Literal, NamedTuple, TypeAlias

from explorer.explorations import exploration
from explorer.stations import NODES
from explorer.trace import Step, Trace
from explorer.views.facts import answered, asked, refusals, turned_back
from explorer.views.moments import Moment, moments
from explorer.views.text import visible

LinkKind: TypeAlias = Literal['request', 'message', 'thread', 'response', 'rejection']


class Bar(NamedTuple):
    """A visit: from its entry, the *x*-th of all, to the last entry before its return, on a row of its node's lane."""

    step: int
    node: str
    row: int
    x: int
    to: int


class Link(NamedTuple):
    """An arrow from a visit to one on another thread or node, or from a rejection back to the client."""

    kind: LinkKind
    start: int
    end: int


class Segment(NamedTuple):
    """Entries, from the *x*-th to the *to*-th, that belong to the same leg."""

    leg: str
    x: int
    to: int


class Lanes(NamedTuple):
    """The geometry of a map.

    Shape: *rows* is {node: number of rows in its lane}, without the nodes that were not reached; *bars* are in the
    order of entries, so there are as many columns as bars.
    """

    rows: dict[str, int]
    bars: tuple[Bar, ...]
    links: tuple[Link, ...]
    segments: tuple[Segment, ...]


def arrival(trace: Trace, step: int) -> Moment:
    """Return the moment to go to for a step: its return, or its entry if it calls others and rejects nothing."""
    order, refused = moments(trace), {each.index for each in refusals(trace)}
    entry = order.index((step, 'entry'))
    return order[entry + 1] if order[entry + 1][0] == step else (step, 'return' if step in refused else 'entry')


def story(trace: Trace, key: str) -> tuple[int, ...]:
    """Return the stops of a leg in this trace, as places in `moments`: those it reached, and where it was rejected.

    Raises: WrongUse for an unknown exploration.
    """
    order = {moment: place for place, moment in enumerate(moments(trace))}
    found = {order[step.index, 'return'] for step in refusals(trace)[:1]}
    for stop in exploration(key).story:
        visits = trace.find(stop.station)
        visits = [step for step in visits if step.exploration == key] or visits
        if visits[stop.visit:]:
            found.add(order[visits[stop.visit].index, stop.moment])
    return tuple(sorted(found))


def lanes(trace: Trace) -> Lanes:
    """Return the geometry of the map of a trace."""
    steps = trace.steps
    entered: dict[int, int] = {}
    ends: dict[int, int] = {}
    rows: dict[int, int] = {}
    depths, deepest = Counter[str](), Counter[str]()
    for step, moment in moments(trace):
        node = steps[step].node
        if moment == 'return':
            ends[step] = len(entered) - 1
            depths[node] -= 1
        else:
            entered[step], rows[step] = len(entered), depths[node]
            depths[node] += 1
            deepest[node] = max(deepest[node], depths[node])
    bars = tuple(Bar(step, steps[step].node, rows[step], x, ends[step]) for step, x in entered.items())
    return Lanes({node: deepest[node] for node in NODES if deepest[node]}, bars, _links(trace), _segments(bars, steps))


def _links(trace: Trace) -> tuple[Link, ...]:
    found: list[Link] = []
    for step in trace.steps:
        if step.parent is None and step.hop_from is not None:
            cause = trace.steps[step.hop_from]
            kind: LinkKind = ('message' if cause.station == 'send' else
                              'request' if cause.node != step.node else 'thread')
            found.append(Link(kind, cause.index, step.index))
            if kind == 'request' and step.ended_ns is not None:
                found.append(Link('response', step.index, cause.index))
    refused = turned_back(trace)
    if refused is not None and refused.node != 'client':
        found.append(Link('rejection', refused.index, 0))
    return tuple(found)


def _segments(bars: Sequence[Bar], steps: Sequence[Step]) -> tuple[Segment, ...]:
    found: list[Segment] = []
    for bar in bars:
        leg = steps[bar.step].exploration
        if found and found[-1].leg == leg:
            found[-1] = found[-1]._replace(to=bar.x)
        else:
            found.append(Segment(leg, bar.x, bar.x))
    return tuple(found)


# ------------------------------------------------------------------------------------------------------- the drawing

_GUTTER = 8  # per cent of the width, for the names of the lanes


class _Paper(NamedTuple):
    """Where a map is drawn, in px.

    Shape: *tops* is {node: y of its lane}; *row* is the height of a row; *legs* and *ribbon* are the heights of what is
    above the lanes.
    """

    height: int
    legs: int
    ribbon: int
    tops: dict[str, float]
    row: float
    label: int


HEIGHTS = 186, 93  # px of a map that stands alone, and of one of two


def draw_lanes(trace: Trace, key: str = '', *, half: bool = False) -> str:
    """Draw the map of a trace as an SVG that is as wide as its place; *key* is the leg to emphasize.

    Shape: `data-bar` on a bar, and on a leg, is the index of a step; `data-x` and `data-to` are its columns. Of two
    maps that are to be compared, each has half the height.
    """
    return (f'<svg class="map" width="100%" height="{HEIGHTS[half]}" aria-hidden="true">'
            f'{_drawing(trace, key, half=half)}</svg>')


def _drawing(trace: Trace, key: str, *, half: bool) -> str:
    shape = lanes(trace)
    paper = _paper(shape.rows, half=half)
    names = ''.join(
        f'<g class="lane {node}"><rect width="100%" y="{paper.tops[node]:.1f}" '
        f'height="{_lane(shape.rows[node], paper.row, paper.label):.1f}"/>'
        f'<text x="4" y="{paper.tops[node] + paper.label - 3:.1f}">{escape(NODES[node])}</text></g>'
        for node in shape.rows)
    bars = ''.join(
        f'<rect class="{bar.node}" data-station="{trace.steps[bar.step].station}" data-bar="{bar.step}" '
        f'data-x="{bar.x}" data-to="{bar.to}" {_across(bar, shape)} '
        f'y="{paper.tops[bar.node] + bar.row * paper.row:.1f}" height="{max(paper.row * 0.8, 0.4):.1f}"/>'
        for bar in shape.bars)
    legs = ''.join(_leg(segment, shape, key, paper) for segment in shape.segments)
    links = ''.join(_line(link, shape, paper) for link in shape.links)
    labels = ''.join(_label(*each, shape, paper) for each in _labels(trace, shape)) if not half else ''
    column = f'{_column(shape):.3f}'
    return (f'{names}{legs}{links}{bars}{labels}'
            f'<rect class="cursor" y="{paper.legs}" width="{column}%" height="{paper.height - paper.legs}"/>'
            f'<rect class="mark" width="{column}%" height="{max(paper.row, 3):.1f}"/>')


_STYLE = """
text { font: 10.5px Helvetica, Arial, sans-serif; fill: #1f2328; paint-order: stroke; stroke: #fff; stroke-width: 3px; }
.leg rect { fill: #eee; } .leg text { stroke: none; } .leg.own rect { fill: #c7d9f0; stroke: #1565c0; }
.lane rect { fill: #fff; stroke: #bdbdbd; } line { stroke: #57606a; } .cursor, .mark { display: none; }
.client { fill: #3b82f6; } .api { fill: #16a34a; } .bus { fill: #d97706; } .conductor { fill: #9333ea; }
.arrow-response { stroke-dasharray: 2 2; } .arrow-message { stroke: #d97706; stroke-width: 2; }
.arrow-rejection { stroke: #dc2626; stroke-width: 2; } .word-message, .word-rejection { text-anchor: end; }
"""
_WIDTH = 960  # px


def still(trace: Trace, key: str = '') -> str:
    """Draw the map as an SVG that stands by itself, for paper and for text; *key* is the leg to emphasize."""
    height = HEIGHTS[False]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" role="img">'
            f'<title>{escape(visible(f"{asked(trace)} → {answered(trace)}"))}</title><style>{_STYLE}</style>'
            f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>'
            f'{_drawing(trace, key, half=False)}</svg>\n')


def _paper(rows: dict[str, int], *, half: bool) -> _Paper:
    """Divide the height so that all lanes fit."""
    height, legs, ribbon, label = (HEIGHTS[1], 12, 0, 10) if half else (HEIGHTS[0], 18, 13, 13)
    row = 8.0
    while sum(_lane(each, row, label) for each in rows.values()) > height - legs - ribbon and row > 0.05:
        row *= 0.98
    tops, at = {}, float(legs + ribbon)
    for node, number in rows.items():
        tops[node], at = at, at + _lane(number, row, label)
    return _Paper(height, legs, ribbon, tops, row, label)


def _lane(rows: int, row: float, label: int) -> float:
    """Return the height of a lane, which has room for its name."""
    return max(rows * row + 2, label)


def _column(shape: Lanes) -> float:
    """Return the width of a column in per cent."""
    return (100 - _GUTTER) / max(len(shape.bars), 1)


def _place(x: float, shape: Lanes) -> str:
    return f'{_GUTTER + x * _column(shape):.3f}%'


def _across(at: Bar | Segment, shape: Lanes) -> str:
    return f'x="{_place(at.x, shape)}" width="{(at.to - at.x + 0.85) * _column(shape):.3f}%"'


def _leg(segment: Segment, shape: Lanes, key: str, paper: _Paper) -> str:
    row, share = exploration(segment.leg), (segment.to - segment.x + 1) * _column(shape)
    text = f'{row.number} {row.key}' if share > 1.1 * len(row.key) else str(row.number) if share > 1.5 else ''
    return (f'<g class="leg{" own" if row.key == key else ""}" data-leg="{row.key}" '
            f'data-bar="{shape.bars[segment.x].step}"><rect height="{paper.legs - 2}" {_across(segment, shape)}/>'
            f'<text x="{_place(segment.x + 0.4, shape)}" y="{paper.legs - 5}">{text}</text></g>')


def _line(link: Link, shape: Lanes, paper: _Paper) -> str:
    """Draw an arrow; a response ends at the right of the bar that waited for it, a rejection in the client's lane."""
    by_step = {bar.step: bar for bar in shape.bars}
    start, end = by_step[link.start], by_step[link.end]
    back = link.kind in ('response', 'rejection')
    x = (start.to + 0.5, end.to + 0.5) if link.kind == 'response' else (start.x + 0.5, (start if back else end).x + 0.5)
    y = [paper.tops[bar.node] + (bar.row + 0.5) * paper.row for bar in (start, end)]
    return (f'<line class="arrow-{link.kind}" x1="{_place(x[0], shape)}" y1="{y[0]:.1f}" '
            f'x2="{_place(x[1], shape)}" y2="{y[1]:.1f}"/>')


def _labels(trace: Trace, shape: Lanes) -> Iterator[tuple[str, str, Bar]]:
    """Yield (kind, text, bar) for what travels: the number of each exchange, the message, a rejection's status."""
    by_step = {bar.step: bar for bar in shape.bars}
    requests = [link for link in shape.links if link.kind == 'request']
    for number, link in enumerate(requests, 1):
        yield 'request', str(number), by_step[link.end]
    messages = [link for link in shape.links if link.kind == 'message']
    for link, message in zip(messages, trace.messages, strict=False):
        yield 'message', visible(f'✉ {message["kind"]} {message["method"]}'), by_step[link.start]
    refused = turned_back(trace)
    if refused and trace.response:
        yield 'rejection', str(trace.response['status']), by_step[refused.index]


def _label(kind: str, text: str, bar: Bar, shape: Lanes, paper: _Paper) -> str:
    """Write a label to the left of a bar, or below the bar of a request."""
    y = paper.tops[bar.node] + bar.row * paper.row + (14 if kind == 'request' else 8)
    y = min(y, paper.height - 2)
    return f'<text class="word-{kind}" x="{_place(bar.x, shape)}" y="{y:.1f}">{escape(text)}</text>'
