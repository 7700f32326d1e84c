"""Django's memory cache without pickling, for immutable values: all readers get the same object."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache


class ObjectCache(LocMemCache):
    """Cache of immutable objects within one process."""

    # Attributes of Django's class that its stubs lack.
    _cache: Any
    _expire_info: dict[str, float | None]
    _lock: Lock
    _set: Callable[[str, Any, float | None], None]
    _cull: Callable[[], None]
    _has_expired: Callable[[str], bool]

    def add(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        name = self.make_key(key, version)
        with self._lock:
            if not self._has_expired(name):
                return False
            self._set(name, value, timeout)
        return True

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        name = self.make_key(key, version)
        with self._lock:
            expires_at = self._expire_info.get(name, -1.0)
            if expires_at is not None and expires_at <= time.time():
                return default
            self._cache.move_to_end(name, last=False)
            return self._cache[name]

    def set(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> None:
        self.set_many({key: value}, timeout, version)

    def set_many(
        self,
        data: Mapping[Any, Any],
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> list[Any]:
        """Store the values; return the keys that failed: none."""
        expires_at = self.get_backend_timeout(timeout)
        # `make_key` appends the key.
        prefix = self.make_key("", version)
        with self._lock:
            for key, value in data.items():
                name = f"{prefix}{key}"
                if name not in self._cache and len(self._cache) >= self._max_entries:
                    self._cull()
                self._cache[name] = value
                self._cache.move_to_end(name, last=False)
                self._expire_info[name] = expires_at
        return []
