"""Delivery of write-backs from the outbox until the vendor acknowledges or refuses them.

Follows "Interface for Writing back Intermediate Results". The vendor updates by `uniqueId`, so a
result whose answer was lost is sent again; results of one `uniqueId` go in the order in which they
were stored, one at a time. An acknowledgement is on disk before the database is told (see
`acknowledgements`), and such a result is not sent again. While the vendor is away its VDN is paused
for a while, so that not every write-back has to find that out by itself.
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

from isales_proxy.client.envelopes import ObsPayload
from isales_proxy.client.errors import CircuitOpen, ISalesError, Misdirected, Refused
from isales_proxy.client.queries import IntermediateResult, InvalidQuery
from isales_proxy.client.transport import Answer
from isales_proxy.core.settings import get_isales_settings, get_retention_settings
from isales_proxy.models import WriteBackState
from isales_proxy.vendor import gateway
from isales_proxy.write_backs import acknowledgements, leases
from isales_proxy.write_backs.leases import UNAVAILABLE, AttemptResult, Clock, Lease, LeaseWatch

log = structlog.get_logger("isales")

DELIVERED: Final = "ok"
# Faults of our own: the stored request is no longer valid, or sending it raised an error.
UNFIT: Final = "unfit"
BROKEN: Final = "broken"

# Seconds. A lease is longer than a call may take, so that it expires only without its worker.
_LEASE_SLACK: Final = 10.0
_FIRST_DELAY: Final = 5.0
_LONGEST_DELAY: Final = 600.0
_FIRST_PAUSE: Final = 2.0
_LONGEST_PAUSE: Final = 60.0
_LONGEST_RETRY_AFTER: Final = 3600.0
# Waits between the tries to store how an attempt ended; two minutes in all.
_STORE_WAITS: Final = (0.1, 0.4, 1.5, *(2.0,) * 59)
# How soon a worker checks another worker's lease again.
_CHECK_AGAIN: Final = timedelta(seconds=5)
_LONGEST_PROBLEM: Final = 400
_LONGEST_CODE: Final = 40
_LONGEST_REQUEST: Final = 64


@dataclass
class DeliveryRun:
    """Counts of one run. `next_at` (aware UTC) is when something will be due again, as far as is
    known now; `abandoned` when a worker is overdue whose lease has not been taken over yet."""

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
    """VDNs that this process does not deliver to for a while. Safe for many threads.

    All times are seconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pauses: dict[int, _Pause] = {}

    def begin(self, vdn_id: int, now: float, retry_after: float | None = None) -> None:
        """Pause a VDN, each time twice as long, and at least for the vendor's `retry_after` (s)."""
        with self._lock:
            known = self._pauses.get(vdn_id)
            times = known.times + 1 if known else 1
            seconds = _double(_FIRST_PAUSE, times, _LONGEST_PAUSE)
            seconds = max(seconds, min(retry_after or 0.0, _LONGEST_RETRY_AFTER))
            self._pauses[vdn_id] = _Pause(now + seconds, times)

    def end(self, vdn_id: int) -> None:
        """End a VDN's pause: the vendor has answered."""
        with self._lock:
            self._pauses.pop(vdn_id, None)

    def clear(self) -> None:
        """End all pauses."""
        with self._lock:
            self._pauses.clear()

    def get_seconds_left(self, vdn_id: int, now: float) -> float:
        """Seconds until the VDN's pause ends; 0 for one that has none."""
        with self._lock:
            found = self._pauses.get(vdn_id)
            return max(found.until - now, 0.0) if found else 0.0

    def list_paused(self, now: float) -> list[int]:
        """The VDNs that are paused."""
        with self._lock:
            return [vdn_id for vdn_id, pause in self._pauses.items() if pause.until > now]


_pauses = Pauses()
_watch = LeaseWatch()


def clear_memory() -> None:
    """Forget pauses and leases of other workers."""
    _pauses.clear()
    _watch.reset()


def create_worker_name() -> str:
    """Create a unique name of a worker: host, process, and a random number."""
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
    """Deliver what is due, one after the other, until nothing is or `stopped` returns True.

    Any number of workers may run at once, each with a `worker` name of its own. `jitter` returns
    numbers from 0 to 1, which spread the retries of write-backs that failed together; `sleep` takes
    seconds. Raises django.db.Error while the database takes nothing, and SimulatorRefused before
    anything is leased.
    """
    run = DeliveryRun()
    try:
        acknowledgements.recover()
        while not stopped():
            gateway.ensure_allowed()
            deadline = get_isales_settings().deadline
            lease = leases.acquire(
                worker=worker,
                clock=clock,
                monotonic=monotonic,
                length=timedelta(seconds=deadline + _LEASE_SLACK),
                watch=watch,
                recover=lambda row: acknowledgements.recover(row) > 0,
                avoid=pauses.list_paused(monotonic()),
            )
            if lease is None:
                break
            if monotonic() - lease.began > _LEASE_SLACK / 2:
                # This process was suspended: a call begun now could outlast the lease.
                leases.release(lease)
                continue
            _deliver(lease, run, clock, monotonic, jitter, pauses, watch, sleep)
        _look_ahead(run, pauses, clock(), monotonic())
    except Error:
        watch.reset()
        raise
    return run


