"""The real server with a database that cannot be written: pages are shown, writes answer 503."""

from __future__ import annotations

import re
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
import requests

from isales_proxy.simulator import Simulator
from tests.support import web
from tests.support.furnished import PASSWORD
from tests.support.workers import Site, embedded, until

pytestmark = pytest.mark.processes

# Sessions whose last activity was so long ago that the next request would store a new one.
SESSIONS = """
import os, time
from django.conf import settings
from dashboard.account.session_engine import SessionStore
from isales_proxy.models import User
from isales_proxy.accounts import sessions
for name in os.environ["NAMES"].split():
    user = User.objects.get(username=name)
    found = SessionStore()
    found["_auth_user_id"] = str(user.pk)
    found["_auth_user_backend"] = settings.AUTHENTICATION_BACKENDS[0]
    found["_auth_user_hash"] = user.get_session_auth_hash()
    found["began"] = found["seen"] = int(time.time()) - 600
    found.save()
    sessions.record_start(user=user, key=found.session_key, address="127.0.0.1", user_agent="")
    print("session:", found.session_key)
"""
LIST = "/vdn/88/reservations/"
READ = (
    LIST, f"{LIST}?called_no=7000", "/vdn/88/tasks/", "/vdn/88/write-backs/",
    "/vdn/88/result-codes/", "/accounts/", "/accounts/sessions/", "/accounts/tokens/",
    "/api/v1/vdns/88/reservations/", "/api/v1/vdns/88/tasks/",
)  # fmt: skip
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Simulator(rows=50) as vendor:
        vendor.add_rows(88, [{"appointId": "9001", "calledNo": "70001", "failCode": "98765"}])
        with embedded(vendor, tmp_path_factory.mktemp("busy")) as found:
            found.manage("adduser", "ann", "--role", "agent", "--vdn", "88", "--agent-account",
                         "116", "--password-env", "PEOPLE")  # fmt: skip
            found.manage("refresh_result_codes")
            yield found


@pytest.fixture(scope="module")
def base(site: Site) -> Iterator[str]:
    """The address of the server."""
    with web.serving(site, "tests.settings_served") as found:
        yield found


def sessions(site: Site, *names: str) -> list[requests.Session]:
    """A logged-in session for each name."""
    output = site.manage("shell", "-v0", "-c", SESSIONS, NAMES=" ".join(names))
    keys = re.findall(r"session: (\S+)", output)
    assert len(keys) == len(names), output
    found = [requests.Session() for _ in names]
    for each, key in zip(found, keys, strict=True):
        each.cookies.set("callboard-session", key)
    return found


def read_token(page: str) -> str:
    return re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]  # type: ignore[index]


def log_in(base: str, *, fragment: bool = False) -> requests.Response:
    found = requests.Session()
    form = found.get(f"{base}/accounts/login/", timeout=15).text
    return found.post(
        f"{base}/accounts/login/",
        {"login": "maria", "password": PASSWORD, "csrfmiddlewaretoken": read_token(form)},
        headers={"HX-Request": "true"} if fragment else {},
        allow_redirects=False,
        timeout=15,
    )


def file_of(site: Site) -> Path:
    return Path(site.env["VAR_DIR"], "callboard.sqlite3")


@contextmanager
def other_writer(site: Site) -> Iterator[None]:
    """Hold the write lock of the database from another connection."""
    with closing(sqlite3.connect(file_of(site))) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def full(site: Site) -> Iterator[str]:
    """Start the server with a full database: no free page, and none can be added."""
    with closing(sqlite3.connect(file_of(site))) as line:
        line.execute("VACUUM")
    with web.serving(site, "tests.settings_full") as base:
        yield base


def assert_pages_are_read(reader: requests.Session, base: str) -> None:
    answers = {path: reader.get(base + path, timeout=30).status_code for path in READ}
    assert answers == dict.fromkeys(READ, 200)
    fragment = reader.get(base + LIST, headers={"HX-Request": "true"}, timeout=30)
    assert 'id="results"' in fragment.text
    assert "data-appoint-id" in fragment.text


