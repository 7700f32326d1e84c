"""Budget of calls to the list of a VDN, shared by all processes.

People are never delayed; the mirror uses what they leave.

It is a token bucket that holds the calls of up to ten minutes. Calls are counted in the database,
one row per minute.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.conf import settings
from django.db.models import F, Sum
from django.utils import timezone

from isales_proxy.core.database import optional_write
from isales_proxy.models import VendorCalls

WINDOW: Final = timedelta(minutes=10)
_MINUTE: Final = timedelta(minutes=1)
_RETENTION: Final = timedelta(hours=1)
_STORE_INTERVAL_S: Final = 5.0
_POLL_S: Final = 1.0
_DEMO_CALLS_PER_MINUTE: Final = 600


_lock = threading.Lock()
# Calls by people, by VDN, that are not stored yet, and when the first of them was counted.
_people: Counter[int] = Counter()
_counting_since: float | None = None


def get_calls_per_minute() -> int:
    """Return the calls per minute that the budget of a VDN allows."""
    found = settings.ISALES
    return (
        max(found.calls_per_minute, _DEMO_CALLS_PER_MINUTE)
        if found.demo
        else found.calls_per_minute
    )


@dataclass(frozen=True)
class CallCount:
    """Calls within `WINDOW` by people and by the mirror, and how many are `free` now."""

    by_people: int = 0
    by_mirror: int = 0
    free: int = 0


def count_calls(vdn_id: int, now: datetime) -> CallCount:
    """Count the calls within `WINDOW`."""
    found = VendorCalls.objects.filter(vdn_id=vdn_id, minute__gt=now - WINDOW, minute__lte=now)
    sums = found.aggregate(people=Sum("by_people"), mirror=Sum("by_mirror"))
    return CallCount(sums["people"] or 0, sums["mirror"] or 0, count_free(vdn_id, now))


def count_free(vdn_id: int, now: datetime) -> int:
    """Return how many calls may be made now: negative, by up to those of a minute, when people have
    exceeded the budget."""
    per_minute = get_calls_per_minute()
    most = free = float(per_minute * (WINDOW // _MINUTE))
    since = now - _RETENTION
    rows = VendorCalls.objects.filter(vdn_id=vdn_id, minute__gt=since, minute__lte=now)
    for minute, *calls in rows.order_by("minute").values_list("minute", "by_people", "by_mirror"):
        free = min(most, free + per_minute * ((minute - since) / _MINUTE)) - sum(calls)
        free, since = max(free, -float(per_minute)), minute
    return int(min(most, free + per_minute * ((now - since) / _MINUTE)))


def record_person_call(vdn_id: int) -> None:
    """Count a call by a person in this process, to be stored by `store_person_calls`."""
    global _counting_since
    with _lock:
        _people[vdn_id] += 1
        if _counting_since is None:
            _counting_since = time.monotonic()


def store_person_calls(now: datetime | None = None) -> None:
    """Store the counted calls some seconds after the first; database errors are ignored."""
    with _lock:
        if _counting_since is None or time.monotonic() - _counting_since < _STORE_INTERVAL_S:
            return
        counted = dict(_people)
        _clear()
    moment = now or timezone.now()
    for vdn_id, calls in counted.items():
        optional_write(partial(_add, vdn_id, moment, people=calls), "calls_not_counted", vdn=vdn_id)


def clear_memory() -> None:
    """Drop the calls that are not stored yet."""
    with _lock:
        _clear()


def _clear() -> None:
    global _counting_since
    _people.clear()
    _counting_since = None


def _add(vdn_id: int, now: datetime, *, people: int = 0, mirror: int = 0) -> None:
    minute = now.replace(second=0, microsecond=0)
    found = VendorCalls.objects.filter(vdn_id=vdn_id, minute=minute)
    if not found.update(by_people=F("by_people") + people, by_mirror=F("by_mirror") + mirror):
        # Another process may create the row at the same time; both then update it.
        row = VendorCalls(vdn_id=vdn_id, minute=minute)
        VendorCalls.objects.bulk_create([row], ignore_conflicts=True)
        found.update(by_people=F("by_people") + people, by_mirror=F("by_mirror") + mirror)


class MirrorBudget:
    """The mirror's share of one VDN's budget, in the process that leads.

    `wait` pauses for seconds and returns True when a stop is requested.
    """

    def __init__(
        self,
        vdn_id: int,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        wait: Callable[[float], bool],
    ) -> None:
        self._vdn_id = vdn_id
        self._clock, self._monotonic, self._wait = clock, monotonic, wait
        self._counted_at: float | None = None
        self._free = 0
        self._unstored = 0

    def take(self) -> bool:
        """Wait until a call may be made, and count it; return False when a stop is requested."""
        while not self._is_free():
            if self._wait(_POLL_S):
                return False
        self._unstored += 1
        return True

    def _is_free(self) -> bool:
        now = self._monotonic()
        if self._counted_at is None or not 0 <= now - self._counted_at < _STORE_INTERVAL_S:
            self.flush()
            self._free = count_free(self._vdn_id, self._clock())
            self._counted_at = now
        return self._unstored < self._free

    def flush(self) -> None:
        """Store the counted calls, and delete old counts."""
        if not self._unstored:
            return
        now, unstored = self._clock(), self._unstored

        def write() -> None:
            _add(self._vdn_id, now, mirror=unstored)
            VendorCalls.objects.filter(vdn_id=self._vdn_id, minute__lt=now - _RETENTION).delete()

        if optional_write(write, "calls_not_counted", vdn=self._vdn_id):
            self._free -= unstored
            self._unstored = 0
