"""Killed workers lose no result and repeat no acknowledged one."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from isales_proxy.models import WriteBackAttempt
from isales_proxy.simulator import PUSH_MID_RESULT, Simulator
from tests.support.starts import Process
from tests.support.workers import Site, at_scale, embedded, until

pytestmark = pytest.mark.processes

KILLS = 20
WORKERS = 3


@pytest.fixture
def vendor_process() -> Iterator[Simulator]:
    with Simulator(rows=300) as simulator:
        # Each is carried out before its answer is held or late.
        simulator.faults.add("hold", operation=PUSH_MID_RESULT)
        simulator.faults.add("delay", operation=PUSH_MID_RESULT, times=None, seconds=0.06)
        yield simulator


@pytest.fixture(
    params=[
        "embedded",
        pytest.param("at-scale", marks=[pytest.mark.postgres, pytest.mark.redis]),
    ]
)
def site(
    request: pytest.FixtureRequest, vendor_process: Simulator, tmp_path: Path
) -> Iterator[Site]:
    made = (
        embedded(vendor_process, tmp_path)
        if request.param == "embedded"
        else at_scale(vendor_process, tmp_path, jobs_db=10)
    )
    with made as found:
        yield found


def test_killed_workers_lose_no_result(site: Site, vendor_process: Simulator) -> None:
    names = [f"u-{number:03}" for number in range(300)]
    site.write([(name, "6") for name in names])
    nursery = site.nursery()
    chance = random.Random(1)
    # The first one is killed during a call; the others at random moments.
    first = fork(nursery)
    assert vendor_process.write_backs.wait_for(1, timeout=60)
    os.kill(first, signal.SIGKILL)
    vendor_process.faults.release()
    alive = [fork(nursery) for _ in range(WORKERS)]
    for _ in range(KILLS - 1):
        victim = alive.pop(0)
        until(lambda: any(f"-{victim}-" in name for name in site.workers()), within=60)  # noqa: B023
        time.sleep(chance.uniform(0, 0.3))
        os.kill(victim, signal.SIGKILL)
        alive.append(fork(nursery))
    until(lambda: site.delivered() == len(names), within=120)
    journal = site.journal()
    assert sorted(journal) == names
    repeated = 0
    for name in names:
        outcomes = [outcome for outcome, _maybe_sent in journal[name]]
        # An acknowledged one was never tried again, and no attempt went without its line.
        assert outcomes.count("ok") == 1
        assert outcomes[-1] == "ok"
        assert set(outcomes[:-1]) <= {WriteBackAttempt.LOST}
        there = len(vendor_process.write_backs.filter(name))
        assert 1 <= there <= len(outcomes)
        repeated += there > 1
    assert repeated


def fork(nursery: Process) -> int:
    """Start a worker and return its process ID."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write("one more\n")
    nursery.stdin.flush()
    return int(nursery.stdout.readline())