def test_pages_are_read_while_the_database_is_locked_and_last_seen_is_stored_later(
    site: Site, base: str
) -> None:
    (reader,) = sessions(site, "maria")
    seen = "SELECT last_seen_at FROM usersessions_usersession ORDER BY id DESC LIMIT 1"
    before = site.query(seen)
    with other_writer(site):
        assert_pages_are_read(reader, base)
    assert site.query(seen) == before
    assert reader.get(base + LIST, timeout=15).status_code == 200
    assert site.query(seen) > before


def test_write_is_answered_by_503_with_retry_after(site: Site, base: str) -> None:
    with other_writer(site):
        for fragment in (False, True):
            answer = log_in(base, fragment=fragment)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
            assert 'data-problem="busy"' in answer.text
    until(lambda: log_in(base).status_code == 302, within=30)


def test_full_database_is_readable_and_writes_are_answered_by_503(site: Site) -> None:
    (reader,) = sessions(site, "maria")
    with full(site) as base:
        assert_pages_are_read(reader, base)
        # The space that is left in existing pages is soon used up.
        answers = [log_in(base).status_code for _ in range(25)]
    assert set(answers) <= {302, 503}
    assert answers[-1] == 503


def test_session_that_cannot_be_saved_does_not_end(site: Site, base: str) -> None:
    (reader,) = sessions(site, "maria")
    page = reader.get(f"{base}/accounts/tokens/new/", timeout=15).text
    form = {"csrfmiddlewaretoken": read_token(page), "time_zone": "Nowhere/Land"}
    with other_writer(site):
        # The refused zone is kept in the session for the next page.
        answer = reader.post(f"{base}/preferences/zone/", form, timeout=15)
        assert answer.status_code == 503
    assert reader.get(base + LIST, timeout=15).status_code == 200


def test_api_write_is_answered_by_a_problem_with_status_503(site: Site, base: str) -> None:
    token = web.token(site, "maria", "write")
    with other_writer(site):
        answer = requests.post(
            f"{base}/api/v1/vdns/88/write-backs/",
            json={"unique_id": "1-1", "service_id": "1106025109", "status": "6"},
            headers={"Authorization": f"Token {token}", "Idempotency-Key": "a" * 32},
            timeout=15,
        )
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:callboard:problem:busy"


def test_waiting_writers_do_not_block_a_reader(site: Site, base: str) -> None:
    (reader,) = sessions(site, "maria")
    with other_writer(site):
        writers = [threading.Thread(target=log_in, args=(base,)) for _ in range(8)]
        for writer in writers:
            writer.start()
        # Each writer waits up to 20 s for the lock.
        assert reader.get(base + LIST, timeout=15).status_code == 200
        for writer in writers:
            writer.join()


def test_search_that_cannot_be_counted_is_refused(site: Site, base: str) -> None:
    agent, supervisor = sessions(site, "ann", "maria")
    with other_writer(site):
        address = f"{base}{LIST}?called_no=66660000001"
        assert agent.get(address, timeout=15).status_code == 503
        assert supervisor.get(address, timeout=15).status_code == 200


@pytest.fixture
def on_postgres(tmp_path: Path) -> Iterator[Site]:
    with Simulator(rows=50) as vendor, web.on_postgres(vendor, tmp_path) as found:
        yield found


@pytest.mark.postgres
def test_locked_postgresql_is_answered_by_503_and_pages_are_read(on_postgres: Site) -> None:
    (reader,) = sessions(on_postgres, "maria")
    address = on_postgres.env["DATABASE_URL"].replace("postgres:", "postgresql:", 1)
    served = web.serving(on_postgres, "tests.settings_served")
    with served as base, psycopg.connect(address) as other:
        other.execute("LOCK TABLE isales_proxy_auditevent, django_session IN EXCLUSIVE MODE")
        answer = log_in(base)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert reader.get(base + LIST, timeout=15).status_code == 200


@pytest.mark.postgres
def test_unreachable_postgresql_is_answered_by_503(on_postgres: Site) -> None:
    (reader,) = sessions(on_postgres, "maria")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    on_postgres.env["DATABASE_URL"] = on_postgres.env["DATABASE_URL"].replace(":5432", f":{port}")
    with web.serving(on_postgres, "tests.settings_served") as base:
        for path in (LIST, "/api/v1/vdns/88/reservations/"):
            answer = reader.get(base + path, timeout=15)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
