"""Draw a trace as flowcharts: the whole path in lanes, or the functions that decide in a leg, drawn from their code.

`flowchart` is pure and returns DOT; only `render` calls Graphviz, once for each drawing.
"""

import ast
import functools
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import graphviz
import novaclient.exceptions

from explorer.explorations import EXPLORATIONS, exploration
from explorer.stations import BY_KEY, NODES
from explorer.trace import Step, Trace, codes, shortened
from explorer.views import decisions, exits, syntax
from explorer.views.decisions import Block, Edge, Shape, Way
from explorer.views.facts import caption, how_red, path_of, refusals, refused, turned_back
from explorer.views.sources import is_ours, text_of
from explorer.views.text import short_text, visible

# (fill, text, line) of a node; the player has the same colours, see player.css.
COLOURS = {
    'client': ('#dbeafe', '#172554', '#3b82f6'), 'api': ('#dcfce7', '#052e16', '#16a34a'),
    'bus': ('#fef3c7', '#451a03', '#d97706'), 'conductor': ('#f3e8ff', '#3b0764', '#9333ea'),
    'refused': ('#fee2e2', '#450a0a', '#dc2626')}
LANES = {'client': '#f5f9ff', 'api': '#f3fbf5', 'bus': '#fffbeb', 'conductor': '#fbf7ff'}
PAPER, INK, SOFT, THIN = '#ffffff', '#1f2937', '#5b6472', '#9ca3af'  # readable on a dark page and on paper
SHAPES = {'bus': 'cylinder'}
SIZE, ROW = 9, 11.5  # points: the text, and from line to line

NO_SOURCE = ('The source of the real Nova is not at hand. This is the code of the miniature, '
             'without the way that the request took.')
NOT_REACHED = 'The request did not get this far, so no way through this code is marked.'
NOT_DRAWN = 'This function cannot be drawn: its source is missing, or it cannot be parsed.'


class Flowchart(graphviz.Digraph):  # type: ignore[misc]  # graphviz has no types
    """A drawing that displays itself in a notebook with whatever Graphviz is installed; *outline* is its text form."""

    told: Callable[[], str] = str

    @property
    def outline(self) -> str:
        return self.told()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None, **_: object) -> dict[str, str]:
        svg, why = render(self.source)
        if svg is None:
            return {'text/plain': f'{why}\n{self.outline}'}
        return {'image/svg+xml': svg, 'text/plain': self.outline}


def flowchart(trace: Trace, focus: str | None = None, *, step: int | None = None, brief: bool = False) -> Flowchart:
    """Draw the functions that decide in a leg, or the whole path.

    Shape: if *focus* is the key of an exploration, its deciding functions are drawn from their code, and the way that
    the request took is marked. Without it, the landmarks of all explorations are drawn in lanes, one for each node,
    with the statuses with which the request can end there; *brief* draws the same. *step* is the index of a step whose
    station is marked. Nothing is rendered yet.
    Raises: WrongUse for an unknown exploration.
    """
    active = trace.steps[step].station if step is not None else None
    graph = _leg(trace, focus, active) if focus is not None else _path(trace, active)
    graph.told = functools.partial(outline, trace, focus, brief=brief)
    return graph


def _new(notes: Sequence[str]) -> Flowchart:
    return Flowchart('path', graph_attr={
        'rankdir': 'TB', 'newrank': 'true', 'ranksep': '0.17', 'nodesep': '0.14', 'fontname': 'Helvetica',
        'fontsize': '9', 'bgcolor': PAPER, 'fontcolor': INK, 'label': _text(notes), 'labelloc': 'b'},
        node_attr={'shape': 'box', 'style': 'filled', 'fontname': 'Helvetica', 'fontsize': str(SIZE),
                   'height': '0.24', 'margin': '0.08,0.03'},
        edge_attr={'fontname': 'Helvetica', 'fontsize': str(SIZE), 'fontcolor': SOFT, 'arrowsize': '0.55',
                   'color': THIN, 'penwidth': '0.8'})


def _text(lines: Iterable[str], end: str = r'\n') -> str:
    """Write lines as a label that Graphviz does not interpret."""
    shown = [graphviz.escape(visible(line)) for line in lines]
    return str(graphviz.nohtml(end.join(shown) + (end if end == r'\l' else '')))


