"""Count how often each code occurred lately: distinct reservations with it, over all readers."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.utils import timezone

from isales_proxy.client.records import Reservation
from isales_proxy.core.database import optional_write
from isales_proxy.models import CodeSighting, Vdn
from isales_proxy.privacy import masking
from isales_proxy.result_codes.history import MAX_CODE_LENGTH

DAYS: Final = 7
_KEPT_DAYS: Final = 8
_MAX_REMEMBERED: Final = 50_000
# Pages are not to wait for a transaction each: what is new is written together, in seconds.
_WRITTEN_EVERY: Final = 10
_MOST_WAITING: Final = 500
# VDN, code as the vendor sent it, ID of the reservation.
_Occurrence = tuple[int, str, str]

# Occurrences recorded by this process, and the day: a row shown again costs no query.
_known: dict[_Occurrence, date] = {}
# Those of them that are not in the database yet, with their rows.
_waiting: dict[_Occurrence, tuple[Reservation, date]] = {}
_written_at = 0.0
_lock = threading.Lock()


def record_occurrences(vdn: Vdn, rows: Iterable[Reservation]) -> None:
    """Record the codes of these rows. New ones are written with those of other pages, at most once
    in ten seconds; a failure is logged.
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
    if len(_waiting) >= _MOST_WAITING or time.monotonic() - _written_at >= _WRITTEN_EVERY:
        _write()


def _write() -> None:
    """Write what waits; on a failure it is recorded anew when it is seen again."""
    global _written_at
    with _lock:
        new = dict(_waiting)
        _waiting.clear()
        _written_at = time.monotonic()
    # Sorted, so that two processes at once do not deadlock.
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
    """Return the number of reservations for each code, or for `code`, in the last `DAYS` days
    (UTC), today included; other processes may know some more for ten seconds."""
    _write()
    found = CodeSighting.objects.after(_get_day(timezone.now()) - timedelta(days=DAYS), vdn=vdn)
    if code:
        found = found.filter(code=code)
    return found.count_by_code()


def purge(now: datetime) -> int:
    """Delete occurrences that count no longer; return the number of rows."""
    _write()
    return CodeSighting.objects.before(_get_day(now) - timedelta(days=_KEPT_DAYS)).delete()[0]


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
    """Tell whether all roles may read it: the code book lists the codes that occurred."""
    own = masking.get_own_numbers((row.called_no, row.caller_no))
    return masking.mask_code(text, own) == text


def _fingerprint(appoint_id: str) -> str:
    return hashlib.sha256(appoint_id.encode("utf-8", "replace")).hexdigest()[:40]
