"""Turn the syntax tree of a function into blocks and edges, and find the way that a visit took. Pure functions.

A block is a box of a flowchart: plain statements, a condition, a loop, a return or an exit with an error. What a visit
marks follows from the lines that ran, whose order is unknown: an edge is marked only where they leave no other way.
"""

import ast
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from explorer.payloads import Value, is_container, is_marked
from explorer.stations import STATIONS, split
from explorer.trace import Step
from explorer.views import exits, syntax
from explorer.views.text import short, short_text, visible

BlockKind: TypeAlias = Literal['plain', 'condition', 'case', 'loop', 'return', 'exit', 'end', 'more']

MOST_BLOCKS, BOX_LINES = 25, 4  # of one function, of one box
WIDE, NARROW = 34, 25  # characters in a line of a box, of a condition
LONGEST_LINE = 600  # characters of the whole text of a box

_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError)
_TRIES = (ast.Try, ast.TryStar)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_WITHS = (ast.With, ast.AsyncWith)
_CONDITIONS = (ast.If, ast.Match, *_LOOPS)
# Names of stations that other functions and methods often have as well.
_COMMON = {'get', 'index', 'send', 'request', '__call__', '__init__'}
_CALLED = {name for row in STATIONS if '<locals>' not in row.nova
           and (name := split(row.nova)[1].rpartition('.')[2]) not in _COMMON}


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """A box of a flowchart.

    Shape: *parts* are the lines of each statement, in order; *text* is what the box shows, *whole* all of it. *test* is
    the condition, *exit* the statement that ends the function with an error.
    """

    number: int
    kind: BlockKind
    text: tuple[str, ...]
    whole: str
    parts: tuple[range, ...]
    looped: bool = False
    test: ast.expr | None = None
    exit: ast.stmt | None = None

    def holds(self, line: int) -> bool:
        """Return whether a line belongs to the block."""
        return any(line in part for part in self.parts)


@dataclasses.dataclass(frozen=True, slots=True)
class Edge:
    """An arrow from one block to another; -1 is the head of the function.

    Shape: *among* are the blocks of a `try` whose errors lead here; *left* are the numbers of the `try` statements
    whose bodies the edge leaves without an error.
    """

    source: int
    target: int
    kind: Literal['next', 'yes', 'no', 'error', 'back', 'finally'] = 'next'
    label: str = ''
    whole: str = ''
    among: tuple[int, ...] = ()
    left: tuple[int, ...] = ()


class Shape(NamedTuple):
    """The flowchart of a function, the same for all visits; *handlers* are the first blocks of those of each `try`."""

    blocks: tuple[Block, ...]
    edges: tuple[Edge, ...]
    handlers: tuple[tuple[int, ...], ...]


class Way(NamedTuple):
    """The way of a visit: the blocks that ran, the edges that were taken, and where each edge begins."""

    ran: frozenset[int]
    taken: frozenset[int]  # positions in the edges of the shape
    sources: tuple[int, ...]


class _End(NamedTuple):
    """Where the flow leaves a block, until it is known where to."""

    block: int
    kind: Literal['next', 'yes', 'no'] = 'next'
    label: str = ''
    left: tuple[int, ...] = ()


@functools.lru_cache(512)
def shape_of(station: str, file: str, line: int) -> Shape | None:
    """Return the flowchart of the function that a step visited; None if its source is missing or cannot be drawn."""
    function = syntax.tree_of(station, file, line)
    return shape(function) if function else None


def shape(function: syntax.Function) -> Shape | None:
    """Return the flowchart of a function, or None if it is nested too deeply to be drawn."""
    try:
        return _Builder(function).built()
    except _ERRORS:
        return None


