"""The side panel of a reservation: its eighteen fields in the order of the question, what was
agreed, what became of it, and the identifiers that only a support case needs."""

from __future__ import annotations

from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.reservations.columns import NOTHING, RowFormatter, in_words
from isales_proxy.client.records import Reservation
from isales_proxy.privacy.field_policies import RESERVATION_FIELDS, Content

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
# Shown in words above; their codes are for who compares them with the vendor's own screens.
_CODES: Final[dict[str, str | Promise]] = {
    "call_type": gettext_lazy("Type code"),
    "task_status": gettext_lazy("Task status code"),
}
# The title of the panel.
_TITLE: Final = "called_no"


def panel_fields(row: Reservation, reading: RowFormatter, *, masked: bool) -> dict[str, Any]:
    """All fields of a row, ready to lay out; no number of a `masked` one can be copied."""
    return {
        "title": _field(row, _TITLE, reading, masked=masked),
        "groups": [
            {
                "name": name,
                "label": label,
                "fields": [_field(row, each, reading, masked=masked) for each in names],
            }
            for name, label, names in (("agreed", _("Agreed"), _AGREED), ("call", _("Call"), _CALL))
        ],
        "identifiers": [_field(row, each, reading, masked=masked) for each in _IDENTIFIERS],
        "codes": [
            {
                "field": RESERVATION_FIELDS[name].vendor_name,
                "label": str(label),
                "text": getattr(row, name) or "",
            }
            for name, label in _CODES.items()
        ],
    }


def _field(row: Reservation, name: str, reading: RowFormatter, *, masked: bool) -> dict[str, Any]:
    field = RESERVATION_FIELDS[name]
    raw = getattr(row, name)
    text = _text(row, name, reading)
    readable = not (masked and field.holds is Content.NUMBER)
    return {
        "field": field.vendor_name,
        "label": str(field.label),
        "text": "" if text == NOTHING else text,
        "code": raw if name == "fail_code" and raw else "",
        "copy": raw if raw and field.copied and readable else "",
    }


def _text(row: Reservation, name: str, reading: RowFormatter) -> str:
    if name in {"appoint_time", "begin_time", "end_time", "create_time"}:
        return reading.moments.exact(getattr(row, name))
    if name == "call_type":
        return in_words(row.call_type, reading.types)
    if name == "task_status":
        return in_words(row.task_status, reading.statuses)
    if name == "timeout":
        return "" if row.timeout is None else _("Yes") if row.timeout else _("No")
    if name == "fail_code":
        return reading.code(row.fail_code)
    if name == "user_name":
        return row.user_name or row.user_account or ""
    if name == "task_name":
        return row.task_name or row.task_id or ""
    return getattr(row, name) or ""
