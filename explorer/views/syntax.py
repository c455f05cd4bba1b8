"""What the text of a function tells about a visit: which way a condition went, what was assigned where. Pure functions.

The lines that ran are known, but not their order, so an answer is given only where the lines decide it: not within a
loop, and not where an error may have ended a statement early.
"""

import ast
import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from explorer.payloads import Plain, Value, parts
from explorer.trace import Step
from explorer.views.sources import text_of

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
MISSING = object()

_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
# Calls that change nothing that they are given.
_PURE = frozenset({'partial', 'isinstance', 'len', 'set', 'dict', 'str', 'int', 'bool', 'getattr', 'hasattr', 'get'})


class Place(NamedTuple):
    """A statement and where it stands."""

    statement: ast.stmt
    block: list[ast.stmt]
    number: int  # in the block
    looped: bool  # within a loop
    guarded: bool  # within the body of a try
    header: range  # its lines without those of its blocks
    assigns: list[str]  # names of locals


@functools.lru_cache(512)
def tree_of(station: str, file: str, line: int) -> Function | None:
    """Return the syntax tree of the function that a step visited, its lines numbered as in the file.

    Shape: *station*, *file* and *line* as in the step.
    Returns: None if the source is missing or cannot be parsed.
    """
    lines = text_of(station, file, line)
    if not lines:
        return None
    text = ''.join(lines)
    indented = text[0].isspace()
    try:
        (first, *_) = ast.parse(f'if 1:\n{text}' if indented else text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = first.body[0] if indented and isinstance(first, ast.If) else first
    if not isinstance(found, Function):
        return None
    return ast.increment_lineno(found, line - (2 if indented else 1))


def tree(step: Step) -> Function | None:
    """Return the syntax tree of the function that a step visited, or None."""
    return tree_of(step.station, step.file, step.line)


def places(step: Step) -> list[Place]:
    """Return every statement of the function that a step visited, in the order of the text; [] without its source.

    The statements of functions and classes within it are left out.
    """
    return _places_of(step.station, step.file, step.line)


@functools.lru_cache(512)
def _places_of(station: str, file: str, line: int) -> list[Place]:
    function = tree_of(station, file, line)
    return list(_places(function.body, looped=False, guarded=False)) if function else []


def _places(block: list[ast.stmt], *, looped: bool, guarded: bool) -> Iterator[Place]:
    for number, statement in enumerate(block):
        yield Place(statement, block, number, looped, guarded, _header(statement), _targets(statement))
        if isinstance(statement, _INNER):
            continue
        inner = looped or isinstance(statement, _LOOPS)
        for name in ('body', 'handlers', 'cases', 'orelse', 'finalbody'):
            for part in [getattr(statement, name, [])] if name not in ('handlers', 'cases') else [
                    each.body for each in getattr(statement, name, [])]:
                tried = guarded or isinstance(statement, ast.With) or (
                    isinstance(statement, ast.Try) and name == 'body')
                yield from _places(part, looped=inner, guarded=tried)


def span(nodes: ast.AST | list[ast.stmt]) -> range:
    """Return the numbers of the lines of a node, or of a block."""
    if isinstance(nodes, list):
        return range(nodes[0].lineno, (nodes[-1].end_lineno or nodes[-1].lineno) + 1) if nodes else range(0)
    first, last = getattr(nodes, 'lineno', 0), getattr(nodes, 'end_lineno', None)
    return range(first, (last or first) + 1)


def _ran(nodes: ast.AST | list[ast.stmt], lines: set[int]) -> bool:
    return not lines.isdisjoint(span(nodes))


def decided(step: Step) -> dict[int, bool]:
    """Return which way each `if` of a visit went, where the lines that ran decide it.

    Returns: {number of the first line of the condition: whether it was true}.
    """
    lines = set(step.lines)
    found: dict[int, bool] = {}
    for place in places(step):
        statement = place.statement
        if not isinstance(statement, ast.If) or place.looped or not _ran(statement.test, lines):
            continue
        if statement.body[0].lineno <= (statement.test.end_lineno or statement.test.lineno):
            continue  # on one line
        if _ran(statement.body, lines):
            found[statement.test.lineno] = True
        elif _ran(statement.orelse, lines) or _completed(place, step):
            found[statement.test.lineno] = False
    return found


def _completed(place: Place, step: Step) -> bool:
    """Return whether a statement that ran certainly ended without an error."""
    after = place.block[place.number + 1:place.number + 2]
    return _ran(after, set(step.lines)) if after else step.error is None and not place.guarded


class Assignment(NamedTuple):
    """The assignment that made the value which a local has at the end of a visit."""

    name: str
    line: int  # the last of the statement
    value: Value  # as in a payload


@functools.lru_cache(512)
def _unclear(station: str, file: str, line: int) -> frozenset[str]:
    """Return the names that a function binds in ways other than an assignment, and those that others may bind."""
    function = tree_of(station, file, line)
    found: list[str | None] = []
    for node in _statements(function.body) if function else ():
        if isinstance(node, ast.Global | ast.Nonlocal):
            found += node.names
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found += [(alias.asname or alias.name).partition('.')[0] for alias in node.names]
        elif isinstance(node, _INNER):
            found.append(node.name)
        elif isinstance(node, ast.Delete):
            found += [part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)]
        found += [handler.name for handler in getattr(node, 'handlers', ())]
        found += [getattr(part, 'name', getattr(part, 'rest', None))
                  for case in getattr(node, 'cases', ()) for part in ast.walk(case.pattern)]
    return frozenset(filter(None, found))


