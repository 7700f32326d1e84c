"""Fixtures: a running simulator behind the product, and people with roles."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import time_machine
from django.conf import settings as django_settings
from django.contrib.auth.hashers import make_password
from django.core.cache import caches
from django.core.management.commands.migrate import Command
from django.db import connection
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.test import Client
from django.utils import translation

from dashboard.account import provider_calls, single_sign_on
from isales_proxy.accounts.services import sync_staff
from isales_proxy.audit import retention
from isales_proxy.client.transport import transport
from isales_proxy.mirror import forgetting
from isales_proxy.models import Access, Role, User, Vdn
from isales_proxy.models.people import comparable_username
from isales_proxy.reservations import live
from isales_proxy.result_codes import book, occurrences
from isales_proxy.simulator import (
    DEMO_ACCESS_KEY,
    DEMO_APP_KEY,
    DEMO_APP_SECRET,
    DEMO_SECRET_KEY,
    Simulator,
)
from isales_proxy.vendor import call_budget, gateway
from isales_proxy.write_backs import delivery
from tests.support import furnished, shared
from tests.support.clock import NOON

AGENT_ACCOUNT = "116"
# A busy machine is no fault of a strategy: it neither fails a test nor ends one early.
hypothesis.settings.register_profile(
    "callboard", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("callboard")
# A worker holds a million objects that stay. Python's own thresholds search them so often that it
# takes a quarter of the collection's time and a twentieth of the tests'.
gc.set_threshold(50_000, 20, 50)
# Faults after which a client waits for its timeout.
SLOW = frozenset({"hold", "delay"})


# Of tests with these marks the first take longest.
LONG = ("schemathesis", "browser", "processes", "thorough")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with long tests first, so that no worker has one left when the others end."""
    ranks: dict[Path, int] = {}
    for item in items:
        rank = next((n for n, mark in enumerate(LONG) if item.get_closest_marker(mark)), len(LONG))
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    furnished.discard()


@pytest.fixture(autouse=True, scope="session")
def _shared_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    shared.use_folder_of(tmp_path_factory)


@pytest.fixture(scope="session")
def _migrating_once(_shared_files: None) -> pytest.MonkeyPatch:
    """Migrate one database in memory for all workers, and for all runs with the same migrations: it
    takes seconds, a copy none."""
    code = shared.ROOT / "isales_proxy"
    sources = [
        *sorted((code / "migrations").glob("*.py")),
        *sorted((code / "models").glob("*.py")),
        # Those of other apps come with their releases.
        shared.ROOT / "requirements" / "dev.txt",
        shared.ROOT / "dashboard" / "settings.py",
    ]
    migrate = Command.handle

    def copy(self: Any, *args: Any, **options: Any) -> None:
        connection.ensure_connection()

        def make(draft: Path) -> None:
            migrate(self, *args, **options)
            with closing(sqlite3.connect(draft)) as file:
                connection.connection.backup(file)

        if connection.vendor != "sqlite":
            migrate(self, *args, **options)
            return
        with closing(
            sqlite3.connect(shared.make_kept("migrated", sources, django_settings.SECRET_KEY, make))
        ) as file:
            file.backup(connection.connection)

    patched = pytest.MonkeyPatch()
    patched.setattr(Command, "handle", copy)
    return patched


@pytest.fixture(scope="session")
def django_db_setup(_migrating_once: pytest.MonkeyPatch, django_db_setup: None) -> None:
    """Set up the database of pytest-django; migrations that a test runs are run."""
    _migrating_once.undo()


@pytest.fixture(autouse=True, scope="session")
def _emptied_between_tests() -> Iterator[None]:
    """After a test that commits, Django empties the tables; on SQLite the audit's trigger would
    refuse that."""
    operations = DatabaseWrapper.ops_class
    plain = operations.sql_flush

    def flush(self: Any, *args: Any, **kwargs: Any) -> list[str]:
        begin, end = retention.BEGIN["sqlite"], retention.END["sqlite"]
        return [begin, *plain(self, *args, **kwargs), end]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(operations, "sql_flush", flush)
        yield


@pytest.fixture(autouse=True)
def _fresh_memory() -> Iterator[None]:
    """No test sees what another one cached, or reads in the language of another one's reader."""
    _forget()
    yield
    _forget()


