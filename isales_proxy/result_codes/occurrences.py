"""Counts of the reservations with each result code in the last days."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.db.models import Count
from django.utils import timezone

from isales_proxy.client.records import Reservation
from isales_proxy.core.database import optional_write
from isales_proxy.models import CodeSighting, Vdn
from isales_proxy.privacy import masking
from isales_proxy.result_codes.history import MAX_CODE_LENGTH

DAYS: Final = 7
_KEPT_DAYS: Final = 8
_MAX_REMEMBERED: Final = 50_000
# New occurrences are written together, so that not every page waits for a transaction.
_WRITE_INTERVAL_S: Final = 10
_MAX_WAITING: Final = 500
# VDN, code as the vendor sent it, ID of the reservation.
_Occurrence = tuple[int, str, str]

# Occurrences recorded by this process with their day, so that they are not written again.
_known: dict[_Occurrence, date] = {}
# Occurrences that are not in the database yet.
_waiting: dict[_Occurrence, tuple[Reservation, date]] = {}
_written_at = 0.0
_lock = threading.Lock()


def record_occurrences(vdn: Vdn, rows: Iterable[Reservation]) -> None:
    """Record the codes of these rows. They are written at most every ten seconds, with those of
    other pages; a failure is logged.
    """
    day, number = _get_day(timezone.now()), vdn.pk
    fresh = {
        key: (row, day)
        for row in rows
        if (code := row.fail_code)
        and (ident := row.appoint_id)
        and _known.get(key := (number, code, ident)) != day
    }
    if not fresh:
        return
    with _lock:
        if len(_known) + len(fresh) > _MAX_REMEMBERED:
            _known.clear()
        _known.update(dict.fromkeys(fresh, day))
        _waiting.update(fresh)
    if len(_waiting) >= _MAX_WAITING or time.monotonic() - _written_at >= _WRITE_INTERVAL_S:
        _write()


def _write() -> None:
    """Write the waiting occurrences; after a failure they are recorded when they are seen again."""
    global _written_at
    with _lock:
        new = dict(_waiting)
        _waiting.clear()
        _written_at = time.monotonic()
    # Sorted, so that two processes do not deadlock.
    rows = sorted(
        {
            (vdn, code.replace("\x00", "")[:MAX_CODE_LENGTH], _fingerprint(ident)): day
            for (vdn, code, ident), (row, day) in new.items()
            if _is_code(row, code)
        }.items()
    )
    if not rows or optional_write(
        lambda: CodeSighting.objects.store((*key, day) for key, day in rows),
        "codes_not_counted",
        count=len(rows),
    ):
        return
    with _lock:
        for key in new:
            _known.pop(key, None)


def count_recent(vdn: Vdn, code: str = "") -> dict[str, int]:
    """Return the number of reservations with each code, or with `code`, in the last `DAYS` days
    (UTC) and today, without those that other processes have not written yet."""
    _write()
    day = _get_day(timezone.now()) - timedelta(days=DAYS)
    found = CodeSighting.objects.filter(vdn=vdn, day__gt=day)
    if code:
        found = found.filter(code=code)
    return dict(found.order_by("code").values_list("code").annotate(Count("pk")))


def purge(now: datetime) -> int:
    """Delete occurrences that are not counted any more; return the number of rows."""
    _write()
    day = _get_day(now) - timedelta(days=_KEPT_DAYS)
    return CodeSighting.objects.filter(day__lt=day).delete()[0]


def clear_memory() -> None:
    """Forget what this process has recorded."""
    global _written_at
    with _lock:
        _known.clear()
        _waiting.clear()
        _written_at = 0.0


def _get_day(now: datetime) -> date:
    return now.astimezone(UTC).date()


def _is_code(row: Reservation, text: str) -> bool:
    """Tell whether the text contains no number, since all roles see the codes that occurred."""
    own = masking.get_own_numbers((row.called_no, row.caller_no))
    return masking.mask_code(text, own) == text


def _fingerprint(appoint_id: str) -> str:
    return hashlib.sha256(appoint_id.encode("utf-8", "replace")).hexdigest()[:40]
