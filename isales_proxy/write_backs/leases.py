"""Leases: which worker delivers which write-back, and the result of its attempt.

When a worker dies its lease expires, which every other worker measures by its own monotonic clock
(`LeaseWatch`). The attempt number fences off the old worker. The journal entry is stored with the
lease, before anything is sent, so that every request is recorded. No transaction is open while the
vendor is called.

An acknowledged write-back must not be sent again because the database was unavailable when the
answer came. So the result of an attempt is in a file until the database has it. The file's name is
the write-back's key and the attempt number, without any phone number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import transaction
from django.db.models import F, Max, Min

from isales_proxy.client.errors import CredentialsRefused, Misdirected, TokenEnded
from isales_proxy.core import disk_queue
from isales_proxy.core.database import commit_to_disk
from isales_proxy.core.response_cache import UNAVAILABLE_ERRORS
from isales_proxy.models import Vdn, WriteBack, WriteBackAttempt, WriteBackState
from isales_proxy.models.write_backs import WriteBackQuerySet

log = structlog.get_logger("isales")

Clock = Callable[[], datetime]

# The vendor is unavailable, refuses our keys, or is not at the configured address, so the next
# write-back would fail as well.
UNAVAILABLE: Final = (*UNAVAILABLE_ERRORS, CredentialsRefused, TokenEnded, Misdirected)
_UNAVAILABLE_OUTCOMES: Final = tuple(kind.outcome for kind in UNAVAILABLE)
_WAITING: Final = WriteBackState.WAITING
# Longest time between two observations, as a part of the lease's length: more than one call takes.
_LONGEST_GAP: Final = 0.8
_FILE_PREFIX: Final = "write-back-"


@dataclass
class _Observation:
    attempt: int
    first: float
    last: float


class LeaseWatch:
    """Attempts of other workers as observed by this process. Thread-safe.

    A lease in the database ends by the wall clock of its worker, which can be set. And while the
    database is unavailable no worker can end a lease. So for this process a lease expires only when
    the same attempt was observed for the whole length of a lease, without a longer gap between two
    observations. All times are seconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[int, _Observation] = {}

    def update(self, leased: Mapping[int, int], now: float, length: float) -> dict[int, int]:
        """Record the current attempts (write-back → attempt number) and return those whose lease of
        `length` seconds has expired. A later attempt of the same write-back is another lease."""
        with self._lock:
            self._seen = {
                pk: self._observe(pk, attempt, now, length) for pk, attempt in leased.items()
            }
            return {
                pk: seen.attempt for pk, seen in self._seen.items() if now - seen.first >= length
            }

    def reset(self) -> None:
        """Forget all attempts, since no worker could end one while the database was unavailable."""
        with self._lock:
            self._seen.clear()

    def _observe(self, pk: int, attempt: int, now: float, length: float) -> _Observation:
        seen = self._seen.get(pk)
        if seen is None or seen.attempt != attempt or now - seen.last > length * _LONGEST_GAP:
            return _Observation(attempt, now, now)
        seen.last = now
        return seen


@dataclass(frozen=True)
class Lease:
    """A worker's right to deliver one write-back, since `began` (s, its monotonic clock)."""

    row: WriteBack
    attempt: WriteBackAttempt
    began: float

    @property
    def number(self) -> int:
        """The attempt number, which increases with every lease and so fences off an older one."""
        return self.attempt.number


@dataclass(frozen=True)
class AttemptResult:
    """Result of an attempt: the fields of its journal entry, the new state of the write-back, and
    the time of the next attempt."""

    state: WriteBackState
    outcome: str
    next_at: datetime | None = None
    maybe_sent: bool = True
    http_status: int | None = None
    vendor_code: str = ""
    problem: str = ""
    vendor_request: str = ""


def lock_vdn(vdn_id: int) -> Vdn:
    """Lock the VDN's outbox until the transaction ends.

    So write-backs become visible in the order of their IDs, and no older one is queued again while
    a newer one of the same unique ID is being leased.
    """
    return Vdn.objects.select_for_update(no_key=True).get(pk=vdn_id)


def acquire(
    *,
    worker: str,
    clock: Clock,
    monotonic: Callable[[], float],
    length: timedelta,
    watch: LeaseWatch,
    recover: Callable[[WriteBack], bool] = lambda _row: False,
    avoid: Collection[int] = (),
) -> Lease | None:
    """Lease the first due write-back outside of the VDNs in `avoid`; None if none is due.

    Before an expired lease is taken over, `recover` looks for a result that its worker left on disk
    and returns True when it has completed the attempt by that.
    """
    while True:
        began = monotonic()
        leased = dict(_leased().values_list("pk", "attempts"))
        expired = watch.update(leased, began, length.total_seconds())
        head = (
            WriteBack.objects.due(clock(), expired)
            .exclude(vdn__in=avoid)
            .order_by("next_at", "pk")
            .only("pk", "vdn_id", "key", "attempts", "claimed_by")
            .first()
        )
        if head is None:
            return None
        if head.claimed_by and recover(head):
            continue
        with transaction.atomic():
            lock_vdn(head.vdn_id)
            now = clock()
            acquired = (
                WriteBack.objects.due(now, expired)
                .filter(pk=head.pk, attempts=head.attempts, claimed_by=head.claimed_by)
                .update(claimed_by=worker, claimed_until=now + length, attempts=F("attempts") + 1)
            )
            if acquired:
                row = WriteBack.objects.select_related("vdn").get(pk=head.pk)
                mark_lost(row, now)
                attempt = row.journal.create(number=row.attempts, started_at=now, worker=worker)
                return Lease(row, attempt, began)
        # Another worker was faster.


