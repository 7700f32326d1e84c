"""Rows of tasks, batches and call data, for the templates and for exports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.template import Context
from django.template.loader import get_template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.ui.columns import NOTHING, Cell, Column, ExportColumn, export_attribute
from dashboard.ui.list_page import ListPage
from dashboard.ui.list_url import ListUrl
from dashboard.ui.local_lists import LocalFormatter, render_badge, without_sort
from dashboard.ui.paging import Pager, format_count
from dashboard.ui.reveal_control import create_datum_control
from dashboard.ui.times import TimeFormatter, format_zone
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
    """One task of the list. `gone` when the vendor does not list it any more."""

    service_id: str
    name: str
    gone: bool
    taken: TaskFigures | None

    @property
    def batches(self) -> int | None:
        """Number of batches; None without any."""
        return self.taken.batches if self.taken else None

    @property
    def rows(self) -> int | None:
        """Number of rows taken; None without a batch."""
        return self.taken.rows if self.taken else None

    @property
    def last_at(self) -> datetime | None:
        """Time of the last request."""
        return self.taken.last_at if self.taken else None


class OutboundFormatter:
    """The facts that all rows of a page share. `names` are those of the tasks known."""

    def __init__(self, scope: Scope) -> None:
        self.vdn_id = scope.vdn.pk
        self.times = TimeFormatter(timezone.now())
        self.names = tasks.get_known_tasks(scope=scope)


def build_task_rows(
    listed: Iterable[Task] | None, taken: dict[str, TaskFigures], names: dict[str, str]
) -> list[TaskRow]:
    """The vendor's tasks in its order, then other tasks with call data.

    Without the vendor's list (None) no task is marked as gone.
    """
    known = {task.service_id: task.name for task in listed or ()}
    others = {ident: names.get(ident, "") for ident in sorted(taken) if ident not in known}
    return [
        TaskRow(
            service_id=ident,
            name=name,
            gone=listed is not None and ident not in known,
            taken=taken.get(ident),
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


def _build_figure(field: str, label: str, count: int | None) -> Cell:
    return Cell(field, NOTHING if count is None else format_count(count), label=label)


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
    Column(
        "batches",
        gettext_lazy("Batches"),
        "c-figure",
        lambda row, _each: _build_figure("batches", _("Batches"), row.batches),
        exports=(export_attribute(gettext_lazy("Batches"), "batches"),),
        sort="batches",
    ),
    Column(
        "rows",
        gettext_lazy("Rows taken"),
        "c-figure",
        lambda row, _each: _build_figure("rows", _("Rows taken"), row.rows),
        exports=(export_attribute(gettext_lazy("Rows taken"), "rows"),),
        sort="rows",
    ),
    Column(
        "last",
        gettext_lazy("Last taken"),
        "c-last",
        _build_last,
        exports=(export_attribute(gettext_lazy("Last taken"), "last_at", zoned=True),),
        sort="last_at",
    ),
)


@dataclass(frozen=True)
class BatchHead:
    """Head of a page about one batch. `said` is the vendor's answer, `advice` what to do about
    it."""

    id: int
    url: str
    state: str
    state_text: str
    tone: str
    said: str
    advice: str


def build_batch_head(batch: CallDataBatch, times: TimeFormatter) -> BatchHead:
    """Build the head of the page about a batch."""
    state = BatchState(batch.state)
    return BatchHead(
        id=batch.pk,
        url=_get_batch_url(batch),
        state=state.value,
        state_text=str(state.label),
        tone=_TONES[state],
        said=_describe_answer(batch),
        advice=labels.get_advice(
            batch,
            when=f"{times.exact(batch.asked_at)} {format_zone(batch.asked_at, times.zone)}",
        ),
    )


def _get_batch_url(batch: CallDataBatch) -> str:
    return reverse("call_data_batch", args=[batch.vdn_id, batch.service_id, batch.pk])


def _describe_answer(batch: CallDataBatch) -> str:
    """The vendor's code and sentence, or our own title of the problem."""
    parts = []
    if batch.vendor_code:
        parts.append(_("Code %(code)s.") % {"code": batch.vendor_code})
        if batch.problem:
            parts.append(_("It says: “%(text)s”") % {"text": batch.problem})
    elif batch.problem:
        # Our own titles are stored in English; the vendor's sentences are not translated.
        parts.append(_(batch.problem))
    return " ".join(parts)


def list_batch_details(batch: CallDataBatch, times: TimeFormatter) -> list[tuple[str, str]]:
    """Label and text of all facts of a batch; empty ones are left out."""
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


_BATCH_COLUMNS: Final[tuple[Column[CallDataBatch, LocalFormatter], ...]] = (
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
# Neither has an index.
_LONG_BATCHES: Final = ("by", "rows", "state")


def list_batch_columns(scope: Scope) -> tuple[Column[CallDataBatch, LocalFormatter], ...]:
    """List the columns of batches, sortable by each while the table is short."""
    if queries.has_few_batches(scope=scope):
        return _BATCH_COLUMNS
    return without_sort(_BATCH_COLUMNS, _LONG_BATCHES)


def fill_batches(
    page: ListPage[CallDataBatch, LocalFormatter], rows: Sequence[CallDataBatch], total: int
) -> Pager:
    """Fill one page of batches; returns its pager."""
    return page.fill(
        rows,
        LocalFormatter(),
        total=total,
        get_id=lambda batch: f"b-{batch.pk}",
        get_attributes=lambda batch: (
            ("data-batch", str(batch.pk)),
            ("data-batch-state", batch.state),
        ),
    )


def build_newest_batches(
    address: ListUrl, rows: Sequence[CallDataBatch], total: int
) -> ListPage[CallDataBatch, LocalFormatter]:
    """Build the table of the newest batches, which is always in that order."""
    fixed = without_sort(_BATCH_COLUMNS, [column.key for column in _BATCH_COLUMNS])
    page = ListPage(fixed, address, _("Batches, the newest first"), css="batches")
    fill_batches(page, rows, total)
    return page


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
# The order of what is masked would tell the digits.
_MASKED: Final = ("numbers", "caller", "data")


def list_datum_columns(scope: Scope) -> tuple[Column[CallDatum, OutboundFormatter], ...]:
    """List the columns of call data for this person, sortable while the table is short."""
    masked = not scope.can(Permission.SEE_NUMBERS)
    if masked or not queries.is_short(scope=scope):
        return without_sort(_DATUM_COLUMNS, _MASKED)
    return _DATUM_COLUMNS


def render_datum_details(scope: Scope, row: CallDatum, csrf_token: str) -> SafeString:
    """Render the second line of a row: its IE data, the raw row, and what can be done with it."""
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
