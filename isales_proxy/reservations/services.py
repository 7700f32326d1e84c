"""Reservations as a person may see them: the only way to them for pages, API, exports and services.

Results are limited to the person's scope and masked without SEE_NUMBERS, unless a name says
otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from django.core.cache import cache, caches
from django.utils import timezone

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import SUCCESS_CODES, Reservation
from isales_proxy.core.redis_cache import ForgivingRedisCache
from isales_proxy.core.response_cache import UNAVAILABLE_ERRORS
from isales_proxy.mirror import sweeps
from isales_proxy.mirror.row_keys import shorten_key
from isales_proxy.models import AuditAction, MirrorLook, Phase
from isales_proxy.number_access import services as number_access
from isales_proxy.outbound import directory
from isales_proxy.privacy import masking
from isales_proxy.privacy.phone_numbers import SearchedNumber
from isales_proxy.reservations import history, live, mirror
from isales_proxy.reservations.coverage import Coverage, Gap, measure_coverage
from isales_proxy.reservations.history import HistoryEntry
from isales_proxy.reservations.mirror_reader import MirrorReader
from isales_proxy.reservations.mirrored import MirroredReservation, to_reservation
from isales_proxy.reservations.pages import (
    AllRows,
    FoundReservation,
    RelatedReservations,
    ReservationPage,
    TabCounts,
)
from isales_proxy.reservations.query import ListQuery, Source, SourceRefused, VagueNumber
from isales_proxy.reservations.row_filters import is_vague_number
from isales_proxy.reservations.tab_counts import read_revision

# Where the mirror can replace an unavailable vendor: how long a page waits for the vendor, and
# after a failure, how long the VDN's pages do not call it again.
_FALLBACK_WAIT_S: Final = 4
_RETRY_AFTER_S: Final = 10


@dataclass(frozen=True)
class ChosenSource:
    """The source of a page; `coverage` is that of the VDN's mirror, None without one."""

    from_mirror: bool
    coverage: Coverage | None = None
    seen: int | None = None
    """The revision that the person has seen."""


def choose_source(
    *, scope: Scope, query: ReservationQuery, now: datetime | None = None
) -> ChosenSource:
    """Choose the source of an answer, without a vendor call.

    It is the requested one; by default the mirror where it is complete for the query, or where only
    the mirror can answer it; else the vendor, whom `list_page` replaces by the mirror while he is
    unavailable. Raises SourceRefused.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    query = ListQuery.extend(query)
    mirror_fields = query.list_mirror_fields()
    state, seen = mirror.get_state(scope)
    if query.source is Source.LIVE and mirror_fields:
        raise SourceRefused(Source.LIVE, mirror_fields)
    needs_mirror = bool(mirror_fields) or query.source is Source.MIRROR
    if state is None:
        if needs_mirror:
            raise SourceRefused(Source.MIRROR, mirror_fields or ["source"])
        return ChosenSource(from_mirror=False)
    coverage = measure_coverage(state, query.begin, query.end, now or timezone.now())
    from_mirror = needs_mirror or (query.source is not Source.LIVE and coverage.complete)
    if from_mirror and is_vague_number(scope, query):
        if needs_mirror:
            raise VagueNumber
        from_mirror = False
    return ChosenSource(from_mirror, coverage, seen)


def list_page(
    *,
    scope: Scope,
    query: ReservationQuery,
    now: datetime | None = None,
    chosen: ChosenSource | None = None,
) -> ReservationPage:
    """Return one page of reservations; a search by number is recorded in the audit.

    `chosen` is the source if it was chosen already. Without SEE_NUMBERS only a complete number
    finds rows. Raises ISalesError without a new or an older answer, DailySearchLimitExceeded, and
    SourceRefused.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    chosen = chosen or choose_source(scope=scope, query=query, now=now)
    _count_search(scope, query)
    list_query, coverage = ListQuery.extend(query), chosen.coverage
    found = None
    if coverage is None or not chosen.from_mirror:
        if coverage is None or not _can_replace_vendor(scope, coverage, list_query):
            found = _fetch_live_page(scope, query)
        elif not cache.get(_get_unavailable_key(scope)):
            # A mirror with an unread part may lack many rows: that is worth the whole deadline.
            wait_s = None if coverage.reason is Gap.UNREAD else _FALLBACK_WAIT_S
            found = _fetch_available_page(scope, query, wait_s)
    if found is None and coverage is not None:
        found = mirror.read_page(
            scope=scope,
            query=list_query,
            coverage=coverage,
            now=now or timezone.now(),
            seen=chosen.seen,
        )
        directory.remember_names(scope=scope, rows=found.rows)
    assert found is not None  # noqa: S101 - without a mirror the vendor answered or it was raised
    if found.coverage is None and coverage is not None:
        found = replace(found, coverage=coverage)
        _compare_with_mirror(scope, found)
    return _mask_page(scope, found)


