"""The product's web server in a process of its own, on SQLite or PostgreSQL, and its tokens."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from isales_proxy.simulator import Simulator
from tests.support import furnished, shared, starts
from tests.support.starts import Process
from tests.support.workers import Site, embedded

TOKEN = """
import os
from isales_proxy.models import TokenScope, User
from isales_proxy.accounts import tokens
user = User.objects.get(username=os.environ["NAME"])
scope = TokenScope(os.environ["SCOPE"])
print("token:", tokens.create_token(user=user, name="test", scope=scope, days=1)[1])
"""


@contextmanager
def on_postgres(vendor: Simulator, var: Path) -> Iterator[Site]:
    """PostgreSQL, and memory and files for the rest; skips where none lets us in."""
    with embedded(vendor, var) as site, furnished.postgres(site.env) as (address, _query):
        site.env["DATABASE_URL"] = address
        yield site


def collect_static_files(var: Path, env: dict[str, str]) -> None:
    """Put the collected static files into `VAR_DIR`. They are compressed once in a run."""

    def make(draft: Path) -> None:
        run = starts.run(
            ["manage.py", "collectstatic", "--noinput", "-v0"], env | {"VAR_DIR": str(draft)}
        )
        assert run.returncode == 0, run.stderr

    made = shared.make_once("static-files", make)
    shutil.copytree(made / "static", var / "static", dirs_exist_ok=True)
    shutil.copy2(made / "static-manifest.json", var)


def token(site: Site, name: str, scope: str) -> str:
    """A new token of this person."""
    said = site.manage("shell", "-v0", "-c", TOKEN, NAME=name, SCOPE=scope)
    return said.partition("token: ")[2].strip()


@contextmanager
def serving(
    site: Site, settings: str = "dashboard.settings", *, folder: Path | None = None
) -> Iterator[str]:
    """The server, until the end of the block; gives its address. Its log is in `VAR_DIR`, or in
    `folder`."""
    with started(site, settings, folder=folder) as (base, _process):
        yield base


@contextmanager
def started(
    site: Site, settings: str = "dashboard.settings", *, folder: Path | None = None
) -> Iterator[tuple[str, Process]]:
    """The server, until the end of the block; gives its address and its process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    env = site.env | {"BIND": f"127.0.0.1:{port}", "DJANGO_SETTINGS_MODULE": settings}
    command = ["-m", "gunicorn", "-c", "dashboard/gunicorn_conf.py", "dashboard.wsgi"]
    with Path(folder or env["VAR_DIR"], "server.log").open("ab") as log:
        server = Process(command, env, stdout=log, stderr=log)
    try:
        for _ in range(300):
            with suppress(requests.RequestException):
                if requests.get(f"{base}/healthz", timeout=2).ok:
                    break
            time.sleep(0.1)
        else:
            raise AssertionError("the server did not come up")
        yield base, server
    finally:
        server.end_group()
