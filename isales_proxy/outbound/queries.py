"""Reads of call data from our own tables; the vendor is not called.

Rows and batches are masked for people who may not see numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Max, Sum

from isales_proxy.access import Permission, Scope, VdnNotFound
from isales_proxy.audit import services as audit
from isales_proxy.core.form_fields import DEFAULT_SIZE
from isales_proxy.core.input_cleaning import clean_text
from isales_proxy.models import AuditAction, BatchState, CallDataBatch, CallDatum
from isales_proxy.models.outbound import CallDataBatchQuerySet, CallDatumQuerySet
from isales_proxy.number_access import services as searches
from isales_proxy.outbound.storage import settle_lost
from isales_proxy.privacy import masked_copies
from isales_proxy.privacy.phone_numbers import SearchedNumber

_CHUNK: Final = 500


@dataclass(frozen=True)
class RowQuery:
    """Filter, page and order of the rows; empty values match anything. `order` has expressions for
    `order_by`."""

    service_id: str = ""
    batch_id: int | None = None
    text: str = ""
    page: int = 1
    size: int = DEFAULT_SIZE
    order: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskFigures:
    """Numbers of batches and rows of one task. `last_at` (aware UTC) is the last request."""

    batches: int
    rows: int
    last_at: datetime


def get_figures(*, scope: Scope) -> dict[str, TaskFigures]:
    """Return the figures of all tasks with a batch, by task ID. Raises PermissionMissing."""
    scope.require(Permission.SEE_OUTBOUND)
    found = (
        _batches(scope)
        .order_by()
        .values("service_id")
        .annotate(batches=Count("pk"), rows_taken=Sum("received"), last_at=Max("asked_at"))
    )
    return {
        each["service_id"]: TaskFigures(each["batches"], each["rows_taken"], each["last_at"])
        for each in found
    }


def list_batches(
    *,
    scope: Scope,
    service_id: str = "",
    page: int = 1,
    size: int = DEFAULT_SIZE,
    order: tuple[str, ...] = (),
) -> tuple[tuple[CallDataBatch, ...], int]:
    """Return one page of the batches of a VDN or task, the newest first, and their total number.

    Raises PermissionMissing.
    """
    scope.require(Permission.SEE_OUTBOUND)
    settle_lost()
    found = _filter_batches(scope, service_id, order)
    shown = found.get_page(page, size)
    return tuple(masked_copies.mask_batch_for(scope, each) for each in shown), found.count()


def has_few_batches(*, scope: Scope) -> bool:
    """Tell whether this VDN's batches may be sorted by any column. Raises PermissionMissing."""
    scope.require(Permission.SEE_OUTBOUND)
    return _batches(scope).is_short()


def export_batches(
    *, scope: Scope, service_id: str, kind: str, order: tuple[str, ...] = ()
) -> tuple[Iterator[CallDataBatch], int]:
    """Return all batches of one task and their number, and record the export in the audit.

    `kind` is the file format. Raises PermissionMissing.
    """
    scope.require(Permission.SEE_OUTBOUND, Permission.EXPORT)
    settle_lost()
    found, total = _filter_batches(scope, service_id, order).freeze()
    _record_export(scope, subject=service_id, kind=kind, batches=total)
    streamed = found.iterator(chunk_size=_CHUNK)
    return (masked_copies.mask_batch_for(scope, each) for each in streamed), total


def get_batch(*, scope: Scope, batch_id: int) -> CallDataBatch:
    """Get one batch of the VDN. Raises PermissionMissing and VdnNotFound."""
    scope.require(Permission.SEE_OUTBOUND)
    settle_lost()
    found = _batches(scope).filter(pk=batch_id).first()
    if found is None:
        raise VdnNotFound
    return masked_copies.mask_batch_for(scope, found)


def list_rows(*, scope: Scope, query: RowQuery) -> tuple[tuple[CallDatum, ...], int]:
    """Return one page of the rows with their batches, the newest batch first, and the total number.

    Raises PermissionMissing and DailySearchLimitExceeded.
    """
    scope.require(Permission.SEE_OUTBOUND)
    searches.count_complete_number(scope, query.text)
    found = _rows(scope, query)
    shown = found.get_page(query.page, query.size)
    return tuple(masked_copies.mask_data_for(scope, shown)), found.count()


def is_short(*, scope: Scope) -> bool:
    """Tell whether this VDN's rows may be sorted by any column. Raises PermissionMissing."""
    scope.require(Permission.SEE_OUTBOUND)
    return CallDatum.objects.for_vdn(scope.vdn).is_short()


