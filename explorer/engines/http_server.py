"""The socket of the API: waitress, with limits on what clients may occupy, and a stop that finishes what has begun.

Waitress reads requests on one thread and passes only whole ones to its workers, so a slow or silent client occupies a
connection but no worker. The servers of wsgiref and cheroot give each connection a thread before it has sent anything.
"""

import contextlib
import re
import resource
import threading
import time
import typing
from collections.abc import Callable
from wsgiref.types import WSGIApplication

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask
from waitress.utilities import BadRequest, Error

from explorer.payloads import Value

CONNECTIONS = 1000  # at most; fewer if this process may not open twice as many files
REQUEST_SECONDS = 30  # for a whole request to arrive
LIMITS = {
    'channel_timeout': 60,  # seconds that a silent client may stay connected
    'max_request_header_size': 65_536,  # bytes
    'max_request_body_size': 10_000_000,  # bytes; Nova's own limit, which is far lower, applies to the rest
    'cleanup_interval': 1,  # seconds between looks at those limits
    'backlog': 128,  # connections that may wait to be accepted
}
_UNAVAILABLE = (b'HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 78\r\n'
                b'Connection: close\r\n\r\n'
                b'{"serviceUnavailable": {"code": 503, "message": "The service is stopping."}}\r\n')


class _RequestTimeout(Error):
    code, reason = 408, 'Request Timeout'


class _Parser(HTTPRequestParser):
    """Parse a request, and reject one whose length is ambiguous."""

    def received(self, data: bytes) -> int:
        """Add what has arrived; a client that needs no more than a response is not asked to continue."""
        consumed = int(super().received(data))
        if self.completed or self.error:
            self.expect_continue = False
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        encoded = re.search(rb'(?mi)^transfer-encoding[ \t]*:', header_plus)
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # a number of too many digits, or a malformed host
            raise ParsingError('The header is malformed.') from error
        if encoded and (not self.chunked or 'CONTENT_LENGTH' in self.headers):
            raise ParsingError('The headers contradict each other about the length of the body.')
        if self.proxy_netloc:  # RFC 9112, 3.2.2: the host in the target takes the place of the header
            self.headers['HOST'] = self.proxy_netloc


class _Task(WSGITask):
    def get_environment(self) -> dict[str, Value]:
        """Return the environment without what makes each request look different to the application."""
        environ = super().get_environment()
        for name in ('REMOTE_PORT', 'waitress.client_disconnected'):
            environ.pop(name, None)
        return dict(environ)

    def start(self) -> None:
        super().start()
        if self.channel.server.stopping:
            self.set_close_on_finish()

    def execute(self) -> None:
        with self.channel.server.counting:
            self.channel.server.asked += 1
        super().execute()


class _Channel(HTTPChannel):
    """A connection. It stays open for the response when the client has sent all that it will send."""

    parser_class, task_class = _Parser, _Task
    request: _Parser | None = None
    began = 0.0  # when the request that is arriving began
    ended = answering = False

    def is_busy(self) -> bool:
        """Return whether a request is arriving, being processed, or being answered."""
        return bool(self.requests or self.request is not None or self.total_outbufs_len)

    def readable(self) -> bool:
        return not self.ended and super().readable()

    def writable(self) -> bool:
        if self.ended and not self.requests:
            self.close_when_flushed = True
        return bool(super().writable())

    def handle_read(self) -> None:
        if not self.socket:  # closed since the event was noticed
            return
        try:
            data = self.socket.recv(self.adj.recv_bytes)
        except BlockingIOError:
            return
        except OSError:
            self.handle_close()
            return
        if not data:
            self.reject(BadRequest('The request ended before it was complete.'))
            return
        self.last_activity = time.time()
        before = self.request
        self.received(data)
        if self.request is not before:
            self.began = self.last_activity

    def reject(self, error: Error) -> None:
        """Read no more, and answer a request that has arrived only in part with an error."""
        with self.requests_lock:
            self.ended, request, self.request = True, self.request, None
            if request is not None:
                request.error = error
                self.requests.append(request)
                if len(self.requests) == 1:
                    self.server.add_task(self)

    def write_soon(self, data: bytes) -> int:
        with self.outbuf_lock:
            self.answering = True
            return int(super().write_soon(data))

    def service(self) -> None:
        try:
            super().service()
        except BaseException:  # such as SystemExit, after which waitress would leave the client waiting
            self.cancel()
            self.server.pull_trigger()
            raise
        finally:
            self.answering = False

    def handle_close(self) -> None:
        """Close the connection; what has arrived is read first, or the client could lose its response to a reset."""
        with contextlib.suppress(OSError):
            for _ in range(64 if self.socket else 0):  # no socket: it is closed already
                if not self.socket.recv(65536):
                    break
        super().handle_close()

    def give_up(self) -> None:
        """Send a 503 unless a response has begun, and close the connection; a later response is dropped."""
        with self.outbuf_lock:
            if self.is_busy() and not self.answering and not self.total_outbufs_len:
                self.socket.send(_UNAVAILABLE)
            self.handle_close()


