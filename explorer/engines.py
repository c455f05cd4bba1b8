"""Which code answers a scenario. The miniature: our path, run in this process, with everything around it real.

`run(Scenario())` seeds the cloud, lets the real `nova` client ask (or sends the bare request that the scenario brings),
waits until the conductor has worked it off, and gives the trace.
"""

import atexit
import contextlib
import functools
import logging
import os
import sys
import threading

import sqlalchemy as sa

from explorer import bus, exception, objects, pipeline, real_nova, seeds
from explorer.cloud import Cloud
from explorer.errors import HookError, WrongUse, shorten
from explorer.explorations import Scenario
from explorer.folders import own_folder
from explorer.recordings import NotRecorded, recorded
from explorer.runner import Runner, versions
from explorer.stations import STATIONS
from explorer.trace import INSIDE, Recorder, Trace, codes, lasting_threads, pack, text_as_imported

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
    with _turn():
        chosen = _engine(engine)
        if engine == 'nova':
            chosen.tell = tell or _tell
        return chosen.answer(scenario, cloud or Cloud(), whole)


def boot():
    """Wire a fresh application and give the trace of that: what happens once, when the service starts."""
    with _turn(), Recorder([station for station in STATIONS if station.boot]) as recorder:
        _engine('miniature').wire()
    return Trace('miniature', versions(), {}, None, None, [], None, None, pack(recorder.records()[0]))


def _engine(name):
    if name == 'miniature':
        return _miniature()
    if name == 'nova':
        return _real_nova()
    if name == 'recorded':
        return Recorded()
    raise WrongUse(f'no engine {name!r}; there are miniature, recorded, nova')


class _Conductor(pipeline.ComputeTaskManager):
    """A conductor that can be told to fail."""

    failure, whole = None, True

    def _build_live_migrate_task(self, *args):
        super()._build_live_migrate_task(*args)
        if self.failure:
            raise self.failure


class Miniature(Runner):
    """Our small Nova in this process: database, bus, conductor, application and socket, started once."""

    def __init__(self):
        self.folder = own_folder(self)
        super().__init__(self.folder)
        for name in ('explorer', 'oslo_messaging'):
            # A refused request is a result here; its log lines are for those who ask for them.
            logging.getLogger(name).addHandler(logging.NullHandler())
        self.database = objects.database(f'sqlite:///{self.folder}/nova.db')
        self.transport = pipeline.create_transport('memory://')
        self.driver, self.conductor = self.transport._driver, _Conductor()
        self.application = self.wire()
        for station in STATIONS:
            if station.ours.startswith('explorer.'):
                codes(station.ours)  # what is wired now is what is watched, whatever is reloaded later
        with lasting_threads():
            server = pipeline.start_conductor(self.database, self.transport, self.conductor, workers=1)
            server._work_executor.submit(int).result()  # the worker's thread begins with its first job
        atexit.register(_end, server._work_executor)

    def wire(self):
        return pipeline.init_application(self.database, self.transport, self.tokens)

    def seed_cloud(self, cloud):
        seeds.seed_cloud(self.database, cloud)

    def seed_server(self, uuid, name, state):
        seeds.seed_server(self.database, uuid, name, state)

    def server_state(self, uuid):
        return seeds.server_state(self.database, uuid)

    @contextlib.contextmanager
    def rivalled(self, uuid, task_state):
        sa.event.listen(self.database, 'before_cursor_execute', rival := _rival(uuid, task_state))
        try:
            yield
        finally:
            sa.event.remove(self.database, 'before_cursor_execute', rival)

    def exception(self, name):
        return exception.named(name)


def _end(executor):
    """End the idle workers of an executor; left alone, they take up to a second to notice that the process ends."""
    for worker in executor._workers:
        worker.stop()
    executor.submit(int)  # which wakes the one there is


def _rival(uuid, task_state):
    """Make a listener of the database that is faster than the first UPDATE of the server's row."""
    def rival(connection, _cursor, statement, *_):
        if statement.startswith('UPDATE instances') and not rival.done:
            rival.done = True
            with connection.engine.begin() as other:
                other.execute(sa.text('UPDATE instances SET task_state = :task_state WHERE uuid = :uuid'),
                              {'task_state': task_state, 'uuid': uuid})
    rival.done = False
    return rival


class Recorded:
    """What the real Nova once answered."""

    def answer(self, scenario, cloud, whole=True):
        if cloud != Cloud():
            raise WrongUse('the recordings are of one cloud, the default one; engine="nova" asks the real Nova about others')
        trace = recorded(scenario)
        return trace, trace.response


def _tell(line):
    print(line, file=sys.stderr, flush=True)


_miniature, _real_nova = functools.cache(Miniature), functools.cache(real_nova.RealNova)
_one_at_a_time = threading.Lock()
_whose = threading.local()  # the thread that runs a request knows it


@contextlib.contextmanager
def _turn():
    """Wait for the requests of other threads.

    Raises: HookError for a request that is made while this thread works on another one: it would wait for itself.
    """
    if getattr(_whose, 'turn', False) or _miniature.cache_info().currsize and _miniature().is_inside():
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
    atexit.unregister(_end)
    _miniature.cache_clear()
    _real_nova.cache_clear()


os.register_at_fork(after_in_child=_after_fork)  # the threads of the parent's are not here