# ------------------------------------------------------------------------------------------- the functions of a leg


class Drawn(NamedTuple):
    """A function of a flowchart: what is drawn of it, and the visit that it is drawn for, if there is one."""

    station: str
    node: str
    title: str
    shape: Shape | None
    step: Step | None
    way: Way | None
    note: str = ''


def drawn_functions(trace: Trace, focus: str) -> list[Drawn]:
    """Choose the functions of a leg that are drawn, in the order in which they were visited.

    Shape: a station that rejected the request is added to those that decide in the leg. Functions are left out, those
    that the leg names last, where the picture would not fit on a page.
    Raises: WrongUse for an unknown exploration.
    """
    row = exploration(focus)
    red = [step.station for step in refusals(trace)
           if step.exploration == focus and (step.station in row.focus or step.station in row.deciding)]
    found = [(step, _function(step.station, step)) for key in dict.fromkeys([*red, *row.deciding])
             if (step := _visit(trace, focus, key))]
    kept: list[tuple[Step, Drawn]] = []
    for pair in found:
        more = sorted([*kept, pair], key=lambda each: each[0].index)
        if not kept or pair[0].station in red or _plan([extent(each) for _, each in more])[1] <= TALL:
            kept = more
    return [function for _, function in kept] or [_function(row.deciding[0], None)]


def _visit(trace: Trace, focus: str, key: str) -> Step | None:
    """Choose the visit of a station: the one that rejected the request, or else the last one on its way in."""
    visits = trace.find(key)
    red = {step.index for step in refusals(trace)}
    number = exploration(focus).number
    beyond = next((step.index for step in trace.steps if exploration(step.exploration).number > number), None)
    inwards = [step for step in visits if beyond is None or step.index < beyond]
    return next(iter([*(step for step in visits if step.index in red), *(inwards or visits)[::-1]]), None)


def _function(key: str, step: Step | None) -> Drawn:
    node = step.node if step else BY_KEY[key].node or 'api'
    drawn = decisions.shape_of(step.station, step.file, step.line) if step else None
    if step and drawn:
        return Drawn(key, node, _title(key, syntax.tree(step)), drawn, step, decisions.way(step, drawn))
    code = codes(BY_KEY[key].ours)[-1]
    place = key, shortened(code.co_filename, BY_KEY[key].ours), code.co_firstlineno
    title, ours = _title(key, syntax.tree_of(*place)), decisions.shape_of(*place)
    if step is None:
        return Drawn(key, node, title, ours, None, None, NOT_REACHED)
    if is_ours(step.file) or text_of(step.station, step.file, step.line):
        return Drawn(key, node, title, None, None, None, NOT_DRAWN)
    return Drawn(key, node, title, ours, None, None, NO_SOURCE)


def _title(key: str, function: syntax.Function | None) -> str:
    """Write the name of a function with its parameters."""
    if function is None:
        return BY_KEY[key].name
    given = function.args
    names = [each.arg for each in [*given.posonlyargs, *given.args] if each.arg != 'self']
    names += [f'*{given.vararg.arg}'] if given.vararg else []
    names += [each.arg for each in given.kwonlyargs] + ([f'**{given.kwarg.arg}'] if given.kwarg else [])
    return f'{BY_KEY[key].name}({short_text(", ".join(names), max(46 - len(BY_KEY[key].name), 6))})'


def _leg(trace: Trace, focus: str, active: str | None) -> Flowchart:
    functions = drawn_functions(trace, focus)
    notes = list(dict.fromkeys(each.note for each in functions if each.note))
    graph, picture = _new([caption(trace, focus), *notes]), _Picture(trace, functions, active)
    for number, function in enumerate(functions):
        with graph.subgraph(name=f'cluster_{number}_{function.node}') as cluster:
            _, text, line = COLOURS[function.node]
            cluster.attr(label='', color=line, fontcolor=text, style='rounded', bgcolor=LANES[function.node],
                         penwidth='0.8', margin='7', **{'class': f'function {function.node}'})
            picture.draw(cluster, number, function)
    picture.join(graph)
    return graph


