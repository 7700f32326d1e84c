"""The call data that the dialler takes: rows of each task, handed out once.

The tasks are those of the reservations' cast that are being executed (their `taskId` is the
`serviceId` here, so that names join), one that no reservation names, and those given rows.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from isales_proxy.simulator.call_rows import RawRow, generate_call_rows
from isales_proxy.simulator.cast import cast_of

_EXECUTED: Final = "2"


class CallData:
    """What is left of every task, `rows` at the start; thread-safe."""

    def __init__(self, *, vdns: frozenset[int], rows: int, seed: int, anchor_ms: int) -> None:
        self._vdns = vdns
        self._rows, self._seed, self._anchor_ms = rows, seed, anchor_ms
        self._lock = threading.Lock()
        self._made: dict[tuple[int, str], deque[RawRow]] = {}
        self._given: dict[tuple[int, str], deque[RawRow]] = {}

    def tasks(self, vdn: int) -> list[str]:
        """The `serviceId` of every task that is being executed."""
        with self._lock:
            return self._tasks(vdn)

    def known(self, vdn: int, service_id: int | str) -> str | None:
        """The `serviceId` of a task in any state; an integer finds one with leading zeros, too."""
        with self._lock:
            found = [*self._tasks(vdn), *(task.task_id for task in cast_of(vdn).tasks)]
        if isinstance(service_id, str):
            return service_id if service_id in found else None
        for text in found:
            if text.isascii() and text.isdigit() and int(text) == service_id:
                return text
        return None

    def take(self, vdn: int, service_id: str, count: int) -> list[RawRow]:
        """Up to `count` rows that nobody was handed before, first those that were `put`."""
        with self._lock:
            given = self._given.get((vdn, service_id), deque())
            made = self._of(vdn, service_id)
            found: list[RawRow] = []
            while len(found) < count and (given or made):
                found.append((given or made).popleft())
            return found

    def remaining(self, vdn: int, service_id: str) -> int:
        """How many rows of a task are left."""
        with self._lock:
            return self._left(vdn, service_id)

    def counts(self) -> dict[tuple[int, str], int]:
        """How many rows are left by VDN and task, for every task that is being executed."""
        with self._lock:
            return {
                (vdn, service_id): self._left(vdn, service_id)
                for vdn in sorted(self._vdns)
                for service_id in self._tasks(vdn)
            }

    def put(self, vdn: int, service_id: str, rows: Iterable[Mapping[str, object]]) -> None:
        """Rows to hand out before all others, as given. KeyError for a VDN not simulated."""
        if vdn not in self._vdns:
            raise KeyError(vdn)
        with self._lock:
            given = self._given.setdefault((vdn, service_id), deque())
            given.extend(dict(row) for row in rows)

    def _tasks(self, vdn: int) -> list[str]:
        cast = cast_of(vdn)
        tasks = [task.task_id for task in cast.tasks if task.status == _EXECUTED]
        tasks.append(cast.unnamed_task)
        return tasks + [task for of, task in self._given if of == vdn and task not in tasks]

    def _of(self, vdn: int, service_id: str) -> deque[RawRow]:
        key = (vdn, service_id)
        if key not in self._made:
            self._made[key] = deque(
                generate_call_rows(
                    vdn=vdn,
                    service_id=service_id,
                    rows=self._rows_of(vdn, service_id),
                    seed=self._seed,
                    anchor_ms=self._anchor_ms,
                )
            )
        return self._made[key]

    def _left(self, vdn: int, service_id: str) -> int:
        key = (vdn, service_id)
        made = len(self._made[key]) if key in self._made else self._rows_of(vdn, service_id)
        return len(self._given.get(key, ())) + made

    def _rows_of(self, vdn: int, service_id: str) -> int:
        """A task that came into being by `put` has no rows of its own."""
        cast = cast_of(vdn)
        own = {cast.unnamed_task, *(t.task_id for t in cast.tasks if t.status == _EXECUTED)}
        return self._rows if service_id in own else 0
