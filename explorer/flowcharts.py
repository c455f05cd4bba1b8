"""From a trace to a flowchart: every box and every arrow comes from a step.

`flowchart` is pure and gives DOT; `render` is the one place that calls Graphviz, once a drawing.
"""

import functools
import hashlib
import pathlib
import subprocess
import sys

import graphviz

from explorer.explorations import EXPLORATIONS, exploration
from explorer.stations import BY_KEY, NODES, split

# (fill, text, line) of a node; the same colours in the player, see player.css.
COLOURS = {
    'client': ('#dbeafe', '#172554', '#3b82f6'), 'api': ('#dcfce7', '#052e16', '#16a34a'),
    'bus': ('#fef3c7', '#451a03', '#d97706'), 'conductor': ('#f3e8ff', '#3b0764', '#9333ea'),
    'refused': ('#fee2e2', '#450a0a', '#dc2626')}
LANES = {'client': '#f5f9ff', 'api': '#f3fbf5', 'bus': '#fffbeb', 'conductor': '#fbf7ff'}
PAPER, INK, SOFT = '#ffffff', '#1f2937', '#6b7280'  # so that it can be read in a dark page, too, and on paper
SHAPES = {'bus': 'cylinder'}
_FOLDER = pathlib.Path(__file__).resolve().parent.parent / 'diagrams'


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


def refused(trace):
    """Give the keys of the stations that turned the request back, as `refusals` finds them."""
    return {step.station for step in refusals(trace)}


def refusals(trace):
    """Give the steps that turned the request back: they raised the error, and did not just pass it on.

    Where nobody raised one, it is the innermost that answered with an error. The client's own error, on a refusal that it
    got, is no refusal; but it is all there is where only the client knows.
    """
    passed_on = {cause for step in trace.steps if step.error is not None for cause in _causes(trace, step)}
    raised = [step for step in trace.steps if step.error is not None and step.index not in passed_on]
    answered = [step for step in trace.steps if step.node == 'api' and _is_refusal(step.result)]
    return [step for step in raised if step.node != 'client'] or answered[-1:] or raised


def turned_back(trace):
    """Give the step that turned the request back, or None; None, too, where the answer was no error.

    Later refusals only say the same in another form.
    """
    return next(iter(refusals(trace)), None) if trace.response and trace.response['status'] >= 400 else None


def _causes(trace, step):
    """Walk outwards from a step: yield the index of each that called it, or sent it what it works on."""
    while (cause := step.parent if step.parent is not None else step.hop_from) is not None:
        yield cause
        step = trace.steps[cause]


def _is_refusal(result):
    return isinstance(result, dict) and str(result.get('status', ''))[:1] in ('4', '5')


def caption(trace, focus=None):
    """Say what the picture shows: engine, version, microversion, answer."""
    version = trace.versions.get('nova', '')
    headers = {name.lower(): value for name, value in (trace.response or {}).get('headers', {}).items()}
    microversion = headers.get('x-openstack-nova-api-version', 'none')
    status = trace.response['status'] if trace.response else 'no answer'
    leg = f'{exploration(focus).number}. {exploration(focus).title}: ' if focus else ''
    return f'{leg}Engine {trace.engine}, Nova {version}, microversion {microversion}, answer {status}'


def name_of(station):
    """Name a station as a reader of Nova would: class and method, or function; with the module where two share that."""
    return _NAMES[station]


def _names():
    names = {}
    for key, station in BY_KEY.items():
        module, qualname = split(station.nova)
        names[key] = module.rpartition('.')[2], qualname.partition('.<locals>')[0]
    short = [name for _, name in names.values()]
    return {key: f'{module}.{name}' if short.count(name) > 1 else name for key, (module, name) in names.items()}


_NAMES = _names()


def how_red(trace):
    """Say what it is that happened at the red boxes: the request was refused, or something failed."""
    status = trace.response['status'] if trace.response else 500
    return 'refused' if 400 <= status < 500 else 'failed'


def _box(lane, trace, first, focus, active, red):
    visits = trace.find(first.station)
    fill, text, line = COLOURS['refused' if red else first.node]
    faint = focus is not None and first.station not in exploration(focus).focus and not red
    label = name_of(first.station) + (f'  ×{len(visits)}' if len(visits) > 1 else '') + (f'  ✗ {how_red(trace)}' if red else '')
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


def path_of(trace):
    """Give the path of the request with an {id} in the place of the server's uuid."""
    uuid = trace.request['path'].partition('/servers/')[2].partition('/')[0]
    return trace.request['path'].replace(uuid, '{id}') if len(uuid) == 36 else trace.request['path']


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


# -------------------------------------------------------------------------------------------------------- rendering


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
        lines.append(f'{NODES[step.node]:>14} {"    " * lanes.index(step.node)}{mark} {name_of(step.station)}')
    return '\n'.join(lines)


def diagrams(trace):
    """Give the pictures of `diagrams/`: {name: DOT}, the seven, and the whole path by its landmarks."""
    names = {f'nova-api-{row.number}': flowchart(trace, row.key).source for row in EXPLORATIONS}
    return {**names, 'nova-api-path': flowchart(trace, brief=True).source}


def write_diagrams(trace, *, check=False, folder=_FOLDER):
    """Write the pictures, or with *check* name those that are not up to date.

    Shape: an SVG says in a comment of which DOT it was made, as its bytes differ between versions of Graphviz.
    Returns: the names of the files written, or of those that are stale.
    """
    done = []
    for name, dot in diagrams(trace).items():
        mark = f'<!-- of DOT {hashlib.sha256(dot.encode()).hexdigest()} -->\n'
        dot_file, svg_file = folder / f'{name}.dot', folder / f'{name}.svg'
        if check:
            if not dot_file.is_file() or dot_file.read_text(encoding='utf-8') != dot:
                done.append(dot_file.name)
            if not svg_file.is_file() or not svg_file.read_text(encoding='utf-8').endswith(mark):
                done.append(svg_file.name)
            continue
        svg, by = render(dot)
        folder.mkdir(exist_ok=True)
        dot_file.write_text(dot, encoding='utf-8')
        done.append(dot_file.name)
        if svg:
            svg_file.write_text(svg.rstrip() + '\n' + mark, encoding='utf-8')
            done.append(svg_file.name)
    return done