def _count_search(scope: Scope, query: ReservationQuery) -> None:
    if query.called_no:
        number_access.count_search(scope, SearchedNumber.parse(query.called_no))


def _can_replace_vendor(scope: Scope, coverage: Coverage, query: ListQuery) -> bool:
    """Tell whether a mirror that is only old or partial may replace an unavailable vendor.

    It may not for a vague number, of which the mirror finds only some of the rows.
    """
    return (
        query.source is not Source.LIVE
        and coverage.reason in {Gap.UNREAD, Gap.STALE, Gap.UNCONFIRMED}
        and not is_vague_number(scope, query)
    )


def _fetch_live_page(
    scope: Scope, query: ReservationQuery, max_wait_s: float | None = None
) -> ReservationPage:
    if query.called_no and not scope.can(Permission.SEE_NUMBERS):
        return live.fetch_exact_number_page(scope=scope, query=query, max_wait_s=max_wait_s)
    return live.fetch_page(scope=scope, query=query, max_wait_s=max_wait_s)


def _fetch_available_page(
    scope: Scope, query: ReservationQuery, max_wait_s: float | None
) -> ReservationPage | None:
    """Fetch a page that the mirror can replace; None while the vendor is unavailable."""
    try:
        found = _fetch_live_page(scope, query, max_wait_s)
    except UNAVAILABLE_ERRORS:
        found = None
    if found is not None and found.error is None:
        return found
    cache.set(_get_unavailable_key(scope), True, _RETRY_AFTER_S)
    return None


def _get_unavailable_key(scope: Scope) -> str:
    return f"vendor-away:{scope.vdn.pk}"


def _compare_with_mirror(scope: Scope, found: ReservationPage) -> None:
    """Check the mirror against a page that was just read live, which costs no further call."""
    if found.source != "live" or found.as_of is None:
        return
    page = Page(found.rows, found.total, found.query.page, found.query.size)
    sweeps.compare_live_page(scope.vdn, page, found.as_of)


def mark_seen(*, scope: Scope, revision: int) -> None:
    """Record the revision of the VDN's mirror that the person has seen, at most the present one;
    never replaces a later one."""
    scope.require(Permission.SEE_RESERVATIONS)
    seen = {"revision": min(revision, read_revision(scope.vdn.pk)), "at": timezone.now()}
    look, created = MirrorLook.objects.get_or_create(
        user_id=scope.user_id, vdn=scope.vdn, defaults=seen
    )
    if not created:
        MirrorLook.objects.filter(pk=look.pk, revision__lt=seen["revision"]).update(**seen)


def list_filter_choices(*, scope: Scope) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List the call types and the task statuses that occur in the VDN's mirror."""
    scope.require(Permission.SEE_RESERVATIONS)
    return mirror.list_filter_choices(scope.vdn.pk)


def count_tabs(
    *, scope: Scope, query: ListQuery, now: datetime | None = None
) -> tuple[TabCounts, Coverage]:
    """Count the rows of every tab of the mirror; a search by number is recorded in the audit.

    Raises DailySearchLimitExceeded, and SourceRefused without a mirror or for the live list.
    """
    now = now or timezone.now()
    if query.source is Source.LIVE:
        raise SourceRefused(Source.LIVE, ["source"])
    query = replace(query, source=Source.MIRROR)
    coverage = choose_source(scope=scope, query=query, now=now).coverage
    assert coverage is not None  # noqa: S101 - a VDN without a mirror was refused
    _count_search(scope, query)
    return MirrorReader(scope, query, now).count(coverage.revision), coverage


