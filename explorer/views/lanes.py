"""The map of a request: its moments in the order in which they are shown, and one bar for each visit, in lanes.

A visit has two moments, its entry and its return. The bars are laid out by entries, so a bar ends at the last entry
before its return, and the return of a visit is never to the left of what happened within it.
"""

import functools
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Literal, NamedTuple, TypeAlias

from explorer.explorations import exploration
from explorer.stations import NODES
from explorer.trace import Step, Trace, unpacked
from explorer.views.facts import turned_back

Moment: TypeAlias = tuple[int, Literal['entry', 'return']]  # the index of a step
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


def moments(trace: Trace) -> tuple[Moment, ...]:
    """Return the moments of a trace in the order in which they are shown.

    The visits that a visit causes stand between its entry and its return: those that it calls, and those on another
    thread or node that it waits for. What it does not wait for, such as the work that a cast starts, comes at the end.
    """
    return _moments(trace.packed)


@functools.lru_cache(maxsize=4)
def _moments(packed: bytes) -> tuple[Moment, ...]:
    inner, outermost = _tree(unpacked(packed))
    found: list[Moment] = []
    waiting = [(step, False) for step in reversed(outermost)]
    while waiting:  # without recursion, because a trace may be deep
        step, ends = waiting.pop()
        found.append((step, 'return' if ends else 'entry'))
        if not ends:
            waiting.append((step, True))
            waiting += [(each, False) for each in reversed(inner[step])]
    return tuple(found)


def _tree(steps: Sequence[Step]) -> tuple[list[list[int]], list[int]]:
    """Return, for each step, the steps between its entry and its return, and the steps that are within no other."""
    inner: list[list[int]] = [[] for _ in steps]
    outermost: list[int] = []
    for step in steps:
        cause = step.parent
        if cause is None and step.hop_from is not None and _waits(steps[step.hop_from]):
            cause = step.hop_from
        (outermost if cause is None else inner[cause]).append(step.index)
    return inner, outermost


def _waits(step: Step) -> bool:
    """Return whether a step waits for the work that it causes elsewhere; only a cast does not."""
    return step.station != 'send' or bool((step.before or {}).get('wait_for_reply'))


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

HEIGHT, _LEGS, _GUTTER = 186, 24, 8  # px; px of the row of legs; per cent of the width, for the names of the lanes
_LABEL_HEIGHT = 13  # px: a lane is at least as high as its name


def draw_lanes(trace: Trace, key: str = '') -> str:
    """Draw the map of a trace as an SVG that is as wide as its place; *key* is the leg to emphasize.

    Shape: `data-bar` on a bar, and on a leg, is the index of a step; `data-x` and `data-to` are its columns.
    """
    shape = lanes(trace)
    tops, height = _tops(shape.rows)
    legs = ''.join(_leg(segment, shape, key) for segment in shape.segments)
    names = ''.join(
        f'<g class="lane {node}"><rect width="100%" y="{tops[node]:.1f}" height="{_lane(shape.rows[node], height):.1f}"'
        f'/><text x="4" y="{tops[node] + 10:.1f}">{escape(NODES[node].removesuffix(" node"))}</text></g>'
        for node in shape.rows)
    bars = ''.join(
        f'<rect class="{bar.node}" data-bar="{bar.step}" data-x="{bar.x}" data-to="{bar.to}" {_across(bar, shape)} '
        f'y="{tops[bar.node] + bar.row * height:.1f}" height="{max(height * 0.8, 0.5):.1f}"/>' for bar in shape.bars)
    links = ''.join(_line(link, shape, tops, height) for link in shape.links)
    return (f'<svg class="map" width="100%" height="{HEIGHT}" aria-hidden="true">{names}{legs}{links}{bars}'
            f'<rect class="cursor" y="{_LEGS - 5}" width="{_column(shape):.3f}%" height="{HEIGHT - _LEGS + 5}"/></svg>')


def _lane(rows: int, height: float) -> float:
    return max(rows * height + 2, _LABEL_HEIGHT)


def _tops(rows: dict[str, int]) -> tuple[dict[str, float], float]:
    """Return ({node: y of its lane}, height of a row), so that all lanes fill the map."""
    height = 8.0
    while sum(_lane(each, height) for each in rows.values()) > HEIGHT - _LEGS and height > 0.1:
        height *= 0.97
    tops, at = {}, float(_LEGS)
    for node, number in rows.items():
        tops[node], at = at, at + _lane(number, height)
    return tops, height


def _column(shape: Lanes) -> float:
    """Return the width of a column in per cent."""
    return (100 - _GUTTER) / max(len(shape.bars), 1)


def _place(x: float, shape: Lanes) -> str:
    return f'{_GUTTER + x * _column(shape):.3f}%'


def _across(at: Bar | Segment, shape: Lanes) -> str:
    return f'x="{_place(at.x, shape)}" width="{(at.to - at.x + 0.85) * _column(shape):.3f}%"'


def _leg(segment: Segment, shape: Lanes, key: str) -> str:
    row, share = exploration(segment.leg), (segment.to - segment.x + 1) * _column(shape)
    text = f'{row.number} {row.key}' if share > 1.1 * len(row.key) else str(row.number) if share > 2 else ''
    return (f'<g class="leg{" own" if row.key == key else ""}" data-bar="{shape.bars[segment.x].step}">'
            f'<rect y="1" height="16" {_across(segment, shape)}/>'
            f'<text x="{_place(segment.x + 0.4, shape)}" y="13">{text}</text></g>')


def _line(link: Link, shape: Lanes, tops: dict[str, float], height: float) -> str:
    """Draw an arrow; a response ends at the right of the bar that waited for it, a rejection in the client's lane."""
    by_step = {bar.step: bar for bar in shape.bars}
    start, end = by_step[link.start], by_step[link.end]
    back = link.kind in ('response', 'rejection')
    x = (start.to + 0.5, end.to + 0.5) if link.kind == 'response' else (start.x + 0.5, (start if back else end).x + 0.5)
    y = [tops[bar.node] + (bar.row + 0.5) * height for bar in (start, end)]
    return (f'<line class="{link.kind}" x1="{_place(x[0], shape)}" y1="{y[0]:.1f}" '
            f'x2="{_place(x[1], shape)}" y2="{y[1]:.1f}"/>')
