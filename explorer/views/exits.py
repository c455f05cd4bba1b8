"""Find how a function can end with an error, and with which status the client then gets. Pure functions.

An error is followed outwards through the visits that wait for it: the handlers of each caller may turn it into
another error or into a response. What they do is read from their syntax trees.
"""

import ast
import builtins
import functools
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import novaclient.exceptions
import webob.exc
from webob.util import status_reasons

from explorer import exception
from explorer.libraries import oslo_messaging
from explorer.payloads import Value
from explorer.stations import BY_KEY, Station, split
from explorer.trace import Step, Trace, codes, shortened, text_as_imported
from explorer.views import syntax

_SAME = ''  # the error that is handled is raised again


class Calls:
    """Who called whom in a trace."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._below: dict[int, list[Step]] = {}
        for step in trace.steps:
            if step.parent is not None:
                self._below.setdefault(step.parent, []).append(step)
        self._statements: dict[int, dict[int, ast.stmt]] = {}

    def below(self, step: Step) -> list[Step]:
        """Return the visits that a visit made itself."""
        return self._below.get(step.index, [])

    def caller(self, step: Step) -> Step | None:
        """Return the visit that called a visit, or that sent it the request."""
        cause = step.parent if step.parent is not None else step.hop_from
        return self.trace.steps[cause] if cause is not None else None

    def statements(self, step: Step) -> dict[int, ast.stmt]:
        """Return which statement of a visit made each visit below it: {index: the statement or condition}."""
        if step.index not in self._statements:
            self._statements[step.index] = dict(self._matched(step))
        return self._statements[step.index]

    def _matched(self, step: Step) -> Iterator[tuple[int, ast.stmt]]:
        lines = set(step.lines)
        made = [(place.statement, _called(place.statement)) for place in syntax.places(step)
                if not lines.isdisjoint(place.header)]
        made, first = [row for row in made if row[1]], 0
        for child in self.below(step):
            names = self._names(child)
            found = next((at for at in range(first, len(made)) if names & made[at][1]), None)
            if found is None:
                rest = [at for at in range(first, len(made)) if isinstance(made[at][0], ast.Return)]
                found = rest[0] if len(rest) == 1 else None
            if found is not None:
                first = found
                yield child.index, made[found][0]

    def _names(self, step: Step) -> set[str]:
        """Return the names that a visit may have been called by; a decorator has that of what it wraps."""
        name = split(step.qualname)[1]
        if '<locals>' not in name:
            return {name.rpartition('.')[2].lstrip('_')}
        return {*_WRAPPED, *(each for child in self.below(step)[-1:] for each in self._names(child))}


# What the guards of the compute API and the decorators of the controllers wrap: known even where they reject.
_WRAPPED = frozenset({'live_migrate', 'pause', 'migrate_live'})


@functools.lru_cache(8192)
def _called(statement: ast.stmt) -> frozenset[str]:
    """Return the names of the functions that a statement calls, without those in its blocks.

    Shape: without leading underscores, because Nova has pairs such as get_method and _get_method.
    """
    parts = [part for part in ast.iter_child_nodes(statement) if isinstance(part, ast.expr | ast.withitem)]
    calls = (node for part in parts for node in ast.walk(part) if isinstance(node, ast.Call))
    return frozenset(name_of(call.func).lstrip('_') for call in calls)


def name_of(node: ast.AST | None) -> str:
    """Return the last name of a dotted name; '' for any other expression."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ''


def phrase(status: int) -> str:
    """Write a status with its phrase: 409 Conflict."""
    return f'{status} {status_reasons.get(status, "")}'.strip()


# --------------------------------------------------------------------------------- what one statement raises


def error_of(statement: ast.stmt, function: syntax.Function) -> str | None:
    """Return the class of the error with which a statement ends its function.

    Returns: '' if that is the error being handled, or one whose class the text does not name; None if the statement
    does not end the function with an error.
    """
    if isinstance(statement, ast.Raise):
        return _class_name(statement.exc, function) if statement.exc else _SAME
    if isinstance(statement, ast.Return):
        name = _class_name(statement.value, function) if statement.value else ''
        return name if name.startswith('HTTP') else None
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return _always_raised(name_of(statement.value.func))
    return None


