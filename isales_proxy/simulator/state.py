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

    `vdn` is the VDN as given; `body` the parsed request body (None when it is no JSON); `verified`
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
        self._ends: dict[str, datetime] = {}
        self._refresh_ends: dict[str, datetime] = {}
        self.issued = 0

    def issue(self, seconds: float = 3600) -> str:
        with self._lock:
            self.issued += 1
        return self._add(self._ends, seconds)

    def issue_refresh(self, seconds: float) -> str:
        return self._add(self._refresh_ends, seconds)

    def is_valid(self, token: str) -> bool:
        return token in self._ends and self._now() < self._ends[token]

    def is_refresh(self, token: str) -> bool:
        return token in self._refresh_ends and self._now() < self._refresh_ends[token]

    def redeem(self, token: str) -> bool:
        """Use up a refresh token; False when another call did so first."""
        return self._refresh_ends.pop(token, None) is not None

    def revoke_all(self) -> None:
        self._ends, self._refresh_ends = {}, {}

    def _add(self, ends: dict[str, datetime], seconds: float) -> str:
        token = secrets.token_hex(16)
        ends[token] = self._now() + timedelta(seconds=seconds)
        return token


class CodeTable:
    """Code → English and Chinese description, ascending; the dict is replaced, never changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.codes = result_codes()

    def put(self, code: str, english: str, chinese: str) -> None:
        with self._lock:
            self.codes = dict(sorted({**self.codes, code: (english, chinese)}.items()))

    def remove(self, code: str) -> None:
        with self._lock:
            self.codes = {known: texts for known, texts in self.codes.items() if known != code}


class CallData:
    """The call data left in each task, handed out once; thread-safe.

    The tasks are those of the reservations that are being executed (their `taskId` is the
    `serviceId` here, so that names join), one without reservations, and those given rows by `put`.
    """

    def __init__(self, vdns: Collection[int], rows: int, seed: int, anchor_ms: int) -> None:
        self._vdns = vdns
        self._rows, self._seed, self._anchor_ms = rows, seed, anchor_ms
        self._lock = threading.Lock()
        self._generated: dict[tuple[int, str], deque[RawRow]] = {}
        self._given: dict[tuple[int, str], deque[RawRow]] = {}

    def tasks(self, vdn: int) -> list[str]:
        """Return the `serviceId` of every task that is being executed."""
        roster = roster_of(vdn)
        tasks = [task for task, _, status, _ in roster["tasks"] if status == _EXECUTED]
        tasks.append(roster["task_without_reservations"])
        return tasks + [
            task for owner, task in list(self._given) if owner == vdn and task not in tasks
        ]

    def find_task(self, vdn: int, service_id: int | str) -> Any:
        """Return the `serviceId` of a task in any state; an integer may lack leading zeros."""
        for task in (*self.tasks(vdn), *(entry[0] for entry in roster_of(vdn)["tasks"])):
            if task == service_id or (task.isdecimal() and int(task) == service_id):
                return task
        return None

    def take(self, vdn: int, service_id: str, count: int) -> list[RawRow]:
        with self._lock:
            given, generated = self._rows_of(vdn, service_id)
            count = min(count, len(given) + len(generated))
            return [(given or generated).popleft() for _ in range(count)]

    def remaining(self, vdn: int, service_id: str) -> int:
        with self._lock:
            return sum(map(len, self._rows_of(vdn, service_id)))

    def put(self, vdn: int, service_id: str, rows: Iterable[Mapping[str, object]]) -> None:
        """Add rows to hand out before the generated ones, as given; makes an unknown task known."""
        if vdn not in self._vdns:
            raise KeyError(vdn)
        with self._lock:
            self._rows_of(vdn, service_id)
            self._given.setdefault((vdn, service_id), deque()).extend(map(dict, rows))

    def _rows_of(self, vdn: int, service_id: str) -> tuple[deque[RawRow], deque[RawRow]]:
        key = (vdn, service_id)
        if key not in self._generated:
            # A task that came into being by `put` has no rows of its own.
            count = self._rows if service_id in self.tasks(vdn) else 0
            self._generated[key] = deque(
                generate_call_data(key, rows=count, seed=self._seed, anchor_ms=self._anchor_ms)
            )
        return self._given.get(key, deque()), self._generated[key]
