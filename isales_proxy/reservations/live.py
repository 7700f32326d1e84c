"""Reservations straight from CC-iSales, with unmasked numbers: limited to a person's scope, cached
for all readers, with their age. Only `reservations.services`, which masks, imports this module.

Follows "Querying the List of Reserved Outbound Call Tasks".
"""

from __future__ import annotations

import operator
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import islice, pairwise
from typing import Any, Final

from django.conf import settings
from django.core.cache import caches
from django.utils import timezone

from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import IncompleteSweep
from isales_proxy.client.page import Page, iter_pages
from isales_proxy.client.queries import CALLED_NUMBER, MAX_PAGE, MAX_PAGE_SIZE, ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.core.response_cache import (
    UNAVAILABLE_ERRORS,
    CachedResponse,
    ResponseCache,
    hash_key,
)
from isales_proxy.mirror import forgetting
from isales_proxy.models import MirrorState
from isales_proxy.outbound import directory
from isales_proxy.privacy.phone_numbers import SearchedNumber, get_digits
from isales_proxy.reservations.pages import AllRows, FoundReservation, ListChanged, ReservationPage
from isales_proxy.result_codes import services as result_codes
from isales_proxy.vendor import call_budget, gateway

RELATED_ROWS: Final = 25

# Simultaneous vendor calls of all exports of a process together.
PAGES_AHEAD: Final = 8

_CACHE_S: Final = 6 * 60 * 60
_PAGE_CAP_CACHE_S: Final = 60
_ROW_FRESH: Final = timedelta(minutes=1)
_SEARCH_PAGES: Final = 5
_SEARCH_PAGE_SIZE: Final = 100

# An unchanged row that a list shows every few seconds is cached again only after this time.
_ROW_CACHE_INTERVAL: Final = timedelta(seconds=30)
_MOST_REMEMBERED: Final = 5000

_responses: ResponseCache[Page[Reservation]] = ResponseCache("page", keep=_CACHE_S)

# Rows that this process has cached in the past seconds, by VDN and ID.
_cached_rows: dict[tuple[int, str], FoundReservation] = {}
_lock = threading.Lock()


def fetch_page(
    *, scope: Scope, query: ReservationQuery, max_wait_s: float | None = None
) -> ReservationPage:
    """Fetch one page of the reservations that this person may see.

    `max_wait_s` is None for the whole deadline of a call. Raises ISalesError without a new or an
    older answer.
    """
    narrowed = _narrow_to_scope(scope, query)
    if narrowed is None:
        return ReservationPage((), 0, query, None, "none")
    response = _fetch(scope, narrowed, max_wait_s)
    rows, complete = _filter_visible(scope, response.value.items)
    # A total that counts others' rows would tell how many they have.
    shown = narrowed.offset + len(rows) if rows else 0
    total = max(response.value.total, shown) if complete else shown
    return ReservationPage(
        rows=rows,
        total=total,
        query=narrowed,
        as_of=response.as_of,
        source=response.source,
        complete=complete,
        error=response.error,
        digest=response.value.digest,
    )


def fetch_exact_number_page(
    *, scope: Scope, query: ReservationQuery, max_wait_s: float | None = None
) -> ReservationPage:
    """Fetch one page of the rows with exactly `query.called_no`, for people without SEE_NUMBERS.

    Raises ISalesError like `fetch_page`. See `_search_exact_number`.
    """
    found = _search_exact_number(scope, query, max_wait_s)
    offset = found.query.offset
    return replace(found, rows=found.rows[offset : offset + found.query.size])