class _Picture:
    """What is known while the functions of a leg are drawn."""

    def __init__(self, trace: Trace, functions: Sequence[Drawn], active: str | None) -> None:
        self.trace, self.functions, self.active = trace, functions, active
        self.calls, self.red = exits.Calls(trace), {step.index for step in refusals(trace)}
        self.used = {function.station for function in functions}  # each id is there once
        self.holders: dict[int, str] = {}  # {index of a visit: the box that called it}

    def draw(self, cluster: graphviz.Digraph, number: int, function: Drawn) -> None:
        self.head(cluster, number, function)
        if function.shape is None:
            cluster.node(f'{number}_0', _text([NOT_DRAWN]), color=THIN, fillcolor=PAPER, fontcolor=INK,
                         **{'class': 'box'})
            cluster.edge(f'{number}_head', f'{number}_0')
            return
        children = self.children(function)
        for block in function.shape.blocks:
            self.block(cluster, number, function, block, children.get(block.number, []))
        for position, edge in enumerate(function.shape.edges):
            self.edge(cluster, number, function, position, edge)
        self.passed_on(cluster, number, function)

    def head(self, cluster: graphviz.Digraph, number: int, function: Drawn) -> None:
        red = function.step is not None and function.step.index in self.red
        fill, text, line = COLOURS[function.node]
        taken = function.step is not None
        here = function.station == self.active
        classes = ['station', 'head', function.node, *(['taken'] if taken else []), *(['refused'] if red else []),
                   *(['active'] if here else [])]
        cluster.node(
            f'{number}_head', _text([function.title + (f'  ✗ {how_red(self.trace)}' if red else '')]),
            id=f'station_{function.station}', color=COLOURS['refused'][2] if red else line, fillcolor=fill,
            fontcolor=text, penwidth='3' if here else '1.8' if taken else '0.8',
            tooltip=_text([f'{BY_KEY[function.station].nova}: {BY_KEY[function.station].says}']),
            **({'peripheries': '2'} if red else {}), **{'class': ' '.join(classes)})

    def children(self, function: Drawn) -> dict[int, list[Step]]:
        """Return the visits that each block called."""
        found: dict[int, list[Step]] = {}
        if function.step and function.shape:
            made = self.calls.statements(function.step)
            for child in self.calls.below(function.step):
                line = made[child.index].lineno if child.index in made else None
                block = next((each for each in function.shape.blocks if line is not None and each.holds(line)), None)
                if block:
                    found.setdefault(block.number, []).append(child)
        return found

    def block(self, cluster: graphviz.Digraph, number: int, function: Drawn, block: Block,
              children: list[Step]) -> None:
        name = f'{number}_{block.number}'
        ran = function.way is not None and block.number in function.way.ran
        lines, whole = self.words(function, block, ran=ran)
        style = _style(block, function.node, ran=ran)
        if block.kind in ('condition', 'case', 'loop'):
            style |= _diamond(lines)
        classes = [{'condition': 'condition', 'case': 'condition', 'loop': 'condition loop', 'exit': 'exit'}.get(
            block.kind, 'box'), function.node, *(['taken'] if ran else []),
            *(['refused'] if ran and block.kind == 'exit' else [])]
        for child in children:
            self.holders.setdefault(child.index, name)
        free = next((child for child in children if child.station not in self.used), None)
        if children:
            classes.insert(0, 'station')
            style |= {'peripheries': '2', 'penwidth': '1.2' if ran else '0.8'} if block.kind != 'exit' else {}
        if free:
            self.used.add(free.station)
            style['id'] = f'station_{free.station}'
            whole = f'{whole}\n{BY_KEY[free.station].name} {BY_KEY[free.station].says}'
        left = block.kind == 'plain' and len(lines) > 1
        cluster.node(name, _text(lines, r'\l' if left else r'\n'), tooltip=_text(whole.splitlines()),
                     **style, **{'class': ' '.join(classes)})

    def words(self, function: Drawn, block: Block, *, ran: bool) -> tuple[list[str], str]:
        """Return what a box shows, and all of it."""
        if block.kind == 'exit' and block.exit is not None:
            return self.exit_words(function, block), block.whole
        lines, whole = list(block.text), block.whole
        if ran and block.test is not None and function.step:
            found = decisions.values(function.step, block.test)
            lines += found
            whole = '\n'.join([whole, *found])
        return lines, whole

    def exit_words(self, function: Drawn, block: Block) -> list[str]:
        statement = block.exit
        name, status = exit_of(self.calls, function, block)
        if not name:
            again = isinstance(statement, ast.Raise) and statement.exc is None
            return ['raise', 'the error goes on'] if again else list(block.text)
        shown = [exits.phrase(status)] if status else []
        return [*shown, name if isinstance(statement, ast.Raise | ast.Return) else block.text[0]]

    def edge(self, cluster: graphviz.Digraph, number: int, function: Drawn, position: int, edge: Edge) -> None:
        way = function.way
        taken = way is not None and position in way.taken
        source = way.sources[position] if way else edge.source
        _, text, line = COLOURS[function.node]
        label = {'label': _text([f' {edge.label} '])} if edge.label else {}
        classes = ['way', edge.kind, *(['taken'] if taken else [])]
        look = {'color': line, 'fontcolor': text, 'penwidth': '2'} if taken else {}
        if edge.kind in ('back', 'finally'):
            look |= {'constraint': 'false'} if edge.kind == 'back' else {}
            look |= {'style': 'dashed'}
        cluster.edge(f'{number}_{"head" if source < 0 else source}', f'{number}_{edge.target}', **label, **look,
                     **(dict.fromkeys(('labeltooltip', 'edgetooltip'), _text([edge.whole])) if edge.whole else {}),
                     **{'class': ' '.join(classes)})

    def passed_on(self, cluster: graphviz.Digraph, number: int, function: Drawn) -> None:
        """Draw the exit of a visit that ended in an error which its text does not raise."""
        step, way, drawn = function.step, function.way, function.shape
        if not (step and way and drawn and step.error is not None):
            return
        ran = [block for block in drawn.blocks if block.number in way.ran]
        if not ran or any(block.kind == 'exit' for block in ran):
            return
        source, name = ran[-1], str(step.error.get('', '')) if isinstance(step.error, dict) else ''
        statement = next((place.statement for place in syntax.places(step)
                          if place.statement.lineno in (part.start for part in source.parts)), None)
        status = exits.status_for(self.calls, step, statement, name) if statement else None
        fill, text, line = COLOURS['refused']
        target = f'{number}_error'
        cluster.node(target, _text([*([exits.phrase(status)] if status else []), name]), color=line, fillcolor=fill,
                     fontcolor=text, penwidth='1.8', **{'class': f'exit {function.node} taken refused'})
        sure = not source.looped and source.kind != 'loop' and not any(edge.kind == 'finally' for edge in drawn.edges)
        cluster.edge(f'{number}_{source.number}', target, label=' error ', **(
            {'color': COLOURS[function.node][2], 'penwidth': '2'} if sure else {}),
            **{'class': 'way error taken' if sure else 'way error'})

    def join(self, graph: Flowchart) -> None:
        """Connect the functions by the calls between them, and put them below and beside one another."""
        pairs = arranged([extent(function) for function in self.functions])
        for number, function in enumerate(self.functions):
            source = self.holder(function.step) if function.step else None
            near = any(lower == number and source in _lowest(upper, self.functions[upper]) for upper, lower in pairs)
            if source is not None and (near or function.node == 'conductor'):
                bus = function.node == 'conductor'
                graph.edge(source, f'{number}_head', style='dashed' if bus else 'dotted', penwidth='1.4',
                           color=COLOURS['bus' if bus else function.node][2], arrowhead='open', constraint='false',
                           **{'class': 'call bus' if bus else 'call'})
        for upper, lower in pairs:
            for name in _lowest(upper, self.functions[upper]):
                graph.edge(name, f'{lower}_head', style='invis', weight='0')

    def holder(self, step: Step) -> str | None:
        """Return the box that called a visit, perhaps through functions that are not drawn."""
        while step.index not in self.holders:
            caller = self.calls.caller(step)
            if caller is None:
                return None
            step = caller
        return self.holders[step.index]


