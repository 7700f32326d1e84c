"""Identical queries share one response: a fresh one comes from the cache, simultaneous queries cost
one call, and the last good response is served while the vendor is unavailable.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Generic, Literal, TypeVar

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache

from isales_proxy.client.errors import ISalesError, Throttled, TimedOut, Unreachable

T = TypeVar("T")
Source = Literal["live", "cache", "stale"]
# Calls the vendor; the argument is the time left for it, in seconds.
Fetch = Callable[[float], T]

# After one of these an older response may be served, marked with its age.
UNAVAILABLE_ERRORS: Final = (Unreachable, TimedOut, Throttled)
_POLL_S: Final = 0.05
_STILL_RUNNING: Final = "An identical question is still under way."


def hash_key(text: str) -> str:
    """Return a keyed hash of a text, for use in a cache key.

    Operators see cache keys, and queries contain phone numbers.
    """
    secret = _hash_secret(settings.SECRET_KEY)
    return hashlib.blake2b(text.encode("utf-8", "replace"), key=secret, digest_size=20).hexdigest()


@lru_cache(maxsize=8)
def _hash_secret(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


@dataclass(frozen=True)
class CachedResponse(Generic[T]):
    """A value and when the vendor returned it (aware UTC). `error` is why an older value is served,
    only with source "stale"."""

    value: T
    as_of: datetime
    source: Source
    error: ISalesError | None = None


@dataclass(frozen=True)
class _Entry(Generic[T]):
    value: T
    stored_at: float


@dataclass
class _Flight(Generic[T]):
    """A call in progress. Its leader waits at most `max_wait_s`."""

    max_wait_s: float
    entry: Future[_Entry[T]] = field(default_factory=Future)


class ResponseCache(Generic[T]):
    """A cache of responses under one prefix.

    All in seconds: `fresh` is how long a response serves identical queries, `keep` how long it may
    be served while the vendor is unavailable, `max_wait_s` how long a query may take altogether.
    """

    def __init__(
        self,
        prefix: str,
        *,
        keep: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._prefix = prefix
        self._keep = keep
        self._clock = clock
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight[T]] = {}

    def get_or_fetch(
        self, key: str, fetch: Fetch[T], *, fresh: float, max_wait_s: float
    ) -> CachedResponse[T]:
        """Return the response for `key`, from the cache or by `fetch`.

        Raises what `fetch` raised, unless the vendor is unavailable and an older response is kept.
        """
        name = f"{self._prefix}:{key}"
        entry = self._get_fresh(name, fresh)
        if entry is not None:
            return self._respond(entry, "cache")
        try:
            entry, source = self._share(name, fetch, fresh=fresh, max_wait_s=max_wait_s)
        except UNAVAILABLE_ERRORS as error:
            old = caches["answers"].get(name)
            if old is None:
                raise
            return self._respond(old, "stale", error)
        return self._respond(entry, source)

    def get_last(self, key: str) -> CachedResponse[T] | None:
        """Return the last response for `key` that is still kept, however old, without a call."""
        entry: _Entry[T] | None = caches["answers"].get(f"{self._prefix}:{key}")
        return self._respond(entry, "cache") if entry else None

    def _share(
        self, name: str, fetch: Fetch[T], *, fresh: float, max_wait_s: float
    ) -> tuple[_Entry[T], Source]:
        """Lead the call of this process, or follow the one in progress."""
        deadline, left = self._clock() + max_wait_s, max_wait_s
        while True:
            with self._lock:
                flight = self._flights.get(name)
                leads = flight is None
                if flight is None:
                    flight = self._flights[name] = _Flight(max_wait_s)
            if leads:
                break
            try:
                return self._follow(flight, left), "cache"
            except TimedOut:
                # The leader may have had less time than this query has.
                left = deadline - self._clock()
                if flight.max_wait_s >= max_wait_s or left <= 0:
                    raise
        try:
            try:
                entry, source = self._lead(name, fetch, fresh=fresh, max_wait_s=left)
            finally:
                with self._lock:
                    del self._flights[name]
        except BaseException as error:
            flight.entry.set_exception(error)
            raise
        flight.entry.set_result(entry)
        return entry, source

    @staticmethod
    def _follow(flight: _Flight[T], max_wait_s: float) -> _Entry[T]:
        try:
            return flight.entry.result(max_wait_s)
        except TimeoutError:
            raise TimedOut(_STILL_RUNNING) from None

    def _lead(
        self, name: str, fetch: Fetch[T], *, fresh: float, max_wait_s: float
    ) -> tuple[_Entry[T], Source]:
        """Fetch under a lock that all processes with a shared cache respect."""
        lock_name, token = f"{name}:lock", uuid.uuid4().hex
        shared = not isinstance(caches["answers"], LocMemCache)
        deadline = self._clock() + max_wait_s
        left = max_wait_s
        try:
            while True:
                locked = not shared or caches["answers"].add(
                    lock_name, token, math.ceil(max_wait_s)
                )
                # After the lock: another process may have stored a response since the first look.
                entry = self._get_fresh(name, fresh)
                if entry is not None:
                    return entry, "cache"
                if locked:
                    break
                time.sleep(_POLL_S)
                left = deadline - self._clock()
                if left <= 0:
                    raise TimedOut(_STILL_RUNNING)
            entry = _Entry(fetch(left), self._clock())
            caches["answers"].set(name, entry, self._keep)
        finally:
            # A lock that expired may belong to another process by now.
            if shared and caches["answers"].get(lock_name) == token:
                caches["answers"].delete(lock_name)
        return entry, "live"

    def _get_fresh(self, name: str, fresh: float) -> _Entry[T] | None:
        entry: _Entry[T] | None = caches["answers"].get(name)
        if entry is None or not 0 <= self._clock() - entry.stored_at < fresh:
            return None
        return entry

    def _respond(
        self, entry: _Entry[T], source: Source, error: ISalesError | None = None
    ) -> CachedResponse[T]:
        as_of = datetime.fromtimestamp(entry.stored_at, UTC)
        return CachedResponse(entry.value, as_of, source, error)
