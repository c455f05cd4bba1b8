"""The hook and what it records: Step, Trace, snapshots.

What is recorded and saved is raw; every view is derived from it. This module does not import the path, and the path
does not import it: the hook is given a table of stations and watches the code objects that they name.
"""

import collections
import contextlib
import dataclasses
import functools
import importlib
import inspect
import json
import marshal
import opcode
import os
import sys
import threading
import time
import tokenize
import types
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Self, TypeAlias

from explorer.errors import (
    NUMBER,
    OBJECT,
    TEXT,
    TEXT_OR_NULL,
    HookError,
    WrongUse,
    check,
    list_of,
    object_of,
    or_null,
    shorten,
)
from explorer.explorations import HEADERS, SCENARIO
from explorer.payloads import Path, Plain, Value, difference, kind_of, leaves, unmarked
from explorer.snapshots import Copier, Copy, Plan, decoded, encoded, plan
from explorer.stations import BY_KEY, FIELDS, NODES, STATIONS, Station, split

if TYPE_CHECKING:
    import pandas

SCHEMA, READABLE = 2, (1, 2)  # schema 2 marks what JSON cannot hold
LARGEST_TRACE = 64_000_000  # characters of a trace as JSON

OnEnter: TypeAlias = Callable[[types.CodeType, types.FrameType], object]
OnLine: TypeAlias = Callable[[types.CodeType, int], object]
OnLeave: TypeAlias = Callable[[types.CodeType, types.FrameType, object, BaseException | None], object]
OnOther: TypeAlias = Callable[[types.CodeType], bool | None]
_Tracer: TypeAlias = Callable[[types.FrameType, str, Value], '_Tracer | None']  # as sys.settrace takes it
_Way: TypeAlias = list[tuple[Value, str, object]]  # (namespace, key, what is there); the key __code__ is an attribute
Record: TypeAlias = tuple[Value, ...]  # the fields of a Step, the payloads still packed

# -------------------------------------------------------------------------------------------------------- the hook


def codes(name: str) -> tuple[types.CodeType, ...]:
    """Find the code objects of the function with the dotted *name*, below all its decorators.

    Returns: several code objects if a function of novaclient has a version for each range of microversions.
    Raises: LookupError if there is no such function, or if it is a generator or a coroutine, which is entered and left
    many times per visit.
    """
    return _found(name)[0]


@functools.cache  # the code found first stays watched: an application wired before a reload still runs it
def _found(name: str) -> tuple[tuple[types.CodeType, ...], _Way]:
    """Find a function's code objects, and everything on the way to them that a reload would change."""
    way: _Way
    module_name, qualname = split(name)
    path, way = qualname.split('.<locals>.'), []
    try:
        found: object = importlib.import_module(module_name)
        for part in path[0].split('.'):
            space = vars(found)
            if part in space:
                way.append((space, part, space[part]))
            found = space[part] if isinstance(found, type) and part in space else getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise LookupError(f'no function {name}: {error}') from error
    functions = _functions(found)
    results = [function.__code__ for function in functions]
    way += [(function, '__code__', function.__code__) for function in functions]
    for part in path[1:]:
        results = [const for code in results for const in code.co_consts
                   if isinstance(const, types.CodeType) and const.co_name == part]
    if not results:
        raise LookupError(f'no function {name}: {found!r} does not lead to a function')
    if any(code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR)
           for code in results):
        raise LookupError(f'{name} cannot be watched, because it is a generator or a coroutine; name a plain function')
    return tuple(results), way


def _functions(found: object) -> list[types.FunctionType]:
    """Follow the attributes that decorators leave, down to the plain functions."""
    if isinstance(found, types.FunctionType):
        if found.__code__.co_qualname == 'wraps.<locals>.decor.<locals>.substitution':  # of novaclient.api_versions
            name = (found.__closure__ or ())[found.__code__.co_freevars.index('name')].cell_contents
            variants = sys.modules['novaclient.api_versions'].get_substitutions(name)
            return [function for variant in variants for function in _functions(variant.func)]
        inner = getattr(found, '__wrapped__', None)
        if found.__code__.co_qualname == 'expected_exceptions.<locals>.outer.<locals>.inner':  # of oslo_messaging
            inner = (found.__closure__ or ())[found.__code__.co_freevars.index('func')].cell_contents
        return _functions(inner) if inner else [found]
    inner = getattr(found, '__func__', None) or getattr(found, 'func', None)  # bound and class methods; webob's wsgify
    return _functions(inner) if inner else []


