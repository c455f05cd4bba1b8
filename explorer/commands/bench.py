"""Measure the cost of the hook, the bus and startup.

Our code and its peers are measured on the same path and in turn, so that their ratios are meaningful.
"""

import contextlib
import functools
import gc
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from explorer import pipeline, snapshots, stations, trace
from explorer.engines import client, real_nova, recordings
from explorer.engines.cloud import Cloud
from explorer.engines.miniature import Miniature
from explorer.engines.runner import Runner
from explorer.engines.running import miniature, run
from explorer.errors import WrongUse
from explorer.explorations import EXPLORATIONS, Scenario
from explorer.libraries import oslo_messaging
from explorer.payloads import Value

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

WHOLE = Scenario()
BARE = Scenario(request={
    'method': 'POST', 'path': '/v2.1/servers/$SERVER/action',
    'headers': {'Content-Type': 'application/json', 'OpenStack-API-Version': 'compute 2.34'},
    'body': {'os-migrateLive': {'host': None, 'block_migration': 'auto'}}})
ROUNDS, WARM, SERVERS, PLAYERS, MESSAGES, IDLE_SECONDS, STARTS, WORKS = 100, 10, 2_000, 7, 300, 2, 5, 20
PATH_LIBRARIES = (
    'webob.dec', 'routes.middleware', 'paste.urlmap', 'microversion_parse', 'jsonschema', 'oslo_policy.policy',
    'oslo_middleware.cors', 'oslo_context.context', 'oslo_serialization.jsonutils', 'sqlalchemy',
    'oslo_versionedobjects.base', 'oslo_messaging', 'novaclient.shell')

SheetOf: TypeAlias = Callable[[str], str]  # returns the questions of a leg as HTML, by the key of the leg


class Measurement(TypedDict):
    """A measurement; *bound* is the largest value allowed, None where the value is only shown for comparison."""

    what: str
    value: float
    unit: str
    bound: float | None


def bench(sheet: SheetOf) -> list[Measurement]:
    """Run all measurements; *sheet* returns the questions of a leg for its exported page."""
    return [*requests('request, client to conductor', WHOLE, bound=1.25 if hasattr(sys, 'monitoring') else 1.4),
            *requests('bare HTTP request', BARE),
            *memory(), *pictures(sheet), *bus(), *starts(), *real()]


def _row(what: str, value: float, unit: str = '', bound: float | None = None) -> Measurement:
    return {'what': what, 'value': round(value, 3), 'unit': unit, 'bound': bound}


def _in_turn(ways: Mapping[str, Callable[[], float]], rounds: int, warm: int = 0) -> dict[str, tuple[float, ...]]:
    """Time several ways in turn, because a slow machine then slows all of them equally.

    Returns: {way: seconds of each round}, without the *warm* rounds at the beginning.
    """
    found = [[work() for work in ways.values()] for _ in range(warm + rounds)][warm:]
    return dict(zip(ways, zip(*found, strict=True), strict=True))


def _seconds(work: Callable[..., object], *words: object, **more: object) -> float:
    start = time.perf_counter()
    work(*words, **more)
    return time.perf_counter() - start


# -------------------------------------------------------------------------------------------------- traced requests


def requests(name: str, scenario: Scenario, bound: float | None = None) -> list[Measurement]:
    """Compare one request untraced, traced by us, and traced by peers, in turn."""
    runner, cloud = miniature(), Cloud()
    ours = functools.partial(_ours, runner, client.bare_request(scenario))
    ways: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
        'untraced': contextlib.nullcontext, 'ours': ours, 'idle settrace': _idle_settrace}
    if hasattr(sys, 'monitoring'):
        del ways['idle settrace']
    with contextlib.suppress(ImportError):
        ways['OpenTelemetry'] = functools.partial(_opentelemetry, _tracer())

    def request(watching: Callable[[], contextlib.AbstractContextManager[None]]) -> float:
        uuid, token = runner.seed(scenario, cloud), runner.token('admin')
        start = time.perf_counter()
        with watching():
            runner.send(scenario, cloud, uuid, token)
            runner.join()
        return time.perf_counter() - start

    times = _in_turn({way: functools.partial(request, watching) for way, watching in ways.items()}, ROUNDS, WARM)
    count = len(runner.answer(scenario, cloud)[0].steps)
    rows = [_row(f'{name}, {way}', 1e3 * statistics.median(times[way]), 'ms') for way in ways]

    def ratio(way: str, base: str) -> float:
        return statistics.median(a / b for a, b in zip(times[way], times[base], strict=True))

    # Where there is only settrace, the cost of an idle trace function counts as part of the baseline.
    fair = 'idle settrace' if 'idle settrace' in ways else 'untraced'

    def a_station(way: str) -> float:
        return 1e6 * statistics.median(a - b for a, b in zip(times[way], times[fair], strict=True)) / count

    rows += [_row(f'{name}, ours / {base}', ratio('ours', base), 'times', bound if base == fair else None)
             for base in ways if base in ('untraced', 'idle settrace')]
    if 'OpenTelemetry' not in ways:
        return [*rows, _row('OpenTelemetry is missing (opentelemetry-sdk installs it); not compared', 0)]
    return [
        *rows,
        *(_row(f'a station of {count}, {way}', a_station(way), 'µs') for way in ('ours', 'OpenTelemetry')),
        _row('a station, ours / OpenTelemetry', a_station('ours') / a_station('OpenTelemetry'), 'times',
             0.3 if bound and fair == 'untraced' else None)]


