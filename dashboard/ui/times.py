"""Formats of times in the active zone, cheaper than Django's filters on pages of many times.

Zones change their offset at quarters of an hour, so it is computed once per process and quarter of
an hour, and the text of a date once per page. When clocks go back, an hour occurs twice: its times
are followed by their offset from UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, Literal

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, override, pgettext
from django.utils.translation import gettext as _

from isales_proxy.core.form_fields import format_offset

_Kind = Literal["ahead", "behind", "late"]

_QUARTER_S: Final = 900
_NO_TIME, _ONE_SECOND, _ONE_MINUTE = timedelta(), timedelta(seconds=1), timedelta(minutes=1)
# In minutes.
_HOUR, _DAY = 60, 1440


class TimeFormatter:
    """Formats the times of one page, relative to the aware datetime `now`."""

    def __init__(self, now: datetime, zone: tzinfo | None = None) -> None:
        self.now = now
        self.zone = zone or timezone.get_current_timezone()
        self.today = now.astimezone(self.zone).date()
        # Day → the prefix of its clock times.
        self._days = {self.today: ""}
        self._language = get_language()

    @property
    def zone_text(self) -> str:
        """`Times in Asia/Shanghai (UTC+08:00)`."""
        return _("Times in %s") % format_zone(self.now, self.zone)

    def local(self, moment: datetime) -> datetime:
        """Convert to a naive datetime of the zone."""
        return self._localize(moment)[0]

    def _localize(self, moment: datetime) -> tuple[datetime, str]:
        """Return the naive local time, and its offset as `_find_offset` does."""
        offset, suffix = _find_offset(self.zone, int(moment.timestamp()) // _QUARTER_S)
        return moment.astimezone(UTC).replace(tzinfo=None) + offset, suffix

    def short(self, moment: datetime | None) -> str:
        """`14:12` today, `15 May 14:12` on another day; "" for None."""
        if moment is None:
            return ""
        # As `_localize` does, without a call: a list has one such time per row.
        offset, suffix = _find_offset(self.zone, int(moment.timestamp()) // _QUARTER_S)
        local = moment.astimezone(UTC) + offset
        day = self._days.get(local.date())
        if day is None:
            day = self._format_day(local.date())
        return f"{day}{local.hour:02}:{local.minute:02}{suffix}"

    def time_of_day(self, moment: datetime) -> str:
        """`14:12` on any day."""
        local, suffix = self._localize(moment)
        return f"{local:%H:%M}{suffix}"

    def exact(self, moment: datetime | None) -> str:
        """`15 May 2025 14:12:43`; "" for None."""
        if moment is None:
            return ""
        local, suffix = self._localize(moment)
        return f"{_format_date(self._language, local.date(), True)} {local:%H:%M:%S}{suffix}"

    def clock(self, moment: datetime) -> str:
        """`14:03:22` today, `15 May 14:03:22` on another day."""
        local, suffix = self._localize(moment)
        return f"{self._format_day(local.date())}{local:%H:%M:%S}{suffix}"

    def stamp(self, moment: datetime) -> str:
        """`2025-05-15 14:12:43`, the format of files."""
        local, suffix = self._localize(moment)
        return f"{local:%Y-%m-%d %H:%M:%S}{suffix}"

    def minute(self, moment: datetime) -> str:
        """`2025-05-15 14:12`, the format of filters; with seconds unless they are 0."""
        local, suffix = self._localize(moment)
        return f"{local:{'%Y-%m-%d %H:%M:%S' if local.second else '%Y-%m-%d %H:%M'}}{suffix}"

    def ahead(self, left: timedelta) -> str:
        """`in 9 min`."""
        return _format_span(self._language, left // _ONE_MINUTE, "ahead")

    def behind(self, elapsed: timedelta) -> str:
        """`43 min ago`; in seconds within the first minute."""
        if _ONE_SECOND <= elapsed < _ONE_MINUTE:
            return _("%d s ago") % (elapsed // _ONE_SECOND)
        return _format_span(self._language, elapsed // _ONE_MINUTE, "behind")

    def late(self, elapsed: timedelta) -> str:
        """`18 min late`."""
        return _format_span(self._language, elapsed // _ONE_MINUTE, "late")

    def relative(self, moment: datetime) -> str:
        """`in 9 min` or `43 min ago`."""
        left = moment - self.now
        if left >= _NO_TIME:
            return _format_span(self._language, left // _ONE_MINUTE, "ahead")
        return self.behind(-left)

    def _format_day(self, day: date) -> str:
        text = self._days.get(day)
        if text is None:
            text = f"{_format_date(self._language, day, day.year != self.today.year)} "
            self._days[day] = text
        return text


@lru_cache(maxsize=10_000)
def _format_span(language: str | None, minutes: int, kind: _Kind) -> str:
    """Format whole minutes, in minutes, hours or days."""
    none, in_minutes, in_hours, in_days = _translate_span(language, kind)
    if minutes < 1:
        return none
    if minutes < _HOUR:
        return in_minutes % minutes
    if minutes < 2 * _DAY:
        return in_hours % (minutes // _HOUR)
    return in_days % (minutes // _DAY)


@lru_cache(maxsize=48)
def _translate_span(language: str | None, kind: _Kind) -> tuple[str, str, str, str]:
    """Return the texts of less than a minute, of minutes, hours and days."""
    with override(language):
        return {
            "ahead": (_("now"), _("in %d min"), _("in %d h"), _("in %d d")),
            "behind": (_("just now"), _("%d min ago"), _("%d h ago"), _("%d d ago")),
            "late": (_("just overdue"), _("%d min late"), _("%d h late"), _("%d d late")),
        }[kind]


@lru_cache(maxsize=2000)
def _format_date(language: str | None, day: date, with_year: bool) -> str:
    with override(language):
        style = pgettext("date format", "j M Y") if with_year else pgettext("date format", "j M")
        return date_format(day, style)


@lru_cache(maxsize=50_000)
def _find_offset(zone: tzinfo, quarter: int) -> tuple[timedelta, str]:
    """Return the offset from UTC in a quarter of an hour, counted since 1970, and ` UTC+02:00` if
    its clock times occur twice, else ""."""
    local = datetime.fromtimestamp(quarter * _QUARTER_S, zone)
    offset = local.utcoffset() or timedelta()
    both = {local.replace(fold=fold).utcoffset() for fold in (0, 1)}
    return offset, f" UTC{format_offset(local)}" if len(both) > 1 else ""


def format_zone(moment: datetime, zone: tzinfo) -> str:
    """Format a zone with its offset at `moment`: `Asia/Shanghai (UTC+08:00)`, or `UTC`."""
    if str(zone) == "UTC":
        return "UTC"
    return f"{zone} (UTC{format_offset(moment.astimezone(zone))})"
