"""The socket of the API: a WSGI server, a thread for each request."""

import contextlib
import functools
import socket
import socketserver
import threading
from wsgiref import simple_server

_LONGEST_REST = 10_000_000  # bytes of a body that is read only to be dropped


class _Response(simple_server.ServerHandler):
    os_environ = {}  # the request's environ shall not hold the environment of this process


class _Handler(simple_server.WSGIRequestHandler):
    timeout = 60  # seconds for a client to say something

    def handle(self):
        self.raw_requestline = self.rfile.readline(65537)
        if not self.parse_request():
            return  # it has answered itself
        if not self.path.startswith('/'):
            self.send_error(400, 'the target of a request is a path')
            return
        response = _Response(self.rfile, self.wfile, self.get_stderr(), self.get_environ(), multithread=True)
        response.request_handler = self
        with self.server._closed:
            self.server.asked += 1
        response.run(self.server.get_app())

    def log_message(self, *args):
        """Nothing: RequestLog writes the access log."""


class HTTPServer(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    """Serve a WSGI application, a thread for each request.

    Raises: OSError when the port is taken.
    """

    daemon_threads = True
    request_queue_size = 128  # clients that wait for their turn

    def shutdown_request(self, request):
        """Close when the client has sent all it has: a body that nobody read would turn the answer into a reset."""
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            request.settimeout(1)
            left = _LONGEST_REST
            while left > 0 and (read := len(request.recv(65536))):
                left -= read
        self.close_request(request)

    def __init__(self, host, port, app):
        super().__init__((host, port), _Handler)
        self.set_app(app)
        self._open, self._closed = 0, threading.Condition()
        self.asked = 0  # requests that reached the application

    def server_bind(self):
        # Not the base class's: that one asks the name service for our name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]
        self.setup_environ()

    def process_request(self, request, client_address):
        with self._closed:
            self._open += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._closed:
                self._open -= 1
                self._closed.notify_all()

    def join(self, timeout):
        """Wait until no request is open; say whether it came to that within *timeout* seconds."""
        with self._closed:
            return self._closed.wait_for(lambda: not self._open, timeout)

    def start(self):
        threading.Thread(target=functools.partial(self.serve_forever, 0.1), name='http', daemon=True).start()
        return self
