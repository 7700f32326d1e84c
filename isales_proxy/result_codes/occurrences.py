"""How often each code was seen of late: distinct reservations that bore it, whoever looked."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.db.models import Count
from django.utils import timezone

from isales_proxy.client.records import Reservation
from isales_proxy.core.database import optional_write
from isales_proxy.models import CodeSighting, Vdn
from isales_proxy.privacy import masking
from isales_proxy.result_codes.tables import MAX_CODE_LENGTH

DAYS: Final = 7
_KEPT_DAYS: Final = 8
_MOST_REMEMBERED: Final = 50_000
_Sight = tuple[int, str, str]

# What this process wrote down, and on which day: a row that is looked at again costs no query.
_known: dict[_Sight, date] = {}
_lock = threading.Lock()


def record_occurrences(vdn: Vdn, rows: Iterable[Reservation]) -> None:
    """Note what codes these rows bear; one query, and none when nothing is new today.

    A reader's page does not depend on it: a failure is logged.
    """
    day = _today()
    found = {
        (vdn.pk, row.fail_code.replace("\x00", "")[:MAX_CODE_LENGTH], _fingerprint(row.appoint_id))
        for row in rows
        if row.fail_code and row.appoint_id and _is_code(row, row.fail_code)
    }
    # In one order everywhere, so that two pages at once do not wait for each other in a circle.
    new = sorted(sight for sight in found if sight[1] and _known.get(sight) != day)
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
        if len(_known) + len(new) > _MOST_REMEMBERED:
            _known.clear()
        _known.update(dict.fromkeys(new, day))


def count_recent(vdn: Vdn, code: str = "") -> dict[str, int]:
    """Code → reservations that bore it in the last `DAYS` days (UTC), today included.

    Of `code` alone where one is given.
    """
    found = CodeSighting.objects.filter(vdn=vdn, day__gt=_today() - timedelta(days=DAYS))
    if code:
        found = found.filter(code=code)
    return dict(found.order_by("code").values_list("code").annotate(Count("pk")))


def purge(now: datetime | None = None) -> int:
    """Delete what counts no longer; gives the number of rows."""
    before = _today(now) - timedelta(days=_KEPT_DAYS)
    return CodeSighting.objects.filter(day__lt=before).delete()[0]


def clear_memory() -> None:
    """Drop what this process remembers."""
    with _lock:
        _known.clear()


def _today(now: datetime | None = None) -> date:
    return (now or timezone.now()).astimezone(UTC).date()


def _is_code(row: Reservation, text: str) -> bool:
    """Whether everybody may read it: the code book tells all roles what codes were seen."""
    own = masking.get_own_numbers((row.called_no, row.caller_no))
    return masking.mask_code(text, own) == text


def _fingerprint(appoint_id: str) -> str:
    return hashlib.sha256(appoint_id.encode("utf-8", "replace")).hexdigest()[:40]