@contextlib.contextmanager
def _ours(runner: Runner[Miniature], bare: Mapping[str, Value] | None) -> Iterator[None]:
    with runner.recorder(bare) as recorder:
        yield
        recorder.join(10)
    trace.pack(recorder.records()[0])


@contextlib.contextmanager
def _idle_settrace() -> Iterator[None]:
    def nothing(frame: types.FrameType, event: str, arg: object) -> None:
        return None
    before = sys.gettrace()
    threading.settrace(nothing)
    sys.settrace(nothing)
    trace._gate['now'] = nothing
    try:
        yield
    finally:
        sys.settrace(before)
        threading.settrace(None)
        trace._gate['now'] = None


def _tracer() -> 'Tracer':
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    return provider.get_tracer('bench')


@contextlib.contextmanager
def _opentelemetry(tracer: 'Tracer') -> Iterator[None]:
    """Make a span for each station, with the same payload as JSON attributes but without the lines that ran."""
    table, places, _ = trace._table(tuple(station for station in stations.STATIONS if not station.boot), 'ours')
    spans = threading.local()

    def attributes(frame: types.FrameType, plan: snapshots.Plan) -> str:
        copies = snapshots.Copier(places).locals(frame.f_locals, plan)
        return json.dumps({name: snapshots.decoded(copy) for name, copy in copies.items()})

    def enter(code: types.CodeType, frame: types.FrameType) -> None:
        from opentelemetry import trace as otel
        stack = spans.__dict__.setdefault('stack', [])
        _, station, plan = table[id(code)]
        span = tracer.start_span(station.nova, otel.set_span_in_context(stack[-1]) if stack else None)
        span.set_attribute('before', attributes(frame, plan))
        stack.append(span)

    def leave(code: types.CodeType, frame: types.FrameType, result: object, error: BaseException | None) -> None:
        span = spans.stack.pop()
        span.set_attribute('after', attributes(frame, table[id(code)][2]))
        span.set_attribute('result', json.dumps(snapshots.decoded(snapshots.Copier(places).value(error or result))))
        span.end()

    with trace.watch([code for code, *_ in table.values()], enter, lambda code, line: None, leave):
        yield


# ------------------------------------------------------------------------------------------------------------ memory


def memory() -> list[Measurement]:
    """Keep the traces of many different servers and measure their size in memory."""
    runner = miniature()
    cloud = Cloud(servers={f'web-{n}': f'00000000-0000-4000-8000-{n:012x}' for n in range(SERVERS)})
    kept = [runner.answer(Scenario(server=server, request=BARE.request), cloud)[0] for server in cloud.servers]
    return [_row(f'memory per traced request, over {SERVERS} servers', _deep_size(kept) / SERVERS / 1e3, 'kB', 24)]


def _deep_size(root: object) -> int:
    """Return the size in bytes of all data that *root* refers to, counting each object once."""
    seen: set[int]
    todo: list[object]
    seen, total, todo = set(), 0, [root]
    while todo:
        value = todo.pop()
        if id(value) in seen or isinstance(value, type | types.ModuleType | types.FunctionType):
            continue
        seen.add(id(value))
        total += sys.getsizeof(value)
        todo.extend(gc.get_referents(value))
    return total


# ---------------------------------------------------------------------------------------------------------- pictures


def pictures(sheet: SheetOf) -> list[Measurement]:
    """Count Graphviz calls while a player shows every step, time the opening of players, and measure exported pages."""
    from explorer.player import export
    from explorer.player.widget import Player
    from explorer.views.flowcharts import render
    trace = run(WHOLE)
    render.cache_clear()
    shown = Player(trace, 'client')
    for shown.at in range(len(trace.steps)):
        pass
    drawn = render.cache_info().misses
    longest = [run(Scenario(host='host2', microversion='2.29')) for _ in range(PLAYERS)]
    pages = [export.export(run(row.scenario), row.key, run(row.versus), sheet(row.key)) for row in EXPLORATIONS]
    return [_row('runs of Graphviz for a player that shows all its steps', drawn, '', 1),
            _row('opening a player on the longest trace', statistics.median(map(_opened_ms, longest)), 'ms', 300),
            _row('the largest exported page', max(len(page.encode()) for page in pages) / 1000, 'kB', 220)]


