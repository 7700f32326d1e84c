"""Simultaneous events of two processes keep the chain unbroken, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from isales_proxy.simulator import Simulator
from tests.support import starts
from tests.support.workers import Site, at_scale, embedded

pytestmark = pytest.mark.processes

PROCESSES, THREADS, ACTIONS, UNDONE = 2, 16, 6, 2
# Each action changes a row that all of them change, then records; every third one is undone.
RECORD = f"""
import threading
from django.db import connection, transaction
from django.db.models import F
from isales_proxy.models import AuditAction, Vdn
from isales_proxy.audit import services as audit
failed = []
def append_all(name):
    try:
        for number in range({ACTIONS}):
            with transaction.atomic():
                Vdn.objects.filter(pk=88).update(codes_version=F("codes_version") + 1)
                audit.record(AuditAction.VDN_CHANGED, by=None, subject=name, place=number)
                if number % 3 == 2:
                    transaction.set_rollback(True)
    except BaseException as error:
        failed.append(repr(error))
    finally:
        connection.close()
threads = [threading.Thread(target=append_all, args=(f"thread {{n}}",)) for n in range({THREADS})]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failed, failed
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def site(request: Any, vendor: Simulator, tmp_path: Path) -> Iterator[Site]:
    """An installation without any running process."""
    kind = embedded(vendor, tmp_path) if request.param == "sqlite" else None
    with kind or at_scale(vendor, tmp_path, jobs_db=13) as found:
        yield found


def test_sixteen_threads_of_two_processes_write_one_unbroken_chain(site: Site) -> None:
    before = site.query("SELECT count(*) FROM isales_proxy_auditevent")[0][0]
    version = site.query("SELECT codes_version FROM isales_proxy_vdn WHERE id = 88")[0][0]
    command = ["manage.py", "shell", "-v0", "-c", RECORD]
    with ThreadPoolExecutor(PROCESSES) as pool:
        for run in pool.map(starts.run, [command] * PROCESSES, [site.env] * PROCESSES):
            assert run.returncode == 0, run.stderr
    done = PROCESSES * THREADS * (ACTIONS - UNDONE)
    # An event is there if and only if its action is.
    after = site.query("SELECT codes_version FROM isales_proxy_vdn WHERE id = 88")[0][0]
    assert after - version == done
    said = site.manage("verify_audit")
    assert f"Events: {before + done}, " in said
    assert "unbroken" in said


# As they were recorded before there was a chain.
OLDER = """
from django.core.management import call_command
from django.db import connection
call_command("migrate", "isales_proxy", "0003", verbosity=0)
with connection.cursor() as cursor:
    for number in range(1200):
        cursor.execute(
            "INSERT INTO isales_proxy_auditevent (at, action, actor, address, subject, reason,"
            " detail, number_key, previous, hash) VALUES (%s, 'vendor.examined', 'wei', '', %s, '',"
            " %s, '', '', '')",
            ["2026-01-02 03:04:05.678901+00:00", f"VDN {number}", '{"a": 1.0, "\\u540d": 0.1}'],
        )
call_command("migrate", verbosity=0)
"""


def test_events_from_before_the_chain_are_its_beginning(site: Site) -> None:
    before = site.query("SELECT count(*) FROM isales_proxy_auditevent")[0][0]
    site.manage("shell", "-v0", "-c", OLDER)
    site.manage("adduser", "wei", "--role", "auditor", "--vdn", "88", "--password-env", "PEOPLE")
    said = site.manage("verify_audit")
    assert f"Events: {before + 1200 + 2}, " in said
    assert "unbroken" in said
