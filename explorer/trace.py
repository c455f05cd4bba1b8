"""The hook and what it records: Step, Trace, snapshots.

Record raw, save raw, derive every view. Nothing here knows the path, and the path knows nothing of this: the hook is
given a table of stations and watches the code objects that it names.
"""

import collections
import contextlib
import dataclasses
import datetime
import decimal
import functools
import hashlib
import importlib
import itertools
import json
import marshal
import math
import opcode
import operator
import os
import re
import sys
import threading
import time
import types
import uuid
import zlib

from explorer.stations import CARRIERS, FIELDS, STATIONS, WrongUse, split

SCHEMA = 1

# ------------------------------------------------------------------------------------------------------- snapshots

LONGEST_TEXT, MOST_ENTRIES, DEEPEST, DEEPEST_BODY = 10_000, 1_000, 12, 100
OBJECT_DEPTH = 4  # an object that nobody has declared counts as so many levels
NEVER_CUT = frozenset({'body', 'datastring', 'message', 'decoded'})
MASKED = '***'
_SECRET_NAME = re.compile(r'token|passw|adminpass|secret|cookie|authorization|credential', re.I)
_SECRET_IN_TEXT = re.compile(
    r'''((?:token|passw\w*|adminpass|secret|cookie|authorization)["']?\s*[:=]\s*["']?)([^\s"',;&}]+)''', re.I)
_BY_TEXT = {
    datetime.datetime: datetime.datetime.isoformat, datetime.date: datetime.date.isoformat,
    datetime.timedelta: str, uuid.UUID: str, decimal.Decimal: str, complex: str}
_BY_NAME = {
    types.FunctionType: lambda f: f'<function {f.__qualname__}>',
    types.BuiltinFunctionType: lambda f: f'<function {f.__qualname__}>',
    types.MethodType: lambda m: f'<method {getattr(m.__func__, "__qualname__", "?")}>',
    types.ModuleType: lambda m: f'<module {m.__name__}>'}
_class_name = type.__dict__['__name__'].__get__
_class_dict = type.__dict__['__dict__'].__get__
_class_mro = type.__dict__['__mro__'].__get__


def dotted(cls):
    """Give the module and the qualified name of a class, without running code of its metaclass."""
    return f'{_class_dict(cls).get("__module__", "")}.{type.__dict__["__qualname__"].__get__(cls)}'


class _Memo:
    """What was copied of one object, and what tells whether it has changed since."""

    __slots__ = ('value', 'mapping', 'names', 'parts', 'kids', 'node', 'depth', 'whole', 'tick')


