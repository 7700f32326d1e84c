"""Reserved calls as a person may see them: the one door for pages, the JSON API and exports.

What comes out is within the person's scope, and masked for who may not see numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from isales_proxy.access import Permission, Scope
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.number_access import audited
from isales_proxy.number_access import services as searches
from isales_proxy.privacy import masking
from isales_proxy.reservations import live, number_search
from isales_proxy.reservations.live import FoundReservation, ReservationPage
from isales_proxy.reservations.status import SUCCESS

__all__ = [
    "FoundReservation",
    "RelatedReservations",
    "ReservationPage",
    "get",
    "list_page",
    "list_related",
]


@dataclass(frozen=True)
class RelatedReservations:
    """Other reservations of one's called number. `number` is "" for who may not see it.

    `reached` is the latest that was answered since this one was made; None for one that was
    answered itself.
    """

    others: ReservationPage
    number: str
    reached: Reservation | None = None


def list_page(*, scope: Scope, query: ReservationQuery) -> ReservationPage:
    """One page of the reservations that this person may see.

    Who may not see numbers finds by a whole one alone. A search by number is audited, if it can be.
    Raises ISalesError when there is neither an answer nor an older one to show, and SearchesSpent.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    if query.called_no:
        searches.count_search(scope, query.called_no)
    if query.called_no and not scope.can(Permission.SEE_NUMBERS):
        found = number_search.fetch_page(scope=scope, query=query)
    else:
        found = live.fetch_page(scope=scope, query=query)
    return _shown(scope, found)


def get(*, scope: Scope, appoint_id: str, query: ReservationQuery) -> FoundReservation | None:
    """The reservation with this ID: as seen a moment ago, else asked for again.

    The vendor has no interface for a single reservation. One that was seen before is looked for by
    its called number, another on the page of `query`. While the vendor is away the last sight
    stands in, with the error. Who sees its number is audited, if that can be. Raises ISalesError
    like `page`.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    query = searches.drop_disallowed_number(scope, query)
    found = live.fetch_one(scope=scope, appoint_id=appoint_id, query=query)
    if found is None:
        return None
    if not scope.can(Permission.SEE_NUMBERS):
        return replace(found, row=masking.mask_reservation(found.row))
    audited.record_view(scope, subject=appoint_id, number=found.row.called_no or "")
    return found


def list_related(
    *, scope: Scope, appoint_id: str, query: ReservationQuery
) -> RelatedReservations | None:
    """Other reservations of the same called number; None where `one` finds none.

    Raises ISalesError like `page`.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    query = searches.drop_disallowed_number(scope, query)
    found = live.fetch_one(scope=scope, appoint_id=appoint_id, query=query)
    if found is None:
        return None
    others = live.fetch_same_number(scope=scope, row=found.row)
    number = (found.row.called_no or "") if scope.can(Permission.SEE_NUMBERS) else ""
    shown = _shown(scope, others)
    return RelatedReservations(shown, number, _reached(found.row, shown.rows))


def _reached(row: Reservation, others: tuple[Reservation, ...]) -> Reservation | None:
    if row.fail_code in SUCCESS:
        return None
    early = datetime.min.replace(tzinfo=UTC)
    since = row.create_time or early
    answered = [
        (at, other)
        for other in others
        if other.fail_code in SUCCESS
        and (at := other.begin_time or other.appoint_time or early) >= since
    ]
    return max(answered, key=lambda pair: pair[0])[1] if answered else None


def _shown(scope: Scope, found: ReservationPage) -> ReservationPage:
    if scope.can(Permission.SEE_NUMBERS):
        return found
    rows: tuple[Reservation, ...] = tuple(map(masking.mask_reservation, found.rows))
    return replace(found, rows=rows)