def watch(watched: Iterable[types.CodeType], enter: OnEnter, line: OnLine, leave: OnLeave,
          other: OnOther | None = None) -> contextlib.AbstractContextManager[None]:
    """Call back when a function whose code is in *watched* begins, runs a line or ends.

    Shape: enter(code, frame); line(code, number); leave(code, frame, result, error), where error is None for a return;
    other(code), if given, when any other function begins; if it returns False, it is not called again for that code
    object, which the caller must keep alive. The callbacks run in the function's thread and must not raise.
    """
    return (_monitor if hasattr(sys, 'monitoring') else _settrace)(list(watched), enter, line, leave, other)


@contextlib.contextmanager
def _monitor(watched: Sequence[types.CodeType], enter: OnEnter, line: OnLine, leave: OnLeave,
             other: OnOther | None) -> Iterator[None]:
    monitoring = vars(sys)['monitoring']
    tool = next((number for number in (4, 3, 2, 1, 0) if monitoring.get_tool(number) is None), None)
    if tool is None:
        raise HookError('sys.monitoring has no free tool id; stop a debugger or a profiler')
    events, frame, ids = monitoring.events, sys._getframe, frozenset(map(id, watched))

    def start(code: types.CodeType, offset: int) -> object:
        if id(code) in ids:
            return enter(code, frame(1))
        return monitoring.DISABLE if other(code) is False else None  # type: ignore[misc]  # only used with an *other*

    callbacks: dict[int, Callable[..., object]] = {
        events.PY_START: start if other else lambda code, offset: enter(code, frame(1)),
        events.LINE: line,
        events.PY_RETURN: lambda code, offset, result: leave(code, frame(1), result, None),
        # Before Python 3.15, PY_UNWIND cannot be enabled per code object.
        events.PY_UNWIND: lambda code, offset, error: leave(code, frame(1), None, error) if id(code) in ids else None,
    }
    monitoring.use_tool_id(tool, 'nova-explorer')
    if other:
        monitoring.restart_events()  # including those that another watch() has disabled
    try:
        for event, callback in callbacks.items():
            monitoring.register_callback(tool, event, callback)
        for code in watched:
            monitoring.set_local_events(tool, code, events.PY_START | events.LINE | events.PY_RETURN)
        monitoring.set_events(tool, events.PY_UNWIND | (events.PY_START if other else 0))
        yield
    finally:
        monitoring.set_events(tool, 0)
        for code in watched:
            monitoring.set_local_events(tool, code, 0)
        for event in callbacks:
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)


RESTART = 'restart the kernel'
INSIDE = ('a request cannot run while another one is being recorded; '
          'do not call run() from a function of the path, and wait for the first request to end')

# On Python 3.11, a running thread cannot be given a trace function. Threads that outlive a trace are started with this
# gate as their trace function.
_gate: dict[str, _Tracer | None] = {'now': None}


def _through_gate(frame: types.FrameType, event: str, arg: Value) -> _Tracer | None:
    trace = _gate['now']
    return trace(frame, event, arg) if trace else None


@contextlib.contextmanager
def lasting_threads() -> Iterator[None]:
    """Let every later watch() see the threads that are started in this context.

    Python 3.11 needs this; on later versions it does nothing.
    """
    if hasattr(sys, 'monitoring'):
        yield
        return
    before = threading.gettrace()
    threading.settrace(_through_gate)
    try:
        yield
    finally:
        threading.settrace(before)


