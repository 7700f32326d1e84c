"""Count how often each code occurred lately: distinct reservations with it, over all readers."""

from __future__ import annotations

import hashlib
import threading
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
_Occurrence = tuple[int, str, str]

# Occurrences recorded by this process, and the day: a row shown again costs no query.
_known: dict[_Occurrence, date] = {}
_lock = threading.Lock()


def record_occurrences(vdn: Vdn, rows: Iterable[Reservation]) -> None:
    """Record the codes of these rows in one query, or in none when nothing is new today.

    A failure is logged: the page is shown without.
    """
    day = _get_day()
    fresh = set()
    for row in rows:
        if row.fail_code and row.appoint_id:
            # Most rows were recorded before, which costs less to find out than anything else.
            code = row.fail_code.replace("\x00", "")[:MAX_CODE_LENGTH]
            key = (vdn.pk, code, _fingerprint(row.appoint_id))
            if _known.get(key) != day and _is_code(row, row.fail_code):
                fresh.add(key)
    # Sorted, so that two pages at once do not deadlock.
    new = sorted(fresh)
    if not new:
        return
    written = optional_write(
        lambda: CodeSighting.objects.bulk_create(
            [CodeSighting(vdn=vdn, code=code, row=row, day=day) for _vdn, code, row in new],
            update_conflicts=True,
            unique_fields=["vdn", "code", "row"],
            update_fields=["day"],
        ),
        "codes_not_counted",
        vdn=vdn.pk,
    )
    if not written:
        return
    with _lock:
        if len(_known) + len(new) > _MAX_REMEMBERED:
            _known.clear()
        _known.update(dict.fromkeys(new, day))


def count_recent(vdn: Vdn, code: str = "") -> dict[str, int]:
    """Return the number of reservations for each code, or for `code`, in the last `DAYS` days
    (UTC), today included."""
    found = CodeSighting.objects.after(_get_day() - timedelta(days=DAYS), vdn=vdn)
    if code:
        found = found.filter(code=code)
    return found.count_by_code()


def purge(now: datetime | None = None) -> int:
    """Delete occurrences that count no longer; return the number of rows."""
    return CodeSighting.objects.before(_get_day(now) - timedelta(days=_KEPT_DAYS)).delete()[0]


def clear_memory() -> None:
    """Forget what this process has recorded."""
    with _lock:
        _known.clear()


def _get_day(now: datetime | None = None) -> date:
    return (now or timezone.now()).astimezone(UTC).date()


def _is_code(row: Reservation, text: str) -> bool:
    """Tell whether all roles may read it: the code book lists the codes that occurred."""
    own = masking.get_own_numbers((row.called_no, row.caller_no))
    return masking.mask_code(text, own) == text


def _fingerprint(appoint_id: str) -> str:
    return hashlib.sha256(appoint_id.encode("utf-8", "replace")).hexdigest()[:40]
