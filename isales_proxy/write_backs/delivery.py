"""Bringing the vendor what waits in the outbox, until it acknowledges or refuses it.

Follows "Interface for Writing back Intermediate Results". The vendor updates by `uniqueId`, so a
result whose answer was lost is sent again; those of one `uniqueId` go in the order in which they
were written, one at a time. What was acknowledged is on the disk before the database hears of it
(see `acknowledgements`), and is not sent again. While the vendor is away its VDN is left alone for
a while, so that not every write-back has to find that out by itself.
"""

from __future__ import annotations

import os
import random
import secrets
import socket
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import Error, InterfaceError, OperationalError, connection
from django.utils import timezone

from isales_proxy.client import Acknowledgement
from isales_proxy.client.errors import CircuitOpen, ISalesError, Misdirected, Refused
from isales_proxy.client.queries import InvalidQuery, MidResult
from isales_proxy.core.settings import get_isales_settings, get_retention_settings
from isales_proxy.models import WriteBackState
from isales_proxy.vendor import gateway
from isales_proxy.write_backs import acknowledgements
from isales_proxy.write_backs import leases as claims
from isales_proxy.write_backs.lease_watch import LeaseWatch
from isales_proxy.write_backs.leases import SHUT_OUT, AttemptResult, Lease
from isales_proxy.write_backs.services import Clock

log = structlog.get_logger("isales")

DELIVERED: Final = "ok"
# Our own fault: the stored request fits no longer, or we broke while sending it.
UNFIT: Final = "unfit"
BROKEN: Final = "broken"

# Seconds. A lease is longer than a call may take, so that it lapses only without its worker.
_LEASE_SLACK: Final = 10.0
_FIRST_DELAY: Final = 5.0
_LONGEST_DELAY: Final = 600.0
_FIRST_PAUSE: Final = 2.0
_LONGEST_PAUSE: Final = 60.0
_LONGEST_WISH: Final = 3600.0
# The waits between the tries to write down how an attempt ended; two minutes of them in all.
_WRITING_DOWN: Final = (0.1, 0.4, 1.5, *(2.0,) * 59)
# How soon a worker looks again whether another is still at its write-back.
_LOOK_AGAIN: Final = timedelta(seconds=5)
_LONGEST_PROBLEM: Final = 400
_LONGEST_CODE: Final = 40
_LONGEST_REQUEST: Final = 64


@dataclass
class DeliveryRun:
    """What one drain did. `next_at` (aware UTC) is when there will be something to do again, as
    far as is known now; `abandoned` tells that a worker is overdue whose place is not taken yet."""

    delivered: int = 0
    refused: int = 0
    postponed: int = 0
    given_up: int = 0
    next_at: datetime | None = None
    abandoned: bool = False


@dataclass(frozen=True)
class _Pause:
    until: float
    times: int


class Pauses:
    """The VDNs that this process leaves alone for a while. Safe for many threads.

    All times are seconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pauses: dict[int, _Pause] = {}

    def begin(self, vdn_id: int, now: float, wish: float | None = None) -> None:
        """Pause, each time twice as long, and not shorter than the vendor wishes (seconds)."""
        with self._lock:
            known = self._pauses.get(vdn_id)
            times = known.times + 1 if known else 1
            seconds = _doubled(_FIRST_PAUSE, times, _LONGEST_PAUSE)
            seconds = max(seconds, min(wish or 0.0, _LONGEST_WISH))
            self._pauses[vdn_id] = _Pause(now + seconds, times)

    def end(self, vdn_id: int) -> None:
        """The vendor has answered."""
        with self._lock:
            self._pauses.pop(vdn_id, None)

    def forget(self) -> None:
        """No VDN has failed yet."""
        with self._lock:
            self._pauses.clear()

    def left(self, vdn_id: int, now: float) -> float:
        """Seconds until the VDN's pause ends; 0 for one that has none."""
        with self._lock:
            found = self._pauses.get(vdn_id)
            return max(found.until - now, 0.0) if found else 0.0

    def running(self, now: float) -> list[int]:
        """The VDNs that are to be left alone."""
        with self._lock:
            return [vdn_id for vdn_id, pause in self._pauses.items() if pause.until > now]


