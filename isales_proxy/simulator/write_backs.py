"""What was written back: every `push/midresult` that was carried out, in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import overload

WriteBackBody = dict[str, object]


class WriteBacks(Sequence[WriteBackBody]):
    """The latest bodies, oldest first; thread-safe, a snapshot for every reader."""

    def __init__(self, keep: int = 50_000) -> None:
        self._lock = threading.Condition()
        self._bodies: deque[WriteBackBody] = deque(maxlen=keep)

    def add(self, body: Mapping[str, object]) -> None:
        """Keep a body; the oldest goes when there are too many."""
        with self._lock:
            self._bodies.append(dict(body))
            self._lock.notify_all()

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._bodies.clear()

    def wait_for(self, count: int, *, timeout: float = 5.0) -> bool:
        """Wait until `count` are kept; False when `timeout` seconds did not bring them."""
        with self._lock:
            return self._lock.wait_for(lambda: len(self._bodies) >= count, timeout)

    def of(self, unique_id: str) -> list[WriteBackBody]:
        """All that was written back for one customer; the last of them is what holds."""
        return [body for body in self._snapshot() if body["uniqueId"] == unique_id]

    def _snapshot(self) -> list[WriteBackBody]:
        with self._lock:
            return [dict(body) for body in self._bodies]

    def __iter__(self) -> Iterator[WriteBackBody]:
        return iter(self._snapshot())

    def __len__(self) -> int:
        with self._lock:
            return len(self._bodies)

    @overload
    def __getitem__(self, index: int) -> WriteBackBody: ...
    @overload
    def __getitem__(self, index: slice) -> list[WriteBackBody]: ...
    def __getitem__(self, index: int | slice) -> WriteBackBody | list[WriteBackBody]:
        return self._snapshot()[index]
