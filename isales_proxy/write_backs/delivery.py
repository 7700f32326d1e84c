"""Delivery of write-backs from the outbox until the vendor acknowledges or refuses them.

Follows "Interface for Writing back Intermediate Results". The vendor updates by `uniqueId`, so a
result whose answer was lost is sent again; results of one `uniqueId` go in the order in which they
were stored, one at a time. An acknowledgement is on disk before the database is told (see
`leases`), and such a result is not sent again. While the vendor is away its VDN is paused
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
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection
from django.utils import timezone

from isales_proxy.client.envelopes import ObsPayload
from isales_proxy.client.errors import CircuitOpen, ISalesError, Misdirected, Refused
from isales_proxy.client.queries import IntermediateResult, InvalidQuery
from isales_proxy.client.transport import Answer
from isales_proxy.models import WriteBack, WriteBackState
from isales_proxy.vendor import gateway
from isales_proxy.write_backs import leases
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

    def count(self, state: WriteBackState) -> None:
        """Count one attempt, by the state that the write-back has after it."""
        match state:
            case WriteBackState.DELIVERED:
                self.delivered += 1
            case WriteBackState.REFUSED:
                self.refused += 1
            case WriteBackState.GIVEN_UP:
                self.given_up += 1
            case _:
                self.postponed += 1


class Pauses:
    """VDNs that this process does not deliver to for a while. Safe for many threads.

    All times are seconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # VDN → end of its pause, and how many followed one another.
        self._pauses: dict[int, tuple[float, int]] = {}

    def begin(self, vdn_id: int, now: float, retry_after: float | None = None) -> None:
        """Pause a VDN, each time twice as long, and at least for the vendor's `retry_after` (s)."""
        with self._lock:
            times = self._pauses.get(vdn_id, (0.0, 0))[1] + 1
            seconds = _double(_FIRST_PAUSE, times, _LONGEST_PAUSE)
            seconds = max(seconds, min(retry_after or 0.0, _LONGEST_RETRY_AFTER))
            self._pauses[vdn_id] = (now + seconds, times)

    def end(self, vdn_id: int) -> None:
        """End a VDN's pause: the vendor has answered."""
        with self._lock:
            self._pauses.pop(vdn_id, None)

    def clear(self) -> None:
        """End all pauses."""
        with self._lock:
            self._pauses.clear()

    def get_seconds_left(self, now: float) -> dict[int, float]:
        """VDN → seconds until its pause ends, of those that are paused."""
        with self._lock:
            ends = ((vdn_id, end) for vdn_id, (end, _times) in self._pauses.items())
            return {vdn_id: end - now for vdn_id, end in ends if end > now}


_pauses = Pauses()
_watch = LeaseWatch()


def clear_memory() -> None:
    """Forget pauses and leases of other workers."""
    _pauses.clear()
    _watch.reset()


def create_worker_name() -> str:
    """Create a unique name of a worker: host, process, and a random number."""
    return f"{socket.gethostname()[:32]}-{os.getpid()}-{secrets.token_hex(4)}"


