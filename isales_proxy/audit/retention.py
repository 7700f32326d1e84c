"""Deletion of audit events past retention, and the daily verification."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from prometheus_client import Gauge

from isales_proxy.audit import chain, verify
from isales_proxy.audit import services as audit
from isales_proxy.audit.verify import Broken, Fault, Verdict
from isales_proxy.models import AuditAction, AuditEvent, AuditHead

log = structlog.get_logger("isales")

BROKEN: Final = Gauge(
    "callboard_audit_broken",
    "1 when the chain of the audit was broken at its last verification.",
    multiprocess_mode="mostrecent",
)
_AT_ONCE: Final = 5000
# Only between these two statements of a transaction do the triggers allow deletion.
BEGIN: Final = {
    "postgresql": "SELECT set_config('callboard.purge', 'on', true)",
    "sqlite": "INSERT INTO callboard_audit_purge (under_way) VALUES (1)",
}
END: Final = {
    "postgresql": "SELECT set_config('callboard.purge', '', true)",
    "sqlite": "DELETE FROM callboard_audit_purge",
}
_DELETE_UP_TO: Final = f"DELETE FROM {AuditEvent._meta.db_table} WHERE id <= %s"  # noqa: S608, SLF001 - no input


def purge(now: datetime) -> int:
    """Delete the events past retention, the oldest first; return how many. Recorded in the audit.

    Stops at a broken event, which stays as evidence.
    """
    before = now - timedelta(days=settings.RETENTION.audit_days)
    total = 0
    while deleted := _purge(before):
        total += deleted
    return total


def _purge(before: datetime) -> int:
    with transaction.atomic():
        head = chain.lock_head()
        count = 0
        newest: AuditEvent | None = None
        try:
            if not chain.is_head_intact(head):
                raise Broken(Fault.HEAD)
            for event in verify.verify_oldest(before, _AT_ONCE):
                count, newest = count + 1, event
        except Broken as broken:
            log.error("audit_not_purged", broken_at=broken.event_id)
            return 0
        if newest is None:
            return 0
        with connection.cursor() as cursor:
            cursor.execute(BEGIN[connection.vendor])
            cursor.execute(_DELETE_UP_TO, [newest.pk])
            cursor.execute(END[connection.vendor])
        head.first_previous = newest.hash
        chain.seal_head(head)
        audit.record(
            AuditAction.AUDIT_PURGED, by=None, count=count, last=newest.pk, last_at=newest.at
        )
    return count


def verify_and_store(*, anchor: tuple[int, str] | None = None) -> Verdict:
    """Verify the chain, store the result for the audit's page, and log it.

    An `anchor` that does not match is not stored, since it may have been mistyped. The log entry
    has number and fingerprint of the last event: where the database's admin cannot change the logs,
    they reveal an audit that was replaced by an older copy.
    """
    found = verify.verify(anchor=anchor)
    if found.fault is not Fault.ANCHOR:
        AuditHead.objects.filter(pk=1).update(
            checked_at=timezone.now(), checked_count=found.count, problem=found.short
        )
        BROKEN.set(1 if found.fault else 0)
    facts = {"count": found.count, "last": found.last_id, "hash": found.last_hash}
    if found.fault:
        log.error("audit_broken", problem=found.problem, **facts)
    else:
        log.info("audit_verified", **facts)
    return found
