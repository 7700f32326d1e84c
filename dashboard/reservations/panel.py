"""The side panel of a reservation: its fields in the order of use, its write-backs, and other
reservations of the same number.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.http import QueryDict
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.reservations.columns import RowFormatter
from dashboard.reservations.history import build_history, describe_absence
from dashboard.ui.code_labels import explain_result
from dashboard.ui.columns import NOTHING
from dashboard.ui.list_url import ListUrl, get_reservation_url, with_query
from dashboard.ui.reveal_control import create_reservation_control
from dashboard.ui.row_formatting import WRITE_BACK_TONES
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.client.records import Reservation
from isales_proxy.models import WriteBackState
from isales_proxy.privacy.field_policies import RESERVATION_FIELDS, Content
from isales_proxy.reservations.forms import ReservationFilter
from isales_proxy.reservations.history import HistoryEntry
from isales_proxy.reservations.pages import FoundReservation, RelatedReservations
from isales_proxy.write_backs import queries as write_backs

_AGREED: Final = (
    "appoint_time",
    "call_type",
    "user_name",
    "task_name",
    "task_status",
    "timeout",
    "create_time",
)
_CALL: Final = ("begin_time", "end_time", "fail_code", "result", "caller_no", "busi_result")
_IDENTIFIERS: Final = ("appoint_id", "user_account", "task_id", "call_flag")
# Shown above by their labels; the codes help to compare with the vendor's own screens.
_CODES: Final[dict[str, str | Promise]] = {
    "call_type": gettext_lazy("Type code"),
    "task_status": gettext_lazy("Task status code"),
}
_TITLE: Final = "called_no"


def create_panel(
    scope: Scope, appoint_id: str, query: str, as_of: datetime | None = None
) -> dict[str, Any]:
    """Create the context of `reservations/_panel.html` without a reservation.

    `query` is the query string of the list beside it, `as_of` (aware) its time if that is past.
    """
    path = reverse("reservation", args=[scope.vdn.pk, appoint_id])
    panel = {
        "id": appoint_id,
        "content": None,
        "missing": False,
        "problem": None,
        "close_url": with_query(reverse("reservations", args=[scope.vdn.pk]), query),
        "url": with_query(path, query),
        # Related reservations are listed as they are now, so not beside a past one.
        "related_url": "",
        "past_text": "",
    }
    if as_of is None:
        related_path = reverse("reservation_related", args=[scope.vdn.pk, appoint_id])
        return panel | {"related_url": with_query(related_path, query)}
    present_query = QueryDict(query, mutable=True)
    present_query.pop("as_of", None)
    return panel | {
        "past_text": _("As it was known at %s.") % TimeFormatter(as_of).minute(as_of),
        "now_url": with_query(path, present_query.urlencode()),
    }


def build_content(
    scope: Scope,
    found: FoundReservation,
    query: str,
    entries: Sequence[HistoryEntry],
    as_of: datetime | None,
) -> dict[str, Any]:
    """Build the `content` of a panel: a reservation and its history, as of a past time or now."""
    row = found.row
    appoint_id = row.appoint_id or ""
    formatter = RowFormatter(scope, as_of)
    status = formatter.get_status(row)
    dial_text, reveal = "", None
    if status.dial_at is not None and status.dial_at != row.appoint_time:
        dial_text = _("Automatic: dialled from %s, five minutes early.")
        dial_text %= formatter.times.short(status.dial_at)
    if not as_of and scope.can(Permission.REVEAL_NUMBERS) and (row.called_no or row.caller_no):
        reveal = create_reservation_control(scope, appoint_id, query)
    return {
        "state": status.state.value,
        "state_text": formatter.labels.states[status.state.value],
        "when_text": formatter.format_distance(row, status),
        "dial_text": dial_text,
        **_build_fields(row, formatter, masked=not scope.can(Permission.SEE_NUMBERS)),
        "write_backs": [] if as_of else _list_write_backs(scope, appoint_id, formatter),
        "explanation": explain_result(
            scope.vdn.pk, formatter.book, row.fail_code, formatter.language
        ),
        "absence": describe_absence(row, formatter.times),
        "history": build_history(entries, formatter),
        "as_of_text": formatter.times.clock(found.as_of),
        "reveal": reveal,
    }


def create_related(scope: Scope, found: RelatedReservations) -> dict[str, Any]:
    """Create the context of `reservations/_related.html`."""
    formatter = RowFormatter(scope)
    answered, open_text = None, ""
    if found.answered:
        answered = _build_answered(scope, found.answered, formatter, found.task_id)
    if found.open_rows and found.open_rows > 1:
        open_text = _("%d open for this number") % found.open_rows
    return {
        "rows": [
            _build_related_row(scope, row, formatter, found.task_id) for row in found.others.rows
        ],
        "truncated": found.others.total > found.others.query.size,
        "list_url": get_number_url(scope, found.number),
        "answered": answered,
        "open_text": open_text,
    }


def get_number_url(scope: Scope, number: str) -> str:
    """Return the URL of the list of a called number; "" for one that cannot be searched for."""
    data = QueryDict(mutable=True)
    data["called_no"] = number
    form = ReservationFilter(data, scope=scope)
    path = reverse("reservations", args=[scope.vdn.pk])
    return ListUrl.from_form(path, form).get_url() if number and form.is_valid() else ""


def _build_fields(row: Reservation, formatter: RowFormatter, *, masked: bool) -> dict[str, Any]:
    """Build all fields of a row; masked numbers cannot be copied."""

    def build(names: tuple[str, ...]) -> list[dict[str, Any]]:
        return [_build_field(row, name, formatter, masked=masked) for name in names]

    return {
        "title": _build_field(row, _TITLE, formatter, masked=masked),
        "groups": [
            {"name": "agreed", "label": _("Agreed"), "fields": build(_AGREED)},
            {"name": "call", "label": _("Call"), "fields": build(_CALL)},
        ],
        "identifiers": build(_IDENTIFIERS),
        "codes": [
            {
                "field": RESERVATION_FIELDS[name].vendor_name,
                "label": str(label),
                "text": getattr(row, name) or "",
            }
            for name, label in _CODES.items()
        ],
    }


def _build_field(
    row: Reservation, name: str, formatter: RowFormatter, *, masked: bool
) -> dict[str, Any]:
    field = RESERVATION_FIELDS[name]
    raw = getattr(row, name)
    text = formatter.format_value(row, name)
    is_readable = not (masked and field.holds is Content.NUMBER)
    return {
        "field": field.vendor_name,
        "label": str(field.label),
        "text": "" if text == NOTHING else text,
        "code": raw if name == "fail_code" and raw else "",
        "copy": raw if raw and field.copied and is_readable else "",
    }


def _build_related_row(
    scope: Scope, row: Reservation, formatter: RowFormatter, task_id: str | None
) -> dict[str, str]:
    status = formatter.get_status(row)
    return {
        "url": get_reservation_url("reservation", scope.vdn.pk, row.appoint_id),
        "due": formatter.times.short(row.appoint_time) or NOTHING,
        "agent": row.user_name or row.user_account or NOTHING,
        # Only that of another task.
        "task": (row.task_name or row.task_id or "") if row.task_id != task_id else "",
        "state": status.state.value,
        "state_text": formatter.labels.states[status.state.value],
        "code": row.fail_code or "",
        "result": formatter.format_code(row.fail_code) if row.fail_code else "",
    }


def _build_answered(
    scope: Scope, row: Reservation, formatter: RowFormatter, task_id: str | None
) -> dict[str, str]:
    at = formatter.times.short(row.begin_time or row.appoint_time)
    text = (
        _("Already reached %(at)s by %(agent)s.")
        if row.task_id == task_id
        else _("Already reached %(at)s by %(agent)s in another task.")
    )
    return {
        "url": get_reservation_url("reservation", scope.vdn.pk, row.appoint_id),
        "text": text % {"at": at, "agent": row.user_name or row.user_account or NOTHING},
    }


def _list_write_backs(
    scope: Scope, appoint_id: str, formatter: RowFormatter
) -> list[dict[str, str]]:
    if not scope.can(Permission.SEE_OUTBOUND):
        return []
    return [
        {
            "url": reverse("write_back", args=[scope.vdn.pk, row.pk]),
            "written": formatter.times.short(row.created_at),
            "tone": WRITE_BACK_TONES[row.state],
            "state_text": str(WriteBackState(row.state).label),
            "by": row.created_by_name,
            "code": row.fail_code,
            "result": formatter.format_code(row.fail_code) if row.fail_code else "",
        }
        for row in write_backs.list_for_reservation(scope=scope, appoint_id=appoint_id)
    ]