@dataclass(frozen=True, kw_only=True)
class DeliveryWorker:
    """A worker, one of any number at a time, each with a `name` of its own.

    `jitter` returns numbers from 0 to 1, which spread the retries of write-backs that failed
    together; `sleep` takes seconds.
    """

    name: str = field(default_factory=create_worker_name)
    clock: Clock = timezone.now
    monotonic: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    pauses: Pauses = _pauses
    watch: LeaseWatch = _watch
    sleep: Callable[[float], None] = time.sleep

    def deliver_due(self, stopped: Callable[[], bool] = lambda: False) -> DeliveryRun:
        """Deliver what is due, one after the other, until nothing is or `stopped` returns True.

        Raises django.db.Error while the database takes nothing, and SimulatorRefused before
        anything is leased.
        """
        run = DeliveryRun()
        try:
            leases.recover()
            while not stopped() and (lease := self._acquire()):
                if self.monotonic() - lease.began > _LEASE_SLACK / 2:
                    # This process was suspended: a call begun now could outlast the lease.
                    leases.release(lease)
                elif result := self._deliver(lease):
                    run.count(result.state)
            self._look_ahead(run)
        except Error:
            self.watch.reset()
            raise
        return run

    def _acquire(self) -> Lease | None:
        gateway.ensure_allowed()
        return leases.acquire(
            worker=self.name,
            clock=self.clock,
            monotonic=self.monotonic,
            length=timedelta(seconds=settings.ISALES.deadline + _LEASE_SLACK),
            watch=self.watch,
            recover=lambda row: leases.recover(row) > 0,
            avoid=self.pauses.get_seconds_left(self.monotonic()).keys(),
        )

    def _deliver(self, lease: Lease) -> AttemptResult | None:
        """Make one attempt, from the call to its journal entry; None where no call was made."""
        answer = _send(lease)
        now, vdn_id = self.clock(), lease.row.vdn_id
        if isinstance(answer, CircuitOpen):
            leases.release(lease)
            self.pauses.begin(vdn_id, self.monotonic(), answer.retry_after)
            return None
        result = self._judge(lease, answer, now)
        if result.state is not WriteBackState.WAITING:
            leases.store_on_disk(lease, result, now)
        self._store(lease, result, now)
        if isinstance(answer, UNAVAILABLE):
            self.pauses.begin(vdn_id, self.monotonic(), answer.retry_after)
        elif isinstance(answer, Answer | ISalesError):
            self.pauses.end(vdn_id)
        log.info(
            "write_back_sent",
            write_back=lease.row.pk,
            vdn=vdn_id,
            attempt=lease.number,
            outcome=result.outcome,
            state=result.state.value,
            vendor_request=result.vendor_request,
        )
        return result

    def _judge(
        self, lease: Lease, answer: Answer[ObsPayload] | Exception, now: datetime
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
            return AttemptResult(
                WriteBackState.GIVEN_UP, UNFIT, maybe_sent=False, problem=str(answer)
            )
        # A server that is not CC-iSales cannot refuse for it.
        if isinstance(answer, Refused) and not isinstance(answer, Misdirected):
            return _describe(answer, WriteBackState.REFUSED)
        if now - lease.row.queued_at >= timedelta(hours=settings.RETENTION.give_up_hours):
            return _describe(answer, WriteBackState.GIVEN_UP)
        return _describe(answer, WriteBackState.WAITING, now + self._get_delay(lease.row, answer))

    def _get_delay(self, row: WriteBack, error: Exception) -> timedelta:
        seconds = _double(_FIRST_DELAY, leases.count_failures(row), _LONGEST_DELAY)
        seconds *= 0.8 + 0.4 * self.jitter()
        retry_after = error.retry_after if isinstance(error, ISalesError) else None
        return timedelta(seconds=max(seconds, min(retry_after or 0.0, _LONGEST_RETRY_AFTER)))

    def _store(self, lease: Lease, result: AttemptResult, now: datetime) -> None:
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
                    "write_back_result_not_stored",
                    write_back=lease.row.pk,
                    error=type(error).__name__,
                )
                self.watch.reset()
                self.sleep(wait)
                # A broken connection would stay broken.
                connection.close_if_unusable_or_obsolete()
            else:
                leases.drop_from_disk(lease)
                return

    def _look_ahead(self, run: DeliveryRun) -> None:
        """Set when a VDN that is not paused will have something due, or a lease to check again."""
        now = self.clock()
        lease_ends, due = leases.get_lease_ends(), leases.get_next_due()
        left = self.pauses.get_seconds_left(self.monotonic())
        run.next_at = min(
            (
                max(first, now + timedelta(seconds=left[vdn_id])) if vdn_id in left else first
                for vdn_id, first in [
                    *due.items(),
                    *((vdn_id, now + _CHECK_AGAIN) for vdn_id in lease_ends),
                ]
            ),
            default=None,
        )
        run.abandoned = any(until <= now for until in lease_ends.values())


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


def _describe(
    error: Exception, state: WriteBackState, next_at: datetime | None = None
) -> AttemptResult:
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


def _double(first: float, times: int, longest: float) -> float:
    return min(first * 2.0 ** min(max(times, 1) - 1, 32), longest)
