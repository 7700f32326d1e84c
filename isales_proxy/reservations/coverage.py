"""Age and completeness of the mirror for a question."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from django.core.cache import cache
from django.db.models import Count, Max, Min, Q

from isales_proxy.core.response_cache import hash_key
from isales_proxy.models import MirrorLeaf, MirrorState, Vdn
from isales_proxy.models.mirror import LeafKind

_INTERVALS_UNTIL_STALE: Final = 3
_HOT_INTERVAL: Final = 60  # seconds
_SHARED_SECONDS: Final = 1


class Gap(StrEnum):
    """Reason why the mirror is not complete for a question."""

    OFF = "off"
    FIRST_ROUND = "first-round"
    OUTSIDE = "outside"
    UNREAD = "unread"
    STALE = "stale"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True)
class Coverage:
    """Age and completeness of the mirror for a question.

    `oldest` and `newest` are the times (aware UTC) of the leaves that the question touches, and
    `hot_oldest` that of those read every minute; None where none was read. `reason` is "" when it
    is complete. `rows_read` of `rows_expected` were read by the round that runs, or the last one.
    `outside` counts the rows that no range of the mirror holds. Of `compared` rows that were read
    live within a day, `agreed` were the same in the mirror.
    """

    oldest: datetime | None = None
    newest: datetime | None = None
    complete: bool = False
    reason: Gap | None = Gap.OFF
    rows_read: int = 0
    rows_expected: int | None = None
    revision: int = 0
    hot_oldest: datetime | None = None
    outside: int = 0
    compared: int = 0
    agreed: int = 0


def get_coverage(
    vdn: Vdn | int, begin: datetime | None, end: datetime | None, now: datetime
) -> Coverage:
    """Return the coverage of the rows due from `begin` to `end` (aware; None: without bound)."""
    vdn_id = vdn.pk if isinstance(vdn, Vdn) else vdn
    state = MirrorState.objects.filter(vdn=vdn_id).first()
    return measure_coverage(state, begin, end, now)


def measure_coverage(
    state: MirrorState | None, begin: datetime | None, end: datetime | None, now: datetime
) -> Coverage:
    """Return the coverage as `get_coverage` does, for a state that was read already."""
    if state is None or not state.enabled:
        return Coverage()
    tiers, first = _share_tiers(state, begin, end)
    oldest = min((tier["oldest"] for tier in tiers if tier["oldest"]), default=None)
    newest = max((tier["newest"] for tier in tiers if tier["newest"]), default=None)
    hot = [tier["oldest"] for tier in tiers if tier["interval"] <= _HOT_INTERVAL and tier["oldest"]]
    outside = _count_outside(state, begin, first)
    reason = _find_gap(state, tiers, outside, now)
    compared, agreed = state.sum_comparisons(now)
    return Coverage(
        oldest=oldest,
        newest=newest,
        complete=reason is None,
        reason=reason,
        rows_read=state.rows_read,
        rows_expected=state.rows_expected,
        revision=state.revision,
        hot_oldest=min(hot, default=None),
        outside=outside,
        compared=compared,
        agreed=agreed,
    )


def _share_tiers(
    state: MirrorState, begin: datetime | None, end: datetime | None
) -> tuple[list[dict[str, Any]], datetime | None]:
    """Read the leaves, or share what was read of them a moment ago."""
    facts = (state.revision, state.round_ended_at, state.counted_at, begin, end)
    key = f"leaves:{state.pk}:{hash_key(repr(facts))}"
    shared = cache.get(key)
    if shared is None:
        shared = _read_tiers(state, begin, end)
        cache.set(key, shared, _SHARED_SECONDS)
    found: tuple[list[dict[str, Any]], datetime | None] = shared
    return found


def _read_tiers(
    state: MirrorState, begin: datetime | None, end: datetime | None
) -> tuple[list[dict[str, Any]], datetime | None]:
    """Read the leaves that a range touches, by interval and completeness, and when the first of all
    begins."""
    touched = Q(kind=LeafKind.AGENT)
    if begin is None and end is None:
        touched |= Q(kind__in=(LeafKind.TIME, LeafKind.UNDATED))
    elif state.column == "createTime":
        # The leaves then say nothing of the time at which a row is due.
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
            newest=Max("as_of", filter=touched),
            first=Min("begin", filter=Q(kind=LeafKind.TIME)),
        )
        .order_by()
    )
    tiers: list[dict[str, Any]] = [dict(row) for row in rows]
    first = min((tier["first"] for tier in tiers if tier["first"]), default=None)
    return [tier for tier in tiers if tier["leaves"]], first


def _count_outside(state: MirrorState, begin: datetime | None, first: datetime | None) -> int:
    """Count the rows before the mirrored time, which begins with `first`, if the range has them."""
    if first is None or state.column == "createTime":
        return 0
    return max(state.count_before or 0, 0) if begin is None or begin < first else 0


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
