"""The chain of the audit: each event carries a keyed fingerprint of itself and of the one before.

    event 1 ── hash ──► event 2 ── hash ──► event 3 ── hash ──► head (sealed)

A fingerprint is an HMAC with a key derived from `SECRET_KEY`. A person who can write to the
database but does not know the key cannot change or insert an event unnoticed. See docs/adr/0013.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from isales_proxy.core import encryption
from isales_proxy.models import AuditEvent, AuditHead

# `previous` of an event that was appended to a manipulated head. No fingerprint equals it, so the
# break stays visible although the head is sealed again.
BREAK: Final = "-" * 64
_EVENTS: Final = "audit-chain"
_HEAD: Final = "audit-head"
_FIELDS: Final = (
    "action", "actor_id", "actor", "address", "vdn_id", "subject", "reason", "detail",
    "number_key", "person_id", "previous",
)  # fmt: skip


def append(event: AuditEvent) -> None:
    """Append `event` to the chain, within the current transaction if there is one.

    The head stays locked until that transaction ends. So events are recorded last in a transaction,
    after all other locks were taken; otherwise two transactions could deadlock.
    """
    with transaction.atomic():
        head = lock_head()
        event.at = timezone.now()
        event.previous = head.last if is_head_intact(head) else BREAK
        event.hash = compute_fingerprint(event)
        event.save(force_insert=True)
        head.last, head.last_id = event.hash, event.pk
        seal_head(head)


def lock_head() -> AuditHead:
    """Lock the head for this transaction; create it if it does not exist."""
    head = AuditHead.objects.select_for_update().filter(pk=1).first()
    if head is None:
        AuditHead.objects.get_or_create(pk=1, defaults={"seal": _compute_seal("", 0, "")})
        head = AuditHead.objects.select_for_update().get(pk=1)
    return head


def compute_fingerprint(event: Any) -> str:
    """Compute the fingerprint (hexadecimal) of all fields but the primary key."""
    return _compute_mac(encryption.derive_key(_EVENTS), to_canonical(event))


def is_intact(event: Any, keys: Sequence[bytes]) -> bool:
    """Tell whether the fingerprint of the event is valid for one of these keys."""
    text = to_canonical(event)
    return any(hmac.compare_digest(_compute_mac(key, text), event.hash) for key in keys)


def get_keys() -> list[bytes]:
    """Return the keys of the fingerprints, the current one first, then earlier ones."""
    return encryption.derive_all_keys(_EVENTS)


def to_canonical(event: Any) -> bytes:
    """Encode the event as JSON that is the same for every database."""
    facts = {name: getattr(event, name) for name in _FIELDS}
    facts["at"] = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    facts["detail"] = _normalise_numbers(event.detail)
    return json.dumps(facts, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()


def seal_head(head: AuditHead) -> None:
    """Seal the current head and store it."""
    head.seal = _compute_seal(head.last, head.last_id, head.first_previous)
    head.save(update_fields=["last", "last_id", "first_previous", "seal"])


def is_head_intact(head: AuditHead) -> bool:
    """Tell whether the seal fits the head."""
    text = _encode_head(head.last, head.last_id, head.first_previous)
    return any(
        hmac.compare_digest(_compute_mac(key, text), head.seal)
        for key in encryption.derive_all_keys(_HEAD)
    )


def _compute_seal(last: str, last_id: int, first_previous: str) -> str:
    return _compute_mac(encryption.derive_key(_HEAD), _encode_head(last, last_id, first_previous))


def _encode_head(last: str, last_id: int, first_previous: str) -> bytes:
    return f"{last}|{last_id}|{first_previous}".encode()


def _compute_mac(key: bytes, text: bytes) -> str:
    return hmac.new(key, text, sha256).hexdigest()


def _normalise_numbers(value: Any) -> Any:
    """Turn whole floats into integers, which is what PostgreSQL returns for them."""
    if isinstance(value, dict):
        return {key: _normalise_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_normalise_numbers(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(Decimal(repr(value)))
    return value
