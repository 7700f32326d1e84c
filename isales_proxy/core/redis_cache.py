"""Django's Redis cache whose failures cost speed, never an answer.

Cached values can be computed again. A failing read is a miss, a failing write is dropped, and a
value pickled by an older release in another shape is a miss too. `/readyz` reports the state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import structlog
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache

log = structlog.get_logger("isales")

T = TypeVar("T")
_GLOB: Final = re.compile(r"[*?\[\]\\^]")


class ForgivingRedisCache(RedisCache):
    """Redis cache without errors. Without Redis `add` returns True: every lock is granted."""

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Return the value, else `default`."""
        return _try(lambda: super(ForgivingRedisCache, self).get(key, default, version), default)

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """Return the values that can be read."""
        return _try(lambda: super(ForgivingRedisCache, self).get_many(keys, version), {})

    def set(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> None:
        """Store the value, if possible."""
        _try(lambda: super(ForgivingRedisCache, self).set(key, value, timeout, version), None)

    def set_many(
        self,
        data: dict[Any, Any],
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> list[Any]:
        """Store the values; return the keys that failed."""
        return _try(
            lambda: super(ForgivingRedisCache, self).set_many(data, timeout, version), list(data)
        )

    def add(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Store the value if there is none yet."""
        return _try(
            lambda: super(ForgivingRedisCache, self).add(key, value, timeout, version), True
        )

    def has_key(self, key: Any, version: int | None = None) -> bool:
        """Tell whether there is a value."""
        return _try(lambda: super(ForgivingRedisCache, self).has_key(key, version), False)

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Delete the value."""
        return _try(lambda: super(ForgivingRedisCache, self).delete(key, version), False)

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        """Delete the values."""
        _try(lambda: super(ForgivingRedisCache, self).delete_many(keys, version), None)

    def delete_prefix(self, prefix: str, version: int | None = None) -> None:
        """Delete the values whose keys begin with `prefix`."""

        def delete() -> None:
            client = self._cache.get_client(None, write=True)
            pattern = _GLOB.sub(r"\\\g<0>", self.make_key(prefix, version)) + "*"
            for key in client.scan_iter(match=pattern, count=1000):
                client.delete(key)

        _try(delete, None)


def _try(act: Callable[[], T], otherwise: T) -> T:
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - a lost connection, a full memory, an unreadable value
        # The type only: keys and values may hold personal data.
        log.warning("cache_failed", error=type(error).__name__)
        return otherwise
