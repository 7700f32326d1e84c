"""Intervals at which leaves are read: by their distance from now, by open rows that are overdue,
and by the calls that the budget allows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from isales_proxy.mirror.list_facts import CREATE_TIME, ListFacts
from isales_proxy.models import Vdn
from isales_proxy.models.mirror import LeafKind, MirrorLeaf, MirrorRow, Phase

# Seconds.
NIGHTLY: Final = 24 * 60 * 60
HOURLY: Final = 60 * 60
_FIVE_MINUTES: Final = 300
_MINUTE: Final = 60
_SHORTEST: Final = 15
_DUE_NOW: Final = timedelta(minutes=15)
_DUE_SOON: Final = (timedelta(days=-1), timedelta(days=7))
_DUE_THIS_SEASON: Final = (timedelta(days=-30), timedelta(days=90))
_OVERDUE_SPAN: Final = timedelta(days=30)
_MAX_OVERDUE: Final = 5000
_MAX_POSTPONEMENT: Final = timedelta(minutes=2)
# Of the budget: the rest is for queries by number, counts, and people.
_BUDGET_SHARE: Final = 0.7


def update_intervals(vdn: Vdn, facts: ListFacts, calls_per_minute: float, now: datetime) -> None:
    """Store how often each leaf is read, and when next."""
    leaves = list(MirrorLeaf.objects.filter(vdn=vdn).exclude(kind=LeafKind.UNDATED))
    overdue = _list_overdue(vdn, now) if facts.column != CREATE_TIME else []
    wanted = [_get_interval(leaf, now, vdn.zone, overdue) for leaf in leaves]
    changed = []
    for leaf, interval in zip(leaves, _stretch(wanted, calls_per_minute), strict=True):
        before = leaf.interval, leaf.due_at, leaf.as_of
        leaf.interval = interval
        if leaf.as_of is not None and leaf.as_of > now:
            # The clock was set back: that time says nothing.
            leaf.as_of = None
        if not leaf.failures:
            due = now if leaf.as_of is None else leaf.as_of + timedelta(seconds=interval)
            leaf.due_at = min(leaf.due_at, max(due, now))
        elif leaf.due_at > now + _MAX_POSTPONEMENT:
            leaf.due_at = now
        if before != (leaf.interval, leaf.due_at, leaf.as_of):
            changed.append(leaf)
    MirrorLeaf.objects.bulk_update(changed, ["interval", "due_at", "as_of"], batch_size=500)


def _list_overdue(vdn: Vdn, now: datetime) -> list[datetime]:
    """List the times of open rows that are overdue, of the last 30 days, in order."""
    rows = MirrorRow.objects.for_vdn(vdn).filter(
        phase=Phase.OPEN,
        appoint_time__gte=now - _OVERDUE_SPAN,
        appoint_time__lt=now - vdn.late_grace,
    )
    times = rows.order_by("-appoint_time").values_list("appoint_time", flat=True)
    return [time for time in reversed(times[:_MAX_OVERDUE]) if time is not None]


def _get_interval(
    leaf: MirrorLeaf, now: datetime, zone: ZoneInfo, overdue: Sequence[datetime]
) -> int:
    """Return the seconds between two readings of a leaf where there are calls enough."""
    if leaf.kind == LeafKind.AGENT:
        return _FIVE_MINUTES if leaf.agent else HOURLY
    if leaf.begin is None or leaf.end is None:
        return NIGHTLY
    begin, end = leaf.begin, leaf.end

    def overlaps(low: datetime, high: datetime) -> bool:
        return begin < high and end > low

    if overlaps(now - _DUE_NOW, now + _DUE_NOW):
        return _SHORTEST
    index = bisect_left(overdue, begin)
    has_overdue = index < len(overdue) and overdue[index] < end
    if has_overdue or overlaps(*get_day(now, zone)):
        return _MINUTE
    if overlaps(now + _DUE_SOON[0], now + _DUE_SOON[1]):
        return _FIVE_MINUTES
    is_this_season = overlaps(now + _DUE_THIS_SEASON[0], now + _DUE_THIS_SEASON[1])
    return HOURLY if is_this_season else NIGHTLY


def _stretch(intervals: Sequence[int], calls_per_minute: float) -> list[int]:
    """Return intervals for which the budget is enough: those of minutes grow alike, and the
    shortest ones where they would leave less than a quarter of it. The long ones cost few calls."""
    allowed = calls_per_minute * _BUDGET_SHARE
    calls = {"hot": 0.0, "near": 0.0, "far": 0.0}
    for each in intervals:
        calls[_get_group(each)] += 60 / each
    factors = {"far": 1.0}
    factors["hot"] = max(1.0, calls["hot"] / (allowed - min(calls["near"], allowed / 4)))
    left = max(allowed - calls["hot"] / factors["hot"] - calls["far"], allowed / 4)
    factors["near"] = max(1.0, calls["near"] / left)
    return [max(each, min(round(each * factors[_get_group(each)]), HOURLY)) for each in intervals]


def _get_group(interval: int) -> str:
    if interval <= _SHORTEST:
        return "hot"
    return "near" if interval < HOURLY else "far"


def get_day(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the beginning of the day in a zone and that of the next, 23 to 25 hours later."""
    local = now.astimezone(zone)
    begin = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return begin, (begin.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)


def get_next_night(now: datetime, zone: ZoneInfo) -> datetime:
    """Return the next 03:00 in a zone."""
    local = now.astimezone(zone)
    night = local.replace(hour=3, minute=0, second=0, microsecond=0)
    if night <= local:
        night = (night.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
    return night
