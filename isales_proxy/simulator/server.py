"""The HTTP server below the simulator: bounded, keep-alive, one daemon thread a connection."""

from __future__ import annotations

import logging
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, cast

from isales_proxy.simulator.faults import Fault
from isales_proxy.simulator.wire import Answer, send

MAX_BODY: Final = 64 * 1024
MAX_CONNECTIONS: Final = 256
IDLE_SECONDS: Final = 60

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as received; `target` is raw, header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    client: str
    connection: int


Respond = Callable[[Request], tuple[Answer, Fault | None]]


class Server(ThreadingHTTPServer):
    """Listens on `host:port` and asks `respond` for each answer."""

    daemon_threads = True
    request_queue_size = 128
    timeout = 0

    def __init__(self, host: str, port: int, respond: Respond) -> None:
        self.respond = respond
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, int] = {}
        self._accepted = 0
        self._wake, self._woken = socket.socketpair()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without the look-up of the host's name, which may ask a name server."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def serve(self) -> None:
        """Serve until `cut`, which ends this at once; `serve_forever` would poll."""
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self.stopped.is_set():
                selector.select()
                if not self.stopped.is_set():
                    self.handle_request()

    def server_close(self) -> None:
        """Stop listening."""
        super().server_close()
        self._wake.close()
        self._woken.close()

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Serve a connection in its own thread, or drop it when there are too many."""
        with self._lock:
            full = len(self._open) >= MAX_CONNECTIONS
            if not full:
                self._accepted += 1
                self._open[request] = self._accepted
        if full:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        """Close a connection and forget it."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def number_of(self, connection: socket.socket) -> int:
        """The running number of an open connection, from 1."""
        with self._lock:
            return self._open.get(connection, 0)

    def cut(self) -> None:
        """End serving and all connections; a kept-alive one would outlive the server."""
        self.stopped.set()
        self._wake.send(b".")
        self.end_connections()

    def end_connections(self) -> None:
        """Shut every open connection down."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """A client that went away is everyday; anything else is our own mistake."""
        if not isinstance(sys.exception(), OSError):
            _log.exception("the simulator failed to answer")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "CC-iSales-simulator"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024

    def _serve(self) -> None:
        server = cast("Server", self.server)
        body = self._body()
        if isinstance(body, Answer):
            self.close_connection = True
            send(self, body, None, server.stopped)
            return
        request = Request(
            method=self.command,
            target=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            client=str(self.client_address[0]),
            connection=server.number_of(self.connection),
        )
        answer, fault = server.respond(request)
        send(self, answer, fault, server.stopped)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815  (http.server calls them by name)

    def _body(self) -> bytes | Answer:
        """The request body, or the answer to one that is not taken."""
        if "Transfer-Encoding" in self.headers:
            return Answer(411, b"Length Required", "text/plain")
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()) or len(length) > 9:
            return Answer(400, b"Bad Request", "text/plain")
        if int(length) > MAX_BODY:
            return Answer(413, b"Content Too Large", "text/plain")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the request ended early")
        return body

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: the calls are kept, and a log of them would hold phone numbers."""
