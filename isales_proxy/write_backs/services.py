"""Results to be written back: put into the outbox, tried again, cancelled, in time deleted.

Follows "Interface for Writing back Intermediate Results". A result is stored before the vendor
hears of it; `deliveries` brings it there. What changes the order of an outbox holds its VDN's turn.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext as _

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.queries import MidResult
from isales_proxy.core import encryption
from isales_proxy.core.settings import get_retention_settings
from isales_proxy.models import AuditAction, Vdn, WriteBack, WriteBackAttempt, WriteBackState
from isales_proxy.privacy import masking
from isales_proxy.vendor import vendor_use
from isales_proxy.vendor.vendor_times import format_time
from isales_proxy.write_backs import prefill

log = structlog.get_logger("isales")

Clock = Callable[[], datetime]

# Listened to by the jobs, which deliver out of the writer's way.
queued = Signal()

_LONGEST_KEY: Final = 200
_ENDED_BADLY: Final = (WriteBackState.REFUSED, WriteBackState.GIVEN_UP, WriteBackState.CANCELLED)


class NoSuchWriteBack(LookupError):
    """There is none of that number in this VDN."""


class WrongState(RuntimeError):
    """The wish does not fit what has become of the write-back; `sentence` tells a person why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Overtaken(WrongState):
    """A newer result of the same unique ID has reached the vendor, or is about to."""


class NoSuchNumber(WrongState):
    """The number that was chosen unseen is not there, or nobody can say so now."""


class KeyUsed(WrongState):
    """The form's key belongs to a write-back that says something else."""


@dataclass(frozen=True, kw_only=True)
class IntermediateResult:
    """What is to be said of one call. Times are aware; empty text and None are left unsaid."""

    unique_id: str = field(repr=False)
    service_id: str
    fail_code: str = ""
    status: str = ""
    device_type: int | None = None
    phone_number: str = field(default="", repr=False)
    asr_result: str = ""
    fetch_time: datetime | None = None
    write_start_time: datetime | None = None
    end_call_time: datetime | None = None
    call_id: str = field(default="", repr=False)

    def request(self, vdn: Vdn) -> MidResult:
        """The request that says it. Raises InvalidQuery."""
        return MidResult(
            vdn=vdn.pk,
            cc_id=vdn.cc_id,
            unique_id=self.unique_id,
            service_id=self.service_id,
            status=self.status,
            device_type=self.device_type,
            phone_number=self.phone_number,
            fail_code=self.fail_code,
            asr_result=self.asr_result,
            fetch_time=format_time(self.fetch_time, vdn),
            write_start_time=format_time(self.write_start_time, vdn),
            end_call_time=format_time(self.end_call_time, vdn),
            call_id=self.call_id,
        )


def lock_vdn(vdn_id: int) -> Vdn:
    """Hold the VDN's turn until the transaction ends: whoever orders its outbox waits for another.

    So the numbers of write-backs rise in the order in which they become visible, and no older one
    comes back to life while a newer one of the same unique ID is being claimed.
    """
    return Vdn.objects.select_for_update(no_key=True).get(pk=vdn_id)


@dataclass(frozen=True)
class QueueResult:
    """A write-back in the outbox; `repeated` tells that its key had put it there before."""

    row: WriteBack
    repeated: bool = False


def preview(*, scope: Scope, result: IntermediateResult, number_of: str = "") -> dict[str, Any]:
    """The request as it will be sent; a number that was chosen unseen is masked.

    Raises InvalidQuery and NoSuchNumber.
    """
    whole = _completed(scope, result, number_of)
    body = whole.request(scope.vdn).to_body()
    if whole.phone_number != result.phone_number:
        body |= {"phoneNumber": masking.mask_number(whole.phone_number)}
    return body


def queue(
    *,
    scope: Scope,
    result: IntermediateResult,
    key: str,
    appoint_id: str = "",
    number_of: str = "",
    clock: Clock = timezone.now,
) -> WriteBack:
    """Like `queue_once`, for whom a repetition is all the same."""
    return queue_once(
        scope=scope,
        result=result,
        key=key,
        appoint_id=appoint_id,
        number_of=number_of,
        clock=clock,
    ).row


