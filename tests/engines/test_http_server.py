"""The socket of the API: what clients send, what they may occupy, and what they may not."""

import contextlib
import http.client
import json
import socket
import threading
import time

import pytest

from explorer.engines import http_server


def application(environ, start_response):
    """Answer with the method, the path, the host and the length of the body; or, under /early, read no body."""
    if environ['PATH_INFO'] == '/early':
        body = b''
    else:
        body = environ['wsgi.input'].read(int(environ.get('CONTENT_LENGTH') or 0))
    start_response('200 OK', [('Content-Type', 'application/json')])
    return [json.dumps([environ['REQUEST_METHOD'], environ['PATH_INFO'], environ.get('HTTP_HOST'),
                        len(body)]).encode()]


@contextlib.contextmanager
def serving(app=application, host='127.0.0.1', **options):
    server = http_server.HTTPServer(host, 0, app, **options).start()
    try:
        yield server
    finally:
        server.stop(0.2)


@pytest.fixture
def server():
    with serving() as started:
        yield started


def ask(server, method='GET', path='/', body=None, host='127.0.0.1'):
    """Send a request and return the status and the length of the body that arrived."""
    connection = http.client.HTTPConnection(host, server.server_port, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, json.load(response)[3]


def connect(server):
    return socket.create_connection(('127.0.0.1', server.server_port), timeout=10)


def raw(server, sent, ends=False):
    """Send bytes and return everything that comes back until the server closes the connection."""
    with connect(server) as connection:
        got = b''
        with contextlib.suppress(OSError):  # the server may have answered and closed the connection already
            connection.sendall(sent)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while more := connection.recv(65536):
                got += more
    return got


def until(connection, wanted):
    """Return what comes back up to and including *wanted*."""
    got = b''
    while wanted not in got and (more := connection.recv(65536)):
        got += more
    return got


def status(got):
    return int(got.split()[1])


# ------------------------------------------------------------------------------------------------ ordinary clients


def test_many_clients_are_served_at_once(server):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ask(server, 'POST', '/', b'x' * 1000)))
               for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(200, 1000)] * 20
    assert server.asked == 20


def test_an_unread_body_does_not_cost_the_response(server):
    assert ask(server, 'POST', '/early', b'x' * 3_000_000) == (200, 0)


def test_a_connection_can_be_used_again(server):
    connection = http.client.HTTPConnection('127.0.0.1', server.server_port, timeout=10)
    for _ in range(3):
        connection.request('GET', '/')
        assert connection.getresponse().read()
    assert len(server.active_channels) == 1
    connection.close()


def test_a_client_that_only_listens_any_more_gets_its_response(server):
    got = raw(server, b'GET /x HTTP/1.1\r\nHost: nova\r\n\r\n', ends=True)
    assert status(got) == 200
    assert b'["GET", "/x", "nova", 0]' in got


def test_a_chunked_body_is_read(server):
    assert ask(server, 'POST', '/', iter([b'abc', b'', b'defg'])) == (200, 7)


@pytest.mark.parametrize(('target', 'host'), [
    (b'http://nova:8774/v2.1/servers?limit=1', 'nova:8774'), (b'/v2.1/servers', 'other')])
def test_a_target_may_be_absolute_and_then_names_the_host(server, target, host):
    got = raw(server, b'GET %b HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n' % target)
    assert json.loads(got.partition(b'\r\n\r\n')[2]) == ['GET', '/v2.1/servers', host, 0]


def test_ipv6(monkeypatch):
    with serving(host='::1') as server:
        assert ask(server, host='::1') == (200, 0)


def test_a_busy_port_is_an_error_at_once(server):
    with pytest.raises(OSError, match='in use'):
        http_server.HTTPServer('127.0.0.1', server.server_port, application)


def test_the_application_does_not_get_the_processs_environment(monkeypatch):
    monkeypatch.setenv('OS_PASSWORD', 'c3cr3t')
    seen = []

    def keep(environ, start_response):
        seen.append(dict(environ))
        return application(environ, start_response)
    with serving(keep) as server:
        ask(server)
    assert 'OS_PASSWORD' not in seen[0]


# ------------------------------------------------------------------------------------------------ broken requests


@pytest.mark.parametrize('rubbish', [
    b'', b'\r\n\r\n', b'GET\r\n\r\n', b'\x16\x03\x01\x00', b'GET / HTTP/9.9\r\n\r\n', b'x' * 70_000])
def test_garbage_does_not_stop_the_server(server, rubbish):
    raw(server, rubbish, ends=True)
    assert ask(server) == (200, 0)


@pytest.mark.parametrize('headers', [
    b'Content-Length: 3\r\nTransfer-Encoding: chunked', b'Content-Length: 3\r\nContent-Length: 4',
    b'Transfer-Encoding: \r\nContent-Length: 3', b'Transfer-Encoding: ,\r\nContent-Length: 3',
    b'Content-Length: 3, 3', b'Content-Length: ' + b'9' * 5000, b'Content-Length: -3',
    b'Content-Length: +3', b'Content-Length: 0x3', b'Content-Length: '])
@pytest.mark.parametrize('version', [b'1.1', b'1.0'])
def test_a_request_of_contradictory_length_is_refused(server, headers, version):
    got = raw(server, b'POST / HTTP/%b\r\nHost: nova\r\n%b\r\n\r\n3\r\nabc\r\n0\r\n\r\n' % (version, headers))
    assert got.count(b'HTTP/1.') == 1
    assert status(got) == 400
    assert server.asked == 0


@pytest.mark.parametrize('headers', [b'', b'Content-Length: 0\r\n'])
def test_a_client_that_waits_to_continue_without_a_body_gets_its_response(server, headers):
    first = b'GET /one HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n%b\r\n' % headers
    with connect(server) as connection:
        connection.sendall(first)
        assert b'"/one", "a", 0]' in until(connection, b']')
        connection.sendall(b'GET /two HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n')
        assert b'"/two", "b", 0]' in until(connection, b']')


