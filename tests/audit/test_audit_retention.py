"""Retention of the audit: only the oldest events are deleted, and the chain stays unbroken."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import DatabaseError, transaction

from isales_proxy import jobs
from isales_proxy.audit import retention
from isales_proxy.audit.verify import verify
from isales_proxy.models import AuditAction, AuditEvent
from tests.support.audit import alter, sql, unguard, write
from tests.support.cases import cases

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _thirty_days(settings: Any) -> None:
    settings.RETENTION = replace(settings.RETENTION, audit_days=30)


@pytest.fixture
def events() -> Iterator[list[AuditEvent]]:
    """Six events: two of forty days ago, two of ten days ago, and two of today."""
    found = []
    for days in (40, 10, 0):
        with time_machine.travel(NOW - timedelta(days=days), tick=False):
            found += write(2)
    with time_machine.travel(NOW, tick=False):
        yield found


def left() -> list[int]:
    return list(AuditEvent.objects.order_by("pk").values_list("pk", flat=True))


def test_events_past_retention_are_deleted_and_recorded(events: list[AuditEvent]) -> None:
    out = io.StringIO()
    call_command("apply_retention", stdout=out)
    assert "Audit events: 2" in out.getvalue()
    told = AuditEvent.objects.get(action=AuditAction.AUDIT_PURGED)
    assert left() == [*(event.pk for event in events[2:]), told.pk]
    assert told.detail == {
        "count": 2,
        "last": events[1].pk,
        "last_at": events[1].at.isoformat(),
    }
    assert (verify().fault, verify().count) == (None, 5)


def test_later_deletions_continue_after_the_earlier_ones(events: list[AuditEvent]) -> None:
    jobs.apply_retention.call_local()
    with time_machine.travel(NOW + timedelta(days=25), tick=False):
        jobs.apply_retention.call_local()
        assert left()[0] == events[4].pk
        assert verify().fault is None
    with time_machine.travel(NOW + timedelta(days=365), tick=False):
        jobs.apply_retention.call_local()
        (told,) = AuditEvent.objects.all()
        assert told.detail["count"] == 4
        assert (verify().fault, verify().count) == (None, 1)


def test_deletion_of_nothing_is_not_recorded(events: list[AuditEvent], settings: Any) -> None:
    settings.RETENTION = replace(settings.RETENTION, audit_days=41)
    assert retention.purge(NOW) == 0
    assert left() == [event.pk for event in events]


def test_only_the_oldest_consecutive_events_are_deleted(events: list[AuditEvent]) -> None:
    # A clock that was wrong for a while made a later event look old.
    with time_machine.travel(NOW - timedelta(days=100), tick=False):
        write(1)
    assert retention.purge(NOW) == 2
    assert retention.purge(NOW) == 0
    assert verify().fault is None


def test_many_events_are_deleted_in_portions(events: list[AuditEvent], monkeypatch: Any) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 1)
    assert retention.purge(NOW) == 2
    assert AuditEvent.objects.filter(action=AuditAction.AUDIT_PURGED).count() == 2
    assert verify().fault is None


def test_changed_events_are_not_deleted(events: list[AuditEvent], caplog: Any) -> None:
    unguard()
    alter(events[1].pk, "actor", "'x'")
    assert retention.purge(NOW) == 0
    assert left() == [event.pk for event in events]
    assert "audit_not_purged" in caplog.text


def test_manual_deletion_of_the_oldest_event_is_detected_after_a_purge(
    events: list[AuditEvent],
) -> None:
    retention.purge(NOW)
    unguard()
    sql("DELETE FROM {table} WHERE id = %s", events[2].pk)
    assert verify().event_id == events[3].pk


@cases("purged_before", [False, True])
def test_database_refuses_every_other_deletion(
    events: list[AuditEvent], purged_before: bool
) -> None:
    if purged_before:
        retention.purge(NOW)
    kept = left()
    for deletion in ("DELETE FROM {table} WHERE id = %s", "DELETE FROM {table} WHERE id <> %s"):
        with pytest.raises(DatabaseError, match="never"), transaction.atomic():
            sql(deletion, events[5].pk)
    assert left() == kept
