"""The hook and what it records: Step, Trace, snapshots.

Record raw, save raw, derive every view. Nothing here knows the path, and the path knows nothing of this: the hook is
given a table of stations and watches the code objects that it names.
"""

import collections
import contextlib
import dataclasses
import functools
import importlib
import json
import marshal
import opcode
import os
import sys
import threading
import time
import types
import zlib

import orjson

from explorer.shapes import TRACE, check
from explorer.snapshots import ATOMS, Copier, decoded, plan
from explorer.stations import FIELDS, STATIONS, WrongUse, split

SCHEMA = 1

# -------------------------------------------------------------------------------------------------------- the hook


class HookError(RuntimeError):
    """The hook failed; the request that it watched did not notice."""


def codes(name):
    """Find the code objects of the function with a dotted *name*, below all its decorators.

    Returns: a tuple; one function of novaclient has a code for each range of microversions.
    Raises: LookupError, if there is no such function.
    """
    module_name, qualname = split(name)
    path = qualname.split('.<locals>.')
    try:
        found = importlib.import_module(module_name)
        for part in path[0].split('.'):
            found = vars(found)[part] if isinstance(found, type) and part in vars(found) else getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise LookupError(f'no function {name}: {error}') from error
    results = [function.__code__ for function in _functions(found)]
    for part in path[1:]:
        results = [const for code in results for const in code.co_consts
                   if isinstance(const, types.CodeType) and const.co_name == part]
    if not results:
        raise LookupError(f'no function {name}: {found!r} leads to none')
    return tuple(results)


def _functions(found):
    """Follow the marks that decorators leave, down to the plain functions."""
    if isinstance(found, types.FunctionType):
        if found.__code__.co_qualname == 'wraps.<locals>.decor.<locals>.substitution':  # of novaclient.api_versions
            name = found.__closure__[found.__code__.co_freevars.index('name')].cell_contents
            variants = sys.modules['novaclient.api_versions'].get_substitutions(name)
            return [function for variant in variants for function in _functions(variant.func)]
        inner = getattr(found, '__wrapped__', None)
        if found.__code__.co_qualname == 'expected_exceptions.<locals>.outer.<locals>.inner':  # of oslo_messaging
            inner = found.__closure__[found.__code__.co_freevars.index('func')].cell_contents
        return _functions(inner) if inner else [found]
    inner = getattr(found, '__func__', None) or getattr(found, 'func', None)  # bound and class methods; webob's wsgify
    return _functions(inner) if inner else []


def watch(watched, enter, line, leave, other=None):
    """Call back when a function whose code is in *watched* begins, runs a line, ends.

    Shape: enter(code, frame), line(code, number), leave(code, frame, result, error); error is None for a return;
    other(code), where it is wanted, when any other function begins; where it says False, it is not asked again about that
    code, which has to live on. The callbacks run in the thread of the function, and must not raise.
    """
    return (_monitor if hasattr(sys, 'monitoring') else _settrace)(list(watched), enter, line, leave, other)


@contextlib.contextmanager
def _monitor(watched, enter, line, leave, other):
    monitoring = sys.monitoring
    tool = next((number for number in (4, 3, 2, 1, 0) if monitoring.get_tool(number) is None), None)
    if tool is None:
        raise HookError('all places for tools of sys.monitoring are taken; stop a debugger or a profiler')
    events, frame, ids = monitoring.events, sys._getframe, frozenset(map(id, watched))

    def start(code, offset):
        if id(code) in ids:
            return enter(code, frame(1))
        return monitoring.DISABLE if other(code) is False else None

    callbacks = {
        events.PY_START: start if other else lambda code, offset: enter(code, frame(1)),
        events.LINE: line,
        events.PY_RETURN: lambda code, offset, result: leave(code, frame(1), result, None),
        # This one can't be had for some codes only.
        events.PY_UNWIND: lambda code, offset, error: leave(code, frame(1), None, error) if id(code) in ids else None,
    }
    monitoring.use_tool_id(tool, 'nova-explorer')
    if other:
        monitoring.restart_events()  # those that another watch() did not want to hear of
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


# On 3.11 a running thread can't be given a trace function. Threads that outlive a trace are started under this gate.
_gate = {'now': None}


def _through_gate(frame, event, arg):
    trace = _gate['now']
    return trace(frame, event, arg) if trace else None


