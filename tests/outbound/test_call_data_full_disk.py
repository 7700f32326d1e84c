"""Call data while the disk is full: nobody is asked, or the numbers are shown once.

Real processes whose files may not grow: every write beyond a size fails as on a full disk.
"""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from isales_proxy.core import disk_queue
from isales_proxy.models import AuditAction, AuditEvent, BatchState, CallDataBatch
from isales_proxy.outbound import services as call_data
from isales_proxy.outbound.services import NoRoom
from isales_proxy.simulator import Simulator
from tests.support.call_data import ANSWER, NUMBER, ROW, TASK, left_behind, readings, scope_of, take
from tests.support.workers import ROOT, Site, embedded

pytestmark = pytest.mark.processes

# A press of the button by the page's own view, or by the API, where no file may grow beyond LIMIT
# bytes; if AFTER, from when the answer is there until it is found that nothing can store it.
PRESS = """
import os, resource, uuid
from django.conf import settings
from django.test import Client
from isales_proxy.models import User
from isales_proxy.outbound.services import keeping, taking

whole = resource.getrlimit(resource.RLIMIT_FSIZE)
def shrink():
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["LIMIT"]), whole[1]))

if os.environ["AFTER"]:
    keep, unstored = keeping.Keeper.__call__, taking._unstored
    def full(self, received):
        shrink()
        keep(self, received)
    def mended(*arguments):
        try:
            return unstored(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, whole)
    keeping.Keeper.__call__, taking._unstored = full, mended
settings.ALLOWED_HOSTS = ["testserver"]
# The files of the page are not collected for a test.
plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
settings.STORAGES = settings.STORAGES | {"staticfiles": plain}
client = Client()
client.force_login(User.objects.get(username="maria"))
if not os.environ["AFTER"]:
    shrink()
task = os.environ["TASK"]
if os.environ["API"]:
    answer = client.post(f"/api/v1/vdns/88/tasks/{task}/call-data/",
        {"batch_count": 1, "confirm": True}, content_type="application/json")
else:
    answer = client.post(f"/vdn/88/tasks/{task}/call-data/", {
        "key": uuid.uuid4().hex, "batch_count": "1", "confirmed": "yes"}, follow=True)
print(answer.status_code)
print(answer.content.decode())
"""


@pytest.fixture
def vendor_process() -> Iterator[Simulator]:
    with Simulator(rows=30) as simulator:
        simulator.call_data.put(88, TASK, [ROW])
        yield simulator


@pytest.fixture
def site(vendor_process: Simulator, tmp_path: Path) -> Iterator[Site]:
    with embedded(vendor_process, tmp_path) as found:
        yield found


def press(site: Site, *, limit: int, after: bool, api: bool = False) -> tuple[str, str]:
    """The status and the body of the answer to a press."""
    run = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v0", "-c", PRESS],
        cwd=ROOT,
        env=site.env
        | {
            "LIMIT": str(limit),
            "AFTER": "yes" if after else "",
            "API": "yes" if api else "",
            "TASK": TASK,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert NUMBER not in run.stderr
    status, _newline, body = run.stdout.partition("\n")
    return status, body


def batches(site: Site) -> list[tuple[Any, ...]]:
    return site.query("SELECT state, answer_bytes, raw FROM isales_proxy_calldatabatch")


def test_nobody_is_asked_without_room_for_the_answer(
    site: Site, vendor_process: Simulator, tmp_path: Path
) -> None:
    status, body = press(site, limit=16 * 1024 * 1024, after=False)
    assert status == "507"
    assert "Our disk has no room for the answer" in body
    assert readings(vendor_process) == 0
    assert batches(site) == []
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("api", [False, True])
def test_what_could_not_be_stored_is_shown_once_and_said(
    site: Site, vendor_process: Simulator, api: bool
) -> None:
    # The answer is larger, the note that it was lost is smaller.
    status, body = press(site, limit=300, after=True, api=api)
    assert status == ("201" if api else "507")
    assert NUMBER in body
    assert '"state":"lost"' in body if api else 'data-batch-state="lost"' in body
    assert readings(vendor_process) == 1
    site.manage("recover_call_data")
    ((state, size, raw),) = batches(site)
    assert (state, raw) == ("lost", None)
    assert size > 300


@pytest.fixture
def no_room(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the database nor the disk takes the answer; the database takes a few figures."""

    def failing(*_arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(disk_queue.ReservedFile, "put", failing)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER full_disk BEFORE UPDATE OF raw ON isales_proxy_calldatabatch "
            "WHEN NEW.raw IS NOT NULL BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )


def test_a_database_that_takes_the_little_says_it_at_once(
    vendor: Simulator, people: dict[str, Any], as_role: Any, no_room: None
) -> None:
    vendor.call_data.put(88, TASK, [ROW])
    taking = take(scope_of(people), count=1)
    assert taking.lost
    batch = CallDataBatch.objects.get()
    assert (batch.state, batch.raw) == (BatchState.LOST, None)
    assert batch.answer_bytes
    event = AuditEvent.objects.get(action=AuditAction.CALL_DATA_TAKEN)
    assert event.detail["state"] == "lost"
    path = f"/vdn/88/tasks/{TASK}/call-data/{batch.pk}/"
    text = as_role("supervisor").get(path).content.decode()
    assert "could not be stored" in text
    assert "Look again in a moment" not in text


def test_who_sees_no_numbers_is_shown_masked_ones(
    vendor: Simulator, people: dict[str, Any], settings: Any, no_room: None
) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=frozenset())
    vendor.call_data.put(88, TASK, [ROW])
    taking = take(scope_of(people), count=1)
    assert taking.lost
    assert taking.unstored
    assert NUMBER not in repr([(row.phone_numbers, row.raw) for row in taking.unstored])


@pytest.mark.django_db
def test_a_folder_that_cannot_be_written_is_no_room(
    vendor: Simulator, people: dict[str, Any], settings: Any, tmp_path: Path
) -> None:
    """A sibling of the full disk."""
    settings.VAR_DIR = tmp_path / "file"
    settings.VAR_DIR.write_text("no folder")
    with pytest.raises(NoRoom):
        take(scope_of(people))
    assert readings(vendor) == 0
    assert not CallDataBatch.objects.exists()


@pytest.mark.django_db
def test_a_clock_that_was_set_back_keeps_no_batch_under_way(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    asked = left_behind(age=timedelta(hours=-3))
    kept = left_behind(key="b" * 64, age=timedelta(hours=-3))
    CallDataBatch.objects.filter(pk=kept.pk).update(
        raw=ANSWER, http_status=200, answered_at=kept.asked_at
    )
    assert call_data.settle_lost() == 1
    asked.refresh_from_db()
    kept.refresh_from_db()
    assert (asked.state, kept.state) == (BatchState.UNKNOWN, BatchState.TAKEN)