@pytest.fixture(autouse=True)
def _no_page_answers_a_post(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse a page as the answer to a POST: nobody could go back to it in the browser.

    Exceptions: a revealed number is kept nowhere, and drafts are sent by a script.
    """
    post = Client.post
    excepted = ("/reveal/", "/preferences/draft/")

    def checked(client: Client, path: str, *args: Any, **kwargs: Any) -> Any:
        answer = post(client, path, *args, **kwargs)
        is_page = answer.headers.get("Content-Type", "").startswith("text/html")
        is_fragment = "HX-Request" in (kwargs.get("headers") or ())
        is_checked = is_page and not is_fragment and not any(part in path for part in excepted)
        if is_checked and answer.request["REQUEST_METHOD"] == "POST":
            assert answer.status_code not in {200, 409, 410, 422}, f"a page answers POST {path}"
        return answer

    monkeypatch.setattr(Client, "post", checked)


@pytest.fixture
def forget() -> Callable[[], None]:
    """A function after which the product remembers nothing of what was before."""
    return _forget


def _forget() -> None:
    # A request leaves its reader's language switched on in this thread.
    translation.deactivate()
    for room in ("default", "answers", "rows"):
        caches[room].clear()
    book.clear_memory()
    occurrences.clear_memory()
    live.clear_memory()
    forgetting.clear_memory()
    delivery.clear_memory()
    gateway.close()
    call_budget.clear_memory()
    provider_calls.forget()
    single_sign_on.forget()


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that goes on from NOON and can be moved, for what depends on the hour or the date.

    Name it before the other fixtures of a test: what the simulator makes, it makes around now.
    """
    with time_machine.travel(NOON, tick=True) as traveller:
        yield traveller


@pytest.fixture
def vendor(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A simulator over real HTTP, and settings that point to it.

    A busy machine is no slow vendor: timeouts (seconds) are long, but for a test that makes the
    vendor slow. Calls are repeated without delay; the tests of the client say with which.
    """
    monkeypatch.setattr(transport, "FIRST_WAIT_S", 0.002)
    # What a worker leaves on disk is no other test's.
    settings.VAR_DIR = tmp_path
    with Simulator(rows=600) as simulator:
        settings.ISALES = replace(
            settings.ISALES,
            base_url=simulator.base_url,
            access_key=DEMO_ACCESS_KEY,
            secret_key=DEMO_SECRET_KEY,
            app_key=DEMO_APP_KEY,
            app_secret=DEMO_APP_SECRET,
            connect_timeout=10.0,
            read_timeout=10.0,
            deadline=10.0,
            call_data_timeout=10.0,
        )
        add = simulator.faults.add

        def add_fault(kind: str, **options: Any) -> Any:
            if kind in SLOW:
                settings.ISALES = replace(
                    settings.ISALES, read_timeout=1.0, deadline=2.0, call_data_timeout=2.0
                )
                # The next call has a client with these timeouts.
                gateway.close()
            # No test waits a second for each call that is repeated, but one that says so.
            return add(kind, **({"retry_after": 0} if kind == "throttle" else {}) | options)

        simulator.faults.add = add_fault  # type: ignore[method-assign]
        yield simulator


@pytest.fixture
def people(db: None) -> dict[str, User]:
    """One person for each role in VDN 88 (Asia/Shanghai), by the name of the role.

    VDN 89 belongs to nobody of them but `both`, a supervisor of the two.
    """
    first, second = (
        Vdn.objects.update_or_create(pk=pk, defaults={"name": name, "time_zone": zone})[0]
        for pk, name, zone in ((88, "Support", "Asia/Shanghai"), (89, "Sales", "UTC"))
    )
    names = [*(role.value for role in Role), "both"]
    # At once: one after the other they cost more than most tests.
    users = User.objects.bulk_create(
        User(username=name, username_key=comparable_username(name), password=_hash_password())
        for name in names
    )
    found = dict(zip(names, users, strict=True))
    Access.objects.bulk_create(
        [
            *(
                Access(
                    user=found[role.value],
                    vdn=first,
                    role=role,
                    agent_account=AGENT_ACCOUNT if role is Role.AGENT else "",
                )
                for role in Role
            ),
            *(Access(user=found["both"], vdn=vdn, role=Role.SUPERVISOR) for vdn in (first, second)),
        ]
    )
    sync_staff(found["admin"])
    return found


@cache
def _hash_password() -> str:
    return make_password("pass-word-1")


@pytest.fixture
def as_role(people: dict[str, User]) -> Any:
    """A function: role → a test client that is logged in."""

    def log_in(role: str) -> Client:
        client = Client()
        client.force_login(people[role])
        return client

    return log_in
