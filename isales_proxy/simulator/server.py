"""The simulator on a loopback port: HTTP server, faults on the wire, start and stop."""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final, Self, cast

from isales_proxy.simulator.dataset import Dataset
from isales_proxy.simulator.faults import UNANSWERED, Answer, Fault, Faults, replace_answer
from isales_proxy.simulator.handlers import Handlers, Options
from isales_proxy.simulator.life import Life
from isales_proxy.simulator.list_behaviour import ListBehaviour
from isales_proxy.simulator.operations import route
from isales_proxy.simulator.reservation_list import ListCall
from isales_proxy.simulator.reservations import RawRow, to_ms
from isales_proxy.simulator.signature import Request
from isales_proxy.simulator.state import Call, Recording

_MAX_BODY: Final = 64 * 1024
_CHUNK: Final = 64 * 1024
_TOO_LARGE: Final = Answer(413, b"Content Too Large", "text/plain")
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
        self._life: Life | None = None

    @property
    def base_url(self) -> str:
        return f"http://{self._host}:{self.port}"

    def start(self) -> Self:
        """Listen and serve in the background. Raises OSError when the port is taken.

        With the option `life` the rows of every VDN are made now, else at their first use.
        """
        if self._server is None:
            clock = self.reservations.now_on_the_wire
            self._server = _Server(self._host, self.port, self._respond, clock)
            self.port = self._server.server_port
            if self.options.life:
                self._life = Life(self.reservations, self.options.vdns, seed=self.options.seed)
                self._life.start()
            self._thread = threading.Thread(target=self._server.serve, daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and end every connection."""
        server, self._server = self._server, None
        life, self._life = self._life, None
        if life is not None:
            life.stop()
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

    def dataset(self, vdn: int) -> Dataset:
        """Return the reservations of a VDN, which may be changed. Raises KeyError."""
        return self.reservations.dataset(vdn)

    def shown(self, vdn: int) -> list[RawRow]:
        """Return every row of a VDN as it stands now: the truth that a copy must equal."""
        return self.dataset(vdn).shown(to_ms(self.reservations.now()))

    @property
    def behaviour(self) -> ListBehaviour:
        """Return the behaviour of the list of reservations; its fields may be set, or all of it."""
        return self.reservations.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: ListBehaviour) -> None:
        self.reservations.behaviour = behaviour

    @property
    def list_calls(self) -> Recording[ListCall]:
        """The well-formed questions to the list, by HTTP and by `answer_list`."""
        return self.reservations.calls

    def on_list(self, listener: Callable[[ListCall], object]) -> Callable[[], None]:
        """Call `listener` before each answer of the list, in the thread that answers.

        It may change rows and behaviour, and the answer shows that. Returns what removes it.
        """
        return self.reservations.on_list(listener)

    def _respond(self, request: Request) -> tuple[Answer, Fault | None]:
        routed = route(request.path)
        if routed is None:
            return _NOT_FOUND, None
        operation, path_vdn = routed
        fault = self.faults.take(operation)
        answer, verified = self.handle(request, operation, path_vdn, fault)
        answer = answer if fault is None else replace_answer(answer, fault)
        status = 0 if fault and fault.kind in UNANSWERED else answer.status
        body = request.json()
        vdn = path_vdn or (str(body.get("vdnId", "")) if isinstance(body, dict) else "")
        self.calls.add(Call(operation, vdn, body, request.headers, verified, status))
        return answer, fault


class _Server(ThreadingHTTPServer):
    """Keeps connections alive, one daemon thread each; asks `respond` for answers."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        host: str,
        port: int,
        respond: Callable[[Request], tuple[Answer, Fault | None]],
        clock: Callable[[], float],
    ) -> None:
        self.respond, self.clock = respond, clock
        self.stopped = threading.Event()
        self.connections: set[socket.socket] = set()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own looks up the name of the host, which may ask a name server.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def serve(self) -> None:
        """Serve until `stop`, which ends this at once; `serve_forever` would poll."""
        while not self.stopped.is_set():
            self.handle_request()

    def stop(self) -> None:
        """End serving and all connections; a kept-alive one would outlive the server."""
        self.stopped.set()
        # A connection of our own wakes `handle_request`.
        with suppress(OSError):
            socket.create_connection((self.server_name, self.server_port), timeout=1).close()
        for connection in tuple(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        # A client that went away is everyday; anything else is our own mistake.
        if not isinstance(sys.exception(), OSError):
            _log.exception("the simulator failed to answer")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that a kept connection may idle
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024

    def setup(self) -> None:
        super().setup()
        server = cast("_Server", self.server)
        server.connections.add(self.connection)
        if server.stopped.is_set():
            self.connection.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        cast("_Server", self.server).connections.discard(self.connection)
        super().finish()

    def _serve(self) -> None:
        server = cast("_Server", self.server)
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or len(length) > 9 or int(length) > _MAX_BODY:
            self.close_connection = True
            self._send(_TOO_LARGE)
            return
        body = self.rfile.read(int(length))
        path, _, query = self.path.partition("?")
        pairs = (part.partition("=") for part in query.split("&") if part)
        raw_query = tuple((name, value) for name, _, value in pairs)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, raw_query, headers, body)
        answer, fault = server.respond(request)
        self._play(answer, fault, server.stopped)

    do_GET = do_POST = _serve  # noqa: N815  (http.server calls them by name)

    def _play(self, answer: Answer, fault: Fault | None, stopped: threading.Event) -> None:
        """Send `answer` as `fault` wants it; waits end at once when `stopped` is set."""
        kind = fault.kind if fault else ""
        if fault and kind == "huge":
            self._send_huge(answer, fault.options["size"], declared=fault.options["declared"])
            return
        if fault and kind == "delay":
            stopped.wait(fault.options["seconds"])
        while fault and kind == "hold" and not stopped.is_set():
            if fault.released.wait(0.02):
                break
        if kind == "reset":
            self._reset()
        elif kind in UNANSWERED or stopped.is_set():
            self.close_connection = True
        elif kind == "half_body":
            self._send_head(answer, len(answer.body))
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
        else:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        self._send_head(answer, len(answer.body))
        self.wfile.write(answer.body)

    def _send_head(self, answer: Answer, length: int | None) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        chunked = length is None
        framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(length))
        for name, value in (framing, *answer.headers):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Write the header `Date` by the vendor's clock."""
        return super().date_time_string(timestamp or cast("_Server", self.server).clock())

    def _send_huge(self, answer: Answer, size: int, *, declared: bool) -> None:
        self._send_head(answer, size if declared else None)
        # Blanks before the value are legal JSON, so that only the size is at fault.
        whole, rest = divmod(size - len(answer.body), _CHUNK)
        for part in (*[b" " * _CHUNK] * whole, b" " * rest + answer.body):
            self.wfile.write(part if declared else b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"" if declared else b"0\r\n\r\n")

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # An orderly shutdown of the socket object would send FIN before the RST.
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: the calls are recorded, and a log of them would hold phone numbers."""
