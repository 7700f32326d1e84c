"""Recovery of batches after a dead process or a database outage."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from isales_proxy.access import Scope
from isales_proxy.core import disk_queue
from isales_proxy.models import AuditAction, AuditEvent, BatchState, CallDataBatch, CallDatum
from isales_proxy.outbound import queries, storage
from isales_proxy.simulator import Simulator
from tests.privacy.test_privacy import lines_formatter
from tests.support.call_data import (
    ANSWER,
    NUMBER,
    ROW,
    TASK,
    UNIQUE_ID,
    answered,
    count_requests,
    left_behind,
    scope_of,
    take,
)
from tests.support.cases import cases


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def scope(people: dict[str, Any]) -> Scope:
    return scope_of(people)


@pytest.fixture
def full_disk() -> Iterator[Any]:
    """Let the database refuse answers until the yielded function is called."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER full_disk BEFORE UPDATE OF raw ON isales_proxy_calldatabatch "
            "WHEN NEW.raw IS NOT NULL BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )

    def mend() -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER IF EXISTS full_disk")

    yield mend
    mend()


@pytest.mark.django_db
def test_stored_answer_is_parsed_later() -> None:
    batch = left_behind(**answered(ANSWER))
    assert storage.recover(timezone.now()) == 1
    batch.refresh_from_db()
    assert (batch.state, batch.received) == (BatchState.TAKEN, 1)
    assert CallDatum.objects.get().unique_id == UNIQUE_ID
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.vdn_id) == ("call_data.taken", "system", 88)
    assert storage.recover(timezone.now()) == 0


@pytest.mark.django_db
@cases(
    ("body", "status", "complete", "expected"),
    [
        (b"<html>", 200, True, "unreadable"),
        (ANSWER[:50], 200, False, "unreadable"),
        (ANSWER, 200, False, "unreadable"),
        (b"\x01\x02", 0, False, "unreadable"),
        (b'{"result": "31009", "resultDesc": "no such task"}', 200, True, "refused"),
        (b'{"result": 7, "msg": "no"}', 500, True, "refused"),
        (b"", 401, True, "refused"),
        (b"oops", 500, True, "unknown"),
        (b"", 302, True, "unknown"),
    ],
)
def test_stored_answer_is_judged_like_a_fresh_one(
    body: bytes, status: int, complete: bool, expected: str
) -> None:
    batch = left_behind(**answered(body, status=status, complete=complete))
    storage.recover(timezone.now())
    batch.refresh_from_db()
    assert batch.state == expected
    assert AuditEvent.objects.count() == 1
    storage.settle_lost(timezone.now())
    assert AuditEvent.objects.count() == 1


@pytest.mark.django_db
def test_values_that_no_database_takes_are_cleaned() -> None:
    body = (
        b'{"result":0,"resultData":[{"uniqueId":"7","callData":"a\\ud800b\\u0000",'
        b'"n":1e999,"\\ud800":["\\u0000"],"d":' + b"[" * 200 + b"]" * 200 + b"}]}"
    )
    left_behind(**answered(body))
    assert storage.recover(timezone.now()) == 1
    row = CallDatum.objects.get()
    assert row.raw["n"] == "inf"
    assert "\x00" not in json.dumps(row.raw)


@pytest.mark.django_db
def test_fresh_answer_is_left_to_its_own_process() -> None:
    batch = left_behind(**answered(ANSWER) | {"answered_at": timezone.now()})
    assert storage.recover(timezone.now()) == 0
    batch.refresh_from_db()
    assert batch.state == BatchState.ASKED


@pytest.mark.django_db
def test_call_without_an_end_becomes_unknown(settings: Any) -> None:
    old = left_behind()
    settings.ISALES = replace(settings.ISALES, call_data_timeout=200)
    new = left_behind(key="b" * 64, age=timedelta(seconds=230))
    assert storage.settle_lost(timezone.now()) == 1
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.state, new.state) == (BatchState.UNKNOWN, BatchState.ASKED)
    assert AuditEvent.objects.get().action == AuditAction.CALL_DATA_UNKNOWN
    assert storage.settle_lost(timezone.now()) == 0


@pytest.mark.django_db
def test_reading_settles_lost_batches(scope: Scope) -> None:
    batch = left_behind()
    assert queries.get_batch(scope=scope, batch_id=batch.pk).state == BatchState.UNKNOWN