class Copier:
    """Copy values into plain data; what has not changed since the last copy is shared with it.

    Runs no code of the values: no repr, str, getattr, property, comparison. A container is unchanged when its parts are
    the same objects and every container among them is unchanged.
    """

    def __init__(self, places=frozenset()):
        self._places = places
        self._memos, self._texts, self._secret_names, self._kinds = {}, {}, {}, {}
        self._tick, self._kids, self._open, self._whole = 0, [], set(), False

    def locals(self, values, shows=None):
        """Copy a frame's locals, or those of the names in *shows*."""
        self._tick += 1
        node = {}
        for name, value in values.items():
            if (shows is None or name in shows) and not name.startswith('__'):
                self._whole = name in NEVER_CUT
                depth = DEEPEST_BODY if self._whole else DEEPEST
                node[name] = MASKED if self._secret(name) and value is not None else self._copy(value, depth)
        self._whole = False
        return node

    def value(self, value):
        """Copy one value."""
        self._tick += 1
        return self._copy(value, DEEPEST)

    # A value's kind decides how it is read; it is found once a class, by the class alone.

    def _copy(self, value, depth):
        cls = type(value)
        if cls is str:
            return value if len(value) < 7 else self._text(value)
        if value is None or cls is bool or cls is int:
            return value
        memo = self._memos.get(id(value))
        if memo is not None and memo.depth >= depth and memo.whole >= self._whole and self._unchanged(memo):
            self._kids.append(memo)
            return memo.node
        read = self._kinds.get(cls) or self._kind(cls)
        return read(value, depth)

    def _kind(self, cls):
        mro = _class_mro(cls)
        if cls in _BY_TEXT:
            read = lambda value, depth: _BY_TEXT[cls](value)
        elif cls in _BY_NAME:
            read = lambda value, depth: _BY_NAME[cls](value)
        elif type in mro:
            read = lambda value, depth: f'<class {_class_name(value)}>'
        elif str in mro:
            read = lambda value, depth: self._text(str.__str__(value))
        elif bytes in mro or bytearray in mro:
            read = lambda value, depth: self._text(bytes(memoryview(value)).decode('utf-8', 'replace'))
        elif int in mro:
            read = lambda value, depth: int.__int__(value)
        elif float in mro:
            read = lambda value, depth: value if math.isfinite(value) else float.__repr__(value)
        elif dict in mro:
            read = lambda value, depth: self._container(value, depth, None, value, None)
        elif set in mro or frozenset in mro or list in mro or tuple in mro or collections.deque in mro:
            base = next(b for b in (set, frozenset, list, tuple, collections.deque) if b in mro)
            read = functools.partial(self._sequence, base)
        else:
            read = self._object_kind(cls, mro)
        self._kinds[cls] = read
        return read

    def _object_kind(self, cls, mro):
        name = f'<{_class_name(cls)}>'
        names = [dotted(base) for base in mro]
        shown = next((CARRIERS[base] for base in names if base in CARRIERS), None)
        if shown == () or (shown is None and not self._places.isdisjoint(names[:-1])):
            return lambda value, depth: name
        getters = [d['__dict__'].__get__ for d in map(_class_dict, mro)
                   if type(d.get('__dict__')) is types.GetSetDescriptorType]
        slots = [(key, slot.__get__) for d in map(_class_dict, reversed(mro)) for key, slot in d.items()
                 if type(slot) is types.MemberDescriptorType]
        args = BaseException.__dict__['args'].__get__ if BaseException in mro else None
        if not (getters or slots or args):
            return lambda value, depth: name

        def read(value, depth):
            fields = getters[0](value) if getters else {}
            extra = {}
            for key, get in slots:
                with contextlib.suppress(AttributeError):
                    extra[key] = get(value)
            if args:
                extra['args'] = args(value)
            if extra:
                fields = {**extra, **fields}
            return self._container(value, depth, _class_name(cls), fields, shown)
        return read

    def _container(self, value, depth, class_name, mapping, shown):
        """Copy a dict or an object's fields: {"": class name, **fields}."""
        if id(value) in self._open or depth <= 0:
            return f'<{class_name or "dict"}>'
        names, parts = tuple(dict.keys(mapping)), tuple(dict.values(mapping))
        outer, self._kids = self._kids, []
        self._open.add(id(value))
        versioned = '_changed_fields' in mapping
        below = depth - (1 if class_name is None or versioned or shown is not None else OBJECT_DEPTH)
        node = {} if class_name is None else {'': class_name}
        for name, part in zip(names, parts):
            if class_name is not None:
                if shown is not None and name not in shown:
                    continue
                if name[:5] == '_obj_':  # how versioned objects keep their fields; the rest is bookkeeping
                    name = name[5:]
                elif shown is None and versioned:
                    continue
            elif type(name) is not str:
                name = self._key(name)
            if len(node) >= MOST_ENTRIES and not self._whole:
                node['…'] = self._rest(parts)
                break
            if part is not None and self._secret(name):
                node[name] = MASKED
            else:
                node[name] = self._copy(part, below)
        return self._remember(value, depth, mapping, names, parts, node, outer)

    def _sequence(self, base, value, depth):
        """Copy a list, tuple, set or deque: as a list."""
        if id(value) in self._open or depth <= 0:
            return f'<{base.__name__}>'
        parts = tuple(base.__iter__(value))
        outer, self._kids = self._kids, []
        self._open.add(id(value))
        node, secret = [], False
        for part in parts:
            if len(node) >= MOST_ENTRIES and not self._whole:
                node.append('… ' + self._rest(parts))
                break
            node.append(MASKED if secret and part is not None else self._copy(part, depth - 1))
            # ('X-Auth-Token', '...') and ['--os-token', '...']: the name says that the next one is secret.
            secret = type(part) is str and self._secret(part) and (part[:1] == '-' or len(parts) == 2)
        if base in (set, frozenset) and all(type(part) is str for part in node):
            node.sort()
        return self._remember(value, depth, None, None, parts, node, outer)

    def _remember(self, value, depth, mapping, names, parts, node, outer):
        self._open.discard(id(value))
        memo = _Memo()
        memo.value, memo.mapping, memo.names, memo.parts, memo.node = value, mapping, names, parts, node
        memo.kids, memo.depth, memo.whole, memo.tick = tuple(self._kids), depth, self._whole, self._tick
        self._memos[id(value)] = memo
        self._kids = outer
        outer.append(memo)
        return node

    def _unchanged(self, memo):
        if memo.tick == self._tick:
            return True
        parts, mapping = memo.parts, memo.mapping
        if mapping is not None:
            if len(mapping) != len(parts) or not (
                    all(map(operator.is_, dict.values(mapping), parts)) and
                    all(map(operator.is_, dict.keys(mapping), memo.names))):
                return False
        elif type(memo.value) is not tuple:
            value = memo.value
            if len(value) != len(parts) or not all(map(operator.is_, value, parts)):
                return False
        for kid in memo.kids:
            if not self._unchanged(kid):
                return False
        memo.tick = self._tick
        return True

    def _text(self, text):
        if text in self._texts and (len(text) <= LONGEST_TEXT or not self._whole):
            return self._texts[text]
        masked = _SECRET_IN_TEXT.sub(rf'\1{MASKED}', text)
        if len(masked) > LONGEST_TEXT and not self._whole:
            digest = hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]
            masked = f'{masked[:LONGEST_TEXT]}… [{len(text)} characters, sha256 {digest}]'
        self._texts[text] = masked
        return masked

    def _rest(self, parts):
        digest = hashlib.sha256(marshal.dumps([self._copy(part, 2) for part in parts[MOST_ENTRIES:]]))
        return f'[{len(parts)} entries, sha256 {digest.hexdigest()[:16]}]'

    @staticmethod
    def _key(name):
        return str(name) if name is None or type(name) in (int, bool, float) else f'<{_class_name(type(name))}>'

    def _secret(self, name):
        secret = self._secret_names.get(name)
        if secret is None:
            secret = self._secret_names[name] = bool(_SECRET_NAME.search(name))
        return secret


