"""The status of a reservation at a given time.

Follows "Querying the List of Reserved Outbound Call Tasks": an automatic reservation is dialled
five minutes before its time, a manual one at it; `failCode` 00000 is success, any other failure.
An uncalled reservation is overdue after its due time and the grace of its VDN, whatever its type.
It is gone when the vendor no longer lists it. `row_filters` has the same bounds in SQL. The
vendor's own `timeout` ("expired") is shown beside ours where the two differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from isales_proxy.client.records import SUCCESS_CODES, Reservation
from isales_proxy.reservations.mirrored import MirroredReservation

AUTOMATIC: Final = "2"
DIALLED_EARLIER: Final = timedelta(minutes=5)
SOON: Final = timedelta(minutes=15)


class ReservationState(TextChoices):
    """State of a reservation, the most urgent first; it is in one at a time.

    The values are `state` in addresses, pages and the API, and name the numbers of `TabCounts`.
    """

    OVERDUE = "overdue", _("Overdue")
    DIALLING = "dialling", _("Dialling now")
    SOON = "soon", _("Due soon")
    LATER = "later", pgettext_lazy("reservations", "Later")
    UNDATED = "undated", _("Without a time")
    CALLED = "called", _("No outcome")
    FAILED = "failed", _("Failed")
    ANSWERED = "answered", _("Answered")
    GONE = "gone", _("Gone")


@dataclass(frozen=True)
class ReservationStatus:
    """A state with the start of dialling (aware UTC).

    `left` is the time until the due time of a call that has not begun, negative after it.
    """

    state: ReservationState
    dial_at: datetime | None = None
    left: timedelta | None = None


def get_status(row: Reservation, now: datetime, *, late_grace: timedelta) -> ReservationStatus:
    """Return the status of a row at `now` (aware). `late_grace` is that of the row's VDN."""
    dial_at = row.appoint_time
    if dial_at is not None and row.call_type == AUTOMATIC:
        dial_at -= DIALLED_EARLIER
    if isinstance(row, MirroredReservation) and row.gone:
        return ReservationStatus(ReservationState.GONE, dial_at)
    if row.fail_code is not None:
        return ReservationStatus(
            ReservationState.ANSWERED
            if row.fail_code in SUCCESS_CODES
            else ReservationState.FAILED,
            dial_at,
        )
    if row.begin_time is not None:
        return ReservationStatus(ReservationState.CALLED, dial_at)
    if row.appoint_time is None or dial_at is None:
        return ReservationStatus(ReservationState.UNDATED)
    left = row.appoint_time - now
    if left < -late_grace:
        state = ReservationState.OVERDUE
    elif dial_at <= now and dial_at < row.appoint_time:
        state = ReservationState.DIALLING
    else:
        state = ReservationState.SOON if dial_at - now <= SOON else ReservationState.LATER
    return ReservationStatus(state, dial_at, left)
