"""The history of a reservation in the side panel: its changes, and when they happened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from dashboard.reservations.columns import RowFormatter
from dashboard.ui.times import TimeFormatter
from isales_proxy.client.records import Reservation
from isales_proxy.models import ChangeKind
from isales_proxy.privacy.field_policies import RESERVATION_FIELDS
from isales_proxy.reservations.history import HistoryEntry
from isales_proxy.reservations.mirrored import MirroredReservation

# The fields that are shown of a reservation that went.
_FIELDS_OF_GONE: Final = ("appoint_time", "user_name", "fail_code")
# Names are shown instead of accounts and IDs.
_SHOWN_AS: Final = {"user_account": "user_name", "task_id": "task_name"}


def build_history(entries: Iterable[HistoryEntry], formatter: RowFormatter) -> list[dict[str, Any]]:
    """Build the entries of `reservations/_history.html`, the oldest first."""
    return [
        {
            "change": entry.change.value,
            "label": str(entry.change.label),
            "when": _format_when(entry, formatter.times),
            "by": entry.by.isoformat(),
            "after": entry.after.isoformat() if entry.after else "",
            "lines": _build_lines(entry, formatter),
        }
        for entry in entries
    ]


def describe_absence(row: Reservation, times: TimeFormatter) -> str:
    """Describe when a mirrored reservation went, or that it is unconfirmed; "" for any other."""
    if not isinstance(row, MirroredReservation):
        return ""
    if row.gone and row.gone_by is not None:
        when = format_interval(row.gone_after, row.gone_by, times)
        return _("Gone from CC-iSales %s. This is how it was last read.") % when
    if row.unconfirmed:
        return _(
            "CC-iSales did not list it when last read. Too many are missing at once to treat "
            "it as gone."
        )
    return ""


def format_interval(after: datetime | None, by: datetime, times: TimeFormatter) -> str:
    """Format when a change happened: `between 14:02 and 14:03`, `at 14:02` within one minute,
    `before 14:03` where the start is unknown."""
    end = times.short(by)
    if after is None:
        return _("before %s") % end
    begin = times.short(after)
    if begin == end:
        return _("at %s") % begin
    if times.local(after).date() == times.local(by).date() != times.today:
        # The day is shown once.
        end = times.time_of_day(by)
    return _("between %(begin)s and %(end)s") % {"begin": begin, "end": end}


def _build_lines(entry: HistoryEntry, formatter: RowFormatter) -> list[dict[str, str]]:
    """Build one line per field: its label, its old and its new value."""
    before, row = entry.before, entry.row

    def build(name: str, old: str, new: str, code: str = "") -> dict[str, str]:
        label = RESERVATION_FIELDS[name].label
        return {"field": name, "label": str(label), "from": old, "to": new, "code": code}

    def read(found: Reservation | None, name: str) -> str:
        return formatter.format_value(found, name) if found is not None else ""

    if entry.change is ChangeKind.APPEARED:
        if not _get_creation(entry):
            return []
        # The vendor's own time is in the heading.
        seen = format_interval(entry.after, entry.by, formatter.times)
        return [{"field": "", "label": _("First seen"), "from": "", "to": seen, "code": ""}]
    if entry.change is ChangeKind.HANDED_OVER:
        another = _("another agent")
        old = _name_agent(before) if before is not None else another
        return [build("user_name", old, _name_agent(row) if row is not None else another)]
    if entry.change is ChangeKind.GONE:
        names = [name for name in _FIELDS_OF_GONE if before is not None and getattr(before, name)]
        return [build(name, read(before, name), "") for name in names]
    lines = []
    for name in entry.fields:
        shown = _SHOWN_AS.get(name, name)
        code = (row.fail_code or "") if row is not None and name == "fail_code" else ""
        old = read(before, shown) if before is not None and getattr(before, name) else ""
        lines.append(build(shown, old, read(row, shown), code))
    return lines


def _format_when(entry: HistoryEntry, times: TimeFormatter) -> str:
    created = _get_creation(entry)
    return times.short(created) if created else format_interval(entry.after, entry.by, times)


def _get_creation(entry: HistoryEntry) -> datetime | None:
    """Return when the vendor says that a row was created, if it had appeared by then."""
    created = entry.row.create_time if entry.row is not None else None
    is_appearance = entry.change is ChangeKind.APPEARED
    return created if is_appearance and created and created <= entry.by else None


def _name_agent(row: Reservation) -> str:
    if row.user_name and row.user_account and row.user_name != row.user_account:
        return f"{row.user_name} ({row.user_account})"
    return row.user_name or row.user_account or "—"
