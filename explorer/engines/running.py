"""Which code answers a scenario: the miniature, the real Nova in a process of its own, or what that one once answered."""

import atexit
import contextlib
import functools
import os
import sys
import threading

from explorer import bus, objects, pipeline
from explorer.engines import real_nova
from explorer.engines.cloud import Cloud
from explorer.engines.miniature import Miniature, end_workers
from explorer.engines.recordings import NotRecorded, recorded
from explorer.engines.runner import Runner, versions
from explorer.errors import HookError, WrongUse, shorten
from explorer.explorations import Scenario
from explorer.stations import STATIONS
from explorer.trace import INSIDE, Recorder, Trace, pack, text_as_imported

for module in (bus, objects, pipeline):
    text_as_imported(module.__file__)  # now, before anybody edits it


def run(scenario=None, *, engine='miniature', cloud=None, tell=None):
    """Let an engine answer a scenario: miniature, nova (the real one, in a process of its own), or recorded (what that one said).

    Shape: *tell* is called with a line that says what is being done while the real Nova starts; by default it is printed.
    Returns: the trace.
    Raises: WrongUse for an unknown engine, server, caller or state; if there is no real Nova, or no recording. HookError, if
    the hook could not see the whole request.
    """
    return answer(scenario or Scenario(), engine=engine, cloud=cloud, tell=tell)[0]


def run_real(scenario, *, tell=None):
    """Let the real Nova answer a scenario: as it is recorded, else live; give the trace.

    Raises: WrongUse, if it is not recorded and the real Nova can't be asked.
    """
    try:
        return run(scenario, engine='recorded')
    except NotRecorded:
        pass
    try:
        return run(scenario, engine='nova', tell=tell)
    except WrongUse as error:
        raise WrongUse(f'of this request there is no recording, and {str(error).removesuffix(real_nova.OR_RECORDED)}') from error


def answer(scenario, *, engine='miniature', cloud=None, whole=True, tell=None):
    """Let an engine answer a scenario: (trace, response). The response is as it came; the trace's is masked.

    Shape: *whole*: Nova's conductor goes on up to its own cast to the compute host; else it only acknowledges, as ours.
    """
    if not isinstance(scenario, Scenario) or not isinstance(cloud, Cloud | None):
        raise WrongUse(f'run takes a Scenario and a Cloud, not {shorten(scenario)} and {shorten(cloud)}')
    if engine not in ENGINES:
        raise WrongUse(f'no engine {engine!r}; there are {", ".join(ENGINES)}')
    with _turn():
        chosen = ENGINES[engine]()
        if engine == 'nova':
            chosen.tell = tell or _tell
        return chosen.answer(scenario, cloud or Cloud(), whole)


def boot():
    """Wire a fresh application and give the trace of that: what happens once, when the service starts."""
    with _turn(), Recorder([station for station in STATIONS if station.boot]) as recorder:
        miniature().nova.wire()
    return Trace('miniature', versions(), {}, None, None, [], None, None, pack(recorder.records()[0]))


@functools.cache
def miniature():
    """Start our small Nova in this process, once."""
    nova = Miniature()
    return Runner(nova, nova.folder)


@functools.cache
def live_nova():
    """Make the engine that asks the real Nova; its process starts with the first question."""
    return real_nova.RealNova()


class Recorded:
    """What the real Nova once answered."""

    def answer(self, scenario, cloud, whole=True):
        if cloud != Cloud():
            raise WrongUse('the recordings are of one cloud, the default one; engine="nova" asks the real Nova about others')
        trace = recorded(scenario)
        return trace, trace.response


def _tell(line):
    print(line, file=sys.stderr, flush=True)


ENGINES = {'miniature': miniature, 'recorded': Recorded, 'nova': live_nova}
_one_at_a_time = threading.Lock()
_whose = threading.local()  # the thread that runs a request knows it


@contextlib.contextmanager
def _turn():
    """Wait for the requests of other threads.

    Raises: HookError for a request that is made while this thread works on another one: it would wait for itself.
    """
    if getattr(_whose, 'turn', False) or miniature.cache_info().currsize and miniature().is_inside():
        raise HookError(INSIDE)
    with _one_at_a_time:
        _whose.turn = True
        try:
            yield
        finally:
            _whose.turn = False


def _after_fork():
    global _one_at_a_time, _whose
    _one_at_a_time, _whose = threading.Lock(), threading.local()
    atexit.unregister(end_workers)
    miniature.cache_clear()
    live_nova.cache_clear()


os.register_at_fork(after_in_child=_after_fork)  # the threads of the parent's are not here
