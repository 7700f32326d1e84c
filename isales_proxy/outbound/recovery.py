"""What must be seen to afterwards: answers whose process died, calls without one, and old rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db.models import Q
from django.utils import timezone

from isales_proxy.audit import services as audit
from isales_proxy.client import Received
from isales_proxy.core import disk_queue
from isales_proxy.core.database import commit_to_disk
from isales_proxy.core.settings import get_isales_settings, get_retention_settings
from isales_proxy.models import AuditAction, BatchState, CallDataBatch, CallDatum
from isales_proxy.outbound.storage import SPOOLED, settle, settle_unstored, write_bytes

log = structlog.get_logger("isales")

# Longer than any call of ours can be under way beyond its deadline.
LOST_AFTER: Final = timedelta(seconds=60)
# The process that has just kept an answer is about to read it, too.
_ITS_TURN: Final = timedelta(seconds=10)
_DRAFT_DAYS: Final = timedelta(days=1)
_AT_ONCE: Final = 100


def settle_lost(now: datetime | None = None) -> int:
    """Bring to their end all batches whose process died: read the answer where there is one, else
    say that nobody knows. Gives how many are unknown from now on."""
    now = now or timezone.now()
    recover(now)
    longest = timedelta(seconds=get_isales_settings().longest_call) + LOST_AFTER
    # What was asked in the future: the clock was set back since.
    old = Q(asked_at__lt=now - longest) | Q(asked_at__gt=now + longest)
    lost = CallDataBatch.objects.filter(old, state=BatchState.ASKED, answered_at=None).defer("raw")
    return sum(settle(batch, None, None, by=None).state == BatchState.UNKNOWN for batch in lost)


def recover(now: datetime | None = None) -> int:
    """Read the answers that were kept but not read, from the spool and from the database.

    Gives how many batches came to their end.
    """
    now = now or timezone.now()
    for name in disk_queue.list_names(SPOOLED):
        _unspool(name)
    waiting = CallDataBatch.objects.filter(
        Q(answered_at__lt=now - _ITS_TURN) | Q(answered_at__gt=now + _ITS_TURN),
        state=BatchState.ASKED,
    ).values_list("pk", flat=True)
    return sum(_read(pk) for pk in list(waiting))


def purge(now: datetime | None = None) -> int:
    """Delete the rows and answers that are older than we keep them; the batches stay.

    Gives the number of rows.
    """
    now = now or timezone.now()
    before = now - timedelta(days=get_retention_settings().call_data_days)
    for name in disk_queue.list_names(SPOOLED):
        _drop_old(name, before)
    # Each holds the room of the largest answer; no call is under way for so long.
    disk_queue.remove_incomplete(now - _DRAFT_DAYS)
    old = CallDataBatch.objects.filter(purged_at=None, asked_at__lt=before).exclude(
        state=BatchState.ASKED
    )
    total = 0
    for vdn_id in sorted(set(old.order_by().values_list("vdn_id", flat=True))):
        while batches := list(old.filter(vdn_id=vdn_id).values_list("pk", flat=True)[:_AT_ONCE]):
            total += _purge(vdn_id, batches, now)
    return total


def _unspool(name: str) -> None:
    """Take a spooled answer into the database; that of another database stays where it is."""
    kept = disk_queue.fetch(name)
    batch = CallDataBatch.objects.filter(key=name.removeprefix(SPOOLED)).defer("raw").first()
    if kept is None or batch is None:
        log.warning("call_data_spool_left", readable=kept is not None)
        return
    at = datetime.fromisoformat(str(kept.facts["at"]))
    if "lost" in kept.facts:
        settle_unstored(batch, int(kept.facts["lost"]), at)
        return
    received = Received(
        status=int(kept.facts["status"]),
        body=kept.body,
        complete=bool(kept.facts["complete"]),
        request_id=str(kept.facts["request"]),
    )
    if batch.answered_at is None:
        with commit_to_disk():
            write_bytes(batch, received, at)
    settle(batch, received, None, by=None)


def _read(pk: int) -> bool:
    """Settle a batch from the answer that the database has."""
    batch = CallDataBatch.objects.get(pk=pk)
    received = Received(
        status=batch.http_status or 0,
        body=bytes(batch.raw or b""),
        complete=batch.raw_complete,
        request_id=batch.vendor_request,
    )
    return settle(batch, received, None, by=None).state != BatchState.ASKED


def _drop_old(name: str, before: datetime) -> None:
    kept = disk_queue.fetch(name)
    if kept is not None and datetime.fromisoformat(str(kept.facts["at"])) < before:
        disk_queue.remove(name)


def _purge(vdn_id: int, batches: list[int], now: datetime) -> int:
    with commit_to_disk():
        rows, _by_model = CallDatum.objects.filter(batch__in=batches).delete()
        CallDataBatch.objects.filter(pk__in=batches).update(raw=None, purged_at=now)
        audit.record(
            AuditAction.CALL_DATA_PURGED,
            by=None,
            vdn_id=vdn_id,
            batches=len(batches),
            rows=rows,
        )
    return rows
