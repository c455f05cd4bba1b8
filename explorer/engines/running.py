"""Choose the code that answers a scenario: the miniature, the real Nova in its own process, or its recordings."""

import atexit
import contextlib
import functools
import inspect
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from explorer import bus, objects, pipeline
from explorer.engines import real_nova
from explorer.engines.cloud import Cloud
from explorer.engines.miniature import Miniature, end_workers
from explorer.engines.recordings import NotRecorded, recorded
from explorer.engines.runner import Runner, versions
from explorer.errors import HookError, WrongUse, shorten
from explorer.explorations import Scenario
from explorer.payloads import Value
from explorer.stations import STATIONS
from explorer.trace import INSIDE, Recorder, Trace, pack, text_as_imported

for module in (bus, objects, pipeline):
    text_as_imported(inspect.getfile(module))  # now, before somebody edits the file


def run(
        scenario: Scenario | None = None, *, engine: str = 'miniature', cloud: Cloud | None = None,
        tell: real_nova.Tell | None = None) -> Trace:
    """Run a scenario and return its trace.

    Shape: *engine* is 'miniature', 'nova' (the real Nova, in its own process) or 'recorded' (recordings of the real
    Nova); *tell* is called with each line of progress while the real Nova starts; by default, the lines are printed.
    Raises: WrongUse for an unknown engine, server, caller or state, or if the real Nova or a recording is missing;
    HookError if the hook could not see the whole request.
    """
    return answer(scenario or Scenario(), engine=engine, cloud=cloud, tell=tell)[0]


def run_real(scenario: Scenario, *, tell: real_nova.Tell | None = None) -> Trace:
    """Return the trace of a scenario on the real Nova: recorded if there is a recording, else live.

    Raises: WrongUse if there is no recording and the real Nova cannot be run.
    """
    try:
        return run(scenario, engine='recorded')
    except NotRecorded:
        pass
    try:
        return run(scenario, engine='nova', tell=tell)
    except WrongUse as error:
        raise WrongUse('there is no recording of this request, '
                       f'and {str(error).removesuffix(real_nova.OR_RECORDED)}') from error


def answer(
        scenario: Scenario, *, engine: str = 'miniature', cloud: Cloud | None = None, whole: bool = True,
        tell: real_nova.Tell | None = None) -> tuple[Trace, Value]:
    """Run a scenario and return (trace, response).

    Shape: the response is as it arrived, while secrets are masked in the trace's copy; if *whole*, Nova's conductor
    continues up to its own cast to the compute host; otherwise it only acknowledges the message, as the miniature's
    does.
    Raises: the same as `run`.
    """
    if not isinstance(scenario, Scenario) or not isinstance(cloud, Cloud | None):
        raise WrongUse(f'pass a Scenario and a Cloud, not {shorten(scenario)} and {shorten(cloud)}')
    if engine not in ENGINES:
        raise WrongUse(f'there is no engine {engine!r}; choose one of {", ".join(ENGINES)}')
    with _turn():
        chosen = ENGINES[engine]()
        if isinstance(chosen, real_nova.RealNova):
            chosen.tell = tell or _tell
        return chosen.answer(scenario, cloud or Cloud(), whole)


def boot() -> Trace:
    """Wire a fresh application, as a service does once when it starts, and return the trace of the wiring."""
    with _turn(), Recorder([station for station in STATIONS if station.boot]) as recorder:
        miniature().nova.wire()
    return Trace('miniature', versions(), {}, None, None, [], None, None, pack(recorder.records()[0]))


@functools.cache
def miniature() -> Runner[Miniature]:
    """Return the runner of the miniature, which is started once per process."""
    nova = Miniature()
    return Runner(nova, nova.folder)


@functools.cache
def live_nova() -> real_nova.RealNova:
    """Return the engine that runs the real Nova, whose process starts with the first scenario."""
    return real_nova.RealNova()


class Engine(Protocol):
    """Code that answers scenarios."""

    def answer(self, scenario: Scenario, cloud: Cloud, whole: bool = True) -> tuple[Trace, Value]:
        """Run a scenario and return (trace, response), as `running.answer` does."""


class Recorded:
    """The engine that serves recordings of the real Nova."""

    def answer(self, scenario: Scenario, cloud: Cloud, whole: bool = True) -> tuple[Trace, Value]:
        if cloud != Cloud():
            raise WrongUse('there are recordings only of the default cloud; use engine="nova" for another one')
        trace = recorded(scenario)
        return trace, trace.response


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


ENGINES: dict[str, Callable[[], Engine]] = {'miniature': miniature, 'recorded': Recorded, 'nova': live_nova}
_one_at_a_time = threading.Lock()
_whose = threading.local()  # its attribute *turn* is True in the thread that runs a request


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    """Wait until no other thread runs a request.

    Raises: HookError if this thread is running another request, because it would wait for itself.
    """
    if getattr(_whose, 'turn', False) or (miniature.cache_info().currsize and miniature().is_inside()):
        raise HookError(INSIDE)
    with _one_at_a_time:
        _whose.turn = True
        try:
            yield
        finally:
            _whose.turn = False


def _after_fork() -> None:
    global _one_at_a_time, _whose
    _one_at_a_time, _whose = threading.Lock(), threading.local()
    atexit.unregister(end_workers)
    miniature.cache_clear()
    live_nova.cache_clear()


os.register_at_fork(after_in_child=_after_fork)  # the parent's threads do not exist in the child