@contextlib.contextmanager
def lasting_threads():
    """Start threads in here that a later watch() shall see; needed on 3.11, and harmless elsewhere."""
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
def _settrace(watched, enter, line, leave, other):
    return_value, ids, quiet = opcode.opmap['RETURN_VALUE'], frozenset(map(id, watched)), set()

    def on_call(frame, event, arg):
        key = id(frame.f_code)
        if key in quiet:
            return None
        if key not in ids:
            if other and other(frame.f_code) is False:
                quiet.add(key)
            return None
        raised = []

        def on_event(frame, event, arg):
            if event == 'line':
                line(frame.f_code, frame.f_lineno)
            elif event == 'exception':
                raised[:] = arg[1:2]
            elif frame.f_code.co_code[frame.f_lasti] == return_value:
                leave(frame.f_code, frame, arg, None)
            else:
                leave(frame.f_code, frame, None, raised[0])
            return on_event

        enter(frame.f_code, frame)
        return on_event

    before, threads_before = sys.gettrace(), threading.gettrace()
    _gate['now'] = on_call
    threading.settrace(_through_gate)
    sys.settrace(on_call)
    try:
        yield
    finally:
        sys.settrace(before)
        threading.settrace(threads_before)
        _gate['now'] = None


# ---------------------------------------------------------------------------------------------------- the recorder


class _Visit:
    """A step in the making."""

    __slots__ = ('station', 'plan', 'aside', 'code', 'frame', 'caller', 'called', 'thread', 'started_ns', 'ended_ns',
                 'before', 'after', 'result', 'error', 'lines', 'besides')


@functools.cache
def _table(stations, column):
    """Give {id of a code: (code, station, plan of its locals)}; and the classes that own a station: they are places.

    By id, as it takes microseconds to hash a code.
    """
    table = {}
    for station in stations:
        for code in codes(getattr(station, column)):
            names = dict.fromkeys(code.co_varnames + code.co_cellvars)
            table[id(code)] = code, station, plan(names, station.shows)
    names = {name for station in stations for name in (station.nova, station.ours)}
    return table, frozenset(name.rpartition('.')[0] for name in names if '<' not in name)


def _next_instruction(frame):
    """Give the offset of what a frame runs next, past the caches that follow the instruction it is at."""
    instructions, offset = frame.f_code.co_code, frame.f_lasti + 2
    while instructions[offset] == 0:
        offset += 2
    return offset