def snapshot(value):
    """Copy *value* into plain data without running any of its code.

    Shape:  mappings keep their keys; objects become {"": class name, **fields}; sequences become lists.
    Limits: 12 levels, 10,000 characters a text, 1,000 entries; what is cut says its length and digest; secrets read
            "***".
    Raises: nothing; what can't be copied becomes "<ClassName>".
    """
    return Copier().value(value)


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
        return _functions(inner) if inner else [found]
    inner = getattr(found, '__func__', None) or getattr(found, 'func', None)  # bound and class methods; webob's wsgify
    return _functions(inner) if inner else []


@contextlib.contextmanager
def watch(watched, enter, line, leave):
    """Call back when a function whose code is in *watched* begins, runs a line, ends.

    Shape: enter(code, frame), line(code, number), leave(code, frame, result, error); error is None for a return.
    The callbacks run in the thread of the function, and must not raise.
    """
    with (_monitor if hasattr(sys, 'monitoring') else _settrace)(frozenset(watched), enter, line, leave):
        yield


@contextlib.contextmanager
def _monitor(watched, enter, line, leave):
    monitoring = sys.monitoring
    tool = next((number for number in (4, 3, 2, 1, 0) if monitoring.get_tool(number) is None), None)
    if tool is None:
        raise HookError('all places for tools of sys.monitoring are taken; stop a debugger or a profiler')
    events, frame = monitoring.events, sys._getframe
    callbacks = {
        events.PY_START: lambda code, offset: enter(code, frame(1)),
        events.LINE: line,
        events.PY_RETURN: lambda code, offset, result: leave(code, frame(1), result, None),
        # This one can't be had for some codes only.
        events.PY_UNWIND: lambda code, offset, error: leave(code, frame(1), None, error) if code in watched else None,
    }
    monitoring.use_tool_id(tool, 'nova-explorer')
    try:
        for event, callback in callbacks.items():
            monitoring.register_callback(tool, event, callback)
        for code in watched:
            monitoring.set_local_events(tool, code, events.PY_START | events.LINE | events.PY_RETURN)
        monitoring.set_events(tool, events.PY_UNWIND)
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
def _settrace(watched, enter, line, leave):
    return_value = opcode.opmap['RETURN_VALUE']

    def on_call(frame, event, arg):
        if frame.f_code not in watched:
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
    threading.settrace(on_call)
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

    __slots__ = ('station', 'code', 'frame', 'caller', 'thread', 'started_ns', 'ended_ns', 'before', 'after',
                 'result', 'error', 'lines')


