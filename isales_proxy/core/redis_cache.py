"""Django's Redis cache whose failures cost speed, never an answer.

Cached values can be computed again. A failing read is a miss, a failing write is dropped, and a
value pickled by an older release in another shape is a miss too. `/readyz` reports the state.
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


def _forgiving(method: Callable[P, T], otherwise: Callable[..., T]) -> Callable[P, T]:
    """Return the method; where it fails, `otherwise` answers the same call."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a lost connection, a full memory, an unreadable value
            # The type only: keys and values may hold personal data.
            log.warning("cache_failed", error=type(error).__name__)
            return otherwise(*args, **kwargs)

    return call


def _delete_prefix(cache: RedisCache, prefix: str) -> None:
    """Delete the values whose keys begin with `prefix`."""
    client: Any = cache._cache.get_client(None, write=True)  # noqa: SLF001
    pattern = _GLOB.sub(r"\\\g<0>", cache.make_key(prefix)) + "*"
    for key in client.scan_iter(match=pattern, count=1000):
        client.delete(key)


class ForgivingRedisCache(RedisCache):
    """Redis cache without errors. Without Redis `add` returns True: every lock is granted."""

    get = _forgiving(RedisCache.get, lambda _cache, _key, default=None, *_args, **_options: default)
    get_many = _forgiving(RedisCache.get_many, lambda *_args, **_options: {})
    has_key = _forgiving(RedisCache.has_key, lambda *_args, **_options: False)
    add = _forgiving(RedisCache.add, lambda *_args, **_options: True)
    set = _forgiving(RedisCache.set, lambda *_args, **_options: None)
    # The keys that were not stored.
    set_many = _forgiving(RedisCache.set_many, lambda _cache, data, *_args, **_options: list(data))
    delete = _forgiving(RedisCache.delete, lambda *_args, **_options: False)
    delete_many = _forgiving(RedisCache.delete_many, lambda *_args, **_options: None)
    delete_prefix = _forgiving(_delete_prefix, lambda *_args: None)
