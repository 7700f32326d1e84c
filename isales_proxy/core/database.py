"""The database beside Django's ORM: recognise that it takes no write now, do without one, sync to
the disk, read by a statement of our own or from one state."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final, cast

import structlog
from django.db import Error, InterfaceError, OperationalError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

log = structlog.get_logger("isales")

RETRY_SECONDS: Final = 2
"""Seconds after which a client may try again (`Retry-After`)."""

# Wait of an optional write for another writer, in ms.
_SHORT_WAIT: Final = 100
# Temporary states of SQLite: locked by another writer, full, read-only, a failing file or disk.
# Other codes are faults of the program, like a missing table.
_SQLITE_CODES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
    }
)  # fmt: skip
_PRIMARY: Final = 0xFF


def is_unavailable(error: BaseException | None) -> bool:
    """Tell whether the same request may succeed later without a change here.

    True for a lock timeout, a deadlock, a failed serialization, a full disk, too many connections,
    and a server that is away.
    """
    if isinstance(error, InterfaceError):
        return True
    if isinstance(error, OperationalError) and not isinstance(error.__cause__, sqlite3.Error):
        # PostgreSQL uses this class for problems of the server only.
        return True
    cause = error if isinstance(error, sqlite3.Error) else getattr(error, "__cause__", None)
    code = getattr(cause, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY in _SQLITE_CODES


def find_fault() -> str:
    """Name for an operator what makes the database unusable: it is away, or lacks migrations of
    this version. Empty when it is neither."""
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return (
                "The database is not up to date: back it up, then run "
                "`.venv/bin/python manage.py migrate`."
            )
    except Error as error:
        return f"The database cannot be used: {str(error).strip()}"
    return ""


def optional_write(write: Callable[[], object], event: str, **facts: Any) -> bool:
    """Make a write that a page can do without: one transaction, hardly any wait for a lock.

    A failure of the database is logged as `event` with `facts`. Return whether it was written.
    """
    try:
        with _short_wait(), transaction.atomic():
            if connection.vendor == "postgresql":
                _set_lock_timeout(f"'{_SHORT_WAIT}ms'")
            write()
            if connection.vendor == "postgresql":
                # For an outer transaction.
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
    """Shorten SQLite's wait for another writer; nothing on other databases."""
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


@contextmanager
def commit_to_disk() -> Iterator[None]:
    """Run one outermost transaction that is on the disk when the block is left.

    SQLite is told to sync for it; with our settings it would do so only at checkpoints.
    """
    is_sqlite = False
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
        is_sqlite = connection.vendor == "sqlite"
    if is_sqlite:
        _set_synchronous("FULL")
    try:
        with transaction.atomic(durable=True):
            yield
    finally:
        if is_sqlite:
            _set_synchronous("NORMAL")


def _set_synchronous(mode: str) -> None:
    _execute(f"PRAGMA synchronous={mode}")


def refresh_statistics() -> None:
    """Tell SQLite how its tables are filled, by a sample: without that, or with figures of before
    an index, it may search by the wrong one. PostgreSQL does so by itself."""
    if connection.vendor == "sqlite":
        _execute("PRAGMA analysis_limit = 400")
        _execute("ANALYZE")


def express_time(column: str) -> str:
    """Return the SQL of a time for `fetch_rows`. SQLite stores UTC without saying so, and converts
    a column, but no expression, by a function of Python."""
    return f"{column} || '+00:00'" if connection.vendor == "sqlite" else column


def fetch_rows(sql: str, params: Sequence[Any], times: Collection[int]) -> list[Sequence[Any]]:
    """Return the rows of a statement of our own; those of its columns that have `times`, by
    `express_time`, are aware as in a queryset."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[Sequence[Any]] = cursor.fetchall()
    if connection.vendor != "sqlite":
        return rows
    read = datetime.fromisoformat
    converted = [list(row) for row in rows]
    for row in converted:
        for place in times:
            if row[place] is not None:
                row[place] = read(row[place])
    return cast("list[Sequence[Any]]", converted)


@contextmanager
def take_snapshot() -> Iterator[None]:
    """Read everything within the block from one state of the database."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    else:
        # Not by `atomic`, which begins with the lock of a writer.
        _execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            _execute("COMMIT")


def _execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
