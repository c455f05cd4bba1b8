"""From a trace to a flowchart: every box and every arrow comes from a step.

`flowchart` is pure and gives DOT; `render` is the one place that calls Graphviz, once a drawing.
"""

import functools
import subprocess
import sys

import graphviz

from explorer.explorations import EXPLORATIONS, exploration
from explorer.stations import BY_KEY, NODES
from explorer.views.facts import caption, how_red, path_of, refused

# (fill, text, line) of a node; the same colours in the player, see player.css.
COLOURS = {
    'client': ('#dbeafe', '#172554', '#3b82f6'), 'api': ('#dcfce7', '#052e16', '#16a34a'),
    'bus': ('#fef3c7', '#451a03', '#d97706'), 'conductor': ('#f3e8ff', '#3b0764', '#9333ea'),
    'refused': ('#fee2e2', '#450a0a', '#dc2626')}
LANES = {'client': '#f5f9ff', 'api': '#f3fbf5', 'bus': '#fffbeb', 'conductor': '#fbf7ff'}
PAPER, INK, SOFT = '#ffffff', '#1f2937', '#6b7280'  # so that it can be read in a dark page, too, and on paper
SHAPES = {'bus': 'cylinder'}


class Flowchart(graphviz.Digraph):
    """A drawing that shows itself in a notebook, by whatever can draw here; *outline* is the same as text."""

    outline = ''

    def _repr_mimebundle_(self, include=None, exclude=None, **_):
        svg, why = render(self.source)
        if svg is None:
            return {'text/plain': f'{why}\n{self.outline}'}
        return {'image/svg+xml': svg, 'text/plain': self.outline}


def flowchart(trace, focus=None, *, step=None, brief=False):
    """Draw the way of a request in lanes, one for each node.

    Shape: *focus* is the key of an exploration: then the path so far is drawn, with the stations of that exploration
    strong and those before it faint; without it, every station of the trace, or with *brief* the landmarks of all
    explorations. *step* marks the station of that step.
    Returns: a graphviz.Digraph that shows itself in a notebook; nothing is rendered yet.
    Raises: WrongUse for an unknown exploration.
    """
    steps = drawn_steps(trace, focus, brief=brief)
    graph = Flowchart('path', graph_attr={
        'rankdir': 'TB', 'newrank': 'true', 'ranksep': '0.2', 'nodesep': '0.25', 'fontname': 'Helvetica', 'fontsize': '11',
        'bgcolor': PAPER, 'fontcolor': INK, 'label': graphviz.escape(caption(trace, focus)), 'labelloc': 'b'},
        node_attr={'shape': 'box', 'style': 'filled,rounded', 'fontname': 'Helvetica', 'fontsize': '11',
                   'height': '0.28', 'margin': '0.16,0.03'},
        edge_attr={'fontname': 'Helvetica', 'fontsize': '10', 'fontcolor': INK, 'arrowsize': '0.7', 'color': SOFT})
    active, red = trace.steps[step].station if step is not None else None, refused(trace)
    for node in NODES:
        inside = [first for first in steps if first.node == node]
        if inside:
            with graph.subgraph(name=f'cluster_{node}') as lane:
                fill, text, line = COLOURS[node]
                lane.attr(label=NODES[node], labelloc='t', labeljust='l', color=line, fontcolor=text, style='rounded',
                          bgcolor=LANES[node], penwidth='1.2', **{'class': f'lane {node}'})
                for first in inside:
                    _box(lane, trace, first, focus, active, first.station in red)
    _arrows(graph, trace, steps)
    _answer(graph, trace, steps, red)
    graph.outline = outline(trace, focus, brief=brief)
    return graph


def drawn_steps(trace, focus=None, *, brief=False):
    """Choose what is drawn, one step for each station, in order: the first, but of the client the last, which acts."""
    wanted = {station for leg in EXPLORATIONS for station in leg.landmarks or leg.focus} if brief else set(BY_KEY)
    if focus is not None:
        row = exploration(focus)
        before = EXPLORATIONS[:row.number - 1]
        wanted = {*row.focus, *(station for leg in before for station in leg.landmarks)}
    wanted |= refused(trace)
    drawn = {}
    for step in trace.steps:
        if step.station in wanted and (step.node == 'client' or step.station not in drawn):
            drawn[step.station] = step
    return sorted(drawn.values(), key=lambda step: step.index)