WIDTH, TALL = 640.0, 945.0  # points, as estimated: the width that functions may share, the height of a picture


def arranged(extents: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """Choose which functions stand below which, so that the picture is as low as it can be within the page.

    Shape: *extents* are the (width, height) of the functions, which stand in rows or in two columns.
    Returns: pairs (upper, lower) of positions.
    """
    return _plan(extents)[3]


def _plan(extents: Sequence[tuple[float, float]]) -> tuple[float, float, int, list[tuple[int, int]]]:
    """Return the width, the height and the number of rows of the lowest arrangement, and its pairs."""
    plans = [(max(sum(extents[each][0] for each in row) for row in rows),
              sum(max(extents[each][1] for each in row) for row in rows), len(rows),
              [(upper, lower) for row, below in itertools.pairwise(rows) for upper in row for lower in below])
             for rows in _rows(len(extents))]
    for cut in range(1, len(extents)):
        columns = [list(range(cut)), list(range(cut, len(extents)))]
        plans.append((sum(max(extents[each][0] for each in column) for column in columns),
                      max(sum(extents[each][1] for each in column) for column in columns), len(extents),
                      [pair for column in columns for pair in itertools.pairwise(column)]))
    return min(plans, key=lambda plan: (plan[0] > WIDTH and plan[0], plan[1], plan[2]))


def _rows(count: int) -> Iterator[list[list[int]]]:
    """Yield every way to put *count* functions into rows, in their order."""
    for number in range(1 << max(count - 1, 0)):
        rows = [[0]] if count else []
        for each in range(1, count):
            if number >> (each - 1) & 1:
                rows.append([each])
            else:
                rows[-1].append(each)
        yield rows


def extent(function: Drawn) -> tuple[float, float]:
    """Estimate the width and height of a function in points."""
    rows: dict[int, list[tuple[float, float]]] = {0: [(_width(function.title) + 24, 20)]}
    for number, rank in _ranks(function.shape).items() if function.shape else ():
        block = function.shape.blocks[number] if function.shape else None
        if block is None:
            continue
        lines = [*block.text, *(['vm_state "active"'] if block.test is not None and function.way else []),
                 *(['409 Conflict'] if block.kind == 'exit' else [])]
        longest = 20 if block.kind == 'exit' else 60
        width, height = max(_width(line[:longest]) for line in lines) + 14, len(lines) * ROW + 8
        if block.kind in ('condition', 'case', 'loop'):
            size = _diamond(lines)
            width, height = float(size['width']) * 72, float(size['height']) * 72
        rows.setdefault(rank, []).append((width, height))
    width = max(sum(width + 12 for width, _ in row) for row in rows.values())
    return width * 1.04 + 16, sum(max(height for _, height in row) + 12 for row in rows.values()) + 16


def _ranks(drawn: Shape) -> dict[int, int]:
    """Return the rank of each block: the longest way to it."""
    ranks: dict[int, int] = {-1: 0}
    for block in drawn.blocks:  # a block comes after those that lead to it, except where a loop leads back
        ranks[block.number] = 1 + max((ranks[edge.source] for edge in drawn.edges
                                       if edge.target == block.number and edge.kind != 'back'
                                       and edge.source in ranks), default=0)
    del ranks[-1]
    return ranks


def _lowest(number: int, function: Drawn) -> list[str]:
    """Return the boxes of a function that nothing of it stands below."""
    if function.shape is None or not function.shape.blocks:
        return [f'{number}_head']
    above = {edge.source for edge in function.shape.edges if edge.kind != 'back'}
    return [f'{number}_{block.number}' for block in function.shape.blocks if block.number not in above]


def exit_of(calls: exits.Calls, function: Drawn, block: Block) -> tuple[str, int | None]:
    """Return the class of an exit's error, and the status that the client gets; ('', None) if the class is unknown."""
    step, statement = function.step, block.exit
    tree = syntax.tree(step) if step else _our_tree(function.station)
    if statement is None or tree is None:
        return '', None
    name = exits.error_of(statement, tree)
    ran = function.way is not None and block.number in function.way.ran
    if step and ran and not name and isinstance(step.error, dict):
        name = str(step.error.get('') or '')
    if not name:
        return '', None
    turned = turned_back(calls.trace)
    if step and ran and turned and turned.index == step.index and calls.trace.response:
        return name, calls.trace.response['status']
    if step:
        return name, exits.status_for(calls, step, statement, name)
    return name, exits.usual_status(name, BY_KEY[function.station])


def _our_tree(key: str) -> syntax.Function | None:
    code = codes(BY_KEY[key].ours)[-1]
    return syntax.tree_of(key, shortened(code.co_filename, BY_KEY[key].ours), code.co_firstlineno)


def _style(block: Block, node: str, *, ran: bool) -> dict[str, str]:
    fill, text, line = COLOURS['refused' if block.kind == 'exit' else node]
    if ran:
        style = {'color': line, 'fillcolor': fill, 'fontcolor': text, 'penwidth': '1.8'}
    else:
        exit_ = block.kind == 'exit'
        style = {'color': line if exit_ else THIN, 'fillcolor': PAPER, 'fontcolor': SOFT, 'penwidth': '0.8'}
    if block.kind in ('return', 'end'):
        style['style'] = 'filled,rounded'
    return style


def _diamond(lines: Sequence[str]) -> dict[str, str]:
    """Return the size of a diamond that holds the lines; Graphviz would make it wider than it needs to be."""
    half = len(lines) * ROW / 2
    height = half * 1.6 + 5
    width = max((_width(line) / 2 + 3) / max(1 - max(abs(half - ROW * number), abs(half - ROW * (number + 1))) * .86
                                            / height, .2) for number, line in enumerate(lines))
    return {'shape': 'diamond', 'fixedsize': 'true', 'width': f'{width / 36:.2f}', 'height': f'{height / 36:.2f}'}


def _width(text: str) -> float:
    """Estimate the width of a text in points."""
    return SIZE * sum(0.27 if sign in "iljtf.,:;'|!()[] " else 0.8 if sign in 'mwMW@' else 0.66 if sign.isupper()
                      else 0.52 for sign in text)


# --------------------------------------------------------------------------------------------------- the whole path


def drawn_steps(trace: Trace) -> list[Step]:
    """Choose what the picture of the whole path shows: the first step at each landmark, and what rejected the request.

    At the client's stations it is the last step, which sends the action.
    """
    wanted = {station for leg in EXPLORATIONS for station in leg.landmarks or leg.focus} | refused(trace)
    drawn: dict[str, Step] = {}
    for step in trace.steps:
        if step.station in wanted and (step.node == 'client' or step.station not in drawn):
            drawn[step.station] = step
    return sorted(drawn.values(), key=lambda step: step.index)


class Exit(NamedTuple):
    """A status with which the request can end at a landmark, or the error of a client; *why* lists the reasons."""

    text: str
    status: int | None
    why: tuple[str, ...]


def endings(trace: Trace, steps: Sequence[Step]) -> dict[int, list[Exit]]:
    """List how the request can end at each of the steps, from their code and that of what they call.

    Returns: {index of a step: its endings}; what the next landmark calls belongs to that one.
    """
    calls, drawn = exits.Calls(trace), {step.index for step in steps}
    found: dict[int, list[Exit]] = {}
    for step in steps:
        reasons: dict[tuple[int, str], dict[str, None]] = {}
        for visit in _below(calls, step, drawn):
            for status, name in _exits(calls, visit):
                text = exits.phrase(status) if status else name
                reasons.setdefault((status or 0, text), {})[f'{BY_KEY[visit.station].name}: {name}'] = None
        found[step.index] = [Exit(text, status or None, tuple(why))
                             for (status, text), why in sorted(reasons.items())]
    return found


def _below(calls: exits.Calls, step: Step, drawn: set[int]) -> Iterator[Step]:
    yield step
    for child in calls.below(step):
        if child.index not in drawn:
            yield from _below(calls, child, drawn)


def _exits(calls: exits.Calls, step: Step) -> Iterator[tuple[int | None, str]]:
    """Yield the status and the class of each exit of a visit's function."""
    function, drawn = syntax.tree(step), decisions.shape_of(step.station, step.file, step.line)
    if function is None or drawn is None:
        return
    for block in drawn.blocks:
        if block.exit is not None and (name := exits.error_of(block.exit, function)):
            status = exits.status_for(calls, step, block.exit, name)
            if status or (step.node == 'client' and hasattr(novaclient.exceptions, name)):
                yield status, name


def _path(trace: Trace, active: str | None) -> Flowchart:
    steps = drawn_steps(trace)
    graph, ways = _new([caption(trace)]), endings(trace, steps)
    red = {step.index for step in refusals(trace)}
    for node in NODES:
        inside = [first for first in steps if first.node == node]
        if inside:
            with graph.subgraph(name=f'cluster_{node}') as lane:
                _, text, line = COLOURS[node]
                lane.attr(label=NODES[node], labelloc='t', labeljust='l', color=line, fontcolor=text, style='rounded',
                          bgcolor=LANES[node], penwidth='1.2', **{'class': f'lane {node}'})
                for first in inside:
                    _box(lane, trace, first, active, red=first.station in {trace.steps[each].station for each in red})
                    _endings(lane, trace, first, ways[first.index])
    _arrows(graph, trace, steps)
    _answer(graph, trace, steps)
    return graph


def _box(lane: graphviz.Digraph, trace: Trace, first: Step, active: str | None, *, red: bool) -> None:
    visits = trace.find(first.station)
    fill, text, line = COLOURS['refused' if red else first.node]
    label = (BY_KEY[first.station].name + (f'  ×{len(visits)}' if len(visits) > 1 else '')
             + (f'  ✗ {how_red(trace)}' if red else ''))
    classes = ['station', first.node, 'taken', *(['refused'] if red else []),
               *(['active'] if first.station == active else [])]
    lane.node(
        first.station, _text([label]), id=f'station_{first.station}', **{'class': ' '.join(classes)},
        tooltip=_text([f'{BY_KEY[first.station].nova}: {BY_KEY[first.station].says}']),
        shape='box' if red else SHAPES.get(first.node, 'box'), fillcolor=fill, color=line, fontcolor=text,
        penwidth='3' if first.station == active else '1.4',
        **({'style': 'filled', 'peripheries': '2'} if red else {'style': 'filled,rounded'}))


def _endings(lane: graphviz.Digraph, trace: Trace, step: Step, found: list[Exit]) -> None:
    """Draw the exits of a landmark, and mark the one that this request took."""
    turned = turned_back(trace)
    status = trace.response['status'] if trace.response and turned and turned.station == step.station else None
    others = [each for each in found if each.status is None or each.status != status]
    why = next((each.why for each in found if each.status and each.status == status), ('the response',))
    shown = [(', '.join(each.text for each in others) if len(others) < 3 else
              ', '.join(str(each.status or each.text) for each in others),
              [f'{each.text}: {reason}' for each in others for reason in each.why][:20])] if others else []
    for text, reasons in [*([(exits.phrase(status), list(why))] if status else []), *shown]:
        taken = bool(status) and reasons == list(why)
        fill, ink, line = COLOURS['refused']
        name = f'{step.station} {"exit" if taken else "exits"}'
        with lane.subgraph() as same:
            same.attr(rank='same')
            same.node(step.station)
            same.node(name, _text([text]), tooltip=_text(reasons), color=line, fillcolor=fill if taken else PAPER,
                      fontcolor=ink if taken else SOFT, penwidth='1.8' if taken else '0.8', height='0.2',
                      **{'class': f'exit {step.node}{" taken refused" if taken else ""}'})
        lane.edge(step.station, name, **({'color': line, 'penwidth': '2'} if taken else {}),
                  **{'class': 'way error taken' if taken else 'way error'})


def _arrows(graph: Flowchart, trace: Trace, steps: list[Step]) -> None:
    """Connect the boxes in the order of the steps; an arrow that crosses to another lane is labelled."""
    drawn = {step.station: step for step in steps}
    previous: dict[str, Step] = {}
    for before, after in zip([None, *steps], steps, strict=False):
        sender = trace.steps[after.hop_from] if after.hop_from is not None else None
        # An arrow from another thread starts at the box that sent the request, any other at the last box in its lane.
        source = _box_of(sender, drawn, trace) if sender is not None else previous.get(after.node) or before
        if source is not None and source.station != after.station:
            graph.edge(source.station, after.station, weight='4', **_crossing(after, source, trace))
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
        return {'color': COLOURS[after.node][2], 'penwidth': '2', 'class': 'way taken'}
    if 'bus' in (after.node, source.node) and trace.messages:
        message = trace.messages[-1]
        call = message['kind'] == 'call'
        label = f'{message["kind"]} {message["method"]} {message["version"]}' if after.node == 'bus' else ''
        return {'style': 'dashed', 'dir': 'both' if call else 'forward', 'penwidth': '1.6', 'color': COLOURS['bus'][2],
                'arrowhead': 'normal' if call else 'open', 'class': f'bus {message["kind"]}',
                **({'label': _text([label])} if label else {})}
    if source.station == 'http' and trace.request:
        return {'label': _text([f'{trace.request["method"]} {path_of(trace)}'[:60]]), 'class': 'http'}
    return {'label': 'asks', 'class': 'http'} if after.node == 'api' else {}


def _answer(graph: Flowchart, trace: Trace, steps: Iterable[Step]) -> None:
    """Draw the response to the client, from where the request was refused, or else from where the response was made."""
    refusing, last = refused(trace), [step.station for step in trace.steps if step.node == 'api'][-1:]
    ends = [step.station for step in steps if step.node != 'client']
    source = next((station for station in ends if station in refusing), None) or next(
        (station for station in ends if station in last), None)
    if trace.response and source is None and not refusing:
        source = 'Resource' if 'Resource' in ends else None  # it made the response, in a function that is not drawn
    if trace.response and source and any(step.station == 'http' for step in steps):
        red = trace.response['status'] >= 400
        _, text, line = COLOURS['refused' if red else 'client']
        graph.edge(source, 'http', constraint='false', style='dotted', label=f' {trace.response["status"]} ',
                   color=line, fontcolor=text, penwidth='1.6',
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
    """Return a flowchart as text: a line for each box; `>` marks what this request took.

    Raises: WrongUse for an unknown exploration.
    """
    if focus is not None:
        return '\n'.join([caption(trace, focus), *_outline_of_leg(trace, focus)])
    lines, lanes, red, steps = [caption(trace)], list(NODES), refused(trace), drawn_steps(trace)
    ways = endings(trace, steps)
    for step in steps:
        mark = '✗' if step.station in red else '>'
        ends = ', '.join(each.text for each in ways[step.index])
        lines.append(f'{NODES[step.node]:>14} {"    " * lanes.index(step.node)}{mark} {BY_KEY[step.station].name}'
                     + (f' (can end here: {ends})' if ends else ''))
    return '\n'.join(lines)


def _outline_of_leg(trace: Trace, focus: str) -> Iterator[str]:
    calls = exits.Calls(trace)
    for function in drawn_functions(trace, focus):
        yield from filter(None, [function.note])
        yield f'{">" if function.step else " "} {function.title}'
        if function.shape is None:
            yield f'      {NOT_DRAWN}'
            continue
        for block in function.shape.blocks:
            yield from _outline_of(calls, function, block)


def _outline_of(calls: exits.Calls, function: Drawn, block: Block) -> Iterator[str]:
    """Write a block in one line, with what leads to it: yes, no or the errors."""
    drawn, way = function.shape, function.way
    into = [edge.label for edge in drawn.edges if edge.target == block.number and edge.label] if drawn else []
    ran = way is not None and block.number in way.ran
    words = ' '.join(block.text)
    if block.exit is not None:
        name, status = exit_of(calls, function, block)
        words = ' '.join([*([exits.phrase(status)] if status else []), words]) if name else words
    elif block.kind in ('condition', 'case', 'loop'):
        words += '?'
        if ran and block.test is not None and function.step and (found := decisions.values(function.step, block.test)):
            words += f' [{", ".join(found)}]'
    yield f'{">" if ran else " "}     {"/".join(dict.fromkeys(into)) + ": " if into else ""}{words}'