def _deliver(
    lease: Lease,
    run: DeliveryRun,
    clock: Clock,
    monotonic: Callable[[], float],
    jitter: Callable[[], float],
    pauses: Pauses,
    watch: LeaseWatch,
    sleep: Callable[[float], None],
) -> None:
    """Make one attempt, from the call to its journal entry."""
    answer = _send(lease)
    error = None if isinstance(answer, Answer) else answer
    now = clock()
    if isinstance(error, CircuitOpen):
        leases.release(lease)
        pauses.begin(lease.row.vdn_id, monotonic(), error.retry_after)
        return
    result = _judge(lease, answer, now, jitter)
    if result.state is not WriteBackState.WAITING:
        acknowledgements.store(lease, result, now)
    _store(lease, result, now, watch, sleep)
    _count(run, result)
    _update_pause(pauses, lease, error, monotonic())
    log.info(
        "write_back_sent",
        write_back=lease.row.pk,
        vdn=lease.row.vdn_id,
        attempt=lease.number,
        outcome=result.outcome,
        state=result.state.value,
        vendor_request=result.vendor_request,
    )


def _send(lease: Lease) -> Answer[ObsPayload] | Exception:
    """Call the vendor; return its acknowledgement or the error."""
    try:
        result = IntermediateResult.from_body(lease.row.body)
        return gateway.get_client(lease.row.vdn).push_mid_result(result=result)
    except (ISalesError, InvalidQuery) as error:
        return error
    # An unexpected error must not stop the other write-backs.
    except Exception as error:  # noqa: BLE001
        # The place alone: the message may quote the request.
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error(
            "write_back_error",
            write_back=lease.row.pk,
            error=type(error).__name__,
            place=f"{place.filename}:{place.lineno}",
        )
        return error


def _store(
    lease: Lease,
    result: AttemptResult,
    now: datetime,
    watch: LeaseWatch,
    sleep: Callable[[float], None],
) -> None:
    """Store the result, with many tries: workers of other machines cannot read this disk.

    Raises django.db.Error; a final result is then on disk for the next worker.
    """
    for wait in (*_STORE_WAITS, None):
        try:
            leases.complete(lease, result, now)
        except (OperationalError, InterfaceError) as error:
            if wait is None:
                raise
            log.warning(
                "write_back_result_not_stored", write_back=lease.row.pk, error=type(error).__name__
            )
            watch.reset()
            sleep(wait)
            # A broken connection would stay broken.
            connection.close_if_unusable_or_obsolete()
        else:
            acknowledgements.drop(lease)
            return


def _judge(
    lease: Lease, answer: Answer[ObsPayload] | Exception, now: datetime, jitter: Callable[[], float]
) -> AttemptResult:
    if isinstance(answer, Answer):
        return AttemptResult(
            WriteBackState.DELIVERED,
            DELIVERED,
            maybe_sent=True,
            http_status=answer.http_status,
            vendor_request=answer.request_id,
        )
    if isinstance(answer, InvalidQuery):
        return AttemptResult(WriteBackState.GIVEN_UP, UNFIT, maybe_sent=False, problem=str(answer))
    # A server that is not CC-iSales cannot refuse for it.
    if isinstance(answer, Refused) and not isinstance(answer, Misdirected):
        return _describe(answer, WriteBackState.REFUSED, None)
    if now - lease.row.queued_at >= timedelta(hours=get_retention_settings().give_up_hours):
        return _describe(answer, WriteBackState.GIVEN_UP, None)
    return _describe(answer, WriteBackState.WAITING, _get_retry_time(lease, answer, now, jitter))


def _describe(error: Exception, state: WriteBackState, next_at: datetime | None) -> AttemptResult:
    """The facts of an error that are safe to store."""
    if not isinstance(error, ISalesError):
        return AttemptResult(state, BROKEN, next_at, problem=type(error).__name__)
    sentence = error.vendor_sentence if isinstance(error, Refused) else error.sentence
    return AttemptResult(
        state,
        error.outcome,
        next_at,
        maybe_sent=error.maybe_sent,
        http_status=error.http_status,
        vendor_code=(error.code or "")[:_LONGEST_CODE],
        problem=sentence[:_LONGEST_PROBLEM],
        vendor_request=error.request_id[:_LONGEST_REQUEST],
    )


def _get_retry_time(
    lease: Lease, error: Exception, now: datetime, jitter: Callable[[], float]
) -> datetime:
    seconds = _double(_FIRST_DELAY, leases.count_failures(lease.row), _LONGEST_DELAY)
    seconds *= 0.8 + 0.4 * jitter()
    retry_after = error.retry_after if isinstance(error, ISalesError) else None
    return now + timedelta(seconds=max(seconds, min(retry_after or 0.0, _LONGEST_RETRY_AFTER)))


def _double(first: float, times: int, longest: float) -> float:
    return min(first * 2.0 ** min(max(times, 1) - 1, 32), longest)


def _update_pause(pauses: Pauses, lease: Lease, error: Exception | None, now: float) -> None:
    if isinstance(error, UNAVAILABLE):
        pauses.begin(lease.row.vdn_id, now, error.retry_after)
    elif error is None or isinstance(error, ISalesError):
        pauses.end(lease.row.vdn_id)


def _count(run: DeliveryRun, result: AttemptResult) -> None:
    match result.state:
        case WriteBackState.DELIVERED:
            run.delivered += 1
        case WriteBackState.REFUSED:
            run.refused += 1
        case WriteBackState.GIVEN_UP:
            run.given_up += 1
        case _:
            run.postponed += 1


def _look_ahead(run: DeliveryRun, pauses: Pauses, now: datetime, elapsed: float) -> None:
    """Set when a VDN that is not paused will have something due, or a lease to check again."""
    lease_ends = leases.get_lease_ends()
    found = dict.fromkeys(lease_ends, now + _CHECK_AGAIN)
    for vdn_id, first in leases.get_next_due().items():
        found[vdn_id] = min(first, found.get(vdn_id, first))
    run.next_at = min(
        (
            max(first, now + timedelta(seconds=left))
            if (left := pauses.get_seconds_left(vdn_id, elapsed))
            else first
            for vdn_id, first in found.items()
        ),
        default=None,
    )
    run.abandoned = any(until <= now for until in lease_ends.values())