@pytest.mark.django_db(transaction=True)
def test_answer_goes_to_disk_when_the_database_fails(
    vendor: Simulator, people: Any, var: Path, full_disk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.call_data.put(88, TASK, [ROW])
    with caplog.at_level(logging.DEBUG):
        batch = take(scope_of(people), count=1).batch
    assert batch.state == BatchState.ASKED
    (file,) = (var / "spool").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (var / "spool").stat().st_mode & 0o777 == 0o700
    assert NUMBER in file.read_text("utf-8")
    assert NUMBER not in file.name
    assert UNIQUE_ID not in file.name
    told = "\n".join(lines_formatter().format(record) for record in caplog.records)
    assert "call_data_queued_on_disk" in told
    assert NUMBER not in told

    full_disk()
    storage.recover(timezone.now())
    batch.refresh_from_db()
    assert (batch.state, batch.received) == (BatchState.TAKEN, 1)
    assert json.loads(bytes(batch.raw or b""))["resultData"]["taskData"] == [ROW]
    assert list((var / "spool").iterdir()) == []
    assert count_requests(vendor) == 1


@pytest.mark.django_db(transaction=True)
def test_late_answer_on_disk_is_not_lost(vendor: Simulator, people: Any, full_disk: Any) -> None:
    """The database recovers after the batch became unknown, or in another process."""
    batch = take(scope_of(people), count=2).batch
    CallDataBatch.objects.update(state=BatchState.UNKNOWN)
    full_disk()
    storage.settle_lost(timezone.now())
    batch.refresh_from_db()
    assert (batch.state, batch.received) == (BatchState.TAKEN, 2)


@pytest.mark.django_db
def test_short_database_outage_loses_nothing(
    vendor: Simulator, scope: Scope, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = storage.store_bytes
    failures = iter([True])

    def fail_once(*arguments: Any) -> None:
        if next(failures, False):
            raise OperationalError("locked")
        write(*arguments)

    monkeypatch.setattr(storage, "store_bytes", fail_once)
    batch = take(scope).batch
    assert (batch.state, batch.received) == (BatchState.TAKEN, 5)
    assert CallDataBatch.objects.get().raw
    assert list((var / "spool").iterdir()) == []


@pytest.mark.django_db
def test_answer_of_another_database_stays_on_disk(var: Path) -> None:
    facts = {
        "key": "x",
        "status": 200,
        "complete": True,
        "request": "r",
        "at": timezone.now().isoformat(),
    }
    disk_queue.store("call-data-" + "f" * 64, facts, ANSWER)
    assert storage.recover(timezone.now()) == 0
    assert len(list((var / "spool").iterdir())) == 1
    storage.purge(timezone.now() + timedelta(days=31))
    assert list((var / "spool").iterdir()) == []


@pytest.mark.django_db
def test_truncated_file_is_ignored(var: Path) -> None:
    (var / "spool").mkdir()
    (var / "spool" / "call-data-ab.spool").write_bytes(b"{")
    assert storage.recover(timezone.now()) == 0
    assert disk_queue.fetch("call-data-ab") is None


@pytest.mark.django_db
def test_incomplete_file_is_deleted_in_time(var: Path) -> None:
    draft = var / "spool" / "call-data-ab.99999.draft"
    draft.parent.mkdir()
    draft.write_bytes(b'{"status": 200}')
    # A file has the true time, also where the clock of the tests is shifted.
    os.utime(draft, (timezone.now().timestamp(),) * 2)
    storage.purge(timezone.now())
    assert draft.exists()
    storage.purge(timezone.now() + timedelta(days=31))
    assert not draft.exists()


@cases("name", ["", "../x", "A", "a b", "a/b", "x" * 101])
def test_file_name_must_be_plain(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        disk_queue.store(name, {}, b"")


def test_file_is_read_as_written() -> None:
    body = bytes(range(256)) * 10 + b"\n\n"
    disk_queue.store("abc-1", {"status": 200}, body)
    disk_queue.store("abc-1", {"status": 201}, body)
    kept = disk_queue.fetch("abc-1")
    assert kept is not None
    assert (kept.facts, kept.body) == ({"status": 201}, body)
    assert list(disk_queue.list_names("abc-")) == ["abc-1"]
    disk_queue.remove("abc-1")
    disk_queue.remove("abc-1")
    assert list(disk_queue.list_names()) == []
