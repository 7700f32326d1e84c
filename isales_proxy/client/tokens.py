"""One token of the OBS interfaces for all threads and processes, renewed before it ends.

Vendor pages: "C1" (``tokenByAkSk``) and the OBS log-in and its refresh, read in section 3 and 8.1
of the reference. How a token is got is not known here, only when, and by whom.

The threads of a process share a lock, the processes share a `TokenStore`: whoever needs a new token
takes the lock, looks at the store, and only with the store's turn asks the vendor. So a renewal is
one call, however many wait for it.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from .errors import ISalesError, TimedOut

MAX_MARGIN = timedelta(seconds=60)
MARGIN_SHARE = 5
"""A token is renewed when this part of its lifetime is left, or `MAX_MARGIN` if that is less."""

_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its time by our clock, aware; without an ``expires_at`` its end is not known.

    The repr shows neither value.
    """

    value: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime | None
    refresh_value: str = field(default="", repr=False)
    refresh_expires_at: datetime | None = None

    def alive(self, now: datetime) -> bool:
        """Tell whether it has not ended yet."""
        return self.expires_at is None or now < self.expires_at

    def fresh(self, now: datetime) -> bool:
        """Tell whether it may be used without thinking of the next one yet.

        One that was issued in the future is not: the clock was set back, so its end is not known.
        """
        if self.expires_at is None:
            return True
        margin = min(MAX_MARGIN, (self.expires_at - self.issued_at) / MARGIN_SHARE)
        return self.issued_at - margin <= now < self.expires_at - margin


@dataclass(frozen=True, slots=True)
class TokenState:
    """Times between which the present token is valid, by our clock."""

    issued_at: datetime
    expires_at: datetime | None


class TokenStore(Protocol):
    """Store in which processes with the same credentials share their token."""

    def read(self) -> Token | None:
        """Return what was written last, if anything is there."""

    def write(self, token: Token) -> None:
        """Put a token there for all."""

    def take_turn(self, seconds: float) -> bool:
        """Leave to renew, for at most one over all processes; lapses by itself after that time."""

    def end_turn(self) -> None:
        """Hand the turn back; without one, or when another has it by now, nothing happens."""


class MemoryTokenStore(TokenStore):
    """A store for one process. ``monotonic`` is in seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._holder: int | None = None
        self._lapses = 0.0

    def read(self) -> Token | None:
        return self._token

    def write(self, token: Token) -> None:
        self._token = token

    def take_turn(self, seconds: float) -> bool:
        with self._lock:
            now = self._monotonic()
            if self._holder is not None and now < self._lapses:
                return False
            self._holder, self._lapses = threading.get_ident(), now + seconds
            return True

    def end_turn(self) -> None:
        with self._lock:
            if self._holder == threading.get_ident():
                self._holder = None


@dataclass(repr=False, eq=False)
class TokenSource:
    """Hands out the token in force. Safe for any number of threads.

    ``obtain`` makes the calls for a new token, given the one before it if there was one and the
    seconds left; it raises an `ISalesError`. ``left`` tells what the asking call has left; when
    that is spent while another renews, `TimedOut` is raised. What the store raises passes through.
    """

    store: TokenStore
    obtain: Callable[[Token | None, Callable[[], float]], Token]
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    _renewing: threading.Lock = field(default_factory=threading.Lock, init=False)
    _known: Token | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)
    _failure: ISalesError | None = field(default=None, init=False)

    def token(self, left: Callable[[], float]) -> Token:
        """A token that is good for a while. One that merely nears its end outlives a failure."""
        known = self._known
        if known is not None and known.fresh(self.clock()):
            return known
        try:
            return self._renewed(None, left)
        except ISalesError:
            known = self._known
            if known is None or not known.alive(self.clock()) or left() <= 0:
                raise
            return known

    def after(self, refused: Token, left: Callable[[], float]) -> Token:
        """A token other than the one that the vendor refused; asked for only if nobody has yet."""
        return self._renewed(refused, left)

    def state(self) -> TokenState | None:
        """The times of the token in force, without a call; ``None`` when there is none."""
        found = self.store.read() or self._known
        return TokenState(found.issued_at, found.expires_at) if found is not None else None

    def _renewed(self, refused: Token | None, left: Callable[[], float]) -> Token:
        failures = self._failures
        if not self._renewing.acquire(timeout=max(left(), 0.0)):
            raise _too_slow()
        try:
            if (known := self._serving(self._known, refused)) is not None:
                return known
            if self._failure is not None and self._failures != failures:
                # Who waited for a renewal that failed would only fail likewise, one by one.
                raise copy.copy(self._failure)
            self._known = self._shared(refused, left)
            return self._known
        finally:
            self._renewing.release()

    def _shared(self, refused: Token | None, left: Callable[[], float]) -> Token:
        """Return what the store holds by now, or else a new token by our own turn."""
        while True:
            if (found := self._serving(self.store.read(), refused)) is not None:
                return found
            if (seconds := left()) <= 0:
                raise _too_slow()
            if self.store.take_turn(seconds):
                break
            self.sleep(min(_POLL, seconds))
        try:
            # Another process may have been done between our look and our turn.
            last = self.store.read()
            if (found := self._serving(last, refused)) is not None:
                return found
            token = self._obtained(last or self._known, left)
            self.store.write(token)
            return token
        finally:
            self.store.end_turn()

    def _obtained(self, last: Token | None, left: Callable[[], float]) -> Token:
        try:
            return self.obtain(last, left)
        except ISalesError as error:
            # Whoever ran out of time says nothing about those who have more.
            if not isinstance(error, TimedOut):
                self._failures += 1
                self._failure = copy.copy(error)
            raise

    def _serving(self, token: Token | None, refused: Token | None) -> Token | None:
        if token is None or not token.fresh(self.clock()):
            return None
        if refused is not None and token.value == refused.value:
            return None
        return token


def _too_slow() -> TimedOut:
    return TimedOut("The time limit was reached before there was a token.", maybe_sent=False)
