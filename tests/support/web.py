"""The product's web server in a process of its own, on SQLite or PostgreSQL, and its tokens."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import requests

from isales_proxy.simulator import Simulator
from tests.support.services import POSTGRES, answers
from tests.support.workers import ROOT, Site, embedded

TOKEN = """
import os
from isales_proxy.models import TokenScope, User
from isales_proxy.services.people import tokens
user = User.objects.get(username=os.environ["NAME"])
scope = TokenScope(os.environ["SCOPE"])
print("token:", tokens.make(user=user, name="test", scope=scope, days=1)[1])
"""


@contextmanager
def on_sqlite(vendor: Simulator, var: Path) -> Iterator[Site]:
    """One installation with a file for its database."""
    with embedded(vendor, var) as site:
        _people(site)
        yield site


@contextmanager
def on_postgres(vendor: Simulator, var: Path) -> Iterator[Site]:
    """The same on a PostgreSQL of this machine; skips where none lets us in."""
    if not answers(POSTGRES):
        pytest.skip(f"no PostgreSQL answers on {POSTGRES[0]}:{POSTGRES[1]}")
    user = os.environ.get("PGUSER", "postgres")
    database = f"callboard_web_{os.getpid()}_{secrets.token_hex(3)}"
    try:
        admin = psycopg.connect(f"postgresql://{user}@127.0.0.1/postgres", autocommit=True)
    except psycopg.OperationalError as error:
        pytest.skip(f"PostgreSQL lets nobody in: {error}")
    with admin:
        admin.execute(f'CREATE DATABASE "{database}"')
        try:
            with embedded(vendor, var) as site:
                site.env["DATABASE_URL"] = f"postgres://{user}@127.0.0.1:5432/{database}"
                site.manage("migrate", "--verbosity=0")
                _people(site)
                yield site
        finally:
            admin.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


def _people(site: Site) -> None:
    for name in ("maria", "admin"):
        role = "admin" if name == "admin" else "supervisor"
        site.manage("adduser", name, "--role", role, "--vdn", "88", "--password-env", "PEOPLE")


def token(site: Site, name: str, scope: str) -> str:
    """A new token of this person."""
    said = site.manage("shell", "-v0", "-c", TOKEN, NAME=name, SCOPE=scope)
    return said.partition("token: ")[2].strip()


@contextmanager
def serving(site: Site, settings: str = "dashboard.settings") -> Iterator[str]:
    """The server, until the end of the block; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    env = site.env | {"BIND": f"127.0.0.1:{port}", "DJANGO_SETTINGS_MODULE": settings}
    command = [sys.executable, "-m", "gunicorn", "-c", "dashboard/gunicorn_conf.py"]
    with Path(env["VAR_DIR"], "server.log").open("ab") as log:
        server = subprocess.Popen(
            [*command, "dashboard.wsgi"],
            cwd=ROOT,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        for _ in range(300):
            with suppress(requests.RequestException):
                if requests.get(f"{base}/healthz", timeout=2).ok:
                    break
            time.sleep(0.1)
        else:
            raise AssertionError("the server did not come up")
        yield base
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(15)
