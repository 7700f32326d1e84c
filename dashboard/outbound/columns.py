"""Columns and rows of the lists of tasks, batches and call data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.template import Context
from django.template.loader import get_template
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.ui.columns import NOTHING, Cell, Column, ExportColumn, export_attribute
from dashboard.ui.local_lists import LocalFormatter, render_badge, without_sort
from dashboard.ui.paging import format_count
from dashboard.ui.reveal_control import create_datum_control
from dashboard.ui.times import TimeFormatter, format_zone
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.models import BatchState, CallDataBatch, CallDatum
from isales_proxy.outbound import labels, queries, tasks
from isales_proxy.outbound.queries import TaskFigures
from isales_proxy.outbound.tasks import Task

_TONES: Final = {
    BatchState.ASKED: "soon",
    BatchState.TAKEN: "answered",
    BatchState.UNREADABLE: "failed",
    BatchState.REFUSED: "called",
    BatchState.UNKNOWN: "late",
    BatchState.LOST: "failed",
}


@dataclass(frozen=True)
class TaskRow:
    """One task of the list; its figures are None without a batch.

    `gone` when the vendor does not list it any more. `last_at` (aware UTC) is the last request.
    """

    service_id: str
    name: str
    gone: bool
    batches: int | None = None
    rows: int | None = None
    last_at: datetime | None = None


class OutboundFormatter:
    """Facts that all rows of a page share. `names` maps task IDs to names."""

    def __init__(self, scope: Scope) -> None:
        self.vdn_id = scope.vdn.pk
        self.times = TimeFormatter(timezone.now())
        self.names = tasks.get_known_tasks(scope=scope)


def build_task_rows(
    listed: Iterable[Task] | None, figures: dict[str, TaskFigures], names: dict[str, str]
) -> list[TaskRow]:
    """Build the rows of the vendor's tasks in its order, then of other tasks with call data.

    Without the vendor's list (None) no task is marked as gone.
    """
    known = {task.service_id: task.name for task in listed or ()}
    others = {ident: names.get(ident, "") for ident in sorted(figures) if ident not in known}
    return [
        TaskRow(
            ident,
            name,
            gone=listed is not None and ident not in known,
            **(asdict(figures[ident]) if ident in figures else {}),
        )
        for ident, name in [*known.items(), *others.items()]
    ]


def _build_task(row: TaskRow, formatter: OutboundFormatter) -> Cell:
    markup = format_html("{}", row.name)
    if tasks.is_task_id(row.service_id):
        url = reverse("task", args=[formatter.vdn_id, row.service_id])
        name = row.name or _("Unnamed task")
        markup = format_html('<a class="task-link" href="{}">{}</a>', url, name)
    badge = render_badge(_("not in the list"), "unknown") if row.gone else ""
    return Cell("taskName", html=format_html("{}{}", markup, badge))


def _build_last(row: TaskRow, formatter: OutboundFormatter) -> Cell:
    if row.last_at is None:
        return Cell("last", label=_("Last taken"))
    times = formatter.times
    return Cell(
        "last", times.short(row.last_at), label=_("Last taken"), sub=times.relative(row.last_at)
    )


def _create_figure_column(attribute: str, heading: Promise) -> Column[TaskRow, OutboundFormatter]:
    def build(row: TaskRow, _formatter: OutboundFormatter) -> Cell:
        count = getattr(row, attribute)
        text = NOTHING if count is None else format_count(count)
        return Cell(attribute, text, label=str(heading))

    exports = (export_attribute(heading, attribute),)
    return Column(attribute, heading, "c-figure", build, exports=exports, sort=attribute)


TASK_COLUMNS: Final[tuple[Column[TaskRow, OutboundFormatter], ...]] = (
    Column(
        "task",
        gettext_lazy("Task"),
        "c-name",
        _build_task,
        exports=(
            export_attribute(gettext_lazy("Task"), "name"),
            ExportColumn(
                gettext_lazy("Listed by CC-iSales"),
                lambda row, _each: _("No") if row.gone else _("Yes"),
            ),
        ),
        sort="name",
        hideable=False,
    ),
    Column(
        "id",
        gettext_lazy("Task ID"),
        "c-service",
        lambda row, _each: Cell("serviceId", row.service_id),
        sort="service_id",
    ),
    _create_figure_column("batches", gettext_lazy("Batches")),
    _create_figure_column("rows", gettext_lazy("Rows taken")),
    Column(
        "last",
        gettext_lazy("Last taken"),
        "c-last",
        _build_last,
        exports=(export_attribute(gettext_lazy("Last taken"), "last_at", zoned=True),),
        sort="last_at",
    ),
)


def build_batch_head(batch: CallDataBatch, times: TimeFormatter) -> dict[str, Any]:
    """Build the head of the page about a batch: its state, the vendor's answer, and advice."""
    state = BatchState(batch.state)
    when = f"{times.exact(batch.asked_at)} {format_zone(batch.asked_at, times.zone)}"
    return {
        "id": batch.pk,
        "url": _get_batch_url(batch),
        "state": state.value,
        "state_text": str(state.label),
        "tone": _TONES[state],
        "said": _describe_answer(batch),
        "advice": labels.get_advice(batch, when=when),
    }


