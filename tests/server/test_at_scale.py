"""The product at scale: PostgreSQL, Redis for cache and jobs, two worker processes."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import requests

from isales_proxy.simulator import DEMO_ACCESS_KEY, DEMO_SECRET_KEY, LIST_RESERVATIONS, Simulator
from tests.support import clock, starts
from tests.support.services import POSTGRES, REDIS, answers
from tests.support.starts import Process

pytestmark = [pytest.mark.processes, pytest.mark.postgres, pytest.mark.redis]

PASSWORD = "callboard-at-scale-1"
READERS = 12


@dataclass
class Site:
    base: str
    vendor: Simulator
    env: dict[str, str]

    def log_in(self, name: str) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        form = session.get(f"{self.base}/accounts/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[1]  # type: ignore[index]
        session.post(
            f"{self.base}/accounts/login/",
            {"login": name, "password": PASSWORD, "csrfmiddlewaretoken": token},
        )
        return session

    def manage(self, *arguments: str) -> str:
        run = starts.run(["manage.py", *arguments], self.env)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for name, address in (("PostgreSQL", POSTGRES), ("Redis", REDIS)):
        if not answers(address):
            pytest.skip(f"no {name} answers on {address[0]}:{address[1]}")
    var = tmp_path_factory.mktemp("scale")
    database = f"callboard_test_{os.getpid()}"
    user = os.environ.get("PGUSER", "postgres")
    try:
        admin = psycopg.connect(f"postgresql://{user}@127.0.0.1/postgres", autocommit=True)
    except psycopg.OperationalError as error:
        pytest.skip(f"PostgreSQL lets nobody in: {error}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with admin, Simulator(rows=300) as vendor:
        admin.execute(f'CREATE DATABASE "{database}"')
        for number in (13, 14):
            redis.Redis(host=REDIS[0], port=REDIS[1], db=number).flushdb()
        env = {
            "PATH": os.environ["PATH"],
            **clock.variables(),
            "CALLBOARD_ENV_FILE": "",
            "HOME": str(var),
            "VAR_DIR": str(var),
            "DEBUG": "1",
            "SECRET_KEY": "only-for-this-test",
            "DATABASE_URL": f"postgres://{user}@127.0.0.1:5432/{database}",
            "CACHE_URL": "redis://127.0.0.1:6379/13",
            "JOBS_URL": "redis://127.0.0.1:6379/14",
            "WEB_CONCURRENCY": "2",
            "BIND": f"127.0.0.1:{port}",
            "ISALES_BASE_URL": vendor.base_url,
            "ISALES_ACCESS_KEY": DEMO_ACCESS_KEY,
            "ISALES_SECRET_KEY": DEMO_SECRET_KEY,
            "PEOPLE": PASSWORD,
            "PYTHONWARNINGS": "ignore",
        }
        found = Site(f"http://127.0.0.1:{port}", vendor, env)
        try:
            found.manage("migrate", "--verbosity=0")
            found.manage(
                "adduser", "maria", "--role", "admin", "--vdn", "88", "--password-env", "PEOPLE"
            )
            with serving(env, found.base):
                yield found
        finally:
            admin.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


class serving:  # noqa: N801 - a context manager reads as a verb
    def __init__(self, env: dict[str, str], base: str) -> None:
        self.base = base
        with Path(env["VAR_DIR"], "server.log").open("wb") as log:
            command = ["-m", "gunicorn", "-c", "dashboard/gunicorn_conf.py", "dashboard.wsgi"]
            self.server = Process(command, env, stdout=log, stderr=log)

    def __enter__(self) -> None:
        for _ in range(300):
            with suppress(requests.RequestException):
                if requests.get(f"{self.base}/healthz", timeout=2).ok:
                    return
            time.sleep(0.1)
        raise AssertionError("the server did not come up")

    def __exit__(self, *_: object) -> None:
        self.server.end_group()


def test_page_is_served_and_every_part_is_ready(site: Site) -> None:
    session = site.log_in("maria")
    assert "data-appoint-id" in session.get(f"{site.base}/vdn/88/reservations/").text
    ready = requests.get(f"{site.base}/readyz", timeout=5).json()
    assert str(ready).count("failing") == 0


def test_identical_requests_to_two_processes_cost_one_vendor_call(site: Site) -> None:
    session = site.log_in("maria")
    session.get(f"{site.base}/vdn/88/reservations/")
    site.vendor.calls.clear()
    rule = site.vendor.faults.add("hold", operation=LIST_RESERVATIONS, times=None)

    def send_request(_number: int) -> int:
        cookies: Any = session.cookies
        return requests.get(
            f"{site.base}/vdn/88/reservations/?task=1106025109", cookies=cookies, timeout=30
        ).status_code

    with ThreadPoolExecutor(READERS) as pool:
        waiting = pool.map(send_request, range(READERS))
        assert site.vendor.calls.wait_for(1)
        site.vendor.faults.remove(rule)
        site.vendor.faults.release()
        assert list(waiting) == [200] * READERS
    assert len(site.vendor.calls.filter(LIST_RESERVATIONS)) == 1


def test_refresh_is_seen_by_every_process(site: Site) -> None:
    session = site.log_in("maria")
    address = f"{site.base}/vdn/88/result-codes/"
    for _ in range(6):
        assert "77771" not in session.get(address).text
    site.vendor.codes["77771"] = ("Brand \x00new", "全新")
    assert "1 added" in site.manage("refresh_result_codes")
    for _ in range(6):
        assert "77771" in session.get(address).text


def test_incomplete_refresh_changes_nothing(site: Site) -> None:
    session = site.log_in("maria")
    before = session.get(f"{site.base}/api/v1/vdns/88/result-codes/").json()
    site.vendor.codes["77772"] = ("Never seen", "没见过")
    site.vendor.faults.add("status", operation="queryOBSResultCode", times=None, from_call=3)
    run = starts.run(["manage.py", "refresh_result_codes"], site.env)
    site.vendor.faults.clear()
    assert run.returncode == 1
    assert session.get(f"{site.base}/api/v1/vdns/88/result-codes/").json() == before


def test_malformed_request_leaves_no_number_in_the_log(site: Site) -> None:
    port = int(site.base.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall("GET /vdn/88/reservations/?called_no=6581230001张 HTTP/1.1\r\n\r\n".encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 400")
    log = Path(site.env["VAR_DIR"], "server.log").read_text("utf-8")
    assert "6581230001" not in log


def test_several_workers_without_a_shared_cache_are_refused(site: Site) -> None:
    env = {key: value for key, value in site.env.items() if key != "CACHE_URL"}
    run = starts.run(["manage.py", "check"], env)
    assert run.returncode == 1
    assert "isales_proxy.E001" in run.stderr
