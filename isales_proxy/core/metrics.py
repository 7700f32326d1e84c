"""Metrics, last result and log line of every call to the vendor.

No values of fields, numbers or secrets are recorded; drift is recorded by the name of the field.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.core.cache import cache
from prometheus_client import Counter, Gauge, Histogram

from isales_proxy.client.observer import Attempt
from isales_proxy.client.observer import Observer as ClientObserver

log = structlog.get_logger("isales")

CALLS = Counter(
    "callboard_vendor_calls_total", "Attempts sent to CC-iSales.", ["operation", "outcome"]
)
SECONDS = Histogram(
    "callboard_vendor_call_seconds", "Seconds of one attempt to CC-iSales.", ["operation"]
)
DRIFT = Counter(
    "callboard_vendor_drift_total",
    "Fields that were not as documented.",
    ["operation", "field", "kind"],
)
CIRCUIT = Gauge(
    "callboard_vendor_circuit_open",
    "1 while the circuit is open.",
    ["operation"],
    multiprocess_mode="livemax",
)

LAST_CALL_KEY: Final = "vendor:last-call"
LAST_GOOD_KEY: Final = "vendor:last-good"
_KEEP_SECONDS: Final = 24 * 60 * 60
_HALF_SECOND: Final = timedelta(seconds=0.5)
_DRIFT_LOG_SECONDS: Final = 600
# Outcomes that are an answer of the vendor, good or not: it can be reached.
_ANSWERED: Final = frozenset({"ok", "refused", "throttled"})


@dataclass(frozen=True)
class LastCall:
    """One attempt. `at` is when it ended, in seconds since 1970 UTC."""

    operation: str
    outcome: str
    at: float
    seconds: float

    @property
    def answered(self) -> bool:
        """Return True if the vendor gave a valid answer, including a refusal."""
        return self.outcome in _ANSWERED


class Observer(ClientObserver):
    """Observer of the client's transport. Thread-safe.

    `clock_offset` is how far the vendor's clock was ahead of ours in its last good answer, give or
    take half a second and the latency; None before the first answer with a date.
    """

    def __init__(self) -> None:
        self.clock_offset: timedelta | None = None
        self._lock = threading.Lock()
        self._drift_logged_at: dict[tuple[str, str, str], float] = {}

    def called(self, attempt: Attempt) -> None:
        """Count and log one attempt, and store it as the last one."""
        CALLS.labels(attempt.operation, attempt.outcome).inc()
        SECONDS.labels(attempt.operation).observe(attempt.seconds)
        last = LastCall(attempt.operation, attempt.outcome, time.time(), attempt.seconds)
        entries = {LAST_CALL_KEY: last}
        if last.answered:
            entries[LAST_GOOD_KEY] = last
        cache.set_many(entries, _KEEP_SECONDS)
        log.log(
            20 if attempt.outcome == "ok" else 30,
            "vendor_called",
            operation=attempt.operation,
            outcome=attempt.outcome,
            ms=round(attempt.seconds * 1000),
            attempt=attempt.number,
            vendor_request=attempt.request_id,
            http_status=attempt.http_status,
        )

    def answered(self, operation: str, *, date: datetime | None, shape: str) -> None:  # noqa: ARG002
        """Compare the clocks; the envelope is for the API doctor."""
        if date is not None:
            # `Date` is cut to the second.
            self.clock_offset = date + _HALF_SECOND - datetime.now(UTC)

    def drift(self, operation: str, field: str, kind: str) -> None:
        """Count a field that is not as documented; log each kind once in ten minutes."""
        DRIFT.labels(operation, field, kind).inc()
        key = (operation, field, kind)
        now = time.monotonic()
        with self._lock:
            if now - self._drift_logged_at.get(key, -_DRIFT_LOG_SECONDS) < _DRIFT_LOG_SECONDS:
                return
            self._drift_logged_at[key] = now
        log.info("vendor_drift", operation=operation, field=field, kind=kind)

    def breaker(self, operation: str, state: str) -> None:
        """Record the state of the circuit breaker; half open counts as closed."""
        CIRCUIT.labels(operation).set(1 if state == "open" else 0)
        log.warning("vendor_circuit", operation=operation, state=state)