def _search_exact_number(
    scope: Scope, query: ReservationQuery, max_wait_s: float | None = None
) -> ReservationPage:
    """Return all rows with exactly `query.called_no`, as if they were on one page.

    The vendor also matches parts of a number. A person who could search for parts and count the
    matches would find a number digit by digit, so the matches are filtered here. `cut_short` is set
    when there were too many matches, or they changed meanwhile. `max_wait_s` is for each page.
    """
    number = SearchedNumber.parse(query.called_no)
    shown = _narrow_to_scope(scope, query)
    searched = _narrow_to_scope(scope, replace(query, page=1, size=_SEARCH_PAGE_SIZE))
    if shown is None or searched is None or not number.is_complete:
        return ReservationPage((), 0, shown or query, None, "none")
    responses: list[CachedResponse[Page[Reservation]]] = []

    def fetch(page: int) -> Page[Reservation]:
        responses.append(_fetch(scope, replace(searched, page=page), max_wait_s))
        return responses[-1].value

    cut_short = False
    try:
        iter_pages(fetch, lambda row: row.appoint_id or id(row), max_pages=_SEARCH_PAGES)
    except IncompleteSweep:
        cut_short = True
    matches = {
        row.appoint_id or str(id(row)): row
        for response in responses
        for row in response.value.items
        if get_digits(row.called_no or "") == number.digits
    }
    rows, complete = _filter_visible(scope, tuple(matches.values()))
    stale = next((each for each in responses if each.source == "stale"), None)
    live = any(each.source == "live" for each in responses)
    return ReservationPage(
        rows=rows,
        total=len(rows),
        query=shown,
        as_of=min((each.as_of for each in responses), default=None),
        source="stale" if stale else "live" if live else "cache",
        complete=complete and not cut_short,
        error=stale.error if stale else None,
        cut_short=cut_short,
    )


def read_all(*, scope: Scope, query: ReservationQuery, pages_ahead: int = PAGES_AHEAD) -> AllRows:
    """Read every row of a query, whatever its page, with up to `pages_ahead` calls at a time.

    Does not use the cache. Raises ISalesError when the first page fails.
    """
    narrowed = _narrow_to_scope(scope, replace(query, page=1, size=MAX_PAGE_SIZE))
    if narrowed is None:
        return AllRows(0, timezone.now(), iter(()))
    client = gateway.get_client(scope.vdn)

    def fetch(number: int) -> Page[Reservation]:
        call_budget.record_person_call(scope.vdn.pk)
        page = client.list_reservations(vdn=scope.vdn.pk, query=replace(narrowed, page=number))
        if not _filter_visible(scope, page.items)[1]:
            raise ListChanged
        return page

    first = fetch(1)
    if first.pages > MAX_PAGE:
        raise ListChanged
    # Dropped after the pages were checked, whose total is the vendor's.
    pages = (
        _drop_forgotten_rows(scope, rows) for rows in _iterate_pages(first, fetch, pages_ahead)
    )
    return AllRows(first.total, timezone.now(), pages)


def read_exact_number(*, scope: Scope, query: ReservationQuery) -> AllRows:
    """Read every row of an exact number, for people without SEE_NUMBERS.

    Raises ISalesError, and ListChanged where `fetch_exact_number_page` would cut the list short.
    """
    found = _search_exact_number(scope, query)
    if found.error is not None:
        raise found.error
    if not found.complete:
        raise ListChanged
    return AllRows(found.total, found.as_of or timezone.now(), iter([found.rows]))


def fetch_one(
    *, scope: Scope, appoint_id: str, query: ReservationQuery, max_wait_s: float | None = None
) -> FoundReservation | None:
    """Return the reservation with this ID, from the cache if it is less than a minute old.

    The vendor has no interface for a single reservation. One that was seen before is searched for
    by its called number, then like any other on the page of `query`. While the vendor is
    unavailable the cached row is returned with the error. For `max_wait_s` and errors see
    `fetch_page`.
    """
    cached = _get_cached(scope, appoint_id)
    if cached is None:
        return _find_on_page(scope, appoint_id, query, max_wait_s)
    own = cached if _filter_visible(scope, (cached.row,))[1] else None
    if timezone.now() - cached.as_of < _ROW_FRESH:
        return own
    by_number = _query_by_number(cached.row)
    try:
        found = _find_on_page(scope, appoint_id, by_number, max_wait_s) if by_number else None
        return found or _find_on_page(scope, appoint_id, query, max_wait_s)
    except UNAVAILABLE_ERRORS as error:
        return replace(own, error=error) if own else None


def get_last_seen(*, scope: Scope, appoint_id: str) -> Reservation | None:
    """Return the reservation as last seen within `_CACHE_S`, without a vendor call."""
    cached = _get_cached(scope, appoint_id)
    return cached.row if cached and _filter_visible(scope, (cached.row,))[1] else None


