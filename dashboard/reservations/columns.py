"""The columns of the reservations list: one source for HTML and, later, exports and layouts.

A cell's text is prepared here once; the template only lays it out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.ui.times import TimeFormatter
from isales_proxy.client.records import Reservation
from isales_proxy.reservations.status import ReservationState, ReservationStatus, get_status
from isales_proxy.result_codes.book import CodeBook

NOTHING: Final = "—"

CALL_TYPES: Final[dict[str, str | Promise]] = {
    "1": gettext_lazy("Manual"),
    "2": gettext_lazy("Auto"),
}
TASK_STATUSES: Final[dict[str, str | Promise]] = {
    "1": gettext_lazy("Draft"),
    "2": gettext_lazy("Running"),
    "3": gettext_lazy("Paused"),
    "4": gettext_lazy("Completed"),
}
STATES: Final[dict[ReservationState, str | Promise]] = {
    ReservationState.WAITING: gettext_lazy("Waiting"),
    ReservationState.SOON: gettext_lazy("Due soon"),
    ReservationState.DIALLING: gettext_lazy("Dialling now"),
    ReservationState.LATE: gettext_lazy("Overdue"),
    ReservationState.ANSWERED: gettext_lazy("Answered"),
    ReservationState.FAILED: gettext_lazy("Failed"),
    ReservationState.CALLED: gettext_lazy("Called"),
    ReservationState.UNKNOWN: gettext_lazy("Unknown"),
}


@dataclass(slots=True)
class Cell:
    """Ready text. `field` and `sub_field` are the vendor's names; `tone` makes `main` a badge."""

    field: str
    main: str
    css: str = ""
    label: str = ""
    code: str = ""
    sub: str = ""
    sub_field: str = ""
    tone: str = ""
    link: bool = False


@dataclass(slots=True)
class RowView:
    """One row, ready for the template."""

    id: str
    dom_id: str
    url: str
    state: str
    cells: list[Cell]


class RowFormatter:
    """What is the same for all rows of a page: the moment, the zone, the language, the codes."""

    def __init__(
        self, *, moments: TimeFormatter, book: CodeBook, language: str, late_grace: timedelta
    ) -> None:
        self.moments = moments
        self.late_grace = late_grace
        self.book = book
        self.language = language
        self.types = {key: str(value) for key, value in CALL_TYPES.items()}
        self.statuses = {key: str(value) for key, value in TASK_STATUSES.items()}
        self.states = {key: str(value) for key, value in STATES.items()}
        self.expired = _("expired")
        self.not_expired = _("not expired")
        self.cause = _("Cause %s")
        self.unknown_code = (
            _("unknown code (table of %s)") % moments.short(book.read_at)
            if book.read_at
            else _("code table not loaded yet")
        )

    def standing(self, row: Reservation) -> ReservationStatus:
        """Judge one row at the moment of this page."""
        return get_status(row, self.moments.now, late_grace=self.late_grace)

    def code(self, code: str | None) -> str:
        """A result code in the reader's words."""
        if not code:
            return NOTHING
        meaning = self.book.get(code)
        return (meaning.text(self.language) if meaning else "") or self.unknown_code

    def when(self, row: Reservation, stand: ReservationStatus) -> str:
        """How far off the row is: `in 9 min`, `18 min late`, `43 min ago`."""
        if stand.state is ReservationState.LATE and stand.left is not None:
            return self.moments.late(-stand.left)
        return self.moments.relative(row.appoint_time) if row.appoint_time else ""


@dataclass(frozen=True)
class Column:
    """One column: its key, heading, CSS class, and how a row's cell is made."""

    key: str
    label: str | Promise
    css: str
    cell: Callable[[Reservation, ReservationStatus, RowFormatter], Cell]


def _due(row: Reservation, stand: ReservationStatus, reading: RowFormatter) -> Cell:
    return Cell(
        "appointTime",
        reading.moments.short(row.appoint_time) or NOTHING,
        sub=reading.when(row, stand),
    )


def _number(row: Reservation, _stand: ReservationStatus, _reading: RowFormatter) -> Cell:
    return Cell("calledNo", row.called_no or NOTHING, link=True)


