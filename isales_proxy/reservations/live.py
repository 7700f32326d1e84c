"""Reserved calls with their numbers whole: scoped by person, shared between readers, honest about
their age. For services alone; pages and the API go through `reservations`, which masks.

Follows "Querying the List of Reserved Outbound Call Tasks".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from django.core.cache import caches
from django.utils import timezone

from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.page import Page
from isales_proxy.client.queries import CALLED_NUMBER, ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.core.response_cache import AWAY, CachedResponse, ResponseCache, hash_key
from isales_proxy.core.settings import get_isales_settings
from isales_proxy.outbound import directory
from isales_proxy.result_codes import services as result_codes
from isales_proxy.vendor import gateway

KEEP_SECONDS: Final = 6 * 60 * 60
RELATED_ROWS: Final = 25
ROW_FRESH: Final = timedelta(minutes=1)

_answers: ResponseCache[Page[Reservation]] = ResponseCache("page", keep=KEEP_SECONDS)


@dataclass(frozen=True)
class ReservationPage:
    """One page of rows and their provenance.

    `total` counts the rows of the whole question, `as_of` is when the vendor said so (aware UTC).
    `complete` is False when rows outside of the person's scope had to be withheld, or, with
    `cut_short`, when there were more rows to look through than may be. `error` is what kept us from
    a newer answer (source "stale").
    """

    rows: tuple[Reservation, ...]
    total: int
    query: ReservationQuery
    as_of: datetime | None
    source: Literal["live", "cache", "stale", "none"]
    complete: bool = True
    error: ISalesError | None = None
    cut_short: bool = False


@dataclass(frozen=True)
class FoundReservation:
    """One reservation and when the vendor last said so (aware UTC).

    `error` is what kept us from asking again.
    """

    row: Reservation
    as_of: datetime
    error: ISalesError | None = None


def fetch_page(*, scope: Scope, query: ReservationQuery) -> ReservationPage:
    """One page of the reservations that this person may see.

    Raises ISalesError when there is neither an answer nor an older one to show.
    """
    asked = narrow_to_scope(scope, query)
    if asked is None:
        return ReservationPage((), 0, query, None, "none")
    answer = fetch(scope, asked)
    rows, complete = filter_visible(scope, answer.value.items)
    # A total that counts others' rows would tell how many they have.
    shown = asked.offset + len(rows) if rows else 0
    total = max(answer.value.total, shown) if complete else shown
    return ReservationPage(
        rows=rows,
        total=total,
        query=asked,
        as_of=answer.as_of,
        source=answer.source,
        complete=complete,
        error=answer.error,
    )


def fetch_one(*, scope: Scope, appoint_id: str, query: ReservationQuery) -> FoundReservation | None:
    """The reservation with this ID: as seen a moment ago, else asked for again.

    The vendor has no interface for a single reservation. One that was seen before is looked for by
    its called number, another on the page of `query`. While the vendor is away the last sight
    stands in, with the error. Raises ISalesError like `page`.
    """
    kept: FoundReservation | None = caches["rows"].get(_row_key(scope, appoint_id))
    if kept is None:
        return _on_page(scope, appoint_id, query)
    own = kept if filter_visible(scope, (kept.row,))[1] else None
    if timezone.now() - kept.as_of < ROW_FRESH:
        return own
    by_number = _by_number(kept.row)
    try:
        found = _on_page(scope, appoint_id, by_number) if by_number else None
        return found or _on_page(scope, appoint_id, query)
    except AWAY as error:
        return replace(own, error=error) if own else None


def get_last_seen(*, scope: Scope, appoint_id: str) -> Reservation | None:
    """The reservation as it was seen last in the hours past; nobody is asked."""
    kept: FoundReservation | None = caches["rows"].get(_row_key(scope, appoint_id))
    return kept.row if kept and filter_visible(scope, (kept.row,))[1] else None


def _on_page(scope: Scope, appoint_id: str, query: ReservationQuery) -> FoundReservation | None:
    found = fetch_page(scope=scope, query=query)
    match = next((row for row in found.rows if row.appoint_id == appoint_id), None)
    if match is None or found.as_of is None:
        return None
    return FoundReservation(match, found.as_of, found.error)


def fetch_same_number(*, scope: Scope, row: Reservation) -> ReservationPage:
    """Other reservations of the same called number, among the vendor's first `RELATED_ROWS`.

    The vendor does not say whether it matches numbers whole or in part: only equal ones are kept.
    """
    query = _by_number(row)
    if query is None:
        return ReservationPage((), 0, ReservationQuery(size=RELATED_ROWS), None, "none")
    found = fetch_page(scope=scope, query=query)
    others = tuple(
        other
        for other in found.rows
        if other.called_no == row.called_no and other.appoint_id != row.appoint_id
    )
    return replace(found, rows=others)


def _by_number(row: Reservation) -> ReservationQuery | None:
    """The question for a row's number; None for a number that nobody could ask for."""
    if not row.called_no or not CALLED_NUMBER.fullmatch(row.called_no):
        return None
    return ReservationQuery(called_no=row.called_no, size=RELATED_ROWS)


def narrow_to_scope(scope: Scope, query: ReservationQuery) -> ReservationQuery | None:
    """The question narrowed to what the person may see; None when nothing can match."""
    size = min(query.size, get_isales_settings().max_page_size)
    if scope.can(Permission.SEE_ALL_AGENTS):
        return replace(query, size=size)
    if not scope.agent_account or (query.agents and scope.agent_account not in query.agents):
        return None
    return replace(query, size=size, agents=(scope.agent_account,))


def fetch(scope: Scope, query: ReservationQuery) -> CachedResponse[Page[Reservation]]:
    """The answer to a question that is `within` the person's scope; raises ISalesError."""
    found = get_isales_settings()

    def fetch(left: float) -> Page[Reservation]:
        # The client minds the deadline itself; a wait for another's turn has shortened ours.
        deadline = left if left < found.deadline else None
        return gateway.get_client(scope.vdn).list_reservations(
            vdn=scope.vdn.pk, query=query, deadline=deadline
        )

    answer = _answers.ask(
        hash_key(f"{scope.vdn.pk}|{query.key()}"),
        fetch,
        fresh=found.page_cache_seconds,
        patience=found.deadline,
    )
    if answer.source == "live":
        seen, _complete = filter_visible(scope, answer.value.items)
        directory.remember_names(scope=scope, rows=seen)
        result_codes.record_codes(scope.vdn, answer.value.items)
        caches["rows"].set_many(
            {
                _row_key(scope, row.appoint_id): FoundReservation(row, answer.as_of)
                for row in answer.value.items
                if row.appoint_id
            },
            KEEP_SECONDS,
        )
    return answer


def filter_visible(
    scope: Scope, rows: tuple[Reservation, ...]
) -> tuple[tuple[Reservation, ...], bool]:
    """Rows that the person may see, whatever the vendor sent; and whether that is all of them.

    Accounts are compared exactly: two that differ by case alone are two agents.
    """
    if scope.can(Permission.SEE_ALL_AGENTS):
        return rows, True
    own = scope.agent_account
    mine = tuple(row for row in rows if own and row.user_account == own)
    return mine, len(mine) == len(rows)


def _row_key(scope: Scope, appoint_id: str) -> str:
    return f"{scope.vdn.pk}:{hash_key(appoint_id)}"
