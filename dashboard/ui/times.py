"""Formats of times in the active zone, cheaper than Django's filters for pages of many times.

Offsets of a zone change at quarters of an hour, so a process computes the offset once per quarter
of an hour, and a page the text of a date once. Times of an hour that occurs twice, when clocks
go back, are followed by their offset from UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

_QUARTER: Final = 900
_NO_TIME, _ONE_SECOND, _ONE_MINUTE = timedelta(), timedelta(seconds=1), timedelta(minutes=1)
# In minutes.
_HOUR, _DAY = 60, 1440


class TimeFormatter:
    """Formats the times of one page, relative to the aware datetime `now`."""

    def __init__(self, now: datetime, zone: tzinfo | None = None) -> None:
        self.now = now
        self.zone = zone or timezone.get_current_timezone()
        self.today = now.astimezone(self.zone).date()
        # What stands before a clock time of the day.
        self._days = {self.today: ""}
        self._language = get_language()
        texts = _translate_texts(self._language)
        self._in, self._ago, self._late = texts.ahead, texts.ago, texts.late
        self._now, self._just_late = texts.now, texts.just_late
        self._seconds_ago, self._just_now = texts.seconds_ago, texts.just_now

    @property
    def zone_text(self) -> str:
        """`Times in Asia/Shanghai (UTC+08:00)`."""
        return _("Times in %s") % format_zone(self.now, self.zone)

    def local(self, moment: datetime) -> datetime:
        """Convert to a naive datetime of the zone."""
        return moment.astimezone(UTC).replace(tzinfo=None) + self._get_offset(moment)[0]

    def _get_offset(self, moment: datetime) -> tuple[timedelta, str]:
        return _find_offset(self.zone, int(moment.timestamp()) // _QUARTER)

    def short(self, moment: datetime | None) -> str:
        """`14:12` today, `15 May 14:12` on another day."""
        if moment is None:
            return ""
        offset, suffix = _find_offset(self.zone, int(moment.timestamp()) // _QUARTER)
        local = moment.astimezone(UTC) + offset
        day = self._days.get(local.date())
        if day is None:
            day = self._format_day(local.date())
        return f"{day}{local.hour:02}:{local.minute:02}{suffix}"

    def time_of_day(self, moment: datetime) -> str:
        """`14:12`, whatever the day."""
        local, suffix = self.local(moment), self._get_offset(moment)[1]
        return f"{local.hour:02}:{local.minute:02}{suffix}"

    def exact(self, moment: datetime | None) -> str:
        """`15 May 2025 14:12:43`."""
        if moment is None:
            return ""
        local, suffix = self.local(moment), self._get_offset(moment)[1]
        day = date_format(local.date(), pgettext("date format", "j M Y"))
        return f"{day} {local:%H:%M:%S}{suffix}"

    def clock(self, moment: datetime) -> str:
        """`14:03:22`, with the day before it when that is not today."""
        local, suffix = self.local(moment), self._get_offset(moment)[1]
        return f"{self._format_day(local.date())}{local:%H:%M:%S}{suffix}"

    def stamp(self, moment: datetime) -> str:
        """`2025-05-15 14:12:43`, as files hold it."""
        return f"{self.local(moment):%Y-%m-%d %H:%M:%S}{self._get_offset(moment)[1]}"

    def minute(self, moment: datetime) -> str:
        """`2025-05-15 14:12`, as a filter shows it; with its seconds if there are any."""
        local = self.local(moment)
        style = "%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M"
        return f"{local:{style}}{self._get_offset(moment)[1]}"

    def ahead(self, left: timedelta) -> str:
        """`in 9 min`."""
        return _format_span(left // _ONE_MINUTE, self._in, self._now)

    def behind(self, gone: timedelta) -> str:
        """`43 min ago`; within the first minute in seconds."""
        if _ONE_SECOND <= gone < _ONE_MINUTE:
            return self._seconds_ago % (gone // _ONE_SECOND)
        return _format_span(gone // _ONE_MINUTE, self._ago, self._just_now)

    def late(self, gone: timedelta) -> str:
        """`18 min late`."""
        return _format_span(gone // _ONE_MINUTE, self._late, self._just_late)

    def relative(self, moment: datetime) -> str:
        """`in 9 min` or `43 min ago`."""
        left = moment - self.now
        if left >= _NO_TIME:
            return _format_span(left // _ONE_MINUTE, self._in, self._now)
        return self.behind(-left)

    def _format_day(self, day: date) -> str:
        text = self._days.get(day)
        if text is None:
            text = f"{_format_date(self._language, day, day.year != self.today.year)} "
            self._days[day] = text
        return text


@dataclass(frozen=True)
class _Texts:
    """Texts of one language: in minutes, hours, days; and of less than a minute."""

    ahead: tuple[str, str, str]
    ago: tuple[str, str, str]
    late: tuple[str, str, str]
    now: str
    just_late: str
    seconds_ago: str
    just_now: str


@lru_cache(maxsize=16)
def _translate_texts(_language: str | None) -> _Texts:
    return _Texts(
        ahead=(_("in %d min"), _("in %d h"), _("in %d d")),
        ago=(_("%d min ago"), _("%d h ago"), _("%d d ago")),
        late=(_("%d min late"), _("%d h late"), _("%d d late")),
        now=_("now"),
        just_late=_("just overdue"),
        seconds_ago=_("%d s ago"),
        just_now=_("just now"),
    )


@lru_cache(maxsize=10_000)
def _format_span(minutes: int, formats: tuple[str, str, str], none: str) -> str:
    """Format whole minutes by the formats of minutes, hours and days; `none` for less than one."""
    if minutes < 1:
        return none
    if minutes < _HOUR:
        return formats[0] % minutes
    if minutes < 2 * _DAY:
        return formats[1] % (minutes // _HOUR)
    return formats[2] % (minutes // _DAY)


@lru_cache(maxsize=2000)
def _format_date(_language: str | None, day: date, with_year: bool) -> str:
    style = pgettext("date format", "j M Y") if with_year else pgettext("date format", "j M")
    return date_format(day, style)


@lru_cache(maxsize=50_000)
def _find_offset(zone: tzinfo, quarter: int) -> tuple[timedelta, str]:
    """Return the offset from UTC in that quarter of an hour since 1970, and ` UTC+02:00` for clock
    times that occur twice or ""."""
    local = datetime.fromtimestamp(quarter * _QUARTER, zone)
    offset = local.utcoffset() or timedelta()
    both = {local.replace(fold=fold).utcoffset() for fold in (0, 1)}
    return offset, f" UTC{format_offset(local)}" if len(both) > 1 else ""


def format_offset(local: datetime) -> str:
    """Format the UTC offset of an aware time: `+08:00`."""
    text = local.strftime("%z")
    return f"{text[:3]}:{text[3:5]}"


def format_zone(moment: datetime, zone: tzinfo) -> str:
    """Format a zone with its offset at `moment`: `Asia/Shanghai (UTC+08:00)`, or `UTC`."""
    if str(zone) == "UTC":
        return "UTC"
    return f"{zone} (UTC{format_offset(moment.astimezone(zone))})"
