"""Transactions that have reached the disk when they end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def commit_to_disk() -> Iterator[None]:
    """Run one transaction, never a part of another, that is on the disk when the block is left.

    SQLite is told to sync for it: by our settings it would do so only now and then.
    """
    lazy = False
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
        lazy = connection.vendor == "sqlite"
    if lazy:
        _synchronous("FULL")
    try:
        with transaction.atomic(durable=True):
            yield
    finally:
        if lazy:
            _synchronous("NORMAL")


def _synchronous(mode: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA synchronous={mode}")
