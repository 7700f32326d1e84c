"""Write-backs: queue a result, retry or cancel it, delete old ones.

Follows "Interface for Writing back Intermediate Results". A result is stored in the outbox before
the vendor is called; `delivery` sends it. Changes of the order in an outbox lock its VDN.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext as _

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.queries import IntermediateResult
from isales_proxy.core import encryption
from isales_proxy.models import AuditAction, WriteBack, WriteBackAttempt, WriteBackState
from isales_proxy.privacy import erased_fields, masking
from isales_proxy.privacy.phone_numbers import get_digits
from isales_proxy.vendor import vendor_use
from isales_proxy.write_backs import prefill, queries
from isales_proxy.write_backs.fields import BY_NAME
from isales_proxy.write_backs.leases import Clock, lock_vdn, mark_lost

log = structlog.get_logger("isales")

# The jobs listen to it and deliver in the background.
queued = Signal()

_LONGEST_KEY: Final = 200
_ENDED_BADLY: Final = (WriteBackState.REFUSED, WriteBackState.GIVEN_UP, WriteBackState.CANCELLED)
_PHONE_NUMBER: Final = BY_NAME["phone_number"].vendor_name


class WrongState(RuntimeError):
    """The write-back's state does not allow the action; `sentence` explains that to the person."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class KeyUsed(WrongState):
    """The form's key belongs to a write-back with other values."""


@dataclass(frozen=True)
class QueueResult:
    """A write-back in the outbox; `repeated` when the same key had queued it before."""

    row: WriteBack
    repeated: bool = False


def preview(*, scope: Scope, result: IntermediateResult, number_of: str = "") -> dict[str, Any]:
    """Return the request body as it will be sent; the number of the key `number_of` is masked.

    Raises InvalidQuery, and WrongState when that number cannot be looked up.
    """
    complete = _add_number(scope, result, number_of)
    body = complete.to_body()
    if complete.phone_number != result.phone_number:
        body[_PHONE_NUMBER] = masking.mask_number(complete.phone_number)
    return body


def queue_once(
    *,
    scope: Scope,
    result: IntermediateResult,
    key: str,
    appoint_id: str = "",
    number_of: str = "",
    clock: Clock = timezone.now,
) -> QueueResult:
    """Queue one result; the same `key` again returns the same write-back.

    `number_of` is the key of a number that the person may not see. Raises PermissionMissing,
    InvalidQuery, WrongState like `preview`, and KeyUsed when `key` was used with other values.
    """
    scope.require(Permission.WRITE_BACK)
    given = {"body": result.to_body(), "appoint_id": appoint_id, "number_of": number_of}
    stored_key = _derive_key(scope, key)
    known = _find_repeated(scope, stored_key, given)
    if known is not None:
        return known
    result = _add_number(scope, result, number_of)
    with transaction.atomic():
        vdn = lock_vdn(scope.vdn.pk)
        known = _find_repeated(scope, stored_key, given)
        if known is not None:
            return known
        now = clock()
        row = WriteBack.objects.create(
            vdn=vdn,
            unique_id=result.unique_id,
            service_id=result.service_id,
            phone_number=result.phone_number,
            fail_code=result.fail_code,
            body=result.to_body(),
            key=stored_key,
            request_digest=_digest(given)[0],
            appoint_id=appoint_id,
            created_at=now,
            created_by_id=scope.user_id,
            created_by_name=scope.username,
            queued_at=now,
            next_at=now,
        )
        _record(AuditAction.WRITE_BACK_QUEUED, scope, row)
        transaction.on_commit(_notify_jobs)
    return QueueResult(row)


def retry(*, scope: Scope, pk: int, clock: Clock = timezone.now) -> WriteBack:
    """Queue an undelivered write-back again.

    Raises PermissionMissing, VdnNotFound and WrongState, also if it would replace a newer result of
    the same unique ID.
    """
    with _change(scope, pk, AuditAction.WRITE_BACK_RETRIED) as row:
        if row.state not in _ENDED_BADLY:
            raise WrongState(_("Only a refused, given-up or cancelled write-back can be retried."))
        if vendor_use.is_from_demo(row.created_at):
            raise WrongState(
                _("It was created in the demo, for the simulator. It is never sent to CC-iSales.")
            )
        now = clock()
        newer = WriteBack.objects.for_vdn(scope.vdn).filter(unique_id=row.unique_id, pk__gt=row.pk)
        if newer.filter(state=WriteBackState.DELIVERED).exists():
            raise WrongState(
                _("A newer result for this unique ID has been delivered. Create a new one instead.")
            )
        if newer.waiting().exclude(claimed_by="").exists():
            raise WrongState(_("A newer result for this unique ID is being sent now."))
        row.state = WriteBackState.WAITING
        row.queued_at = row.next_at = now
        row.finished_at = row.claimed_until = None
        row.claimed_by = row.vendor_code = row.problem = ""
    return row


def cancel(*, scope: Scope, pk: int, clock: Clock = timezone.now) -> WriteBack:
    """Cancel a waiting write-back that is not being sent.

    Raises PermissionMissing, VdnNotFound and WrongState.
    """
    with _change(scope, pk, AuditAction.WRITE_BACK_CANCELLED) as row:
        if row.state != WriteBackState.WAITING:
            raise WrongState(_("Only a waiting write-back can be cancelled."))
        now = clock()
        if row.claimed_until is not None and row.claimed_until > now:
            raise WrongState(_("It is being sent now, so it cannot be cancelled."))
        _end_as_cancelled(row, now)
    return row


