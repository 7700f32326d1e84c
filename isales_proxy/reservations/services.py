"""Reservations as a person may see them: the only way to them for pages, API, exports and services.

Results are limited to the person's scope and masked without SEE_NUMBERS, unless a name says
otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from django.core.cache import cache
from django.utils import timezone

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import SUCCESS_CODES, Reservation
from isales_proxy.core.response_cache import AWAY
from isales_proxy.mirror import sweeps
from isales_proxy.models import AuditAction, Phase, User
from isales_proxy.number_access import services as number_access
from isales_proxy.outbound import directory
from isales_proxy.privacy import masking
from isales_proxy.privacy.phone_numbers import SearchedNumber
from isales_proxy.reservations import history, live, mirror
from isales_proxy.reservations.coverage import Coverage, Gap
from isales_proxy.reservations.history import HistoryEntry, get_history
from isales_proxy.reservations.live import PAGES_AHEAD, FoundReservation, clear_caches
from isales_proxy.reservations.mirrored import MirroredReservation, to_reservation
from isales_proxy.reservations.pages import (
    AllRows,
    ListChanged,
    MirrorFacts,
    ReservationPage,
    TabCounts,
)
from isales_proxy.reservations.query import ListQuery, Source, SourceRefused, VagueNumber

__all__ = [
    "PAGES_AHEAD",
    "AllRows",
    "ChosenSource",
    "Coverage",
    "FoundReservation",
    "Gap",
    "HistoryEntry",
    "ListChanged",
    "MirrorFacts",
    "MirroredReservation",
    "RelatedReservations",
    "ReservationHistory",
    "ReservationPage",
    "SourceRefused",
    "TabCounts",
    "choose_source",
    "clear_caches",
    "count_tabs",
    "get",
    "get_history",
    "get_last_seen_number",
    "get_unmasked_for_service",
    "get_with_history",
    "list_offered",
    "list_page",
    "list_related",
    "mark_seen",
    "read_all",
    "record_download",
    "record_export",
]


# Where the mirror stands in for a vendor that is away: how long (s) an answer is awaited, and how
# long nobody asks for one again.
_STAND_IN_PATIENCE: Final = 4
_ASKED_AGAIN: Final = 10


@dataclass(frozen=True)
class ChosenSource:
    """The one source of an answer; `coverage` is that of the VDN's mirror, None without one."""

    from_mirror: bool
    coverage: Coverage | None = None
    seen: int | None = None
    """The revision that the person has seen."""


@dataclass(frozen=True)
class RelatedReservations:
    """Other reservations of the same called number; `number` is "" without SEE_NUMBERS.

    `reached` is the latest that was answered since this one was made; None for one that was
    answered itself. `open_rows` counts those of the mirror that were not called yet, this one
    included; None where the vendor was asked, whose answer is a part. `task_id` is this one's task.
    """

    others: ReservationPage
    number: str
    reached: Reservation | None = None
    open_rows: int | None = None
    task_id: str | None = None


@dataclass(frozen=True)
class ReservationHistory:
    """A reservation, when it was last read (aware UTC), and its changes, the oldest first."""

    row: Reservation
    as_of: datetime
    entries: tuple[HistoryEntry, ...]


