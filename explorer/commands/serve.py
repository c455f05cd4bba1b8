"""nova-api and nova-conductor as programs: the miniature works with real clients and a real broker."""

import logging
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import sqlalchemy as sa
from kombu.connection import Connection
from oslo_config import cfg
from sqlalchemy.engine import make_url

from explorer import objects, pipeline
from explorer.engines import seeds
from explorer.engines.cloud import Cloud, Identity
from explorer.engines.http_server import HTTPServer
from explorer.errors import WrongUse
from explorer.libraries import oslo_messaging
from explorer.payloads import Value

MEMORY = 'memory://'
WORKERS = 32  # requests at the same time; further ones wait
HEALTH = '/healthcheck'
SIGNALS = {signal.SIGINT, signal.SIGTERM}


def serve(host: str, port: int, transport_url: str, database_url: str | None) -> None:
    """Serve the API until a signal arrives; if the bus is in memory, run the conductor in this process as well.

    Raises: WrongUse for a port that is not available, and for a broker or database that cannot be reached.
    """
    if transport_url != MEMORY and not database_url:
        raise WrongUse('a bus between processes needs a database that both can reach; add --database-url')
    _log()
    _hold_signals()
    cloud = Cloud()
    with tempfile.TemporaryDirectory(prefix='nova-explorer-') as folder:
        database = open_database(database_url or f'sqlite:///{folder}/nova.db')
        transport = open_bus(transport_url)
        application = pipeline.init_application(database, transport, tokens(cloud))
        try:
            server = HTTPServer(host, port, with_health(application, database), WORKERS)
        except (OSError, ValueError) as error:
            reason = getattr(error, 'strerror', None) or 'no such address'
            raise WrongUse(f'cannot listen on {host!r}:{port}: {reason}; use another --port, or 0 for any') from error
        seed(database, cloud)
        if transport_url == MEMORY:
            pipeline.start_conductor(database, transport, pipeline.ComputeTaskManager())
        server.start()
        name = f'[{host}]' if ':' in host else host
        print(f'Listening on http://{name}:{server.server_port}/v2.1', flush=True)
        signal.sigwait(SIGNALS)
        server.stop()
        if transport_url == MEMORY:
            transport._driver.join(0.3)  # what has been sent and not yet received


def conduct(transport_url: str, database_url: str) -> None:
    """Take messages from a broker until a signal arrives.

    Raises: WrongUse for a broker or database that cannot be reached.
    """
    if transport_url == MEMORY:
        raise WrongUse('memory:// exists only within one process; use the --transport-url of a broker, rabbit://...')
    _log()
    _hold_signals()
    database, transport = open_database(database_url), open_bus(transport_url)
    conductor = pipeline.start_conductor(database, transport, pipeline.ComputeTaskManager())
    print('Listening on the topic conductor', flush=True)
    signal.sigwait(SIGNALS)
    ending = threading.Thread(target=_finish, args=(conductor,), daemon=True)
    ending.start()
    ending.join(2.8)


def _finish(conductor: Value) -> None:
    """Take no more messages, and process those that have been taken; the broker keeps the others for another conductor.

    While oslo.messaging closes the connection, it acknowledges messages that still arrive and then drops them, so
    they are processed here.
    """
    conductor.stop()
    conductor.wait()
    for message in conductor.listener._poll_style_listener.incoming:
        conductor._process_incoming([message])


def with_health(application: WSGIApplication, database: sa.Engine) -> WSGIApplication:
    """Return an application that also answers at HEALTH: 200 if the database responds, else 503, in one line."""
    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ['PATH_INFO'] != HEALTH:
            return application(environ, start_response)
        status, line = '200 OK', 'OK'
        try:
            with database.connect() as connection:
                connection.execute(sa.select(objects.MARK))
        except sa.exc.SQLAlchemyError as error:
            status, line = '503 Service Unavailable', f'the database does not respond: {_reason(error)}'
        start_response(status, [('Content-Type', 'text/plain; charset=utf-8')])
        return [f'{line}\n'.encode()]
    return answer


def tokens(cloud: Cloud) -> dict[str, Identity]:
    """Return the identities behind tokens.

    Shape: {token: (user_id, project_id, roles)}. Each caller's name is a token; the tokens that clients send without
    Keystone stand for the admin.
    """
    identities = cloud.identities()
    return {**identities, 'notused': identities['admin'], 'admin:demo': identities['admin']}