_pauses = Pauses()
_watch = LeaseWatch()


def clear_memory() -> None:
    """Drop what this process remembers of vendors that were away and of other workers."""
    _pauses.forget()
    _watch.forget()


def create_worker_name() -> str:
    """A name that no other worker has: machine, process, and a number drawn by lot."""
    return f"{socket.gethostname()[:32]}-{os.getpid()}-{secrets.token_hex(4)}"


def deliver_due(
    *,
    worker: str,
    clock: Clock = timezone.now,
    monotonic: Callable[[], float] = time.monotonic,
    jitter: Callable[[], float] = random.random,
    pauses: Pauses = _pauses,
    watch: LeaseWatch = _watch,
    stopped: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
) -> DeliveryRun:
    """Deliver what is due, one after the other, until nothing is or `stopped` says so.

    Any number of workers may be at it; `worker` must be a name of its own for each of them.
    `jitter` gives numbers from 0 to 1, so that those that failed together come back apart;
    `sleep` takes seconds. Raises django.db.Error while the database takes nothing, and
    SimulatorRefused before anything is claimed.
    """
    drained = DeliveryRun()
    try:
        acknowledgements.recover()
        while not stopped():
            gateway.ensure_allowed()
            call_within = get_isales_settings().deadline
            claim = claims.acquire(
                worker=worker,
                clock=clock,
                monotonic=monotonic,
                lease=timedelta(seconds=call_within + _LEASE_SLACK),
                watch=watch,
                recover=lambda row: acknowledgements.recover(row) > 0,
                avoid=pauses.running(monotonic()),
            )
            if claim is None:
                break
            if monotonic() - claim.began > _LEASE_SLACK / 2:
                # We stood still meanwhile: a call begun now could outlast the claim.
                claims.release(claim)
                continue
            _deliver(claim, drained, clock, monotonic, jitter, pauses, watch, sleep)
        _look_ahead(drained, pauses, clock(), monotonic())
    except Error:
        watch.forget()
        raise
    return drained


def _deliver(
    claim: Lease,
    drained: DeliveryRun,
    clock: Clock,
    monotonic: Callable[[], float],
    jitter: Callable[[], float],
    pauses: Pauses,
    watch: LeaseWatch,
    sleep: Callable[[float], None],
) -> None:
    """One attempt, from the call to the line in the journal."""
    said = _send(claim)
    error = None if isinstance(said, Acknowledgement) else said
    now = clock()
    if isinstance(error, CircuitOpen):
        claims.release(claim)
        pauses.begin(claim.row.vdn_id, monotonic(), error.retry_after)
        return
    ending = _ending(claim, said, now, jitter)
    if ending.state is not WriteBackState.WAITING:
        acknowledgements.put(claim, ending, now)
    _write_down(claim, ending, now, watch, sleep)
    _count(drained, ending)
    _mind_pause(pauses, claim, error, monotonic())
    log.info(
        "write_back_sent",
        write_back=claim.row.pk,
        vdn=claim.row.vdn_id,
        attempt=claim.number,
        outcome=ending.outcome,
        state=ending.state.value,
        vendor_request=ending.vendor_request,
    )


def _send(claim: Lease) -> Acknowledgement | Exception:
    """One call, and what came of it."""
    try:
        result = MidResult.from_body(claim.row.body)
        return gateway.get_client(claim.row.vdn).push_mid_result(result=result)
    except (ISalesError, InvalidQuery) as error:
        return error
    # Whatever breaks us must not stop the others.
    except Exception as error:  # noqa: BLE001
        # Where it was, and nothing of what it says: that may quote the request.
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error(
            "write_back_broke",
            write_back=claim.row.pk,
            error=type(error).__name__,
            place=f"{place.filename}:{place.lineno}",
        )
        return error


