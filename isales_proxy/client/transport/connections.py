"""Connections that keep a deadline.

A read timeout bounds one wait for bytes, not the answer: a server that drips a byte now and then,
in its headers or its body, never exceeds it. So every single read and every address that is tried
gets the time that is left, and the name's addresses share one connect timeout. Only the system's
name resolution itself knows no timeout.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError


class Budget:
    """The time of the call that its thread is making; all seconds are of one monotonic clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ends = 0.0

    def start(self, seconds: float) -> None:
        """Begin a call that may take ``seconds`` in all."""
        self._ends = self._clock() + seconds

    @contextmanager
    def limit_to(self, seconds: float) -> Iterator[None]:
        """Likewise for a call made in the midst of another, whose time goes on afterwards."""
        outer = self._ends
        self.start(seconds)
        try:
            yield
        finally:
            self._ends = outer

    def left(self) -> float:
        """Seconds left; 0 or less when the time is spent."""
        return self._ends - self._clock()


class Trace:
    """Network activity of the attempt that its thread is making."""

    def __init__(self) -> None:
        self.sent = False
        """Whether anything of the request may have left."""
        self._recorded: bytearray | None = None

    def begin(self, *, record: bool) -> None:
        """A new attempt; ``record`` keeps the bytes that come back."""
        self.sent = False
        self._recorded = bytearray() if record else None

    def came(self, data: memoryview) -> None:
        if self._recorded is not None:
            self._recorded += data

    def end(self) -> bytes:
        """Return what was recorded; no more is."""
        recorded, self._recorded = self._recorded, None
        return bytes(recorded or b"")


class _BudgetReader(io.RawIOBase):
    """Reads from a socket, each time waiting no longer than the budget allows."""

    def __init__(self, sock: socket.socket, budget: Budget, trace: Trace | None = None) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._budget = budget
        self._trace = trace

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._budget.left()
        if left <= 0:
            raise TimeoutError("the deadline is spent")
        timeout = self._sock.gettimeout()
        # It only ever shrinks within one call; urllib3 sets it anew for the next.
        self._sock.settimeout(left if timeout is None else min(timeout, left))
        count = self._raw.readinto(buffer)
        if count and self._trace is not None:
            self._trace.came(memoryview(buffer)[:count])
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _connect(connection: HTTPConnection, budget: Budget) -> socket.socket:
    """Return what ``HTTPConnection._new_conn`` does, with one timeout for all addresses of the
    name."""
    limit = min(connection.timeout or budget.left(), budget.left())
    ends = budget.left() - limit
    try:
        found = socket.getaddrinfo(
            connection.host.strip("[]"), connection.port, type=socket.SOCK_STREAM
        )
    except OSError as error:
        raise NameResolutionError(
            connection.host, connection, socket.gaierror(str(error))
        ) from None
    problem: OSError = OSError("no address")
    for family, kind, protocol, _, address in found:
        left = budget.left() - ends
        if left <= 0:
            problem = TimeoutError("connect timeout")
            break
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(left)
            sock.connect(address)
            # What is left now bounds the TLS handshake.
            sock.settimeout(max(budget.left() - ends, 0.001))
        except OSError as error:
            sock.close()
            problem = error
        else:
            return sock
    if isinstance(problem, TimeoutError):
        raise ConnectTimeoutError(connection, "connect timeout")
    raise NewConnectionError(connection, "no connection")


def pool_classes(budget: Budget, trace: Trace) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's pools by scheme, their connections bound to ``budget`` and telling ``trace``."""

    class Response(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
            super().__init__(sock, *args, **kwargs)
            self.fp.close()
            self.fp = io.BufferedReader(_BudgetReader(sock, budget, trace))

    class Plain(HTTPConnection):
        response_class = Response
        _parts: list[bytes] | None = None

        def _new_conn(self) -> socket.socket:
            return _connect(self, budget)

        def request(self, *args: Any, **kwargs: Any) -> None:
            # Head and body leave together: two packets would wake the other side twice.
            self._parts = []
            try:
                super().request(*args, **kwargs)
            finally:
                parts, self._parts = self._parts, None
            self.send(b"".join(parts))

        def send(self, data: Any) -> None:
            if self._parts is not None:
                self._parts.append(data)
                return
            if self.sock is None:
                self.connect()
            trace.sent = True
            super().send(data)

    class Secure(Plain, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
