"""The budgets of revealed numbers and of searches hold for many requests of one person at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from isales_proxy.simulator import Simulator
from tests.support.workers import Site, at_scale, embedded

pytestmark = pytest.mark.processes

BUDGET, THREADS, PROCESSES = 5, 8, 2

PREPARE = """
from isales_proxy.models import User
from isales_proxy import access
from isales_proxy.client import IntermediateResult
from isales_proxy.write_backs import services as write_backs
scope = access.enter(user=User.objects.get(username="maria"), vdn_id=88)
write_backs.queue_once(scope=scope, key="one", result=IntermediateResult(
    vdn=88, cc_id=scope.vdn.cc_id, unique_id="u", service_id="1", phone_number="15800000001"))
"""
REVEAL = f"""
import os, threading
from django.db import connection
from isales_proxy.models import User, WriteBack
from isales_proxy import access
from isales_proxy.services.numbers import reveals, searches
scope = access.enter(user=User.objects.get(username="maria"), vdn_id=88)
pk = WriteBack.objects.get().pk
told, searched = [], []
start = threading.Barrier({THREADS})
def ask(number):
    start.wait()
    try:
        searches.note(scope, number)
        searched.append(number)
    except searches.SearchesSpent:
        pass
    try:
        told.append(reveals.write_back(scope=scope, pk=pk, reason="a race").called[0])
    except reveals.BudgetSpent:
        told.append("spent")
    finally:
        connection.close()
numbers = [f"{{os.getpid()}}0000{{place}}" for place in range({THREADS})]
threads = [threading.Thread(target=ask, args=[number]) for number in numbers]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(told.count("15800000001"), told.count("spent"), len(searched))
"""


def race(site: Site) -> None:
    site.manage("shell", "-v0", "-c", PREPARE)
    site.env |= {"NUMBERS_VISIBLE_TO": "", "REVEALS_PER_DAY": str(BUDGET)}
    site.env["NUMBER_SEARCHES_PER_DAY"] = str(BUDGET)
    with ThreadPoolExecutor(PROCESSES) as pool:
        runs = [pool.submit(site.manage, "shell", "-v0", "-c", REVEAL) for _ in range(PROCESSES)]
        told = [[int(word) for word in run.result().split()[-3:]] for run in runs]
    shown, spent, searched = (sum(each) for each in zip(*told, strict=True))
    assert (shown, spent) == (BUDGET, THREADS * PROCESSES - BUDGET)
    assert searched == BUDGET
    kept = site.query("SELECT action, count(*) FROM isales_proxy_auditevent GROUP BY action")
    assert dict(kept)["number.revealed"] == BUDGET
    # The first refusal and the tenth, which says so: not each of them.
    assert 1 <= dict(kept)["number.withheld"] <= 2
    assert dict(kept)["number.searched"] == BUDGET
    assert dict(kept)["number.searches_spent"] == 1


def test_two_processes_at_once_spend_one_budget(tmp_path: Path) -> None:
    with Simulator(rows=5) as vendor, embedded(vendor, tmp_path) as site:
        race(site)


@pytest.mark.postgres
@pytest.mark.redis
def test_the_same_on_postgresql(tmp_path: Path) -> None:
    with Simulator(rows=5) as vendor, at_scale(vendor, tmp_path, jobs_db=11) as site:
        race(site)
