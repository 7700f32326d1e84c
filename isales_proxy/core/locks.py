"""Named locks in the cache, for work that must not run twice at a time in any process."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.cache import cache


class AlreadyRunning(RuntimeError):
    """Another thread or process holds the lock."""


@contextmanager
def hold_lock(name: str, *, seconds: float) -> Iterator[None]:
    """Hold the lock of this name until the block is left, for at most `seconds`.

    Raises AlreadyRunning.
    """
    token = uuid.uuid4().hex
    if not cache.add(name, token, seconds):
        raise AlreadyRunning
    try:
        yield
    finally:
        # A lock that timed out may belong to another holder by now.
        if cache.get(name) == token:
            cache.delete(name)
