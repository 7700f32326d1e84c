"""Looking at the call data that was taken: from our own tables alone, never from the vendor.

Rows and batches come out masked for who may not see numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Max, Q, QuerySet, Sum

from isales_proxy.access import Permission, Scope, VdnNotFound
from isales_proxy.audit import services as audit
from isales_proxy.core.input_cleaning import clean_text
from isales_proxy.models import AuditAction, BatchState, CallDataBatch, CallDatum
from isales_proxy.number_access import services as searches
from isales_proxy.outbound.recovery import settle_lost
from isales_proxy.privacy import masked_copies
from isales_proxy.privacy.phone_numbers import SearchedNumber

DEFAULT_SIZE: Final = 25
_CHUNK: Final = 500


@dataclass(frozen=True)
class RowQuery:
    """Which rows: of a task, of a batch, with a text in them. Empty ones ask for any."""

    service_id: str = ""
    batch_id: int | None = None
    text: str = ""
    page: int = 1
    size: int = DEFAULT_SIZE


@dataclass(frozen=True)
class RowPage:
    """Rows of one page with their batches, the newest batch first, and the total of all pages."""

    rows: tuple[CallDatum, ...]
    total: int


@dataclass(frozen=True)
class BatchPage:
    """Batches of one page, the newest first, and the total of all pages."""

    rows: tuple[CallDataBatch, ...]
    total: int


@dataclass(frozen=True)
class TaskFigures:
    """What was taken of one task so far. `last_at` (aware UTC) is when it was last asked for."""

    batches: int
    rows: int
    last_at: datetime


@dataclass(frozen=True)
class Export:
    """All rows of a question as they stand now, and how many."""

    rows: Iterator[CallDatum]
    total: int


def get_figures(*, scope: Scope) -> dict[str, TaskFigures]:
    """Task ID → what was taken, for every task that was ever asked about. Raises NotAllowed."""
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
    *, scope: Scope, service_id: str = "", page: int = 1, size: int = DEFAULT_SIZE
) -> BatchPage:
    """The batches of a VDN, or of one of its tasks. Raises NotAllowed."""
    scope.require(Permission.SEE_OUTBOUND)
    settle_lost()
    found = _batches(scope)
    if service_id:
        found = found.filter(service_id=service_id)
    shown = tuple(found[size * (page - 1) : size * page])
    return BatchPage(
        tuple(masked_copies.mask_batch_for(scope, each) for each in shown), found.count()
    )


def get_batch(*, scope: Scope, batch_id: int) -> CallDataBatch:
    """One batch. Raises NotAllowed, and NotYours when there is none of this number in the VDN."""
    scope.require(Permission.SEE_OUTBOUND)
    settle_lost()
    found = _batches(scope).filter(pk=batch_id).first()
    if found is None:
        raise VdnNotFound
    return masked_copies.mask_batch_for(scope, found)


def list_rows(*, scope: Scope, question: RowQuery) -> RowPage:
    """One page of the rows. Raises NotAllowed and SearchesSpent."""
    scope.require(Permission.SEE_OUTBOUND)
    if (number := SearchedNumber.parse(question.text)).is_complete:
        searches.count_search(scope, number)
    found = _rows(scope, question)
    first = question.size * (question.page - 1)
    return RowPage(_shown(scope, found[first : first + question.size]), found.count())


def list_all_rows(*, scope: Scope, batch_id: int) -> tuple[CallDatum, ...]:
    """Every row of one batch, in the vendor's order. Raises NotAllowed."""
    scope.require(Permission.SEE_OUTBOUND)
    return _shown(scope, _rows(scope, RowQuery(batch_id=batch_id)))


def get_datum(*, scope: Scope, datum_id: int) -> CallDatum:
    """One row with its batch. Raises NotAllowed, and NotYours when the VDN has none of this ID."""
    scope.require(Permission.SEE_OUTBOUND)
    return _shown(scope, [get_unmasked_datum(scope, datum_id)])[0]


def get_unmasked_datum(scope: Scope, datum_id: int) -> CallDatum:
    """One row with its numbers whole, for services alone. Raises NotYours."""
    found = _rows(scope, RowQuery()).filter(pk=datum_id).first()
    if found is None:
        raise VdnNotFound
    return found


