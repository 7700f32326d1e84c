"""Taking call data: the one place from where the vendor is asked for it, and only ever once.

Follows "Interface for Reading Outbound Call Data". Whether reading uses the numbers up the page
does not say; we take it that it does.
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
from isales_proxy.client import Received
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.operations import READ_CALL_DATA
from isales_proxy.client.queries import CallDataQuery
from isales_proxy.core import disk_queue
from isales_proxy.core.database import commit_to_disk
from isales_proxy.core.disk_queue import ReservedFile
from isales_proxy.models import AuditAction, BatchState, CallDataBatch, CallDatum
from isales_proxy.outbound.parsing import parse_answer
from isales_proxy.outbound.storage import OPEN, SPOOLED, AnswerRecorder, settle, settle_unstored
from isales_proxy.privacy import masked_copies, masking
from isales_proxy.vendor import gateway

log = structlog.get_logger("isales")

# Of an answer's head, and of what stands beside its bytes in the file.
_FACTS_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class CallDataRequestResult:
    """The batch as it stands after the call, and what went wrong with that.

    `unstored` are the rows of an answer that could be stored nowhere: they are in memory alone.
    Where it cannot be read, `unstored_text` is that answer, for who may have raw answers.
    `repeated` says that its key had been used before, so that nobody was asked now; `differs` that
    it was then used for another wish. The batch is masked for who may not see numbers.
    """

    batch: CallDataBatch
    error: ISalesError | None = None
    repeated: bool = False
    differs: bool = False
    unstored: tuple[CallDatum, ...] = field(default=(), repr=False)
    unstored_text: str = field(default="", repr=False)

    @property
    def lost(self) -> bool:
        """Whether the answer came just now and could be stored nowhere."""
        return not self.repeated and self.batch.state == BatchState.LOST


class NoRoom(RuntimeError):
    """The disk has no room for the largest answer, so the vendor was not asked."""


def request_call_data(
    *, scope: Scope, service_id: str, batch_count: int, key: str, reason: str = ""
) -> CallDataRequestResult:
    """Have at most `batch_count` rows handed out, which uses them up at the vendor's.

    The batch is written down first, the answer is kept before it is looked at, and no failure makes
    us ask a second time. The same `key` of the same person is the same taking. Must not be called
    within a transaction. Raises NotAllowed, NoRoom, and InvalidQuery for a question out of bounds.
    """
    scope.require(Permission.TAKE_CALL_DATA)
    query = CallDataQuery(cc_id=scope.vdn.cc_id, service_id=service_id, batch_count=batch_count)
    own = _own_key(scope, service_id, key)
    seen = _seen(own)
    if seen is not None:
        return _again(scope, seen, batch_count, reason)
    with _room(own) as room:
        try:
            batch = _write_down(scope, query, own, reason)
        except IntegrityError:
            # The same form came twice at once.
            seen = _seen(own)
            if seen is None:
                raise
            return _again(scope, seen, batch_count, reason)
        keeper, error = AnswerRecorder(batch, room), None
        try:
            gateway.get_client(scope.vdn).read_call_data(vdn=scope.vdn.pk, query=query, keep=keeper)
        except ISalesError as raised:
            error = raised
    batch = settle(batch, keeper.received, error, by=scope)
    if keeper.lost and keeper.received and batch.state in OPEN:
        return _unstored(scope, batch, keeper.received, error)
    return CallDataRequestResult(masked_copies.mask_batch_for(scope, batch), error)


def _room(key: str) -> ReservedFile:
    """Room on the disk for the largest answer, should the database not take it."""
    try:
        return disk_queue.reserve(SPOOLED + key, (READ_CALL_DATA.max_bytes or 0) + _FACTS_BYTES)
    except OSError as error:
        log.error("call_data_no_room", error=type(error).__name__)
        raise NoRoom from None


def _unstored(
    scope: Scope, batch: CallDataBatch, received: Received, error: ISalesError | None
) -> CallDataRequestResult:
    """Say that the answer is lost, and hand over the rows that are still in memory."""
    rows = parse_answer(received, error).rows
    batch = settle_unstored(batch, len(received.body), timezone.now())
    for row in rows:
        row.batch = batch
    shown = (
        rows
        if scope.can(Permission.SEE_NUMBERS)
        else tuple(masked_copies.mask_datum(row) for row in rows)
    )
    text = (
        ""
        if rows or not scope.can(Permission.SEE_RAW_ANSWERS)
        else received.body.decode(errors="replace")
    )
    return CallDataRequestResult(
        masked_copies.mask_batch_for(scope, batch), error, unstored=shown, unstored_text=text
    )


def _again(
    scope: Scope, seen: CallDataBatch, batch_count: int, reason: str
) -> CallDataRequestResult:
    differs = (seen.batch_count, seen.reason) != (batch_count, reason)
    return CallDataRequestResult(
        masked_copies.mask_batch_for(scope, seen), repeated=True, differs=differs
    )


def _write_down(scope: Scope, query: CallDataQuery, key: str, reason: str) -> CallDataBatch:
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


def _own_key(scope: Scope, service_id: str, key: str) -> str:
    """The key as the table holds it: nobody comes to another's batch by their key."""
    text = "\n".join((str(scope.vdn.pk), str(scope.user_id), service_id, key))
    return hashlib.sha256(text.encode()).hexdigest()


def _seen(key: str) -> CallDataBatch | None:
    return CallDataBatch.objects.filter(key=key).defer("raw").first()
