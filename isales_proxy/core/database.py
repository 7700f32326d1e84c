"""Database that cannot take a write now: how it is recognized, and writes that are not needed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import structlog
from django.db import Error, InterfaceError, OperationalError, connection, transaction

log = structlog.get_logger("isales")

RETRY_SECONDS: Final = 2
"""After which a client may try again, as `Retry-After` says."""

# How long a write that is not needed waits for another writer, in ms.
_SHORT_WAIT: Final = 100
# Of these SQLite says that it works but not now: held by another writer, full, read-only, a file
# or its disk that fails. The others are faults of the program, like a table that there is not.
_SQLITE_CODES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
    }
)  # fmt: skip
_PRIMARY: Final = 0xFF


def is_unavailable(error: BaseException | None) -> bool:
    """Tell whether the same request may succeed later without anything being mended here.

    True for a lock that was waited for in vain, a deadlock, a failed serialization, a full disk,
    too many connections, and a server that is away.
    """
    if isinstance(error, InterfaceError):
        return True
    if isinstance(error, OperationalError) and not isinstance(error.__cause__, sqlite3.Error):
        # PostgreSQL has this class for what is the matter with the server alone.
        return True
    cause = error if isinstance(error, sqlite3.Error) else getattr(error, "__cause__", None)
    code = getattr(cause, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY in _SQLITE_CODES


def optional_write(write: Callable[[], object], event: str, **facts: Any) -> bool:
    """Write what a reading page can do without: one transaction, and hardly any wait for a lock.

    A failure of the database is logged as `event` with `facts`. Gives whether it was written.
    """
    try:
        with _short_wait(), transaction.atomic():
            if connection.vendor == "postgresql":
                _set_lock_timeout(f"'{_SHORT_WAIT}ms'")
            write()
            if connection.vendor == "postgresql":
                # Where the transaction is a part of another one.
                _set_lock_timeout("DEFAULT")
    except Error as error:
        # The name alone: the text may quote a value.
        log.warning(event, error=type(error).__name__, **facts)
        return False
    return True


def _set_lock_timeout(value: str) -> None:
    connection.connection.execute(f"SET LOCAL lock_timeout = {value}")


@contextmanager
def _short_wait() -> Iterator[None]:
    """SQLite's wait for another writer, made short; elsewhere nothing."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    connection.connection.execute(f"PRAGMA busy_timeout = {_SHORT_WAIT}")
    try:
        yield
    finally:
        usual = float(connection.settings_dict["OPTIONS"].get("timeout", 5)) * 1000
        with suppress(sqlite3.Error):
            connection.connection.execute(f"PRAGMA busy_timeout = {int(usual)}")
