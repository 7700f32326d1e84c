"""What a reservation is at one moment, in the words of those who must call.

Follows "Querying the List of Reserved Outbound Call Tasks": an automatic reservation is dialled
five minutes before its time, a manual one at it; `failCode` 00000 is success, any other failure.
The vendor's own `timeout` ("expired") is a fact beside ours: where the two differ both are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from isales_proxy.client.records import Reservation

AUTOMATIC: Final = "2"
DIALLED_EARLIER: Final = timedelta(minutes=5)
SOON: Final = timedelta(minutes=15)
SUCCESS: Final = frozenset({"00000", "0"})


class State(StrEnum):
    """Where a reservation stands."""

    WAITING = "waiting"
    SOON = "soon"
    LATE = "late"
    ANSWERED = "answered"
    FAILED = "failed"
    CALLED = "called"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Standing:
    """A state and, for one not called yet, when it is dialled (aware UTC) and how far off that is
    (negative once it is late)."""

    state: State
    dial_at: datetime | None = None
    left: timedelta | None = None


def standing(row: Reservation, now: datetime) -> Standing:
    """Judge one row at `now` (aware)."""
    dial_at = dialled_at(row)
    if row.fail_code is not None:
        return Standing(State.ANSWERED if row.fail_code in SUCCESS else State.FAILED, dial_at)
    if row.begin_time is not None:
        return Standing(State.CALLED, dial_at)
    if dial_at is None:
        return Standing(State.UNKNOWN)
    left = dial_at - now
    if left < timedelta(0):
        return Standing(State.LATE, dial_at, left)
    return Standing(State.SOON if left <= SOON else State.WAITING, dial_at, left)


def dialled_at(row: Reservation) -> datetime | None:
    """When the call is due to be dialled."""
    if row.appoint_time is None:
        return None
    if row.call_type == AUTOMATIC:
        return row.appoint_time - DIALLED_EARLIER
    return row.appoint_time
