"""Age and completeness of the mirror for a query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, cast

from django.core.cache import cache
from django.db.models import Count, Min, Q

from isales_proxy.core.response_cache import hash_key
from isales_proxy.models import MirrorLeaf, MirrorState
from isales_proxy.models.mirror import LeafKind

_INTERVALS_UNTIL_STALE: Final = 3
_HOT_INTERVAL_S: Final = 60
_CACHE_S: Final = 1

_Tiers = tuple[list[dict[str, Any]], datetime | None]


class Gap(StrEnum):
    """Reason why the mirror is not complete for a query."""

    OFF = "off"
    FIRST_ROUND = "first-round"
    OUTSIDE = "outside"
    UNREAD = "unread"
    STALE = "stale"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True)
class Coverage:
    """Age and completeness of the mirror for a query.

    `oldest` is when the oldest leaf of the query was read (aware UTC), `hot_oldest` the same of the
    leaves that are read every minute; None if none was read. `reason` is None when the mirror is
    complete. `rows_read` of `rows_expected` were read by the present or the last round. `outside`
    counts the rows that are due before the mirrored time. Of `compared` rows that were read live
    within a day, `agreed` were the same in the mirror.
    """

    oldest: datetime | None
    hot_oldest: datetime | None
    reason: Gap | None
    rows_read: int
    rows_expected: int | None
    revision: int
    outside: int
    compared: int
    agreed: int

    @property
    def complete(self) -> bool:
        """True if the mirror is known to have every row."""
        return self.reason is None


def measure_coverage(
    state: MirrorState, begin: datetime | None, end: datetime | None, now: datetime
) -> Coverage:
    """Return the coverage of the rows due from `begin` to `end` (aware; None: without bound)."""
    facts = (state.revision, state.round_ended_at, state.counted_at, begin, end)
    key = f"leaves:{state.pk}:{hash_key(repr(facts))}"
    shared = cache.get_or_set(key, lambda: _read_tiers(state, begin, end), _CACHE_S)
    tiers, first_begin = cast("_Tiers", shared)
    read = [tier for tier in tiers if tier["oldest"]]
    hot = [tier["oldest"] for tier in read if tier["interval"] <= _HOT_INTERVAL_S]
    outside = _count_outside(state, begin, first_begin)
    compared, agreed = state.sum_comparisons(now)
    return Coverage(
        oldest=min((tier["oldest"] for tier in read), default=None),
        hot_oldest=min(hot, default=None),
        reason=_find_gap(state, tiers, outside, now),
        rows_read=state.rows_read,
        rows_expected=state.rows_expected,
        revision=state.revision,
        outside=outside,
        compared=compared,
        agreed=agreed,
    )


def _read_tiers(state: MirrorState, begin: datetime | None, end: datetime | None) -> _Tiers:
    """Read the leaves that a range touches, grouped by interval and completeness, and the begin of
    the first leaf of all."""
    touched = Q(kind=LeafKind.AGENT)
    if begin is None and end is None:
        touched |= Q(kind__in=(LeafKind.TIME, LeafKind.UNDATED))
    elif state.column == "createTime":
        # The leaves are ranges of another time than the due time.
        touched |= Q(kind=LeafKind.TIME)
    else:
        inside = Q(kind=LeafKind.TIME)
        if begin is not None:
            inside &= Q(end__gt=begin)
        if end is not None:
            inside &= Q(begin__lte=end)
        touched |= inside
    rows = (
        MirrorLeaf.objects.filter(vdn=state.vdn_id)
        .values("interval", "complete")
        .annotate(
            leaves=Count("pk", filter=touched),
            unread=Count("pk", filter=touched & Q(as_of=None)),
            oldest=Min("as_of", filter=touched),
            first=Min("begin", filter=Q(kind=LeafKind.TIME)),
        )
        .order_by()
    )
    tiers: list[dict[str, Any]] = [dict(row) for row in rows]
    first = min((tier["first"] for tier in tiers if tier["first"]), default=None)
    return [tier for tier in tiers if tier["leaves"]], first


def _count_outside(state: MirrorState, begin: datetime | None, first_begin: datetime | None) -> int:
    """Count the rows before the mirrored time, if a range from `begin` includes them."""
    if first_begin is None or state.column == "createTime":
        return 0
    return max(state.count_before or 0, 0) if begin is None or begin < first_begin else 0


def _find_gap(
    state: MirrorState, tiers: list[dict[str, Any]], outside: int, now: datetime
) -> Gap | None:
    if state.round_ended_at is None:
        return Gap.FIRST_ROUND
    # A range outside the horizon has no leaf.
    if outside or not tiers:
        return Gap.OUTSIDE
    if any(tier["unread"] or not tier["complete"] for tier in tiers):
        return Gap.UNREAD
    if any(
        now - tier["oldest"] > timedelta(seconds=_INTERVALS_UNTIL_STALE * tier["interval"])
        for tier in tiers
    ):
        return Gap.STALE
    return Gap.UNCONFIRMED if state.guard_rows else None
