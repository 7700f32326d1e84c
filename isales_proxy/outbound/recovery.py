"""Settling batches whose process died, and deleting old rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.utils import timezone

from isales_proxy.audit import services as audit
from isales_proxy.client.transport import Received
from isales_proxy.core import disk_queue
from isales_proxy.core.database import commit_to_disk
from isales_proxy.core.settings import get_isales_settings, get_retention_settings
from isales_proxy.models import AuditAction, BatchState, CallDataBatch, CallDatum
from isales_proxy.outbound.storage import FILE_PREFIX, settle, settle_unstored, store_bytes
from isales_proxy.privacy import erased_fields
from isales_proxy.privacy.phone_numbers import get_digits

log = structlog.get_logger("isales")

# Longer than a call can outlast its deadline.
LOST_AFTER: Final = timedelta(seconds=60)
# The process that has just stored an answer is about to parse it itself.
_GRACE: Final = timedelta(seconds=10)
_DRAFT_DAYS: Final = timedelta(days=1)
_BATCHES_PER_TRANSACTION: Final = 100


def settle_lost(now: datetime | None = None) -> int:
    """Settle all batches whose process died: from the answer where there is one, else as unknown.

    Returns how many became unknown.
    """
    now = now or timezone.now()
    recover(now)
    longest = timedelta(seconds=get_isales_settings().longest_call) + LOST_AFTER
    lost = CallDataBatch.objects.lost(now, longest).without_answer()
    return sum(settle(batch, None, None, by=None).state == BatchState.UNKNOWN for batch in lost)


def recover(now: datetime | None = None) -> int:
    """Parse the answers that were stored but not parsed, on disk and in the database.

    Returns how many batches of the database were settled.
    """
    now = now or timezone.now()
    for name in disk_queue.list_names(FILE_PREFIX):
        _recover_file(name)
    unparsed = CallDataBatch.objects.unparsed(now, _GRACE).values_list("pk", flat=True)
    return sum(_settle_stored(pk) for pk in list(unparsed))


def purge(now: datetime | None = None) -> int:
    """Delete rows and answers older than the settings keep them; the batches stay.

    Returns the number of rows.
    """
    now = now or timezone.now()
    before = now - timedelta(days=get_retention_settings().call_data_days)
    for name in disk_queue.list_names(FILE_PREFIX):
        _remove_if_expired(name, before)
    # Each reserves room for the largest answer; no call takes that long.
    disk_queue.remove_incomplete(now - _DRAFT_DAYS)
    expired = CallDataBatch.objects.expired(before)
    total = 0
    for vdn_id in sorted(set(expired.order_by().values_list("vdn_id", flat=True))):
        while batches := list(
            expired.filter(vdn_id=vdn_id).values_list("pk", flat=True)[:_BATCHES_PER_TRANSACTION]
        ):
            total += _delete_rows(vdn_id, batches, now)
    return total


@dataclass(frozen=True)
class ForgottenCallData:
    """Rows of call data that were deleted, and other rows and requests that lost the number."""

    deleted: int
    cleaned: int


def forget_number(*, vdn_id: int, digits: str) -> ForgottenCallData:
    """Delete the rows of call data of a called number, given by its digits, and take it out of the
    other rows, the requests and the answers of a VDN."""
    rows = CallDatum.objects.for_vdn(vdn_id)
    its = [
        key
        for key, text in rows.order_by().values_list("pk", "phone_numbers").iterator()
        if any(get_digits(number) == digits for number in text.split("\n"))
    ]
    for start in range(0, len(its), _BATCHES_PER_TRANSACTION):
        CallDatum.objects.filter(pk__in=its[start : start + _BATCHES_PER_TRANSACTION]).delete()
    cleaned = erased_fields.remove_from_rows(rows, digits)
    # One at a time: an answer has up to some megabytes.
    batches = CallDataBatch.objects.for_vdn(vdn_id)
    cleaned += erased_fields.remove_from_rows(batches, digits, chunk=1)
    return ForgottenCallData(len(its), cleaned)


def _recover_file(name: str) -> None:
    """Move an answer from disk into the database; one of another database stays where it is."""
    kept = disk_queue.fetch(name)
    batch = (
        CallDataBatch.objects.filter(key=name.removeprefix(FILE_PREFIX)).without_answer().first()
    )
    if kept is None or batch is None:
        log.warning("call_data_file_left", readable=kept is not None)
        return
    at = datetime.fromisoformat(str(kept.facts["at"]))
    if "lost" in kept.facts:
        settle_unstored(batch, int(kept.facts["lost"]), at)
        return
    received = Received(
        status=int(kept.facts["status"]),
        body=kept.body,
        complete=bool(kept.facts["complete"]),
        request_id=str(kept.facts["request"]),
    )
    if batch.answered_at is None:
        with commit_to_disk():
            store_bytes(batch, received, at)
    settle(batch, received, None, by=None)


def _settle_stored(pk: int) -> bool:
    """Settle a batch from the answer in the database."""
    batch = CallDataBatch.objects.get(pk=pk)
    received = Received(
        status=batch.http_status or 0,
        body=bytes(batch.raw or b""),
        complete=batch.raw_complete,
        request_id=batch.vendor_request,
    )
    return settle(batch, received, None, by=None).state != BatchState.ASKED


def _remove_if_expired(name: str, before: datetime) -> None:
    kept = disk_queue.fetch(name)
    if kept is not None and datetime.fromisoformat(str(kept.facts["at"])) < before:
        disk_queue.remove(name)


def _delete_rows(vdn_id: int, batches: list[int], now: datetime) -> int:
    with commit_to_disk():
        rows, _by_model = CallDatum.objects.filter(batch__in=batches).delete()
        CallDataBatch.objects.filter(pk__in=batches).update(raw=None, purged_at=now)
        audit.record(
            AuditAction.CALL_DATA_PURGED,
            by=None,
            vdn_id=vdn_id,
            batches=len(batches),
            rows=rows,
        )
    return rows