def choose_source(
    *, scope: Scope, query: ReservationQuery, now: datetime | None = None
) -> ChosenSource:
    """Choose the source of an answer; makes no vendor call.

    That asked for; else the mirror where it is complete for the question, or alone can answer it;
    else the vendor, for which `list_page` takes the mirror while it is away. Raises SourceRefused.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    asked = ListQuery.extend(query)
    needs_mirror = asked.list_mirror_fields()
    state, seen = mirror.get_state(scope)
    if asked.source is Source.LIVE and needs_mirror:
        raise SourceRefused(Source.LIVE, needs_mirror)
    if state is None:
        if needs_mirror or asked.source is Source.MIRROR:
            raise SourceRefused(Source.MIRROR, needs_mirror or ["source"])
        return ChosenSource(from_mirror=False)
    coverage = mirror.measure_coverage(state, asked.begin, asked.end, now or timezone.now())
    from_mirror = asked.source is not Source.LIVE and (
        asked.source is Source.MIRROR or coverage.complete or bool(needs_mirror)
    )
    if from_mirror and mirror.is_vague_number(scope, asked):
        if needs_mirror or asked.source is Source.MIRROR:
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
    finds rows. Raises ISalesError when there is neither an answer nor an older one to show,
    DailySearchLimitExceeded, and SourceRefused.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    chosen = chosen or choose_source(scope=scope, query=query, now=now)
    if query.called_no:
        number_access.count_search(scope, SearchedNumber.parse(query.called_no))
    asked, coverage = ListQuery.extend(query), chosen.coverage
    found = None
    if coverage is None or not chosen.from_mirror:
        if not _has_stand_in(scope, chosen, asked):
            found = _fetch_live_page(scope, query)
        elif not cache.get(_get_away_key(scope)):
            # A mirror that was not read whole may lack much: then the vendor is worth a wait.
            is_old = coverage is not None and coverage.reason is not Gap.UNREAD
            found = _fetch_replaceable_page(scope, query, _STAND_IN_PATIENCE if is_old else None)
    if found is None and coverage is not None:
        found = mirror.read_page(
            scope=scope,
            query=asked,
            coverage=coverage,
            now=now or timezone.now(),
            seen=chosen.seen,
        )
        directory.remember_names(scope=scope, rows=found.rows)
    assert found is not None  # noqa: S101 - without a mirror the vendor answered, or it was raised
    if found.coverage is None and chosen.coverage is not None:
        found = replace(found, coverage=chosen.coverage)
        _compare_with_mirror(scope, found)
    return _mask_page(scope, found)


def _has_stand_in(scope: Scope, chosen: ChosenSource, query: ListQuery) -> bool:
    """Tell if a mirror that is only old or partial stands in for a vendor that is away.

    It finds only some of the rows of a vague number, and stands in for none.
    """
    return (
        chosen.coverage is not None
        and query.source is not Source.LIVE
        and chosen.coverage.reason in {Gap.UNREAD, Gap.STALE, Gap.UNCONFIRMED}
        and not mirror.is_vague_number(scope, query)
    )


def _fetch_live_page(
    scope: Scope, query: ReservationQuery, patience: float | None = None
) -> ReservationPage:
    if query.called_no and not scope.can(Permission.SEE_NUMBERS):
        return live.fetch_exact_number_page(scope=scope, query=query, patience=patience)
    return live.fetch_page(scope=scope, query=query, patience=patience)


def _fetch_replaceable_page(
    scope: Scope, query: ReservationQuery, patience: float | None
) -> ReservationPage | None:
    """Fetch a page for which the mirror stands in; None while the vendor is away."""
    try:
        found = _fetch_live_page(scope, query, patience)
    except AWAY:
        found = None
    if found is not None and found.error is None:
        return found
    cache.set(_get_away_key(scope), True, _ASKED_AGAIN)
    return None


def _get_away_key(scope: Scope) -> str:
    return f"vendor-away:{scope.vdn.pk}"


def _compare_with_mirror(scope: Scope, found: ReservationPage) -> None:
    """Compare a page that was read just now with the mirror: a proof that costs no call."""
    if found.source != "live" or found.as_of is None:
        return
    page = Page(found.rows, found.total, found.query.page, found.query.size)
    sweeps.compare_live_page(scope.vdn, found.query, page, found.as_of)


def mark_seen(*, scope: Scope, revision: int) -> None:
    """Record that the person has seen the rows of the VDN's mirror as of this revision, or as of
    its present one where that is earlier."""
    scope.require(Permission.SEE_RESERVATIONS)
    user = User.objects.get(pk=scope.user_id)
    history.mark_seen(user, scope.vdn, min(revision, mirror.read_revision(scope.vdn.pk)))


def list_offered(*, scope: Scope) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List the call types and the task statuses that occur in the VDN's mirror, for filters."""
    scope.require(Permission.SEE_RESERVATIONS)
    return mirror.list_occurring(scope.vdn.pk)


