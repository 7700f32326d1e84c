"""What we remember of every call to the vendor: metrics, the last state, one log line.

No value of a field, no number and no secret enters here; drift is told by field name alone.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from django.core.cache import cache
from prometheus_client import Counter, Gauge, Histogram

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
_DRIFT_LOG_SECONDS: Final = 600
# An outcome that is the vendor's answer, if not the wished one: the line to it works.
_ANSWERED: Final = frozenset({"ok", "refused", "throttled"})


@dataclass(frozen=True)
class LastCall:
    """One attempt. `at` in seconds since 1970 UTC, `seconds` its duration."""

    operation: str
    outcome: str
    at: float
    seconds: float

    @property
    def answered(self) -> bool:
        """Whether the vendor gave an answer that it could have meant."""
        return self.outcome in _ANSWERED


class Observer:
    """Receives what the client's transport reports. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drift_told: dict[tuple[str, str, str], float] = {}

    def called(
        self,
        operation: str,
        outcome: str,
        seconds: float,
        attempt: int,
        request_id: str,
        http_status: int | None,
    ) -> None:
        """Count one attempt and keep it as the last one known."""
        CALLS.labels(operation, outcome).inc()
        SECONDS.labels(operation).observe(seconds)
        last = LastCall(operation, outcome, time.time(), seconds)
        entries = {LAST_CALL_KEY: last}
        if last.answered:
            entries[LAST_GOOD_KEY] = last
        cache.set_many(entries, _KEEP_SECONDS)
        log.log(
            20 if outcome == "ok" else 30,
            "vendor_called",
            operation=operation,
            outcome=outcome,
            ms=round(seconds * 1000),
            attempt=attempt,
            vendor_request=request_id,
            http_status=http_status,
        )

    def answered(self, operation: str, *, date: datetime | None, shape: str) -> None:
        """Nothing: what a good answer looked like is asked for by the doctor alone."""

    def drift(self, operation: str, field: str, kind: str) -> None:
        """Count a field that was not as documented; log each kind once in ten minutes."""
        DRIFT.labels(operation, field, kind).inc()
        key = (operation, field, kind)
        now = time.monotonic()
        with self._lock:
            if now - self._drift_told.get(key, -_DRIFT_LOG_SECONDS) < _DRIFT_LOG_SECONDS:
                return
            self._drift_told[key] = now
        log.info("vendor_drift", operation=operation, field=field, kind=kind)

    def breaker(self, operation: str, state: str) -> None:
        """Show the circuit's state; closed and half open count as not open."""
        CIRCUIT.labels(operation).set(1 if state == "open" else 0)
        log.warning("vendor_circuit", operation=operation, state=state)