class Recorder:
    """Record what happens at the stations, in all threads, while the block of `with` runs.

    Shape: *stations* are rows of the table, *column* says which of their names to watch: 'ours' or 'nova'. *aside* is
    asked with the locals of every visit that begins an exchange with the API; where it says yes, only the stations of
    the exploration `client` are recorded until the visit ends. *beside*, if given, is asked for the name of every other
    function that runs, beside(file name, qualified name); those it names are counted with the visit in which they run.
    Raises: LookupError for a name that leads to no function; HookError, at the end, if a callback failed.
    """

    def __init__(self, stations=STATIONS, column='ours', aside=lambda values: False, beside=None):
        self._stations, places = _table(tuple(stations), column)
        self._aside, self._beside, self._column, self._names = aside, beside, column, {}
        self._copier = Copier(places)
        self._visits, self._stacks, self._failure = [], collections.defaultdict(list), None
        self._idle = threading.Condition()

    def __enter__(self):
        self._watch = watch([code for code, *_ in self._stations.values()], self._enter, self._line, self._leave,
                            self._other if self._beside else None)
        self._watch.__enter__()
        return self

    def __exit__(self, *error):
        self._watch.__exit__(*error)
        if self._failure and not error[0]:
            raise HookError(f'the hook failed: {self._failure!r}') from self._failure

    def join(self, timeout):
        """Wait until no visit is open; say whether it came to that within *timeout* seconds."""
        with self._idle:
            return self._idle.wait_for(lambda: not any(self._stacks.values()), timeout)

    def _enter(self, code, frame):
        try:
            stack = self._stacks[threading.get_ident()]
            visit = _Visit()
            _, visit.station, visit.plan = self._stations[id(code)]
            visit.besides = None
            if stack:
                if stack[-1].station.last:
                    return self._other(code) if self._beside else None
                visit.aside = stack[0].aside
                if visit.aside and visit.station.exploration != 'client':
                    return
            else:
                visit.aside = visit.station.after == 'http' and self._aside(frame.f_locals)
            visit.code, visit.frame, visit.lines = code, id(frame), set()
            visit.caller = stack[-1] if stack else None
            visit.thread = visit.caller.thread if stack else threading.current_thread().name
            visit.ended_ns = visit.after = visit.result = visit.error = visit.called = None
            visit.before = self._copier.locals(frame.f_locals, visit.plan)
            stack.append(visit)
            self._visits.append(visit)
            visit.started_ns = time.perf_counter_ns()
        except Exception as error:
            self._failure = self._failure or error

    def _other(self, code):
        known = self._names.get(id(code))
        if known is None:
            known = self._names[id(code)] = self._beside(code.co_filename, code.co_qualname), code  # which keeps the id taken
        if known[0] is None:
            return False
        stack = self._stacks.get(threading.get_ident())
        if stack:
            visit = stack[-1]
            visit.besides = visit.besides or collections.Counter()
            visit.besides[known[0]] += 1
        return None

    def _line(self, code, number):
        stack = self._stacks.get(threading.get_ident())
        if stack and stack[-1].code is code:
            stack[-1].lines.add(number)

    def _leave(self, code, frame, result, error):
        ended_ns = time.perf_counter_ns()
        try:
            stack = self._stacks[threading.get_ident()]
            if not stack or stack[-1].frame != id(frame):
                return  # it began before we watched
            visit, copier = stack.pop(), self._copier
            visit.ended_ns, visit.frame = ended_ns, None
            visit.after = copier.locals(
                frame.f_locals, visit.plan, at_once=visit.called == (len(self._visits), frame.f_lasti))
            visit.result = copier.value(result)
            if error is not None:
                visit.error = copier.value(error)
            if stack:
                # Where the caller's next instruction is its return, nothing runs between this copy and the next.
                caller = frame.f_back
                if caller is not None and caller.f_code is stack[-1].code:
                    stack[-1].called = len(self._visits), _next_instruction(caller)
            else:
                with self._idle:
                    self._idle.notify_all()
        except Exception as failure:
            self._failure = self._failure or failure

    def records(self):
        """Put the visits into causal order and give them as records: tuples of the fields of Step, payloads still JSON.

        Order: a visit comes before what it calls. What it sends to another thread comes after its calls, but what
        nobody waits for comes last.
        """
        return _records(*_causal(list(self._visits)), self._column)

    def besides(self):
        """Give what else ran in each visit: {index of its record: {name: how often}}."""
        ordered, _ = _causal(list(self._visits))
        return {index: dict(visit.besides) for index, visit in enumerate(ordered) if visit.besides}


def _causal(visits):
    """Put visits into causal order: (ordered, {visit: the one on another thread that it came from})."""
    senders = collections.defaultdict(list)
    calls, roots, hops = collections.defaultdict(list), [], {}
    for visit in visits:
        senders[visit.station.key].append(visit)
    for visit in visits:
        if visit.caller:
            calls[visit.caller].append(visit)
        elif sender := _sender(visit, senders[visit.station.after]):
            hops[visit] = sender
            waits = sender.before.get('wait_for_reply', True)  # a cast does not
            (calls[sender] if waits else roots).append(visit)
        elif visit.station.after in (None, 'http'):
            roots.append(visit)
        # Else it was sent by something that was put aside.
    ordered = []
    for root in roots:
        _walk(root, calls, ordered)
    return ordered, hops


def _sender(visit, candidates):
    """Find the visit from which this one was sent: the last that began before it, for the same request."""
    request = _request_id(visit)
    before = [v for v in candidates if v.started_ns <= visit.started_ns and _request_id(v) in (None, request)]
    return before[-1] if before else None


def _request_id(visit):
    """Read the id that a message carries in its context."""
    incoming, context = (decoded(visit.before.get(name)) for name in ('incoming', 'ctxt'))
    context = incoming[0].get('ctxt') if incoming else context
    return context.get('request_id') if isinstance(context, dict) else None


def _walk(visit, calls, ordered):
    if not visit.aside or visit.station.exploration == 'client':
        ordered.append(visit)
    for call in calls[visit]:
        _walk(call, calls, ordered)