def read_all(
    *, scope: Scope, query: ReservationQuery, pages_ahead: int = live.PAGES_AHEAD
) -> AllRows:
    """Read every row that `list_page` would show page by page, in the same order and as masked.

    The source is that of the page; `pages_ahead` vendor calls are made at the same time. Raises
    PermissionMissing without EXPORT, what `list_page` raises when the first page fails, and
    ListChanged when a search for an exact number cannot be checked. See `AllRows` for the errors of
    later pages.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    scope.require(Permission.EXPORT)
    sees_numbers = scope.can(Permission.SEE_NUMBERS)
    now = timezone.now()
    chosen = choose_source(scope=scope, query=query, now=now)
    _count_search(scope, query)
    list_query, coverage = ListQuery.extend(query), chosen.coverage
    if chosen.from_mirror:
        found = mirror.read_all(scope=scope, query=list_query, now=now)
    else:
        try:
            if query.called_no and not sees_numbers:
                found = live.read_exact_number(scope=scope, query=query)
            else:
                found = live.read_all(scope=scope, query=query, pages_ahead=pages_ahead)
        except UNAVAILABLE_ERRORS:
            if coverage is None or not _can_replace_vendor(scope, coverage, list_query):
                raise
            found = mirror.read_all(scope=scope, query=list_query, now=now)
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
        filter=ListQuery.extend(query).describe(),
    )


def record_download(*, scope: Scope, export_id: int, kind: str, rows: int) -> None:
    """Record the download of a stored file in the audit."""
    audit.record(
        AuditAction.RESERVATIONS_DOWNLOADED,
        by=scope,
        subject=f"export {export_id}",
        kind=kind,
        rows=rows,
    )


def get(*, scope: Scope, appoint_id: str, query: ReservationQuery) -> FoundReservation | None:
    """Return the reservation with this ID; a view of its number is recorded in the audit.

    It may be up to a minute old, or older with an `error` while the vendor is unavailable; for a
    list of the past it is as it was then. A reservation that was not seen before is looked for on
    the page of `query`. Raises ISalesError like `list_page`.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    as_of = query.as_of if isinstance(query, ListQuery) else None
    if as_of is None:
        found = get_unmasked_for_service(scope=scope, appoint_id=appoint_id, query=query)
    else:
        row = MirrorReader(scope, ListQuery(as_of=as_of), as_of).find(shorten_key(appoint_id))
        found = FoundReservation(row, as_of) if row is not None else None
    if found is None:
        return None
    if not scope.can(Permission.SEE_NUMBERS):
        return replace(found, row=masking.mask_reservation(found.row))
    number_access.record_view(scope, subject=appoint_id, number=found.row.called_no or "")
    return found


def get_with_history(
    *, scope: Scope, appoint_id: str
) -> tuple[FoundReservation, list[HistoryEntry]] | None:
    """Return a reservation, also a gone one, with its history; None where `get` finds none.

    A reservation outside the mirror has no history. A view of its number is recorded in the audit.
    Raises ISalesError like `list_page`.
    """
    query = ReservationQuery()
    if mirror.get_row(scope=scope, appoint_id=appoint_id) is not None:
        query = ListQuery(source=Source.MIRROR)
    found = get(scope=scope, appoint_id=appoint_id, query=query)
    if found is None:
        return None
    if found.error is not None and not isinstance(found.row, MirroredReservation):
        raise found.error
    return found, history.get_history(scope=scope, appoint_id=appoint_id)


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
    row, open_rows = found.row, None
    others: Sequence[Reservation]
    if isinstance(row, MirroredReservation):
        same_number = mirror.list_same_number(scope=scope, number=row.called_no or "")
        open_rows = sum(each.phase == Phase.OPEN for each in same_number)
        key = shorten_key(appoint_id)
        others = [to_reservation(each) for each in same_number if each.key != key]
        page = ReservationPage(
            rows=tuple(others[: live.RELATED_ROWS]),
            total=len(others),
            query=ReservationQuery(size=live.RELATED_ROWS),
            as_of=found.as_of,
            source="mirror",
        )
    else:
        page = live.fetch_same_number(scope=scope, row=row)
        others = page.rows
    answered = _find_answered(row, others)
    if answered is not None and not scope.can(Permission.SEE_NUMBERS):
        answered = masking.mask_reservation(answered)
    number = (row.called_no or "") if scope.can(Permission.SEE_NUMBERS) else ""
    return RelatedReservations(_mask_page(scope, page), number, answered, open_rows, row.task_id)


