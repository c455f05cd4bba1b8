"""The way of a request as a picture that moves: four lanes, the legs that it passes, and what comes back.

The picture at rest shows the whole way. A button starts it; without scripts it moves as well, because the movement is
SVG's own. If the reader prefers reduced motion, nothing travels and the legs light up one after the other.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from explorer.explorations import EXPLORATIONS, exploration
from explorer.stations import NODES
from explorer.trace import Trace
from explorer.views.facts import answered, asked, command, turned_back
from explorer.views.markup import LEFT, pictured
from explorer.views.text import short_text, visible

BUTTON = 'explorer-send'  # the id of the button that starts the picture
_WIDTH = 960  # px
_TOPS = {'client': 2, 'api': 66, 'bus': 150, 'conductor': 206}  # px: the upper edge of each lane
_HEIGHTS = {'client': 58, 'api': 78, 'bus': 50, 'conductor': 50}
_LANES = {'client': 'client', 'rpc': 'bus'}  # the lanes of the legs; those of the others are the API node's
_FIRST, _STRIDE, _CHIP = 222, 119, 109  # px: the left edge of the second leg, the distance of two legs, a leg's width
_THINK, _QUESTION, _FLIGHT, _LEG, _DROP, _RETURN = 0.6, 0.3, 0.4, 0.55, 0.3, 0.95  # seconds


class Arrival(NamedTuple):
    """When the request reaches a leg, or the conductor.

    Shape: *leg* is the key of an exploration, or 'conductor'; *at* and *until* are seconds from the start, and *at* is
    None if the request does not get there; *visits* counts the steps there.
    """

    leg: str
    node: str
    at: float | None
    until: float
    visits: int


class Flight(NamedTuple):
    """Something that travels: a request, the message, or the response, by way of *points* (seconds, x, y)."""

    kind: str
    points: tuple[tuple[float, float, float], ...]


@dataclasses.dataclass(frozen=True)
class Animation:
    """The way of a request, displayed in a notebook with a button that starts it."""

    trace: Trace

    def __str__(self) -> str:
        return '\n'.join(_told(self.trace))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        said = ''.join(f'<li>{escape(line)}</li>' for line in _told(self.trace))
        drawn = (f'<button type="button" id="{BUTTON}">Send the request ▶</button>'
                 f'{draw_way(self.trace, (f"{BUTTON}.click",))}')
        return (f'{LEFT}<style>.explorer-untrusted {{ display: none; }} #{BUTTON} {{ font: 600 15px system-ui, '
                'sans-serif; color: #fff; background: #1565c0; border: 0; border-radius: 4px; padding: 7px 16px; '
                f'cursor: pointer; margin: 2px 0 6px; }}</style>{pictured(drawn)}'
                f'<div class="explorer-untrusted"><ol>{said}</ol><p>The picture is missing, because this notebook is '
                'not trusted, or not open in Jupyter. In JupyterLab, press Ctrl+Shift+C and choose <i>Trust '
                'Notebook</i>.</p></div>')


def file_of(trace: Trace) -> str:
    """Return the picture as an SVG file that plays three times when it is opened, and adapts to a dark page."""
    length = ending(trace) + 2.5
    return draw_way(trace, tuple(f'{number * length:.2f}s' for number in range(3)), alone=True)


def arrivals(trace: Trace) -> tuple[Arrival, ...]:
    """Return when the request reaches each leg and the conductor."""
    exchanges, refused = trace.find('http'), turned_back(trace)
    final = exchanges[-1].index if exchanges else 0  # what is sent without the client has no exchange
    passed = [step for step in trace.steps if step.index >= final and step.node != 'conductor']
    last = refused.exploration if refused is not None and refused.index >= final else None
    found, at, over = [], 0.0, False
    for row in EXPLORATIONS:
        own = [step for step in passed if step.exploration == row.key]
        there = row.key == 'client' or (bool(own) and not over)
        node = _LANES.get(row.key, 'api')
        until = at + {'client': _THINK + max(len(exchanges) - 1, 0) * _QUESTION, 'bus': _DROP}.get(node, _LEG)
        visits = len(own) if row.key != 'client' else sum(step.exploration == 'client' for step in trace.steps)
        found.append(Arrival(row.key, node, at if there else None, until if there else at, visits if there else 0))
        at = until + (_FLIGHT if row.key == 'client' else 0) if there else at
        over = over or not there or row.key == last
    received = sum(step.node == 'conductor' for step in trace.steps)
    found.append(Arrival('conductor', 'conductor', at + _RETURN if received else None, at + _RETURN, received))
    return tuple(found)


def flights(trace: Trace) -> tuple[Flight, ...]:
    """Return what travels: the client's questions, the request, the message, and the response.

    The response to a cast leaves while the message still travels; the response to a call waits for the conductor.
    """
    places = {place.leg: place for place in arrivals(trace)}
    reached = [place for place in places.values() if place.at is not None and place.node == 'api']
    found = [Flight('question', tuple(
        (_THINK + (number + part) * _QUESTION, x, y) for part, y in ((0, 51), (0.5, 70), (1, 51))))
        for number, x in enumerate(_questions(trace))]
    if not reached:
        return tuple(found)
    sent, last = places['client'].until, reached[-1]
    chips = [point for place in reached
             for point in ((place.at or 0.0, *_center(place)), (place.until, *_center(place)))]
    found.append(Flight('request', ((sent, *_center(places['client'])), *chips)))
    (last_x, last_y), leaves, bus, conductor = _center(last), last.until, places['rpc'], places['conductor']
    if bus.at is not None:
        leaves = bus.until
        found.append(Flight('message', ((last.until, *_center(last)), (bus.until, *_center(bus)),
                                        *([(conductor.at, *_center(conductor))] if conductor.at else []))))
        if conductor.at and trace.messages and trace.messages[0]['kind'] == 'call':
            leaves = conductor.at + _RETURN
            found.append(Flight('reply', ((conductor.at, *_center(conductor)), (leaves, last_x + 30, last_y))))
    found.append(Flight('response', ((leaves, last_x, last_y), (leaves + _RETURN, last_x + 60, _middle('client')))))
    return tuple(found)


def ending(trace: Trace) -> float:
    """Return how long the picture moves, in seconds."""
    return max((flight.points[-1][0] for flight in flights(trace)), default=_THINK)


def _told(trace: Trace) -> Iterator[str]:
    """Describe the way in words, a line for each place."""
    yield f'client: {asked(trace)}'
    for place in arrivals(trace)[1:]:
        if place.at is not None:
            name = 'what the conductor does first' if place.leg == 'conductor' else exploration(place.leg).title
            yield f'{NODES[place.node]}: {name} ({_counted(place.visits)})'
    yield f'client: {answered(trace)}'


def _counted(visits: int) -> str:
    return f'{visits} step{"s" if visits != 1 else ""}'


# ------------------------------------------------------------------------------------------------------- the drawing

_STYLE = """
.explorer-way { --ink: var(--jp-ui-font-color1, #1f2328); --shade: var(--jp-layout-color2, #f2f2f2);
  --paper: var(--jp-layout-color1, #fff); --line: var(--jp-border-color1, #bdbdbd);
  max-width: 100%; height: auto; font-family: system-ui, Helvetica, Arial, sans-serif; }
.explorer-way text { fill: var(--ink); font-size: 13px; }
.explorer-way .small { font-size: 11.5px; } .explorer-way .name { font-weight: 600; font-size: 12px; }
.explorer-way .lane { fill: var(--shade); } .explorer-way .chip { fill: var(--paper); stroke-width: 2; }
.explorer-way .client { stroke: #3b82f6; } .explorer-way .api { stroke: #16a34a; }
.explorer-way .bus { stroke: #d97706; } .explorer-way .conductor { stroke: #9333ea; }
.explorer-way .absent { stroke: var(--line); stroke-dasharray: 3 3; } .explorer-way .absent ~ text { opacity: 0.6; }
.explorer-way .chip.red { stroke: #dc2626; } .explorer-way text.red { font-weight: 700; }
.explorer-way .way { fill: none; stroke: var(--ink); stroke-width: 1.5; }
.explorer-way :is(.message, .reply).way { stroke-dasharray: 4 3; }
.explorer-way .token { fill: #1565c0; stroke: #fff; stroke-width: 1.5; }
.explorer-way :is(.message, .reply).token { fill: #d97706; } .explorer-way .token.bad { fill: #dc2626; }
@media (prefers-reduced-motion: reduce) { .explorer-way .token { display: none; } }
"""
_ALONE = """
.explorer-way { --ink: #1f2328; --shade: #f2f2f2; --paper: #fff; --line: #bdbdbd; background: #fff; }
@media (prefers-color-scheme: dark) {
  .explorer-way { --ink: #e6e6e6; --shade: #303030; --paper: #1b1b1b; --line: #777; background: #1b1b1b; }
}
"""


def draw_way(trace: Trace, begins: Sequence[str], *, alone: bool = False) -> str:
    """Draw the way of a request as an SVG.

    Shape: *begins* are the moments at which it starts to move, as SMIL writes them; *alone* is true for a file.
    """
    height = _TOPS['conductor'] + _HEIGHTS['conductor'] + 34
    places, ways = arrivals(trace), flights(trace)
    lanes = ''.join(
        f'<rect class="lane" x="0" y="{_TOPS[node]}" width="{_WIDTH}" height="{_HEIGHTS[node]}" rx="6"/>'
        f'<text class="name" x="10" y="{_middle(node) + 4:g}">{escape(NODES[node])}</text>' for node in NODES)
    label = escape(visible(f'{asked(trace)} → {answered(trace)}'))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="explorer-way" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-label="{label}"><style>{_STYLE}{_ALONE if alone else ""}'
        f'</style>{lanes}{"".join(_way(each, begins) for each in ways)}'
        f'{"".join(_chip(place, trace, begins) for place in places)}{_ends(trace, ways, begins)}'
        f'{_captions(trace, places, begins, height - 12)}{"".join(_token(each, trace, begins) for each in ways)}</svg>')


def _middle(node: str) -> float:
    return _TOPS[node] + _HEIGHTS[node] / 2


def _left(place: Arrival) -> float:
    """Return the left edge of a place: the legs stand side by side, and the conductor below the bus."""
    number = exploration(place.leg).number if place.leg != 'conductor' else 7
    return 100 if place.leg == 'client' else _FIRST + (number - 2) * _STRIDE


def _center(place: Arrival) -> tuple[float, float]:
    return _left(place) + _CHIP / 2, _middle(place.node)


def _questions(trace: Trace) -> list[float]:
    """Return the x of each request before the last one."""
    return [112 + 26 * number for number in range(max(len(trace.find('http')) - 1, 0))]


def _after(begins: Sequence[str], seconds: float) -> str:
    return '; '.join(f'{begin}+{seconds:.2f}s' if begin.endswith('click') else
                     f'{float(begin[:-1]) + seconds:.2f}s' for begin in begins)


def _set(name: str, value: str, begins: Sequence[str], start: float, end: float) -> str:
    """Set an attribute from one second to another; at rest it has its own value."""
    return (f'<set attributeName="{name}" to="{value}" begin="{_after(begins, start)}" dur="{end - start:.2f}s"/>'
            if end > start else '')


def _hidden(begins: Sequence[str], seconds: float, opacity: str = '0') -> str:
    """Hide something from the start until some seconds later."""
    return _set('opacity', opacity, begins, 0, seconds)


def _chip(place: Arrival, trace: Trace, begins: Sequence[str]) -> str:
    refused = turned_back(trace)
    here = place.at is not None
    red = here and refused is not None and refused.exploration == place.leg
    kind = 'red' if red else place.node if here else 'absent'
    name = f'{exploration(place.leg).number} {place.leg}' if place.leg != 'conductor' else 'the conductor'
    x, y = _left(place), _middle(place.node)
    says = f'✗ {trace.response["status"]}' if red and trace.response else _counted(place.visits) if place.visits else ''
    at = place.at or 0.0
    glow = _set('stroke-width', '5', begins, at, max(place.until, at + 0.3)) if here else ''
    return (f'<g>{_hidden(begins, at, "0.25")}'
            f'<rect class="chip {kind}" x="{x}" y="{y - 20:g}" width="{_CHIP}" height="40" rx="8">{glow}</rect>'
            f'<text class="name" text-anchor="middle" x="{x + _CHIP / 2:g}" y="{y - 3:g}">{name}</text>'
            f'<text class="small" text-anchor="middle" x="{x + _CHIP / 2:g}" y="{y + 13:g}">{says}</text></g>')


def _way(flight: Flight, begins: Sequence[str]) -> str:
    """Draw the line along which something travels; while the picture moves, it appears when it is travelled."""
    points = ' '.join(f'{x:g},{y:g}' for _, x, y in flight.points)
    return (f'<polyline class="way {flight.kind}" points="{points}">'
            f'{_hidden(begins, flight.points[-1][0])}</polyline>')


def _token(flight: Flight, trace: Trace, begins: Sequence[str]) -> str:
    start, end = flight.points[0][0], flight.points[-1][0]
    bad = flight.kind == 'response' and trace.response is not None and trace.response['status'] >= 400
    times = ';'.join(f'{(at - start) / (end - start):.4f}' for at, _, _ in flight.points)
    moves = ''.join(
        f'<animate attributeName="{name}" values="{";".join(f"{point[axis]:g}" for point in flight.points)}" '
        f'keyTimes="{times}" begin="{_after(begins, start)}" dur="{end - start:.2f}s"/>'
        for name, axis in (('cx', 1), ('cy', 2)))
    return (f'<circle class="token {flight.kind}{" bad" if bad else ""}" r="8" opacity="0">'
            f'{_set("opacity", "1", begins, start, end)}{moves}</circle>')


def _ends(trace: Trace, ways: Sequence[Flight], begins: Sequence[str]) -> str:
    """Write what the client asks before, what the message is called, and the status of the response."""
    said = []
    questions = [way for way in ways if way.kind == 'question']
    if questions:
        said.append((f'asks first: GET × {len(questions)}', 100.0, 84.0, 'start', questions[0].points[0][0], ''))
    for way in ways:
        at, x, _ = way.points[-1]
        if way.kind == 'message' and trace.messages:
            message = trace.messages[0]
            said.append((visible(f'✉ {message["kind"]} {message["method"]}'), way.points[0][1] + 42.0,
                         _middle('bus') + 4, 'end', way.points[1][0], ''))
        if way.kind == 'response' and trace.response:
            status = trace.response['status']
            said.append((f'response {status}', x + 8, _middle('client') + 4, 'start', at,
                         'red' if status >= 400 else 'name'))
    return ''.join(f'<text class="small {kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}'
                   f'{_hidden(begins, at)}</text>' for text, x, y, anchor, at, kind in said)


def _captions(trace: Trace, places: Sequence[Arrival], begins: Sequence[str], y: float) -> str:
    """Write below the lanes what happens: at rest the request and its response, in movement the title of each leg."""
    end = ending(trace)
    rest = short_text(f'{command(trace)} → {answered(trace)}', 120)
    lines = [f'<text class="name" x="10" y="{y}">{escape(visible(rest))}'
             f'{_hidden(begins, end)}</text>']
    reached = [(place, place.at) for place in places if place.at is not None]
    for (place, at), until in zip(reached, [*(at for _, at in reached[1:]), end], strict=True):
        title = ('The conductor takes the message.' if place.leg == 'conductor' else
                 f'{exploration(place.leg).number}. {exploration(place.leg).title}')
        lines.append(f'<text x="10" y="{y}" opacity="0">{escape(title)}'
                     f'{_set("opacity", "1", begins, at, until + 0.01)}</text>')
    return ''.join(lines)
