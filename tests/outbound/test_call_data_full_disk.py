"""Call data on a full disk: the vendor is not called, or the numbers are shown once.

Real processes whose files may not grow: every write beyond a size fails as on a full disk.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from isales_proxy.core import disk_queue
from isales_proxy.models import AuditAction, AuditEvent, BatchState, CallDataBatch
from isales_proxy.outbound import storage
from isales_proxy.outbound.call_data import NoDiskSpace
from isales_proxy.simulator import Simulator
from tests.support import starts
from tests.support.call_data import (
    ANSWER,
    NUMBER,
    ROW,
    TASK,
    count_requests,
    left_behind,
    scope_of,
    take,
)
from tests.support.workers import Site, embedded

pytestmark = pytest.mark.processes

# One request by the page or the API, in a process whose files may not grow beyond LIMIT bytes; with
# AFTER only between the arrival of the answer and the discovery that it cannot be stored.
PRESS = """
import os, resource, uuid
from django.conf import settings
from django.test import Client
from isales_proxy.models import User
from isales_proxy.outbound import call_data, storage

whole = resource.getrlimit(resource.RLIMIT_FSIZE)
def shrink():
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["LIMIT"]), whole[1]))

if os.environ["AFTER"]:
    store, hand_over = storage.AnswerRecorder.__call__, call_data._hand_over_unstored
    def full(self, received):
        shrink()
        store(self, received)
    def mended(*arguments):
        try:
            return hand_over(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, whole)
    storage.AnswerRecorder.__call__, call_data._hand_over_unstored = full, mended
settings.ALLOWED_HOSTS = ["testserver"]
# Static files are not collected for a test.
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
    """Run `PRESS`; return the status and the body of the response."""
    run = starts.run(
        ["manage.py", "shell", "-v0", "-c", PRESS],
        site.env
        | {
            "LIMIT": str(limit),
            "AFTER": "yes" if after else "",
            "API": "yes" if api else "",
            "TASK": TASK,
        },
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert NUMBER not in run.stderr
    status, _newline, body = run.stdout.partition("\n")
    return status, body


def batches(site: Site) -> list[tuple[Any, ...]]:
    return site.query("SELECT state, answer_bytes, raw FROM isales_proxy_calldatabatch")


def test_vendor_is_not_called_without_disk_space(
    site: Site, vendor_process: Simulator, tmp_path: Path
) -> None:
    status, body = press(site, limit=16 * 1024 * 1024, after=False)
    assert status == "507"
    assert "There is no disk space for the answer" in body
    assert count_requests(vendor_process) == 0
    assert batches(site) == []
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("api", [False, True])
def test_unstored_rows_are_shown_once(site: Site, vendor_process: Simulator, api: bool) -> None:
    # The answer is larger than the limit, the record of its loss smaller.
    status, body = press(site, limit=300, after=True, api=api)
    assert status == ("201" if api else "507")
    assert NUMBER in body
    assert '"state":"lost"' in body if api else 'data-batch-state="lost"' in body
    assert count_requests(vendor_process) == 1
    site.manage("recover_call_data")
    ((state, size, raw),) = batches(site)
    assert (state, raw) == ("lost", None)
    assert size > 300


@pytest.fixture
def no_room(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither database nor disk can store the answer; the database can store its size."""

    def failing(*_arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(disk_queue.ReservedFile, "put", failing)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER full_disk BEFORE UPDATE OF raw ON isales_proxy_calldatabatch "
            "WHEN NEW.raw IS NOT NULL BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )


def test_loss_is_recorded_at_once_when_the_database_allows(
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
    assert "Check again in a moment" not in text


def test_unstored_rows_are_masked_without_number_access(
    vendor: Simulator, people: dict[str, Any], settings: Any, no_room: None
) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=frozenset())
    vendor.call_data.put(88, TASK, [ROW])
    taking = take(scope_of(people), count=1)
    assert taking.lost
    assert taking.unstored
    assert NUMBER not in repr([(row.phone_numbers, row.raw) for row in taking.unstored])


@pytest.mark.django_db
def test_unwritable_folder_counts_as_no_disk_space(
    vendor: Simulator, people: dict[str, Any], settings: Any, tmp_path: Path
) -> None:
    """The same as a full disk."""
    settings.VAR_DIR = tmp_path / "file"
    settings.VAR_DIR.write_text("no folder")
    with pytest.raises(NoDiskSpace):
        take(scope_of(people))
    assert count_requests(vendor) == 0
    assert not CallDataBatch.objects.exists()


@pytest.mark.django_db
def test_batch_dated_in_the_future_is_settled(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    asked = left_behind(age=timedelta(hours=-3))
    kept = left_behind(key="b" * 64, age=timedelta(hours=-3))
    CallDataBatch.objects.filter(pk=kept.pk).update(
        raw=ANSWER, http_status=200, answered_at=kept.asked_at
    )
    assert storage.settle_lost() == 1
    asked.refresh_from_db()
    kept.refresh_from_db()
    assert (asked.state, kept.state) == (BatchState.UNKNOWN, BatchState.TAKEN)
