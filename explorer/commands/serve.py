"""nova-api and nova-conductor as programs: the miniature works with real clients and a real broker."""

import logging
import signal
import sys
import tempfile

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

MEMORY = 'memory://'
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
            server = HTTPServer(host, port, application)
        except (OSError, ValueError) as error:
            reason = getattr(error, 'strerror', None) or 'no such address'
            raise WrongUse(f'cannot listen on {host!r}:{port}: {reason}; use another --port, or 0 for any') from error
        seed(database, cloud)
        if transport_url == MEMORY:
            pipeline.start_conductor(database, transport, pipeline.ComputeTaskManager())
        server.start()
        print(f'Listening on http://{host}:{server.server_port}/v2.1', flush=True)
        signal.sigwait(SIGNALS)
        server.stop()


def conduct(transport_url: str, database_url: str) -> None:
    """Take messages from a broker until a signal arrives.

    Raises: WrongUse for a broker or database that cannot be reached.
    """
    if transport_url == MEMORY:
        raise WrongUse('memory:// exists only within one process; use the --transport-url of a broker, rabbit://...')
    _log()
    _hold_signals()
    database, transport = open_database(database_url), open_bus(transport_url)
    pipeline.start_conductor(database, transport, pipeline.ComputeTaskManager())
    print('Listening on the topic conductor', flush=True)
    signal.sigwait(SIGNALS)


def tokens(cloud: Cloud) -> dict[str, Identity]:
    """Return the identities behind tokens.

    Shape: {token: (user_id, project_id, roles)}. Each caller's name is a token; the tokens that clients send without
    Keystone stand for the admin.
    """
    identities = cloud.identities()
    return {**identities, 'notused': identities['admin'], 'admin:demo': identities['admin']}


def seed(database: sa.Engine, cloud: Cloud) -> None:
    """Write the cloud and its servers to a database, each server in the default state."""
    claim(database)
    seeds.seed_cloud(database, cloud)
    for name, uuid in cloud.servers.items():
        seeds.seed_server(database, uuid, name, cloud.state(name))


def claim(database: sa.Engine) -> None:
    """Create our tables.

    Raises: WrongUse if the database has tables of the same names from another program, such as a real Nova.
    """
    ours = objects.METADATA.tables
    with database.connect() as connection:
        there = set(sa.inspect(connection).get_table_names())
    if there & set(ours) and objects.MARK.name not in there:
        raise WrongUse(f'the database {database.url!r} holds tables of another program; use a separate database')
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
        reason = str(getattr(error, 'orig', None) or error).splitlines()[0]
        raise WrongUse(
            f'no database at {_without_password(url)}: {reason}; start it, or use another --database-url') from error


def _without_password(url: str) -> str:
    try:
        return repr(make_url(url).set(query={}))
    except ValueError:
        return 'that URL'


def open_bus(url: str) -> object:
    """Open the bus and check that a broker responds.

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


def _log() -> None:
    """Log to standard error: everything that the path logs, and warnings from other modules."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format='%(asctime)s %(levelname)s %(message)s')
    logging.getLogger('explorer').setLevel(logging.INFO)
