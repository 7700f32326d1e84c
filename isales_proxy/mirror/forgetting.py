"""Deletion from the mirror: after its time, and the numbers that are to be forgotten.

Forgotten numbers are kept as keyed hashes, so that no later sweep brings them back.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from django.db import transaction
from django.db.models import DateTimeField, F, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Greatest

from isales_proxy.audit import services as audit
from isales_proxy.core import encryption
from isales_proxy.core.settings import get_retention_settings
from isales_proxy.mirror import names
from isales_proxy.mirror.counters import (
    COUNTED_FIELDS,
    CountKey,
    add_to_counters,
    list_counters,
)
from isales_proxy.models import (
    AuditAction,
    MirrorBusinessResult,
    MirrorCount,
    MirrorLeaf,
    MirrorLook,
    MirrorName,
    MirrorRow,
    MirrorState,
    MirrorSuppression,
    MirrorVersion,
    Phase,
)
from isales_proxy.privacy.phone_numbers import get_digits

_PURPOSE: Final = "forgotten-number"
# A page of another process hides the number after this time.
_FILTER_SECONDS: Final = 10.0
_PART: Final = 500
_ENDED: Final = (Phase.CALLED, Phase.ANSWERED, Phase.FAILED)

_filters: dict[int, tuple[float, Callable[[str], bool] | None]] = {}
_lock = threading.Lock()


def is_suppressed(vdn_id: int) -> Callable[[str], bool]:
    """Return a function: a called number → True if it was forgotten in this VDN.

    Numbers of equal digits are one. The hashes are read once, here: make one for each transaction.
    """
    found = MirrorSuppression.objects.filter(vdn_id=vdn_id)
    forgotten = frozenset(found.values_list("digest", flat=True))
    if not forgotten:
        return lambda _number: False
    keys = encryption.derive_all_keys(_PURPOSE)

    def find(number: str) -> bool:
        digits = get_digits(number)
        return bool(digits) and any(_hash(key, digits) in forgotten for key in keys)

    return find


def _hash(key: bytes, digits: str) -> str:
    return hmac.new(key, digits.encode(), sha256).hexdigest()


def get_filter(vdn_id: int) -> Callable[[str], bool] | None:
    """Return `is_suppressed` as this process read it at most `_FILTER_SECONDS` ago; None where no
    number was forgotten."""
    now = time.monotonic()
    with _lock:
        kept = _filters.get(vdn_id)
    if kept is None or not 0 <= now - kept[0] < _FILTER_SECONDS:
        has_any = MirrorSuppression.objects.filter(vdn_id=vdn_id).exists()
        kept = now, is_suppressed(vdn_id) if has_any else None
        with _lock:
            _filters[vdn_id] = kept
    return kept[1]


def clear_memory() -> None:
    """Forget what `get_filter` has read."""
    with _lock:
        _filters.clear()


def forget_number(*, vdn_id: int, number: str, now: datetime) -> int:
    """Delete the reservations of a called number from the mirror of a VDN, and keep it out of later
    sweeps; return how many rows.

    Its digits decide. A row that had the number once and has another by now loses it in its
    history alone.
    """
    digits = get_digits(number)
    with transaction.atomic():
        _lock_mirror(vdn_id)
        MirrorSuppression.objects.get_or_create(
            vdn_id=vdn_id,
            digest=_hash(encryption.derive_key(_PURPOSE), digits),
            defaults={"at": now},
        )
        rows = MirrorRow.objects.for_vdn(vdn_id).exclude(called_no=None)
        removed = _delete_rows(vdn_id, _find_number(rows, digits), now)
        versions = MirrorVersion.objects.filter(vdn=vdn_id).exclude(called_no=None)
        for part in _split(_find_number(versions, digits)):
            MirrorVersion.objects.filter(pk__in=part).update(called_no=None)
        names.delete_unused_business_results(vdn_id)
    clear_memory()
    return removed


def purge(now: datetime) -> int:
    """Delete versions that ended, and closed rows, longer ago than the settings keep them; return
    how many of both.

    Open rows stay. So does a closed one whose time is not as long ago, since the next sweep would
    find it again.
    """
    settings = get_retention_settings()
    versions_before = now - timedelta(days=settings.mirror_version_days)
    rows_before = now - timedelta(days=settings.mirror_row_days)
    MirrorName.objects.filter(known_until__lt=versions_before).delete()
    removed = 0
    for vdn_id in MirrorState.objects.values_list("vdn_id", flat=True):
        ended = MirrorVersion.objects.filter(vdn=vdn_id, known_until__lt=versions_before)
        while part := list(ended.values_list("pk", flat=True)[:_PART]):
            removed += MirrorVersion.objects.filter(pk__in=part).delete()[0]
        went = Q(phase=Phase.GONE, gone_by__lt=rows_before)
        closed = Q(phase__in=_ENDED, observed_at__lt=rows_before, appoint_time__lt=rows_before)
        over = MirrorRow.objects.for_vdn(vdn_id).filter(went | closed)
        rows = 0
        while part := list(over.values_list("pk", flat=True)[:_PART]):
            with transaction.atomic():
                _lock_mirror(vdn_id)
                # One may have come back meanwhile.
                part = list(over.filter(pk__in=part).values_list("pk", flat=True))
                rows += _delete_rows(vdn_id, part, now)
        with transaction.atomic():
            _lock_mirror(vdn_id)
            names.delete_unused_business_results(vdn_id)
            MirrorCount.objects.filter(vdn=vdn_id, rows=0).delete()
        if rows:
            audit.record(AuditAction.MIRROR_PURGED, by=None, vdn_id=vdn_id, rows=rows)
        removed += rows
    return removed


def _lock_mirror(vdn_id: int) -> None:
    """Keep sweeps of the VDN from storing anything until the transaction ends."""
    MirrorState.objects.select_for_update().filter(vdn=vdn_id).first()


def _delete_rows(vdn_id: int, keys: list[int], now: datetime) -> int:
    """Delete rows by primary key, with their versions and their part of the counters."""
    for part in _split(keys):
        rows = MirrorRow.objects.filter(pk__in=part)
        steps: Counter[CountKey] = Counter()
        for values in rows.values(*COUNTED_FIELDS):
            steps.subtract(list_counters(values))
        add_to_counters(vdn_id, steps)
        MirrorVersion.objects.filter(row__in=part).delete()
        rows.delete()
    if keys:
        at = Value(now, DateTimeField())
        MirrorState.objects.filter(vdn=vdn_id).update(
            revision=F("revision") + 1, revised_at=Greatest(Coalesce("revised_at", at), at)
        )
    return len(keys)


def _find_number(found: QuerySet[Any], digits: str) -> list[int]:
    """List the primary keys of the rows whose called number has these digits, however written."""
    pairs = found.values_list("pk", "called_no").iterator(chunk_size=_PART)
    return [key for key, number in pairs if get_digits(number) == digits]


def _split(keys: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(keys), _PART):
        yield keys[start : start + _PART]


def forget_mirrors(vdn_ids: Iterable[int]) -> None:
    """Delete the mirrors of VDNs whose vendor has started anew with other data: the simulator's."""
    wanted = tuple(vdn_ids)
    with transaction.atomic():
        for model in (MirrorVersion, MirrorRow, MirrorLeaf, MirrorCount, MirrorLook):
            model.objects.filter(vdn__in=wanted).delete()
        MirrorBusinessResult.objects.filter(vdn__in=wanted).delete()
        MirrorState.objects.filter(vdn__in=wanted, enabled=True).delete()