def _opened_ms(trace: trace.Trace) -> float:
    from explorer.player.widget import Player
    from explorer.views.flowcharts import render
    render.cache_clear()
    return 1e3 * _seconds(lambda: Player(trace, 'rpc')._repr_mimebundle_())


# --------------------------------------------------------------------------------------------------------------- bus


class _Endpoint:
    target = oslo_messaging.Target(namespace='bench', version='1.0')

    def __init__(self) -> None:
        self.received = threading.Semaphore(0)
        self.at = 0.0

    def ping(self, context: object) -> None:
        self.at = time.perf_counter()
        self.received.release()


def bus() -> list[Measurement]:
    """Measure the time of a cast and the load of an idle listener, and compare both with the library's own driver."""
    rows = []
    for name, url, bounds in (('ours', 'memory://', (2, 1)), ('oslo.messaging fake', 'fake://', (None, None))):
        transport, endpoint = pipeline.create_transport(url), _Endpoint()
        server = oslo_messaging.get_rpc_server(
            transport, oslo_messaging.Target(topic=f'bench-{name}', server='here'), [endpoint],
            access_policy=oslo_messaging.DefaultRPCAccessPolicy)
        server.start()
        client = oslo_messaging.get_rpc_client(
            transport, oslo_messaging.Target(topic=f'bench-{name}', namespace='bench', version='1.0'))
        times = []
        for _ in range(MESSAGES if bounds[0] else MESSAGES // 10):
            start = time.perf_counter()
            client.cast({}, 'ping')
            endpoint.received.acquire()
            times.append(endpoint.at - start)
        rows.append(_row(f'cast to receipt, {name}', 1e3 * statistics.median(times), 'ms', bounds[0]))
        start, wall = time.process_time(), time.perf_counter()
        threading.Event().wait(IDLE_SECONDS)
        idle = (time.process_time() - start) / (time.perf_counter() - wall)
        rows.append(_row(f'idle listener, {name}', 100 * idle, '% of a core', bounds[1]))
        server.stop()
        server.wait()
    return rows


# ------------------------------------------------------------------------------------------------------------- start


def starts() -> list[Measurement]:
    """Compare the first request in a fresh process with importing the libraries that the path uses."""
    ways = {
        'libraries': 'from explorer.libraries import jsonschema, oslo_messaging; import ' + ', '.join(PATH_LIBRARIES),
        'first run': 'from explorer import run, Scenario; run(Scenario())',
    }
    times = _in_turn({way: functools.partial(_seconds, subprocess.run, [sys.executable, '-c', program], check=True)
                      for way, program in ways.items()}, STARTS)
    heavy = subprocess.run(
        [sys.executable, '-c', 'import sys, explorer; print(len({"pandas", "ipywidgets"} & set(sys.modules)))'],
        check=True, capture_output=True, text=True).stdout
    ratio = statistics.median(a / b for a, b in zip(times['first run'], times['libraries'], strict=True))
    return [
        *(_row(f'fresh process, {way}', 1e3 * statistics.median(times[way]), 'ms') for way in ways),
        _row('fresh process, first run / libraries', ratio, 'times', 3),
        _row('pandas and ipywidgets loaded by `import explorer`', int(heavy), '', 0),
    ]


# ----------------------------------------------------------------------------------------------------- the real Nova


def real() -> list[Measurement]:
    """Time the start of the real Nova's worker and its traced requests, and measure the memory that it uses."""
    said: list[tuple[float, str]]
    said, worker = [], real_nova.RealNova()
    worker.tell = lambda line: said.append((time.perf_counter(), line))
    try:
        worker.answer(BARE, Cloud())
    except WrongUse as error:
        return [_row(f'not measured: {error}', 0)]
    python = tuple(map(int, worker.answer(BARE, Cloud())[0].versions['python'].split('.')))
    times = _in_turn({name: functools.partial(_seconds, worker.answer, scenario, Cloud()) for name, scenario in (
        ('a bare HTTP request', BARE), ('from the client to the conductor', WHOLE))}, WORKS, 2)
    for scenario in recordings.scenarios().values():
        worker.answer(scenario, Cloud())
    status = (dict(line.split(':', 1) for line in open(f'/proc/{worker.pid}/status'))  # noqa: SIM115
              if os.path.isdir('/proc/self') else {})
    worker.close()
    return [
        _row('the real Nova, from start to ready', said[-1][0] - said[0][0], 's', 5),
        # The client sends three more requests; where there is only settrace, they make the whole scenario slow.
        *(_row(f'the real Nova, {name}, traced', statistics.median(times[name]), 's', bound)
          for name, bound in zip(times, (0.5, 0.5 if python >= (3, 12) else None), strict=True)),
        _row('the real Nova, memory after the recorded requests',
             int(status.get('VmRSS', '0 kB').split()[0]) / 1e3, 'MB', 250)]