def _write_down(
    claim: Lease,
    ending: AttemptResult,
    now: datetime,
    watch: LeaseWatch,
    sleep: Callable[[float], None],
) -> None:
    """Settle the claim, with patience: on the disk of another machine nobody sees what is on ours.

    Raises django.db.Error; what was acknowledged is then on the disk for the next worker.
    """
    for wait in (*_WRITING_DOWN, None):
        try:
            claims.complete(claim, ending, now)
        except (OperationalError, InterfaceError) as error:
            if wait is None:
                raise
            log.warning(
                "write_back_not_settled", write_back=claim.row.pk, error=type(error).__name__
            )
            watch.forget()
            sleep(wait)
            # A connection that broke would stay broken.
            connection.close_if_unusable_or_obsolete()
        else:
            acknowledgements.drop(claim)
            return


def _ending(
    claim: Lease, error: Acknowledgement | Exception, now: datetime, jitter: Callable[[], float]
) -> AttemptResult:
    if isinstance(error, Acknowledgement):
        return AttemptResult(
            WriteBackState.DELIVERED,
            DELIVERED,
            maybe_sent=True,
            http_status=error.http_status,
            vendor_request=error.request_id,
        )
    if isinstance(error, InvalidQuery):
        return AttemptResult(WriteBackState.GIVEN_UP, UNFIT, maybe_sent=False, problem=str(error))
    # Who is not CC-iSales cannot refuse for it.
    if isinstance(error, Refused) and not isinstance(error, Misdirected):
        return _told(error, WriteBackState.REFUSED, None)
    if now - claim.row.queued_at >= timedelta(hours=get_retention_settings().give_up_hours):
        return _told(error, WriteBackState.GIVEN_UP, None)
    return _told(error, WriteBackState.WAITING, _retry_at(claim, error, now, jitter))


def _told(error: Exception, state: WriteBackState, next_at: datetime | None) -> AttemptResult:
    """The error's facts, as far as they are safe to keep."""
    if not isinstance(error, ISalesError):
        return AttemptResult(state, BROKEN, next_at, problem=type(error).__name__)
    words = error.vendor_sentence if isinstance(error, Refused) else error.sentence
    return AttemptResult(
        state,
        error.outcome,
        next_at,
        maybe_sent=error.maybe_sent,
        http_status=error.http_status,
        vendor_code=(error.code or "")[:_LONGEST_CODE],
        problem=words[:_LONGEST_PROBLEM],
        vendor_request=error.request_id[:_LONGEST_REQUEST],
    )


def _retry_at(
    claim: Lease, error: Exception, now: datetime, jitter: Callable[[], float]
) -> datetime:
    seconds = _doubled(_FIRST_DELAY, claims.count_failures(claim.row), _LONGEST_DELAY)
    seconds *= 0.8 + 0.4 * jitter()
    wish = error.retry_after if isinstance(error, ISalesError) else None
    return now + timedelta(seconds=max(seconds, min(wish or 0.0, _LONGEST_WISH)))


def _doubled(first: float, times: int, longest: float) -> float:
    return min(first * 2.0 ** min(max(times, 1) - 1, 32), longest)


def _mind_pause(pauses: Pauses, claim: Lease, error: Exception | None, now: float) -> None:
    if isinstance(error, SHUT_OUT):
        pauses.begin(claim.row.vdn_id, now, error.retry_after)
    elif error is None or isinstance(error, ISalesError):
        pauses.end(claim.row.vdn_id)


def _count(drained: DeliveryRun, ending: AttemptResult) -> None:
    match ending.state:
        case WriteBackState.DELIVERED:
            drained.delivered += 1
        case WriteBackState.REFUSED:
            drained.refused += 1
        case WriteBackState.GIVEN_UP:
            drained.given_up += 1
        case _:
            drained.postponed += 1


def _look_ahead(drained: DeliveryRun, pauses: Pauses, now: datetime, elapsed: float) -> None:
    """Say when a VDN that is not paused will have something due, or another worker to look at."""
    under_way = claims.under_way()
    found = dict.fromkeys(under_way, now + _LOOK_AGAIN)
    for vdn_id, first in claims.get_next_due().items():
        found[vdn_id] = min(first, found.get(vdn_id, first))
    drained.next_at = min(
        (
            max(first, now + timedelta(seconds=left))
            if (left := pauses.left(vdn_id, elapsed))
            else first
            for vdn_id, first in found.items()
        ),
        default=None,
    )
    drained.abandoned = any(until <= now for until in under_way.values())
