"""Deletion from the mirror: by retention, and of numbers that are to be forgotten.

Keyed hashes of forgotten numbers are stored, so that no later sweep stores the numbers again.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Greatest

from isales_proxy.audit import services as audit
from isales_proxy.client.records import Reservation, create_reservation
from isales_proxy.core import encryption
from isales_proxy.mirror.counters import (
    COUNTED_FIELDS,
    CountKey,
    add_to_counters,
    list_counters,
)
from isales_proxy.mirror.row_keys import compute_row_fingerprint, digest_business_result
from isales_proxy.models import (
    AuditAction,
    MirrorAgent,
    MirrorBusinessResult,
    MirrorCount,
    MirrorName,
    MirrorRow,
    MirrorState,
    MirrorSuppression,
    MirrorTask,
    MirrorVersion,
    Phase,
)
from isales_proxy.privacy import erased_fields, masking
from isales_proxy.privacy.field_policies import RESERVATION, Content
from isales_proxy.privacy.phone_numbers import get_digits

_PURPOSE: Final = "forgotten-number"
# Another process hides a newly forgotten number after this time.
_MEMORY_SECONDS: Final = 10.0
_BATCH: Final = 500
_CLOSED: Final = (Phase.CALLED, Phase.ANSWERED, Phase.FAILED)

_MIN_DIGITS: Final = 5
_NUMBER_FIELDS: Final = tuple(field.name for field in RESERVATION if field.holds is Content.NUMBER)
_TEXT_FIELDS: Final = tuple(
    field.name for field in RESERVATION if field.holds in {Content.TEXT, Content.CODE}
)

R = TypeVar("R", bound=Reservation)


class ForgottenNumbers:
    """Hashes of the numbers that were forgotten in a VDN; false if there is none.

    Numbers with the same digits are the same.
    """

    def __init__(self, digests: frozenset[str]) -> None:
        self._digests = digests
        self._keys = encryption.derive_all_keys(_PURPOSE) if digests else ()

    def __bool__(self) -> bool:
        return bool(self._digests)

    def matches(self, number: str) -> bool:
        """Tell whether a number was forgotten."""
        return bool(self._digests) and self._contains(get_digits(number))

    def clean_text(self, text: str) -> str:
        """Return the text without forgotten numbers."""
        return masking.replace_numbers(text, self._contains) if self._digests else text

    def clean(self, record: R) -> R:
        """Return a reservation without forgotten numbers; the same object if it has none."""
        if not self._digests:
            return record
        values = record.__dict__.copy()
        for name in _NUMBER_FIELDS:
            if values[name] and self.matches(values[name]):
                values[name] = None
        for name in _TEXT_FIELDS:
            if values[name]:
                values[name] = self.clean_text(values[name])
        return record if values == record.__dict__ else create_reservation(type(record), values)

    def _contains(self, digits: str) -> bool:
        return len(digits) >= _MIN_DIGITS and any(
            _hash(key, digits) in self._digests for key in self._keys
        )


_memory: dict[int, tuple[float, ForgottenNumbers]] = {}
_lock = threading.Lock()


def load_forgotten(vdn_id: int) -> ForgottenNumbers:
    """Load the forgotten numbers of a VDN."""
    found = MirrorSuppression.objects.filter(vdn_id=vdn_id)
    return ForgottenNumbers(frozenset(found.values_list("digest", flat=True)))


def _hash(key: bytes, digits: str) -> str:
    return hmac.new(key, digits.encode(), sha256).hexdigest()


def get_forgotten(vdn_id: int) -> ForgottenNumbers:
    """Return the forgotten numbers of a VDN as loaded at most 10 s ago by this process."""
    now = time.monotonic()
    with _lock:
        loaded = _memory.get(vdn_id)
    if loaded is None or not 0 <= now - loaded[0] < _MEMORY_SECONDS:
        loaded = now, load_forgotten(vdn_id)
        with _lock:
            _memory[vdn_id] = loaded
    return loaded[1]


def clear_memory() -> None:
    """Clear what `get_forgotten` has loaded."""
    with _lock:
        _memory.clear()


@dataclass(frozen=True)
class ForgottenRows:
    """Numbers of reservations deleted, and of other rows from which the number was removed."""

    deleted: int
    cleaned: int


def forget_number(*, vdn_id: int, digits: str, now: datetime) -> ForgottenRows:
    """Delete the reservations of a called number, given by its digits, from the mirror of a VDN,
    remove it from other rows, and keep it out of later sweeps.

    A row that had the number before it got another one loses it only in its history. Rows are
    searched without a lock, because after the first transaction no sweep stores the number any
    more; the rows found are read again under the lock.
    """
    with transaction.atomic():
        _lock_mirror(vdn_id)
        MirrorSuppression.objects.get_or_create(
            vdn_id=vdn_id,
            digest=_hash(encryption.derive_key(_PURPOSE), digits),
            defaults={"at": now},
        )
    clear_memory()
    rows = MirrorRow.objects.for_vdn(vdn_id)
    deleted = cleaned = 0
    for part in _split(_find_number(rows.exclude(called_no=None), digits)):
        with transaction.atomic():
            _lock_mirror(vdn_id)
            # A sweep may have stored other numbers meanwhile.
            still = _find_number(rows.filter(pk__in=part).exclude(called_no=None), digits)
            deleted += _delete_rows(vdn_id, still, now)
    for part in _split(erased_fields.find_rows(rows, digits)):
        with transaction.atomic():
            _lock_mirror(vdn_id)
            steps: Counter[CountKey] = Counter()
            for row in rows.filter(pk__in=part).select_related("agent", "task"):
                before = list_counters({name: getattr(row, name) for name in COUNTED_FIELDS})
                if names := erased_fields.remove_number(row, digits):
                    after = list_counters({name: getattr(row, name) for name in COUNTED_FIELDS})
                    steps.subtract(before)
                    steps.update(after)
                    # The next answer, too, is compared without the number.
                    row.fingerprint = compute_row_fingerprint(row)
                    row.save(update_fields=[*names, "fingerprint"])
                    cleaned += 1
            add_to_counters(vdn_id, steps)
    names_of_vdn = Q(agent__vdn=vdn_id) | Q(task__vdn=vdn_id)
    for others in (
        MirrorVersion.objects.filter(vdn=vdn_id),
        MirrorAgent.objects.filter(vdn=vdn_id),
        MirrorTask.objects.filter(vdn=vdn_id),
        MirrorName.objects.filter(names_of_vdn),
    ):
        cleaned += erased_fields.remove_from_rows(others, digits)
    with transaction.atomic():
        _lock_mirror(vdn_id)
        _delete_unused_business_results(vdn_id)
        cleaned += _clean_business_results(vdn_id, digits)
        # A counter's value may contain the number.
        MirrorCount.objects.filter(vdn=vdn_id, rows__lte=0).delete()
    if cleaned:
        _increase_revision(vdn_id, now)
    return ForgottenRows(deleted, cleaned)


def purge(now: datetime) -> int:
    """Delete versions, and then closed rows, older than the settings keep them; return how many.

    Open rows stay; so do closed rows that are due later, which the next sweep would store again.
    """
    versions_before = now - timedelta(days=settings.RETENTION.mirror_version_days)
    rows_before = now - timedelta(days=settings.RETENTION.mirror_row_days)
    MirrorName.objects.filter(known_until__lt=versions_before).delete()
    removed = 0
    for vdn_id in MirrorState.objects.values_list("vdn_id", flat=True):
        ended = MirrorVersion.objects.filter(vdn=vdn_id, known_until__lt=versions_before)
        while part := list(ended.values_list("pk", flat=True)[:_BATCH]):
            removed += MirrorVersion.objects.filter(pk__in=part).delete()[0]
        gone = Q(phase=Phase.GONE, gone_by__lt=rows_before)
        closed = Q(phase__in=_CLOSED, observed_at__lt=rows_before, appoint_time__lt=rows_before)
        expired = MirrorRow.objects.for_vdn(vdn_id).filter(gone | closed)
        rows = 0
        while part := list(expired.values_list("pk", flat=True)[:_BATCH]):
            with transaction.atomic():
                _lock_mirror(vdn_id)
                # A row may have returned meanwhile.
                part = list(expired.filter(pk__in=part).values_list("pk", flat=True))
                rows += _delete_rows(vdn_id, part, now)
        with transaction.atomic():
            _lock_mirror(vdn_id)
            _delete_unused_business_results(vdn_id)
            MirrorCount.objects.filter(vdn=vdn_id, rows__lte=0).delete()
        if rows:
            audit.record(AuditAction.MIRROR_PURGED, by=None, vdn_id=vdn_id, rows=rows)
        removed += rows
    return removed


def _lock_mirror(vdn_id: int) -> None:
    """Lock the mirror, so that no sweep stores anything until the transaction ends."""
    MirrorState.objects.select_for_update().filter(vdn=vdn_id).first()


def _delete_rows(vdn_id: int, keys: list[int], now: datetime) -> int:
    """Delete rows by primary key, with their versions, and subtract them from the counters."""
    for part in _split(keys):
        rows = MirrorRow.objects.filter(pk__in=part)
        steps: Counter[CountKey] = Counter()
        for values in rows.values(*COUNTED_FIELDS):
            steps.subtract(list_counters(values))
        add_to_counters(vdn_id, steps)
        MirrorVersion.objects.filter(row__in=part).delete()
        rows.delete()
    if keys:
        _increase_revision(vdn_id, now)
    return len(keys)


def _delete_unused_business_results(vdn_id: int) -> None:
    """Delete the business results that no row and no version has any more."""
    rows = MirrorRow.objects.filter(business=OuterRef("pk"))
    versions = MirrorVersion.objects.filter(business=OuterRef("pk"))
    MirrorBusinessResult.objects.filter(~Exists(rows), ~Exists(versions), vdn=vdn_id).delete()


def _clean_business_results(vdn_id: int, digits: str) -> int:
    """Remove a number from the stored business results; return from how many. Two may have the same
    text afterwards, since rows and counters keep their references."""
    results = MirrorBusinessResult.objects.filter(vdn=vdn_id)
    keys = erased_fields.find_rows(results, digits)
    for result in results.filter(pk__in=keys):
        erased_fields.remove_number(result, digits)
        result.digest = digest_business_result(f"{result.text} {result.pk}")
        result.save(update_fields=["text", "digest"])
    return len(keys)


def _increase_revision(vdn_id: int, now: datetime) -> None:
    at = Value(now, DateTimeField())
    MirrorState.objects.filter(vdn=vdn_id).update(
        revision=F("revision") + 1, revised_at=Greatest(Coalesce("revised_at", at), at)
    )


def _find_number(found: QuerySet[Any], digits: str) -> list[int]:
    """List the primary keys of the rows whose called number has these digits, however written."""
    pairs = found.values_list("pk", "called_no").iterator(chunk_size=_BATCH)
    return [key for key, number in pairs if get_digits(number) == digits]


def _split(keys: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(keys), _BATCH):
        yield keys[start : start + _BATCH]
