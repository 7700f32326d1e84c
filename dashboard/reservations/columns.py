"""Columns of the reservations list, and the formatter of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.ui.columns import (
    NOTHING,
    Cell,
    Column,
    ExportColumn,
    export_attribute,
    make_repeated_cell,
)
from dashboard.ui.row_formatting import CodeFormatter
from isales_proxy.access import Scope
from isales_proxy.client.records import Reservation
from isales_proxy.reservations.forms import CALL_TYPES, TASK_STATUSES
from isales_proxy.reservations.mirrored import MirroredReservation
from isales_proxy.reservations.status import ReservationState, ReservationStatus, get_status

BUSINESS_RESULT: Final = gettext_lazy("Business result")
_STILL_OPEN: Final = frozenset(
    {
        ReservationState.LATER,
        ReservationState.SOON,
        ReservationState.DIALLING,
        ReservationState.UNDATED,
    }
)


class RowFormatter(CodeFormatter):
    """Formatter of reservation rows: the texts and settings that all rows of a page share."""

    def __init__(self, scope: Scope, now: datetime | None = None) -> None:
        super().__init__(scope, now)
        self.late_grace = scope.vdn.late_grace
        self.labels = _translate_labels(self.language)

    def get_status(self, row: Reservation) -> ReservationStatus:
        """Return the status of a row at the time of this page."""
        return get_status(row, self.times.now, late_grace=self.late_grace)

    def format_distance(self, row: Reservation, status: ReservationStatus) -> str:
        """Return the distance to the due time: `in 9 min`, `18 min late`, `43 min ago`."""
        if status.state is ReservationState.OVERDUE and status.left is not None:
            return self.times.late(-status.left)
        return self.times.relative(row.appoint_time) if row.appoint_time else ""

    def format_value(self, row: Reservation, name: str) -> str:
        """Return the text of the field `name` of `Reservation`."""
        value = getattr(row, name)
        match name:
            case "appoint_time" | "begin_time" | "end_time" | "create_time":
                return self.times.exact(value)
            case "call_type":
                return get_label(value, self.labels.types)
            case "task_status":
                return get_label(value, self.labels.statuses)
            case "timeout":
                return "" if value is None else _("Yes") if value else _("No")
            case "fail_code":
                return self.format_code(value)
            case "user_name":
                return value or row.user_account or ""
            case "task_name":
                return value or row.task_id or ""
        return value or ""


@dataclass(frozen=True)
class _Labels:
    """Texts of one language; several labels are by value."""

    types: dict[str, str]
    statuses: dict[str, str]
    states: dict[str, str]
    expired: str
    not_expired: str
    cause: str
    business: str


@lru_cache(maxsize=16)
def _translate_labels(_language: str) -> _Labels:
    return _Labels(
        types={key: str(value) for key, value in CALL_TYPES},
        statuses={key: str(value) for key, value in TASK_STATUSES},
        states={state.value: str(state.label) for state in ReservationState},
        expired=_("expired"),
        not_expired=_("not expired"),
        cause=_("Cause %s"),
        business=str(BUSINESS_RESULT),
    )


def _build_due(row: Reservation, formatter: RowFormatter) -> Cell:
    at = row.appoint_time
    if at is None:
        return make_repeated_cell("appointTime")
    distance = formatter.format_distance(row, formatter.get_status(row))
    return make_repeated_cell("appointTime", formatter.times.short(at), "", "", distance)


def _build_number(row: Reservation, _formatter: RowFormatter) -> Cell:
    return Cell("calledNo", row.called_no or NOTHING, link=True)


def _build_agent(row: Reservation, _formatter: RowFormatter) -> Cell:
    return _build_named("userName", row.user_name, "userAccount", row.user_account)


def _build_task(row: Reservation, _formatter: RowFormatter) -> Cell:
    return _build_named("taskName", row.task_name, "taskId", row.task_id)


def _build_named(name_field: str, name: str | None, id_field: str, ident: str | None) -> Cell:
    """Build a cell with a name over its ID, or the ID alone where the name adds nothing."""
    if not name or name == ident:
        return make_repeated_cell(id_field, ident or NOTHING)
    return make_repeated_cell(name_field, name, "", "", ident or "", id_field)


def _build_type(row: Reservation, formatter: RowFormatter) -> Cell:
    return make_repeated_cell("callType", get_label(row.call_type, formatter.labels.types))


def _build_task_status(row: Reservation, formatter: RowFormatter) -> Cell:
    return make_repeated_cell("taskStatus", get_label(row.task_status, formatter.labels.statuses))


def _build_call(row: Reservation, formatter: RowFormatter) -> Cell:
    status = formatter.get_status(row)
    state = str(status.state)
    text, sub, sub_field = formatter.labels.states[state], "", ""
    if isinstance(row, MirroredReservation) and (row.gone or row.unconfirmed):
        sub = _describe_absence(row, formatter)
    # The vendor's mark of an open call, if it differs from our status.
    elif status.state is ReservationState.OVERDUE and row.timeout is False:
        sub, sub_field = formatter.labels.not_expired, "timeout"
    elif row.timeout and status.state in _STILL_OPEN:
        sub, sub_field = formatter.labels.expired, "timeout"
    return make_repeated_cell("callFlag", text, "", "", sub, sub_field, "", state)


def _describe_absence(row: MirroredReservation, formatter: RowFormatter) -> str:
    """Describe when a row went that the vendor no longer lists, or that this is not confirmed."""
    if not row.gone:
        return _("missing, not confirmed")
    after, by = formatter.times.short(row.gone_after), formatter.times.short(row.gone_by)
    if after and after != by:
        return _("between %(after)s and %(by)s") % {"after": after, "by": by}
    return by


def _build_result(row: Reservation, formatter: RowFormatter) -> Cell:
    cause = formatter.labels.cause % row.result if row.result else ""
    return make_repeated_cell(
        "failCode",
        formatter.format_code(row.fail_code),
        "",
        row.fail_code or "",
        cause,
        "result" if cause else "",
    )


def _build_business(row: Reservation, formatter: RowFormatter) -> Cell:
    if not row.busi_result:
        return make_repeated_cell("busiResult")
    return make_repeated_cell("busiResult", row.busi_result, label=formatter.labels.business)


def _export_result(row: Reservation, formatter: RowFormatter) -> str:
    return formatter.format_code(row.fail_code) if row.fail_code else ""


def get_label(raw: str | None, labels: dict[str, str]) -> str:
    """Return the label of a vendor value, or the value itself where there is none."""
    return labels.get(raw, raw) if raw else NOTHING


_DUE: Final = gettext_lazy("Due")
_NUMBER: Final = gettext_lazy("Called number")
_AGENT: Final = gettext_lazy("Agent")
_TASK: Final = gettext_lazy("Task")
_RESULT: Final = gettext_lazy("Call result")

RESERVATION_COLUMNS: Final[tuple[Column[Reservation, RowFormatter], ...]] = (
    Column(
        "due",
        _DUE,
        "c-due",
        _build_due,
        # Without the distance, which would be wrong when the file is opened.
        exports=(export_attribute(_DUE, "appoint_time", zoned=True),),
    ),
    Column("number", _NUMBER, "c-number", _build_number, (export_attribute(_NUMBER, "called_no"),)),
    Column(
        "agent",
        _AGENT,
        "c-agent",
        _build_agent,
        exports=(
            export_attribute(_AGENT, "user_name"),
            export_attribute(gettext_lazy("Agent account"), "user_account"),
        ),
        reads=attrgetter("user_name", "user_account"),
    ),
    Column(
        "task",
        _TASK,
        "c-task",
        _build_task,
        exports=(
            export_attribute(_TASK, "task_name"),
            export_attribute(gettext_lazy("Task ID"), "task_id"),
        ),
        reads=attrgetter("task_name", "task_id"),
    ),
    Column("type", gettext_lazy("Type"), "c-type", _build_type, reads=attrgetter("call_type")),
    Column(
        "task-status",
        gettext_lazy("Task status"),
        "c-status",
        _build_task_status,
        reads=attrgetter("task_status"),
    ),
    Column("call", gettext_lazy("Call status"), "c-call", _build_call),
    Column(
        "result",
        _RESULT,
        "c-result",
        _build_result,
        exports=(
            export_attribute(gettext_lazy("Result code"), "fail_code"),
            ExportColumn(_RESULT, _export_result),
            export_attribute(gettext_lazy("Cause"), "result"),
        ),
        reads=attrgetter("fail_code", "result"),
    ),
    Column(
        "business",
        BUSINESS_RESULT,
        "c-business",
        _build_business,
        exports=(export_attribute(BUSINESS_RESULT, "busi_result"),),
        reads=attrgetter("busi_result"),
    ),
)
