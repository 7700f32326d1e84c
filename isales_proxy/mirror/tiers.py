"""Intervals at which a leaf is read: by its distance from now, and by its open rows overdue."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from isales_proxy.models.mirror import LeafKind, MirrorLeaf

NIGHTLY: Final = 24 * 60 * 60
HOURLY: Final = 60 * 60
_HOT: Final = 15
_MINUTE: Final = 60
_SHORT: Final = 300
_HOT_SPAN: Final = timedelta(minutes=15)
_NEAR: Final = (timedelta(days=-1), timedelta(days=7))
_HORIZON: Final = (timedelta(days=-30), timedelta(days=90))
# Of the budget: the rest is for questions by number, counts, and people.
_SHARE: Final = 0.7


def get_interval(
    leaf: MirrorLeaf, now: datetime, zone: ZoneInfo, overdue: Sequence[datetime]
) -> int:
    """Return the seconds between readings. `overdue` are the times of open rows that are late, of
    the last 30 days, in order."""
    if leaf.kind == LeafKind.AGENT:
        return _SHORT if leaf.agent else HOURLY
    if leaf.begin is None or leaf.end is None:
        return NIGHTLY
    begin, end = leaf.begin, leaf.end

    def touches(low: datetime, high: datetime) -> bool:
        return begin < high and end > low

    if touches(now - _HOT_SPAN, now + _HOT_SPAN):
        return _HOT
    today, tomorrow = get_day(now, zone)
    index = bisect_left(overdue, begin)
    if touches(today, tomorrow) or (index < len(overdue) and overdue[index] < end):
        return _MINUTE
    if touches(now + _NEAR[0], now + _NEAR[1]):
        return _SHORT
    return HOURLY if touches(now + _HORIZON[0], now + _HORIZON[1]) else NIGHTLY


def get_day(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the beginning of the day in a zone and that of the next, 23 to 25 hours later."""
    local = now.astimezone(zone)
    begin = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return begin, (begin.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)


def stretch_intervals(intervals: Sequence[int], calls_per_minute: float) -> list[int]:
    """Return intervals that the budget can bear: those of minutes are lengthened alike; the
    shortest and the long ones cost little."""

    def is_stretched(interval: int) -> bool:
        return _HOT < interval < HOURLY

    allowed = calls_per_minute * _SHARE
    rest = sum(60 / each for each in intervals if is_stretched(each))
    kept = sum(60 / each for each in intervals if not is_stretched(each))
    factor = max(1.0, rest / max(allowed - kept, allowed / 4))
    return [min(round(each * factor), HOURLY) if is_stretched(each) else each for each in intervals]


def get_next_night(now: datetime, zone: ZoneInfo) -> datetime:
    """Return when the next round over everything begins: 03:00 in the VDN's zone."""
    local = now.astimezone(zone)
    night = local.replace(hour=3, minute=0, second=0, microsecond=0)
    if night <= local:
        night = (night.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
    return night
