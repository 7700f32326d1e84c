"""Database access that Django's ORM lacks: optional and synced writes, snapshots, raw reads, and
recognising a temporarily unavailable database."""

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

# How long an optional write waits for a lock.
_LOCK_TIMEOUT_MS: Final = 100
# Temporary states of SQLite: locked by another writer, full, read-only, a failing file or disk.
# Other codes mean a bug, such as a missing table.
_SQLITE_CODES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
    }
)  # fmt: skip
_PRIMARY_CODE_MASK: Final = 0xFF


def is_unavailable(error: BaseException | None) -> bool:
    """Return True if the same request may succeed later.

    So it is for a lock timeout, a deadlock, a failed serialization, a full disk, too many
    connections, and an unreachable server.
    """
    if isinstance(error, InterfaceError):
        return True
    if isinstance(error, OperationalError) and not isinstance(error.__cause__, sqlite3.Error):
        # PostgreSQL uses this class for problems of the server only.
        return True
    cause = error if isinstance(error, sqlite3.Error) else getattr(error, "__cause__", None)
    code = getattr(cause, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY_CODE_MASK in _SQLITE_CODES


def describe_fault() -> str:
    """Tell an operator why the database is unusable: unreachable, or not migrated; "" if usable."""
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
    """Make a write that may fail: one transaction with a short lock timeout.

    A database error is logged as `event` with `facts`. Return whether it was written.
    """
    try:
        with _short_wait(), transaction.atomic():
            if connection.vendor == "postgresql":
                _set_lock_timeout(f"'{_LOCK_TIMEOUT_MS}ms'")
            write()
            if connection.vendor == "postgresql":
                # The timeout would hold for the rest of an outer transaction.
                _set_lock_timeout("DEFAULT")
    except Error as error:
        # Only the class: the message may quote a value.
        log.warning(event, error=type(error).__name__, **facts)
        return False
    return True


def _set_lock_timeout(value: str) -> None:
    connection.connection.execute(f"SET LOCAL lock_timeout = {value}")


@contextmanager
def _short_wait() -> Iterator[None]:
    """Shorten SQLite's wait for another writer; no-op on other databases."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    connection.connection.execute(f"PRAGMA busy_timeout = {_LOCK_TIMEOUT_MS}")
    try:
        yield
    finally:
        usual = float(connection.settings_dict["OPTIONS"].get("timeout", 5)) * 1000
        with suppress(sqlite3.Error):
            connection.connection.execute(f"PRAGMA busy_timeout = {int(usual)}")


@contextmanager
def commit_to_disk() -> Iterator[None]:
    """Run one outermost transaction that is on the disk when the block is left.

    With our settings SQLite would sync only at checkpoints.
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
    """Update SQLite's statistics from a sample, without which it may use the wrong index.
    PostgreSQL does so automatically."""
    if connection.vendor == "sqlite":
        _execute("PRAGMA analysis_limit = 400")
        _execute("ANALYZE")


def express_time(column: str) -> str:
    """Return the SQL of a time column for `fetch_rows`: on SQLite, which stores UTC without an
    offset, as text with the offset."""
    return f"{column} || '+00:00'" if connection.vendor == "sqlite" else column


def fetch_rows(sql: str, params: Sequence[Any], times: Collection[int]) -> list[Sequence[Any]]:
    """Return the rows of a SQL statement. The columns at the positions `times`, selected by
    `express_time`, are aware datetimes."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[Sequence[Any]] = cursor.fetchall()
    if connection.vendor != "sqlite":
        return rows
    converted = [list(row) for row in rows]
    for row in converted:
        for position in times:
            if row[position] is not None:
                row[position] = datetime.fromisoformat(row[position])
    return cast("list[Sequence[Any]]", converted)


@contextmanager
def take_snapshot() -> Iterator[None]:
    """Read everything within the block from one snapshot of the database."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    else:
        # `atomic` would begin with a write lock.
        _execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            _execute("COMMIT")


def _execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
