"""A server on loopback that answers any bytes whatsoever, right or wrong.

It keeps what it was sent, byte for byte. Each request takes the next step of its path's script, or
of the script of all; when there is none, ``default`` answers.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire; ``connection`` numbers connections from 1."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int

    def header(self, name: str) -> str:
        """The value of a header that must be there exactly once."""
        (value,) = [value for key, value in self.headers if key.lower() == name.lower()]
        return value

    def has(self, name: str) -> bool:
        return any(key.lower() == name.lower() for key, _ in self.headers)


# A step writes to the socket; it returns whether the connection may stay.
Step = Callable[[socket.socket, Received], bool]


def reply(
    body: object = None,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    length: int | None = None,
) -> Step:
    """A complete answer; ``body`` is bytes or something to write as JSON, ``length`` a lie."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines.append(f"Content-Length: {len(content) if length is None else length}")
    data = "\r\n".join(lines).encode() + b"\r\n\r\n" + content

    def step(sock: socket.socket, _: Received) -> bool:
        sock.sendall(data)
        return length is None

    return step


def raw(data: bytes) -> Step:
    """Exactly these bytes, then the connection ends."""

    def step(sock: socket.socket, _: Received) -> bool:
        sock.sendall(data)
        return False

    return step


def reset(before: bytes = b"") -> Step:
    """Some bytes perhaps, then a reset instead of an end."""

    def step(sock: socket.socket, _: Received) -> bool:
        if before:
            sock.sendall(before)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return step


def drip(head: bytes, pieces: Iterable[bytes], until: threading.Event, pause: float = 0.01) -> Step:
    """``head`` at once, then a piece now and then, until told to stop."""

    def step(sock: socket.socket, _: Received) -> bool:
        sock.sendall(head)
        for piece in pieces:
            if until.wait(pause):
                break
            sock.sendall(piece)
        return False

    return step


def hold(until: threading.Event, then: Step) -> Step:
    """Answer only when told to."""

    def step(sock: socket.socket, received: Received) -> bool:
        until.wait(10)
        return then(sock, received)

    return step


def envelope(rows: object, total: object, *, field: str = "data", **extra: Any) -> dict[str, Any]:
    """A good answer of the vendor."""
    return {
        "resultCode": "0200000",
        "returnCode": "0200000",
        field: rows,
        "totalCount": total,
        **extra,
    }


def obs(data: object = ..., *, result: object = 0, **extra: Any) -> dict[str, Any]:
    """A good answer of an OBS interface; without data it is that of a write-back."""
    return {"result": result, **({} if data is ... else {"resultData": data}), **extra}


class StubVendor:
    """``with StubVendor() as stub: stub.script(reply(…)); … stub.received``"""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.done = threading.Event()
        self.forget()

    def forget(self) -> None:
        """Be as at the start: without a script, and with nothing received."""
        with self._lock:
            self._steps: deque[Step] = deque()
            self._paths: dict[str, deque[Step]] = {}
            self.default: Step = reply(envelope([], 0))
            self.received: list[Received] = []
            self.connections = 0

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def base_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def script(self, *steps: Step) -> None:
        """Return what the next requests get."""
        self._steps.extend(steps)

    def at(self, path: str, *steps: Step) -> None:
        """Return what requests whose path ends so get from now on; the last step stays."""
        self._paths = {path: deque(steps), **{p: s for p, s in self._paths.items() if p != path}}

    def sent_to(self, path: str) -> list[Received]:
        """The requests so far whose path ends so."""
        with self._lock:
            return [received for received in self.received if _path(received).endswith(path)]

    def _next(self, received: Received) -> Step:
        for path, steps in self._paths.items():
            if _path(received).endswith(path):
                return steps.popleft() if len(steps) > 1 else steps[0]
        return self._steps.popleft() if self._steps else self.default

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in tuple(self._open):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.done.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            if self._tls is not None:
                try:
                    sock = self._tls.wrap_socket(sock, server_side=True)
                except OSError:
                    sock.close()
                    return
            stack.enter_context(sock)
            reader = stack.enter_context(sock.makefile("rb"))
            with self._lock:
                self.connections += 1
                number = self.connections
                self._open.add(sock)
            stack.callback(self._open.discard, sock)
            while (received := _read_request(reader, number)) is not None:
                with self._lock:
                    self.received.append(received)
                    step = self._next(received)
                if not step(sock, received):
                    return


def _path(received: Received) -> str:
    return received.target.partition("?")[0]


def _read_request(reader: Any, connection: int) -> Received | None:
    line = reader.readline().decode("latin-1").split()
    # The first bytes of TLS hold line ends and blanks, too.
    if len(line) != 3 or not line[2].startswith("HTTP/"):
        return None
    headers = []
    while (header := reader.readline().decode("latin-1").rstrip("\r\n")) != "":
        name, _, value = header.partition(":")
        headers.append((name, value.strip(" ")))
    length = next((int(v) for k, v in headers if k.lower() == "content-length"), 0)
    return Received(line[0], line[1], tuple(headers), reader.read(length), connection)