class _Builder:
    """Collect the blocks and edges of a function."""

    def __init__(self, function: syntax.Function) -> None:
        self.function = function
        self.blocks: list[Block] = []
        self.edges: list[Edge] = []
        self.handlers: list[tuple[int, ...]] = []
        self.loops: list[tuple[int, list[_End]]] = []  # (the loop's block, the ends that a break leaves open)
        self.waiting: list[tuple[str, str, range]] = []  # plain statements: (shown, whole, lines)
        self.more: int | None = None
        self.left_out = 0  # conditions

    def built(self) -> Shape:
        ends = self.sequence(self.function.body, [_End(-1)])
        if ends:
            self.block('end', ['return'], 'the end of the function: it returns None', (), ends)
        return Shape(tuple(self.blocks), tuple(self.edges), tuple(self.handlers))

    def sequence(self, body: Sequence[ast.stmt], ends: list[_End]) -> list[_End]:
        for number, statement in enumerate(body):
            if not ends:  # unreachable
                break
            if len(self.blocks) >= MOST_BLOCKS:
                return self.cut(body[number:], ends)
            ends = self.statement(statement, ends)
        return self.flush(ends)

    def statement(self, statement: ast.stmt, ends: list[_End]) -> list[_End]:
        if isinstance(statement, ast.If):
            return self.condition(statement, ends)
        if isinstance(statement, ast.Match):
            return self.match(statement, ends)
        if isinstance(statement, ast.For | ast.AsyncFor | ast.While):
            return self.loop(statement, ends)
        if isinstance(statement, ast.Try | ast.TryStar):
            return self.tried(statement, ends)
        if isinstance(statement, ast.With | ast.AsyncWith):
            items = ', '.join(map(ast.unparse, statement.items))
            self.wait(f'with {items}:', span_of_head(statement))
            ends = self.sequence(statement.body, ends)
            return self.raised_again(statement, ends) if ends and exits.raises_again(statement) else ends
        return self.simple(statement, ends)

    def raised_again(self, statement: ast.With | ast.AsyncWith, ends: list[_End]) -> list[_End]:
        again = ast.copy_location(ast.Raise(), statement)
        self.block('exit', ['raise'], 'the end of the with block raises the error again', (span_of_head(statement),),
                   ends, exit=again)
        return []

    def simple(self, statement: ast.stmt, ends: list[_End]) -> list[_End]:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return ends  # a docstring
        text, lines = _written(statement), span_of_head(statement)
        if exits.error_of(statement, self.function) is not None:
            self.block('exit', [text], text, (lines,), self.flush(ends), exit=statement)
            return []
        if isinstance(statement, ast.Return):
            self.block('return', [text], text, (lines,), self.flush(ends))
            return []
        if isinstance(statement, ast.Break | ast.Continue) and self.loops:
            self.wait(text, lines)
            return self.jump(statement, self.flush(ends))
        self.wait(text, lines)
        return self.flush(ends) if _calls_station(statement) else ends

    def jump(self, statement: ast.stmt, ends: list[_End]) -> list[_End]:
        head, breaks = self.loops[-1]
        if isinstance(statement, ast.Break):
            breaks += ends
        else:
            self.edges += [Edge(end.block, head, 'back') for end in ends]
        return []

    def wait(self, text: str, lines: range) -> None:
        self.waiting.append((short_text(text, WIDE), text, lines))

    def flush(self, ends: list[_End]) -> list[_End]:
        """Make a block of the plain statements that wait."""
        if not self.waiting or not ends:
            return ends
        waiting, self.waiting = self.waiting, []
        shown = [text for text, _, _ in waiting]
        if len(shown) > BOX_LINES:
            shown[2:-1] = [f'… {len(shown) - 3} more statements']
        whole = '\n'.join(text for _, text, _ in waiting)
        return [_End(self.block('plain', shown, whole, tuple(lines for *_, lines in waiting), ends))]

    def block(self, kind: BlockKind, text: Sequence[str], whole: str, parts: tuple[range, ...], ends: list[_End], *,
              test: ast.expr | None = None, exit: ast.stmt | None = None) -> int:
        number = len(self.blocks)
        shown = tuple(short_text(line, WIDE) for line in text)
        said = short_text(whole, LONGEST_LINE)
        self.blocks.append(Block(number, kind, shown, said, parts, bool(self.loops), test, exit))
        self.connect(ends, number)
        return number

    def connect(self, ends: list[_End], target: int) -> None:
        self.edges += [Edge(end.block, target, end.kind, end.label, left=end.left) for end in ends]

    def condition(self, statement: ast.If, ends: list[_End]) -> list[_End]:
        ends, whole = self.flush(ends), _written(statement.test)
        number = self.block('condition', wrapped(statement.test), whole, (syntax.span(statement.test),), ends,
                            test=statement.test)
        yes = self.sequence(statement.body, [_End(number, 'yes', 'yes')])
        no = [_End(number, 'no', 'no')]
        return yes + (self.sequence(statement.orelse, no) if statement.orelse else no)

    def match(self, statement: ast.Match, ends: list[_End]) -> list[_End]:
        self.wait(f'match {ast.unparse(statement.subject)}:', span_of_head(statement))
        open_, ends = self.flush(ends), []
        for case in statement.cases:
            if len(self.blocks) >= MOST_BLOCKS:
                return ends + self.cut([part for each in statement.cases for part in each.body], open_)
            text = _clean(f'case {ast.unparse(case.pattern)}' + (
                f' if {ast.unparse(case.guard)}' if case.guard else ''))
            number = self.block('case', [short_text(text, NARROW)], text, (syntax.span(case.pattern),), open_)
            ends += self.sequence(case.body, [_End(number, 'yes', 'yes')])
            anything = isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None and not case.guard
            open_ = [] if anything else [_End(number, 'no', 'no')]
        return ends + open_

    def loop(self, statement: ast.For | ast.AsyncFor | ast.While, ends: list[_End]) -> list[_End]:
        ends, counted = self.flush(ends), not isinstance(statement, ast.While)
        text = (f'while {ast.unparse(statement.test)}' if isinstance(statement, ast.While) else
                f'for {ast.unparse(statement.target)} in {ast.unparse(statement.iter)}')
        number = self.block('loop', folded(_clean(text)), _clean(text), (span_of_head(statement),), ends)
        breaks: list[_End] = []
        self.loops.append((number, breaks))
        inner = self.sequence(statement.body, [_End(number, 'yes', 'each' if counted else 'yes')])
        self.loops.pop()
        self.edges += [Edge(end.block, number, 'back') for end in inner]
        done = [_End(number, 'no', 'done' if counted else 'no')]
        return breaks + (self.sequence(statement.orelse, done) if statement.orelse else done)

    def tried(self, statement: ast.Try | ast.TryStar, ends: list[_End]) -> list[_End]:
        ends, first, number = self.flush(ends), len(self.blocks), len(self.handlers)
        self.handlers.append(())
        ends = self.sequence(statement.body, ends)
        among = tuple(range(first, len(self.blocks)))
        ends = [end._replace(left=(*end.left, number)) for end in ends]
        if statement.orelse:
            ends = self.sequence(statement.orelse, ends)
        for handler in statement.handlers:
            begin, edges = len(self.blocks), len(self.edges)
            ends = ends + self.sequence(handler.body, [_End(-2)])
            self.handlers[number] += tuple(range(begin, begin + 1)) if begin < len(self.blocks) else ()
            self.edges[edges:] = [_caught(edge, handler, among) if edge.source == -2 else edge
                                  for edge in self.edges[edges:]]
        if statement.finalbody:
            inner = ends or [_End(among[-1])] if among else ends
            edges = len(self.edges)
            after = self.sequence(statement.finalbody, inner)
            if not ends:  # every way through the body ends the function, and this runs before it
                self.edges[edges:] = [dataclasses.replace(edge, kind='finally', label='finally')
                                      if edge.source == inner[0].block and edge.kind == 'next' else edge
                                      for edge in self.edges[edges:]]
                after = []
            return after
        return ends

    def cut(self, rest: Sequence[ast.stmt], ends: list[_End]) -> list[_End]:
        """Put the rest of a long function into one block."""
        ends, self.waiting = self.flush(ends), []
        self.left_out += sum(isinstance(node, _CONDITIONS) for part in rest for node in ast.walk(part))
        left, parts = self.left_out, tuple(syntax.span(part) for part in rest)
        conditions = f'… {left} more condition{"s" * (left != 1)}' if left else '… more statements'
        if self.more is None:
            self.more = self.block('more', [conditions], conditions, parts, ends)
        else:
            old = self.blocks[self.more]
            self.blocks[self.more] = dataclasses.replace(
                old, text=(conditions,), whole=conditions, parts=old.parts + parts)
            self.connect(ends, self.more)
        return []


