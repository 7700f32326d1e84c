"""What the simulator was asked: one record a call, a bounded number of them."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast, overload

from isales_proxy.simulator.operations import CAMPAIGNS, TOKENS

KEPT_HEADERS: Final = (
    "host",
    "authorization",
    "authentication",
    "content-type",
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "locale",
    "user-agent",
    "x-token-expire",
)
_SECRET_FIELDS: Final = ("app_secret", "passwd", "refreshToken")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an interface.

    `operation` is a name of `operations`; `body` is the parsed request body (None without one,
    or when it is no JSON); `query` the raw pairs in their order; `status` the HTTP status meant
    (0: none was sent); `code` the `resultCode` or `result` answered, None when there was none;
    `fault` the kind played; `verified` whether the signature, token or password held; `vdn`
    the VDN as it was given, empty where there was none. No token, password or secret is kept:
    a bearer header reads `Bearer ***`, and the calls for a token have no `raw_body`.
    """

    number: int
    operation: str
    method: str
    path: str
    vdn: str
    query: tuple[tuple[str, str], ...]
    body: object
    raw_body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    connection: int
    verified: bool
    fault: str | None
    status: int
    code: str | None

    def as_json(self) -> dict[str, object]:
        """The record as plain data."""
        return {
            "number": self.number,
            "operation": self.operation,
            "method": self.method,
            "path": self.path,
            "vdn": self.vdn,
            "query": [list(pair) for pair in self.query],
            "body": self.body,
            "headers": dict(self.headers),
            "connection": self.connection,
            "verified": self.verified,
            "fault": self.fault,
            "status": self.status,
            "code": self.code,
        }


def kept_headers(operation: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers worth keeping; a signature stays readable, a token does not."""
    kept = {name: value for name, value in headers.items() if name in KEPT_HEADERS}
    for name in ("authorization", "authentication"):
        value = kept.get(name, "")
        if value.lower().startswith("bearer"):
            kept[name] = "Bearer ***"
        elif value and (name == "authentication" or operation not in CAMPAIGNS):
            kept[name] = "***"
    return kept


def kept_body(operation: str, raw: bytes) -> tuple[object, bytes]:
    """The parsed and the raw body worth keeping."""
    try:
        body = json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        body = None
    if operation not in TOKENS:
        return body, raw
    if not isinstance(body, dict):
        return None, b""
    fields = cast("dict[str, object]", body)
    return {name: v for name, v in fields.items() if name not in _SECRET_FIELDS}, b""


class Calls(Sequence[Call]):
    """The latest calls, oldest first; thread-safe, a snapshot for every reader."""

    def __init__(self, keep: int = 5000) -> None:
        self._lock = threading.Condition()
        self._calls: deque[Call] = deque(maxlen=keep)
        self._numbers = 0

    def next_number(self) -> int:
        """A number for the next call, from 1; `clear` does not begin again."""
        with self._lock:
            self._numbers += 1
            return self._numbers

    def add(self, call: Call) -> None:
        """Keep a call; the oldest goes when there are too many."""
        with self._lock:
            self._calls.append(call)
            self._lock.notify_all()

    def clear(self) -> None:
        """Forget all calls."""
        with self._lock:
            self._calls.clear()

    def wait_for(self, count: int, *, timeout: float = 5.0) -> bool:
        """Wait until `count` calls are kept; False when `timeout` seconds did not bring them.

        A call is kept before it is answered, so this also waits for calls that are held.
        """
        with self._lock:
            return self._lock.wait_for(lambda: len(self._calls) >= count, timeout)

    def of(self, operation: str) -> list[Call]:
        """The calls of one operation."""
        return [call for call in self._snapshot() if call.operation == operation]

    def _snapshot(self) -> list[Call]:
        with self._lock:
            return list(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self._snapshot())

    def __len__(self) -> int:
        with self._lock:
            return len(self._calls)

    @overload
    def __getitem__(self, index: int) -> Call: ...
    @overload
    def __getitem__(self, index: slice) -> list[Call]: ...
    def __getitem__(self, index: int | slice) -> Call | list[Call]:
        return self._snapshot()[index]