@contextmanager
def _change(scope: Scope, pk: int, action: AuditAction) -> Iterator[WriteBack]:
    """Lock a write-back of this VDN for a change by a person; then store and record the change.

    The jobs are also notified of a cancelled one, for which later results of the same unique ID
    have waited. Raises PermissionMissing and VdnNotFound.
    """
    scope.require(Permission.WRITE_BACK)
    with transaction.atomic():
        lock_vdn(scope.vdn.pk)
        row = queries.get_unmasked(scope, pk)
        yield row
        row.save()
        _record(action, scope, row)
        transaction.on_commit(_notify_jobs)


def _end_as_cancelled(row: WriteBack, now: datetime) -> None:
    mark_lost(row, now)
    row.state, row.finished_at = WriteBackState.CANCELLED, now
    row.claimed_until, row.claimed_by = None, ""


def purge(now: datetime) -> int:
    """Delete write-backs past retention; return how many."""
    before = now - timedelta(days=settings.RETENTION.write_back_days)
    ended = WriteBack.objects.filter(finished_at__lt=before)
    ended = ended.exclude(state=WriteBackState.WAITING)
    deleted = 0
    for vdn_id in ended.order_by("vdn_id").values_list("vdn_id", flat=True).distinct():
        with transaction.atomic():
            found = ended.filter(vdn_id=vdn_id).delete()[1].get("isales_proxy.WriteBack", 0)
            audit.record(AuditAction.WRITE_BACK_PURGED, by=None, vdn_id=vdn_id, rows=found)
        deleted += found
    return deleted


def forget_number(*, vdn_id: int, digits: str, now: datetime) -> int:
    """Remove a called number, given by its digits, from the write-backs of a VDN; return how many
    had it. Waiting ones are cancelled, also one that is being sent; outcomes stay."""
    changed = set()
    with transaction.atomic():
        lock_vdn(vdn_id)
        for row in WriteBack.objects.for_vdn(vdn_id).iterator(chunk_size=500):
            is_to_number = get_digits(row.phone_number) == digits
            names = erased_fields.remove_number(row, digits)
            if is_to_number:
                row.body.pop(_PHONE_NUMBER, None)
            if not names:
                continue
            if row.state == WriteBackState.WAITING and {"phone_number", "body"} & {*names}:
                _end_as_cancelled(row, now)
            row.save()
            changed.add(row.pk)
        attempts = WriteBackAttempt.objects.filter(write_back__vdn=vdn_id)
        for attempt in attempts.exclude(problem="").iterator(chunk_size=500):
            if names := erased_fields.remove_number(attempt, digits):
                attempt.save(update_fields=names)
                changed.add(attempt.write_back_id)
    return len(changed)


def _add_number(scope: Scope, result: IntermediateResult, number_of: str) -> IntermediateResult:
    """Add the number of the key `number_of`, unless one was typed."""
    if not number_of or result.phone_number or scope.can(Permission.SEE_NUMBERS):
        return result
    try:
        number = prefill.get_number(scope=scope, key=number_of)
    except ISalesError:
        number = ""
    if not number:
        raise WrongState(
            _("The chosen number cannot be looked up now. Enter a number, or choose none.")
        )
    return replace(result, phone_number=number)


def _derive_key(scope: Scope, key: str) -> str:
    """Derive the stored key from person and form, so that nobody can find another's write-back."""
    text = f"{scope.vdn.pk}:{scope.user_id}:{key[:_LONGEST_KEY]}"
    return hashlib.sha256(text.encode()).hexdigest()


def _find_repeated(scope: Scope, key: str, given: dict[str, Any]) -> QueueResult | None:
    """Find the write-back of this key and these values; None for a new key. Raises KeyUsed.

    Only the typed values are compared, not the number that was looked up: otherwise people who may
    not see it could guess it by typing numbers with the same key.
    """
    known = WriteBack.objects.filter(key=key).first()
    if known is None:
        return None
    if known.request_digest:
        same = known.request_digest in _digest(given)
    else:
        # Stored by a release without digests.
        bodies = [dict(known.body), dict(given["body"])]
        if not scope.can(Permission.SEE_NUMBERS):
            for body in bodies:
                body.pop(_PHONE_NUMBER, None)
        same = known.appoint_id == given["appoint_id"] and bodies[0] == bodies[1]
    if not same:
        raise KeyUsed(_("This form was already saved with other values. Open a new one."))
    return QueueResult(known, repeated=True)


def _digest(given: dict[str, Any]) -> list[str]:
    """Return keyed digests of the values, by the current key first, then by earlier ones."""
    text = json.dumps(given, sort_keys=True).encode()
    keys = encryption.derive_all_keys("write-back-request")
    return [hmac.new(key, text, hashlib.sha256).hexdigest() for key in keys]


def _record(action: AuditAction, scope: Scope, row: WriteBack) -> None:
    """Record an action in the audit, with the number that the write-back is about."""
    subject, queued_action = f"write-back {row.pk}", AuditAction.WRITE_BACK_QUEUED
    number, fingerprint = row.phone_number, ""
    if not number and action is queued_action:
        number = prefill.get_implied_number(scope=scope, row=row)
    elif not number:
        fingerprint = audit.get_last_number_fingerprint(
            queued_action, vdn_id=row.vdn_id, subject=subject
        )
    audit.record(
        action,
        by=scope,
        subject=subject,
        number=number,
        fingerprint=fingerprint,
        task=row.service_id,
        unique_id=row.unique_id,
        result_code=row.fail_code,
    )


def _notify_jobs() -> None:
    for _receiver, outcome in queued.send_robust(sender=WriteBack):
        if isinstance(outcome, Exception):
            # The job of every minute will find it.
            log.warning("delivery_not_started", error=type(outcome).__name__)
