"""Reservations as a person may see them: the only way to them for pages, API, exports and services.

Results are limited to the person's scope and masked without SEE_NUMBERS, unless a name says
otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.models import AuditAction
from isales_proxy.number_access import services as number_access
from isales_proxy.privacy import masking
from isales_proxy.privacy.phone_numbers import SearchedNumber
from isales_proxy.reservations import live
from isales_proxy.reservations.live import (
    PAGES_AHEAD,
    AllRows,
    FoundReservation,
    ListChanged,
    ReservationPage,
    clear_caches,
)
from isales_proxy.reservations.status import SUCCESS

__all__ = [
    "PAGES_AHEAD",
    "AllRows",
    "FoundReservation",
    "ListChanged",
    "RelatedReservations",
    "ReservationPage",
    "clear_caches",
    "get",
    "get_last_seen_number",
    "get_unmasked_for_service",
    "list_page",
    "list_related",
    "read_all",
    "record_download",
    "record_export",
]


@dataclass(frozen=True)
class RelatedReservations:
    """Other reservations of the same called number; `number` is "" without SEE_NUMBERS.

    `reached` is the latest that was answered since this one was made; None for one that was
    answered itself.
    """

    others: ReservationPage
    number: str
    reached: Reservation | None = None


def list_page(*, scope: Scope, query: ReservationQuery) -> ReservationPage:
    """Return one page of reservations; a search by number is recorded in the audit.

    Without SEE_NUMBERS only a complete number finds rows. Raises ISalesError when there is neither
    an answer nor an older one to show, and DailySearchLimitExceeded.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    if query.called_no:
        number_access.count_search(scope, SearchedNumber.parse(query.called_no))
    if query.called_no and not scope.can(Permission.SEE_NUMBERS):
        found = live.fetch_exact_number_page(scope=scope, query=query)
    else:
        found = live.fetch_page(scope=scope, query=query)
    return _mask_page(scope, found)


def read_all(*, scope: Scope, query: ReservationQuery, pages_ahead: int = PAGES_AHEAD) -> AllRows:
    """Read every row that `list_page` would show page by page, in the same order and as masked.

    `pages_ahead` is the most vendor calls at a time. Raises PermissionMissing without EXPORT, else
    like `list_page` when the first page fails; ListChanged when the number of a masked list cannot
    be checked. For errors of the later pages see `AllRows`.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    scope.require(Permission.EXPORT)
    sees_numbers = scope.can(Permission.SEE_NUMBERS)
    if query.called_no:
        number_access.count_search(scope, SearchedNumber.parse(query.called_no))
    if query.called_no and not sees_numbers:
        found = live.read_exact_number(scope=scope, query=query)
    else:
        found = live.read_all(scope=scope, query=query, pages_ahead=pages_ahead)
    if sees_numbers:
        return found
    masked = (tuple(map(masking.mask_reservation, page)) for page in found.pages)
    return replace(found, pages=masked)


def record_export(*, scope: Scope, query: ReservationQuery, kind: str, rows: int) -> None:
    """Record a finished file of `rows` rows in the audit; without that it must not be sent."""
    number = SearchedNumber.parse(query.called_no)
    audit.record(
        AuditAction.RESERVATIONS_EXPORTED,
        by=scope,
        kind=kind,
        rows=rows,
        masked=not scope.can(Permission.SEE_NUMBERS),
        number=number.text if number.is_complete else "",
        filter=_describe_filter(query),
    )


def record_download(*, scope: Scope, export_id: int, kind: str, rows: int) -> None:
    """Record in the audit that a file that was kept for its person was fetched."""
    audit.record(
        AuditAction.RESERVATIONS_DOWNLOADED,
        by=scope,
        subject=f"export {export_id}",
        kind=kind,
        rows=rows,
    )


def _describe_filter(query: ReservationQuery) -> dict[str, object]:
    found = {
        "agents": len(query.agents),
        "task": query.task_id,
        "begin": query.begin,
        "end": query.end,
        "by_number": bool(query.called_no),
    }
    return {name: value for name, value in found.items() if value}


def get(*, scope: Scope, appoint_id: str, query: ReservationQuery) -> FoundReservation | None:
    """Return the reservation with this ID; a view of its number is recorded in the audit.

    It may be up to a minute old, or older with an `error` while the vendor is away. `query` is the
    list where one that was not seen before is looked for. Raises ISalesError like `list_page`.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    found = get_unmasked_for_service(scope=scope, appoint_id=appoint_id, query=query)
    if found is None:
        return None
    if not scope.can(Permission.SEE_NUMBERS):
        return replace(found, row=masking.mask_reservation(found.row))
    number_access.record_view(scope, subject=appoint_id, number=found.row.called_no or "")
    return found


def list_related(
    *, scope: Scope, appoint_id: str, query: ReservationQuery
) -> RelatedReservations | None:
    """Return other reservations of the same called number; None where `get` finds none.

    Raises ISalesError like `list_page`.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    found = get_unmasked_for_service(scope=scope, appoint_id=appoint_id, query=query)
    if found is None:
        return None
    others = live.fetch_same_number(scope=scope, row=found.row)
    number = (found.row.called_no or "") if scope.can(Permission.SEE_NUMBERS) else ""
    shown = _mask_page(scope, others)
    return RelatedReservations(shown, number, _find_reached(found.row, shown.rows))


def get_unmasked_for_service(
    *, scope: Scope, appoint_id: str, query: ReservationQuery | None = None
) -> FoundReservation | None:
    """Return the reservation with its numbers unmasked, for services that reveal or send them.

    The caller checks permissions and records the use. Raises ISalesError like `list_page`.
    """
    asked = number_access.drop_disallowed_number(scope, query or ReservationQuery())
    return live.fetch_one(scope=scope, appoint_id=appoint_id, query=asked)


def get_last_seen_number(*, scope: Scope, appoint_id: str) -> str:
    """Return the unmasked called number of a reservation seen in the past hours, for services.

    "" when it was not seen. Makes no vendor call.
    """
    row = live.get_last_seen(scope=scope, appoint_id=appoint_id)
    return (row.called_no or "") if row else ""


def _find_reached(row: Reservation, others: tuple[Reservation, ...]) -> Reservation | None:
    if row.fail_code in SUCCESS:
        return None
    earliest = datetime.min.replace(tzinfo=UTC)
    since = row.create_time or earliest
    answered = [
        (at, other)
        for other in others
        if other.fail_code in SUCCESS
        and (at := other.begin_time or other.appoint_time or earliest) >= since
    ]
    return max(answered, key=lambda pair: pair[0])[1] if answered else None


def _mask_page(scope: Scope, found: ReservationPage) -> ReservationPage:
    if scope.can(Permission.SEE_NUMBERS):
        return found
    rows: tuple[Reservation, ...] = tuple(map(masking.mask_reservation, found.rows))
    return replace(found, rows=rows)
