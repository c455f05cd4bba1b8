"""Draw a trace as a flowchart: every box and every arrow comes from a step.

`flowchart` is pure and returns DOT; only `render` calls Graphviz, once for each drawing.
"""

import functools
import subprocess
import sys
from collections.abc import Collection, Iterable

import graphviz

from explorer.explorations import EXPLORATIONS, exploration
from explorer.stations import BY_KEY, NODES
from explorer.trace import Step, Trace
from explorer.views.facts import caption, how_red, path_of, refused

# (fill, text, line) of a node; the player has the same colours, see player.css.
COLOURS = {
    'client': ('#dbeafe', '#172554', '#3b82f6'), 'api': ('#dcfce7', '#052e16', '#16a34a'),
    'bus': ('#fef3c7', '#451a03', '#d97706'), 'conductor': ('#f3e8ff', '#3b0764', '#9333ea'),
    'refused': ('#fee2e2', '#450a0a', '#dc2626')}
LANES = {'client': '#f5f9ff', 'api': '#f3fbf5', 'bus': '#fffbeb', 'conductor': '#fbf7ff'}
PAPER, INK, SOFT = '#ffffff', '#1f2937', '#6b7280'  # readable on a dark page and on paper
SHAPES = {'bus': 'cylinder'}


class Flowchart(graphviz.Digraph):  # type: ignore[misc]  # graphviz has no types
    """A drawing that displays itself in a notebook with whatever Graphviz is installed; *outline* is its text form."""

    outline = ''

    def _repr_mimebundle_(self, include: object = None, exclude: object = None, **_: object) -> dict[str, str]:
        svg, why = render(self.source)
        if svg is None:
            return {'text/plain': f'{why}\n{self.outline}'}
        return {'image/svg+xml': svg, 'text/plain': self.outline}


def flowchart(trace: Trace, focus: str | None = None, *, step: int | None = None, brief: bool = False) -> Flowchart:
    """Draw the path of a request in lanes, one for each node.

    Shape: if *focus* is the key of an exploration, the path up to and including it is drawn, with its stations strong
    and the earlier ones faint. Without it, every station of the trace is drawn, or, if *brief*, the landmarks of
    all explorations. *step* is the index of a step whose station is marked. Nothing is rendered yet.
    Raises: WrongUse for an unknown exploration.
    """
    steps = drawn_steps(trace, focus, brief=brief)
    graph = Flowchart('path', graph_attr={
        'rankdir': 'TB', 'newrank': 'true', 'ranksep': '0.2', 'nodesep': '0.25', 'fontname': 'Helvetica',
        'fontsize': '11', 'bgcolor': PAPER, 'fontcolor': INK, 'label': graphviz.escape(caption(trace, focus)),
        'labelloc': 'b'},
        node_attr={'shape': 'box', 'style': 'filled,rounded', 'fontname': 'Helvetica', 'fontsize': '11',
                   'height': '0.28', 'margin': '0.16,0.03'},
        edge_attr={'fontname': 'Helvetica', 'fontsize': '10', 'fontcolor': INK, 'arrowsize': '0.7', 'color': SOFT})
    active, red = trace.steps[step].station if step is not None else None, refused(trace)
    for node in NODES:
        inside = [first for first in steps if first.node == node]
        if inside:
            with graph.subgraph(name=f'cluster_{node}') as lane:
                _, text, line = COLOURS[node]
                lane.attr(label=NODES[node], labelloc='t', labeljust='l', color=line, fontcolor=text, style='rounded',
                          bgcolor=LANES[node], penwidth='1.2', **{'class': f'lane {node}'})
                for first in inside:
                    _box(lane, trace, first, focus, active, first.station in red)
    _arrows(graph, trace, steps)
    _answer(graph, trace, steps, red)
    graph.outline = outline(trace, focus, brief=brief)
    return graph


def drawn_steps(trace: Trace, focus: str | None = None, *, brief: bool = False) -> list[Step]:
    """Choose what is drawn: the first step at each station, in order; at the client's stations, the last.

    The client's last steps are the ones that send the action.

    Raises: WrongUse for an unknown exploration.
    """
    wanted = {station for leg in EXPLORATIONS for station in leg.landmarks or leg.focus} if brief else set(BY_KEY)
    if focus is not None:
        row = exploration(focus)
        before = EXPLORATIONS[:row.number - 1]
        wanted = {*row.focus, *(station for leg in before for station in leg.landmarks)}
    wanted |= refused(trace)
    drawn: dict[str, Step] = {}
    for step in trace.steps:
        if step.station in wanted and (step.node == 'client' or step.station not in drawn):
            drawn[step.station] = step
    return sorted(drawn.values(), key=lambda step: step.index)