def queue_once(
    *,
    scope: Scope,
    result: IntermediateResult,
    key: str,
    appoint_id: str = "",
    number_of: str = "",
    clock: Clock = timezone.now,
) -> QueueResult:
    """Put one result into the outbox; the same `key` again gives the same write-back.

    `number_of` says where its number stands that the writer may not see. Raises NotAllowed,
    InvalidQuery, NoSuchNumber, and KeyUsed when that key came with something else.
    """
    scope.require(Permission.WRITE_BACK)
    said = {
        "body": result.request(scope.vdn).to_body(),
        "appoint_id": appoint_id,
        "number_of": number_of,
    }
    kept_key = _key(scope, key)
    known = _repeated(scope, kept_key, said)
    if known is not None:
        return known
    result = _completed(scope, result, number_of)
    body = result.request(scope.vdn).to_body()
    with transaction.atomic():
        vdn = lock_vdn(scope.vdn.pk)
        known = _repeated(scope, kept_key, said)
        if known is not None:
            return known
        now = clock()
        row = WriteBack.objects.create(
            vdn=vdn,
            unique_id=result.unique_id,
            service_id=result.service_id,
            phone_number=result.phone_number,
            fail_code=result.fail_code,
            body=body,
            key=kept_key,
            request_digest=_digests(said)[0],
            appoint_id=appoint_id,
            created_at=now,
            created_by_id=scope.user_id,
            created_by_name=scope.username,
            queued_at=now,
            next_at=now,
        )
        _record(AuditAction.WRITE_BACK_QUEUED, scope, row)
        transaction.on_commit(_tell)
    return QueueResult(row)


def retry(*, scope: Scope, pk: int, clock: Clock = timezone.now) -> WriteBack:
    """Try one again that ended without being delivered.

    Raises NotAllowed, NoSuchWriteBack, NotAsItStands, and Overtaken when a newer result of the
    same unique ID would be replaced by this older one.
    """
    scope.require(Permission.WRITE_BACK)
    with transaction.atomic():
        lock_vdn(scope.vdn.pk)
        row = _of(scope, pk)
        if row.state not in _ENDED_BADLY:
            raise WrongState(_("Only what was refused, given up or cancelled is tried again."))
        if vendor_use.is_from_demo(row.created_at):
            raise WrongState(
                _("It was written in the demo, for the simulator. It is never sent to CC-iSales.")
            )
        now = clock()
        newer = WriteBack.objects.filter(vdn=scope.vdn, unique_id=row.unique_id, pk__gt=row.pk)
        if newer.filter(state=WriteBackState.DELIVERED).exists():
            raise Overtaken(
                _("A newer result for this unique ID has been delivered. Write a new one instead.")
            )
        if newer.filter(state=WriteBackState.WAITING).exclude(claimed_by="").exists():
            raise Overtaken(_("A newer result for this unique ID is being sent at this moment."))
        row.state = WriteBackState.WAITING
        row.queued_at = row.next_at = now
        row.finished_at = row.claimed_until = None
        row.claimed_by = row.vendor_code = row.problem = ""
        row.save()
        _record(AuditAction.WRITE_BACK_RETRIED, scope, row)
        transaction.on_commit(_tell)
    return row


def cancel(*, scope: Scope, pk: int, clock: Clock = timezone.now) -> WriteBack:
    """Send one no more that waits and is not being sent right now.

    Raises NotAllowed, NoSuchWriteBack and NotAsItStands.
    """
    scope.require(Permission.WRITE_BACK)
    with transaction.atomic():
        lock_vdn(scope.vdn.pk)
        row = _of(scope, pk)
        if row.state != WriteBackState.WAITING:
            raise WrongState(_("Only what still waits can be cancelled."))
        now = clock()
        if row.claimed_until is not None and row.claimed_until > now:
            raise WrongState(_("It is being sent at this moment, so it cannot be cancelled."))
        mark_lost(row, now)
        row.state = WriteBackState.CANCELLED
        row.finished_at = now
        row.claimed_until, row.claimed_by = None, ""
        row.save()
        _record(AuditAction.WRITE_BACK_CANCELLED, scope, row)
        # Those behind it need not wait any longer.
        transaction.on_commit(_tell)
    return row


