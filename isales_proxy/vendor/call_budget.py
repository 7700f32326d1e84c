"""One budget of calls to the list of a VDN, shared by all processes: people go first, and the
mirror takes what they leave.

It is a token bucket: a minute adds what it allows, up to that of ten minutes, so that a round over
everything need not wait where there was quiet before, and what is near is read after it all the
same. Calls are counted in the database, a row a minute.
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

SPAN: Final = timedelta(minutes=10)
_MINUTE: Final = timedelta(minutes=1)
_KEPT: Final = timedelta(hours=1)
_COUNTED_AGAIN: Final = 5.0  # seconds
_WAIT: Final = 1.0  # seconds
_DEMO: Final = 600  # calls a minute; a simulator can bear more than a vendor


_lock = threading.Lock()
_people: Counter[int] = Counter()
# When the first of them was counted.
_counting_since: float | None = None


def get_calls_per_minute() -> int:
    """Return the calls that the budget of a VDN allows a minute."""
    found = settings.ISALES
    return max(found.calls_per_minute, _DEMO) if found.demo else found.calls_per_minute


@dataclass(frozen=True)
class CallCount:
    """Calls within `SPAN`, by people and by the mirror, and how many may be made now."""

    by_people: int = 0
    by_mirror: int = 0
    free: int = 0


def count_calls(vdn_id: int, now: datetime) -> CallCount:
    """Count the calls of the last ten minutes."""
    found = VendorCalls.objects.filter(vdn_id=vdn_id, minute__gt=now - SPAN, minute__lte=now)
    sums = found.aggregate(people=Sum("by_people"), mirror=Sum("by_mirror"))
    return CallCount(sums["people"] or 0, sums["mirror"] or 0, count_free(vdn_id, now))


def count_free(vdn_id: int, now: datetime) -> int:
    """Count the calls that may be made now; less than 0, by those of a minute at most, where people
    have made more."""
    per_minute = get_calls_per_minute()
    most = free = float(per_minute * (SPAN // _MINUTE))
    since = now - _KEPT
    rows = VendorCalls.objects.filter(vdn_id=vdn_id, minute__gt=since, minute__lte=now)
    for minute, *calls in rows.order_by("minute").values_list("minute", "by_people", "by_mirror"):
        free = min(most, free + per_minute * ((minute - since) / _MINUTE)) - sum(calls)
        free, since = max(free, -float(per_minute)), minute
    return int(min(most, free + per_minute * ((now - since) / _MINUTE)))


def record_person_call(vdn_id: int) -> None:
    """Count a call that somebody waits for, in this process; `store_person_calls` stores it."""
    global _counting_since
    with _lock:
        _people[vdn_id] += 1
        if _counting_since is None:
            _counting_since = time.monotonic()


def store_person_calls(now: datetime | None = None) -> None:
    """Store the calls counted here, seconds after the first; a busy database is no error."""
    with _lock:
        if _counting_since is None or time.monotonic() - _counting_since < _COUNTED_AGAIN:
            return
        counted = dict(_people)
        _clear()
    moment = now or timezone.now()
    for vdn_id, calls in counted.items():
        optional_write(partial(_add, vdn_id, moment, people=calls), "calls_not_counted", vdn=vdn_id)


def clear_memory() -> None:
    """Forget the calls that are not stored yet."""
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
        # Of two who find none, the second adds to what the first has made.
        made = VendorCalls(vdn_id=vdn_id, minute=minute)
        VendorCalls.objects.bulk_create([made], ignore_conflicts=True)
        found.update(by_people=F("by_people") + people, by_mirror=F("by_mirror") + mirror)


class MirrorBudget:
    """The mirror's share of one VDN's budget, in the process that leads.

    `wait` pauses for seconds and tells whether the end was asked for.
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
        self._own = 0

    @property
    def per_minute(self) -> int:
        """Calls that the budget allows a minute."""
        return get_calls_per_minute()

    def take(self) -> bool:
        """Wait until a call may be made, and count it; False when the end was asked for."""
        while not self._is_free():
            if self._wait(_WAIT):
                return False
        self._own += 1
        return True

    def _is_free(self) -> bool:
        now = self._monotonic()
        if self._counted_at is None or not 0 <= now - self._counted_at < _COUNTED_AGAIN:
            self.flush()
            self._free = count_free(self._vdn_id, self._clock())
            self._counted_at = now
        return self._own < self._free

    def flush(self) -> None:
        """Store the calls counted here, and delete old counts."""
        if not self._own:
            return
        now, own = self._clock(), self._own

        def write() -> None:
            _add(self._vdn_id, now, mirror=own)
            VendorCalls.objects.filter(vdn_id=self._vdn_id, minute__lt=now - _KEPT).delete()

        if optional_write(write, "calls_not_counted", vdn=self._vdn_id):
            self._free -= own
            self._own = 0
