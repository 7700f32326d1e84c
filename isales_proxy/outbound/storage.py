"""Keeping an answer: the bytes first, in the same breath as they came, then the rows in them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog
from django.db import DataError, Error, IntegrityError
from django.utils import timezone

from isales_proxy.access import Scope
from isales_proxy.audit import services as audit
from isales_proxy.client import Received
from isales_proxy.client.errors import ISalesError
from isales_proxy.core import disk_queue
from isales_proxy.core.database import commit_to_disk
from isales_proxy.core.disk_queue import ReservedFile
from isales_proxy.models import AuditAction, BatchState, CallDataBatch, CallDatum
from isales_proxy.outbound.parsing import ParsedAnswer, parse_answer

log = structlog.get_logger("isales")

SPOOLED: Final = "call-data-"
# Of these nobody knows yet what came of them.
OPEN: Final = (BatchState.ASKED, BatchState.UNKNOWN)
_ACTIONS: Final = {
    BatchState.TAKEN: AuditAction.CALL_DATA_TAKEN,
    BatchState.UNREADABLE: AuditAction.CALL_DATA_TAKEN,
    BatchState.REFUSED: AuditAction.CALL_DATA_REFUSED,
    BatchState.UNKNOWN: AuditAction.CALL_DATA_UNKNOWN,
}


class AnswerRecorder:
    """Keeps the one answer to a batch; handed to the client, which calls it before all else.

    `room` is the file that is reserved for it. `lost` says that the answer came and is nowhere but
    in memory.
    """

    def __init__(self, batch: CallDataBatch, room: ReservedFile) -> None:
        self.batch = batch
        self.received: Received | None = None
        self.lost = False
        self._room = room

    def __call__(self, received: Received) -> None:
        """Into the database, else into the file. Never raises: the rows may still be read."""
        self.received = received
        now = timezone.now()
        try:
            with commit_to_disk():
                write_bytes(self.batch, received, now)
        except Error as error:
            # The name alone: a traceback could bring the bytes along.
            log.error("call_data_spooled", batch=self.batch.pk, error=type(error).__name__)
            self._spool(received, now)

    def _spool(self, received: Received, now: datetime) -> None:
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
                "call_data_not_kept",
                batch=self.batch.pk,
                error=type(error).__name__,
                bytes=len(received.body),
            )


def write_bytes(batch: CallDataBatch, received: Received, now: datetime) -> None:
    """The answer byte for byte, unless the batch has come to its end already."""
    CallDataBatch.objects.filter(pk=batch.pk, state__in=OPEN).update(
        # Of a batch given up in the meantime the answer is to be read after all.
        state=BatchState.ASKED,
        raw=received.body,
        raw_complete=received.complete,
        http_status=received.status,
        vendor_request=received.request_id,
        answered_at=now,
    )


def settle_unstored(batch: CallDataBatch, size: int, now: datetime) -> CallDataBatch:
    """Say of a batch that its answer of `size` bytes came and is lost: in the database, else on
    disk for `recover`. Never raises."""
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
        disk_queue.remove(SPOOLED + batch.key)
    except Error as failure:
        log.error("call_data_not_settled", batch=batch.pk, error=type(failure).__name__)
        try:
            facts = {"key": batch.key, "lost": size, "at": now.isoformat()}
            disk_queue.store(SPOOLED + batch.key, facts, b"")
        except OSError as error:
            log.critical("call_data_loss_not_kept", batch=batch.pk, error=type(error).__name__)
    return batch


def settle(
    batch: CallDataBatch,
    received: Received | None,
    error: ISalesError | None,
    *,
    by: Scope | None,
) -> CallDataBatch:
    """Bring a batch to its end: its rows, its state and the audit in one transaction.

    Who comes second changes nothing. While the database takes nothing the batch stays as it was,
    and `recover` does this later.
    """
    came = parse_answer(received, error)
    request = received.request_id if received else error.request_id if error else ""
    try:
        try:
            found = _end(batch, came, received, request, by)
        except (DataError, IntegrityError):
            # Rows that the database refuses for good: the bytes are kept all the same.
            came = ParsedAnswer(BatchState.UNREADABLE)
            found = _end(batch, came, received, request, by)
    except Error as failure:
        log.error("call_data_not_settled", batch=batch.pk, error=type(failure).__name__)
        return batch
    disk_queue.remove(SPOOLED + batch.key)
    log.info("call_data", batch=batch.pk, state=str(found.state), rows=found.received)
    return found


def _end(
    batch: CallDataBatch,
    came: ParsedAnswer,
    received: Received | None,
    request: str,
    by: Scope | None,
) -> CallDataBatch:
    with commit_to_disk():
        found = CallDataBatch.objects.select_for_update().defer("raw").get(pk=batch.pk)
        if found.state not in OPEN or found.state == came.state:
            return found
        if received is not None and found.answered_at is None:
            write_bytes(found, received, timezone.now())
            found.refresh_from_db(fields=["answered_at", "http_status", "raw_complete"])
        for row in came.rows:
            row.batch = found
        CallDatum.objects.bulk_create(came.rows, batch_size=200)
        found.state, found.received = came.state, len(came.rows)
        found.vendor_code, found.problem, found.vendor_request = came.code, came.problem, request
        found.save(update_fields=["state", "received", "vendor_code", "problem", "vendor_request"])
        audit.record(
            _ACTIONS[came.state],
            by=by,
            vdn_id=found.vdn_id,
            subject=found.service_id,
            batch=found.pk,
            state=came.state.value,
            asked=found.batch_count,
            received=found.received,
        )
    return found