class Recorder:
    """Record what happens at the stations, in all threads, while the block of `with` runs.

    Shape: *stations* are rows of the table, *column* says which of their names to watch: 'ours' or 'nova'.
    Raises: LookupError for a name that leads to no function; HookError, at the end, if a callback failed.
    """

    def __init__(self, stations=STATIONS, column='ours'):
        self._stations = {code: station for station in stations for code in codes(getattr(station, column))}
        owners = {tuple(name.rsplit('.', 1)) for station in stations for name in (station.nova, station.ours)}
        self._copier = Copier(frozenset(owner for owner, _ in owners if '<' not in owner))
        self._visits, self._stacks, self._failure = [], collections.defaultdict(list), None
        self._copying, self._idle = threading.Lock(), threading.Condition()

    def __enter__(self):
        self._watch = watch(self._stations, self._guarded(self._enter), self._line, self._guarded(self._leave))
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

    def _guarded(self, callback):
        def guarded(*args):
            try:
                callback(*args)
            except Exception as error:
                self._failure = self._failure or error
        return guarded

    def _enter(self, code, frame):
        visit, stack = _Visit(), self._stacks[threading.get_ident()]
        visit.station = station = self._stations[code]
        visit.code, visit.frame, visit.lines = code, id(frame), set()
        visit.caller = stack[-1] if stack else None
        visit.thread, visit.ended_ns = threading.current_thread().name, None
        visit.after = visit.result = visit.error = None
        with self._copying:
            visit.before = self._copier.locals(frame.f_locals, station.shows)
        stack.append(visit)
        self._visits.append(visit)
        visit.started_ns = time.perf_counter_ns()

    def _line(self, code, number):
        stack = self._stacks.get(threading.get_ident())
        if stack and stack[-1].code is code:
            stack[-1].lines.add(number)

    def _leave(self, code, frame, result, error):
        ended_ns, stack = time.perf_counter_ns(), self._stacks[threading.get_ident()]
        if not stack or stack[-1].frame != id(frame):
            return  # it began before we watched
        visit = stack.pop()
        visit.ended_ns, visit.frame = ended_ns, None
        with self._copying:
            visit.after = self._copier.locals(frame.f_locals, visit.station.shows)
            visit.result = self._copier.value(result)
            if error is not None:
                visit.error = self._copier.value(error)
        if not stack:
            with self._idle:
                self._idle.notify_all()

    def steps(self, secrets=()):
        """Put the visits into causal order and give them as packed records; none of *secrets* (texts) is in them.

        Order: a visit comes before what it calls. What it sends to another thread comes after its calls, but what nobody
        waits for comes last. Of an exchange with the API that another followed, only the stations of `client` are kept.
        """
        visits = list(self._visits)
        senders = collections.defaultdict(list)
        calls, roots, hops = collections.defaultdict(list), [], {}
        for visit in visits:
            senders[visit.station.key].append(visit)
        for visit in visits:
            if visit.caller:
                calls[visit.caller].append(visit)
            elif sender := _sender(visit, senders[visit.station.after]):
                hops[visit] = sender
                waits = sender.before.get('wait_for_reply', True)
                (calls[sender] if waits else roots).append(visit)
            else:
                roots.append(visit)
        ordered, exchanges = [], [v for v in visits if v.station.after and not v.caller and v.station.node == 'api']
        for root in roots:
            _walk(root, calls, False, set(exchanges[:-1]), ordered)
        return _pack(_records(ordered, hops), secrets)


