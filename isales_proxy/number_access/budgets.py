"""What a person has so many of a day, and when that day ends: one day for the whole installation.

It is that of `TIME_ZONE`. By the zone of a VDN somebody in two of them would begin anew twice.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

from django.utils import timezone


class BudgetExceeded(RuntimeError):
    """The person has had as many as one may today: `limit`; the next day begins in `seconds`."""

    def __init__(self, limit: int) -> None:
        super().__init__("The budget of the day is spent.")
        now = timezone.now()
        self.limit = limit
        self.seconds = max(1, int((_midnight(now, days=1) - now).total_seconds()))


class DailySearchLimitExceeded(BudgetExceeded):
    """The person has searched for as many different numbers today as one may who sees none."""


def get_start_of_day() -> datetime:
    """When this day began (aware)."""
    return _midnight(timezone.now())


def _midnight(now: datetime, *, days: int = 0) -> datetime:
    zone = timezone.get_default_timezone()
    day = now.astimezone(zone).date() + timedelta(days=days)
    return datetime.combine(day, time(), zone)