def _box(lane: graphviz.Digraph, trace: Trace, first: Step, focus: str | None, active: str | None, red: bool) -> None:
    visits = trace.find(first.station)
    fill, text, line = COLOURS['refused' if red else first.node]
    faint = focus is not None and first.station not in exploration(focus).focus and not red
    label = (BY_KEY[first.station].name + (f'  ×{len(visits)}' if len(visits) > 1 else '')
             + (f'  ✗ {how_red(trace)}' if red else ''))
    classes = ['station', first.node, *(['refused'] if red else []), *(['faint'] if faint else []),
               *(['active'] if first.station == active else [])]
    lane.node(
        first.station, graphviz.escape(label), id=f'station_{first.station}', **{'class': ' '.join(classes)},
        tooltip=graphviz.escape(f'{BY_KEY[first.station].nova}: {BY_KEY[first.station].says}'),
        shape='box' if red else SHAPES.get(first.node, 'box'), fillcolor=PAPER if faint else fill, color=line,
        fontcolor=INK if faint else text, penwidth='3' if first.station == active else '0.8' if faint else '1.4',
        **({'style': 'filled', 'peripheries': '2'} if red else {}))


def _arrows(graph: Flowchart, trace: Trace, steps: list[Step]) -> None:
    """Connect the boxes in the order of the steps; an arrow that crosses to another lane is labelled."""
    drawn = {step.station: step for step in steps}
    previous: dict[str, Step] = {}
    for before, after in zip([None, *steps], steps, strict=False):
        sender = trace.steps[after.hop_from] if after.hop_from is not None else None
        # An arrow from another thread starts at the box that sent the request, any other at the last box in its lane.
        source = _box_of(sender, drawn, trace) if sender is not None else previous.get(after.node) or before
        if source is not None and source.station != after.station:
            graph.edge(source.station, after.station, **_crossing(after, source, trace))
        previous[after.node] = after
        if after.node == 'bus':
            previous['conductor'] = after


def _box_of(step: Step, drawn: dict[str, Step], trace: Trace) -> Step | None:
    """Return the box that stands for a step: its own, or that of the nearest caller that is drawn for this visit."""
    while drawn.get(step.station) != step:
        if step.parent is None:
            return None
        step = trace.steps[step.parent]
    return step


def _crossing(after: Step, source: Step, trace: Trace) -> dict[str, str]:
    """Return the style of an arrow: solid within a node, dashed over the bus, with two heads for a call."""
    if after.node == source.node:
        return {}
    if 'bus' in (after.node, source.node) and trace.messages:
        message = trace.messages[-1]
        call = message['kind'] == 'call'
        label = f'{message["kind"]} {message["method"]} {message["version"]}' if after.node == 'bus' else ''
        return {'style': 'dashed', 'dir': 'both' if call else 'forward', 'penwidth': '1.6', 'color': COLOURS['bus'][2],
                'arrowhead': 'normal' if call else 'open', 'class': f'bus {message["kind"]}',
                **({'label': graphviz.escape(label)} if label else {})}
    if source.station == 'http' and trace.request:
        return {'label': graphviz.escape(f'{trace.request["method"]} {path_of(trace)}'[:60]), 'class': 'http'}
    return {'label': 'asks', 'class': 'http'} if after.node == 'api' else {}


def _answer(graph: Flowchart, trace: Trace, steps: Iterable[Step], refusing: Collection[str]) -> None:
    """Draw the response to the client, from where the request was refused, or else from where the response was made.

    If that station is not drawn, neither is the response.
    """
    last = [step.station for step in trace.steps if step.node == 'api'][-1:]
    from_ = {step.station for step in steps if step.node != 'client' and step.station in (refusing or last)}
    source = next((step.station for step in steps if step.station in from_), None)
    if trace.response and source and any(step.station == 'http' for step in steps):
        red = trace.response['status'] >= 400
        _, text, line = COLOURS['refused' if red else 'client']
        graph.edge(source, 'http', constraint='false', style='dotted', label=f' {trace.response["status"]} ',
                   color=line, fontcolor=text,
                   **{'class': 'answer refused' if red else 'answer'})


# In a process of its own, because the library writes warnings about the system's fonts to its standard error.
_PYGRAPHVIZ = """
import sys, pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(format='svg', prog='dot'))
"""


@functools.lru_cache(maxsize=64)
def render(dot: str) -> tuple[str, str] | tuple[None, str]:
    """Draw DOT text as SVG with the program dot, or else with the Graphviz that pygraphviz contains.

    Returns: (svg, 'dot' or 'pygraphviz'), or (None, what is missing) if there is neither.
    """
    try:
        return graphviz.Source(dot).pipe(format='svg', encoding='utf-8'), 'dot'
    except graphviz.ExecutableNotFound:
        pass
    drawn = subprocess.run(
        [sys.executable, '-P', '-c', _PYGRAPHVIZ], input=dot, capture_output=True, encoding='utf-8')
    if drawn.returncode == 0:
        return drawn.stdout, 'pygraphviz'
    return None, 'no picture: Graphviz is missing; install the package graphviz, which contains the program dot'


def outline(trace: Trace, focus: str | None = None, *, brief: bool = False) -> str:
    """Return a flowchart as text: a line for each box, indented by lane.

    Raises: WrongUse for an unknown exploration.
    """
    lines, lanes, red = [caption(trace, focus)], list(NODES), refused(trace)
    for step in drawn_steps(trace, focus, brief=brief):
        mark = '✗' if step.station in red else '•'
        lines.append(f'{NODES[step.node]:>14} {"    " * lanes.index(step.node)}{mark} {BY_KEY[step.station].name}')
    return '\n'.join(lines)
