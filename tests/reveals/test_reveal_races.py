"""Daily budgets of reveals and number searches under concurrent requests of one person."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from isales_proxy.simulator import Simulator
from tests.support.reveal_race import THREADS
from tests.support.workers import Site, at_scale, embedded

pytestmark = pytest.mark.processes

BUDGET, PROCESSES = 5, 2
STEP = "from tests.support import reveal_race; reveal_race.{}()"


def race(site: Site) -> None:
    site.manage("shell", "-v0", "-c", STEP.format("prepare"))
    site.env |= {"NUMBERS_VISIBLE_TO": "", "REVEALS_PER_DAY": str(BUDGET)}
    site.env["NUMBER_SEARCHES_PER_DAY"] = str(BUDGET)
    with ThreadPoolExecutor(PROCESSES) as pool:
        runs = [
            pool.submit(site.manage, "shell", "-v0", "-c", STEP.format("run"))
            for _ in range(PROCESSES)
        ]
        counts = [[int(word) for word in run.result().split()[-3:]] for run in runs]
    revealed, refused, searched = (sum(each) for each in zip(*counts, strict=True))
    assert (revealed, refused) == (BUDGET, THREADS * PROCESSES - BUDGET)
    assert searched == BUDGET
    events = dict(
        site.query("SELECT action, count(*) FROM isales_proxy_auditevent GROUP BY action")
    )
    assert events["number.revealed"] == BUDGET
    # The first refusal and the tenth with its count: not each of them.
    assert 1 <= events["number.withheld"] <= 2
    assert events["number.searched"] == BUDGET
    assert events["number.searches_spent"] == 1


def test_two_processes_spend_one_budget(tmp_path: Path) -> None:
    with Simulator(rows=5) as vendor, embedded(vendor, tmp_path) as site:
        race(site)


@pytest.mark.postgres
@pytest.mark.redis
def test_two_processes_spend_one_budget_on_postgresql(tmp_path: Path) -> None:
    with Simulator(rows=5) as vendor, at_scale(vendor, tmp_path, jobs_db=11) as site:
        race(site)
