"""A circuit breaker: after a row of failures, leave the vendor alone for a moment.

::

    closed ──threshold failures in a row──► open ──cooldown──► half open ──probe──► closed or open

The lock guards a few assignments and is never held during a call, so calls run side by side. When
half open, exactly one call goes through as the probe; the others are told `CircuitOpen`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from .errors import CircuitOpen


class State(StrEnum):
    """State of the breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class CallPermit:
    """Leave to make one call; to be handed back with how it went."""

    era: int
    probe: bool


@dataclass(slots=True, kw_only=True)
class Breaker:
    """Counts failures in a row, and decides whether a call may be made.

    ``cooldown`` and ``clock`` are in seconds, ``clock`` is monotonic. ``on_change`` is told each
    new state, outside the lock.
    """

    clock: Callable[[], float]
    threshold: int = 5
    cooldown: float = 5.0
    on_change: Callable[[State], None] | None = None
    state: State = field(default=State.CLOSED, init=False)
    """The state as last changed; an open breaker turns half open only with the next call."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _failures: int = field(default=0, init=False)
    _opened_at: float = field(default=0.0, init=False)
    # Each change of state begins an era; what a call of an earlier one reports is stale.
    _era: int = field(default=0, init=False)

    def before(self) -> CallPermit:
        """Leave for one call. Raises `CircuitOpen` with ``retry_after`` in seconds."""
        with self._lock:
            if self.state is State.CLOSED:
                return CallPermit(self._era, probe=False)
            left = self._opened_at + self.cooldown - self.clock()
            if self.state is State.HALF_OPEN or left > 0:
                # While a probe is out nobody knows; a second is a fair guess.
                raise CircuitOpen(retry_after=max(left, 1.0))
            self._turn(State.HALF_OPEN)
            ticket = CallPermit(self._era, probe=True)
        self._announce(State.HALF_OPEN)
        return ticket

    def success(self, ticket: CallPermit) -> None:
        """The call went well."""
        self._settle(ticket, resets=True)

    def neutral(self, ticket: CallPermit) -> None:
        """The vendor answered, if not as hoped: no failure, and good enough for a probe."""
        self._settle(ticket, resets=False)

    def failure(self, ticket: CallPermit) -> None:
        """The vendor could not be reached, failed, or was too slow."""
        with self._lock:
            if ticket.era != self._era:
                return
            self._failures += 1
            if not ticket.probe and self._failures < self.threshold:
                return
            self._opened_at = self.clock()
            self._turn(State.OPEN)
        self._announce(State.OPEN)

    def abandon(self, ticket: CallPermit) -> None:
        """The call ended without saying anything about the vendor; the next one may probe."""
        with self._lock:
            if ticket.era != self._era or not ticket.probe:
                return
            self._turn(State.OPEN)
        self._announce(State.OPEN)

    def _settle(self, ticket: CallPermit, *, resets: bool) -> None:
        with self._lock:
            if ticket.era != self._era:
                return
            if resets or ticket.probe:
                self._failures = 0
            if not ticket.probe:
                return
            self._turn(State.CLOSED)
        self._announce(State.CLOSED)

    def _turn(self, state: State) -> None:
        self.state = state
        self._era += 1

    def _announce(self, state: State) -> None:
        if self.on_change is not None:
            self.on_change(state)
