"""Which worker is at which write-back, and what it found: the bookkeeping of deliveries.

A claim is a lease: it lapses by itself when its worker ends. The journal's line is written with the
claim, before anything is sent, so that no sending goes unseen. Neither claim nor ending holds a
transaction while the vendor is spoken to.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Greatest

from isales_proxy.client.errors import CredentialsRefused, Misdirected
from isales_proxy.models import Vdn, WriteBack, WriteBackAttempt, WriteBackState
from isales_proxy.services.answers import AWAY
from isales_proxy.services.write_backs import Clock, mark_lost, turn_of

# The vendor is away, will not have us, or is not where we look for it: the next write-back would
# fare no better.
SHUT_OUT: Final = (*AWAY, CredentialsRefused, Misdirected)
_SHUT_OUT_OUTCOMES: Final = tuple(kind.outcome for kind in SHUT_OUT)
_WAITING: Final = WriteBackState.WAITING


@dataclass(frozen=True)
class Claim:
    """A write-back in the hands of one worker until `until`. `number` is that of the attempt."""

    row: WriteBack
    attempt: WriteBackAttempt
    until: datetime

    @property
    def number(self) -> int:
        """Counts up with every claim, so that an old one cannot be taken for this."""
        return self.attempt.number


@dataclass(frozen=True)
class Ending:
    """How an attempt ended and what becomes of the write-back."""

    state: WriteBackState
    outcome: str
    next_at: datetime | None = None
    maybe_sent: bool = True
    http_status: int | None = None
    vendor_code: str = ""
    problem: str = ""
    vendor_request: str = ""


def take(
    *, worker: str, clock: Clock, lease: timedelta, avoid: Collection[int] = ()
) -> Claim | None:
    """Claim what is due first, outside of the VDNs to `avoid`; None when nothing is due."""
    while True:
        head = (
            _due(clock())
            .exclude(vdn__in=avoid)
            .order_by("next_at", "pk")
            .values_list("pk", "vdn_id")
            .first()
        )
        if head is None:
            return None
        pk, vdn_id = head
        with transaction.atomic():
            turn_of(vdn_id)
            now = clock()
            until = now + lease
            taken = (
                _due(now)
                .filter(pk=pk)
                .update(claimed_by=worker, claimed_until=until, attempts=F("attempts") + 1)
            )
            if taken:
                row = WriteBack.objects.select_related("vdn").get(pk=pk)
                mark_lost(row, now)
                attempt = row.journal.create(number=row.attempts, started_at=now, worker=worker)
                return Claim(row, attempt, until)
        # Another worker was faster: look for the next one.


def settle(claim: Claim, ending: Ending, now: datetime) -> None:
    """Write down how the attempt ended, and what it makes of the write-back if it is still ours.

    That the vendor has acknowledged it counts whoever holds the claim by now.
    """
    with transaction.atomic():
        turn_of(claim.row.vdn_id)
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


def release(claim: Claim) -> None:
    """Give back what was not sent at all: the journal forgets it."""
    with transaction.atomic():
        turn_of(claim.row.vdn_id)
        if _held(claim).update(claimed_by="", claimed_until=None, attempts=F("attempts") - 1):
            WriteBackAttempt.objects.filter(pk=claim.attempt.pk).delete()


def next_due() -> dict[int, datetime]:
    """By VDN, when the first of its waiting ones is due, or its claim lapses."""
    return dict(
        _heads()
        .order_by()
        .values_list("vdn_id")
        .annotate(first=Min(Greatest("next_at", Coalesce("claimed_until", "next_at"))))
    )


def failures(row: WriteBack) -> int:
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


def _due(now: datetime) -> QuerySet[WriteBack]:
    return _heads().filter(_unclaimed(now), next_at__lte=now)


def _unclaimed(now: datetime) -> Q:
    return Q(claimed_until=None) | Q(claimed_until__lte=now)


def _held(claim: Claim) -> QuerySet[WriteBack]:
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
        WriteBack.objects.filter(_unclaimed(now), state=_WAITING, next_at__gt=now)
        .filter(vdn=delivered.vdn_id)
        .annotate(last=Subquery(journal.order_by("-number").values("outcome")[:1]))
        .filter(last__in=_SHUT_OUT_OUTCOMES)
    )
    if previous is not None:
        asleep = asleep.exclude(Exists(journal.filter(started_at__lt=previous)))
    asleep.update(next_at=now)
