"""Connections that observe a deadline.

A read timeout bounds one wait for bytes, not the answer: a server that sends a byte now and then
never exceeds it. So the timeout of every read and of every address that is tried is the time left,
and all addresses of a name share one connect timeout. Only name resolution has no timeout.
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
    """The time left for the call that its thread is making, in seconds of a monotonic clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._deadline = 0.0

    def start(self, seconds: float) -> None:
        """Begin a call that may take ``seconds`` altogether."""
        self._deadline = self._clock() + seconds

    @contextmanager
    def limit_to(self, seconds: float) -> Iterator[None]:
        """Begin a call within another one; restore the deadline of the outer one afterwards."""
        outer = self._deadline
        self.start(seconds)
        try:
            yield
        finally:
            self._deadline = outer

    def left(self) -> float:
        """Return the seconds left; 0 or less when there are none."""
        return self._deadline - self._clock()


class Trace:
    """Network activity of the attempt that its thread is making."""

    def __init__(self) -> None:
        self.sent = False
        """True if any byte of the request may have been sent."""
        self._recorded: bytearray | None = None

    def begin(self, *, record: bool) -> None:
        """Begin an attempt; ``record`` keeps the received bytes."""
        self.sent = False
        self._recorded = bytearray() if record else None

    def record(self, data: memoryview) -> None:
        if self._recorded is not None:
            self._recorded += data

    def end(self) -> bytes:
        """End recording and return the recorded bytes."""
        recorded, self._recorded = self._recorded, None
        return bytes(recorded or b"")


class _BudgetReader(io.RawIOBase):
    """Reads from a socket with the time left as the timeout."""

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
        # It only shrinks within one call; urllib3 sets it again for the next one.
        self._sock.settimeout(left if timeout is None else min(timeout, left))
        count = self._raw.readinto(buffer)
        if count and self._trace is not None:
            self._trace.record(memoryview(buffer)[:count])
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _connect(connection: HTTPConnection, budget: Budget) -> socket.socket:
    """Connect like ``HTTPConnection._new_conn``, but with one timeout for all addresses."""
    limit = min(connection.timeout or budget.left(), budget.left())
    end = budget.left() - limit
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
        left = budget.left() - end
        if left <= 0:
            problem = TimeoutError("connect timeout")
            break
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(left)
            sock.connect(address)
            # The rest is the timeout of the TLS handshake.
            sock.settimeout(max(budget.left() - end, 0.001))
        except OSError as error:
            sock.close()
            problem = error
        else:
            return sock
    if isinstance(problem, TimeoutError):
        raise ConnectTimeoutError(connection, "connect timeout")
    raise NewConnectionError(connection, "no connection")


def create_pool_classes(budget: Budget, trace: Trace) -> dict[str, type[HTTPConnectionPool]]:
    """Create urllib3 pools by scheme; their connections use ``budget`` and ``trace``."""

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
            # Head and body in one packet, so that the other side wakes once.
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
