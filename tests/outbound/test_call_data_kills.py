"""Killed processes lose no call data, and simultaneous forms take once; with real databases."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from isales_proxy.simulator import READ_CALL_DATA, Simulator
from tests.support.call_data import NUMBER, ROW, TASK, count_requests
from tests.support.starts import Process
from tests.support.workers import Site, at_scale, embedded, until

pytestmark = pytest.mark.processes

# One request by the page; the process kills itself at MOMENT.
PRESS = """
import os, signal, uuid
from django.conf import settings
from django.db import connection
from django.test import Client
from dashboard.outbound import views as page
from isales_proxy.models import User
from isales_proxy.outbound import call_data, storage

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

moment = os.environ["MOMENT"]
if moment == "not kept":
    storage.AnswerRecorder.__call__ = die
if moment in {"kept", "spooled"}:
    call_data.settle = die
if moment == "read":
    page.SeeOther = die
if moment == "spooled":
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER full_disk BEFORE UPDATE OF raw ON isales_proxy_calldatabatch "
            "WHEN NEW.raw IS NOT NULL BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
settings.ALLOWED_HOSTS = ["testserver"]
client = Client()
client.force_login(User.objects.get(username="maria"))
answer = client.post(os.environ["ADDRESS"], {
    "key": uuid.uuid4().hex, "batch_count": "1", "confirmed": "yes"})
print(answer.status_code)
"""
# The same form from six threads at once.
TOGETHER = """
import os, threading
from concurrent.futures import ThreadPoolExecutor
from django.conf import settings
from django.db import connections
from django.test import Client
from isales_proxy.models import User

settings.ALLOWED_HOSTS = ["testserver"]
start = threading.Barrier(6)
form = {"key": "0c6f3fd7a2a54d0f8f6f0f4f4b1c2d3e", "batch_count": "1", "confirmed": "yes"}

def press(_number):
    try:
        client = Client()
        client.force_login(User.objects.get(username="maria"))
        start.wait(20)
        return client.post(os.environ["ADDRESS"], form).headers["Location"]
    finally:
        connections.close_all()

with ThreadPoolExecutor(6) as pool:
    print(len(set(pool.map(press, range(6)))))
"""
LATER = """
from datetime import timedelta
from django.utils import timezone
from isales_proxy.outbound import storage
storage.settle_lost(timezone.now() + timedelta(minutes=10))
"""
MEND = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("DROP TRIGGER full_disk")
"""


@pytest.fixture(scope="module")
def vendor_process() -> Iterator[Simulator]:
    with Simulator(rows=60) as simulator:
        yield simulator


