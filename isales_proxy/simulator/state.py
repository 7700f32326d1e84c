"""State of a running simulator: calls and write-backs, tokens, result codes, call data."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from isales_proxy.simulator.demo_data import generate_call_data, result_codes, roster_of
from isales_proxy.simulator.reservations import RawRow

T = TypeVar("T")

_EXECUTED: Final = "2"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an interface.

    `vdn` is that of the path; `body` the parsed request body (None when it is no JSON); `verified`
    says whether the signature, token or password held; `status` is the HTTP status (0: none sent).
    """

    operation: str
    vdn: str
    body: Any
    headers: Mapping[str, str] = field(repr=False)
    verified: bool
    status: int


class Recording(Generic[T]):
    """The latest records, oldest first; thread-safe, a snapshot for every reader."""

    def __init__(self, key: Callable[[T], object], keep: int = 50_000) -> None:
        self._key = key
        self._changed = threading.Condition()
        self._records: deque[T] = deque(maxlen=keep)

    def add(self, record: T) -> None:
        with self._changed:
            self._records.append(record)
            self._changed.notify_all()

    def clear(self) -> None:
        with self._changed:
            self._records.clear()

    def wait_for(self, count: int, *, timeout: float = 5.0) -> bool:
        """Wait up to `timeout` seconds until `count` are kept; False when they did not come.

        A call is recorded before it is answered, so this also waits for calls that are held.
        """
        with self._changed:
            return self._changed.wait_for(lambda: len(self._records) >= count, timeout)

    def filter(self, key: object) -> list[T]:
        """Return the calls of one operation, or the write-backs of one `uniqueId`."""
        return [record for record in self if self._key(record) == key]

    def __iter__(self) -> Iterator[T]:
        with self._changed:
            return iter(list(self._records))

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> T:
        return self._records[index]


class Tokens:
    """All living tokens, `issued` counts the access tokens; thread-safe."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        # Text and whether it is a refresh token → its end.
        self._ends: dict[tuple[str, bool], datetime] = {}
        self.issued = 0

    def issue(self, seconds: float = 3600, *, refresh: bool = False) -> str:
        token = secrets.token_hex(16)
        with self._lock:
            self.issued += 0 if refresh else 1
            self._ends[token, refresh] = self._now() + timedelta(seconds=seconds)
        return token

    def is_valid(self, token: str, *, refresh: bool = False) -> bool:
        end = self._ends.get((token, refresh))
        return end is not None and self._now() < end

    def redeem(self, token: str) -> bool:
        """Use up a refresh token; False for none that lives, or when another call did so first."""
        living = self.is_valid(token, refresh=True)
        return self._ends.pop((token, True), None) is not None and living

    def revoke_all(self) -> None:
        self._ends = {}


class CodeTable:
    """Code → English and Chinese description, ascending; the dict is replaced, never changed."""

    def __init__(self) -> None:
        self.codes = result_codes()

    def put(self, code: str, english: str, chinese: str) -> None:
        self.codes = dict(sorted({**self.codes, code: (english, chinese)}.items()))

    def remove(self, code: str) -> None:
        self.codes = {known: texts for known, texts in self.codes.items() if known != code}


class CallData:
    """The call data left in each task, handed out once; thread-safe.

    The tasks are those of the reservations that are being executed (their `taskId` is the
    `serviceId` here, so that names join), one without reservations, and those given rows by `put`.
    """

    def __init__(self, vdns: Collection[int], rows: int, anchor_ms: int) -> None:
        self._vdns, self._count, self._anchor_ms = vdns, rows, anchor_ms
        self._lock = threading.Lock()
        self._rows: dict[tuple[int, str], deque[RawRow]] = {}

    def tasks(self, vdn: int) -> list[str]:
        """Return the `serviceId` of every task that is being executed."""
        roster = roster_of(vdn)
        executed = [task for task, _, status, _ in roster["tasks"] if status == _EXECUTED]
        put = [task for owner, task in list(self._rows) if owner == vdn]
        return list(dict.fromkeys([*executed, roster["task_without_reservations"], *put]))

    def has_task(self, vdn: int, service_id: str) -> bool:
        """Tell whether a task exists, in any state."""
        known = {task for task, *_ in roster_of(vdn)["tasks"]}
        return service_id in known.union(self.tasks(vdn))

    def take(self, vdn: int, service_id: str, count: int) -> list[RawRow]:
        with self._lock:
            rows = self._rows_of(vdn, service_id)
            return [rows.popleft() for _ in range(min(count, len(rows)))]

    def remaining(self, vdn: int, service_id: str) -> int:
        with self._lock:
            return len(self._rows_of(vdn, service_id))

    def put(self, vdn: int, service_id: str, rows: Iterable[Mapping[str, object]]) -> None:
        """Add rows that are handed out next, as given; makes an unknown task known."""
        if vdn not in self._vdns:
            raise KeyError(vdn)
        with self._lock:
            self._rows_of(vdn, service_id).extendleft(reversed([dict(row) for row in rows]))

    def _rows_of(self, vdn: int, service_id: str) -> deque[RawRow]:
        key = (vdn, service_id)
        if key not in self._rows:
            # A task that comes into being by `put` has no rows of its own.
            count = self._count if service_id in self.tasks(vdn) else 0
            self._rows[key] = deque(generate_call_data(key, count, self._anchor_ms))
        return self._rows[key]
