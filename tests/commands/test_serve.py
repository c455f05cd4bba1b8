"""nova-api and nova-conductor as programs, with the real clients and a real broker."""

import contextlib
import json
import logging
import os
import pathlib
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import pytest

from explorer import objects
from explorer.commands import serve as services
from explorer.engines import cloud, seeds
from explorer.errors import WrongUse
from tests.conftest import RABBITMQ, ROOT, WEB_1

LIVE = {'os-migrateLive': {'host': None, 'block_migration': 'auto'}}
BIN = pathlib.Path(sys.executable).parent


@contextlib.contextmanager
def program(*words, until='Listening on', environment=None):
    """Run a program until the block ends; yield (process, the line that says it is ready)."""
    with tempfile.TemporaryFile('w+') as log:
        process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True,
                                   env=environment and {**os.environ, **environment})
        try:
            yield process, next((line for line in process.stdout if until in line), '')
        finally:
            process.terminate()
            process.stdout.read()
            process.wait(30)
            log.seek(0)
            process.log = log.read()


def serve(*words):
    return program(sys.executable, '-m', 'explorer', 'serve', '--port', '0', *words)


def client(url, name, *words):
    """Run the real nova or openstack command, without Keystone."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith('OS_')}
    environment |= {'OS_AUTH_TYPE': 'admin_token', 'OS_TOKEN': 'admin:demo', 'OS_ENDPOINT': url}
    if name == 'nova':
        environment |= {'OS_PROJECT_NAME': 'demo', 'OS_AUTH_URL': 'http://unused'}
    return subprocess.run([BIN / name, *words], env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope='module')
def api_url():
    """The API, for the tests that do not touch each other's servers."""
    with serve() as (_, line):
        yield line.split()[-1]


def test_the_nova_command_migrates_a_server(api_url):
    done = client(api_url, 'nova', 'live-migration', 'web-1')
    assert (done.returncode, done.stdout.strip()) == (0, ''), done.stderr
    listed = client(api_url, 'nova', 'list').stdout
    assert re.search(r'web-1 +\| MIGRATING +\| migrating', listed), listed
    assert re.search(r'web-3 +\| ACTIVE', listed)
    again = client(api_url, 'nova', 'live-migration', 'web-1')
    assert again.returncode == 1
    assert "while it is in task_state migrating (HTTP 409)" in again.stderr


def test_the_openstack_command_migrates_a_server(api_url):
    done = client(api_url, 'openstack', 'server', 'migrate', '--live-migration', 'web-2')
    assert done.returncode == 0, done.stderr
    assert re.search(r'web-2 +\| MIGRATING', client(api_url, 'nova', 'list').stdout)


def test_the_nova_command_pauses_a_server(api_url):
    done = client(api_url, 'nova', 'pause', 'web-3')
    assert (done.returncode, done.stdout.strip()) == (0, ''), done.stderr
    assert re.search(r'web-3 +\| ACTIVE +\| pausing', client(api_url, 'nova', 'list').stdout)


def request(url, path, token=None, body=None, version='2.1'):
    headers = {'Content-Type': 'application/json', 'OpenStack-API-Version': f'compute {version}'}
    asked = urllib.request.Request(url + path, json.dumps(body).encode() if body else None,
                                   {**headers, **({'X-Auth-Token': token} if token else {})})
    try:
        with urllib.request.urlopen(asked, timeout=20) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(('token', 'status'), [
    ('notused', 200), ('admin:demo', 200), ('reader', 200), ('nobody', 401), ('bad_token', 401), (None, 401)])
def test_tokens_are_the_names_of_callers(api_url, token, status):
    assert request(api_url, '/servers', token) == status
    assert request(api_url, '/', token) == 200


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_service_within_three_seconds_even_with_a_hanging_client(number):
    with serve() as (process, line):
        port = int(re.search(r':(\d+)/', line)[1])
        with socket.create_connection(('127.0.0.1', port)) as hanging:
            hanging.sendall(b'POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n')
            start = time.monotonic()
            process.send_signal(number)
            assert process.wait(10) == 0
            assert time.monotonic() - start < 3


