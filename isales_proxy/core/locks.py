"""One at a time, in whichever process: what must not be under way twice."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.cache import cache


class AlreadyRunning(RuntimeError):
    """The same is under way elsewhere."""


@contextmanager
def hold_lock(name: str, *, seconds: float) -> Iterator[None]:
    """Hold the turn of this name until the end, or until `seconds` are over.

    Raises AlreadyRunning.
    """
    mine = uuid.uuid4().hex
    if not cache.add(name, mine, seconds):
        raise AlreadyRunning
    try:
        yield
    finally:
        # A turn that ran out may be another's by now.
        if cache.get(name) == mine:
            cache.delete(name)