def raises_again(statement: ast.With | ast.AsyncWith) -> bool:
    """Return whether a `with` statement raises the error that is being handled again at its end."""
    return any(isinstance(item.context_expr, ast.Call)
               and name_of(item.context_expr.func) == 'save_and_reraise_exception' for item in statement.items)


def _class_name(node: ast.expr, function: syntax.Function) -> str:
    if not isinstance(node, ast.Call):
        name = name_of(node)
        return name if class_of(name) else _SAME
    name = name_of(node.func)
    if name == 'Fault' and node.args:
        return _class_name(node.args[0], function)
    if class_of(name):
        return name
    for made in ast.walk(function):  # such as refuse = functools.partial(exception.InstanceInvalidState, ...)
        if isinstance(made, ast.Assign) and name in map(name_of, made.targets):
            names = [name_of(part) for part in ast.walk(made.value)]
            return next((each for each in names if class_of(each)), _SAME)
    return _SAME


@functools.cache
def _always_raised(name: str) -> str | None:
    """Return the class that a function of the path always raises at its end, None if there is no such function."""
    if not name.startswith('raise_'):
        return None
    function = _function(name)
    last = function.body[-1] if function else None
    return error_of(last, function) if function and isinstance(last, ast.Raise) else None


def _function(name: str) -> syntax.Function | None:
    """Return the syntax tree of a function of the miniature."""
    try:
        code = codes(f'explorer.pipeline.{name}')[0]
        text = textwrap.dedent(''.join(inspect.getblock(text_as_imported(code.co_filename)[code.co_firstlineno - 1:])))
        found = ast.parse(text).body[0]
    except (LookupError, SyntaxError, ValueError):
        return None
    return found if isinstance(found, syntax.Function) else None