@contextlib.contextmanager
def _settrace(watched: Sequence[types.CodeType], enter: OnEnter, line: OnLine, leave: OnLeave,
              other: OnOther | None) -> Iterator[None]:
    holder = sys.gettrace() or threading.gettrace()
    if _gate['now'] is not None:
        raise HookError(INSIDE)
    if holder not in (None, _through_gate):
        raise HookError(f'{type(holder).__module__} holds the trace function, which the hook needs on Python 3.11; '
                        f'stop the debugger or the coverage measurement and {RESTART}, or use Python 3.12+')
    on_call = _tracer(frozenset(map(id, watched)), enter, line, leave, other)
    threads_before, _gate['now'] = threading.gettrace(), on_call
    threading.settrace(_through_gate)
    sys.settrace(on_call)
    try:
        yield
        if sys.gettrace() is not on_call or threading.gettrace() is not _through_gate:
            raise HookError('a debugger took the trace function while the request ran, so steps are missing; '
                            f'{RESTART}')
    finally:
        sys.settrace(None)
        threading.settrace(threads_before)
        _gate['now'] = None


def _tracer(ids: frozenset[int], enter: OnEnter, line: OnLine, leave: OnLeave, other: OnOther | None) -> _Tracer:
    """Return a trace function that calls back for the code objects with these ids."""
    quiet: set[int]
    quiet, returns, yields = set(), opcode.opmap['RETURN_VALUE'], opcode.opmap['YIELD_VALUE']

    def on_call(frame: types.FrameType, event: str, arg: Value) -> _Tracer | None:
        raised: BaseException | None
        before: str | None
        key = id(frame.f_code)
        if key in quiet:
            return None
        if key not in ids:
            if other and other(frame.f_code) is False:
                quiet.add(key)
            return None
        raised = before = None

        def on_event(frame: types.FrameType, event: str, arg: Value) -> _Tracer:
            nonlocal raised, before
            if event == 'line':
                line(frame.f_code, frame.f_lineno)
            elif event == 'exception':
                raised = arg[1]
            elif (at := frame.f_code.co_code[frame.f_lasti]) == returns:
                leave(frame.f_code, frame, arg, None)
            elif at != yields or before == 'exception':  # otherwise a generator only pauses
                leave(frame.f_code, frame, None, raised)
            before = event
            return on_event

        enter(frame.f_code, frame)
        return on_event
    return on_call


# ---------------------------------------------------------------------------------------------------- the recorder


class _Visit:
    """A step that is being recorded."""

    __slots__ = ('after', 'also_ran', 'aside', 'before', 'caller', 'code', 'ended_ns', 'error',
                 'frame', 'lines', 'plan', 'result', 'started_ns', 'station', 'thread')
    station: Station
    plan: Plan
    aside: bool
    code: types.CodeType
    frame: int | None  # its id while the visit is open
    caller: '_Visit | None'
    thread: str
    started_ns: int
    ended_ns: int | None
    before: dict[str, Copy]
    after: dict[str, Copy] | None
    result: Copy
    error: Copy
    lines: set[int]
    also_ran: collections.Counter[str] | None


@functools.cache
def _table(stations: tuple[Station, ...], column: str) -> tuple[
        dict[int, tuple[types.CodeType, Station, Plan]], frozenset[str], dict[Station, _Way]]:
    """Find what to watch: ({id of a code object: (code object, station, plan of its locals)}, places, ways).

    Shape: the keys are ids because hashing a code object takes microseconds; *places* are the dotted names of the
    classes that own a station; *ways* is {station: what a reload would change}, as in `_found`.
    """
    table, ways = {}, {}
    for station in stations:
        found, ways[station] = _found(getattr(station, column))
        for code in found:
            made_with = [name for name in station.made_with if name in code.co_freevars]
            own = plan(dict.fromkeys(code.co_varnames + code.co_cellvars), station.shows)
            table[id(code)] = code, station, (*own, *plan(made_with))
            text_as_imported(code.co_filename)
    names = {name for station in stations for name in (station.nova, station.ours)}
    return table, frozenset(name.rpartition('.')[0] for name in names if '<' not in name), ways