def count_tabs(
    *, scope: Scope, query: ListQuery, now: datetime | None = None
) -> tuple[TabCounts, Coverage]:
    """Count the rows of every tab of the mirror; a search by number is recorded in the audit.

    Raises DailySearchLimitExceeded, and SourceRefused without a mirror, and for the live list.
    """
    at = now or timezone.now()
    if query.source is Source.LIVE:
        raise SourceRefused(Source.LIVE, ["source"])
    asked = replace(query, source=Source.MIRROR)
    coverage = choose_source(scope=scope, query=asked, now=at).coverage
    if coverage is None:
        raise SourceRefused(Source.MIRROR, ["source"])
    if query.called_no:
        number_access.count_search(scope, SearchedNumber.parse(query.called_no))
    counts = mirror.count_tabs(scope=scope, query=asked, revision=coverage.revision, now=at)
    return counts, coverage


def read_all(*, scope: Scope, query: ReservationQuery, pages_ahead: int = PAGES_AHEAD) -> AllRows:
    """Read every row that `list_page` would show page by page, in the same order and as masked.

    The source is that of the page. `pages_ahead` is the most vendor calls at a time. Raises
    PermissionMissing without EXPORT, else like `list_page` when the first page fails; ListChanged
    when the number of a masked list cannot be checked. For errors of the later pages see `AllRows`.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    scope.require(Permission.EXPORT)
    sees_numbers = scope.can(Permission.SEE_NUMBERS)
    now = timezone.now()
    chosen = choose_source(scope=scope, query=query, now=now)
    if query.called_no:
        number_access.count_search(scope, SearchedNumber.parse(query.called_no))
    asked = ListQuery.extend(query)
    if chosen.from_mirror:
        found = mirror.read_all(scope=scope, query=asked, now=now)
    else:
        try:
            if query.called_no and not sees_numbers:
                found = live.read_exact_number(scope=scope, query=query)
            else:
                found = live.read_all(scope=scope, query=query, pages_ahead=pages_ahead)
        except AWAY:
            if not _has_stand_in(scope, chosen, asked):
                raise
            found = mirror.read_all(scope=scope, query=asked, now=now)
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
    """Record in the audit that a file that was kept for its person was fetched."""
    audit.record(
        AuditAction.RESERVATIONS_DOWNLOADED,
        by=scope,
        subject=f"export {export_id}",
        kind=kind,
        rows=rows,
    )


def get(*, scope: Scope, appoint_id: str, query: ReservationQuery) -> FoundReservation | None:
    """Return the reservation with this ID; a view of its number is recorded in the audit.

    It may be up to a minute old, or older with an `error` while the vendor is away; for a list of
    the past it is as it was then. `query` is the list where one that was not seen before is looked
    for. Raises ISalesError like `list_page`.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    as_of = query.as_of if isinstance(query, ListQuery) else None
    if as_of is None:
        found = get_unmasked_for_service(scope=scope, appoint_id=appoint_id, query=query)
    else:
        row = mirror.get_past_row(scope=scope, appoint_id=appoint_id, as_of=as_of)
        found = FoundReservation(row, as_of) if row is not None else None
    if found is None:
        return None
    if not scope.can(Permission.SEE_NUMBERS):
        return replace(found, row=masking.mask_reservation(found.row))
    number_access.record_view(scope, subject=appoint_id, number=found.row.called_no or "")
    return found


