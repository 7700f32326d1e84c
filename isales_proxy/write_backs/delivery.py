"""Delivery of write-backs from the outbox until the vendor acknowledges or refuses them.

Follows "Interface for Writing back Intermediate Results". The vendor updates by `uniqueId`, so a
result whose answer was lost is sent again. Results of one `uniqueId` are sent one at a time, in the
order in which they were stored. An acknowledgement is written to disk before it is stored in the
database (see `leases`), so that the result is never sent again. While the vendor is unavailable the
VDN is paused, so that not every write-back has to fail.
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
# Outcomes by our own fault: an invalid stored request, or an unexpected error.
UNFIT: Final = "unfit"
BROKEN: Final = "broken"

# Seconds. A lease is longer than the longest call, so that it expires only when its worker dies.
_LEASE_SLACK: Final = 10.0
_FIRST_DELAY: Final = 5.0
_LONGEST_DELAY: Final = 600.0
_FIRST_PAUSE: Final = 2.0
_LONGEST_PAUSE: Final = 60.0
_LONGEST_RETRY_AFTER: Final = 3600.0
# Seconds between the tries to store a result; two minutes in all.
_STORE_WAITS: Final = (0.1, 0.4, 1.5, *(2.0,) * 59)
# Time after which a worker checks another worker's lease again.
_CHECK_AGAIN: Final = timedelta(seconds=5)
_LONGEST_PROBLEM: Final = 400
_LONGEST_CODE: Final = 40
_LONGEST_REQUEST: Final = 64


@dataclass
class DeliveryRun:
    """Results of one run: numbers of attempts, and when the next one is due (`next_at`, aware UTC).

    `abandoned` when a lease has ended and has not been taken over yet.
    """

    delivered: int = 0
    refused: int = 0
    postponed: int = 0
    given_up: int = 0
    next_at: datetime | None = None
    abandoned: bool = False

    def count(self, state: WriteBackState) -> None:
        """Count an attempt that left the write-back in this state."""
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
    """VDNs to which this process does not deliver for a while. Thread-safe.

    All times are seconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # VDN → end of its pause, and the number of consecutive pauses.
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
        """Return the seconds until the pause ends, for each paused VDN (ID)."""
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
    """A worker with a unique `name`; any number of them may run at the same time.

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
        """Deliver the due write-backs one after the other, until `stopped` returns True.

        Raises django.db.Error while the database is unavailable, and SimulatorRefused before
        anything is leased.
        """
        run = DeliveryRun()
        try:
            leases.recover()
            while not stopped() and (lease := self._acquire()):
                if self.monotonic() - lease.began > _LEASE_SLACK / 2:
                    # This process was suspended, so a call could outlast the lease.
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
        """Make one attempt and store its result; None if no call was made."""
        answer = _send(lease)
        now, vdn_id = self.clock(), lease.row.vdn_id
        if isinstance(answer, CircuitOpen):
            leases.release(lease)
            self.pauses.begin(vdn_id, self.monotonic(), answer.retry_after)
            return None
        result = self._create_result(lease, answer, now)
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

    def _create_result(
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
        # A refusal by a server that is not CC-iSales does not count.
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
        """Store the result, with many tries, since workers of other machines cannot read this disk.

        Raises django.db.Error; then the next worker finds a final result on disk.
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
                connection.close_if_unusable_or_obsolete()
            else:
                leases.drop_from_disk(lease)
                return

    def _look_ahead(self, run: DeliveryRun) -> None:
        """Set when the next write-back is due, or a lease to be checked, outside of pauses."""
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
    """Call the vendor; return the acknowledgement or the error."""
    try:
        result = IntermediateResult.from_body(lease.row.body)
        return gateway.get_client(lease.row.vdn).push_mid_result(result=result)
    except (ISalesError, InvalidQuery) as error:
        return error
    # An unexpected error must not stop the other write-backs.
    except Exception as error:  # noqa: BLE001
        # Only the place: the message may quote the request.
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
    """Create the result of an attempt that ended with an error, with what is safe to store."""
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