def _agent(row: Reservation, _stand: ReservationStatus, _reading: RowFormatter) -> Cell:
    return _named("userName", row.user_name, "userAccount", row.user_account)


def _task(row: Reservation, _stand: ReservationStatus, _reading: RowFormatter) -> Cell:
    return _named("taskName", row.task_name, "taskId", row.task_id)


def _named(name_field: str, name: str | None, id_field: str, ident: str | None) -> Cell:
    """A name over its ID, or the ID alone where the name says no more."""
    if not name or name == ident:
        return Cell(id_field, ident or NOTHING)
    return Cell(name_field, name, sub=ident or "", sub_field=id_field)


def _type(row: Reservation, _stand: ReservationStatus, reading: RowFormatter) -> Cell:
    return Cell("callType", in_words(row.call_type, reading.types))


def _task_status(row: Reservation, _stand: ReservationStatus, reading: RowFormatter) -> Cell:
    return Cell("taskStatus", in_words(row.task_status, reading.statuses))


def _call(row: Reservation, stand: ReservationStatus, reading: RowFormatter) -> Cell:
    remark = _expiry(row, stand, reading)
    return Cell(
        "callFlag",
        reading.states[stand.state],
        tone=stand.state.value,
        sub=remark,
        sub_field="timeout" if remark else "",
    )


def _expiry(row: Reservation, stand: ReservationStatus, reading: RowFormatter) -> str:
    """What the vendor says of an open call's expiry, where that differs from our clock."""
    if stand.state is ReservationState.LATE:
        return reading.not_expired if row.timeout is False else ""
    still_open = stand.state in {
        ReservationState.WAITING,
        ReservationState.SOON,
        ReservationState.DIALLING,
        ReservationState.UNKNOWN,
    }
    return reading.expired if row.timeout and still_open else ""


def _result(row: Reservation, _stand: ReservationStatus, reading: RowFormatter) -> Cell:
    text = reading.code(row.fail_code)
    return Cell(
        "failCode",
        text,
        code=row.fail_code or "",
        sub=reading.cause % row.result if row.result else "",
        sub_field="result" if row.result else "",
    )


def _business(row: Reservation, _stand: ReservationStatus, _reading: RowFormatter) -> Cell:
    return Cell("busiResult", row.busi_result or NOTHING)


def in_words(raw: str | None, words: dict[str, str]) -> str:
    """A code of the vendor's as a word, itself where there is none."""
    return words.get(raw, raw) if raw else NOTHING


RESERVATION_COLUMNS: Final = (
    Column("due", gettext_lazy("Due"), "c-due", _due),
    Column("number", gettext_lazy("Called number"), "c-number", _number),
    Column("agent", gettext_lazy("Agent"), "c-agent", _agent),
    Column("task", gettext_lazy("Task"), "c-task", _task),
    Column("type", gettext_lazy("Type"), "c-type", _type),
    Column("task-status", gettext_lazy("Task status"), "c-status", _task_status),
    Column("call", gettext_lazy("Call status"), "c-call", _call),
    Column("result", gettext_lazy("Call result"), "c-result", _result),
    Column("business", gettext_lazy("Business result"), "c-business", _business),
)


def build_rows(
    rows: tuple[Reservation, ...],
    *,
    columns: tuple[Column, ...],
    reading: RowFormatter,
    address: Callable[[str], str],
) -> list[RowView]:
    """All rows of a page. `address` gives the panel's address for an `appointId`."""
    labels = [str(column.label) for column in columns]
    views = []
    for place, row in enumerate(rows):
        stand = reading.standing(row)
        cells = []
        for column, label in zip(columns, labels, strict=True):
            cell = column.cell(row, stand, reading)
            cell.css, cell.label = column.css, label
            cells.append(cell)
        ident = row.appoint_id or ""
        views.append(
            RowView(
                id=ident,
                # A row without an ID still needs a place of its own in the document.
                dom_id=f"r-{ident}" if ident else f"r-at-{place}",
                url=address(ident),
                state=stand.state.value,
                cells=cells,
            )
        )
    return views
