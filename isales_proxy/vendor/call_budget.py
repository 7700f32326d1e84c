"""One budget of calls to the list of a VDN, shared by all processes: people go first, and the
mirror takes what they leave.

The budget is kept over ten minutes, so that a round over everything need not wait while there was
quiet before. Calls are counted in the database, a row a minute.
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

from django.db.models import F, Sum
from django.utils import timezone

from isales_proxy.core.database import optional_write
from isales_proxy.core.settings import get_isales_settings
from isales_proxy.models import VendorCalls

SPAN: Final = timedelta(minutes=10)
_KEPT: Final = timedelta(hours=1)
_COUNTED_AGAIN: Final = 5.0  # seconds
_WAIT: Final = 1.0  # seconds
_DEMO: Final = 120  # calls a minute


_lock = threading.Lock()
_people: Counter[int] = Counter()
_stored_at = time.monotonic()


@dataclass(frozen=True)
class CallCount:
    """Calls within `SPAN`, by people and by the mirror."""

    by_people: int = 0
    by_mirror: int = 0


def count_calls(vdn_id: int, now: datetime) -> CallCount:
    """Count the calls of the last ten minutes."""
    found = VendorCalls.objects.filter(vdn_id=vdn_id, minute__gt=now - SPAN, minute__lte=now)
    sums = found.aggregate(people=Sum("by_people"), mirror=Sum("by_mirror"))
    return CallCount(sums["people"] or 0, sums["mirror"] or 0)


def record_person_call(vdn_id: int) -> None:
    """Count a call that somebody waits for, in this process; `store_person_calls` stores it."""
    with _lock:
        _people[vdn_id] += 1


def store_person_calls(now: datetime | None = None) -> None:
    """Store the calls counted here, every few seconds; a busy database is no error."""
    global _stored_at
    with _lock:
        if time.monotonic() - _stored_at < _COUNTED_AGAIN or not _people:
            return
        _stored_at = time.monotonic()
        counted = dict(_people)
        _people.clear()
    moment = now or timezone.now()
    for vdn_id, calls in counted.items():
        optional_write(partial(_add, vdn_id, moment, people=calls), "calls_not_counted", vdn=vdn_id)


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
        self._used = 0
        self._own = 0

    @property
    def per_minute(self) -> int:
        """Calls that the budget allows a minute; a simulator can bear more."""
        found = get_isales_settings()
        return max(found.calls_per_minute, _DEMO) if found.demo else found.calls_per_minute

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
            calls = count_calls(self._vdn_id, self._clock())
            self._used = calls.by_people + calls.by_mirror
            self._counted_at = now
        # In a demo nobody's vendor is to be spared.
        allowed = self.per_minute * (SPAN // timedelta(minutes=1))
        return self._used + self._own < allowed or get_isales_settings().demo

    def flush(self) -> None:
        """Store the calls counted here, and delete old counts."""
        if not self._own:
            return
        now, own = self._clock(), self._own

        def write() -> None:
            _add(self._vdn_id, now, mirror=own)
            VendorCalls.objects.filter(vdn_id=self._vdn_id, minute__lt=now - _KEPT).delete()

        if optional_write(write, "calls_not_counted", vdn=self._vdn_id):
            self._used += own
            self._own = 0