def _sender(visit, candidates):
    """Find the visit from which this one was sent: the last that began before it, for the same request."""
    request = _request_id(visit)
    before = [v for v in candidates if v.started_ns <= visit.started_ns and _request_id(v) in (None, request)]
    return before[-1] if before else None


def _request_id(visit):
    """Read the id that a message carries in its context."""
    incoming = visit.before.get('incoming')
    context = incoming[0].get('ctxt') if incoming else visit.before.get('ctxt')
    return context.get('request_id') if isinstance(context, dict) else None


def _walk(visit, calls, earlier, exchanges, ordered):
    earlier = earlier or visit in exchanges
    if not earlier or visit.station.exploration == 'client':
        ordered.append(visit)
    for call in calls[visit]:
        _walk(call, calls, earlier, exchanges, ordered)


def _records(ordered, hops):
    """Turn visits into the tuples of which steps are made; what a row leaves open comes from the caller."""
    index, places, records = {}, {}, []
    for visit in ordered:
        station, caller = visit.station, visit.caller
        sender = hops.get(visit)
        while caller is not None and caller not in index:  # pruned; what came to it came to us
            caller, sender = caller.caller, hops.get(caller)
        given = places.get(caller or sender, (None, None, None))
        places[visit] = place = (
            station.exploration or given[0] or 'client', station.node or given[1] or 'api',
            station.service or given[2] or 'nova-api')
        index[visit] = len(records)
        code = visit.code
        records.append((
            len(records), place[0], station.key, station.nova, _short(code.co_filename, station.ours),
            code.co_firstlineno, sorted(visit.lines), place[1], place[2], os.getpid(), visit.thread,
            index.get(caller), index.get(sender), visit.before, visit.after, visit.result, visit.error,
            visit.started_ns, visit.ended_ns))
    return records


@functools.cache
def _short(filename, name):
    """Shorten a file's name to what follows the folder that holds its package."""
    package = f'{os.sep}{name.partition(".")[0]}{os.sep}'
    start = filename.rfind(package)
    return filename[start + 1:].replace(os.sep, '/') if start >= 0 else os.path.basename(filename)


def _pack(records, secrets=()):
    """Compress records; what steps share is kept once. A secret that was still in a text is overwritten."""
    data = marshal.dumps(records)
    for secret in secrets:
        data = data.replace(secret.encode(), b'*' * len(secret.encode()))
    return zlib.compress(data, 1)


# ------------------------------------------------------------------------------------------- reading plain payloads


