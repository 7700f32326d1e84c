"""Delivery by real worker processes with an unavailable vendor, lost answers and two workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from isales_proxy.simulator import PUSH_MID_RESULT, Simulator
from tests.support.workers import Site, at_scale, embedded, until

pytestmark = pytest.mark.processes

AT_SCALE = pytest.param("at-scale", marks=[pytest.mark.postgres, pytest.mark.redis])

BREAK_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def vendor_process() -> Iterator[Simulator]:
    with Simulator(rows=300) as simulator:
        yield simulator


@pytest.fixture(params=["embedded", AT_SCALE])
def site(
    request: pytest.FixtureRequest, vendor_process: Simulator, tmp_path: Path
) -> Iterator[Site]:
    made = (
        embedded(vendor_process, tmp_path)
        if request.param == "embedded"
        else at_scale(vendor_process, tmp_path, jobs_db=12)
    )
    with made as found:
        yield found


def test_each_result_is_delivered_once_after_an_outage(
    site: Site, vendor_process: Simulator
) -> None:
    vendor_process.stop()
    names = [f"u-{number:03}" for number in range(200)]
    site.write([(name, "6") for name in names])
    site.start("run_huey", "--quiet")
    until(lambda: len(site.journal()) >= 2, within=60)
    assert site.states() == {"waiting": 200}
    vendor_process.start()
    until(lambda: site.delivered() == 200, within=90)
    assert sorted(str(body["uniqueId"]) for body in vendor_process.write_backs) == names
    journal = site.journal()
    assert sorted(journal) == names
    for attempts in journal.values():
        *failed, last = attempts
        assert last == ("ok", True)
        assert not any(maybe_sent for _outcome, maybe_sent in failed)


def test_two_workers_deliver_once_and_in_order(site: Site, vendor_process: Simulator) -> None:
    vendor_process.faults.add("delay", operation=PUSH_MID_RESULT, times=None, seconds=0.01)
    wanted = [(f"u-{name:02}", str(place)) for place in range(5) for name in range(40)]
    site.write(wanted)
    site.start("run_huey", "--quiet")
    site.start("deliver_write_backs", "--watch")
    until(lambda: site.delivered() == 200, within=90)
    assert len({name.split("-")[-2] for name in site.workers()}) == 2
    assert len(vendor_process.write_backs) == 200
    for name in range(40):
        bodies = vendor_process.write_backs.filter(f"u-{name:02}")
        assert [body["status"] for body in bodies] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
def test_lost_answer_is_sent_again_and_recorded(site: Site, vendor_process: Simulator) -> None:
    for number in (1, 8, 20):
        vendor_process.faults.add("lose", operation=PUSH_MID_RESULT, from_call=number)
    names = [f"u-{number:02}" for number in range(24)]
    site.write([(name, "6") for name in names])
    site.start("run_huey", "--quiet")
    until(lambda: site.delivered() == 24, within=90)
    journal = site.journal()
    lost = [name for name in names if journal[name] != [("ok", True)]]
    assert len(lost) == 3
    for name in names:
        there = len(vendor_process.write_backs.filter(name))
        if name in lost:
            assert journal[name] == [("unreachable", True), ("ok", True)]
        assert there == len(journal[name])


@pytest.mark.parametrize(
    "site",
    [pytest.param("at-scale", marks=[pytest.mark.postgres, pytest.mark.redis])],
    indirect=True,
)
def test_acknowledgement_survives_a_lost_database_connection(
    site: Site, vendor_process: Simulator
) -> None:
    hold = vendor_process.faults.add("hold", operation=PUSH_MID_RESULT)
    site.write([("u-1", "6"), ("u-2", "6")])
    site.start("deliver_write_backs", "--watch")
    until(lambda: not hold.left, within=90)
    site.query(BREAK_CONNECTIONS)
    vendor_process.faults.release()
    until(lambda: site.delivered() == 2, within=90)
    assert [body["uniqueId"] for body in vendor_process.write_backs] == ["u-1", "u-2"]
    assert site.journal() == {"u-1": [("ok", True)], "u-2": [("ok", True)]}


@pytest.mark.parametrize("site", [AT_SCALE], indirect=True)
def test_watching_worker_survives_a_database_outage(
    site: Site, vendor_process: Simulator, tmp_path: Path
) -> None:
    server, _slash, database = site.env["DATABASE_URL"].rpartition("/")
    worker = site.start("deliver_write_backs", "--watch")
    site.write([("u-1", "6")])
    until(lambda: site.delivered() == 1, within=90)
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database]
        )
        log = tmp_path / "workers.log"
        until(lambda: "deliveries_interrupted" in log.read_text(), within=60)
        admin.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
    site.write([("u-2", "6")])
    until(lambda: site.delivered() == 2, within=90)
    assert worker.poll() is None
    assert len(vendor_process.write_backs) == 2