def _replaced(ways: dict[Station, _Way], column: str) -> str | None:
    """Return the module of a station whose function is no longer the one that is watched, or None."""
    for station, way in ways.items():
        for space, key, there in way:
            if (space.__code__ if key == '__code__' else space.get(key)) is not there:
                return split(getattr(station, column))[0]
    return None


def text_as_imported(filename: str) -> tuple[str, ...]:
    """Return the lines of a Python file as they were at the first call, or () if it cannot be read.

    Later changes to the file do not affect the code that runs.
    """
    return _as_imported(filename)[1]


def was_written(filename: str) -> bool:
    """Return whether a file has been written since `text_as_imported` first read it."""
    return _stamp(filename) != _as_imported(filename)[0]


@functools.cache
def _as_imported(filename: str) -> tuple[tuple[int, int] | None, tuple[str, ...]]:
    try:
        with tokenize.open(filename) as file:
            return _stamp(filename), tuple(file.read().splitlines(keepends=True))
    except (OSError, SyntaxError, ValueError):
        return _stamp(filename), ()


def _stamp(filename: str) -> tuple[int, int] | None:
    try:
        found = os.stat(filename)
        return found.st_mtime_ns, found.st_size
    except (OSError, ValueError):
        return None


class Recorder:
    """Record what happens at the stations, in all threads, while the `with` block runs.

    Shape: *stations* are rows of the table; *column* says which of their names to watch: 'ours' or 'nova'. *aside* is
    called with the locals of every visit that begins an exchange with the API; if it returns True, only the stations of
    the exploration `client` are recorded until the visit ends. *name_other*, if given, is called as
    name_other(file name, qualified name), once for every other function that runs, and returns a name or None.
    Functions that it names are counted in the visit in which they run.
    Raises: LookupError for a name that does not lead to a function; HookError if the hook cannot see everything, at the
    beginning if that is known by then, otherwise at the end; HookError at the end if a callback failed.
    """

    _names: dict[int, tuple[str | None, types.CodeType]]
    _visits: list[_Visit]
    _stacks: collections.defaultdict[int, list[_Visit]]
    _failure: Exception | None

    def __init__(self, stations: Iterable[Station] = STATIONS, column: str = 'ours',
                 aside: Callable[[Plain], bool] = lambda values: False,
                 name_other: Callable[[str, str], str | None] | None = None) -> None:
        self._stations, places, self._ways = _table(tuple(stations), column)
        self._aside, self._name_other, self._column, self._names = aside, name_other, column, {}
        self._copier = Copier(places)
        self._visits, self._stacks, self._failure = [], collections.defaultdict(list), None
        self._idle = threading.Condition()

    def __enter__(self) -> Self:
        self._see_that_nothing_was_reloaded()
        self._watch = watch([code for code, *_ in self._stations.values()], self._enter, self._liner(), self._leave,
                            self._other if self._name_other else None)
        self._watch.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: types.TracebackType | None) -> None:
        self._watch.__exit__(kind, error, traceback)
        if kind:
            return
        if self._failure:
            raise HookError(f'the hook failed: {self._failure!r}; '
                            'this is a bug in the explorer, please report it') from self._failure
        self._see_that_nothing_was_reloaded()

    def _see_that_nothing_was_reloaded(self) -> None:
        if module := _replaced(self._ways, self._column):
            raise HookError(f'{module} was reloaded, or one of its functions was replaced, '
                            f'so its steps would be missing; {RESTART}')

    def join(self, timeout: float) -> bool:
        """Wait until no visit is open, but at most *timeout* seconds; return whether none is open."""
        with self._idle:
            return self._idle.wait_for(lambda: not any(self._stacks.values()), timeout)

    def is_inside(self) -> bool:
        """Return whether the calling thread is inside a visit."""
        return bool(self._stacks.get(threading.get_ident()))

    def count(self, after: str) -> int:
        """Count the visits that the station with the key *after* caused on another thread."""
        return sum(visit.caller is None and visit.station.after == after for visit in self._visits)

    def _enter(self, code: types.CodeType, frame: types.FrameType) -> bool | None:
        try:
            stack = self._stacks[threading.get_ident()]
            _, station, plan_ = self._stations[id(code)]
            caller = stack[-1] if stack else None
            if caller is None:
                aside = station.after == 'http' and self._aside(frame.f_locals)
            elif caller.station.last:
                return self._other(code) if self._name_other else None
            elif (aside := caller.aside) and station.exploration != 'client':
                return None
            visit = _Visit()
            visit.station, visit.plan, visit.code, visit.frame, visit.lines = station, plan_, code, id(frame), set()
            visit.aside, visit.caller = aside, caller
            visit.thread = caller.thread if caller else threading.current_thread().name
            visit.also_ran = visit.ended_ns = visit.after = visit.result = visit.error = None
            visit.before = self._copier.locals(frame.f_locals, plan_)
            stack.append(visit)
            self._visits.append(visit)
            visit.started_ns = time.perf_counter_ns()
        except Exception as error:
            self._failure = self._failure or error
        return None

    def _other(self, code: types.CodeType) -> bool | None:
        known = self._names.get(id(code))
        if known is None:
            known = self._names[id(code)] = (
                self._name_other(code.co_filename, code.co_qualname),  # type: ignore[misc]  # not called without one
                code)  # kept, so that no other code gets its id
        if known[0] is None:
            return False
        stack = self._stacks.get(threading.get_ident())
        if stack:
            visit = stack[-1]
            visit.also_ran = visit.also_ran or collections.Counter()
            visit.also_ran[known[0]] += 1
        return None

    def _liner(self) -> OnLine:
        """Return the callback for lines, which is called thousands of times per request."""
        stacks, ident = self._stacks, threading.get_ident

        def line(code: types.CodeType, number: int) -> None:
            stack = stacks.get(ident())
            if stack and (visit := stack[-1]).code is code:
                visit.lines.add(number)
        return line

    def _leave(self, code: types.CodeType, frame: types.FrameType, result: object, error: BaseException | None) -> None:
        ended_ns = time.perf_counter_ns()
        try:
            stack = self._stacks[threading.get_ident()]
            if not stack or stack[-1].frame != id(frame):
                return  # it began before the hook was set
            visit, copier = stack.pop(), self._copier
            visit.ended_ns, visit.frame = ended_ns, None
            visit.after = copier.locals(frame.f_locals, visit.plan)
            visit.result = copier.value(result)
            if error is not None:
                visit.error = copier.value(error)
            if not stack:
                with self._idle:
                    self._idle.notify_all()
        except Exception as failure:
            self._failure = self._failure or failure

    def records(self) -> tuple[list[Record], dict[int, dict[str, int]]]:
        """Return the visits in causal order, as (records, also_ran).

        Shape: also_ran is what else ran in each visit, {index of its record: {name: how often}}.
        Order: a visit comes first, then the visits that it calls, then any visit that it causes on another thread; the
        last comes at the very end instead if nobody waits for it.
        """
        ordered, hops = _causal(list(self._visits))
        also_ran = {index: dict(visit.also_ran) for index, visit in enumerate(ordered) if visit.also_ran}
        return _records(ordered, hops, self._column), also_ran