def export_rows(*, scope: Scope, question: RowQuery, kind: str) -> Export:
    """All rows of the question, whatever its page; audited. Raises NotAllowed and SearchesSpent.

    `kind` is what they are written as. Rows that come while they are read are left out.
    """
    scope.require(Permission.SEE_OUTBOUND)
    number = SearchedNumber.parse(question.text)
    if number.is_complete and not scope.can(Permission.SEE_NUMBERS):
        searches.count_search(scope, number)
    found = _rows(scope, question)
    counted = found.order_by().aggregate(total=Count("pk"), last=Max("pk"))
    total = int(counted["total"])
    _record_export(
        scope,
        subject=question.service_id,
        rows=total,
        kind=kind,
        batch=question.batch_id,
        searched=bool(question.text),
        masked=not scope.can(Permission.SEE_NUMBERS),
        number=number.text if number.is_complete else "",
    )
    found = found.filter(pk__lte=counted["last"] or 0).defer("raw", "batch__raw")
    streamed = found.iterator(chunk_size=_CHUNK)
    return Export(
        streamed if scope.can(Permission.SEE_NUMBERS) else map(masked_copies.mask_datum, streamed),
        total,
    )


def get_raw_answer(*, scope: Scope, batch_id: int) -> bytes:
    """The vendor's answer byte for byte, where it could not be read; audited.

    Nobody can mask what cannot be read: it is for those who see numbers. Raises NotAllowed, and
    NotYours when there is no such answer.
    """
    scope.require(Permission.SEE_RAW_ANSWERS)
    found = (
        CallDataBatch.objects.filter(vdn=scope.vdn, pk=batch_id, state=BatchState.UNREADABLE)
        .exclude(raw=None)
        .first()
    )
    if found is None:
        raise VdnNotFound
    _record_export(scope, subject=found.service_id, kind="raw answer", batch=found.pk)
    return bytes(found.raw or b"")


def _record_export(scope: Scope, *, subject: str, **detail: Any) -> None:
    # Of a number that was searched for the audit keeps the fingerprint; another text is left out.
    audit.record(AuditAction.CALL_DATA_EXPORTED, by=scope, subject=subject, **detail)


def _batches(scope: Scope) -> QuerySet[CallDataBatch]:
    """An answer may have megabytes: it is left in the database."""
    return CallDataBatch.objects.filter(vdn=scope.vdn).defer("raw")


def _rows(scope: Scope, question: RowQuery) -> QuerySet[CallDatum]:
    found = CallDatum.objects.filter(batch__vdn=scope.vdn)
    if question.service_id:
        found = found.filter(batch__service_id=question.service_id)
    if question.batch_id is not None:
        found = found.filter(batch=question.batch_id)
    if question.text:
        holding = _holding if scope.can(Permission.SEE_NUMBERS) else _holding_without_numbers
        found = found.filter(holding(question.text))
    found = found.select_related("batch").defer("batch__raw")
    return found.order_by("-batch_id", "position")


def _shown(scope: Scope, found: Iterable[CallDatum]) -> tuple[CallDatum, ...]:
    return (
        tuple(found)
        if scope.can(Permission.SEE_NUMBERS)
        else tuple(map(masked_copies.mask_datum, found))
    )


def _holding_without_numbers(text: str) -> Q:
    """What finds no number by its parts: figures only in unique IDs, a number only as a whole."""
    numberless = not any(character.isnumeric() for character in text)
    names = ("unique_id", "call_data", "ie_data") if numberless else ("unique_id",)
    wanted = _in_any(names, text)
    number = SearchedNumber.parse(text)
    if number.is_complete:
        for spelt in number.spellings:
            wanted |= Q(caller_number=spelt) | Q(phone_numbers=spelt)
            wanted |= Q(phone_numbers__startswith=f"{spelt}\n")
            wanted |= Q(phone_numbers__endswith=f"\n{spelt}")
            wanted |= Q(phone_numbers__contains=f"\n{spelt}\n")
    return wanted


def _holding(text: str) -> Q:
    """A text in any field; a number also where it is written with blanks or dashes."""
    wanted = _in_any(("unique_id", "phone_numbers", "caller_number", "call_data", "ie_data"), text)
    digits = SearchedNumber.parse(text).text.removeprefix("+")
    if digits != text and digits.isdigit():
        wanted |= Q(phone_numbers__contains=digits) | Q(caller_number__contains=digits)
    return wanted


def _in_any(names: Iterable[str], text: str) -> Q:
    """The text in one of these fields, as it was typed or in its compatibility form."""
    wanted = Q()
    for name in names:
        for spelt in {text, clean_text(text)}:
            wanted |= Q(**{f"{name}__icontains": spelt})
    return wanted
