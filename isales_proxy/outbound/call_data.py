"""Requests for call data: the vendor is called once per request, and only from here.

Follows "Interface for Reading Outbound Call Data". The page does not say whether a number can be
read again; we assume that it cannot.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

import structlog
from django.db import IntegrityError
from django.utils import timezone

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.operations import READ_CALL_DATA
from isales_proxy.client.queries import CallDataQuery
from isales_proxy.client.transport import Received
from isales_proxy.core import disk_queue
from isales_proxy.core.database import commit_to_disk
from isales_proxy.core.disk_queue import ReservedFile
from isales_proxy.models import AuditAction, BatchState, CallDataBatch, CallDatum
from isales_proxy.outbound.parsing import parse_answer
from isales_proxy.outbound.storage import (
    FILE_PREFIX,
    OPEN,
    AnswerRecorder,
    settle,
    settle_unstored,
)
from isales_proxy.privacy import masked_copies, masking
from isales_proxy.vendor import gateway

log = structlog.get_logger("isales")

# Bytes of an answer's headers and of the facts stored with it.
_FACTS_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class CallDataRequestResult:
    """The batch after the call, and the error of the call.

    `unstored` are the rows of an answer that could not be stored. If it could not be parsed either,
    `unstored_text` is that answer, for people who may see raw answers. `repeated` when the key had
    been used before, so that the vendor was not called; `differs` when it was used with other
    values. The batch is masked for people who may not see numbers.
    """

    batch: CallDataBatch
    error: ISalesError | None = None
    repeated: bool = False
    differs: bool = False
    unstored: tuple[CallDatum, ...] = field(default=(), repr=False)
    unstored_text: str = field(default="", repr=False)

    @property
    def lost(self) -> bool:
        """True when the answer of this call could not be stored."""
        return not self.repeated and self.batch.state == BatchState.LOST


class NoDiskSpace(RuntimeError):
    """The disk has no space for the largest answer, so the vendor was not called."""


def request_call_data(
    *, scope: Scope, service_id: str, batch_count: int, key: str, reason: str = ""
) -> CallDataRequestResult:
    """Take at most `batch_count` rows from the vendor, which releases each row once.

    The batch is stored before the call and the answer before it is parsed. The vendor is never
    called twice for one request, which is identified by person and `key`. Must not be called within
    a transaction. Raises PermissionMissing, NoDiskSpace, and InvalidQuery for values out of bounds.
    """
    scope.require(Permission.TAKE_CALL_DATA)
    query = CallDataQuery(cc_id=scope.vdn.cc_id, service_id=service_id, batch_count=batch_count)
    stored_key = _derive_key(scope, service_id, key)
    if known := _find(stored_key):
        return _repeat(scope, known, batch_count, reason)
    with _reserve_space(stored_key) as reserved:
        try:
            batch = _create_batch(scope, query, stored_key, reason)
        except IntegrityError:
            # The same form was sent twice at once.
            if known := _find(stored_key):
                return _repeat(scope, known, batch_count, reason)
            raise
        recorder, error = AnswerRecorder(batch, reserved), None
        try:
            gateway.get_client(scope.vdn).read_call_data(
                vdn=scope.vdn.pk, query=query, on_received=recorder
            )
        except ISalesError as raised:
            error = raised
    batch = settle(batch, recorder.received, error, by=scope)
    if recorder.lost and recorder.received and batch.state in OPEN:
        return _hand_over_unstored(scope, batch, recorder.received, error)
    return CallDataRequestResult(masked_copies.mask_batch_for(scope, batch), error)


def _reserve_space(key: str) -> ReservedFile:
    """Reserve disk space for the largest answer, for the case that the database is unavailable."""
    try:
        return disk_queue.reserve(FILE_PREFIX + key, (READ_CALL_DATA.max_bytes or 0) + _FACTS_BYTES)
    except OSError as error:
        log.error("call_data_no_room", error=type(error).__name__)
        raise NoDiskSpace from None


def _hand_over_unstored(
    scope: Scope, batch: CallDataBatch, received: Received, error: ISalesError | None
) -> CallDataRequestResult:
    """Mark the answer as lost and return the rows that are still in memory."""
    rows = parse_answer(received, error).rows
    batch = settle_unstored(batch, len(received.body), timezone.now())
    for row in rows:
        row.batch = batch
    shows_text = not rows and scope.can(Permission.SEE_RAW_ANSWERS)
    return CallDataRequestResult(
        masked_copies.mask_batch_for(scope, batch),
        error,
        unstored=tuple(masked_copies.mask_data_for(scope, rows)),
        unstored_text=received.body.decode(errors="replace") if shows_text else "",
    )


def _repeat(
    scope: Scope, known: CallDataBatch, batch_count: int, reason: str
) -> CallDataRequestResult:
    differs = (known.batch_count, known.reason) != (batch_count, reason)
    return CallDataRequestResult(
        masked_copies.mask_batch_for(scope, known), repeated=True, differs=differs
    )


def _create_batch(scope: Scope, query: CallDataQuery, key: str, reason: str) -> CallDataBatch:
    with commit_to_disk():
        batch = CallDataBatch.objects.create(
            vdn=scope.vdn,
            service_id=query.service_id,
            batch_count=query.batch_count,
            key=key,
            asked_at=timezone.now(),
            asked_by_id=scope.user_id,
            asked_by_name=scope.username,
            reason=reason,
        )
        audit.record(
            AuditAction.CALL_DATA_ASKED,
            by=scope,
            subject=query.service_id,
            # The audit is read by people who may not see numbers.
            reason=masking.mask_text(reason),
            batch=batch.pk,
            asked=query.batch_count,
        )
    return batch


def _derive_key(scope: Scope, service_id: str, key: str) -> str:
    """Derive the stored key from person and form, so that nobody can find another's batch."""
    text = "\n".join((str(scope.vdn.pk), str(scope.user_id), service_id, key))
    return hashlib.sha256(text.encode()).hexdigest()


def _find(key: str) -> CallDataBatch | None:
    return CallDataBatch.objects.filter(key=key).without_answer().first()