def _records(ordered, hops, column):
    """Turn visits into records; what a row leaves open comes from the caller."""
    index, places, records = {}, {}, []
    for visit in ordered:
        station, caller = visit.station, visit.caller
        sender = hops.get(visit)
        while caller is not None and caller not in index:  # put aside; what came to it came to us
            caller, sender = caller.caller, hops.get(caller)
        given = places.get(caller or sender, ('client', 'api', 'nova-api'))
        places[visit] = exploration, node, service = (
            station.exploration or given[0], station.node or given[1], station.service or given[2])
        index[visit] = len(records)
        code = visit.code
        records.append((
            len(records), exploration, station.key, station.nova, shortened(code.co_filename, getattr(station, column)),
            code.co_firstlineno, sorted(visit.lines), node, service, os.getpid(), visit.thread,
            index.get(caller), index.get(sender), visit.before, visit.after, visit.result, visit.error,
            visit.started_ns, visit.ended_ns))
    return records


@functools.cache
def shortened(filename, name):
    """Shorten a file's name to what follows the folder that holds its package."""
    package = f'{os.sep}{name.partition(".")[0]}{os.sep}'
    start = filename.rfind(package)
    return filename[start + 1:].replace(os.sep, '/') if start >= 0 else os.path.basename(filename)


# ------------------------------------------------------------------------------------------- reading plain payloads


def leaves(value, path=()):
    """Walk plain data: yield (path, value) for everything that holds nothing, and for empty containers."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not items or not value:
        yield path, value
    for key, part in items:
        yield from leaves(part, (*path, key))


def difference(old, new, path=()):
    """Compare plain data: {'added': {path: value}, 'changed': {path: [old, new]}, 'dropped': {path: value}}.

    Shape: a path is a tuple of keys.
    """
    found = {'added': {}, 'changed': {}, 'dropped': {}}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = dict(enumerate(old)), dict(enumerate(new))
    if not (isinstance(old, dict) and isinstance(new, dict)):
        if old is not new and (old != new or type(old) is not type(new)):
            found['changed'][path] = [old, new]
        return found
    found['dropped'] = {(*path, key): old[key] for key in old if key not in new}
    found['added'] = {(*path, key): new[key] for key in new if key not in old}
    for key in old:
        if key in new and old[key] is not new[key]:
            for kind, items in difference(old[key], new[key], (*path, key)).items():
                found[kind].update(items)
    return found


# --------------------------------------------------------------------------------------------------- Step and Trace


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One visit of one station.

    Shape: *before*, *after*: the locals, as snapshots; *lines*: those that ran; *parent*: the index of the calling
    step; *hop_from*: of the step on another thread from which the request came; node and service are declared, process
    and thread observed; times in nanoseconds of one monotonic clock.
    """

    index: int
    exploration: str
    station: str
    qualname: str
    file: str
    line: int
    lines: list
    node: str
    service: str
    process: int
    thread: str
    parent: int | None
    hop_from: int | None
    before: dict | None
    after: dict | None
    result: object
    error: object
    started_ns: int
    ended_ns: int | None


_PAYLOADS = tuple(map(Step.__slots__.index, ('before', 'after', 'result', 'error')))


def pack(records, secrets=()):
    """Compress records; what they share is kept once. A *secret* that was still in a text is overwritten."""
    data = marshal.dumps(records)
    for secret in secrets:
        data = data.replace(secret.encode(), b'*' * len(secret.encode()))
    return zlib.compress(data, 1)


@functools.lru_cache(maxsize=4)
def unpacked(packed):
    """Give the steps that were packed; the last few are kept."""
    return steps(marshal.loads(zlib.decompress(packed)))


def steps(records):
    """Make steps of records; payloads that were equal become one object."""
    known = {}

    def payload(copy):
        if type(copy) is dict:
            return {name: payload(part) for name, part in copy.items()}
        if type(copy) is not bytes:
            return copy
        if copy not in known:
            known[copy] = orjson.loads(copy)
        return known[copy]

    return tuple(Step(*(payload(field) if number in _PAYLOADS else field for number, field in enumerate(record)))
                 for record in records)


