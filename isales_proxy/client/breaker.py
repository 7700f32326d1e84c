"""A circuit breaker: after several failures in a row, no calls are made for a while.

::

    closed ──threshold failures in a row──► open ──cooldown──► half open ──probe──► closed or open

The lock guards a few assignments and is never held during a call, so calls run side by side. When
half open, exactly one call goes through as the probe; for others `CircuitOpen` is raised.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from .errors import CircuitOpen


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class CallPermit:
    """Permission to make one call, whose result is to be recorded with it."""

    generation: int
    probe: bool


@dataclass(slots=True, kw_only=True)
class Breaker:
    """Counts consecutive failures and decides whether a call may be made.

    ``cooldown`` and ``clock`` are in seconds, ``clock`` is monotonic. ``on_change`` is called with
    each new state, outside the lock.
    """

    clock: Callable[[], float]
    threshold: int = 5
    cooldown: float = 5.0
    on_change: Callable[[State], None] | None = None
    state: State = field(default=State.CLOSED, init=False)
    """Current state; an open breaker becomes half open only with the next call."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _failures: int = field(default=0, init=False)
    _opened_at: float = field(default=0.0, init=False)
    # Incremented by each change of state; results of calls of an earlier generation are ignored.
    _generation: int = field(default=0, init=False)

    def acquire(self) -> CallPermit:
        """Return a permit for one call. Raises `CircuitOpen` with ``retry_after`` in seconds."""
        with self._lock:
            if self.state is State.CLOSED:
                return CallPermit(self._generation, probe=False)
            left = self._opened_at + self.cooldown - self.clock()
            if self.state is State.HALF_OPEN or left > 0:
                # The duration of a probe in progress is unknown; a second is a fair guess.
                raise CircuitOpen(retry_after=max(left, 1.0))
            self._change_state(State.HALF_OPEN)
            permit = CallPermit(self._generation, probe=True)
        self._notify(State.HALF_OPEN)
        return permit

    def record_success(self, permit: CallPermit) -> None:
        """Record a good answer."""
        self._record_response(permit, resets=True)

    def record_neutral(self, permit: CallPermit) -> None:
        """Record another answer, such as a refusal: it is no failure, and ends a probe."""
        self._record_response(permit, resets=False)

    def record_failure(self, permit: CallPermit) -> None:
        """Record that the vendor was unreachable, failed, or was too slow."""
        with self._lock:
            if permit.generation != self._generation:
                return
            self._failures += 1
            if not permit.probe and self._failures < self.threshold:
                return
            self._opened_at = self.clock()
            self._change_state(State.OPEN)
        self._notify(State.OPEN)

    def release(self, permit: CallPermit) -> None:
        """Return the permit of a call that tells nothing about the vendor; the next may probe."""
        with self._lock:
            if permit.generation != self._generation or not permit.probe:
                return
            self._change_state(State.OPEN)
        self._notify(State.OPEN)

    def _record_response(self, permit: CallPermit, *, resets: bool) -> None:
        with self._lock:
            if permit.generation != self._generation:
                return
            if resets or permit.probe:
                self._failures = 0
            if not permit.probe:
                return
            self._change_state(State.CLOSED)
        self._notify(State.CLOSED)

    def _change_state(self, state: State) -> None:
        self.state = state
        self._generation += 1

    def _notify(self, state: State) -> None:
        if self.on_change is not None:
            self.on_change(state)
