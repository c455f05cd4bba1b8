"""The miniature: our path in this process, with everything around it real."""

import atexit
import contextlib
import logging

import sqlalchemy as sa

from explorer import exception, objects, pipeline
from explorer.engines import seeds
from explorer.engines.folders import own_folder
from explorer.stations import STATIONS
from explorer.trace import codes, lasting_threads


class _Conductor(pipeline.ComputeTaskManager):
    """A conductor that can be told to fail."""

    failure, whole = None, True

    def _build_live_migrate_task(self, *args):
        super()._build_live_migrate_task(*args)
        if self.failure:
            raise self.failure


class Miniature:
    """Our small Nova in this process: database, bus, conductor, application and socket, started once."""

    engine, column, name_other = 'miniature', 'ours', None

    def __init__(self):
        self.folder, self.tokens = own_folder(self), {}
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
        atexit.register(end_workers, server._work_executor)

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


def end_workers(executor):
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
