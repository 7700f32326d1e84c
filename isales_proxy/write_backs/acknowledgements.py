"""Answers of the vendor to write-backs, kept on disk until the database has them.

An acknowledged write-back must not be sent again because the database was away when the answer
came. A file holds how one attempt ended. Its name is the write-back's key and the attempt number,
so it names no phone number.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Final

import structlog

from isales_proxy.core import disk_queue
from isales_proxy.models import WriteBack, WriteBackState
from isales_proxy.write_backs import leases
from isales_proxy.write_backs.leases import AttemptResult, Lease

log = structlog.get_logger("isales")

_PREFIX: Final = "write-back-"


def store(lease: Lease, result: AttemptResult, now: datetime) -> None:
    """Write the vendor's answer to disk. Never raises: the database may still take it."""
    facts = asdict(result) | {"attempt": lease.number, "at": now.isoformat(), "next_at": None}
    try:
        disk_queue.store(_get_name(lease.row.key, lease.number), facts, b"")
    except OSError as error:
        log.error("write_back_not_on_disk", write_back=lease.row.pk, error=type(error).__name__)


def drop(lease: Lease) -> None:
    """Delete the file once the database has the answer."""
    disk_queue.remove(_get_name(lease.row.key, lease.number))


def recover(row: WriteBack | None = None) -> int:
    """Complete the attempts whose answers are on disk, of one write-back or of all.

    Returns the number of files. Raises django.db.Error while the database takes nothing.
    """
    names = disk_queue.list_names(_PREFIX + (f"{row.key}-" if row else ""))
    return sum(_recover_file(name) for name in names)


def _recover_file(name: str) -> bool:
    kept = disk_queue.fetch(name)
    key = name.removeprefix(_PREFIX).rpartition("-")[0]
    row = WriteBack.objects.filter(key=key).first()
    if kept is None or row is None:
        # Incomplete, already dropped by its own worker, or of another database: it stays.
        return False
    facts = dict(kept.facts)
    number, at = int(facts.pop("attempt")), datetime.fromisoformat(facts.pop("at"))
    result = AttemptResult(**facts | {"state": WriteBackState(facts["state"])})
    attempt = row.journal.filter(number=number).first()
    if attempt is not None:
        leases.complete(Lease(row, attempt, began=0.0), result, at)
        log.info("write_back_recovered", write_back=row.pk, attempt=number)
    disk_queue.remove(name)
    return True


def _get_name(key: str, number: int) -> str:
    return f"{_PREFIX}{key}-{number}"
