"""An acknowledged result is sent once despite failures of database, worker and clock.

Real processes: a worker is stopped with the acknowledgement while the database is unavailable, and
another worker, or one with another clock, finds the same write-back.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from isales_proxy.simulator import PUSH_MID_RESULT, Simulator
from tests.support.furnished import administrator
from tests.support.workers import Site, at_scale, embedded, until

pytestmark = pytest.mark.processes

# One run of a worker whose wall clock differs by AHEAD seconds.
LOOK = """
import os
from datetime import UTC, datetime, timedelta
import time_machine
from isales_proxy.write_backs import delivery
then = datetime.now(UTC) + timedelta(seconds=int(os.environ["AHEAD"]))
with time_machine.travel(then, tick=True):
    run = delivery.DeliveryWorker(name="another").deliver_due()
print(run.delivered, run.abandoned)
"""

Away = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def vendor_process() -> Iterator[Simulator]:
    with Simulator(rows=30) as simulator:
        yield simulator


@pytest.fixture(
    params=[
        "embedded",
        pytest.param("at-scale", marks=[pytest.mark.postgres, pytest.mark.redis]),
    ]
)
def place(
    request: pytest.FixtureRequest, vendor_process: Simulator, tmp_path: Path
) -> Iterator[tuple[Site, Away]]:
    """An installation, and a context in which its database is unavailable."""
    # The answer is delayed for longer than a loaded machine needs to start a process.
    patient = {"ISALES_READ_TIMEOUT": "60", "ISALES_DEADLINE": "60"}
    if request.param == "embedded":
        with embedded(vendor_process, tmp_path) as site:
            site.env |= patient
            yield site, lambda: locked(tmp_path / "callboard.sqlite3")
    else:
        with at_scale(vendor_process, tmp_path, jobs_db=10) as site:
            site.env |= patient
            name = site.env["DATABASE_URL"].rpartition("/")[2]
            yield site, lambda: unreachable(name)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, timeout=20)) as line:
        line.execute("BEGIN IMMEDIATE")
        yield
        line.rollback()


@contextmanager
def unreachable(name: str) -> Iterator[None]:
    with administrator() as admin:
        shut_out(admin, name)
        try:
            yield
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def shut_out(admin: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
    )


def test_acknowledgement_survives_database_outage_and_worker(
    place: tuple[Site, Away], vendor_process: Simulator, tmp_path: Path
) -> None:
    site, away = place
    site.write([("u-1", "6")])
    vendor_process.faults.add("hold", operation=PUSH_MID_RESULT)
    first = site.start("deliver_write_backs", "--watch")
    assert vendor_process.write_backs.wait_for(1, timeout=60)
    with away():
        vendor_process.faults.release()
        until(lambda: files(tmp_path) != [], within=60)
        # It would go on settling; now it is as good as dead, and its lease lapses.
        os.kill(first.pid, signal.SIGSTOP)
    site.start("deliver_write_backs", "--watch")
    until(lambda: site.delivered() == 1, within=120)
    assert site.journal() == {"u-1": [("ok", True)]}
    os.kill(first.pid, signal.SIGCONT)
    site.write([("u-2", "6")])
    until(lambda: site.delivered() == 2 and files(tmp_path) == [], within=120)
    assert site.journal() == {"u-1": [("ok", True)], "u-2": [("ok", True)]}
    assert len(vendor_process.write_backs) == 2


def test_files_on_disk_contain_no_personal_data(vendor_process: Simulator, tmp_path: Path) -> None:
    with embedded(vendor_process, tmp_path) as site:
        site.write([("unique-4711", "6")])
        vendor_process.faults.add("hold", operation=PUSH_MID_RESULT)
        site.start("deliver_write_backs", "--watch")
        assert vendor_process.write_backs.wait_for(1, timeout=60)
        with locked(tmp_path / "callboard.sqlite3"):
            vendor_process.faults.release()
            until(lambda: files(tmp_path) != [], within=60)
            (file,) = files(tmp_path)
            assert file.stat().st_mode & 0o777 == 0o600
            assert b"unique-4711" not in file.read_bytes()


@pytest.mark.parametrize("seconds", [60, -3600])
def test_stepped_clock_during_a_call_causes_no_second_delivery(
    place: tuple[Site, Away], vendor_process: Simulator, seconds: int
) -> None:
    site, _away = place
    site.write([("u-1", "6")])
    vendor_process.faults.add("hold", operation=PUSH_MID_RESULT)
    site.start("deliver_write_backs", "--watch")
    assert vendor_process.write_backs.wait_for(1, timeout=60)
    output = site.manage("shell", "-v0", "-c", LOOK, AHEAD=str(seconds))
    assert output.split()[0] == "0"
    vendor_process.faults.release()
    until(lambda: site.delivered() == 1, within=60)
    assert site.journal() == {"u-1": [("ok", True)]}
    assert len(vendor_process.write_backs) == 1


def test_worker_with_clock_set_back_delivers_due_results(
    vendor_process: Simulator, tmp_path: Path
) -> None:
    with embedded(vendor_process, tmp_path) as site:
        site.write([("u-1", "6")])
        assert site.manage("shell", "-v0", "-c", LOOK, AHEAD="-3600").split() == ["1", "False"]


def files(var: Path) -> list[Path]:
    return list(var.glob("spool/write-back-*.spool"))