def _causal(visits: list[_Visit]) -> tuple[list[_Visit], dict[_Visit, _Visit]]:
    """Sort visits into causal order: (ordered, {visit: the visit on another thread that caused it})."""
    senders: dict[str | None, list[_Visit]] = collections.defaultdict(list)
    calls: dict[_Visit, list[_Visit]]
    roots: list[_Visit]
    hops: dict[_Visit, _Visit]
    calls, roots, hops = collections.defaultdict(list), [], {}
    for visit in visits:
        senders[visit.station.key].append(visit)
    for visit in visits:
        if visit.caller:
            calls[visit.caller].append(visit)
        elif sender := _sender(visit, senders[visit.station.after]):
            hops[visit] = sender
            waits = sender.before.get('wait_for_reply', True)  # a cast does not wait
            (calls[sender] if waits else roots).append(visit)
        elif visit.station.after in (None, 'http'):
            roots.append(visit)
        # Otherwise its sender was put aside.
    ordered: list[_Visit] = []
    for root in roots:
        _walk(root, calls, ordered)
    return ordered, hops


def _sender(visit: _Visit, candidates: list[_Visit]) -> _Visit | None:
    """Find the visit that caused this one: the last candidate that began before it, for the same request."""
    request = _request_id(visit)
    before = [v for v in candidates if v.started_ns <= visit.started_ns and _request_id(v) in (None, request)]
    return before[-1] if before else None


