"""The miniature: our path in this process, surrounded by real libraries for the database, the bus and HTTP."""

import atexit
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import cast
from wsgiref.types import WSGIApplication

import sqlalchemy as sa

from explorer import exception, objects, pipeline
from explorer.engines import seeds
from explorer.engines.cloud import Cloud
from explorer.engines.folders import own_folder
from explorer.engines.runner import Nova
from explorer.payloads import Plain, Value
from explorer.stations import STATIONS
from explorer.trace import codes, lasting_threads


class _Conductor(pipeline.ComputeTaskManager):
    """A conductor that fails on demand."""

    failure: Exception | None
    failure, whole = None, True

    def _build_live_migrate_task(self, *args: object) -> None:
        super()._build_live_migrate_task(*args)  # type: ignore[no-untyped-call]  # the path has no types
        if self.failure:
            raise self.failure


class Miniature(Nova):
    """The miniature in this process: database, bus, conductor and application, started once."""

    engine, column, name_other = 'miniature', 'ours', None

    def __init__(self) -> None:
        self.folder, self.tokens = own_folder(self), {}
        for name in ('explorer', 'oslo_messaging', 'waitress'):
            # A rejected request is a result here, so its log lines appear only where somebody configures logging.
            logging.getLogger(name).addHandler(logging.NullHandler())
        self.database = objects.database(f'sqlite:///{self.folder}/nova.db')
        self.transport = pipeline.create_transport('memory://')
        self.driver, self.conductor = self.transport._driver, _Conductor()
        self.application = self.wire()
        for station in STATIONS:
            if station.ours.startswith('explorer.'):
                codes(station.ours)  # the hook watches the code that is wired now, even if a module is reloaded later
        with lasting_threads():
            server = pipeline.start_conductor(self.database, self.transport, self.conductor, workers=1)
            server._work_executor.submit(int).result()  # the worker's thread starts with its first job, so submit one
        atexit.register(end_workers, server._work_executor)

    def wire(self) -> WSGIApplication:
        """Wire a fresh application to the database and the bus."""
        return cast(WSGIApplication, pipeline.init_application(self.database, self.transport, self.tokens))

    def seed_cloud(self, cloud: Cloud) -> None:
        seeds.seed_cloud(self.database, cloud)

    def seed_server(self, uuid: str, name: str, state: Mapping[str, Value]) -> None:
        seeds.seed_server(self.database, uuid, name, state)

    def server_state(self, uuid: str) -> Plain:
        return seeds.server_state(self.database, uuid)

    @contextlib.contextmanager
    def rivalled(self, uuid: str, task_state: str | None) -> Iterator[None]:
        sa.event.listen(self.database, 'before_cursor_execute', rival := _rival(uuid, task_state))
        try:
            yield
        finally:
            sa.event.remove(self.database, 'before_cursor_execute', rival)

    def exception(self, name: str) -> type[Exception] | None:
        return cast(type[Exception] | None, exception.named(name))


def end_workers(executor: Value) -> None:
    """Stop the idle workers of an executor.

    On their own, they take up to a second to notice that the process is ending.
    """
    for worker in executor._workers:
        worker.stop()
    executor.submit(int)  # wakes the only worker


def _rival(uuid: str, task_state: str | None) -> Callable[..., None]:
    """Return a SQLAlchemy listener that changes the server's row just before the first UPDATE of it."""
    done = False

    def rival(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        nonlocal done
        if statement.startswith('UPDATE instances') and not done:
            done = True
            with connection.engine.begin() as other:
                other.execute(sa.text('UPDATE instances SET task_state = :task_state WHERE uuid = :uuid'),
                              {'task_state': task_state, 'uuid': uuid})
    return rival