def _record(step):
    """Make a record again of a step as JSON has it."""
    def copy(payload):
        return payload if type(payload) in ATOMS else orjson.dumps(payload)

    copies = {name: copy(step[name]) for name in ('result', 'error')}
    for name in ('before', 'after'):
        copies[name] = step[name] and {key: copy(part) for key, part in step[name].items()}
    return tuple(copies[name] if name in copies else step[name] for name in Step.__slots__)


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """A request and what became of it. The steps are kept packed: about 15 kB instead of half a megabyte.

    Shape: *request* {method, path, headers, body} and *response* {status, headers, body} of the last exchange, None if
    there was none; *messages* as `rpc` in the recordings, with real ids; *outcome* {vm_state_after, task_state_after,
    actions, faults}: what the database holds of the server afterwards; *note*: what the client said, if it gave up; *besides*: what
    else of Nova ran in a step, {index as text: {dotted name: how often}}, where that was watched.
    """

    engine: str
    versions: dict
    scenario: dict
    request: dict | None
    response: dict | None
    messages: list
    outcome: dict | None
    note: str | None
    packed: bytes = dataclasses.field(repr=False)
    besides: dict = dataclasses.field(default_factory=dict)
    schema: int = SCHEMA

    def __eq__(self, other):
        return isinstance(other, Trace) and self._head() == other._head() and self.steps == other.steps

    def __repr__(self):
        status = self.response['status'] if self.response else 'no answer'
        return f'<Trace {self.engine}: {len(self.steps)} steps, {status}>'

    @property
    def steps(self):
        """Give the steps in causal order."""
        return unpacked(self.packed)

    def _head(self):
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != 'packed'}

    def to_json(self):
        """Give the trace as one JSON text, for a file or another process."""
        head = self._head()
        steps = [{name: getattr(step, name) for name in Step.__slots__} for step in self.steps]
        return json.dumps({'schema': head.pop('schema'), **head, 'steps': steps})

    @classmethod
    def from_json(cls, text):
        """Read what to_json wrote.

        Raises: WrongUse for a text that is no trace, or one of another schema.
        """
        try:
            data = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise WrongUse(f'not a trace: {error}; give a text that Trace.to_json() wrote') from error
        if not isinstance(data, dict) or 'schema' not in data:
            raise WrongUse('not a trace: it names no schema; give a text that Trace.to_json() wrote')
        if data['schema'] != SCHEMA or type(data['schema']) is not int:
            raise WrongUse(f'a trace of schema {data["schema"]!r}, but this version reads {SCHEMA}: record it again')
        check(data, TRACE, 'a damaged or foreign trace', 'record it again with this version')
        for index, step in enumerate(data['steps']):
            causes = [cause for cause in (step['parent'], step['hop_from']) if cause is not None]
            if step['index'] != index or not all(0 <= cause < index for cause in causes):
                raise WrongUse(f'a damaged trace: step {index} is out of order; record it again')
        try:
            packed = pack([_record(step) for step in data['steps']])
        except TypeError as error:  # a text that is no Unicode, a number that is too long
            raise WrongUse(f'a damaged trace: {error}; record it again') from error
        names = {field.name for field in dataclasses.fields(cls)} - {'packed'}
        return cls(**{name: data[name] for name in names if name in data}, packed=packed)

    def find(self, station):
        """Give the steps at a station, by its key."""
        return [step for step in self.steps if step.station == station]

    def changes(self, step):
        """Say what a station did to its payload, as `difference` does; *step* is a Step or its index."""
        step = self.steps[step] if isinstance(step, int) else step
        return difference(step.before or {}, step.after or {})

    def follow(self, name):
        """Find a field under every name it takes: a list of (step, when, path, value), in causal order.

        Shape: *name* as in FIELDS, or the end of a dotted path: 'instance.task_state'; *when* is before, after, result.
        """
        ends = FIELDS.get(name) or (tuple(name.split('.')),)
        return [(step, when, path, value) for step, when, path, value in self.values()
                if any((None, *path)[-len(end):] == end for end in ends)]

    def values(self):
        """Walk all payloads: yield (step, when, path, value); *when* is before, after, result."""
        for step in self.steps:
            for when, payload in (('before', step.before), ('after', step.after), ('result', {'result': step.result})):
                for path, value in leaves(payload or {}):
                    yield step, when, path, value

    def journey(self, name=None):
        """Tell where a field was, under which name, with which value; without *name*, of every field.

        Returns: a pandas table; a row for each step where the field appears or has another value than in the row above.
        """
        import pandas
        rows, last = [], {}
        for step, when, path, value in self.follow(name) if name else self.values():
            key = path if name is None else name
            if (text := (path, repr(value))) != last.get(key):
                last[key] = text
                rows.append((step.index, step.exploration, step.node, step.station, when, '.'.join(map(str, path)),
                             type(value).__name__, value))
        columns = ['step', 'exploration', 'node', 'station', 'when', 'name', 'type', 'value']
        return pandas.DataFrame(rows, columns=columns, dtype=object).astype({'step': int})  # or None becomes NaN
