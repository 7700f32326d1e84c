"""Deletion of old call data, by the daily job and by command."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from isales_proxy.access import Scope
from isales_proxy.models import AuditAction, AuditEvent, BatchState, CallDataBatch, CallDatum, Vdn
from isales_proxy.outbound import storage
from isales_proxy.simulator import READ_CALL_DATA, Simulator
from tests.support.call_data import (
    ANSWER,
    TASK,
    answered,
    count_requests,
    left_behind,
    scope_of,
    take,
)


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def scope(people: dict[str, Any]) -> Scope:
    return scope_of(people)


def aged(batch: CallDataBatch, days: float) -> None:
    asked = timezone.now() - timedelta(days=days)
    CallDataBatch.objects.filter(pk=batch.pk).update(asked_at=asked)


@pytest.mark.django_db
def test_old_rows_are_deleted_and_the_batch_stays(vendor: Simulator, scope: Scope) -> None:
    old, new = take(scope).batch, take(scope).batch
    aged(old, 30.1)
    aged(new, 29.9)
    now = timezone.now()
    assert storage.purge(now) == 5
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.raw, old.purged_at, old.received) == (None, now, 5)
    assert (bool(new.raw), new.purged_at) == (True, None)
    assert set(CallDatum.objects.values_list("batch_id", flat=True)) == {new.pk}
    event = AuditEvent.objects.filter(action=AuditAction.CALL_DATA_PURGED).get()
    assert (event.actor, event.vdn_id) == ("system", 88)
    assert event.detail == {"batches": 1, "rows": 5}
    assert storage.purge(now) == 0
    assert AuditEvent.objects.filter(action=AuditAction.CALL_DATA_PURGED).count() == 1


@pytest.mark.django_db
def test_retention_time_is_a_setting(vendor: Simulator, scope: Scope, settings: Any) -> None:
    from dataclasses import replace

    settings.RETENTION = replace(settings.RETENTION, call_data_days=3)
    aged(take(scope).batch, 3.1)
    assert storage.purge(timezone.now()) == 5


@pytest.mark.django_db
def test_old_unreadable_answer_is_deleted(vendor: Simulator, scope: Scope) -> None:
    vendor.faults.add("garbage", operation=READ_CALL_DATA)
    batch = take(scope).batch
    aged(batch, 31)
    storage.purge(timezone.now())
    batch.refresh_from_db()
    assert batch.raw is None
    assert batch.state == BatchState.UNREADABLE


@pytest.mark.django_db
def test_many_batches_are_deleted_in_portions() -> None:
    asked: datetime = timezone.now() - timedelta(days=40)
    Vdn.objects.get_or_create(pk=88, defaults={"name": "Support"})
    CallDataBatch.objects.bulk_create(
        CallDataBatch(
            vdn_id=88, service_id=TASK, batch_count=1, key=str(n), state="taken", asked_at=asked
        )
        for n in range(230)
    )
    storage.purge(timezone.now())
    assert not CallDataBatch.objects.filter(purged_at=None).exists()


@pytest.mark.django_db
def test_recovery_and_retention_commands_run_the_jobs(vendor: Simulator, scope: Scope) -> None:
    lost, kept = left_behind(), left_behind(key="b" * 64, **answered(ANSWER))
    out = StringIO()
    call_command("recover_call_data", stdout=out)
    assert out.getvalue() == "Read after all: 1\nUnknown from now on: 1\n"
    lost.refresh_from_db()
    kept.refresh_from_db()
    assert (lost.state, kept.state) == (BatchState.UNKNOWN, BatchState.TAKEN)
    aged(kept, 31)
    out = StringIO()
    call_command("apply_retention", stdout=out)
    assert out.getvalue().splitlines() == [
        "Rows of call data: 1",
        "Write-backs: 0",
        "Reservations of the mirror: 0",
        "Sightings of result codes: 0",
        "API tokens: 0",
        "Sessions: 0",
        "Attempts to log in: 0",
        "Exports: 0",
        "Drafts of forms: 0",
        "Audit events: 0",
    ]
    assert count_requests(vendor) == 0