def fetch_same_number(*, scope: Scope, row: Reservation) -> ReservationPage:
    """Fetch other reservations of the same called number, among the vendor's first `RELATED_ROWS`.

    Other numbers are left out, since the vendor does not document whether it matches parts.
    """
    query = _query_by_number(row)
    if query is None:
        return ReservationPage((), 0, ReservationQuery(size=RELATED_ROWS), None, "none")
    found = fetch_page(scope=scope, query=query)
    others = tuple(
        other
        for other in found.rows
        if other.called_no == row.called_no and other.appoint_id != row.appoint_id
    )
    return replace(found, rows=others)


def _find_on_page(
    scope: Scope, appoint_id: str, query: ReservationQuery, max_wait_s: float | None
) -> FoundReservation | None:
    found = fetch_page(scope=scope, query=query, max_wait_s=max_wait_s)
    match = next((row for row in found.rows if row.appoint_id == appoint_id), None)
    if match is None or found.as_of is None:
        return None
    return FoundReservation(match, found.as_of, found.error)


def _query_by_number(row: Reservation) -> ReservationQuery | None:
    """Return the query for a row's number; None for a number that the vendor refuses."""
    if not row.called_no or not CALLED_NUMBER.fullmatch(row.called_no):
        return None
    return ReservationQuery(called_no=row.called_no, size=RELATED_ROWS)


def _narrow_to_scope(scope: Scope, query: ReservationQuery) -> ReservationQuery | None:
    """Limit the query to the largest page and to the person's agent account.

    None when nothing can match.
    """
    query = replace(query, size=min(query.size, _get_largest_page(scope)))
    if scope.can(Permission.SEE_ALL_AGENTS):
        return query
    if not scope.agent_account or (query.agents and scope.agent_account not in query.agents):
        return None
    return replace(query, agents=(scope.agent_account,))


def _get_largest_page(scope: Scope) -> int:
    """Return the most rows of a page: as configured, or the vendor's own limit if that is smaller.

    The mirror learns that limit from answers; it is cached for a minute.
    """

    def read() -> int:
        states = MirrorState.objects.filter(vdn=scope.vdn.pk)
        return states.values_list("page_cap", flat=True).first() or MAX_PAGE_SIZE

    key = f"page-cap:{scope.vdn.pk}"
    learnt: Any = caches["default"].get_or_set(key, read, _PAGE_CAP_CACHE_S)
    return min(int(learnt), settings.ISALES.max_page_size)


def _fetch(
    scope: Scope, query: ReservationQuery, max_wait_s: float | None
) -> CachedResponse[Page[Reservation]]:
    """Return the response to a query that is narrowed to the scope, from the cache or the vendor.

    The rows, names and codes of a new one are stored. Raises ISalesError.
    """
    longest_s = settings.ISALES.deadline

    def call_vendor(left_s: float) -> Page[Reservation]:
        # Waiting for another reader's call shortens the deadline that the client has by itself.
        deadline = left_s if left_s < longest_s else None
        call_budget.record_person_call(scope.vdn.pk)
        return gateway.get_client(scope.vdn).list_reservations(
            vdn=scope.vdn.pk, query=query, deadline=deadline
        )

    response = _responses.get_or_fetch(
        hash_key(f"{scope.vdn.pk}|{query.key()}"),
        call_vendor,
        fresh=settings.ISALES.page_cache_seconds,
        max_wait_s=min(max_wait_s or longest_s, longest_s),
    )
    page = _drop_forgotten(scope, response.value)
    if page is not response.value:
        response = replace(response, value=page)
    if response.source == "live":
        call_budget.store_person_calls()
        visible, _complete = _filter_visible(scope, response.value.items)
        directory.remember_names(scope=scope, rows=visible)
        result_codes.record_codes(scope.vdn, response.value.items)
        _cache_rows(scope, response)
    return response


def _drop_forgotten_rows(scope: Scope, rows: tuple[Reservation, ...]) -> tuple[Reservation, ...]:
    """Drop the rows of forgotten numbers, and remove these numbers from the texts of others."""
    forgotten = forgetting.get_forgotten(scope.vdn.pk)
    if not forgotten:
        return rows
    others = (row for row in rows if not (row.called_no and forgotten.matches(row.called_no)))
    return tuple(map(forgotten.clean, others))


