"""Follow a field through a trace: under which names and values it travels, where a value came from, where it goes.

A payload at the return of a visit holds what the visits within it made, so a value is looked for in the order of the
moments: the first moment that holds it is where it came from.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from explorer.explorations import OPTIONS
from explorer.payloads import Path, Value, is_marked, kind_of, leaves
from explorer.stations import BY_KEY, NODES
from explorer.trace import Step, Trace, unpacked
from explorer.views.facts import field_of
from explorer.views.moments import When, moments_of
from explorer.views.syntax import MISSING, assignments, returns_at, stores, value_in
from explorer.views.text import literal, short, visible


class Origin(NamedTuple):
    """The first moment that holds a value of a field, and the line that made it; None where that is not known."""

    step: int  # its index
    moment: When
    line: int | None


class Appearance(NamedTuple):
    """A name, type and value that a field takes on a node."""

    node: str
    path: str  # dotted
    kind: str
    value: str
    steps: list[int]  # indices of the steps that hold it in this form, by the first moment that does
    origin: Origin  # of the value, under whichever name


class Occurrence(NamedTuple):
    """The first place where a field has a particular name, type and value."""

    step: int | str  # its index; '' for the command line
    where: str
    station: str
    path: str  # dotted
    kind: str
    value: str


def journeys(trace: Trace) -> dict[str, list[Appearance]]:
    """Follow every field: {field: a row for each name, type and value that it takes on a node, in causal order}."""
    return _journeys(trace.packed)


_First: TypeAlias = tuple[int, When, Path, Value]  # what a moment holds, and where
# Of a step: {field: (value, line) of each local that was assigned}, {attribute: (value, line) of each that was}.
_Made: TypeAlias = tuple[dict[str, list[tuple[Value, int]]], dict[str, list[tuple[Value, int]]]]


class _Form:
    """A form that a field takes: how it is shown, and where it is first held."""

    __slots__ = ('first', 'shown', 'steps')

    def __init__(self, shown: tuple[str, str, str, str], first: _First) -> None:
        self.shown, self.first = shown, first
        self.steps: dict[int, None] = {}


@functools.lru_cache(maxsize=4)
def _journeys(packed: bytes) -> dict[str, list[Appearance]]:
    found: dict[str, dict[tuple[Value, ...], _Form]] = {}
    known: dict[tuple[str, str, int], list[_Form]] = {}
    steps = unpacked(packed)
    for index, moment in moments_of(packed):
        step = steps[index]
        payloads = [step.before or {}] if moment == 'entry' else [step.after or {}, {'result': step.result}]
        for name, part in (item for payload in payloads for item in payload.items()):
            key = step.node, name, id(part)  # steps share what is equal
            if key not in known:
                known[key] = _forms(found, step, moment, name, part)
            for form in known[key]:
                form.steps[index] = None
    made = functools.cache(lambda index: _made(steps[index]))
    return {name: _appearances(steps, made, name, list(forms.values())) for name, forms in found.items()}


def _forms(found: dict[str, dict[tuple[Value, ...], _Form]], step: Step, moment: When,
           name: str, part: Value) -> list[_Form]:
    """Return the forms for what is in a part of a payload; add to *found* those that are new."""
    forms = []
    for path, value in leaves(part, (name,)):
        field = field_of(path)
        if field and path[-1] != '':
            plain = literal(value) if is_marked(value) else value if type(value) not in (list, dict) else None
            key = step.node, path[-2:], kind_of(value), plain
            known = found.setdefault(field, {})
            if key not in known:
                dotted = visible('.'.join(map(str, path)))
                known[key] = _Form((step.node, dotted, kind_of(value), short(value)), (step.index, moment, path, value))
            forms.append(known[key])
    return forms


def _appearances(steps: Sequence[Step], made: Callable[[int], _Made], field: str,
                 forms: list[_Form]) -> list[Appearance]:
    origins: dict[tuple[str, str], Origin] = {}
    for form in forms:  # in the order of their first moments
        if form.shown[2:] not in origins:
            index, moment, path, _ = form.first
            maker = _made_by(steps, made, field, form.first) if moment == 'entry' else None
            origins[form.shown[2:]] = maker or Origin(index, moment, _line(steps[index], moment, path))
    return [Appearance(*form.shown, list(form.steps), origins[form.shown[2:]]) for form in forms]


def _line(step: Step, moment: str, path: Path) -> int | None:
    """Return the line that made what a visit holds at a path, None if it came in or the text does not say."""
    if moment == 'entry':
        return None
    if path[0] == 'result':
        statement = returns_at(step)
        return statement.lineno if statement else None
    return next((each.line for each in assignments(step) if each.name == path[0]), None)


def _made_by(steps: Sequence[Step], made: Callable[[int], _Made], field: str, first: _First) -> Origin | None:
    """Find the open visit whose text assigned a value that came in with a call, a request or a message."""
    index, _, path, value = first
    cause = _cause(steps[index])
    while cause is not None:
        local, stored = made(cause)
        if field in local or path[-1] in stored:
            known = (*local.get(field, ()), *stored.get(path[-1], ()))
            lines = [line for other, line in known if same(other, value)]
            if len(lines) == 1:
                return Origin(cause, 'return', lines[0])
        cause = _cause(steps[cause])
    return None


def _made(step: Step) -> _Made:
    """Return what the text of a visit assigned: to its locals, by field, and to attributes, by their names."""
    local: dict[str, list[tuple[Value, int]]] = {}
    stored: dict[str, list[tuple[Value, int]]] = {}
    for name, line, value in assignments(step):
        local.setdefault(field_of((name,)), []).append((value, line))
    for target, line in stores(step):
        value = value_in(step.after, target)
        if value is not MISSING and not same(value_in(step.before, target), value):
            stored.setdefault(target[-1], []).append((value, line))
    return local, stored


def _cause(step: Step) -> int | None:
    return step.parent if step.parent is not None else step.hop_from


def same(one: Value, other: Value) -> bool:
    """Return whether two values are equal and of one type: 1 is not True."""
    return type(one) is type(other) and bool(one == other)


def field_rows(trace: Trace, name: str) -> list[Occurrence]:
    """List where a field first has each name, type and value, from the command line on."""
    rows = [Occurrence('', 'command line', 'nova live-migration', *first)] if (first := given(trace, name)) else []
    for node, path, kind, value, steps, _ in journeys(trace).get(name, ()):
        step = trace.steps[steps[0]]
        rows.append(Occurrence(step.index, NODES[node], BY_KEY[step.station].name, path, kind, value))
    return rows


def given(trace: Trace, name: str) -> tuple[str, str, str] | tuple[()]:
    """Return how the command line specifies a field: (option, type, value), or () if there is none."""
    option = OPTIONS.get(name)
    if not option or 'python-novaclient' not in trace.versions:
        return ()
    value = trace.scenario[option[0]]
    return (option[1], type(value).__name__,
            'left out' if value in (None, False) else 'given' if value is True else short(value))
