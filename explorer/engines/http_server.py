"""The socket of the API: a WSGI server with one thread per request."""

import contextlib
import functools
import socket
import socketserver
import threading
import time
import typing
from wsgiref import simple_server
from wsgiref.types import WSGIApplication

_LONGEST_REST = 10_000_000  # bytes of an unread body that are read and dropped
_UNAVAILABLE = (b'HTTP/1.0 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n'
                b'{"serviceUnavailable": {"code": 503, "message": "The service is stopping."}}')


class _Response(simple_server.ServerHandler):
    request_handler: '_Handler'
    os_environ = {}  # noqa: RUF012  # never changed; keeps this process's environment out of the request

    def finish_response(self) -> None:
        if self.request_handler.server.may_answer(self.request_handler.connection):
            super().finish_response()


class _Handler(simple_server.WSGIRequestHandler):
    server: 'HTTPServer'
    timeout = 60  # seconds that a silent client may stay connected

    def handle(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.parse_request():
            return  # parse_request has sent the error response
        if not self.path.startswith('/'):
            self.send_error(400, 'the target of a request must be a path')
            return
        response = _Response(
            self.rfile, typing.cast(typing.IO[bytes], self.wfile), self.get_stderr(), self.get_environ(),
            multithread=True)
        response.request_handler = self
        with self.server._closed:
            self.server.asked += 1
        response.run(self.server.application)

    def log_message(self, *args: object) -> None:
        """Log nothing, because RequestLog writes the access log."""


class HTTPServer(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    """Serve a WSGI application with one thread per request.

    Raises: OSError if the port is taken.
    """

    application: WSGIApplication
    server_address: tuple[str, int]
    daemon_threads = True
    request_queue_size = 128  # connections that may wait to be accepted

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]  # TCP: never a datagram
        """Close the connection after reading what the client still sends.

        Closing it with an unread body would reset the connection, and the client would lose the response.
        """
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            request.settimeout(1)
            left = _LONGEST_REST
            while left > 0 and (read := len(request.recv(65536))):
                left -= read
        self.close_request(request)

    def __init__(self, host: str, port: int, app: WSGIApplication) -> None:
        super().__init__((host, port), _Handler)
        self.set_app(app)
        self._closed = threading.Condition()
        self._unanswered: dict[socket.socket, bool] = {}  # per open connection: does it still wait for its response?
        self.asked = 0  # requests that reached the application

    def server_bind(self) -> None:
        # HTTPServer.server_bind would look up this machine's name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]
        self.setup_environ()

    def process_request(
            self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        with self._closed:
            self._unanswered[typing.cast(socket.socket, request)] = True
        super().process_request(request, client_address)

    def process_request_thread(
            self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._closed:
                del self._unanswered[typing.cast(socket.socket, request)]
                self._closed.notify_all()

    def may_answer(self, connection: socket.socket) -> bool:
        """Return whether a connection still waits for its response, and record that it no longer does."""
        with self._closed:
            waits, self._unanswered[connection] = self._unanswered[connection], False
            return waits

    def join(self, timeout: float) -> bool:
        """Wait until no request is open; return whether that happened within *timeout* seconds."""
        with self._closed:
            return self._closed.wait_for(lambda: not self._unanswered, timeout)

    def stop(self, timeout: float = 2) -> None:
        """Accept no more connections, and let the open requests finish.

        A request without a response after *timeout* seconds gets a 503; messages that it has already sent stay sent.
        """
        end = time.monotonic() + timeout
        self.shutdown()
        self.timeout = 0
        for _ in range(self.request_queue_size):  # the connections that are still waiting to be accepted
            self.handle_request()
        self.server_close()
        self.join(end - time.monotonic())
        with self._closed:
            late = [connection for connection, waits in self._unanswered.items() if waits]
            self._unanswered.update(dict.fromkeys(late, False))
        for connection in late:
            with contextlib.suppress(OSError):
                connection.sendall(_UNAVAILABLE)
        with self._closed:  # a response may be on its way
            self._closed.wait_for(lambda: self._unanswered.keys() <= set(late), 0.2)

    def start(self) -> typing.Self:
        """Start serving on a daemon thread."""
        threading.Thread(target=functools.partial(self.serve_forever, 0.1), name='http', daemon=True).start()
        return self