class HTTPServer(TcpWSGIServer):
    """Serve a WSGI application with a fixed number of worker threads.

    Shape: *asked* counts the requests that reached the application.
    Raises: OSError if the port is taken; ValueError if there is no such address.
    """

    channel_class = _Channel
    active_channels: dict[int, _Channel]
    asked, stopping, _ended = 0, False, False

    def __init__(self, host: str, port: int, app: WSGIApplication, workers: int = 8) -> None:
        self.counting, self._workers = threading.Lock(), workers
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._limit = CONNECTIONS if files == resource.RLIM_INFINITY else min(CONNECTIONS, files // 2)
        super().__init__(app, dispatcher=ThreadedTaskDispatcher(), adj=Adjustments(
            listen=f'[{host}]:{port}' if ':' in host else f'{host}:{port}', ident=None, asyncore_use_poll=True,
            connection_limit=2 * CONNECTIONS, log_socket_errors=False, **LIMITS))
        self.server_port = int(self.effective_port)

    # ------------------------------------------------------------------------- on the thread that reads requests

    def _idle(self) -> list[_Channel]:
        """Return the connections without a whole request, the one that has been silent for longest first."""
        idle = [each for each in self.active_channels.values() if not each.requests and not each.total_outbufs_len]
        return sorted(idle, key=lambda each: each.last_activity)

    def readable(self) -> bool:
        return bool(super().readable() and (len(self.active_channels) < self._limit or self._idle()))

    def handle_accept(self) -> None:
        if len(self.active_channels) >= self._limit:
            for channel in self._idle()[:1]:
                channel.handle_close()
        super().handle_accept()

    def maintenance(self, now: float) -> None:
        super().maintenance(now)
        for channel in list(self.active_channels.values()):
            if channel.total_outbufs_len and channel.last_activity < now - self.adj.channel_timeout:
                channel.handle_close()  # it does not read its response; this also frees the worker that waits for it
            elif channel.request is not None and channel.began < now - REQUEST_SECONDS:
                channel.reject(_RequestTimeout(f'The request was not complete after {REQUEST_SECONDS} seconds.'))

    def _accept_no_more(self) -> None:
        for _ in range(self.adj.backlog):  # the connections that are still waiting to be accepted
            self.handle_accept()
        wasyncore.dispatcher.close(self)
        for channel in list(self.active_channels.values()):
            if not channel.is_busy():
                channel.handle_read()
            if not channel.is_busy():
                channel.handle_close()

    def _give_up(self) -> None:
        for channel in list(self.active_channels.values()):
            try:
                channel.give_up()
            except OSError:  # the client is gone
                channel.handle_close()

        self._ended = True

    def run(self) -> None:
        while not self._ended:  # the trigger stays open, because workers may still use it
            wasyncore.loop(timeout=1, use_poll=True, map=self._map, count=1)

    # -------------------------------------------------------------------------------------------- on other threads

    def start(self) -> typing.Self:
        """Start serving on daemon threads."""
        self.task_dispatcher.set_thread_count(self._workers)
        threading.Thread(target=self.run, name='http', daemon=True).start()
        return self

    def join(self, timeout: float) -> bool:
        """Wait until no request is open; return whether that happened within *timeout* seconds."""
        end = time.monotonic() + timeout
        while any(channel.is_busy() for channel in list(self.active_channels.values())):
            if time.monotonic() > end:
                return False
            time.sleep(0.001)
        return True

    def stop(self, timeout: float = 2) -> None:
        """Accept no more connections, and let the open requests finish.

        A request without a response after *timeout* seconds gets a 503; messages that it has already sent stay sent.
        """
        end = time.monotonic() + timeout
        self.stopping = True
        self._there(self._accept_no_more)
        self.join(end - time.monotonic())
        self._there(self._give_up)
        self.task_dispatcher.set_thread_count(0)

    def _there(self, task: Callable[[], None]) -> None:
        """Do something on the thread that reads requests, and wait until it is done."""
        done = threading.Event()

        def do() -> None:
            try:
                task()
            finally:
                done.set()
        self.trigger.pull_trigger(do)
        done.wait(1)