def _request_id(visit: _Visit) -> Value:
    """Return the request id that a message carries in its context."""
    incoming, context = (decoded(visit.before.get(name)) for name in ('incoming', 'ctxt'))
    context = incoming[0].get('ctxt') if incoming else context
    return context.get('request_id') if isinstance(context, dict) else None


def _walk(visit: _Visit, calls: dict[_Visit, list[_Visit]], ordered: list[_Visit]) -> None:
    if not visit.aside or visit.station.exploration == 'client':
        ordered.append(visit)
    for call in calls[visit]:
        _walk(call, calls, ordered)


def _records(ordered: list[_Visit], hops: dict[_Visit, _Visit], column: str) -> list[Record]:
    """Turn visits into records; what a station's row leaves open comes from the caller."""
    index: dict[_Visit | None, int]
    places: dict[_Visit | None, tuple[str, str, str]]
    records: list[Record]
    index, places, records, process = {}, {}, [], os.getpid()
    for visit in ordered:
        station, caller = visit.station, visit.caller
        sender = hops.get(visit)
        while caller is not None and caller not in index:  # it was put aside, so its own cause counts
            sender, caller = hops.get(caller), caller.caller
        given = places.get(caller or sender, ('client', 'api', 'nova-api'))
        places[visit] = exploration, node, service = (
            station.exploration or given[0], station.node or given[1], station.service or given[2])
        index[visit] = len(records)
        code = visit.code
        records.append((
            len(records), exploration, station.key, station.nova, shortened(code.co_filename, getattr(station, column)),
            code.co_firstlineno, sorted(visit.lines), node, service, process, visit.thread,
            index.get(caller), index.get(sender), visit.before, visit.after, visit.result, visit.error,
            visit.started_ns, visit.ended_ns))
    return records


@functools.cache
def shortened(filename: str, name: str) -> str:
    """Shorten a file name to what follows the folder that holds its package."""
    package = f'{os.sep}{name.partition(".")[0]}{os.sep}'
    start = filename.rfind(package)
    return filename[start + 1:].replace(os.sep, '/') if start >= 0 else os.path.basename(filename)