def test_the_log_of_the_service_holds_no_token():
    with serve() as (process, line):
        url = line.split()[-1]
        assert request(url, f'/servers/{WEB_1}/action', 'admin:demo', LIVE, '2.34') == 202
    assert 'status: 202' in process.log
    assert 'taken over' in process.log
    assert 'admin:demo' not in process.log


def test_a_health_address_answers_without_a_token_and_tells_what_is_wrong(api_url, tmp_path):
    base = api_url.removesuffix('/v2.1')
    with urllib.request.urlopen(base + services.HEALTH, timeout=20) as response:
        assert response.read() == b'OK\n'
    said = []
    database = objects.database(f'sqlite:///{tmp_path}/empty.db')  # without our tables, as if the file were replaced
    health = services.with_health(None, database)
    line, = health({'PATH_INFO': services.HEALTH}, lambda status, headers: said.append(status))
    assert said == ['503 Service Unavailable']
    assert line == b'the database does not respond: no such table: nova_explorer\n'


def test_the_service_listens_on_ipv6():
    with serve('--host', '::1') as (_, line):
        url = line.split()[-1]
        assert re.fullmatch(r'http://\[::1\]:\d+/v2.1', url)
        assert request(url, '/servers', 'reader') == 200


def test_no_control_character_reaches_the_log():
    with serve() as (process, line):
        port = int(re.search(r':(\d+)/', line)[1])
        for target in (b'/v2.1/servers/x%0aINFO%20forged%1b[31m', b'/%1b[2J%9b?name=%1b%0d',
                       b'/v2.1/servers?name=[%1b'):
            with socket.create_connection(('127.0.0.1', port), timeout=20) as connection:
                connection.sendall(b'GET %b HTTP/1.1\r\nX-Auth-Token: admin\r\n'
                                   b'Connection: close\r\n\r\n' % target)
                while connection.recv(4096):
                    pass
    assert 'INFO forged' in process.log
    assert not re.search(r'[\x00-\x09\x0b-\x1f\x7f-\x9f]', process.log)
    assert not [line for line in process.log.splitlines() if line.startswith('INFO')]


def test_an_error_in_the_log_keeps_its_lines_but_no_control_character():
    try:
        raise ValueError('\x1b[31m\nforged')
    except ValueError:
        record = logging.LogRecord('x', logging.ERROR, 'x', 1, 'a\nb', (), sys.exc_info())
    text = services._Formatter('%(message)s').format(record)
    assert text.startswith('a\\nb\nTraceback')
    assert 'ValueError: \\x1b[31m' in text


@pytest.mark.parametrize('depth', [5_000, 50_000])
def test_deep_json_is_a_malformed_body(api_url, depth):
    body = b'[' * depth + b']' * depth
    for text in (body, b'{"os-migrateLive":' + body + b'}'):
        asked = urllib.request.Request(f'{api_url}/servers/{WEB_1}/action', text,
                                       {'Content-Type': 'application/json', 'X-Auth-Token': 'admin'})
        with pytest.raises(urllib.error.HTTPError) as found:
            urllib.request.urlopen(asked, timeout=20)
        assert found.value.code == 400


def test_a_database_that_cannot_be_written_is_reported_in_one_line(explorer, tmp_path):
    path = tmp_path / 'nova.db'
    services.seed(objects.database(f'sqlite:///{path}'), cloud.Cloud())
    done = explorer('serve', '--port', '0', '--database-url', f'sqlite:///file:{path}?mode=ro&uri=true')
    assert done.returncode == 2
    assert 'cannot be written: attempt to write a readonly database' in done.stderr
    assert done.stderr.count('\n') == 1