def _find_answered(row: Reservation, others: Iterable[Reservation]) -> Reservation | None:
    """Find the latest call that was answered after this reservation was made.

    None for a reservation that was answered itself.
    """
    if row.fail_code in SUCCESS_CODES:
        return None
    earliest = datetime.min.replace(tzinfo=UTC)
    answered = [
        (called_at, other)
        for other in others
        if other.fail_code in SUCCESS_CODES
        and (called_at := other.begin_time or other.appoint_time or earliest)
        >= (row.create_time or earliest)
    ]
    return max(answered, key=lambda pair: pair[0])[1] if answered else None


def get_unmasked_for_service(
    *, scope: Scope, appoint_id: str, query: ReservationQuery | None = None
) -> FoundReservation | None:
    """Return the reservation with its numbers unmasked, for services that reveal or send them.

    It is as it is now, also for a list of the past: from the mirror if the list of `query` is, or
    if the vendor has no answer. The caller checks permissions and records the use. Raises
    ISalesError like `list_page`.
    """
    query = number_access.drop_disallowed_number(scope, query or ReservationQuery())
    mirrored = _find_mirrored(scope, appoint_id)
    if mirrored is not None and _prefers_mirror(scope, query):
        return mirrored
    max_wait_s = None if mirrored is None else _FALLBACK_WAIT_S
    try:
        found = live.fetch_one(
            scope=scope, appoint_id=appoint_id, query=query, max_wait_s=max_wait_s
        )
    except ISalesError as error:
        if mirrored is None:
            raise
        return replace(mirrored, error=error)
    return found or mirrored


def _prefers_mirror(scope: Scope, query: ReservationQuery) -> bool:
    try:
        return choose_source(scope=scope, query=query).from_mirror
    except SourceRefused:
        return False


def _find_mirrored(scope: Scope, appoint_id: str) -> FoundReservation | None:
    row = mirror.get_row(scope=scope, appoint_id=appoint_id)
    if row is None:
        return None
    state, _seen = mirror.get_state(scope)
    if state is None:
        # With the mirror switched off only a gone row is certain: it does not change any more.
        found = FoundReservation(to_reservation(row), row.observed_at)
        return found if row.phase == Phase.GONE else None
    as_of = mirror.get_row_time(row, column=state.column)
    return FoundReservation(to_reservation(row), as_of)


def get_last_seen_number(*, scope: Scope, appoint_id: str) -> str:
    """Return the unmasked called number of a reservation seen in the past hours, for services.

    "" when it was not seen. Makes no vendor call.
    """
    row = live.get_last_seen(scope=scope, appoint_id=appoint_id)
    if row is None and (mirrored := _find_mirrored(scope, appoint_id)) is not None:
        row = mirrored.row
    return (row.called_no or "") if row else ""


def _mask_page(scope: Scope, found: ReservationPage) -> ReservationPage:
    if scope.can(Permission.SEE_NUMBERS):
        return found
    rows: tuple[Reservation, ...] = tuple(map(masking.mask_reservation, found.rows))
    return replace(found, rows=rows)


def clear_caches() -> None:
    """Delete every cached page and row, in the memory of this process or in Redis, and the names of
    agents and tasks in Redis."""
    live.clear_memory()
    prefixes = (("answers", "page:"), ("answers", "fragment:"), ("rows", ""), ("default", "names:"))
    for alias, prefix in prefixes:
        found = caches[alias]
        if isinstance(found, ForgivingRedisCache):
            found.delete_prefix(prefix)
        elif alias != "default":
            found.clear()