def _get_batch_url(batch: CallDataBatch) -> str:
    return reverse("call_data_batch", args=[batch.vdn_id, batch.service_id, batch.pk])


def _describe_answer(batch: CallDataBatch) -> str:
    """Return the vendor's code and sentence, or our own title of the problem."""
    if batch.vendor_code:
        return problems.format_vendor_message(batch.vendor_code, batch.problem)
    # Our own titles are stored in English; the vendor's sentences are not translated.
    return _(batch.problem) if batch.problem else ""


def list_batch_details(batch: CallDataBatch, times: TimeFormatter) -> list[tuple[str, str]]:
    """List label and text of the facts about a batch, without empty ones."""
    days = settings.RETENTION.call_data_days
    facts = (
        (_("Requested at"), times.exact(batch.asked_at)),
        (_("By"), batch.asked_by_name),
        (_("Reason"), batch.reason),
        (_("Rows requested"), format_count(batch.batch_count)),
        (
            _("Rows received"),
            format_count(batch.received) if batch.state == BatchState.TAKEN else "",
        ),
        (_("Answered at"), times.exact(batch.answered_at)),
        (_("Size of the answer"), format_count(batch.answer_bytes) if batch.answer_bytes else ""),
        (_("HTTP status"), str(batch.http_status or "")),
        (_("Answer"), "" if batch.raw_complete else _("incomplete")),
        (_("Reference"), batch.vendor_request),
        (_("Rows deleted at"), times.exact(batch.purged_at)),
        (
            _("Deleted after"),
            ngettext("%(days)s day", "%(days)s days", days) % {"days": format_count(days)}
            if batch.answered_at and not batch.purged_at and batch.state != BatchState.LOST
            else "",
        ),
    )
    return [(label, text) for label, text in facts if text]


def _build_asked(batch: CallDataBatch, formatter: LocalFormatter) -> Cell:
    times = formatter.times
    return Cell(
        "asked",
        times.short(batch.asked_at),
        sub=times.relative(batch.asked_at),
        title=times.exact(batch.asked_at),
    )


def _build_count(batch: CallDataBatch, _formatter: LocalFormatter) -> Cell:
    asked, received = format_count(batch.batch_count), _get_received(batch)
    if received is None:
        return Cell("count", _("%(asked)s requested") % {"asked": asked})
    shown = {"received": format_count(received), "asked": asked}
    return Cell("count", _("%(received)s of %(asked)s") % shown)


def _get_received(batch: CallDataBatch) -> int | None:
    return batch.received if batch.state == BatchState.TAKEN else None


def _build_batch_state(batch: CallDataBatch, _formatter: LocalFormatter) -> Cell:
    state = BatchState(batch.state)
    return Cell("state", str(state.label), tone=_TONES[state])


BATCH_COLUMNS: Final[tuple[Column[CallDataBatch, LocalFormatter], ...]] = (
    Column(
        "batch",
        gettext_lazy("Batch"),
        "c-batch",
        lambda batch, _each: Cell("batch", html=_render_batch_link(batch)),
        exports=(export_attribute(gettext_lazy("Batch"), "pk"),),
        sort="pk",
        hideable=False,
    ),
    Column(
        "asked",
        gettext_lazy("Requested at"),
        "c-asked",
        _build_asked,
        exports=(export_attribute(gettext_lazy("Requested at"), "asked_at", zoned=True),),
        sort="asked_at",
    ),
    Column(
        "by",
        gettext_lazy("By"),
        "c-by",
        lambda batch, _each: Cell(
            "by", batch.asked_by_name or NOTHING, sub=batch.reason, sub_title=batch.reason
        ),
        exports=(
            export_attribute(gettext_lazy("By"), "asked_by_name"),
            export_attribute(gettext_lazy("Reason"), "reason"),
        ),
        sort="asked_by_name",
    ),
    Column(
        "rows",
        gettext_lazy("Rows"),
        "c-few",
        _build_count,
        exports=(
            export_attribute(gettext_lazy("Rows requested"), "batch_count"),
            ExportColumn(gettext_lazy("Rows received"), lambda batch, _each: _get_received(batch)),
        ),
        sort="batch_count",
    ),
    Column(
        "state",
        gettext_lazy("State"),
        "c-went",
        _build_batch_state,
        exports=(
            ExportColumn(
                gettext_lazy("State"), lambda batch, _each: str(BatchState(batch.state).label)
            ),
            ExportColumn(gettext_lazy("Answer"), lambda batch, _each: _describe_answer(batch)),
        ),
        sort="state",
    ),
)
_WITHOUT_INDEX: Final = ("by", "rows", "state")