def record_task_export(*, scope: Scope, kind: str, rows: int, searched: bool) -> None:
    """Record an export of the list of tasks in the audit. Raises PermissionMissing."""
    scope.require(Permission.SEE_OUTBOUND, Permission.EXPORT)
    audit.record(AuditAction.TASKS_EXPORTED, by=scope, kind=kind, rows=rows, searched=searched)


def list_all_rows(*, scope: Scope, batch_id: int) -> tuple[CallDatum, ...]:
    """List every row of one batch, in the vendor's order. Raises PermissionMissing."""
    scope.require(Permission.SEE_OUTBOUND)
    return tuple(masked_copies.mask_data_for(scope, _rows(scope, RowQuery(batch_id=batch_id))))


def get_unmasked_datum(scope: Scope, datum_id: int) -> CallDatum:
    """Get one row unmasked, for services only. Raises VdnNotFound."""
    found = _rows(scope, RowQuery()).filter(pk=datum_id).first()
    if found is None:
        raise VdnNotFound
    return found


def export_rows(*, scope: Scope, query: RowQuery, kind: str) -> tuple[Iterable[CallDatum], int]:
    """Return all rows of the query, whatever its page, and their number, and record the export.

    `kind` is the file format. Raises PermissionMissing and DailySearchLimitExceeded.
    """
    scope.require(Permission.SEE_OUTBOUND, Permission.EXPORT)
    number = SearchedNumber.parse(query.text)
    if number.is_complete and not scope.can(Permission.SEE_NUMBERS):
        searches.count_search(scope, number)
    found, total = _rows(scope, query).freeze()
    _record_export(
        scope,
        subject=query.service_id,
        rows=total,
        kind=kind,
        batch=query.batch_id,
        searched=bool(query.text),
        masked=not scope.can(Permission.SEE_NUMBERS),
        number=number.text if number.is_complete else "",
    )
    streamed = found.defer("raw", "batch__raw").iterator(chunk_size=_CHUNK)
    return masked_copies.mask_data_for(scope, streamed), total


def get_raw_answer(*, scope: Scope, batch_id: int) -> bytes:
    """Get an answer that could not be parsed, byte for byte and unmasked; audited.

    Raises PermissionMissing, and VdnNotFound for any other batch.
    """
    scope.require(Permission.SEE_RAW_ANSWERS)
    found = (
        CallDataBatch.objects.for_vdn(scope.vdn)
        .filter(pk=batch_id, state=BatchState.UNREADABLE)
        .exclude(raw=None)
        .first()
    )
    if found is None:
        raise VdnNotFound
    _record_export(scope, subject=found.service_id, kind="raw answer", batch=found.pk)
    return bytes(found.raw or b"")


def _record_export(scope: Scope, *, subject: str, **detail: Any) -> None:
    # The audit keeps the fingerprint of a searched number; any other searched text is left out.
    audit.record(AuditAction.CALL_DATA_EXPORTED, by=scope, subject=subject, **detail)


def _batches(scope: Scope) -> CallDataBatchQuerySet:
    return CallDataBatch.objects.for_vdn(scope.vdn).without_answer()


def _filter_batches(scope: Scope, service_id: str, order: tuple[str, ...]) -> CallDataBatchQuerySet:
    found = _batches(scope).sorted_by(order)
    return found.filter(service_id=service_id) if service_id else found


def _rows(scope: Scope, query: RowQuery) -> CallDatumQuerySet:
    found = CallDatum.objects.for_vdn(scope.vdn).with_batch().sorted_by(query.order)
    if query.service_id:
        found = found.filter(batch__service_id=query.service_id)
    if query.batch_id is not None:
        found = found.filter(batch=query.batch_id)
    return _search(found, query.text, scope) if query.text else found


def _search(rows: CallDatumQuerySet, text: str, scope: Scope) -> CallDatumQuerySet:
    """Select the rows that contain the text, as typed or in its compatibility form.

    A number may be typed with blanks or dashes. For people who may not see numbers it must be
    complete, since with parts of it they could find the rest, digit by digit.
    """
    number = SearchedNumber.parse(text)
    spellings = {text, clean_text(text)}
    if scope.can(Permission.SEE_NUMBERS):
        digits = number.text.removeprefix("+")
        return rows.matching(
            spellings,
            fields=("unique_id", "phone_numbers", "caller_number", "call_data", "ie_data"),
            digits=digits if digits != text and digits.isdigit() else "",
        )
    has_digits = any(character.isnumeric() for character in text)
    return rows.matching(
        spellings,
        fields=("unique_id",) if has_digits else ("unique_id", "call_data", "ie_data"),
        numbers=number.spellings if number.is_complete else (),
    )
