"""Real product processes around one database: migrations, people, write-backs, and workers that a
test may kill. The vendor is a simulator in the test's own process."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from isales_proxy.simulator import (
    DEMO_ACCESS_KEY,
    DEMO_APP_KEY,
    DEMO_APP_SECRET,
    DEMO_SECRET_KEY,
    Simulator,
)
from tests.support import clock, furnished, starts
from tests.support.furnished import PASSWORD
from tests.support.outbox import TASK
from tests.support.services import REDIS, answers
from tests.support.starts import ROOT as ROOT
from tests.support.starts import Process

# Queues results through the service: WANTED are pairs of unique ID and status.
WRITE = """
import json, os, uuid
from isales_proxy.models import User
from isales_proxy import access
from isales_proxy.client.queries import IntermediateResult
from isales_proxy.write_backs import services as write_backs
scope = access.enter(user=User.objects.get(username="maria"), vdn_id=88)
for unique_id, status in json.loads(os.environ["WANTED"]):
    write_backs.queue_once(scope=scope, key=uuid.uuid4().hex, result=IntermediateResult(
        vdn=88, cc_id=scope.vdn.cc_id, unique_id=unique_id, service_id=os.environ["TASK"],
        status=status))
"""
# Loads the product once and forks a worker for every line on stdin, so that a test can kill many
# workers without waiting for each to load.
NURSERY = """
import os, signal, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
import django
django.setup()
from django.core.management import call_command
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sys.stdin.close()
        call_command("deliver_write_backs", "--watch")
        os._exit(0)
    print(pid, flush=True)
"""


class Site:
    """One installation: its environment, its database, its workers."""

    def __init__(self, env: dict[str, str], query: Callable[[str], list[tuple[Any, ...]]]) -> None:
        self.env = env
        self.query = query
        self._started: list[Process] = []

    def manage(self, *arguments: str, **env: str) -> str:
        """Run a command to its end."""
        run = starts.run(["manage.py", *arguments], self.env | env)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def write(self, wanted: list[tuple[str, str]]) -> None:
        """Put results (unique ID, status) into the outbox, in this order."""
        self.manage("shell", "-v0", "-c", WRITE, WANTED=json.dumps(wanted), TASK=TASK)

    def start(self, *arguments: str) -> Process:
        """Start a worker that goes on."""
        return self._start(["manage.py", *arguments])

    def nursery(self) -> Process:
        """Start the process that forks workers; see `NURSERY`."""
        process = self._start(["-c", NURSERY], stdin=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def _start(self, command: list[str], **options: Any) -> Process:
        with Path(self.env["VAR_DIR"], "workers.log").open("a", encoding="utf-8") as log:
            process = Process(
                command,
                self.env,
                stdout=subprocess.PIPE if options else log,
                stderr=log,
                **options,
            )
        self._started.append(process)
        return process

    def end(self) -> None:
        """End every worker that is left."""
        for process in self._started:
            process.end_group(signal.SIGKILL)
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def states(self) -> dict[str, int]:
        """Count the write-backs in each state."""
        return dict(self.query("SELECT state, count(*) FROM isales_proxy_writeback GROUP BY state"))

    def delivered(self) -> int:
        """Count those acknowledged."""
        return self.states().get("delivered", 0)

    def journal(self) -> dict[str, list[tuple[str, bool]]]:
        """Unique ID → (outcome, may it have been carried out) of every attempt, in order."""
        found: dict[str, list[tuple[str, bool]]] = {}
        for unique_id, outcome, maybe_sent in self.query(
            "SELECT w.unique_id, a.outcome, a.maybe_sent FROM isales_proxy_writebackattempt a "
            "JOIN isales_proxy_writeback w ON w.id = a.write_back_id ORDER BY w.id, a.number"
        ):
            found.setdefault(unique_id, []).append((outcome, bool(maybe_sent)))
        return found

    def workers(self) -> set[str]:
        """The names of all that were at work."""
        return {
            name
            for (name,) in self.query("SELECT DISTINCT worker FROM isales_proxy_writebackattempt")
        }


def until(met: Callable[[], bool], *, within: float) -> None:
    """Wait at most `within` seconds for a condition that other processes meet."""
    last = time.monotonic() + within
    while not met():
        assert time.monotonic() < last, "it did not come about in time"
        time.sleep(0.05)


@contextmanager
def embedded(vendor: Simulator, var: Path) -> Iterator[Site]:
    """SQLite for everything, as a small installation has it."""
    file = var / "callboard.sqlite3"

    def query(sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(file, timeout=20)) as line:
            return line.execute(sql).fetchall()

    site = Site(_env(vendor, var) | {"DATABASE_URL": f"sqlite:///{file}"}, query)
    furnished.sqlite(site.env, file)
    try:
        yield site
    finally:
        site.end()


@contextmanager
def at_scale(vendor: Simulator, var: Path, *, jobs_db: int) -> Iterator[Site]:
    """PostgreSQL, and Redis for cache and jobs (`jobs_db` and the one before it)."""
    if not answers(REDIS):
        pytest.skip(f"no Redis answers on {REDIS[0]}:{REDIS[1]}")
    for number in (jobs_db, jobs_db - 1):
        redis.Redis(host=REDIS[0], port=REDIS[1], db=number).flushdb()
    env = _env(vendor, var) | {
        "JOBS_URL": f"redis://127.0.0.1:6379/{jobs_db}",
        "CACHE_URL": f"redis://127.0.0.1:6379/{jobs_db - 1}",
    }
    with furnished.postgres(env) as (address, query):
        site = Site(env | {"DATABASE_URL": address}, query)
        try:
            yield site
        finally:
            site.end()


def _env(vendor: Simulator, var: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        **clock.variables(),
        "CALLBOARD_ENV_FILE": "",
        "HOME": str(var),
        "VAR_DIR": str(var),
        "DEBUG": "0",
        "SECRET_KEY": "only-for-these-worker-tests-and-nothing-else-in-the-world",
        "ISALES_BASE_URL": vendor.base_url,
        "ISALES_ACCESS_KEY": DEMO_ACCESS_KEY,
        "ISALES_SECRET_KEY": DEMO_SECRET_KEY,
        "ISALES_APP_KEY": DEMO_APP_KEY,
        "ISALES_APP_SECRET": DEMO_APP_SECRET,
        # A busy machine is no slow vendor; yet the lease of a killed worker, which is longer than
        # the deadline, has to be waited for.
        "ISALES_CONNECT_TIMEOUT": "5",
        "ISALES_READ_TIMEOUT": "5",
        "ISALES_DEADLINE": "5",
        "ISALES_CALL_DATA_TIMEOUT": "5",
        "PEOPLE": PASSWORD,
        "PYTHONWARNINGS": "ignore",
    }