def _caught(edge: Edge, handler: ast.ExceptHandler, among: tuple[int, ...]) -> Edge:
    """Return the edge to a handler, labelled with the errors that it catches."""
    names = exits.caught(handler)
    label = names[0] if len(names) == 1 else f'{len(names)} errors' if names else 'any error'
    return dataclasses.replace(edge, source=among[-1] if among else -1, kind='error', label=short_text(label, 34),
                               whole=', '.join(names) or label, among=among)


def span_of_head(statement: ast.stmt) -> range:
    """Return the lines of a statement without those of its blocks."""
    if isinstance(statement, ast.Match):
        return syntax.span(statement.subject)
    body = getattr(statement, 'body', None)
    end = body[0].lineno if body else (statement.end_lineno or statement.lineno) + 1
    return range(statement.lineno, max(end, statement.lineno + 1))


def _calls_station(statement: ast.stmt) -> bool:
    return any(isinstance(node, ast.Call) and exits.name_of(node.func) in _CALLED for node in ast.walk(statement))


def _written(node: ast.AST) -> str:
    """Write a statement or an expression in one line."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return _clean(f'def {node.name}({ast.unparse(node.args)}): …')
    if isinstance(node, ast.BoolOp):
        return f' {_word(node)} '.join(_terms(node))
    return _clean(f'class {node.name}: …' if isinstance(node, ast.ClassDef) else ast.unparse(node))


def _word(test: ast.BoolOp) -> str:
    return 'and' if isinstance(test.op, ast.And) else 'or'


def _terms(test: ast.BoolOp) -> list[str]:
    """Write the parts of an `and` or an `or`, in parentheses only where they need them."""
    return [f'({_written(term)})' if isinstance(term, ast.BoolOp | ast.IfExp | ast.Lambda | ast.NamedExpr)
            else _written(term) for term in test.values]


def _clean(text: str) -> str:
    return visible(' '.join(text.split()))


def wrapped(test: ast.expr) -> list[str]:
    """Write a condition in one or two lines, broken at `and` or `or` where it has one there."""
    text = _written(test)
    if len(text) <= NARROW or not isinstance(test, ast.BoolOp):
        return folded(text)
    word, terms = _word(test), _terms(test)
    first = [terms.pop(0)]
    while terms and len(f' {word} '.join([*first, terms[0]])) <= NARROW:
        first.append(terms.pop(0))
    rest = f'{word} ' + f' {word} '.join(terms)
    return [short_text(f' {word} '.join(first), NARROW + 4), short_text(rest, NARROW + 4)]


def folded(text: str) -> list[str]:
    """Write a text in at most two lines."""
    if len(text) <= NARROW + 4:
        return [text]
    at = max((text.rfind(mark, 8, NARROW + 1) + len(mark.rstrip()) for mark in (' ', ', ', '(', '.')
              if text.rfind(mark, 8, NARROW + 1) > 0), default=NARROW)
    return [text[:at].rstrip(), short_text(text[at:].lstrip(), NARROW + 4)]


# ---------------------------------------------------------------------------------------------- the way of a visit


def way(step: Step, drawn: Shape) -> Way:
    """Find which blocks of a function ran in a visit, and which edges it certainly took."""
    lines = set(step.lines)
    ran = {block.number for block in drawn.blocks if any(not lines.isdisjoint(part) for part in block.parts)}
    done = {-1} | {block.number for block in drawn.blocks if block.parts and not lines.isdisjoint(block.parts[-1])}
    for block in drawn.blocks:
        returned = any(other.kind in ('return', 'more') and other.number in ran for other in drawn.blocks)
        if block.kind == 'end' and step.ended_ns is not None and step.error is None and not returned and (
                _handed_over(drawn, ran) is None):
            ran.add(block.number)
    sources = tuple(_source(edge, ran) for edge in drawn.edges)
    return Way(frozenset(ran), frozenset(_taken(step, drawn, ran, done, sources)), sources)


def _handed_over(drawn: Shape, ran: set[int]) -> int | None:
    """Return a block that ran and that ends the function by returning an error, or None."""
    return next((block.number for block in drawn.blocks
                 if block.number in ran and isinstance(block.exit, ast.Return)), None)


def _source(edge: Edge, ran: set[int]) -> int:
    """Return where an edge begins: an error comes from the last block of the `try` that ran."""
    return next((number for number in reversed(edge.among) if number in ran), edge.source)


def _taken(step: Step, drawn: Shape, ran: set[int], done: set[int], sources: Sequence[int]) -> Iterator[int]:
    ways = syntax.decided(step)
    failed = {number for number, handlers in enumerate(drawn.handlers) if not ran.isdisjoint(handlers)}
    possible = [_possible(edge, drawn, ways, done, failed) for edge in drawn.edges]
    for number, edge in enumerate(drawn.edges):
        source, target = sources[number], drawn.blocks[edge.target]
        begin = drawn.blocks[source] if source >= 0 else None
        if (target.number not in ran or target.looped or target.kind == 'more' or edge.kind in ('back', 'finally')
                or (begin and (begin.looped or begin.kind == 'loop'))):
            continue
        if edge.kind == 'error':
            if source in ran and not any(drawn.blocks[each].kind == 'loop' for each in edge.among):
                yield number
        elif begin and begin.kind == 'condition' and edge.kind != 'next':
            if begin.test is not None and ways.get(begin.test.lineno) is (edge.kind == 'yes'):
                yield number
        elif begin and begin.kind == 'case' and edge.kind != 'next':
            if edge.kind == 'yes' or target.kind == 'case':
                yield number
        elif [at for at, other in enumerate(drawn.edges)
              if other.target == edge.target and possible[at]] == [number]:
            yield number


def _possible(edge: Edge, drawn: Shape, ways: dict[int, bool], done: set[int], failed: set[int]) -> bool:
    """Return whether a visit can have taken an edge."""
    if edge.kind in ('back', 'finally') or edge.source not in done or not failed.isdisjoint(edge.left):
        return False
    test = drawn.blocks[edge.source].test if edge.source >= 0 else None
    known = ways.get(test.lineno) if test is not None else None
    return known is None or edge.kind == 'next' or known is (edge.kind == 'yes')


def values(step: Step, test: ast.expr, longest: int = NARROW + 4) -> list[str]:
    """Return the values that a condition found, such as 'vm_state "active"', in at most two lines."""
    paths = [path for path in syntax.reads(test)
             if (value := syntax.value_at(step, path, test.lineno)) is not syntax.MISSING and _shown(value)]
    last = [path[-1] for path in paths]
    texts = [f'{visible(".".join(path[-2:]) if last.count(path[-1]) > 1 else path[-1])} '
             f'{_shown(syntax.value_at(step, path, test.lineno))}' for path in paths]
    lines: list[str] = []
    for text in texts:
        if lines and len(lines[-1]) + len(text) + 2 <= longest:
            lines[-1] += f', {text}'
        elif len(lines) < 2:
            lines.append(short_text(text, longest))
    return lines


def _shown(value: Value) -> str:
    """Return a value as text, '' for an object and for anything else that has no short form."""
    if isinstance(value, str):
        return short(value[:80], 24)
    if isinstance(value, list):
        plain = len(value) <= 4 and not any(map(is_container, value)) and not any(
            isinstance(each, str) and len(each) > 24 for each in value)
        return short(value, 34) if plain else ''
    if is_container(value):
        return ''
    if is_marked(value):
        return short_text(visible(str(value.get('value'))[:80]), 24)
    return short(value, 24)