def _box(lane, trace, first, focus, active, red):
    visits = trace.find(first.station)
    fill, text, line = COLOURS['refused' if red else first.node]
    faint = focus is not None and first.station not in exploration(focus).focus and not red
    label = BY_KEY[first.station].name + (f'  ×{len(visits)}' if len(visits) > 1 else '') + (f'  ✗ {how_red(trace)}' if red else '')
    classes = ['station', first.node, *(['refused'] if red else []), *(['faint'] if faint else []),
               *(['active'] if first.station == active else [])]
    lane.node(
        first.station, graphviz.escape(label), id=f'station_{first.station}', **{'class': ' '.join(classes)},
        tooltip=graphviz.escape(f'{BY_KEY[first.station].nova}: {BY_KEY[first.station].says}'),
        shape='box' if red else SHAPES.get(first.node, 'box'), fillcolor=PAPER if faint else fill, color=line,
        fontcolor=INK if faint else text, penwidth='3' if first.station == active else '0.8' if faint else '1.4',
        **({'style': 'filled', 'peripheries': '2'} if red else {}))


def _arrows(graph, trace, steps):
    """Join the boxes in the order of the steps; what crosses a lane says how."""
    drawn = {step.station: step for step in steps}
    previous = {}
    for before, after in zip([None, *steps], steps):
        sender = trace.steps[after.hop_from] if after.hop_from is not None else None
        # What came from another thread comes from the box that sent it; else from the box before it in its lane.
        source = _box_of(sender, drawn, trace) if sender is not None else previous.get(after.node) or before
        if source is not None and source.station != after.station:
            graph.edge(source.station, after.station, **_crossing(after, source, trace))
        previous[after.node] = after
        if after.node == 'bus':
            previous['conductor'] = after


def _box_of(step, drawn, trace):
    """Give the box that stands for a step: its own, or that of the nearest caller that is drawn for this visit."""
    while drawn.get(step.station) != step:
        if step.parent is None:
            return None
        step = trace.steps[step.parent]
    return step


def _crossing(after, source, trace):
    """Say how an arrow looks: solid within a node, dashed over the bus; a call points both ways, a cast one way."""
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


def _answer(graph, trace, steps, refusing):
    """Draw the answer back to the client: from where it was refused, else from where it was made; if that is drawn."""
    last = [step.station for step in trace.steps if step.node == 'api'][-1:]
    from_ = {step.station for step in steps if step.node != 'client' and step.station in (refusing or last)}
    source = next((step.station for step in steps if step.station in from_), None)
    if trace.response and source and any(step.station == 'http' for step in steps):
        red = trace.response['status'] >= 400
        _, text, line = COLOURS['refused' if red else 'client']
        graph.edge(source, 'http', constraint='false', style='dotted', label=f' {trace.response["status"]} ',
                   color=line, fontcolor=text,
                   **{'class': 'answer refused' if red else 'answer'})




# A process of its own: the library writes warnings about the fonts of the system to its standard error.
_PYGRAPHVIZ = """
import sys, pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(format='svg', prog='dot'))
"""


@functools.lru_cache(maxsize=64)
def render(dot):
    """Draw DOT text as SVG: with the program dot, else with the Graphviz that pygraphviz carries.

    Returns: (svg, by whom), or (None, what is missing) where there is neither.
    """
    try:
        return graphviz.Source(dot).pipe(format='svg', encoding='utf-8'), 'dot'
    except graphviz.ExecutableNotFound:
        pass
    drawn = subprocess.run([sys.executable, '-P', '-c', _PYGRAPHVIZ], input=dot, capture_output=True, encoding='utf-8')
    if drawn.returncode == 0:
        return drawn.stdout, 'pygraphviz'
    return None, 'no picture: Graphviz is missing; the package graphviz brings the program dot'


def outline(trace, focus=None, *, brief=False):
    """Tell a flowchart as text: a line for each box, indented by lane."""
    lines, lanes, red = [caption(trace, focus)], list(NODES), refused(trace)
    for step in drawn_steps(trace, focus, brief=brief):
        mark = '✗' if step.station in red else '•'
        lines.append(f'{NODES[step.node]:>14} {"    " * lanes.index(step.node)}{mark} {BY_KEY[step.station].name}')
    return '\n'.join(lines)
