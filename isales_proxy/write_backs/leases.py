"""Which worker is at which write-back, and what it found: the bookkeeping of deliveries.

A claim is a lease: it lapses by itself when its worker ends, which every other worker judges by its
own monotonic clock (see `leases`); the number of the attempt fences it. The journal's line is
written with the claim, before anything is sent, so that no sending goes unseen. Neither claim nor
ending holds a transaction while the vendor is spoken to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery

from isales_proxy.client.errors import CredentialsRefused, Misdirected, TokenEnded
from isales_proxy.core.database import commit_to_disk
from isales_proxy.core.response_cache import AWAY
from isales_proxy.models import Vdn, WriteBack, WriteBackAttempt, WriteBackState
from isales_proxy.write_backs.lease_watch import LeaseWatch
from isales_proxy.write_backs.services import Clock, lock_vdn, mark_lost

# The vendor is away, will not have us, or is not where we look for it: the next write-back would
# fare no better.
SHUT_OUT: Final = (*AWAY, CredentialsRefused, TokenEnded, Misdirected)
_SHUT_OUT_OUTCOMES: Final = tuple(kind.outcome for kind in SHUT_OUT)
_WAITING: Final = WriteBackState.WAITING
# More than the clocks of two machines may differ by.
_SET_BACK: Final = timedelta(seconds=60)


@dataclass(frozen=True)
class Lease:
    """A write-back in the hands of one worker since `began` (seconds, its monotonic clock).

    `number` is that of the attempt.
    """

    row: WriteBack
    attempt: WriteBackAttempt
    began: float

    @property
    def number(self) -> int:
        """Counts up with every claim, so that an old one cannot be taken for this."""
        return self.attempt.number


@dataclass(frozen=True)
class AttemptResult:
    """How an attempt ended and what becomes of the write-back."""

    state: WriteBackState
    outcome: str
    next_at: datetime | None = None
    maybe_sent: bool = True
    http_status: int | None = None
    vendor_code: str = ""
    problem: str = ""
    vendor_request: str = ""


def acquire(
    *,
    worker: str,
    clock: Clock,
    monotonic: Callable[[], float],
    lease: timedelta,
    watch: LeaseWatch,
    recover: Callable[[WriteBack], bool] = lambda _row: False,
    avoid: Collection[int] = (),
) -> Lease | None:
    """Claim what is due first, outside of the VDNs to `avoid`; None when nothing is due.

    Before the place of a worker that seems to have ended is taken, `recover` looks for what it left
    behind; True says that it has settled the write-back by that.
    """
    while True:
        began = monotonic()
        held = dict(_heads().exclude(claimed_by="").values_list("pk", "attempts"))
        ended = watch.ended(held, began, lease.total_seconds())
        head = (
            _due(clock(), ended)
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
            taken = (
                _due(now, ended)
                .filter(pk=head.pk, attempts=head.attempts, claimed_by=head.claimed_by)
                .update(claimed_by=worker, claimed_until=now + lease, attempts=F("attempts") + 1)
            )
            if taken:
                row = WriteBack.objects.select_related("vdn").get(pk=head.pk)
                mark_lost(row, now)
                attempt = row.journal.create(number=row.attempts, started_at=now, worker=worker)
                return Lease(row, attempt, began)
        # Another worker was faster: look for the next one.


def complete(claim: Lease, ending: AttemptResult, now: datetime) -> None:
    """Write down how the attempt ended, and what it makes of the write-back if it is still ours.

    That the vendor has acknowledged it counts whoever holds the claim by now. An end is on the disk
    when this returns.
    """
    with transaction.atomic() if ending.state is _WAITING else commit_to_disk():
        lock_vdn(claim.row.vdn_id)
        WriteBackAttempt.objects.filter(pk=claim.attempt.pk).update(
            finished_at=now,
            outcome=ending.outcome,
            maybe_sent=ending.maybe_sent,
            http_status=ending.http_status,
            vendor_code=ending.vendor_code,
            problem=ending.problem,
            vendor_request=ending.vendor_request,
        )
        delivered = ending.state is WriteBackState.DELIVERED
        if delivered:
            rows = WriteBack.objects.filter(pk=claim.row.pk).exclude(state=ending.state)
        else:
            rows = _held(claim)
        rows.update(
            state=ending.state,
            next_at=ending.next_at or now,
            finished_at=None if ending.state is _WAITING else now,
            claimed_by="",
            claimed_until=None,
            vendor_code=ending.vendor_code,
            problem=ending.problem,
        )
        if delivered:
            _wake(claim.row, now)


def release(claim: Lease) -> None:
    """Give back what was not sent at all: the journal forgets it."""
    with transaction.atomic():
        lock_vdn(claim.row.vdn_id)
        if _held(claim).update(claimed_by="", claimed_until=None, attempts=F("attempts") - 1):
            WriteBackAttempt.objects.filter(pk=claim.attempt.pk).delete()


def get_next_due() -> dict[int, datetime]:
    """Return by VDN when the first of its waiting ones is due that no worker is at."""
    free = _heads().filter(claimed_by="").order_by()
    return dict(free.values_list("vdn_id").annotate(first=Min("next_at")))


def under_way() -> dict[int, datetime]:
    """Return by VDN until when (UTC, by its wall clock) a worker may be at one of its heads."""
    held = _heads().exclude(claimed_by="").order_by()
    return dict(held.values_list("vdn_id").annotate(last=Max("claimed_until")))


def count_failures(row: WriteBack) -> int:
    """How often it was tried since it was put into the outbox, the last time."""
    return row.journal.filter(started_at__gte=row.queued_at).count()


def _heads() -> QuerySet[WriteBack]:
    """Those that wait for no earlier one of the same unique ID."""
    earlier = WriteBack.objects.filter(
        vdn=OuterRef("vdn"),
        unique_id=OuterRef("unique_id"),
        state=_WAITING,
        pk__lt=OuterRef("pk"),
    )
    return WriteBack.objects.filter(
        ~Exists(earlier), state=_WAITING, vdn__in=Vdn.objects.filter(enabled=True)
    )


def _due(now: datetime, ended: Mapping[int, int]) -> QuerySet[WriteBack]:
    """What may be tried now: what nobody is at, and those whose attempt of that number has `ended`.

    What was never tried since it was queued is due whatever the clock says, and so is what was
    tried in the future: the clock was set back since.
    """
    ahead = WriteBackAttempt.objects.filter(
        write_back=OuterRef("pk"), number=OuterRef("attempts"), finished_at__gt=now + _SET_BACK
    )
    timely = Q(next_at__lte=now) | Q(next_at=F("queued_at")) | Exists(ahead)
    due = Q(Q(claimed_by="") & timely)
    for pk, attempt in ended.items():
        # The number fences it: another worker may have taken that place since we looked.
        due |= Q(pk=pk, attempts=attempt)
    return _heads().filter(due)


def _held(claim: Lease) -> QuerySet[WriteBack]:
    return WriteBack.objects.filter(
        pk=claim.row.pk,
        state=_WAITING,
        claimed_by=claim.attempt.worker,
        attempts=claim.number,
    )


def _wake(delivered: WriteBack, now: datetime) -> None:
    """The vendor is back: what only waited for that is due at once.

    What had failed already when the newest other delivered one arrived fails on its own account,
    and keeps its pause.
    """
    previous = (
        WriteBack.objects.filter(vdn=delivered.vdn_id, state=WriteBackState.DELIVERED)
        .exclude(pk=delivered.pk)
        .order_by("-pk")
        .values_list("finished_at", flat=True)
        .first()
    )
    journal = WriteBackAttempt.objects.filter(write_back=OuterRef("pk"))
    asleep = (
        WriteBack.objects.filter(claimed_by="", state=_WAITING, next_at__gt=now)
        .filter(vdn=delivered.vdn_id)
        .annotate(last=Subquery(journal.order_by("-number").values("outcome")[:1]))
        .filter(last__in=_SHUT_OUT_OUTCOMES)
    )
    if previous is not None:
        asleep = asleep.exclude(Exists(journal.filter(started_at__lt=previous)))
    asleep.update(next_at=now)