def _drop_forgotten(scope: Scope, page: Page[Reservation]) -> Page[Reservation]:
    """Drop forgotten numbers, which CC-iSales may still list, from a page and its total."""
    rows = _drop_forgotten_rows(scope, page.items)
    if len(rows) == len(page.items) and all(map(operator.is_, rows, page.items)):
        return page
    total = max(0, page.total - len(page.items) + len(rows))
    return replace(page, items=rows, total=total, digest="")


def _cache_rows(scope: Scope, response: CachedResponse[Page[Reservation]]) -> None:
    """Cache each row by its ID, but not again while it is unchanged and cached recently."""
    as_of, vdn_id = response.as_of, scope.vdn.pk
    new = {}
    for row in response.value.items:
        if ident := row.appoint_id:
            last = _cached_rows.get((vdn_id, ident))
            if (
                last is None
                or not timedelta() <= as_of - last.as_of < _ROW_CACHE_INTERVAL
                or last.row.__dict__ != row.__dict__
            ):
                new[vdn_id, ident] = FoundReservation(row, as_of)
    if not new:
        return
    keys = [hash_key(ident) for _vdn_id, ident in new]
    caches["rows"].set_many(
        {f"{vdn_id}:{key}": found for key, found in zip(keys, new.values(), strict=True)},
        _CACHE_S,
    )
    with _lock:
        if len(_cached_rows) + len(new) > _MOST_REMEMBERED:
            _cached_rows.clear()
        _cached_rows.update(new)


def clear_memory() -> None:
    """Clear the record of the rows that this process has cached."""
    with _lock:
        _cached_rows.clear()


def _filter_visible(
    scope: Scope, rows: tuple[Reservation, ...]
) -> tuple[tuple[Reservation, ...], bool]:
    """Return the rows that the person may see, and True if these are all rows.

    Accounts are compared exactly: two that differ only in case are two agents.
    """
    if scope.can(Permission.SEE_ALL_AGENTS):
        return rows, True
    account = scope.agent_account
    own = tuple(row for row in rows if account and row.user_account == account)
    return own, len(own) == len(rows)


def _iterate_pages(
    first: Page[Reservation], fetch: Callable[[int], Page[Reservation]], pages_ahead: int
) -> Iterator[tuple[Reservation, ...]]:
    """Yield the rows of all pages in order; see `AllRows`."""

    def submit(number: int) -> Future[Page[Reservation]]:
        return _get_pool().submit(copy_context().run, fetch, number)

    begins_with, keys, count = _list_keys(first), array("q", _list_keys(first)), len(first.items)
    yield first.items
    numbers = iter(range(2, first.pages + 1))
    waiting: deque[Future[Page[Reservation]]] = deque()
    try:
        # Twice as many are queued, so that no thread is idle until a slow first page is taken.
        waiting.extend(map(submit, islice(numbers, 2 * pages_ahead - 1)))
        while waiting:
            page = waiting.popleft().result()
            waiting.extend(map(submit, islice(numbers, 1)))
            if page.total != first.total:
                raise ListChanged
            keys.extend(_list_keys(page))
            count += len(page.items)
            yield page.items
    finally:
        for future in waiting:
            future.cancel()
    if count != first.total or any(one == other for one, other in pairwise(sorted(keys))):
        raise ListChanged
    if first.pages > 1:
        # The total is also unchanged if a new row replaced another one.
        again = fetch(1)
        if again.total != first.total or _list_keys(again) != begins_with:
            raise ListChanged


@cache
def _get_pool() -> ThreadPoolExecutor:
    """Return the thread pool of all exports; its threads do not use the database."""
    return ThreadPoolExecutor(PAGES_AHEAD, thread_name_prefix="pages-ahead")


def _list_keys(page: Page[Reservation]) -> list[int]:
    """List the hashes of the IDs of a page: 8 bytes a row. A row without an ID is never equal."""
    return [hash(row.appoint_id) for row in page.items if row.appoint_id]


def _get_cached(scope: Scope, appoint_id: str) -> FoundReservation | None:
    cached: FoundReservation | None = caches["rows"].get(f"{scope.vdn.pk}:{hash_key(appoint_id)}")
    rows = _drop_forgotten_rows(scope, (cached.row,)) if cached is not None else ()
    return replace(cached, row=rows[0]) if cached is not None and rows else None