def test_a_client_that_waits_to_continue_is_asked_for_its_body(server):
    with connect(server) as connection:
        connection.sendall(b'POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n')
        assert until(connection, b'\r\n\r\n') == b'HTTP/1.1 100 Continue\r\n\r\n'
        connection.sendall(b'abc')
        assert until(connection, b']').endswith(b', 3]')


def test_a_malformed_host_in_the_target_is_refused(server):
    assert status(raw(server, b'GET http://[::1/v2.1/servers HTTP/1.1\r\nConnection: close\r\n\r\n')) == 400
    assert ask(server) == (200, 0)


def large(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'x' * 3_000_000]


def test_a_client_that_does_not_read_is_disconnected_and_frees_its_worker(monkeypatch):
    monkeypatch.setitem(http_server.LIMITS, 'channel_timeout', 1)
    with serving(large, workers=1) as server, connect(server) as connection:
        connection.sendall(b'GET / HTTP/1.1\r\nHost: nova\r\n\r\n' * 50)
        while not server.asked:
            time.sleep(0.01)
        assert server.join(20)
        got = raw(server, b'GET / HTTP/1.1\r\nConnection: close\r\n\r\n')
        assert len(got) > 3_000_000


def test_a_stop_writes_nothing_into_a_response_that_has_begun():
    server = http_server.HTTPServer('127.0.0.1', 0, large).start()
    with connect(server) as connection:
        connection.sendall(b'GET / HTTP/1.1\r\nHost: nova\r\n\r\n')
        while not server.asked:
            time.sleep(0.01)
        server.stop(0.2)
        got = b''
        with contextlib.suppress(ConnectionResetError):
            while more := connection.recv(65536):
                got += more
    assert b'503' not in got


def test_an_unknown_transfer_encoding_is_refused(server):
    assert status(raw(server, b'POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n')) == 501


@pytest.mark.parametrize('method', [b'GE\x1bT', b'GE\x00T', b'G\x9bT', b'get'])
def test_a_malformed_method_is_refused(server, method):
    assert status(raw(server, b'%b / HTTP/1.1\r\nHost: nova\r\n\r\n' % method)) == 400


@pytest.mark.parametrize('part', [
    b'POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc', b'POST / HTTP/1.1\r\nContent-Le',
    b'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab'])
def test_a_request_that_is_cut_short_gets_a_400(server, part):
    assert status(raw(server, part, ends=True)) == 400
    assert server.asked == 0
    assert ask(server) == (200, 0)


def test_headers_that_are_too_long_are_refused(server):
    got = raw(server, b'GET / HTTP/1.1\r\nX: ' + b'x' * http_server.LIMITS['max_request_header_size'] + b'\r\n\r\n')
    assert status(got) == 431


# ----------------------------------------------------------------------------------------------------- the limits


def test_idle_connections_leave_the_service_usable(monkeypatch):
    monkeypatch.setattr(http_server, 'CONNECTIONS', 50)
    with serving() as server, contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connect(server))
        assert ask(server) == (200, 0)
        assert len(server.active_channels) <= 50


def test_the_limit_follows_the_number_of_files_that_may_be_open(monkeypatch):
    monkeypatch.setattr(http_server.resource, 'getrlimit', lambda _: (256, 256))
    with serving() as server:
        assert server._limit == 128


def test_slow_clients_occupy_no_thread():
    with serving(workers=2) as server, contextlib.ExitStack() as stack:
        before = threading.active_count()
        for _ in range(100):
            stack.enter_context(connect(server)).sendall(b'POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc')
        assert ask(server) == (200, 0)
        assert threading.active_count() <= before


def test_a_request_that_takes_too_long_to_arrive_gets_a_408(monkeypatch):
    monkeypatch.setattr(http_server, 'REQUEST_SECONDS', 1)
    with serving() as server, connect(server) as connection:
        began = time.monotonic()
        connection.sendall(b'POST / HTTP/1.1\r\n')
        with contextlib.suppress(OSError):
            while time.monotonic() < began + 30:  # never silent for long
                connection.sendall(b'X: y\r\n')
                time.sleep(0.1)
                connection.settimeout(0.01)
                with contextlib.suppress(TimeoutError):
                    got = connection.recv(100)
                    break
        assert status(got) == 408


def test_a_silent_client_is_disconnected(monkeypatch):
    monkeypatch.setitem(http_server.LIMITS, 'channel_timeout', 1)
    with serving() as server, connect(server) as connection:
        assert connection.recv(1) == b''
        assert ask(server) == (200, 0)


def test_the_server_waits_for_open_requests_and_says_whether_they_ended():
    go_on = threading.Event()

    def slow(environ, start_response):
        go_on.wait(10)
        return application(environ, start_response)
    with serving(slow) as server:
        asking = threading.Thread(target=ask, args=(server,))
        asking.start()
        while not server.asked:
            time.sleep(0.01)
        assert not server.join(0.05)
        go_on.set()
        assert server.join(5)
        asking.join()


@pytest.mark.parametrize('error', [SystemExit, KeyboardInterrupt, ValueError])
def test_an_application_that_raises_does_not_leave_the_client_waiting(error):
    def broken(environ, start_response):
        if environ['PATH_INFO'] == '/broken':
            raise error
        return application(environ, start_response)
    with serving(broken, workers=1) as server:
        got = raw(server, b'GET /broken HTTP/1.1\r\nConnection: close\r\n\r\n')
        assert got == b'' or status(got) == 500
        assert server.join(5)
        assert ask(server) == (200, 0)
