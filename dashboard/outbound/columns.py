"""Tasks, batches and rows of call data, ready for the templates and for exports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.ui.paging import format_count
from dashboard.ui.reveal_control import RevealControl, create_datum_control
from dashboard.ui.times import TimeFormatter, format_zone
from isales_proxy.access import Permission, Scope
from isales_proxy.core.settings import get_retention_settings
from isales_proxy.models import BatchState, CallDataBatch, CallDatum
from isales_proxy.outbound import services as call_data
from isales_proxy.outbound import tasks
from isales_proxy.outbound.services import TaskFigures
from isales_proxy.outbound.tasks import Task

_TONES: Final = {
    BatchState.ASKED: "soon",
    BatchState.TAKEN: "answered",
    BatchState.UNREADABLE: "failed",
    BatchState.REFUSED: "called",
    BatchState.UNKNOWN: "late",
    BatchState.LOST: "failed",
}
EXPORT_HEADINGS: Final[tuple[str | Promise, ...]] = (
    gettext_lazy("Batch"),
    gettext_lazy("Taken at"),
    gettext_lazy("Task ID"),
    gettext_lazy("Task"),
    gettext_lazy("Row"),
    gettext_lazy("Unique ID"),
    gettext_lazy("Called numbers"),
    gettext_lazy("Calling number"),
    gettext_lazy("Call data"),
    gettext_lazy("IE data"),
)


@dataclass(frozen=True)
class TaskRow:
    """One task of the list. `gone` is whether the vendor names it no more."""

    service_id: str
    name: str
    url: str
    gone: bool
    batches: str
    rows: str
    last: str
    last_ago: str


def build_task_rows(
    scope: Scope,
    listed: Iterable[Task] | None,
    taken: dict[str, TaskFigures],
    names: dict[str, str],
) -> list[TaskRow]:
    """The vendor's tasks in its order, then the others of which we took rows.

    Of those nobody can say whether the vendor still names them while its list (None) is not known.
    """
    moments = TimeFormatter(timezone.now())
    known = {task.service_id: task.name for task in listed or ()}
    others = {ident: names.get(ident, "") for ident in sorted(taken) if ident not in known}
    return [
        _task_line(
            scope,
            ident,
            name,
            gone=listed is not None and ident not in known,
            taken=taken.get(ident),
            moments=moments,
        )
        for ident, name in [*known.items(), *others.items()]
    ]


def _task_line(
    scope: Scope,
    ident: str,
    name: str,
    *,
    gone: bool,
    taken: TaskFigures | None,
    moments: TimeFormatter,
) -> TaskRow:
    return TaskRow(
        service_id=ident,
        name=name,
        url=reverse("task", args=[scope.vdn.pk, ident]) if tasks.is_task_id(ident) else "",
        gone=gone,
        batches=format_count(taken.batches) if taken else "",
        rows=format_count(taken.rows) if taken else "",
        last=moments.short(taken.last_at) if taken else "",
        last_ago=moments.relative(taken.last_at) if taken else "",
    )


@dataclass(frozen=True)
class BatchRow:
    """One batch in a few words. `advice` says what there is to do about it."""

    id: int
    url: str
    state: str
    state_text: str
    tone: str
    asked_at: str
    asked_ago: str
    by: str
    asked: str
    received: str
    reason: str
    said: str
    advice: str


def build_batch_row(batch: CallDataBatch, moments: TimeFormatter) -> BatchRow:
    """A batch for a list or for the head of its own page."""
    state = BatchState(batch.state)
    return BatchRow(
        id=batch.pk,
        url=reverse("call_data_batch", args=[batch.vdn_id, batch.service_id, batch.pk]),
        state=state.value,
        state_text=str(state.label),
        tone=_TONES[state],
        asked_at=moments.short(batch.asked_at),
        asked_ago=moments.relative(batch.asked_at),
        by=batch.asked_by_name,
        asked=format_count(batch.batch_count),
        received=format_count(batch.received) if state is BatchState.TAKEN else "",
        reason=batch.reason,
        said=_said(batch),
        advice=call_data.get_advice(
            batch,
            when=f"{moments.exact(batch.asked_at)} {format_zone(batch.asked_at, moments.zone)}",
        ),
    )


def _said(batch: CallDataBatch) -> str:
    """What the vendor or the line to it had to say."""
    parts = []
    if batch.vendor_code:
        parts.append(_("Code %(code)s.") % {"code": batch.vendor_code})
        if batch.problem:
            parts.append(_("It says: “%(text)s”") % {"text": batch.problem})
    elif batch.problem:
        # Our own titles are kept in English; what the vendor said stays as it is.
        parts.append(_(batch.problem))
    return " ".join(parts)


def list_batch_details(batch: CallDataBatch, moments: TimeFormatter) -> list[tuple[str, str]]:
    """Label and text of all that is known of a batch; what is empty is left out."""
    days = get_retention_settings().call_data_days
    facts = (
        (_("Asked at"), moments.exact(batch.asked_at)),
        (_("By"), batch.asked_by_name),
        (_("Reason"), batch.reason),
        (_("Rows asked for"), format_count(batch.batch_count)),
        (
            _("Rows received"),
            format_count(batch.received) if batch.state == BatchState.TAKEN else "",
        ),
        (_("Answered at"), moments.exact(batch.answered_at)),
        (_("Size of the answer"), format_count(batch.answer_bytes) if batch.answer_bytes else ""),
        (_("HTTP status"), str(batch.http_status or "")),
        (_("Answer"), "" if batch.raw_complete else _("cut short")),
        (_("Reference"), batch.vendor_request),
        (_("Rows deleted at"), moments.exact(batch.purged_at)),
        (
            _("Kept for"),
            ngettext("%(days)s day", "%(days)s days", days) % {"days": format_count(days)}
            if batch.answered_at and not batch.purged_at and batch.state != BatchState.LOST
            else "",
        ),
    )
    return [(label, text) for label, text in facts if text]


@dataclass(frozen=True)
class DatumRow:
    """One row of call data."""

    id: int
    position: int
    unique_id: str
    numbers: list[str]
    caller: str
    call_data: str
    batch_id: int
    batch_url: str
    taken_at: str
    elements: list[tuple[str, tuple[tuple[str, str], ...]]]
    sip_headers: tuple[tuple[str, str], ...]
    ie_rest: str
    ie_data: str
    raw: str
    write_back_url: str
    reveal: RevealControl | None


def build_datum_rows(scope: Scope, rows: Iterable[CallDatum]) -> list[DatumRow]:
    """Rows for a page; the batches must have come along with them."""
    moments = TimeFormatter(timezone.now())
    write_back = (
        reverse("write_back_new", args=[scope.vdn.pk]) if scope.can(Permission.WRITE_BACK) else ""
    )
    lines = []
    for row in rows:
        ie = row.ie
        batch = row.batch
        lines.append(
            DatumRow(
                id=row.pk,
                position=row.position,
                unique_id=row.unique_id,
                numbers=row.numbers,
                caller=row.caller_number,
                call_data=row.call_data,
                batch_id=batch.pk,
                batch_url=reverse(
                    "call_data_batch", args=[batch.vdn_id, batch.service_id, batch.pk]
                ),
                taken_at=moments.short(batch.asked_at),
                elements=[(element.name, element.fields) for element in ie.elements],
                sip_headers=ie.sip_headers,
                ie_rest=ie.rest,
                ie_data=row.ie_data,
                raw=json.dumps(row.raw, ensure_ascii=False, indent=2),
                write_back_url=f"{write_back}?datum={row.pk}" if write_back else "",
                reveal=create_datum_control(scope, row.pk)
                if scope.can(Permission.REVEAL_NUMBERS) and (row.phone_numbers or row.caller_number)
                else None,
            )
        )
    return lines


def build_export_rows(
    rows: Iterable[CallDatum], names: dict[str, str], moments: TimeFormatter
) -> Iterator[tuple[str, ...]]:
    """The cells of an export in the order of `EXPORT_HEADINGS`."""
    for row in rows:
        task = row.service_id or row.batch.service_id
        yield (
            str(row.batch_id),
            moments.stamp(row.batch.asked_at),
            task,
            names.get(task, ""),
            str(row.position),
            row.unique_id,
            "; ".join(row.numbers),
            row.caller_number,
            row.call_data,
            row.ie_data,
        )


def get_export_headings(moments: TimeFormatter) -> list[str]:
    """The headings in the reader's language; the zone of the times is named."""
    zone: Any = moments.zone
    return [
        f"{heading} ({zone})" if place == 1 else str(heading)
        for place, heading in enumerate(EXPORT_HEADINGS)
    ]