def seed(database: sa.Engine, cloud: Cloud) -> None:
    """Write the cloud and its servers to a database, each server in the default state.

    Raises: WrongUse if the database cannot be written.
    """
    try:
        claim(database)
        seeds.seed_cloud(database, cloud)
        for name, uuid in cloud.servers.items():
            seeds.seed_server(database, uuid, name, cloud.state(name))
    except sa.exc.SQLAlchemyError as error:
        raise WrongUse(f'the database {_without_password(database.url)} cannot be written: {_reason(error)}; '
                       'make room, unlock it, or use another --database-url') from error


def claim(database: sa.Engine) -> None:
    """Create our tables.

    Raises: WrongUse if the database has tables of the same names from another program, such as a real Nova.
    """
    ours = objects.METADATA.tables
    with database.connect() as connection:
        there = set(sa.inspect(connection).get_table_names())
    if there & set(ours) and objects.MARK.name not in there:
        raise WrongUse(f'the database {_without_password(database.url)} holds tables of another program; '
                       'use a separate database')
    objects.MARK.create(database, checkfirst=True)  # first, or an incomplete set of tables would look foreign
    objects.METADATA.create_all(database)


def open_database(url: str) -> sa.Engine:
    """Open a database and check that it responds.

    Raises: WrongUse if it cannot be opened; the message does not contain the password.
    """
    try:
        if make_url(url).database in (None, '', ':memory:') and make_url(url).drivername.startswith('sqlite'):
            raise WrongUse('SQLite in memory is a separate database in each thread; use a file, sqlite:///nova.db')
        database: sa.Engine = objects.database(url)
        database.connect().close()
        return database
    except sa.exc.ArgumentError as error:
        raise WrongUse('the --database-url is not the URL of a database; use one like sqlite:///nova.db') from error
    except (sa.exc.SQLAlchemyError, ImportError, ValueError, TypeError) as error:
        raise WrongUse(f'no database at {_without_password(url)}: {_reason(error)}; '
                       'start it, or use another --database-url') from error


def _reason(error: Exception) -> str:
    """Return the first line of what a database says about its error."""
    return str(getattr(error, 'orig', None) or error).partition('\n')[0]


def _without_password(url: str | sa.URL) -> str:
    try:
        return repr(make_url(url).set(query={}))
    except ValueError:
        return 'that URL'


def open_bus(url: str) -> Value:
    """Open the bus, a transport of oslo.messaging, and check that a broker responds.

    Raises: WrongUse if none does; the message does not contain the password.
    """
    if url == MEMORY:
        return pipeline.create_transport(url)
    try:
        hosts = oslo_messaging.TransportURL.parse(cfg.CONF, url).hosts if url.startswith('rabbit://') else None
    except (oslo_messaging.InvalidTransportURL, ValueError):
        hosts = None
    if not hosts:
        raise WrongUse('this is not the URL of a bus; use memory:// or rabbit://USER:PASSWORD@HOST:PORT/')
    for there in hosts:
        broker = Connection(hostname=there.hostname, port=there.port or 5672, userid=there.username,
                            password=there.password, connect_timeout=3)
        try:
            broker.connect()
            broker.release()
            return pipeline.create_transport(url)
        except (OSError, *broker.connection_errors) as error:
            reason = str(error).splitlines()[0]
    raise WrongUse(
        f'no broker at {there.hostname}:{there.port or 5672}: {reason}; start it, or use another --transport-url')


def _hold_signals() -> None:
    """Block the signals that end a service until sigwait() takes them; threads started later inherit this."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


class _Formatter(logging.Formatter):
    """Format log records as text without control characters, which a client could send to forge lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return _escaped(super().formatMessage(record))

    def formatException(self, ei: Value) -> str:
        return '\n'.join(map(_escaped, super().formatException(ei).split('\n')))


def _escaped(text: str) -> str:
    return re.sub(r'[\x00-\x1f\x7f-\x9f]', lambda found: found[0].encode('unicode_escape').decode(), text)


def _log() -> None:
    """Log to standard error: everything that the path logs, and warnings from other modules."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter('%(asctime)s %(levelname)s %(message)s'))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger('explorer').setLevel(logging.INFO)
    logging.getLogger('waitress.queue').setLevel(logging.ERROR)  # requests that wait for a worker are no problem