def _statements(block: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a block and those within them, functions and classes included."""
    rest = [*block]
    for statement in rest:  # the loop itself extends the list
        yield statement
        for name in ('body', 'orelse', 'finalbody'):
            rest += getattr(statement, name, ())
        for branch in (*getattr(statement, 'handlers', ()), *getattr(statement, 'cases', ())):
            rest += branch.body


def assignments(step: Step) -> list[Assignment]:
    """List the locals that a visit assigned, each at the last assignment that ran, in the order of the lines.

    A local is left out where the lines do not tell which assignment was the last, or whether it was made, and where
    something other than an assignment binds it.
    """
    after, before, made = step.after or {}, step.before or {}, _assigned(step)
    unclear, found = _unclear(step.station, step.file, step.line), []
    for name, ran in made.items():
        last = ran[-1]
        only = len(ran) == 1 and name not in before
        looped = any(place.looped or isinstance(place.statement, _LOOPS) for place in ran)
        if name not in after or name in unclear or (len(ran) > 1 and looped):
            continue
        if only or _completed(last, step):
            header = last.statement.body if isinstance(last.statement, (*_LOOPS, ast.With)) else None
            end = header[0].lineno - 1 if header else last.statement.end_lineno
            found.append(Assignment(name, max(end or 0, last.statement.lineno), after[name]))
    return sorted(found, key=lambda each: each.line)


def _assigned(step: Step) -> dict[str, list[Place]]:
    """Return {local: the assignments to it that ran, in the order of the text}."""
    lines = set(step.lines)
    found: dict[str, list[Place]] = {}
    for place in places(step):
        if place.assigns and not lines.isdisjoint(place.header):
            for name in place.assigns:
                found.setdefault(name, []).append(place)
    return found


def stores(step: Step) -> list[tuple[tuple[str, ...], int]]:
    """List the attributes that a visit assigned, outside of loops: (path, line)."""
    lines = set(step.lines)
    return [(path, place.statement.lineno) for place in places(step)
            if isinstance(place.statement, ast.Assign) and not place.looped and not lines.isdisjoint(place.header)
            for target in place.statement.targets
            if isinstance(target, ast.Attribute) and (path := access_path(target))]


def _header(statement: ast.stmt) -> range:
    """Return the lines of a statement without those of its blocks."""
    body = getattr(statement, 'body', None)
    return range(statement.lineno, max(body[0].lineno, statement.lineno + 1)) if body else span(statement)


def _targets(statement: ast.stmt) -> list[str]:
    """Return the names that a statement assigns."""
    targets: list[ast.AST] = []
    if isinstance(statement, ast.Assign):
        targets += statement.targets
    elif isinstance(statement, ast.AugAssign | ast.For | ast.AsyncFor) or (
            isinstance(statement, ast.AnnAssign) and statement.value):
        targets.append(statement.target)
    elif isinstance(statement, ast.With | ast.AsyncWith):
        targets += [item.optional_vars for item in statement.items if item.optional_vars]
    if not isinstance(statement, _INNER):
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.expr):
                targets += [node.target for node in ast.walk(child) if isinstance(node, ast.NamedExpr)]
    return [node.id for target in targets for node in ast.walk(target)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def reads(expression: ast.AST) -> list[tuple[str, ...]]:
    """List the names and attributes that an expression reads, as paths: instance.vm_state is ('instance', 'vm_state').

    The function of a call is not read; its arguments are. A constant key counts as a part of a path.
    """
    found: list[tuple[str, ...]] = []

    def walk(node: ast.AST) -> None:
        path = access_path(node)
        if path:
            found.append(path)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                walk(node.func.value)
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                walk(argument)
        elif not isinstance(node, (*_INNER, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            for child in ast.iter_child_nodes(node):
                walk(child)

    walk(expression)
    return list(dict.fromkeys(found))


def access_path(node: ast.AST) -> tuple[str, ...]:
    """Return the path of a name, an attribute or a constant key; () for any other expression."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute):
        inner = access_path(node.value)
        return (*inner, node.attr) if inner else ()
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        inner = access_path(node.value)
        return (*inner, node.slice.value) if inner else ()
    return ()


def value_in(payload: Plain | None, path: tuple[str, ...]) -> Value:
    """Return the value at a path of a payload, or MISSING."""
    value: Value = payload or {}
    for name in path:
        below = parts(value)
        if name not in below:
            return MISSING
        value = below[name]
    return value


def value_at(step: Step, path: tuple[str, ...], line: int) -> Value:
    """Return the value that a name or an attribute had when a visit reached a line, or MISSING if it is uncertain."""
    old, new = value_in(step.before, path), value_in(step.after, path)
    assigned = _assigned(step).get(path[0], [])
    if path[0] in _unclear(step.station, step.file, step.line) or any(place.looped for place in assigned):
        return MISSING
    earlier = [place for place in assigned if place.statement.lineno < line]
    later = len(assigned) - len(earlier)
    if earlier and later:
        return MISSING
    if later:
        return old
    if earlier and len(path) == 1:
        return new
    if not earlier and old is not MISSING and (old is new or old == new or _untouched(step, line)):
        return old
    return new if earlier and _untouched(step, None, earlier[-1].statement.lineno) else MISSING


def _untouched(step: Step, line: int | None, start: int = 0) -> bool:
    """Return whether no line that ran from *start* up to *line* can have changed an object."""
    lines = set(step.lines)
    for place in places(step):
        statement = place.statement
        first = statement.lineno
        if first < start or (line is not None and first >= line) or lines.isdisjoint(place.header):
            continue
        header = [child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.expr)]
        for node in (each for part in header for each in ast.walk(part)):
            if isinstance(node, ast.Call) and _name_of(node.func) not in _PURE:
                return False
            if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
                return False
    return True


def _name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(
        function, ast.Name) else ''


def returns_at(step: Step) -> ast.stmt | None:
    """Return the statement that ended a visit: the `return` or `raise` that ran, if exactly one did."""
    lines = set(step.lines)
    ran = [place.statement for place in places(step)
           if isinstance(place.statement, ast.Return | ast.Raise) and _ran(place.statement, lines)]
    return ran[0] if len(ran) == 1 else None
