"""Leases of other workers, judged by this process's own monotonic clock.

A lease in the database says until when its worker may be at work, by that worker's wall clock. A
wall clock can be stepped, and while the database is away no worker can renew or end anything. So a
lease ends for this process only when it has seen the same attempt unchanged for the whole length of
a lease, without a longer gap in which it saw nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# A part of the lease's length: longer than one call of this process, in which it sees nothing.
_LONGEST_GAP: Final = 0.8


@dataclass
class _Seen:
    attempt: int
    first: float
    last: float


class LeaseWatch:
    """Attempts under way elsewhere, as seen by one process. Safe for many threads.

    All times are seconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[int, _Seen] = {}

    def ended(self, held: Mapping[int, int], now: float, length: float) -> dict[int, int]:
        """Record the attempts seen now (write-back → attempt number) and return those whose lease
        of `length` seconds has ended. A later attempt of the same write-back is another lease."""
        with self._lock:
            self._seen = {
                pk: self._updated(pk, attempt, now, length) for pk, attempt in held.items()
            }
            return {
                pk: seen.attempt for pk, seen in self._seen.items() if now - seen.first >= length
            }

    def forget(self) -> None:
        """Begin anew: the database was away, and no worker could tell of its work meanwhile."""
        with self._lock:
            self._seen.clear()

    def _updated(self, pk: int, attempt: int, now: float, length: float) -> _Seen:
        seen = self._seen.get(pk)
        if seen is None or seen.attempt != attempt or now - seen.last > length * _LONGEST_GAP:
            return _Seen(attempt, now, now)
        seen.last = now
        return seen
