"""The simulator on a loopback port: HTTP server, faults on the wire, start and stop."""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Final, Self

from isales_proxy.simulator.faults import Answer, Fault, Faults, replace_answer
from isales_proxy.simulator.handlers import Handlers, Options
from isales_proxy.simulator.life import Life
from isales_proxy.simulator.operations import route
from isales_proxy.simulator.reservations import to_ms
from isales_proxy.simulator.signature import Request
from isales_proxy.simulator.state import Call, Recording

_LIFE_PAUSE: Final = 4.0  # seconds
_NOT_FOUND: Final = Answer(404, b"<html><body>404 Not Found</body></html>", "text/html")

_log = logging.getLogger(__name__)


class Simulator(Handlers):
    """A CC-iSales of our own on `host:port`; port 0 picks a free one. Options as in `Options`.

    `calls` and `write_backs` record what was asked, `faults` scripts what goes wrong; `codes`,
    `call_data`, `tokens`, the rows of `dataset` and the `behaviour` of the list may be changed
    while it runs. `answer_list` answers questions to the list without HTTP. After `stop`, `start`
    comes back on the same port, as a vendor does after an outage.
    """

    # Any: the fields of `Options`.
    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
        self.calls: Recording[Call] = Recording(lambda call: call.operation, keep=5000)
        self.faults = Faults()
        super().__init__(Options(**options))
        self._host, self.port = host, port
        self._server: _Server | None = None
        self._thread = threading.Thread()

    @property
    def base_url(self) -> str:
        return f"http://{self._host}:{self.port}"

    def start(self) -> Self:
        """Listen and serve in the background. Raises OSError when the port is taken."""
        if self._server is None:
            self._server = _Server(self, (self._host, self.port))
            self.port = self._server.server_address[1]
            if self.options.life:
                stopped = self._server.stopped
                threading.Thread(target=self._live, args=(stopped,), daemon=True).start()
            self._thread = threading.Thread(target=self._server.serve, daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and end every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()
            self._thread.join()
            server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add_rows(self, vdn: int, rows: Iterable[Mapping[str, object]]) -> None:
        """Put rows in the vendor's spelling among those of a VDN; they are answered as given."""
        self.dataset(vdn).add(rows)

    def _live(self, stopped: threading.Event) -> None:
        """Let the rows of every VDN change until `stopped` is set."""
        lives = [Life(self.dataset(vdn), vdn) for vdn in self.options.vdns]
        while not stopped.is_set():
            for life in lives:
                life.step(to_ms(self.now()))
            stopped.wait(_LIFE_PAUSE)

    def respond(self, request: Request) -> tuple[Answer, Fault | None]:
        """Answer and record one request; return also the fault that its connection shows."""
        routed = route(request.path)
        if routed is None:
            return _NOT_FOUND, None
        operation, path_vdn = routed
        fault = self.faults.take(operation)
        answer, verified = self.handle(request, operation, path_vdn, fault)
        answer = answer if fault is None else replace_answer(answer, fault)
        status = 0 if fault and fault.kind.unanswered else answer.status
        call = Call(operation, path_vdn, request.json(), request.headers, verified, status)
        self.calls.add(call)
        return answer, fault


class _Server(ThreadingTCPServer):
    """Keeps connections alive, one daemon thread each; asks the simulator for answers.

    No HTTPServer: that one looks up the name of the host, which may ask a name server.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, simulator: Simulator, address: tuple[str, int]) -> None:
        self.simulator = simulator
        self.stopped = threading.Event()
        self.connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def serve(self) -> None:
        """Serve until `stop`, which ends this at once; `serve_forever` would poll."""
        while not self.stopped.is_set():
            self.handle_request()

    def stop(self) -> None:
        """End serving and all connections; a kept-alive one would outlive the server."""
        self.stopped.set()
        # A connection of our own wakes `handle_request`.
        with suppress(OSError):
            socket.create_connection(self.socket.getsockname(), timeout=1).close()
        for connection in tuple(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        # A client that went away is everyday; anything else is our own mistake.
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
        answer, fault = self.server.simulator.respond(request)
        self._play(answer, fault, self.server.stopped)

    do_GET = do_POST = _serve  # noqa: N815  (http.server calls them by name)

    def _play(self, answer: Answer, fault: Fault | None, stopped: threading.Event) -> None:
        """Send `answer` as `fault` wants it; waits end at once when `stopped` is set."""
        name = fault.name if fault else ""
        if fault and name == "delay":
            stopped.wait(fault.options["seconds"])
        while fault and name == "hold" and not stopped.is_set():
            if fault.released.wait(0.02):
                break
        if name == "reset":
            self._reset()
        elif (fault and fault.kind.unanswered) or stopped.is_set():
            self.close_connection = True
        else:
            self._send(answer, half=name == "half_body")

    def _send(self, answer: Answer, *, half: bool) -> None:
        body = answer.body
        framing = ("Content-Length", str(len(body)))
        if answer.chunked:
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
            framing = ("Transfer-Encoding", "chunked")
        self.send_response(answer.status)
        for name, value in (("Content-Type", answer.content_type), framing, *answer.headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if half else body)
        self.close_connection = self.close_connection or half

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Write the header `Date` by the vendor's clock."""
        return super().date_time_string(timestamp or self.server.simulator.get_date())

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # An orderly shutdown of the socket object would send FIN before the RST.
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: the calls are recorded, and a log of them would hold phone numbers."""
