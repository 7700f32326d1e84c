"""Storage of an answer with call data: its bytes as soon as they arrive, then its rows."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog
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

log = structlog.get_logger("isales")

FILE_PREFIX: Final = "call-data-"
"""Of the files in the disk queue."""
OPEN: Final = (BatchState.ASKED, BatchState.UNKNOWN)
_ACTIONS: Final = {
    BatchState.TAKEN: AuditAction.CALL_DATA_TAKEN,
    BatchState.UNREADABLE: AuditAction.CALL_DATA_TAKEN,
    BatchState.REFUSED: AuditAction.CALL_DATA_REFUSED,
    BatchState.UNKNOWN: AuditAction.CALL_DATA_UNKNOWN,
}


class AnswerRecorder:
    """Stores the answer of a batch; the client calls it before anything else.

    `room` is the reserved file. `lost` when the answer arrived and could not be stored.
    """

    def __init__(self, batch: CallDataBatch, room: ReservedFile) -> None:
        self.batch = batch
        self.received: Received | None = None
        self.lost = False
        self._room = room

    def __call__(self, received: Received) -> None:
        """Store the answer in the database, else in the file. Never raises: the rows may still be
        parsed."""
        self.received = received
        now = timezone.now()
        try:
            with commit_to_disk():
                store_bytes(self.batch, received, now)
        except Error as error:
            # The type alone: a traceback could contain the bytes.
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
            self._room.put(facts, received.body)
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
    """Mark a batch whose answer of `size` bytes arrived and is lost, in the database, else on disk
    for `recover`. Never raises."""
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

    A settled batch is not changed again. While the database takes nothing the batch stays as it
    was, and `recover` does this later.
    """
    answer = parse_answer(received, error)
    request = received.request_id if received else error.request_id if error else ""
    try:
        try:
            found = _store_rows(batch, answer, received, request, by)
        except (DataError, IntegrityError):
            # The database refuses the rows for good: the bytes stay stored.
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
