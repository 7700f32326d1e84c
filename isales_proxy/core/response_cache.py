"""Identical questions share one answer: fresh ones from the cache, simultaneous ones from one call,
and the last good one while the vendor is away.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterable
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
# Asks the vendor; is told how many seconds are left for it.
Fetch = Callable[[float], T]

# A person who sees this answer knows that the vendor is away and how old it is.
AWAY: Final = (Unreachable, TimedOut, Throttled)
_POLL_SECONDS: Final = 0.05
_STILL_UNDER_WAY: Final = "An identical question is still under way."


def hash_key(text: str) -> str:
    """`text` as part of a cache key: keys are seen by operators, and questions hold numbers."""
    return hash_keys((text,))[0]


def hash_keys(texts: Iterable[str]) -> list[str]:
    """Each of these texts as `hash_key` gives it."""
    secret = _hash_secret(settings.SECRET_KEY)
    return [
        hashlib.blake2b(text.encode("utf-8", "replace"), key=secret, digest_size=20).hexdigest()
        for text in texts
    ]


@lru_cache(maxsize=8)
def _hash_secret(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


@dataclass(frozen=True)
class CachedResponse(Generic[T]):
    """A value, when the vendor gave it (aware UTC), where this reader has it from, and the error
    that made us fall back to it (only with source "stale")."""

    value: T
    as_of: datetime
    source: Source
    error: ISalesError | None = None


@dataclass(frozen=True)
class _Kept(Generic[T]):
    value: T
    at: float


@dataclass
class _Flight(Generic[T]):
    patience: float  # seconds that the one who asks has
    answer: Future[_Kept[T]] = field(default_factory=Future)


class ResponseCache(Generic[T]):
    """A cache of answers under one prefix.

    All in seconds: `fresh` is how long an answer serves identical questions, `keep` how long it may
    stand in while the vendor is away, `patience` how long a question waits for an identical one.
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
        self, key: str, fetch: Fetch[T], *, fresh: float, patience: float
    ) -> CachedResponse[T]:
        """The answer to `key`, from the cache or by `fetch`.

        Raises what `fetch` raised, unless the vendor is away and an older answer is kept.
        """
        name = f"{self._prefix}:{key}"
        kept = self._fresh(name, fresh)
        if kept is not None:
            return self._answer(kept, "cache")
        try:
            kept, source = self._share(name, fetch, fresh=fresh, patience=patience)
        except AWAY as error:
            old = caches["answers"].get(name)
            if old is None:
                raise
            return self._answer(old, "stale", error)
        return self._answer(kept, source)

    def last(self, key: str) -> CachedResponse[T] | None:
        """The last answer to `key` that is still kept, however old; asks nobody."""
        kept: _Kept[T] | None = caches["answers"].get(f"{self._prefix}:{key}")
        return self._answer(kept, "cache") if kept else None

    def _share(
        self, name: str, fetch: Fetch[T], *, fresh: float, patience: float
    ) -> tuple[_Kept[T], Source]:
        give_up, left = self._clock() + patience, patience
        while True:
            with self._lock:
                flight = self._flights.get(name)
                leads = flight is None
                if flight is None:
                    flight = self._flights[name] = _Flight(patience)
            if leads:
                break
            try:
                return self._follow(flight, left), "cache"
            except TimedOut:
                # Who asked may have been in more of a hurry.
                left = give_up - self._clock()
                if flight.patience >= patience or left <= 0:
                    raise
        try:
            try:
                kept, source = self._lead(name, fetch, fresh=fresh, patience=left)
            finally:
                with self._lock:
                    del self._flights[name]
        except BaseException as error:
            flight.answer.set_exception(error)
            raise
        flight.answer.set_result(kept)
        return kept, source

    @staticmethod
    def _follow(flight: _Flight[T], patience: float) -> _Kept[T]:
        try:
            return flight.answer.result(patience)
        except TimeoutError:
            raise TimedOut(_STILL_UNDER_WAY) from None

    def _lead(
        self, name: str, fetch: Fetch[T], *, fresh: float, patience: float
    ) -> tuple[_Kept[T], Source]:
        """Fetch as the only one of this process, and of all processes where they share a cache."""
        turn, mine = f"{name}:turn", uuid.uuid4().hex
        shared = not isinstance(caches["answers"], LocMemCache)
        give_up = self._clock() + patience
        left = patience
        try:
            while True:
                has_turn = not shared or caches["answers"].add(turn, mine, math.ceil(patience))
                # Looked for with the turn: an answer may have come since the first look.
                kept = self._fresh(name, fresh)
                if kept is not None:
                    return kept, "cache"
                if has_turn:
                    break
                time.sleep(_POLL_SECONDS)
                left = give_up - self._clock()
                if left <= 0:
                    raise TimedOut(_STILL_UNDER_WAY)
            kept = _Kept(fetch(left), self._clock())
            caches["answers"].set(name, kept, self._keep)
        finally:
            # A turn that ran out may be another's by now.
            if shared and caches["answers"].get(turn) == mine:
                caches["answers"].delete(turn)
        return kept, "live"

    def _fresh(self, name: str, fresh: float) -> _Kept[T] | None:
        kept: _Kept[T] | None = caches["answers"].get(name)
        if kept is None or not 0 <= self._clock() - kept.at < fresh:
            return None
        return kept

    def _answer(
        self, kept: _Kept[T], source: Source, error: ISalesError | None = None
    ) -> CachedResponse[T]:
        return CachedResponse(kept.value, datetime.fromtimestamp(kept.at, UTC), source, error)
