"""The cloud around the path: the seeded data and the socket."""

import http.client
import json
import socket
import threading

import pytest

from explorer import objects
from explorer.engines import cloud, http_server, seeds
from tests.conftest import CASES


def test_a_cloud_has_the_callers_hosts_and_defaults_of_the_recordings():
    data, ours = json.loads(CASES.read_text()), cloud.Cloud()
    assert ours.callers == data['callers']
    assert ours.server_defaults == data['server_defaults']
    assert [host['host'] for host in ours.hosts] == [host['host'] for host in data['hosts']]
    assert list(ours.servers) == ['web-1', 'web-2', 'web-3']


def test_a_server_is_seeded_in_the_requested_state(tmp_path):
    database, there = objects.database(f'sqlite:///{tmp_path}/nova.db'), cloud.Cloud()
    seeds.seed_cloud(database, there)
    uuid = there.servers['web-1']
    for state in ('active', 'paused'):
        seeds.seed_server(database, uuid, 'web-1', {**there.server_defaults, 'vm_state': state})
        assert seeds.server_state(database, uuid) == {
            'vm_state_after': state, 'task_state_after': None, 'actions': [], 'faults': []}


def application(environ, start_response):
    """Answer with the length of the body; or, under /early, without reading it."""
    if environ['PATH_INFO'] != '/early':
        body = environ['wsgi.input'].read(int(environ.get('CONTENT_LENGTH') or 0))
    else:
        body = b''
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [str(len(body)).encode()]


@pytest.fixture
def server():
    started = http_server.HTTPServer('127.0.0.1', 0, application).start()
    yield started
    started.shutdown()
    started.server_close()


def ask(server, method='GET', path='/', body=None):
    connection = http.client.HTTPConnection('127.0.0.1', server.server_port, timeout=10)
    connection.request(method, path, body)
    response = connection.getresponse()
    return response.status, response.read()


def test_many_clients_are_served_at_once(server):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ask(server, 'POST', '/', b'x' * 1000)))
               for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(200, b'1000')] * 20


def test_an_unread_body_does_not_cost_the_response(server):
    assert ask(server, 'POST', '/early', b'x' * 3_000_000) == (200, b'0')


@pytest.mark.parametrize('rubbish', [
    b'', b'\r\n\r\n', b'GET\r\n\r\n', b'\x16\x03\x01\x00', b'GET / HTTP/9.9\r\n\r\n', b'x' * 70_000])
def test_garbage_does_not_stop_the_server(server, rubbish):
    with socket.create_connection(('127.0.0.1', server.server_port), timeout=10) as connection:
        connection.sendall(rubbish)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    assert ask(server) == (200, b'0')


def test_an_invalid_target_is_refused(server):
    with socket.create_connection(('127.0.0.1', server.server_port), timeout=10) as connection:
        connection.sendall(b'OPTIONS * HTTP/1.1\r\n\r\n')
        assert b' 400 ' in connection.recv(4096)
    assert ask(server) == (200, b'0')


def test_a_busy_port_is_an_error_at_once(server):
    with pytest.raises(OSError, match='in use'):
        http_server.HTTPServer('127.0.0.1', server.server_port, application)


def test_the_application_does_not_get_the_processs_environment(monkeypatch):
    monkeypatch.setenv('OS_PASSWORD', 'c3cr3t')
    seen = []

    def keep(environ, start_response):
        seen.append(dict(environ))
        return application(environ, start_response)
    started = http_server.HTTPServer('127.0.0.1', 0, keep).start()
    ask(started)
    started.shutdown()
    started.server_close()
    assert 'OS_PASSWORD' not in seen[0]