# --------------------------------------------------------------------------------------------------- Step and Trace


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One visit of one station.

    Shape: *before* and *after* are the locals, as snapshots; *lines* are the numbers of the lines that ran; *parent* is
    the index of the calling step; *hop_from* is the index of the step on another thread from which the request came.
    *node* and *service* are declared; *process* and *thread* are observed. Times are from one monotonic clock.
    """

    index: int
    exploration: str
    station: str
    qualname: str
    file: str
    line: int
    lines: list[int]
    node: str
    service: str
    process: int
    thread: str
    parent: int | None
    hop_from: int | None
    before: Plain | None
    after: Plain | None
    result: Value
    error: Value
    started_ns: int
    ended_ns: int | None


Sighting: TypeAlias = tuple[Step, str, Path, Value]  # (step, 'before', 'after' or 'result', path, value)
_PAYLOADS = tuple(map(Step.__slots__.index, ('before', 'after', 'result', 'error')))


def pack(records: list[Record], secrets: Iterable[str] = ()) -> bytes:
    """Compress records, keep what they share only once, and overwrite any of the *secrets* that is still in a text."""
    data = marshal.dumps(records)
    for secret in secrets:
        data = data.replace(secret.encode(), b'*' * len(secret.encode()))
    return zlib.compress(data, 1)


@functools.lru_cache(maxsize=32)
def unpacked(packed: bytes) -> tuple[Step, ...]:
    """Return the steps that were packed; those of the last 32 traces stay in memory."""
    return steps(marshal.loads(zlib.decompress(packed)))


def steps(records: Iterable[Record]) -> tuple[Step, ...]:
    """Turn records into steps; equal payloads become one object."""
    known: dict[bytes, Value] = {}

    def payload(copy: Value) -> Value:
        if type(copy) is dict:
            return {name: payload(part) for name, part in copy.items()}
        if type(copy) is not bytes:
            return copy
        if copy not in known:
            known[copy] = decoded(copy)
        return known[copy]

    return tuple(Step(*(payload(field) if number in _PAYLOADS else field for number, field in enumerate(record)))
                 for record in records)


def _record(step: Plain) -> Record:
    """Turn a step that was read from JSON back into a record."""
    copies: Plain = {name: encoded(step[name]) for name in ('result', 'error')}
    for name in ('before', 'after'):
        copies[name] = step[name] and {key: encoded(part) for key, part in step[name].items()}
    return tuple(copies[name] if name in copies else step[name] for name in Step.__slots__)


_STEP = object_of(
    index=NUMBER, exploration={'enum': sorted({row.exploration for row in STATIONS if row.exploration})},
    station={'enum': list(BY_KEY)}, qualname=TEXT, file=TEXT, line=NUMBER, lines=list_of(NUMBER),
    node={'enum': list(NODES)}, service=TEXT, process=NUMBER, thread=TEXT,
    parent={'type': ['integer', 'null']}, hop_from={'type': ['integer', 'null']}, before=or_null(OBJECT),
    after=or_null(OBJECT), result={}, error={}, started_ns=NUMBER, ended_ns={'type': ['integer', 'null']})
_SENT = object_of(method=TEXT, path=TEXT, headers=HEADERS, body={})
_ANSWERED = object_of(status=NUMBER, headers=HEADERS, body={})
_MESSAGE = object_of(kind={'enum': ['cast', 'call']}, method=TEXT, version=TEXT, args=OBJECT)
TRACE = object_of(
    'also_ran', schema=NUMBER, engine=TEXT, versions={'type': 'object', 'additionalProperties': TEXT},
    scenario={'anyOf': [{'type': 'object', 'maxProperties': 0}, {**SCENARIO, 'additionalProperties': False}]},
    request=or_null(_SENT), response=or_null(_ANSWERED), messages=list_of(_MESSAGE), outcome=or_null(OBJECT),
    note=TEXT_OR_NULL, steps=list_of(_STEP), also_ran={'type': 'object', 'additionalProperties': {
        'type': 'object', 'additionalProperties': NUMBER}})


def _no_number(name: str) -> Value:
    raise ValueError(f'{name} is not JSON')


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """A request and what became of it.

    The steps are kept packed, at about one twentieth of their size as JSON.

    Shape: *request* {method, path, headers, body} and *response* {status, headers, body} belong to the last exchange;
    None if there was none. *messages* have the form of `rpc` in the recordings, with real ids. *outcome*
    {vm_state_after, task_state_after, actions, faults} is what the database holds about the server afterwards. *note*
    is the client's message if it gave up, or what was still running when the wait ended. *also_ran* {index as text:
    {dotted name: how often}} lists the other functions of Nova that ran in each step, if they were watched.
    """

    engine: str
    versions: dict[str, str]
    scenario: Plain
    request: Plain | None
    response: Plain | None
    messages: list[Plain]
    outcome: Plain | None
    note: str | None
    packed: bytes = dataclasses.field(repr=False)
    also_ran: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    schema: int = SCHEMA

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trace) and self._head() == other._head() and self.steps == other.steps

    def __repr__(self) -> str:
        status = self.response['status'] if self.response else 'no response'
        return f'<Trace {self.engine}: {len(self.steps)} steps, {status}>'

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the steps in causal order."""
        return unpacked(self.packed)

    def _head(self) -> Plain:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != 'packed'}

    def to_json(self) -> str:
        """Return the trace as one JSON text, for a file or another process."""
        head = self._head()
        steps = [{name: getattr(step, name) for name in Step.__slots__} for step in self.steps]
        return json.dumps({'schema': head.pop('schema'), **head, 'steps': steps})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what to_json wrote.

        Raises: WrongUse for a text that is not a trace, or that has a schema this version cannot read.
        """
        if isinstance(text, str | bytes) and len(text) > LARGEST_TRACE:
            raise WrongUse(f'not a trace: it has {len(text):,} characters, but a trace has at most {LARGEST_TRACE:,}; '
                           'pass a text that Trace.to_json() wrote')
        try:
            data = json.loads(text, parse_constant=_no_number)
        except (ValueError, TypeError, RecursionError) as error:
            raise WrongUse(f'not a trace: {error}; pass a text that Trace.to_json() wrote') from error
        if not isinstance(data, dict) or 'schema' not in data:
            raise WrongUse('not a trace: it has no schema; pass a text that Trace.to_json() wrote')
        if data['schema'] not in READABLE or type(data['schema']) is not int:
            raise WrongUse(f'the trace has schema {shorten(data["schema"])}, '
                           f'but this version reads only up to {SCHEMA}; record it again')
        data.setdefault('also_ran', data.pop('besides', {}))  # what schema 1 called it
        check(data, TRACE, 'damaged or foreign trace', 'record it again with this version')
        for index, step in enumerate(data['steps']):
            causes = [cause for cause in (step['parent'], step['hop_from']) if cause is not None]
            if step['index'] != index or not all(0 <= cause < index for cause in causes):
                raise WrongUse(f'damaged trace: step {index} is out of order; record it again')
        try:
            unmarked(data['scenario'])
            packed = pack([_record(step) for step in data['steps']])
        except (TypeError, ValueError, RecursionError) as error:  # not Unicode, too long a number, or too many levels
            raise WrongUse(f'damaged trace: {error}; record it again') from error
        names = {field.name for field in dataclasses.fields(cls)} - {'packed'}
        return cls(**{name: data[name] for name in names if name in data}, packed=packed)

    def find(self, station: str) -> list[Step]:
        """Return the steps at the station with that key."""
        return [step for step in self.steps if step.station == station]

    def changes(self, step: Step | int) -> dict[str, dict[Path, Value]]:
        """Return what a step changed in its payload, as `difference` does; *step* may be its index."""
        step = self.steps[step] if isinstance(step, int) else step
        return difference(step.before or {}, step.after or {})

    def follow(self, name: str) -> list[Sighting]:
        """Find a field under every name that it takes: (step, when, path, value), in causal order.

        Shape: *name* is a key of FIELDS or the end of a dotted path: 'instance.task_state'; *when* is 'before', 'after'
        or 'result'.
        """
        ends = FIELDS.get(name) or (tuple(name.split('.')),)
        return [(step, when, path, value) for step, when, path, value in self.values()
                if any((None, *path)[-len(end):] == end for end in ends)]

    def values(self) -> Iterator[Sighting]:
        """Walk all payloads and yield (step, when, path, value), where *when* is 'before', 'after' or 'result'."""
        for step in self.steps:
            for when, payload in (('before', step.before), ('after', step.after), ('result', {'result': step.result})):
                for path, value in leaves(payload or {}):
                    yield step, when, path, value

    def journey(self, name: str | None = None) -> 'pandas.DataFrame':
        """Return a table of where a field was, under which name and with which value; without *name*, of every field.

        Shape: a row for each appearance of the field whose name or value differs from that in its previous row.
        """
        import pandas
        last: dict[object, tuple[Path, str]]
        rows, last = [], {}
        for step, when, path, value in self.follow(name) if name else self.values():
            key = path if name is None else name
            if (text := (path, repr(value))) != last.get(key):
                last[key] = text
                rows.append((step.index, step.exploration, step.node, step.station, when, '.'.join(map(str, path)),
                             kind_of(value), value))
        columns = ['step', 'exploration', 'node', 'station', 'when', 'name', 'type', 'value']
        return pandas.DataFrame(rows, columns=columns, dtype=object).astype({'step': int})  # otherwise None becomes NaN
