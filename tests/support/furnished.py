"""Databases with their tables and people. Each kind is made once (on SQLite by a run, on PostgreSQL
by each of its workers) and copied for every site: to migrate takes seconds."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support import shared, starts
from tests.support.services import POSTGRES, answers

PASSWORD = "callboard-people-1"

Env = dict[str, str]
People = tuple[tuple[str, ...], ...]

# For each: the name, then what `adduser` is told.
PEOPLE: People = (
    ("maria", "--role", "supervisor", "--vdn", "88"),
    ("admin", "--role", "admin", "--vdn", "88"),
)
FURNISH = """
import json, os
from django.core.management import call_command
call_command("migrate", verbosity=0)
for person in json.loads(os.environ["TO_ADD"]):
    call_command("adduser", *person, "--password-env", "PASSWORD_OF_ALL", verbosity=0)
"""


def sqlite(env: Env, file: Path, people: People = PEOPLE) -> None:
    """Make `file` a furnished database; `env` is that of the product which is to use it."""

    def make(draft: Path) -> None:
        made = draft.with_suffix(".sqlite3")
        _furnish(env | {"DATABASE_URL": f"sqlite:///{made}"}, people)
        # By SQLite itself, since its journal may hold what the file does not.
        with closing(sqlite3.connect(made)) as old, closing(sqlite3.connect(draft)) as new:
            old.backup(new)

    digest = hashlib.sha256(repr((env["SECRET_KEY"], people)).encode()).hexdigest()[:12]
    shutil.copyfile(shared.make_once(f"database-{digest}", make), file)


@contextmanager
def postgres(env: Env) -> Iterator[tuple[str, Callable[[str], list[tuple[Any, ...]]]]]:
    """A furnished database of this machine's PostgreSQL, until the end of the block.

    Gives its address and a function that asks it. Skips the test where nobody lets us in.
    """
    if not answers(POSTGRES):
        pytest.skip(f"no PostgreSQL answers on {POSTGRES[0]}:{POSTGRES[1]}")
    name = f"callboard_test_{os.getpid()}_{secrets.token_hex(3)}"
    try:
        admin = administrator()
    except psycopg.OperationalError as error:
        pytest.skip(f"PostgreSQL lets nobody in: {error}")

    def query(sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(get_address("postgresql", name)) as line:
            return line.execute(sql).fetchall()

    with admin:
        template = f"callboard_test_{os.getpid()}_template"
        if not _templates:
            admin.execute(f'DROP DATABASE IF EXISTS "{template}"')
            admin.execute(f'CREATE DATABASE "{template}"')
            _furnish(env | {"DATABASE_URL": get_address("postgres", template)}, PEOPLE)
            _templates.append(template)
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield get_address("postgres", name), query
        finally:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def discard() -> None:
    """Leave nothing behind: for the end of a process of tests."""
    starts.discard()
    if _templates:
        with administrator() as admin:
            for name in _templates:
                admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _furnish(env: Env, people: People) -> None:
    run = starts.run(
        ["manage.py", "shell", "-v0", "-c", FURNISH],
        env | {"TO_ADD": json.dumps(people), "PASSWORD_OF_ALL": PASSWORD},
    )
    assert run.returncode == 0, run.stdout + run.stderr


def administrator() -> psycopg.Connection[Any]:
    return psycopg.connect(get_address("postgresql", "postgres"), autocommit=True)


def get_address(scheme: str, database: str) -> str:
    """Return the address of a database of this machine's PostgreSQL."""
    return f"{scheme}://{os.environ.get('PGUSER', 'postgres')}@127.0.0.1:5432/{database}"


_templates: list[str] = []