def mark_lost(row: WriteBack, now: datetime) -> None:
    """Say of an attempt that is still open that its worker ended before the answer was known."""
    row.journal.filter(outcome="").update(
        outcome=WriteBackAttempt.LOST, finished_at=now, maybe_sent=True
    )


def purge(now: datetime) -> int:
    """Delete what ended longer ago than the settings keep it; gives how many. What waits stays."""
    before = now - timedelta(days=get_retention_settings().write_back_days)
    ended = WriteBack.objects.exclude(state=WriteBackState.WAITING).filter(finished_at__lt=before)
    deleted = 0
    for vdn_id in ended.order_by("vdn_id").values_list("vdn_id", flat=True).distinct():
        with transaction.atomic():
            found = ended.filter(vdn_id=vdn_id).delete()[1].get("isales_proxy.WriteBack", 0)
            audit.record(AuditAction.WRITE_BACK_PURGED, by=None, vdn_id=vdn_id, rows=found)
        deleted += found
    return deleted


def _completed(scope: Scope, result: IntermediateResult, number_of: str) -> IntermediateResult:
    """With the number that was chosen unseen; one that was typed goes first."""
    if not number_of or result.phone_number or scope.can(Permission.SEE_NUMBERS):
        return result
    try:
        number = prefill.get_number(scope=scope, key=number_of)
    except ISalesError:
        number = ""
    if not number:
        raise NoSuchNumber(
            _("The chosen number cannot be looked up now. Type one, or choose none.")
        )
    return replace(result, phone_number=number)


def _of(scope: Scope, pk: int) -> WriteBack:
    row = WriteBack.objects.filter(vdn=scope.vdn, pk=pk).first()
    if row is None:
        raise NoSuchWriteBack
    return row


def _key(scope: Scope, key: str) -> str:
    """A form's key is its writer's own: nobody meets another's write-back by guessing one."""
    text = f"{scope.vdn.pk}:{scope.user_id}:{key[:_LONGEST_KEY]}"
    return hashlib.sha256(text.encode()).hexdigest()


def _repeated(scope: Scope, key: str, said: dict[str, Any]) -> QueueResult | None:
    """The write-back of this key, if it came with the same; None for a new key. Raises KeyUsed.

    What was typed is compared, never the number that was looked up for it: else who may not see
    that number could find it by typing guesses under the same key.
    """
    known = WriteBack.objects.filter(key=key).first()
    if known is None:
        return None
    if known.request_digest:
        same = known.request_digest in _digests(said)
    else:
        # Stored by a release that kept no digest.
        hidden = () if scope.can(Permission.SEE_NUMBERS) else ("phoneNumber",)
        same = known.appoint_id == said["appoint_id"] and _without(known.body, hidden) == _without(
            said["body"], hidden
        )
    if not same:
        raise KeyUsed(_("This form was stored before with other values. Open a new one."))
    return QueueResult(known, repeated=True)


def _digests(said: dict[str, Any]) -> list[str]:
    """Keyed digests of what was said, by the key of today first, then by those before it."""
    text = json.dumps(said, sort_keys=True).encode()
    keys = encryption.derive_all_keys("write-back-request")
    return [hmac.new(key, text, hashlib.sha256).hexdigest() for key in keys]


def _without(body: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


def _record(action: AuditAction, scope: Scope, row: WriteBack) -> None:
    """Every deed on a write-back bears the number that it was about when it was stored."""
    subject, queueing = f"write-back {row.pk}", AuditAction.WRITE_BACK_QUEUED
    number, key = row.phone_number, ""
    if not number and action is queueing:
        number = prefill.get_implied_number(scope=scope, row=row)
    elif not number:
        key = audit.get_last_number_fingerprint(queueing, vdn_id=row.vdn_id, subject=subject)
    audit.record(
        action,
        by=scope,
        subject=subject,
        number=number,
        fingerprint=key,
        task=row.service_id,
        unique_id=row.unique_id,
        result_code=row.fail_code,
    )


def _tell() -> None:
    for _receiver, outcome in queued.send_robust(sender=WriteBack):
        if isinstance(outcome, Exception):
            # It is stored: the job of every minute finds it.
            log.warning("delivery_not_started", error=type(outcome).__name__)