def list_batch_columns(scope: Scope) -> tuple[Column[CallDataBatch, LocalFormatter], ...]:
    """List the columns of batches, all sortable while the table is short."""
    if queries.has_few_batches(scope=scope):
        return BATCH_COLUMNS
    return without_sort(BATCH_COLUMNS, _WITHOUT_INDEX)


def _build_numbers(row: CallDatum, _formatter: OutboundFormatter) -> Cell:
    numbers = ((number,) for number in row.numbers)
    return Cell(
        "phoneNumber", html=format_html_join(" ", '<span class="number">{}</span>', numbers)
    )


def _build_batch(row: CallDatum, formatter: OutboundFormatter) -> Cell:
    markup = _render_batch_link(row.batch)
    asked = formatter.times.short(row.batch.asked_at)
    return Cell("batch", label=_("Batch"), html=markup, sub=asked)


def _render_batch_link(batch: CallDataBatch) -> SafeString:
    return format_html(
        '<a class="task-link" href="{}" aria-label="{}">{}</a>',
        _get_batch_url(batch),
        _("Batch %(id)s") % {"id": batch.pk},
        str(batch.pk),
    )


def _get_task_id(row: CallDatum) -> str:
    return row.service_id or row.batch.service_id


_DATUM_COLUMNS: Final[tuple[Column[CallDatum, OutboundFormatter], ...]] = (
    Column(
        "numbers",
        gettext_lazy("Called numbers"),
        "c-numbers",
        _build_numbers,
        exports=(
            ExportColumn(gettext_lazy("Called numbers"), lambda row, _each: "; ".join(row.numbers)),
        ),
        sort="phone_numbers",
        hideable=False,
    ),
    Column(
        "unique",
        gettext_lazy("Unique ID"),
        "c-unique",
        lambda row, _each: Cell("uniqueId", row.unique_id or NOTHING),
        sort="unique_id",
    ),
    Column(
        "caller",
        gettext_lazy("Calling number"),
        "c-caller",
        lambda row, _each: Cell(
            "callerNumber", row.caller_number or NOTHING, label=_("Calling number")
        ),
        sort="caller_number",
    ),
    Column(
        "data",
        gettext_lazy("Call data"),
        "c-data",
        lambda row, _each: Cell("callData", row.call_data or NOTHING),
        exports=(
            export_attribute(gettext_lazy("Call data"), "call_data"),
            export_attribute(gettext_lazy("IE data"), "ie_data"),
        ),
        sort="call_data",
    ),
    Column(
        "batch",
        gettext_lazy("Batch"),
        "c-batch",
        _build_batch,
        exports=(
            export_attribute(gettext_lazy("Batch"), "batch_id"),
            export_attribute(gettext_lazy("Taken at"), "batch.asked_at", zoned=True),
            export_attribute(gettext_lazy("Row"), "position"),
            ExportColumn(gettext_lazy("Task ID"), lambda row, _each: _get_task_id(row)),
            ExportColumn(
                gettext_lazy("Task"), lambda row, each: each.names.get(_get_task_id(row), "")
            ),
        ),
        sort="batch_id",
    ),
)
# The order of masked numbers would reveal their digits.
_MASKED: Final = ("numbers", "caller", "data")


def list_datum_columns(scope: Scope) -> tuple[Column[CallDatum, OutboundFormatter], ...]:
    """List the columns of call data for this person, all sortable while the table is short."""
    masked = not scope.can(Permission.SEE_NUMBERS)
    if masked or not queries.is_short(scope=scope):
        return without_sort(_DATUM_COLUMNS, _MASKED)
    return _DATUM_COLUMNS


def render_datum_details(scope: Scope, row: CallDatum, csrf_token: str) -> SafeString:
    """Render the second line of a row: its IE data, the raw row, and its actions."""
    ie = row.ie
    write_back = reverse("write_back_new", args=[scope.vdn.pk])
    reveal = scope.can(Permission.REVEAL_NUMBERS) and (row.phone_numbers or row.caller_number)
    details = {
        "elements": [(element.name, element.fields) for element in ie.elements],
        "sip_headers": ie.sip_headers,
        "ie_rest": ie.rest,
        "ie_data": row.ie_data,
        "raw": json.dumps(row.raw, ensure_ascii=False, indent=2),
        "write_back_url": f"{write_back}?datum={row.pk}"
        if scope.can(Permission.WRITE_BACK)
        else "",
        "reveal": create_datum_control(scope, row.pk) if reveal else None,
    }
    template: Any = get_template("outbound/_datum.html")
    # Without the context processors of a page, which would run for each row.
    context = Context({"row": details, "csrf_token": csrf_token})
    return SafeString(template.template.render(context))