def leaves(value, path=()):
    """Walk plain data: yield (path, value) for everything that holds nothing, and for empty containers."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not items or not value:
        yield path, value
    for key, part in items:
        yield from leaves(part, (*path, key))


def difference(old, new, path=()):
    """Compare plain data: {'added': {path: value}, 'changed': {path: [old, new]}, 'dropped': {path: value}}."""
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


@functools.lru_cache(maxsize=4)
def _unpacked(packed):
    return tuple(Step(*record) for record in marshal.loads(zlib.decompress(packed)))


@dataclasses.dataclass(frozen=True)
class Trace:
    """A request and what became of it. The steps are kept packed: about 15 kB instead of half a megabyte.

    Shape: *request* {method, path, headers, body} and *response* {status, headers, body} of the last exchange, None if
    there was none; *messages* as `rpc` in the recordings, with real ids; *outcome* {vm_state_after, task_state_after,
    actions, faults}: what the database holds of the server afterwards; *note*: what the client said, if it gave up.
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
    schema: int = SCHEMA

    def __repr__(self):
        status = self.response['status'] if self.response else 'no answer'
        return f'<Trace {self.engine}: {len(self.steps)} steps, {status}>'

    @property
    def steps(self):
        """Give the steps in causal order."""
        return _unpacked(self.packed)

    def to_json(self):
        """Give the trace as one JSON text, for a file or another process."""
        head = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != 'packed'}
        steps = [{name: getattr(step, name) for name in Step.__slots__} for step in self.steps]
        return json.dumps({'schema': head.pop('schema'), **head, 'steps': steps})

    @classmethod
    def from_json(cls, text):
        """Read what to_json wrote.

        Raises: WrongUse for a text that is no trace, or one of another schema.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise WrongUse(f'not a trace: {error}; give a text that Trace.to_json() wrote') from error
        names = {f.name for f in dataclasses.fields(cls)} - {'packed'} | {'steps'}
        if not isinstance(data, dict) or 'schema' not in data:
            raise WrongUse('not a trace: it names no schema; give a text that Trace.to_json() wrote')
        if data['schema'] != SCHEMA:
            raise WrongUse(f'a trace of schema {data["schema"]!r}, but this version reads {SCHEMA}: record it again')
        if missing := sorted(names - data.keys()):
            raise WrongUse(f'a damaged trace: {", ".join(missing)} missing; record it again')
        try:
            records = [tuple(step[name] for name in Step.__slots__) for step in data.pop('steps')]
            known = {station.key for station in STATIONS}
            unknown = sorted({record[2] for record in records} - known)
        except (TypeError, KeyError) as error:
            raise WrongUse(f'a damaged trace: its steps lack {error}; record it again') from error
        if unknown:
            raise WrongUse(f'a foreign trace: unknown station {unknown[0]!r}; record it with this version')
        return cls(**{name: data[name] for name in names - {'steps'}}, packed=_pack(records))

    def find(self, station):
        """Give the steps at a station, by its key."""
        return [step for step in self.steps if step.station == station]

    def changes(self, step):
        """Say what a station did to its payload: {'added': {path: value}, 'changed': {path: [old, new]}, 'dropped': ...}.

        Shape: *step* is a Step or its index; a path is a tuple of keys.
        """
        step = self.steps[step] if isinstance(step, int) else step
        return difference(step.before or {}, step.after or {})

    def follow(self, name):
        """Find a field under every name it takes: a list of (step, when, path, value), in causal order.

        Shape: *name* as in FIELDS, or the end of a dotted path: 'instance.task_state'; *when* is before, after or result.
        """
        ends = FIELDS.get(name) or (tuple(name.split('.')),)
        return [(step, when, path, value) for step, when, path, value in self._leaves()
                if any((None, *path)[-len(end):] == end for end in ends)]

    def _leaves(self):
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
        for step, when, path, value in self.follow(name) if name else self._leaves():
            key = path if name is None else name
            if (text := (path, repr(value))) != last.get(key):
                last[key] = text
                rows.append((step.index, step.exploration, step.node, step.station, when, '.'.join(map(str, path)),
                             type(value).__name__, value))
        columns = ['step', 'exploration', 'node', 'station', 'when', 'name', 'type', 'value']
        return pandas.DataFrame(rows, columns=columns)
