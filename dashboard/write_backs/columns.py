"""Columns of the write-backs list, and the formatter of its rows."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.urls import reverse
from django.utils.translation import gettext_lazy

from dashboard.ui.columns import NOTHING, Cell, Column, ExportColumn, export_attribute
from dashboard.ui.local_lists import without_sort
from dashboard.ui.row_formatting import WRITE_BACK_TONES, CodeFormatter
from dashboard.write_backs import labels
from isales_proxy.access import Permission, Scope
from isales_proxy.models import WriteBack
from isales_proxy.outbound import tasks
from isales_proxy.write_backs import queries


class WriteBackFormatter(CodeFormatter):
    """Facts that all rows of a page share. `now` is aware."""

    def __init__(self, scope: Scope, now: datetime) -> None:
        super().__init__(scope, now)
        self.vdn_id = scope.vdn.pk
        self.names = tasks.get_known_tasks(scope=scope)


def _build_written(row: WriteBack, formatter: WriteBackFormatter) -> Cell:
    created = row.created_at
    return Cell(
        "written",
        formatter.times.short(created),
        title=formatter.times.exact(created),
        sub=row.created_by_name,
    )


def _build_task(row: WriteBack, formatter: WriteBackFormatter) -> Cell:
    name, ident = formatter.names.get(row.service_id), row.service_id
    return Cell("serviceId", name or ident, title=name or ident, sub=ident if name else "")


def _build_unique(row: WriteBack, formatter: WriteBackFormatter) -> Cell:
    url = reverse("write_back", args=[formatter.vdn_id, row.pk])
    return Cell("uniqueId", row.unique_id, title=row.unique_id, url=url)


def _build_result(row: WriteBack, formatter: WriteBackFormatter) -> Cell:
    code = row.fail_code
    if not code:
        return Cell("failCode")
    text = formatter.format_code(code)
    return Cell("failCode", text, code=code, title=text)


def _build_state(row: WriteBack, formatter: WriteBackFormatter) -> Cell:
    remark = labels.describe_state(row, formatter.times)
    return Cell(
        "state",
        labels.format_state(row, formatter.times.now),
        tone=WRITE_BACK_TONES[row.state],
        sub=remark,
        sub_title=remark,
    )


Columns = tuple[Column[WriteBack, WriteBackFormatter], ...]

_COLUMNS: Final[Columns] = (
    Column(
        "created",
        gettext_lazy("Created"),
        "c-written",
        _build_written,
        exports=(
            export_attribute(gettext_lazy("Created"), "created_at", zoned=True),
            export_attribute(gettext_lazy("By"), "created_by_name"),
        ),
        sort="pk",
        hideable=False,
    ),
    Column(
        "task",
        gettext_lazy("Task"),
        "c-wb-task",
        _build_task,
        exports=(
            ExportColumn(
                gettext_lazy("Task"), lambda row, each: each.names.get(row.service_id, "")
            ),
            export_attribute(gettext_lazy("Task ID"), "service_id"),
        ),
        sort="service_id",
    ),
    Column("unique", gettext_lazy("Unique ID"), "c-unique", _build_unique, sort="unique_id"),
    Column(
        "number",
        gettext_lazy("Called number"),
        "c-wb-number",
        lambda row, _: Cell("phoneNumber", row.phone_number or NOTHING),
        sort="phone_number",
    ),
    Column(
        "result",
        gettext_lazy("Result"),
        "c-wb-result",
        _build_result,
        exports=(
            export_attribute(gettext_lazy("Result code"), "fail_code"),
            ExportColumn(
                gettext_lazy("Result"),
                lambda row, each: each.format_code(row.fail_code) if row.fail_code else "",
            ),
        ),
        sort="fail_code",
    ),
    Column(
        "state",
        gettext_lazy("State"),
        "c-state",
        _build_state,
        exports=(
            ExportColumn(
                gettext_lazy("State"),
                lambda row, each: labels.format_state(row, each.times.now),
            ),
            ExportColumn(
                gettext_lazy("Remark"), lambda row, each: labels.describe_state(row, each.times)
            ),
        ),
        sort="state",
    ),
)
_WITHOUT_INDEX: Final = ("task", "number", "result")


def list_columns(scope: Scope) -> Columns:
    """List the columns for this person, since the order of masked numbers reveals their digits."""
    columns = _COLUMNS if scope.can(Permission.SEE_NUMBERS) else without_sort(_COLUMNS, ("number",))
    return columns if queries.is_short(scope=scope) else without_sort(columns, _WITHOUT_INDEX)