def complete(lease: Lease, result: AttemptResult, now: datetime) -> None:
    """Store the result of an attempt, and the write-back's new state if the lease is still valid.

    An acknowledgement by the vendor counts even with an expired lease. A final state is committed
    to disk when this returns.
    """
    with transaction.atomic() if result.state is _WAITING else commit_to_disk():
        lock_vdn(lease.row.vdn_id)
        entry = asdict(result)
        del entry["state"], entry["next_at"]
        WriteBackAttempt.objects.filter(pk=lease.attempt.pk).update(finished_at=now, **entry)
        delivered = result.state is WriteBackState.DELIVERED
        if delivered:
            rows = WriteBack.objects.filter(pk=lease.row.pk).exclude(state=result.state)
        else:
            rows = _still_leased(lease)
        rows.update(
            state=result.state,
            next_at=result.next_at or now,
            finished_at=None if result.state is _WAITING else now,
            claimed_by="",
            claimed_until=None,
            vendor_code=result.vendor_code,
            problem=result.problem,
        )
        if delivered:
            _wake_others(lease.row, now)


def store_on_disk(lease: Lease, result: AttemptResult, now: datetime) -> None:
    """Write the result to a file. Never raises, since the database may still store it."""
    facts = asdict(result) | {"attempt": lease.number, "at": now.isoformat(), "next_at": None}
    try:
        disk_queue.store(_get_name(lease.row.key, lease.number), facts, b"")
    except OSError as error:
        log.error("write_back_not_on_disk", write_back=lease.row.pk, error=type(error).__name__)


def drop_from_disk(lease: Lease) -> None:
    """Delete the file once the database has the result."""
    disk_queue.remove(_get_name(lease.row.key, lease.number))


def recover(row: WriteBack | None = None) -> int:
    """Complete the attempts whose results are on disk, of one write-back or of all.

    Returns the number of files. Raises django.db.Error while the database is unavailable.
    """
    names = disk_queue.list_names(_FILE_PREFIX + (f"{row.key}-" if row else ""))
    return sum(_recover_file(name) for name in names)


def _recover_file(name: str) -> bool:
    kept = disk_queue.fetch(name)
    key = name.removeprefix(_FILE_PREFIX).rpartition("-")[0]
    row = WriteBack.objects.filter(key=key).first()
    if kept is None or row is None:
        # Incomplete, dropped by its own worker meanwhile, or of another database.
        return False
    facts = dict(kept.facts)
    number, at = int(facts.pop("attempt")), datetime.fromisoformat(facts.pop("at"))
    result = AttemptResult(**facts | {"state": WriteBackState(facts["state"])})
    attempt = row.journal.filter(number=number).first()
    if attempt is not None:
        complete(Lease(row, attempt, began=0.0), result, at)
        log.info("write_back_recovered", write_back=row.pk, attempt=number)
    disk_queue.remove(name)
    return True


def _get_name(key: str, number: int) -> str:
    return f"{_FILE_PREFIX}{key}-{number}"


def release(lease: Lease) -> None:
    """End a lease without an attempt, and delete its journal entry."""
    with transaction.atomic():
        lock_vdn(lease.row.vdn_id)
        if _still_leased(lease).update(
            claimed_by="", claimed_until=None, attempts=F("attempts") - 1
        ):
            WriteBackAttempt.objects.filter(pk=lease.attempt.pk).delete()


def mark_lost(row: WriteBack, now: datetime) -> None:
    """Close an open attempt whose worker died before an answer arrived."""
    row.journal.filter(outcome="").update(
        outcome=WriteBackAttempt.LOST, finished_at=now, maybe_sent=True
    )


def get_next_due() -> dict[int, datetime]:
    """Return when the first unleased write-back of each VDN (ID) is due."""
    free = WriteBack.objects.heads().filter(claimed_by="").order_by()
    return dict(free.values_list("vdn_id").annotate(first=Min("next_at")))


def get_lease_ends() -> dict[int, datetime]:
    """Return when the last lease of each VDN (ID) ends (UTC, by the wall clock of its worker)."""
    return dict(_leased().order_by().values_list("vdn_id").annotate(last=Max("claimed_until")))


def count_failures(row: WriteBack) -> int:
    """Count the attempts since the write-back was last queued."""
    return row.journal.filter(started_at__gte=row.queued_at).count()


def _leased() -> WriteBackQuerySet:
    return WriteBack.objects.heads().exclude(claimed_by="")


def _still_leased(lease: Lease) -> WriteBackQuerySet:
    return WriteBack.objects.waiting().filter(
        pk=lease.row.pk, claimed_by=lease.attempt.worker, attempts=lease.number
    )


def _wake_others(delivered: WriteBack, now: datetime) -> None:
    """Make write-backs due at once that only waited for the vendor to be available again.

    One that had already failed before the previous delivery has another problem and keeps its
    pause.
    """
    others = WriteBack.objects.for_vdn(delivered.vdn_id)
    previous = (
        others.filter(state=WriteBackState.DELIVERED)
        .exclude(pk=delivered.pk)
        .values_list("finished_at", flat=True)
        .first()
    )
    others.postponed(now, _UNAVAILABLE_OUTCOMES, previous).update(next_at=now)