def test_space_that_ends_while_seeding_is_reported_in_one_line(tmp_path):
    program = ('import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); '
               'resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); '
               'from explorer.__main__ import main; sys.exit(main(["serve", "--port", "0", "--database-url", '
               f'"sqlite:///{tmp_path}/nova.db"]))')
    done = subprocess.run([sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert 'make room, unlock it, or use another --database-url' in done.stderr
    assert done.stderr.count('\n') == 1


def test_a_locked_database_costs_only_the_requests_that_meet_the_lock(api):
    with contextlib.closing(sqlite3.connect(api.database.url.database)) as other:
        other.execute('BEGIN IMMEDIATE')
        refused = api.migrate()
    assert refused.status_int == 500
    assert refused.json['computeFault']['message'].startswith('Unexpected API Error.')
    assert api.migrate().status_int == 202


def test_a_busy_port_is_reported_in_one_line(explorer):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        done = explorer('serve', '--port', str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert 'Address already in use; use another --port, or 0 for any' in done.stderr
    assert done.stderr.count('\n') == 1


@pytest.mark.parametrize(('words', 'says'), [
    (('serve', '--transport-url', 'rabbit://u:c3cr3t@127.0.0.1:1/'), 'add --database-url'),
    (('serve', '--transport-url', 'rabbit://u:c3cr3t@127.0.0.1:1/', '--database-url', 'sqlite:///{folder}/never.db'),
     'no broker at 127.0.0.1:1'),
    (('serve', '--transport-url', 'carrier-pigeon://', '--database-url', 'sqlite:///{folder}/never.db'),
     'use memory:// or rabbit://'),
    (('serve', '--database-url', 'nonsense'), 'is not the URL of a database'),
    (('serve', '--database-url', 'sqlite:////nowhere/at/all.db'), 'no database at'),
    (('serve', '--database-url', 'postgresql://u:c3cr3t@127.0.0.1:1/nova'), 'no database at'),
    (('serve', '--database-url', 'postgresql://u:p@127.0.0.1:1/nova?password=c3cr3t'), 'no database at'),
    (('serve', '--database-url', 'postgresql://u:c3cr3t@host:xx/nova'), 'no database at that URL'),
    (('serve', '--database-url', 'sqlite:///{folder}/never.db?timeout=abc'), 'no database at'),
    (('serve', '--port', '0', '--host', 'nowhere.invalid'), 'cannot listen on'),
    (('serve', '--database-url', 'sqlite://'), 'use a file'),
    (('serve', '--port', '99999'), 'is not a port'),
    (('conductor', '--transport-url', 'memory://', '--database-url', 'sqlite:///{folder}/never.db'),
     'use the --transport-url of a broker'),
    (('conductor', '--database-url', 'x'), 'required: --transport-url')])
def test_what_is_unreachable_is_reported_in_one_line_without_its_password(explorer, tmp_path, words, says):
    done = explorer(*(word.replace('{folder}', str(tmp_path)) for word in words))
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count('\n') == 1
    assert done.stdout == ''
    assert 'c3cr3t' not in done.stderr


@pytest.mark.parametrize('by', ['environment', 'file'])
def test_a_url_with_a_password_need_not_be_on_the_command_line(explorer, tmp_path, by):
    urls = {'TRANSPORT': 'rabbit://u:c3cr3t@127.0.0.1:1/', 'DATABASE': f'sqlite:///{tmp_path}/nova.db'}
    words, environment = ['serve'], dict(os.environ)
    for name, url in urls.items():
        if by == 'environment':
            environment[f'NOVA_EXPLORER_{name}_URL'] = url
        else:
            (tmp_path / name).write_text(f'{url}\n')
            words += [f'--{name.lower()}-url', f'@{tmp_path}/{name}']
    for command in ('serve', 'conductor'):
        done = explorer(command, *words[1:], env=environment)
        assert (done.returncode, done.stderr.count('\n')) == (2, 1)
        assert 'no broker at 127.0.0.1:1' in done.stderr
        assert 'c3cr3t' not in done.stderr
    done = explorer('serve', '--transport-url', f'@{tmp_path}/nowhere')
    assert (done.returncode, done.stderr.count('\n')) == (2, 1)
    assert 'cannot be read: No such file' in done.stderr


def test_a_database_of_another_program_is_left_alone(tmp_path):
    import sqlalchemy as sa
    database = objects.database(f'sqlite:///{tmp_path}/other.db')
    with database.begin() as connection:
        connection.execute(sa.text('CREATE TABLE instances (id INTEGER)'))
    with pytest.raises(WrongUse, match='holds tables of another program'):
        services.seed(database, cloud.Cloud())
    with database.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ['instances']


def test_our_own_database_can_be_used_again(tmp_path):
    database = objects.database(f'sqlite:///{tmp_path}/nova.db')
    services.seed(database, cloud.Cloud())
    services.seed(database, cloud.Cloud())
    assert seeds.server_state(database, WEB_1)['vm_state_after'] == 'active'


# -------------------------------------------------------------------------------------------- a broker in between


@contextlib.contextmanager
def rabbitmq(folder):
    """Run a RabbitMQ that keeps its files in a folder; yield its URL."""
    with socket.create_server(('127.0.0.1', 0)) as one, socket.create_server(('127.0.0.1', 0)) as other:
        port, distribution = one.getsockname()[1], other.getsockname()[1]
    environment = {
        'HOME': str(folder), 'RABBITMQ_NODENAME': f'explorer{os.getpid()}@localhost', 'RABBITMQ_NODE_PORT': str(port),
        'RABBITMQ_DIST_PORT': str(distribution), 'RABBITMQ_MNESIA_BASE': str(folder), 'RABBITMQ_LOG_BASE': str(folder),
        'RABBITMQ_ENABLED_PLUGINS_FILE': str(folder / 'plugins'), 'RABBITMQ_CONFIG_FILE': str(folder / 'none')}
    with program(RABBITMQ, until='completed with', environment=environment):
        yield f'rabbit://guest:guest@127.0.0.1:{port}/'


@pytest.fixture(scope='module')
def broker(tmp_path_factory):
    with rabbitmq(tmp_path_factory.mktemp('rabbit')) as url:
        yield url


@pytest.mark.broker
@pytest.mark.parametrize('version', ['2.30', '2.34'])
def test_api_and_conductor_run_as_two_processes_over_a_broker(broker, tmp_path, version):
    urls = ('--transport-url', broker, '--database-url', f'sqlite:///{tmp_path}/nova.db')
    with (serve(*urls) as (api, line),
          program(sys.executable, '-m', 'explorer', 'conductor', *urls) as (conductor, ready)):
        assert 'Listening on the topic conductor' in ready
        done = client(line.split()[-1], 'nova', '--os-compute-api-version', version, 'live-migration', 'web-1', 'host2')
        assert done.returncode == 0, done.stderr
        assert re.search(r'web-1 +\| MIGRATING', client(line.split()[-1], 'nova', 'list').stdout)
        # A cast may still be on its way: the conductor finishes the messages it has taken before it ends.
        for _ in range(100):
            if taken_over(conductor):
                break
            time.sleep(0.1)  # there is nothing to join in another process
    assert 'taken over' in conductor.log, conductor.log
    assert 'taken over' not in api.log
    assert 'guest:guest' not in conductor.log + api.log


@pytest.mark.broker
def test_a_conductor_that_is_asked_to_end_finishes_what_it_has_taken(broker, tmp_path):
    urls = ('--transport-url', broker, '--database-url', f'sqlite:///{tmp_path}/nova.db')
    with serve(*urls) as (_, line):
        url = line.split()[-1]
        with program(sys.executable, '-m', 'explorer', 'conductor', *urls) as (conductor, ready):
            assert ready
            for uuid in cloud.Cloud().servers.values():
                assert request(url, f'/servers/{uuid}/action', 'admin:demo', LIVE, '2.34') == 202
            start = time.monotonic()
            conductor.terminate()
            assert conductor.wait(10) == 0
            assert time.monotonic() - start < 5
        first = conductor.log.count('taken over')
        with program(sys.executable, '-m', 'explorer', 'conductor', *urls) as (conductor, _):
            for _ in range(100):
                if first + taken_over(conductor) == 3:
                    break
                time.sleep(0.1)
        assert first + conductor.log.count('taken over') == 3


@pytest.mark.broker
def test_a_pause_over_a_broker_needs_neither_conductor_nor_host(broker, tmp_path):
    with serve('--transport-url', broker, '--database-url', f'sqlite:///{tmp_path}/nova.db') as (_, line):
        assert request(line.split()[-1], f'/servers/{WEB_1}/action', 'admin:demo', {'pause': None}) == 202


def taken_over(process):
    return pathlib.Path(f'/proc/{process.pid}/fd/2').read_text().count('taken over')
