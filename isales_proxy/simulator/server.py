"""The simulator on a loopback port: HTTP server, faults on the wire, start and stop."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.client import responses
from typing import Any, BinaryIO, Final, Self

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
_LONGEST_LINE: Final = 65_536
_IDLE_SECONDS: Final = 60  # that a kept connection may be silent
_NOT_FOUND: Final = Answer(404, b"<html><body>404 Not Found</body></html>", "text/html")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an interface.

    `vdn` is that of the path; `body` the parsed request body (None when it is no JSON); `verified`
    is false for one refused for its credentials; `status` is the HTTP status (0: none sent).
    """

    operation: str
    vdn: str
    body: Any
    headers: Mapping[str, str] = field(repr=False)
    verified: bool
    status: int


@dataclass(kw_only=True, eq=False)
class Simulator(Vendor):
    """A CC-iSales of our own on `host:port`; port 0 picks a free one.

    `calls` and `write_backs` record what was asked, `faults` scripts what goes wrong; `codes`,
    `call_data`, `tokens`, the rows of `dataset` and the `behaviour` of the list may be changed
    while it runs. After `stop`, `start` comes back on the same port, as a vendor does after an
    outage.
    """

    host: str = "127.0.0.1"
    port: int = 0
    life: bool = False  # reservations come, change and vanish while it runs

    def __post_init__(self) -> None:
        super().__post_init__()
        self.calls: Recording[Call] = Recording(lambda call: call.operation, keep=5000)
        self.faults = Faults()
        self._stopped: threading.Event | None = None  # None while it does not listen
        self._connections: set[socket.socket] = set()

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> Self:
        """Listen and serve in the background. Raises OSError when the port is taken."""
        if self._stopped is None:
            self._listener = socket.create_server((self.host, self.port), backlog=128)
            self.port = self._listener.getsockname()[1]
            self._stopped = threading.Event()
            self._accepting = _start_thread(self._accept, self._listener, self._stopped)
            if self.life:
                _start_thread(self._live, self._stopped)
        return self

    def stop(self) -> None:
        """Stop listening and end every connection."""
        stopped, self._stopped = self._stopped, None
        if stopped is None:
            return
        stopped.set()
        self.faults.release()
        # A connection of our own wakes the thread that waits for one.
        with suppress(OSError):
            socket.create_connection((self.host, self.port), timeout=1).close()
        self._accepting.join()
        self._listener.close()
        for connection in tuple(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add_rows(self, vdn: int, rows: Iterable[Mapping[str, object]]) -> None:
        """Put rows in the vendor's spelling among those of a VDN; they are answered as given."""
        self.dataset(vdn).add(rows)

    def _live(self, stopped: threading.Event) -> None:
        """Let the rows of every VDN change until `stopped` is set."""
        lives = [Life(self.dataset(vdn), vdn) for vdn in self.vdns]
        while not stopped.is_set():
            for life in lives:
                life.step(to_ms(self.clock()))
            stopped.wait(_LIFE_PAUSE)

    def respond(self, request: Request) -> tuple[Answer, Fault | None]:
        """Answer and record one request; return also the fault that its connection shows."""
        operation = OPERATIONS.get(request.interface)
        if operation is None:
            return _NOT_FOUND, None
        fault = self.faults.take(operation.name)
        if not self._knows(request, operation.auth):
            answer = UNAUTHORIZED
        elif fault is not None and fault.kind.prevents:
            # The answer of another kind than `business` is replaced, or never sent.
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

    def _knows(self, request: Request, auth: Auth) -> bool:
        """Tell whether a request shows credentials that are right; one for a token shows none."""
        if auth is Auth.TOKEN:
            return self.tokens.is_valid(request.bearer_token(self.auth_header.lower()))
        return auth is Auth.NONE or verify_c2(
            request.headers.get("authorization", ""),
            request,
            Credentials(self.access_key, self.secret_key),
            self.clock(),
        )

    def _accept(self, listener: socket.socket, stopped: threading.Event) -> None:
        while not stopped.is_set():
            connection, _ = listener.accept()
            self._connections.add(connection)
            _start_thread(self._serve, connection, stopped)

    def _serve(self, connection: socket.socket, stopped: threading.Event) -> None:
        """Answer the requests of one connection until a fault or the client ends it."""
        # A client that goes away is everyday.
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            connection.settimeout(_IDLE_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (request := _read_request(stream)) is not None:
                answer, fault = self.respond(request)
                kept = self._play(connection, stopped, answer, fault)
                if not kept or request.headers.get("connection") == "close":
                    break
        self._connections.discard(connection)

    def _play(
        self,
        connection: socket.socket,
        stopped: threading.Event,
        answer: Answer,
        fault: Fault | None,
    ) -> bool:
        """Send `answer` as `fault` wants it; return whether the connection goes on."""
        name = fault.name if fault else ""
        if fault and name == "delay":
            stopped.wait(fault.options["seconds"])
        if fault and name == "hold":
            fault.released.wait()
        if name == "reset":
            # The close of the connection then sends RST, and no FIN before it.
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if (fault and fault.kind.unanswered) or stopped.is_set():
            return False
        # By the true time: a frozen `now` does not stop it.
        date = time.time() + self.behaviour.clock_offset_ms / 1000
        head = _compose_head(answer, formatdate(date, usegmt=True))
        half = name == "half_body"
        connection.sendall(head + (answer.body[: len(answer.body) // 2] if half else answer.body))
        return answer.declared and not half


def _start_thread(target: Callable[..., None], *args: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


def _read_request(stream: BinaryIO) -> Request | None:
    """Read a request; None at the end of the connection, or for what is no request.

    Not by `http.server`, which parses headers as those of a mail: that was a quarter of the time of
    a call, and the tests make thousands.
    """

    def read_line() -> str:
        return stream.readline(_LONGEST_LINE).decode("latin-1").rstrip("\r\n")

    words = read_line().split(" ")
    if len(words) != 3:
        return None
    headers = {}
    while line := read_line():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    path, _, query = words[1].partition("?")
    pairs = (part.partition("=") for part in query.split("&") if part)
    raw_query = tuple((name, value) for name, _, value in pairs)
    body = stream.read(int(headers.get("content-length", "0")))
    return Request(words[0], path, raw_query, headers, body)


def _compose_head(answer: Answer, date: str) -> bytes:
    headers = [("Date", date), ("Content-Type", answer.content_type), *answer.headers]
    if answer.declared:
        headers.append(("Content-Length", str(len(answer.body))))
    lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, '')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
