"""Storage of call data: first the bytes of an answer, then its rows; recovery of answers whose
process died; deletion of old rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import DataError, Error, IntegrityError
from django.utils import timezone

from isales_proxy.access import Scope
from isales_proxy.audit import services as audit
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.transport import Received
from isales_proxy.core import disk_queue
from isales_proxy.core.database import commit_to_disk
from isales_proxy.core.disk_queue import ReservedFile
from isales_proxy.models import AuditAction, BatchState, CallDataBatch, CallDatum
from isales_proxy.outbound.parsing import ParsedAnswer, parse_answer
from isales_proxy.privacy import erased_fields
from isales_proxy.privacy.phone_numbers import get_digits

log = structlog.get_logger("isales")

# Of file names in the disk queue.
FILE_PREFIX: Final = "call-data-"
OPEN: Final = (BatchState.ASKED, BatchState.UNKNOWN)
_ACTIONS: Final = {
    BatchState.TAKEN: AuditAction.CALL_DATA_TAKEN,
    BatchState.UNREADABLE: AuditAction.CALL_DATA_TAKEN,
    BatchState.REFUSED: AuditAction.CALL_DATA_REFUSED,
    BatchState.UNKNOWN: AuditAction.CALL_DATA_UNKNOWN,
}

# A call never exceeds its deadline by as much.
_CALL_SLACK: Final = timedelta(seconds=60)
# The process that has just stored an answer is about to parse it itself.
_PARSE_GRACE: Final = timedelta(seconds=10)
_RESERVED_FILE_AGE: Final = timedelta(days=1)
_BATCHES_PER_TRANSACTION: Final = 100


class AnswerRecorder:
    """Stores the answer of a batch; the client calls it before it parses the answer.

    `lost` when the answer could not be stored, neither in the database nor in `reserved`.
    """

    def __init__(self, batch: CallDataBatch, reserved: ReservedFile) -> None:
        self.batch = batch
        self.received: Received | None = None
        self.lost = False
        self._reserved = reserved

    def __call__(self, received: Received) -> None:
        """Store the answer in the database, else in the reserved file.

        Never raises, so that the rows are parsed in any case.
        """
        self.received = received
        now = timezone.now()
        try:
            with commit_to_disk():
                store_bytes(self.batch, received, now)
        except Error as error:
            # Only the type: a traceback could contain the bytes.
            log.error("call_data_queued_on_disk", batch=self.batch.pk, error=type(error).__name__)
            self._store_on_disk(received, now)

    def _store_on_disk(self, received: Received, now: datetime) -> None:
        facts = {
            "key": self.batch.key,
            "status": received.status,
            "complete": received.complete,
            "request": received.request_id,
            "at": now.isoformat(),
        }
        try:
            self._reserved.put(facts, received.body)
        except OSError as error:
            self.lost = True
            log.critical(
                "call_data_not_stored",
                batch=self.batch.pk,
                error=type(error).__name__,
                bytes=len(received.body),
            )


def store_bytes(batch: CallDataBatch, received: Received, now: datetime) -> None:
    """Store the answer byte for byte, unless the batch is settled already."""
    CallDataBatch.objects.filter(pk=batch.pk, state__in=OPEN).update(
        # The answer of a batch that was marked unknown meanwhile is parsed after all.
        state=BatchState.ASKED,
        raw=received.body,
        raw_complete=received.complete,
        http_status=received.status,
        vendor_request=received.request_id,
        answered_at=now,
    )


def settle_unstored(batch: CallDataBatch, size: int, now: datetime) -> CallDataBatch:
    """Mark a batch as lost, whose answer of `size` bytes could not be stored.

    While the database is unavailable that is noted on disk for `recover`. Never raises.
    """
    batch.state, batch.answer_bytes, batch.answered_at = BatchState.LOST, size, now
    try:
        with commit_to_disk():
            changed = CallDataBatch.objects.filter(pk=batch.pk, state__in=OPEN, raw=None).update(
                state=BatchState.LOST, answer_bytes=size, answered_at=now
            )
            if changed:
                audit.record(
                    AuditAction.CALL_DATA_TAKEN,
                    by=None,
                    vdn_id=batch.vdn_id,
                    subject=batch.service_id,
                    batch=batch.pk,
                    state=BatchState.LOST.value,
                    asked=batch.batch_count,
                    bytes=size,
                )
        disk_queue.remove(FILE_PREFIX + batch.key)
    except Error as failure:
        log.error("call_data_not_settled", batch=batch.pk, error=type(failure).__name__)
        try:
            facts = {"key": batch.key, "lost": size, "at": now.isoformat()}
            disk_queue.store(FILE_PREFIX + batch.key, facts, b"")
        except OSError as error:
            log.critical("call_data_loss_not_stored", batch=batch.pk, error=type(error).__name__)
    return batch


def settle(
    batch: CallDataBatch,
    received: Received | None,
    error: ISalesError | None,
    *,
    by: Scope | None,
) -> CallDataBatch:
    """Settle a batch: store its rows, its state and the audit event in one transaction.

    A settled batch is not changed again. While the database is unavailable the batch stays
    unchanged, and `recover` settles it later.
    """
    answer = parse_answer(received, error)
    request = received.request_id if received else error.request_id if error else ""
    try:
        try:
            found = _store_rows(batch, answer, received, request, by)
        except (DataError, IntegrityError):
            # The database will never accept these rows; the bytes stay stored.
            answer = ParsedAnswer(BatchState.UNREADABLE)
            found = _store_rows(batch, answer, received, request, by)
    except Error as failure:
        log.error("call_data_not_settled", batch=batch.pk, error=type(failure).__name__)
        return batch
    disk_queue.remove(FILE_PREFIX + batch.key)
    log.info("call_data", batch=batch.pk, state=str(found.state), rows=found.received)
    return found


def _store_rows(
    batch: CallDataBatch,
    answer: ParsedAnswer,
    received: Received | None,
    request: str,
    by: Scope | None,
) -> CallDataBatch:
    with commit_to_disk():
        found = CallDataBatch.objects.select_for_update().without_answer().get(pk=batch.pk)
        if found.state not in OPEN or found.state == answer.state:
            return found
        if received is not None and found.answered_at is None:
            store_bytes(found, received, timezone.now())
            found.refresh_from_db(fields=["answered_at", "http_status", "raw_complete"])
        for row in answer.rows:
            row.batch = found
        CallDatum.objects.bulk_create(answer.rows, batch_size=200)
        found.state, found.received = answer.state, len(answer.rows)
        found.vendor_code, found.problem, found.vendor_request = (
            answer.code,
            answer.problem,
            request,
        )
        found.save(update_fields=["state", "received", "vendor_code", "problem", "vendor_request"])
        audit.record(
            _ACTIONS[answer.state],
            by=by,
            vdn_id=found.vdn_id,
            subject=found.service_id,
            batch=found.pk,
            state=answer.state.value,
            asked=found.batch_count,
            received=found.received,
        )
    return found


def settle_lost(now: datetime | None = None) -> int:
    """Settle all batches whose process died: from the stored answer, else as unknown.

    Returns the number of unknown ones.
    """
    now = now or timezone.now()
    recover(now)
    longest = timedelta(seconds=settings.ISALES.longest_call) + _CALL_SLACK
    lost = CallDataBatch.objects.lost(now, longest).without_answer()
    return sum(settle(batch, None, None, by=None).state == BatchState.UNKNOWN for batch in lost)


def recover(now: datetime | None = None) -> int:
    """Parse the answers that were stored but not parsed, on disk and in the database.

    Returns the number of batches settled from the database.
    """
    now = now or timezone.now()
    for name in disk_queue.list_names(FILE_PREFIX):
        _recover_file(name)
    unparsed = CallDataBatch.objects.unparsed(now, _PARSE_GRACE).values_list("pk", flat=True)
    return sum(_settle_stored(pk) for pk in list(unparsed))


def purge(now: datetime) -> int:
    """Delete rows and answers older than the settings keep them; the batches stay.

    Returns the number of rows.
    """
    before = now - timedelta(days=settings.RETENTION.call_data_days)
    for name in disk_queue.list_names(FILE_PREFIX):
        _remove_if_expired(name, before)
    # Each has reserved space for the largest answer; no call takes that long.
    disk_queue.remove_incomplete(now - _RESERVED_FILE_AGE)
    found = CallDataBatch.objects.filter(purged_at=None, asked_at__lt=before)
    expired = found.exclude(state=BatchState.ASKED)
    total = 0
    for vdn_id in sorted(set(expired.order_by().values_list("vdn_id", flat=True))):
        while batches := list(
            expired.filter(vdn_id=vdn_id).values_list("pk", flat=True)[:_BATCHES_PER_TRANSACTION]
        ):
            total += _delete_rows(vdn_id, batches, now)
    return total


@dataclass(frozen=True)
class ForgottenCallData:
    """Numbers of deleted rows of call data, and of rows and batches that contained the number."""

    deleted: int
    cleaned: int


def forget_number(*, vdn_id: int, digits: str) -> ForgottenCallData:
    """Delete the rows of a called number, given by its digits, and remove the number from all other
    rows and batches of the VDN."""
    rows = CallDatum.objects.for_vdn(vdn_id)
    keys = [
        key
        for key, text in rows.order_by().values_list("pk", "phone_numbers").iterator()
        if any(get_digits(number) == digits for number in text.split("\n"))
    ]
    for start in range(0, len(keys), _BATCHES_PER_TRANSACTION):
        CallDatum.objects.filter(pk__in=keys[start : start + _BATCHES_PER_TRANSACTION]).delete()
    cleaned = erased_fields.remove_from_rows(rows, digits)
    # One at a time, since an answer may have some megabytes.
    batches = CallDataBatch.objects.for_vdn(vdn_id)
    cleaned += erased_fields.remove_from_rows(batches, digits, chunk=1)
    return ForgottenCallData(len(keys), cleaned)


def _recover_file(name: str) -> None:
    """Move an answer from disk into the database, unless it belongs to another database."""
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
