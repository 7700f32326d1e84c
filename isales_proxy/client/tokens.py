"""One token of the OBS interfaces for all threads and processes, renewed before it expires.

Vendor pages: "C1" (``tokenByAkSk``) and the OBS log-in and its refresh, sections 3 and 8.1 of the
reference. This module decides when a token is renewed, and by which thread; `authenticators` makes
the calls.

The threads of a process share a lock, the processes share a `TokenStore`. A thread that needs a new
token takes the lock, looks into the store, and calls the vendor only with the lock of the store. So
a renewal is one call, however many threads wait for it.
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

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its times by our clock, aware; ``expires_at`` is ``None`` if unknown.

    The repr shows neither value.
    """

    value: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime | None
    refresh_value: str = field(default="", repr=False)
    refresh_expires_at: datetime | None = None

    def is_alive(self, now: datetime) -> bool:
        """Return True until the token expires."""
        return self.expires_at is None or now < self.expires_at

    def is_fresh(self, now: datetime) -> bool:
        """Return True until the token is to be renewed.

        Also False for a token issued in the future: the clock was set back.
        """
        if self.expires_at is None:
            return True
        margin = min(MAX_MARGIN, (self.expires_at - self.issued_at) / MARGIN_SHARE)
        return self.issued_at - margin <= now < self.expires_at - margin


@dataclass(frozen=True, slots=True)
class TokenState:
    """Times between which the current token is valid, by our clock."""

    issued_at: datetime
    expires_at: datetime | None


class TokenStore(Protocol):
    """Store in which processes with the same credentials share their token."""

    def read(self) -> Token | None:
        """Return the token written last, if any."""

    def write(self, token: Token) -> None:
        """Store a token for all processes."""

    def try_lock(self, seconds: float) -> bool:
        """Try to get the lock for renewing, which one process has, for at most ``seconds``."""

    def unlock(self) -> None:
        """Release the lock, unless another process has it by now."""


class MemoryTokenStore(TokenStore):
    """A store for one process. ``monotonic`` is in seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._holder: int | None = None
        self._locked_until = 0.0

    def read(self) -> Token | None:
        return self._token

    def write(self, token: Token) -> None:
        self._token = token

    def try_lock(self, seconds: float) -> bool:
        with self._lock:
            now = self._monotonic()
            if self._holder is not None and now < self._locked_until:
                return False
            self._holder, self._locked_until = threading.get_ident(), now + seconds
            return True

    def unlock(self) -> None:
        with self._lock:
            if self._holder == threading.get_ident():
                self._holder = None


@dataclass(repr=False, eq=False)
class TokenSource:
    """Provides the current token. Safe for any number of threads.

    ``obtain`` makes the calls for a new token; its arguments are the previous token, if any, and a
    function for the seconds left. It raises an `ISalesError`. ``left`` returns the seconds that the
    call has left; when they run out during another renewal, `TimedOut` is raised. Errors of the
    store pass through.
    """

    store: TokenStore
    obtain: Callable[[Token | None, Callable[[], float]], Token]
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    _renewing: threading.Lock = field(default_factory=threading.Lock, init=False)
    _known: Token | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)
    _failure: ISalesError | None = field(default=None, init=False)

    def get_token(self, left: Callable[[], float]) -> Token:
        """Return the current token, renewed if it is about to expire and that succeeds."""
        known = self._known
        if known is not None and known.is_fresh(self.clock()):
            return known
        try:
            return self._renew(None, left)
        except ISalesError:
            known = self._known
            if known is None or not known.is_alive(self.clock()) or left() <= 0:
                raise
            return known

    def replace(self, refused: Token, left: Callable[[], float]) -> Token:
        """Return another token than the refused one, renewed unless that has been done already."""
        return self._renew(refused, left)

    def get_state(self) -> TokenState | None:
        """Return the times of the current token, if any, without a call."""
        found = self.store.read() or self._known
        return TokenState(found.issued_at, found.expires_at) if found is not None else None

    def _renew(self, refused: Token | None, left: Callable[[], float]) -> Token:
        failures = self._failures
        if not self._renewing.acquire(timeout=max(left(), 0.0)):
            raise _time_out()
        try:
            if (known := self._if_usable(self._known, refused)) is not None:
                return known
            if self._failure is not None and self._failures != failures:
                # The renewal that this thread waited for failed; another would most likely, too.
                raise copy.copy(self._failure)
            self._known = self._read_or_obtain(refused, left)
            return self._known
        finally:
            self._renewing.release()

    def _read_or_obtain(self, refused: Token | None, left: Callable[[], float]) -> Token:
        """Return the token of the store, or obtain a new one under the lock of the store."""
        while True:
            if (found := self._if_usable(self.store.read(), refused)) is not None:
                return found
            if (seconds := left()) <= 0:
                raise _time_out()
            if self.store.try_lock(seconds):
                break
            self.sleep(min(_POLL_S, seconds))
        try:
            # Another process may have stored one before we got the lock.
            last = self.store.read()
            if (found := self._if_usable(last, refused)) is not None:
                return found
            token = self._obtain(last or self._known, left)
            self.store.write(token)
            return token
        finally:
            self.store.unlock()

    def _obtain(self, last: Token | None, left: Callable[[], float]) -> Token:
        try:
            return self.obtain(last, left)
        except ISalesError as error:
            # Other callers may have more time left.
            if not isinstance(error, TimedOut):
                self._failures += 1
                self._failure = copy.copy(error)
            raise

    def _if_usable(self, token: Token | None, refused: Token | None) -> Token | None:
        if token is None or not token.is_fresh(self.clock()):
            return None
        if refused is not None and token.value == refused.value:
            return None
        return token


def _time_out() -> TimedOut:
    return TimedOut("The time limit was reached before there was a token.", maybe_sent=False)
