"""State of the simulated vendor: reservations, result codes, tokens, call data, write-backs."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from isales_proxy.simulator.demo_data import (
    generate_call_data,
    generate_reservations,
    result_codes,
    roster_of,
)
from isales_proxy.simulator.reservations import Dataset, ListBehaviour, RawRow, to_ms

T = TypeVar("T")

DEMO_ACCESS_KEY: Final = "DEMOAK0001"
DEMO_SECRET_KEY: Final = "demo-secret-key-of-the-simulator"  # noqa: S105  (opens nothing real)
DEMO_APP_KEY: Final = "DEMOAPP0001"
DEMO_APP_SECRET: Final = "demo-app-secret-of-the-simulator"  # noqa: S105  (opens nothing real)

_EXECUTED: Final = "2"


class Recording(list[T]):
    """The latest records, oldest first; thread-safe."""

    def __init__(self, key: Callable[[T], object], keep: int = 50_000) -> None:
        super().__init__()
        self._key, self._keep = key, keep

    def add(self, record: T) -> None:
        self.append(record)
        del self[: -self._keep]

    def wait_for(self, count: int, *, timeout: float = 5.0) -> bool:
        """Wait up to `timeout` seconds for `count` records; return whether there are as many.

        Calls are recorded before they are answered, so held calls count as well.
        """
        end = time.monotonic() + timeout
        while len(self) < count and time.monotonic() < end:
            time.sleep(0.002)
        return len(self) >= count

    def filter(self, key: object) -> list[T]:
        """Return the calls of one operation, or the write-backs of one `uniqueId`."""
        return [record for record in self if self._key(record) == key]


class Tokens:
    """All valid tokens; `issued` counts the access tokens. Thread-safe."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._counting = threading.Lock()
        # Token and whether it is a refresh token → its expiry.
        self._expiry: dict[tuple[str, bool], datetime] = {}
        self.issued = 0

    def issue(self, seconds: float = 3600, *, refresh: bool = False) -> str:
        token = secrets.token_hex(16)
        with self._counting:
            self.issued += not refresh
        self._expiry[token, refresh] = self._now() + timedelta(seconds=seconds)
        return token

    def is_valid(self, token: str, *, refresh: bool = False) -> bool:
        expiry = self._expiry.get((token, refresh))
        return expiry is not None and self._now() < expiry

    def redeem(self, token: str) -> bool:
        """Use a refresh token; return False if it is invalid or was used before."""
        valid = self.is_valid(token, refresh=True)
        return self._expiry.pop((token, True), None) is not None and valid

    def revoke_all(self) -> None:
        self._expiry = {}


class CallData:
    """The remaining call data of each task, handed out once; thread-safe.

    There is a task for each one being executed in the reservations (their `taskId` is the
    `serviceId` here), one without reservations, and those added by `put`.
    """

    def __init__(self, rows: int, anchor_ms: int) -> None:
        self._count, self._anchor_ms = rows, anchor_ms
        self._lock = threading.Lock()
        self._rows: dict[tuple[int, str], deque[RawRow]] = {}

    def tasks(self, vdn: int) -> list[str]:
        """Return the `serviceId` of every task being executed."""
        roster = roster_of(vdn)
        executed = [task for task, _, status, _ in roster["tasks"] if status == _EXECUTED]
        put = [task for owner, task in list(self._rows) if owner == vdn]
        return list(dict.fromkeys([*executed, roster["task_without_reservations"], *put]))

    def has_task(self, vdn: int, service_id: str) -> bool:
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
        """Add rows that are handed out next, as given; creates an unknown task."""
        with self._lock:
            self._rows_of(vdn, service_id).extendleft(reversed([dict(row) for row in rows]))

    def _rows_of(self, vdn: int, service_id: str) -> deque[RawRow]:
        key = (vdn, service_id)
        if key not in self._rows:
            # A task created by `put` has no other rows.
            count = self._count if service_id in self.tasks(vdn) else 0
            self._rows[key] = deque(generate_call_data(key, count, self._anchor_ms))
        return self._rows[key]


@dataclass(kw_only=True, eq=False)
class Vendor:
    """Settings and state of the simulated CC-iSales."""

    vdns: Collection[int] = (88, 89)
    rows: int = 12_000  # reservations per VDN, around `now()` at construction
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    behaviour: ListBehaviour = field(default_factory=ListBehaviour)
    token_seconds: int = 3600  # by `now`
    auth_header: str = "Authorization"
    call_data_rows: int = 400  # per task
    access_key: str = DEMO_ACCESS_KEY
    secret_key: str = DEMO_SECRET_KEY
    app_key: str = DEMO_APP_KEY
    app_secret: str = DEMO_APP_SECRET
    as_declared: bool = False  # the OBS envelope of the tables, not of the examples

    def __post_init__(self) -> None:
        # Code → English and Chinese description.
        self.codes = result_codes()
        self.tokens = Tokens(self.now)
        self._anchor_ms = to_ms(self.now())
        self._lock = threading.Lock()
        self._datasets: dict[int, Dataset] = {}
        self.call_data = CallData(self.call_data_rows, self._anchor_ms)
        self.write_backs: Recording[dict[str, object]] = Recording(lambda body: body["uniqueId"])

    def clock(self) -> datetime:
        return self.now() + timedelta(milliseconds=self.behaviour.clock_offset_ms)

    def dataset(self, vdn: int) -> Dataset:
        """Return the reservations of a VDN, which are generated at the first use."""
        with self._lock:
            if vdn not in self._datasets:
                rows = generate_reservations(vdn, self.rows, self._anchor_ms)
                self._datasets[vdn] = Dataset(rows, anchor_ms=self._anchor_ms)
            return self._datasets[vdn]
