"""Columns of the reservations list, and the formatter of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Final

from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from dashboard.ui.columns import NOTHING, Cell, Column, ExportColumn, make_repeated_cell
from dashboard.ui.row_formatting import CodeFormatter
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Scope
from isales_proxy.client.records import Reservation
from isales_proxy.reservations.forms import CALL_TYPES, TASK_STATUSES
from isales_proxy.reservations.mirrored import MirroredReservation
from isales_proxy.reservations.status import ReservationState, ReservationStatus, get_status
from isales_proxy.result_codes import services as result_codes
from isales_proxy.result_codes.book import CodeBook

BUSINESS_RESULT: Final = gettext_lazy("Business result")
# Rows of a page, and more.
_MOST_STATUSES: Final = 500

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

    def __init__(
        self, *, times: TimeFormatter, book: CodeBook, language: str, late_grace: timedelta
    ) -> None:
        super().__init__(times=times, book=book, language=language)
        self.late_grace = late_grace
        labels = _translate_labels(language)
        self.types, self.statuses, self.states = labels.types, labels.statuses, labels.states
        self.expired, self.not_expired = labels.expired, labels.not_expired
        self.cause, self.business = labels.cause, labels.business
        # The rows are kept with them, so that no other row takes an ID meanwhile.
        self._statuses: dict[int, tuple[Reservation, ReservationStatus]] = {}

    def get_status(self, row: Reservation) -> ReservationStatus:
        """Return the status of a row at the time of this page; several cells of it ask."""
        known = self._statuses.get(id(row))
        if known is None:
            if len(self._statuses) >= _MOST_STATUSES:
                self._statuses.clear()
            known = row, get_status(row, self.times.now, late_grace=self.late_grace)
            self._statuses[id(row)] = known
        return known[1]

    def format_distance(self, row: Reservation, status: ReservationStatus) -> str:
        """Return the distance to the due time: `in 9 min`, `18 min late`, `43 min ago`."""
        if status.state is ReservationState.OVERDUE and status.left is not None:
            return self.times.late(-status.left)
        return self.times.relative(row.appoint_time) if row.appoint_time else ""


@dataclass(frozen=True)
class _Labels:
    """Texts of one language, by the vendor's value or ours where there are several."""

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


def create_row_formatter(scope: Scope, now: datetime | None = None) -> RowFormatter:
    """Create the formatter of one page in this VDN; `now` is aware."""
    return RowFormatter(
        times=TimeFormatter(now or timezone.now()),
        book=result_codes.get_book(scope.vdn),
        language=get_language() or "en",
        late_grace=scope.vdn.late_grace,
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
    return make_repeated_cell("callType", get_label(row.call_type, formatter.types))


def _build_task_status(row: Reservation, formatter: RowFormatter) -> Cell:
    return make_repeated_cell("taskStatus", get_label(row.task_status, formatter.statuses))


def _build_call(row: Reservation, formatter: RowFormatter) -> Cell:
    status = formatter.get_status(row)
    if isinstance(row, MirroredReservation) and (row.gone or row.unconfirmed):
        return _build_missing(row, status, formatter)
    expiry = ""
    # The vendor's mark of an open call, where it differs from our status.
    if status.state is ReservationState.OVERDUE:
        expiry = formatter.not_expired if row.timeout is False else ""
    elif row.timeout and status.state in _STILL_OPEN:
        expiry = formatter.expired
    sub_field = "timeout" if expiry else ""
    tone = str(status.state)
    return make_repeated_cell(
        "callFlag", formatter.states[tone], "", "", expiry, sub_field, "", tone
    )


def _build_missing(
    row: MirroredReservation, status: ReservationStatus, formatter: RowFormatter
) -> Cell:
    """Build the state of a row that the vendor no longer lists, with when it went."""
    tone = status.state.value
    text = formatter.states[tone]
    if not row.gone:
        sub = _("missing, not confirmed")
        return make_repeated_cell("callFlag", text, "", "", sub, "", "", tone)
    after, by = formatter.times.short(row.gone_after), formatter.times.short(row.gone_by)
    sub = by
    if after and after != by:
        sub = _("between %(after)s and %(by)s") % {"after": after, "by": by}
    return make_repeated_cell("callFlag", text, "", "", sub, "", "", tone)


def _build_result(row: Reservation, formatter: RowFormatter) -> Cell:
    text = formatter.format_code(row.fail_code)
    if not row.result:
        return make_repeated_cell("failCode", text, "", row.fail_code or "")
    cause = formatter.cause % row.result
    return make_repeated_cell("failCode", text, "", row.fail_code or "", cause, "result")


def _build_business(row: Reservation, formatter: RowFormatter) -> Cell:
    if not row.busi_result:
        return make_repeated_cell("busiResult")
    return make_repeated_cell("busiResult", row.busi_result, label=formatter.business)


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
        # The distance to it would be wrong by the time somebody opens the file.
        exports=(ExportColumn(_DUE, lambda row, _formatter: row.appoint_time, zoned=True),),
    ),
    Column(
        "number",
        _NUMBER,
        "c-number",
        _build_number,
        exports=(ExportColumn(_NUMBER, lambda row, _formatter: row.called_no),),
    ),
    Column(
        "agent",
        _AGENT,
        "c-agent",
        _build_agent,
        exports=(
            ExportColumn(_AGENT, lambda row, _formatter: row.user_name),
            ExportColumn(gettext_lazy("Agent account"), lambda row, _formatter: row.user_account),
        ),
        reads=attrgetter("user_name", "user_account"),
    ),
    Column(
        "task",
        _TASK,
        "c-task",
        _build_task,
        exports=(
            ExportColumn(_TASK, lambda row, _formatter: row.task_name),
            ExportColumn(gettext_lazy("Task ID"), lambda row, _formatter: row.task_id),
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
            ExportColumn(gettext_lazy("Result code"), lambda row, _formatter: row.fail_code),
            ExportColumn(_RESULT, _export_result),
            ExportColumn(gettext_lazy("Cause"), lambda row, _formatter: row.result),
        ),
        reads=attrgetter("fail_code", "result"),
    ),
    Column(
        "business",
        BUSINESS_RESULT,
        "c-business",
        _build_business,
        exports=(ExportColumn(BUSINESS_RESULT, lambda row, _formatter: row.busi_result),),
        reads=attrgetter("busi_result"),
    ),
)