@pytest.fixture(
    scope="module",
    params=[
        "embedded",
        pytest.param("at-scale", marks=[pytest.mark.postgres, pytest.mark.redis]),
    ],
)
def site(
    request: pytest.FixtureRequest,
    vendor_process: Simulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    var = tmp_path_factory.mktemp("kills")
    made = (
        embedded(vendor_process, var)
        if request.param == "embedded"
        else at_scale(vendor_process, var, jobs_db=8)
    )
    with made as found:
        yield found


@pytest.fixture
def vendor(vendor_process: Simulator) -> Simulator:
    """The simulator with one more row and no recorded calls."""
    vendor_process.call_data.put(88, TASK, [ROW])
    vendor_process.calls.clear()
    return vendor_process


ADDRESS = f"/vdn/88/tasks/{TASK}/call-data/"


def press(site: Site, moment: str) -> Process:
    return Process(
        ["manage.py", "shell", "-v0", "-c", PRESS],
        site.env | {"MOMENT": moment, "ADDRESS": ADDRESS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def pressed(site: Site, moment: str) -> None:
    """Run `PRESS`; assert that the process was killed."""
    process = press(site, moment)
    output, _nothing = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, output


def batch(site: Site) -> tuple[str, int, bytes]:
    """State, rows received and answer of the newest batch."""
    ((state, received, raw),) = site.query(
        "SELECT state, received, raw FROM isales_proxy_calldatabatch ORDER BY id DESC LIMIT 1"
    )
    return state, received, bytes(raw or b"")


def rows(site: Site) -> list[str]:
    """The numbers of each row of the newest batch."""
    found = site.query(
        "SELECT phone_numbers FROM isales_proxy_calldatum "
        "WHERE batch_id = (SELECT max(id) FROM isales_proxy_calldatabatch)"
    )
    return [numbers for (numbers,) in found]


def raw_rows(body: bytes) -> object:
    return json.loads(body)["resultData"]["taskData"]


def test_answer_stored_before_a_kill_is_parsed_later(site: Site, vendor: Simulator) -> None:
    pressed(site, "kept")
    state, received, raw = batch(site)
    assert (state, received) == ("asked", 0)
    assert raw_rows(raw) == [ROW]
    assert rows(site) == []
    site.manage("shell", "-v0", "-c", LATER)
    assert batch(site)[:2] == ("taken", 1)
    assert rows(site) == [f"+{NUMBER}\n0012345"]
    assert count_requests(vendor) == 1


def test_rows_stored_before_a_kill_are_not_duplicated(site: Site, vendor: Simulator) -> None:
    pressed(site, "read")
    assert batch(site)[:2] == ("taken", 1)
    assert rows(site) == [f"+{NUMBER}\n0012345"]
    site.manage("shell", "-v0", "-c", LATER)
    assert len(rows(site)) == 1
    assert count_requests(vendor) == 1


def test_batch_of_a_process_killed_before_storing_becomes_unknown(
    site: Site, vendor: Simulator
) -> None:
    """Numbers can be lost only at this moment; then the state of the batch is unknown."""
    pressed(site, "not kept")
    assert batch(site) == ("asked", 0, b"")
    site.manage("shell", "-v0", "-c", LATER)
    assert batch(site)[:2] == ("unknown", 0)
    ((actions,),) = site.query(
        "SELECT count(*) FROM isales_proxy_auditevent WHERE action = 'call_data.unknown'"
    )
    assert actions >= 1
    assert count_requests(vendor) == 1


def test_batch_of_a_process_killed_during_the_call_becomes_unknown(
    site: Site, vendor: Simulator
) -> None:
    vendor.faults.add("hold", operation=READ_CALL_DATA)
    left = vendor.call_data.remaining(88, TASK)
    process = press(site, "never")
    until(lambda: vendor.call_data.remaining(88, TASK) < left, within=60)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    vendor.faults.clear()
    assert batch(site) == ("asked", 0, b"")
    site.manage("shell", "-v0", "-c", LATER)
    assert batch(site)[:2] == ("unknown", 0)


def test_answer_on_disk_survives_a_kill_during_a_database_outage(
    vendor: Simulator, tmp_path: Path
) -> None:
    with embedded(vendor, tmp_path) as site:
        pressed(site, "spooled")
        assert batch(site) == ("asked", 0, b"")
        (file,) = (tmp_path / "spool").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
        assert NUMBER not in file.name
        site.manage("shell", "-v0", "-c", MEND)
        site.manage("recover_call_data")
        state, received, raw = batch(site)
        assert (state, received) == ("taken", 1)
        assert raw_rows(raw) == [ROW]
        assert list((tmp_path / "spool").iterdir()) == []
    assert count_requests(vendor) == 1


def test_simultaneous_forms_take_once(site: Site, vendor: Simulator) -> None:
    vendor.faults.add("delay", operation=READ_CALL_DATA, times=None, seconds=0.2)
    output = site.manage("shell", "-v0", "-c", TOGETHER, ADDRESS=ADDRESS)
    vendor.faults.clear()
    assert output.split()[-1] == "1", output
    assert count_requests(vendor) == 1
    assert batch(site)[:2] == ("taken", 1)
