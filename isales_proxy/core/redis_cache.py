"""Django's Redis cache without errors, since cached values can be computed again.

A failing read is a miss, a failing write is dropped, and a value that this release cannot unpickle
is a miss. `/readyz` reports the state of the cache.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

import structlog
from django.core.cache.backends.redis import RedisCache

log = structlog.get_logger("isales")

P = ParamSpec("P")
T = TypeVar("T")
_GLOB: Final = re.compile(r"[*?\[\]\\^]")


def _or_else(method: Callable[P, T], fallback: Callable[..., T]) -> Callable[P, T]:
    """Return the method with a fallback, which is called with the same arguments if it fails."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a lost connection, a full memory, an unreadable value
            # Only the class: keys and values may hold personal data.
            log.warning("cache_failed", error=type(error).__name__)
            return fallback(*args, **kwargs)

    return call


def _delete_prefix(cache: RedisCache, prefix: str) -> None:
    """Delete the values whose keys begin with `prefix`."""
    client: Any = cache._cache.get_client(None, write=True)  # noqa: SLF001
    pattern = _GLOB.sub(r"\\\g<0>", cache.make_key(prefix)) + "*"
    for key in client.scan_iter(match=pattern, count=1000):
        client.delete(key)


class ForgivingRedisCache(RedisCache):
    """Redis cache without errors. Without Redis `add` returns True: every lock is granted."""

    get = _or_else(RedisCache.get, lambda _cache, _key, default=None, *_args, **_options: default)
    get_many = _or_else(RedisCache.get_many, lambda *_args, **_options: {})
    has_key = _or_else(RedisCache.has_key, lambda *_args, **_options: False)
    add = _or_else(RedisCache.add, lambda *_args, **_options: True)
    set = _or_else(RedisCache.set, lambda *_args, **_options: None)
    # The keys that were not stored.
    set_many = _or_else(RedisCache.set_many, lambda _cache, data, *_args, **_options: list(data))
    delete = _or_else(RedisCache.delete, lambda *_args, **_options: False)
    delete_many = _or_else(RedisCache.delete_many, lambda *_args, **_options: None)
    delete_prefix = _or_else(_delete_prefix, lambda *_args: None)