def get_with_history(*, scope: Scope, appoint_id: str) -> ReservationHistory | None:
    """Return a reservation with its history, also one that is gone; None where `get` finds none.

    One that is not in the mirror has no history. A view of its number is recorded in the audit.
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
    entries = history.get_history(scope=scope, appoint_id=appoint_id)
    return ReservationHistory(found.row, found.as_of, tuple(entries))


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
    if isinstance(found.row, MirroredReservation):
        return _list_mirrored_related(scope, appoint_id, found)
    shown = _mask_page(scope, live.fetch_same_number(scope=scope, row=found.row))
    number = _get_shown_number(scope, found.row)
    reached = _find_reached(found.row, shown.rows)
    return RelatedReservations(shown, number, reached, task_id=found.row.task_id)


def get_unmasked_for_service(
    *, scope: Scope, appoint_id: str, query: ReservationQuery | None = None
) -> FoundReservation | None:
    """Return the reservation with its numbers unmasked, for services that reveal or send them.

    As it is now, also for a list of the past: from the mirror where the list of `query` is, and
    where the vendor has no answer. The caller checks permissions and records the use. Raises
    ISalesError like `list_page`.
    """
    asked = number_access.drop_disallowed_number(scope, query or ReservationQuery())
    mirrored = _find_mirrored(scope, appoint_id)
    if mirrored is not None and _prefers_mirror(scope, asked):
        return mirrored
    patience = None if mirrored is None else _STAND_IN_PATIENCE
    try:
        found = live.fetch_one(scope=scope, appoint_id=appoint_id, query=asked, patience=patience)
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
        # Of a mirror that is switched off, what the vendor no longer lists does not change.
        found = FoundReservation(to_reservation(row), row.observed_at)
        return found if row.phase == Phase.GONE else None
    as_of = mirror.get_row_time(row, column=state.column)
    return FoundReservation(to_reservation(row), as_of)


def _list_mirrored_related(
    scope: Scope, appoint_id: str, found: FoundReservation
) -> RelatedReservations:
    """List all reservations of the number from the mirror."""
    row = mirror.get_row(scope=scope, appoint_id=appoint_id)
    same = (
        history.list_same_number(scope=scope, row=row, size=live.RELATED_ROWS)
        if row
        else history.SameNumber((), 0, 0)
    )
    query = ReservationQuery(size=live.RELATED_ROWS)
    page = ReservationPage(same.others, same.total, query, found.as_of, "mirror")
    reached = same.reached
    if reached is not None and not scope.can(Permission.SEE_NUMBERS):
        reached = masking.mask_reservation(reached)
    return RelatedReservations(
        _mask_page(scope, page),
        _get_shown_number(scope, found.row),
        reached,
        same.open_rows,
        found.row.task_id,
    )


def _get_shown_number(scope: Scope, row: Reservation) -> str:
    return (row.called_no or "") if scope.can(Permission.SEE_NUMBERS) else ""


def get_last_seen_number(*, scope: Scope, appoint_id: str) -> str:
    """Return the unmasked called number of a reservation seen in the past hours, for services.

    "" when it was not seen. Makes no vendor call.
    """
    row = live.get_last_seen(scope=scope, appoint_id=appoint_id)
    if row is None and (mirrored := _find_mirrored(scope, appoint_id)) is not None:
        row = mirrored.row
    return (row.called_no or "") if row else ""


def _find_reached(row: Reservation, others: tuple[Reservation, ...]) -> Reservation | None:
    if row.fail_code in SUCCESS_CODES:
        return None
    earliest = datetime.min.replace(tzinfo=UTC)
    since = row.create_time or earliest
    answered = [
        (at, other)
        for other in others
        if other.fail_code in SUCCESS_CODES
        and (at := other.begin_time or other.appoint_time or earliest) >= since
    ]
    return max(answered, key=lambda pair: pair[0])[1] if answered else None


def _mask_page(scope: Scope, found: ReservationPage) -> ReservationPage:
    if scope.can(Permission.SEE_NUMBERS):
        return found
    rows: tuple[Reservation, ...] = tuple(map(masking.mask_reservation, found.rows))
    return replace(found, rows=rows)
