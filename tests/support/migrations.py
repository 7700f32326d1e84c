"""A database of earlier releases, without taking that of the tests back and forth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.migrations.executor import MigrationExecutor


@contextmanager
def empty_database() -> Iterator[None]:
    """Use an empty database in memory in the place of the test's, which must be SQLite too."""
    used = connections["default"]
    empty = DatabaseWrapper({**used.settings_dict, "NAME": ":memory:"}, "default")
    connections["default"] = empty
    try:
        yield
    finally:
        connections["default"] = used
        # The close method of SQLite's own wrapper keeps a database in memory.
        BaseDatabaseWrapper.close(empty)


def migrate(name: str | None = None) -> Any:
    """Migrate to this migration of ours, by default to the newest of all apps; return the apps that
    hold the models as they are there."""
    executor = MigrationExecutor(connection)
    targets = [("isales_proxy", name)] if name else executor.loader.graph.leaf_nodes()
    return executor.migrate(targets).apps
