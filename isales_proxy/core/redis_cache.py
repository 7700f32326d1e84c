"""Redis as Django's cache, but its absence costs speed and never an answer.

What is cached here can be asked for again. So a failing read is a miss, a failing write is dropped,
and what an older release pickled in another shape is a miss too. `/readyz` tells of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import structlog
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache

log = structlog.get_logger("isales")

T = TypeVar("T")


class ForgivingRedisCache(RedisCache):
    """See the module. `add` answers True in Redis's absence: whoever asks for a turn gets it."""

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """The value, else `default`."""
        return _tried(lambda: super(ForgivingRedisCache, self).get(key, default, version), default)

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """Those of the values that can be read."""
        return _tried(lambda: super(ForgivingRedisCache, self).get_many(keys, version), {})

    def set(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> None:
        """Keep the value, if that is possible."""
        _tried(lambda: super(ForgivingRedisCache, self).set(key, value, timeout, version), None)

    def set_many(
        self,
        data: dict[Any, Any],
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> list[Any]:
        """Keep the values; gives the keys that failed."""
        return _tried(
            lambda: super(ForgivingRedisCache, self).set_many(data, timeout, version), list(data)
        )

    def add(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Keep the value if there is none yet."""
        return _tried(
            lambda: super(ForgivingRedisCache, self).add(key, value, timeout, version), True
        )

    def has_key(self, key: Any, version: int | None = None) -> bool:
        """Whether there is a value."""
        return _tried(lambda: super(ForgivingRedisCache, self).has_key(key, version), False)

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Forget the value."""
        return _tried(lambda: super(ForgivingRedisCache, self).delete(key, version), False)

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        """Forget the values."""
        _tried(lambda: super(ForgivingRedisCache, self).delete_many(keys, version), None)


def _tried(act: Callable[[], T], otherwise: T) -> T:
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - a lost line, a full memory, an unreadable value
        # The name alone: keys and values may hold what no log may.
        log.warning("cache_failed", error=type(error).__name__)
        return otherwise