@functools.cache
def class_of(name: str) -> type[BaseException] | None:
    """Return the class of an error by its name; None if the path knows none of that name."""
    found = exception.named(name) or next((vars(space)[name] for space in (
        webob.exc, builtins, oslo_messaging, novaclient.exceptions) if name in vars(space)), None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def caught(handler: ast.ExceptHandler) -> list[str]:
    """List the classes that a handler catches, by name; [] for all."""
    if handler.type is None:
        return []
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return [name_of(kind) for kind in kinds]


# ------------------------------------------------------------------------------- how it reaches the client


class _Outcome(NamedTuple):
    """What a handler makes of an error: another error, or nothing if it goes no further."""

    name: str | None


def status_for(calls: Calls, step: Step, statement: ast.stmt, name: str) -> int | None:
    """Return the status that the client gets if a statement of a visit ends it with an error.

    Shape: *name* is the class of the error.
    Returns: None if no response carries it: the client raised it, nobody waits for it, or its class is unknown.
    """
    at: ast.stmt | None = statement
    visit: Step | None = step
    while visit is not None:
        if (code := _http(name)) is not None:
            return code
        if visit.node == 'client' or class_of(name) is None:
            return None
        outcome = _through(visit, at, name)
        if outcome is not None:
            if outcome.name is None:
                return None
            name = outcome.name
        if _was_cast(calls, visit):
            return None
        visit, at = _outwards(calls, visit)
    return own_code(name)


def own_code(name: str) -> int:
    """Return the status of an error that no handler translates."""
    return getattr(class_of(name), 'code', 500) or 500


def _http(name: str) -> int | None:
    found = class_of(name)
    return getattr(found, 'code', None) if found and issubclass(found, webob.exc.WSGIHTTPException) else None


def _outwards(calls: Calls, step: Step) -> tuple[Step | None, ast.stmt | None]:
    """Return the visit that waits for a visit, and the statement in which it waits; (None, None) at the end."""
    caller = calls.caller(step)
    if caller is None or caller.node == 'client':
        return None, None
    return caller, calls.statements(caller).get(step.index)


def _was_cast(calls: Calls, step: Step) -> bool:
    """Return whether a visit began with a message that nobody waits for."""
    caller = calls.caller(step)
    return step.node == 'conductor' and caller is not None and caller.node == 'bus' and not (
        caller.before or {}).get('wait_for_reply', True)


def _through(visit: Step, at: ast.stmt | None, name: str) -> _Outcome | None:
    """Return what a visit makes of an error that comes from one of its statements; None if it lets it through."""
    function = syntax.tree(visit)
    if function is None or at is None or visit.station == '_process_incoming':  # which sends the error back
        return None
    changed = None
    for tried in _tries(function):
        if at.lineno not in syntax.span(tried.body):
            continue
        handler = next((each for each in tried.handlers if _catches(each, name)), None)
        if handler is not None:
            outcome = _outcome(handler.body, name, visit, function)
            if outcome is None or outcome.name is None:
                return _Outcome(None)
            changed, name = outcome, outcome.name
    return changed


@functools.lru_cache(1024)
def _tries(function: syntax.Function) -> list[ast.Try]:
    """Return the `try` statements of a function, the innermost first."""
    return sorted((node for node in ast.walk(function) if isinstance(node, ast.Try)), key=lambda node: -node.lineno)


def _catches(handler: ast.ExceptHandler, name: str) -> bool:
    kinds = [class_of(each) for each in caught(handler)]
    return handler.type is None or _is_one(name, kinds)


def _is_one(name: str, kinds: Sequence[type[BaseException] | None]) -> bool:
    found = class_of(name)
    return found is not None and any(kind is not None and issubclass(found, kind) for kind in kinds)


def _outcome(body: Sequence[ast.stmt], name: str, visit: Step | None,
             function: syntax.Function) -> _Outcome | None:
    """Follow the statements of a handler to the error that leaves it; None if they do not end it."""
    for statement in body:
        if isinstance(statement, ast.If):
            went = _went(statement.test, name, visit)
            branch = statement.body if went else statement.orelse if went is False else []
            if (inner := _outcome(branch, name, visit, function)) is not None:
                return inner
        elif isinstance(statement, ast.With | ast.AsyncWith):
            if (inner := _outcome(statement.body, name, visit, function)) or raises_again(statement):
                return inner or _Outcome(name)
        elif (found := error_of(statement, function)) is not None:
            return _Outcome(found or name)
        elif isinstance(statement, ast.Return):
            # FaultWrapper makes a response of what reaches it, with the error's own code.
            return _Outcome(name if visit and visit.station == 'FaultWrapper' else None)
    return None


def _went(test: ast.expr, name: str, visit: Step | None) -> bool | None:
    """Return which way a condition of a handler goes for an error, None if that is unknown."""
    if isinstance(test, ast.Call) and name_of(test.func) == 'isinstance' and len(test.args) == 2:
        names = {name_of(node) for node in ast.walk(test.args[1])}
        return _is_one(name, [class_of(each) for each in names])
    value: Value = syntax.value_in(visit.after, path) if visit and (path := syntax.access_path(test)) else None
    return value if isinstance(value, bool) else None


def usual_status(name: str, station: Station) -> int | None:
    """Return the status of an error in a function that no request visited, as the controllers usually translate it."""
    if (code := _http(name)) is not None:
        return code
    if station.node == 'client' or class_of(name) is None:
        return None
    for handling in ('_migrate_live', '_process_stack', 'Resource'):
        function = _tree_of_station(handling)
        for tried in (node for node in ast.walk(function or ast.Module([], [])) if isinstance(node, ast.Try)):
            handler = next((each for each in tried.handlers if _catches(each, name)), None)
            outcome = _outcome(handler.body, name, None, function) if handler and function else None
            if outcome and outcome.name and (code := _http(outcome.name)) is not None:
                return code
    return own_code(name)


def _tree_of_station(key: str) -> syntax.Function | None:
    code = codes(BY_KEY[key].ours)[0]
    return syntax.tree_of(key, shortened(code.co_filename, BY_KEY[key].ours), code.co_firstlineno)
