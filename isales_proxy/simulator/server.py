"""The simulator on a loopback port: HTTP server, faults on the wire, start and stop."""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Final, Self

from isales_proxy.client.auth import Credentials, verify_c2
from isales_proxy.simulator.demo_data import Life
from isales_proxy.simulator.faults import Fault, Faults
from isales_proxy.simulator.messages import (
    UNAUTHORIZED,
    Answer,
    Refusal,
    Request,
)
from isales_proxy.simulator.operations import (
    OPERATIONS,
    Auth,
    perform,
    refuse,
)
from isales_proxy.simulator.reservations import to_ms
from isales_proxy.simulator.state import Recording, Vendor

_LIFE_PAUSE: Final = 4.0  # seconds
_NOT_FOUND: Final = Answer(404, b"<html><body>404 Not Found</body></html>", "text/html")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an interface.

    `vdn` is from the path, `body` parsed (None if it is not JSON), `verified` false if the
    credentials were refused, and `status` the HTTP status (0: no answer).
    """

    operation: str
    vdn: str
    body: Any
    headers: Mapping[str, str] = field(repr=False)
    verified: bool
    status: int


@dataclass(kw_only=True, eq=False)
class Simulator(Vendor):
    """A simulated CC-iSales on `host:port`; port 0 chooses a free one.

    `calls` and `write_backs` record the requests, `faults` scripts failures; `codes`, `call_data`,
    `tokens`, the rows of `dataset` and `behaviour` may be changed while it runs. `start` after
    `stop` uses the same port again.
    """

    host: str = "127.0.0.1"
    port: int = 0
    life: bool = False  # reservations come, change and vanish while it runs

    def __post_init__(self) -> None:
        super().__post_init__()
        self.calls: Recording[Call] = Recording(lambda call: call.operation, keep=5000)
        self.faults = Faults()
        self._server: _Server | None = None
        self._thread = threading.Thread()

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> Self:
        """Listen and serve in the background. Raises OSError when the port is in use."""
        if self._server is None:
            self._server = _Server(self)
            self.port = self._server.server_address[1]
            self._thread = _start_thread(self._server.serve)
            if self.life:
                _start_thread(self._live, self._server.stopped)
        return self

    def stop(self) -> None:
        """Stop listening and end every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()
            self.faults.release()
            self._thread.join()
            server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add_rows(self, vdn: int, rows: Iterable[Mapping[str, object]]) -> None:
        """Add rows to those of a VDN; they are shown as given."""
        self.dataset(vdn).add(rows)

    def _live(self, stopped: threading.Event) -> None:
        """Change the rows of every VDN until `stopped` is set."""
        lives = [Life(self.dataset(vdn), vdn) for vdn in self.vdns]
        while not stopped.is_set():
            for life in lives:
                life.step(to_ms(self.clock()))
            stopped.wait(_LIFE_PAUSE)

    def respond(self, request: Request) -> tuple[Answer, Fault | None]:
        """Answer and record one request; also return the fault to apply to its connection."""
        operation = OPERATIONS.get(request.interface)
        if operation is None:
            return _NOT_FOUND, None
        fault = self.faults.take(operation.name)
        if not self._is_authenticated(request, operation.auth):
            answer = UNAUTHORIZED
        elif fault is not None and fault.kind.prevents:
            # For other kinds than `business` the answer is replaced or not sent.
            code, sentence = (fault.options.get(name, "") for name in ("code", "desc"))
            answer = refuse(self, operation, Refusal(code, sentence, status=200))
        else:
            answer = perform(self, operation, request)
        verified = answer.status not in (401, 403)
        if fault is not None:
            answer = fault.replace(answer)
        status = 0 if fault and fault.kind.unanswered else answer.status
        call = Call(operation.name, request.vdn, request.json(), request.headers, verified, status)
        self.calls.add(call)
        return answer, fault

    def _is_authenticated(self, request: Request, auth: Auth) -> bool:
        """Return True if the credentials of a request are correct, or not needed."""
        if auth is Auth.TOKEN:
            return self.tokens.is_valid(request.bearer_token(self.auth_header.lower()))
        return auth is Auth.NONE or verify_c2(
            request.headers.get("authorization", ""),
            request,
            Credentials(self.access_key, self.secret_key),
            self.clock(),
        )


def _start_thread(target: Callable[..., None], *args: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


class _Server(ThreadingTCPServer):
    """Server with a daemon thread per connection.

    It is not an HTTPServer, which would look up the host name by DNS.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.stopped = threading.Event()
        self.connections: set[socket.socket] = set()
        super().__init__((simulator.host, simulator.port), _Handler)

    def serve(self) -> None:
        """Serve until `stop`, which ends this at once; `serve_forever` would poll."""
        while not self.stopped.is_set():
            self.handle_request()

    def stop(self) -> None:
        """Stop serving and close all connections, including idle ones."""
        self.stopped.set()
        # A connection of our own wakes `handle_request`.
        with suppress(OSError):
            socket.create_connection(self.socket.getsockname(), timeout=1).close()
        for connection in tuple(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        # Lost connections are normal; any other error is a bug.
        if not isinstance(sys.exception(), OSError):
            _log.exception("the simulator failed to answer")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that a kept connection may idle
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)
        if self.server.stopped.is_set():
            self.connection.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        path, _, query = self.path.partition("?")
        pairs = (part.partition("=") for part in query.split("&") if part)
        raw_query = tuple((name, value) for name, _, value in pairs)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, raw_query, headers, body)
        self._reply(*self.server.simulator.respond(request))

    do_GET = do_POST = _serve  # noqa: N815  (http.server calls them by name)

    def _reply(self, answer: Answer, fault: Fault | None) -> None:
        """Send `answer`, with the fault applied; delays end when the server stops."""
        name, stopped = fault.name if fault else "", self.server.stopped
        if fault and name == "delay":
            stopped.wait(fault.options["seconds"])
        if fault and name == "hold":
            fault.released.wait()
        if name == "reset":
            # Closing then sends RST. Closing the socket object would send FIN before.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(self.connection.detach())
        if (fault and fault.kind.unanswered) or stopped.is_set():
            self.close_connection = True
        else:
            self._send(answer, half=name == "half_body")

    def _send(self, answer: Answer, *, half: bool) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        if answer.declared:
            self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if half else answer.body)
        if half or not answer.declared:
            self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the header `Date` by the vendor's clock, even if `now` is frozen."""
        offset = self.server.simulator.behaviour.clock_offset_ms / 1000
        return super().date_time_string((timestamp or time.time()) + offset)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: the calls are recorded, and a log of them would hold phone numbers."""
