"""Answers of the vendor to write-backs, on the disk before the database hears of them.

An acknowledged write-back must not be sent again because the database was away when the answer
came. A file holds how one attempt ended; it is dropped once the database has that on its disk. It
names no number: its name is the write-back's own key and the number of the attempt.
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


def put(claim: Lease, ending: AttemptResult, now: datetime) -> None:
    """Write down on disk how the vendor answered. Never raises: the database may still take it."""
    facts = asdict(ending) | {"attempt": claim.number, "at": now.isoformat(), "next_at": None}
    try:
        disk_queue.store(_name(claim.row.key, claim.number), facts, b"")
    except OSError as error:
        log.error("write_back_not_on_disk", write_back=claim.row.pk, error=type(error).__name__)


def drop(claim: Lease) -> None:
    """Forget the file: the database has it."""
    disk_queue.remove(_name(claim.row.key, claim.number))


def recover(row: WriteBack | None = None) -> int:
    """Settle what workers left on disk, of one write-back or of all; return how many files.

    Raises django.db.Error while the database takes nothing.
    """
    names = disk_queue.list_names(_PREFIX + (f"{row.key}-" if row else ""))
    return sum(_settled(name) for name in names)


def _settled(name: str) -> bool:
    kept = disk_queue.fetch(name)
    key = name.removeprefix(_PREFIX).rpartition("-")[0]
    row = WriteBack.objects.filter(key=key).first()
    if kept is None or row is None:
        # Not whole, already dropped by its own worker, or of another database: it stays.
        return False
    facts = dict(kept.facts)
    number, at = int(facts.pop("attempt")), datetime.fromisoformat(facts.pop("at"))
    ending = AttemptResult(**facts | {"state": WriteBackState(facts["state"])})
    attempt = row.journal.filter(number=number).first()
    if attempt is not None:
        leases.complete(Lease(row, attempt, began=0.0), ending, at)
        log.info("write_back_recovered", write_back=row.pk, attempt=number)
    disk_queue.remove(name)
    return True


def _name(key: str, number: int) -> str:
    return f"{_PREFIX}{key}-{number}"
