"""nova-api and nova-conductor as programs, so that real clients and a real broker can be pointed at our small Nova."""

import logging
import signal
import sys
import tempfile

import kombu
import sqlalchemy as sa
from oslo_config import cfg
from sqlalchemy.engine import make_url

from explorer import objects, pipeline
from explorer.engines import seeds
from explorer.engines.cloud import Cloud
from explorer.engines.http_server import HTTPServer
from explorer.errors import WrongUse
from explorer.libraries import oslo_messaging

MEMORY = 'memory://'
SIGNALS = {signal.SIGINT, signal.SIGTERM}


def serve(host, port, transport_url, database_url):
    """Serve the API until a signal comes; with the bus in memory, the conductor lives here, too.

    Raises: WrongUse for a port, a broker or a database that can't be had.
    """
    if transport_url != MEMORY and not database_url:
        raise WrongUse('a bus between processes needs a database that both can reach: give --database-url')
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
            raise WrongUse(f'can\'t listen on {host!r}:{port}: {reason}; give another --port, 0 picks one') from error
        seed(database, cloud)
        if transport_url == MEMORY:
            pipeline.start_conductor(database, transport, pipeline.ComputeTaskManager())
        server.start()
        print(f'Listening on http://{host}:{server.server_port}/v2.1', flush=True)
        signal.sigwait(SIGNALS)


def conduct(transport_url, database_url):
    """Take messages from a broker until a signal comes.

    Raises: WrongUse for a broker or a database that can't be had.
    """
    if transport_url == MEMORY:
        raise WrongUse('memory:// ends with the process: give the --transport-url of a broker, rabbit://...')
    _log()
    _hold_signals()
    database, transport = open_database(database_url), open_bus(transport_url)
    pipeline.start_conductor(database, transport, pipeline.ComputeTaskManager())
    print('Listening on the topic conductor', flush=True)
    signal.sigwait(SIGNALS)


def tokens(cloud):
    """Say whom a token stands for: each caller's name is a token; what clients send without Keystone is the admin."""
    identities = cloud.identities()
    return {**identities, 'notused': identities['admin'], 'admin:demo': identities['admin']}


def seed(database, cloud):
    """Write the cloud and its servers, each in the default state."""
    claim(database)
    seeds.seed_cloud(database, cloud)
    for name, uuid in cloud.servers.items():
        seeds.seed_server(database, uuid, name, cloud.server_defaults)


def claim(database):
    """Make our tables.

    Raises: WrongUse where there are tables of the same names that we did not make: a real Nova's, perhaps.
    """
    ours = objects.METADATA.tables
    with database.connect() as connection:
        there = set(sa.inspect(connection).get_table_names())
    if there & set(ours) and objects.MARK.name not in there:
        raise WrongUse(f'the database {database.url!r} holds tables of another program; give one of its own')
    objects.MARK.create(database, checkfirst=True)  # first, or half a set of our tables would look like another's
    objects.METADATA.create_all(database)


def open_database(url):
    """Open a database and see that it answers.

    Raises: WrongUse, with the password left out.
    """
    try:
        if make_url(url).database in (None, '', ':memory:') and make_url(url).drivername.startswith('sqlite'):
            raise WrongUse('SQLite in memory is another database in each thread: give a file, sqlite:///nova.db')
        database = objects.database(url)
        database.connect().close()
        return database
    except sa.exc.ArgumentError as error:
        raise WrongUse('the --database-url is no URL of a database; one is sqlite:///nova.db') from error
    except (sa.exc.SQLAlchemyError, ImportError, ValueError, TypeError) as error:
        reason = str(getattr(error, 'orig', None) or error).splitlines()[0]
        raise WrongUse(f'no database at {_without_password(url)}: {reason}; start it, or give another --database-url') from error


def _without_password(url):
    try:
        return repr(make_url(url).set(query={}))
    except ValueError:
        return 'that URL'


def open_bus(url):
    """Open the bus and see that a broker answers.

    Raises: WrongUse, with the password left out.
    """
    if url == MEMORY:
        return pipeline.create_transport(url)
    try:
        hosts = oslo_messaging.TransportURL.parse(cfg.CONF, url).hosts if url.startswith('rabbit://') else None
    except (oslo_messaging.InvalidTransportURL, ValueError):
        hosts = None
    if not hosts:
        raise WrongUse('the bus can be memory:// or rabbit://USER:PASSWORD@HOST:PORT/')
    for there in hosts:
        broker = kombu.Connection(hostname=there.hostname, port=there.port or 5672, userid=there.username,
                                  password=there.password, connect_timeout=3)
        try:
            broker.connect()
            broker.release()
            return pipeline.create_transport(url)
        except (OSError, *broker.connection_errors) as error:
            reason = str(error).splitlines()[0]
    raise WrongUse(f'no broker at {there.hostname}:{there.port or 5672}: {reason}; start it, or give another --transport-url')


def _hold_signals():
    """Keep the signals that end a service until sigwait() asks for them; the threads to come inherit that."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _log():
    """Write the log to standard error: what the path says, and the warnings of all others."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format='%(asctime)s %(levelname)s %(message)s')
    logging.getLogger('explorer').setLevel(logging.INFO)
