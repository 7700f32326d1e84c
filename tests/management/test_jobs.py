"""Scheduled jobs."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.utils import timezone
from huey import MemoryHuey, crontab
from huey.contrib.djhuey import HUEY

from dashboard import settings as product
from isales_proxy import jobs
from isales_proxy.models import User, WriteBackState
from isales_proxy.simulator import PUSH_MID_RESULT, Simulator
from tests.support.outbox import outbox_of


@pytest.mark.django_db
def test_expired_sessions_are_deleted() -> None:
    now = timezone.now()
    for key, hours in (("old", -1), ("current", 1)):
        Session.objects.create(session_key=key, expire_date=now + timedelta(hours=hours))
    jobs.apply_retention.call_local()
    assert [session.session_key for session in Session.objects.all()] == ["current"]


def test_schedules_are_in_the_zone_of_the_server() -> None:
    huey = MemoryHuey("hours", utc=product.HUEY.get("utc", True))

    @huey.periodic_task(crontab(hour="3", minute="17"))
    def nightly() -> None:
        """Do nothing."""

    night = datetime(2026, 11, 21, 3, 17, tzinfo=ZoneInfo("Asia/Shanghai"))
    # Such a moment also sets the zone of the process.
    with time_machine.travel(night, tick=False):
        assert time.tzname[0] == "CST"
        assert len(huey.read_periodic(huey._get_timestamp())) == 1
    with time_machine.travel(datetime(2026, 11, 21, 19, 17, tzinfo=UTC), tick=False):
        assert huey.read_periodic(huey._get_timestamp()) == []


@pytest.mark.django_db(transaction=True)
def test_stored_write_back_is_queued_and_delivered(
    vendor: Simulator, people: dict[str, User]
) -> None:
    HUEY.flush()
    row = outbox_of(people).write()
    assert HUEY.pending_count() == 1
    jobs.deliver.call_local()
    row.refresh_from_db()
    assert row.state == WriteBackState.DELIVERED
    assert not [task for task in HUEY.pending() if task.eta is not None]


@pytest.mark.django_db
def test_failed_delivery_is_scheduled_once_for_its_next_attempt(
    vendor: Simulator, people: dict[str, User]
) -> None:
    vendor.faults.add("status", operation=PUSH_MID_RESULT, status=503)
    HUEY.flush()
    row = outbox_of(people).write()
    courier = jobs.DeliveryRunner()
    courier.run()
    courier.run()
    (again,) = [task for task in HUEY.pending() if task.eta is not None]
    row.refresh_from_db()
    assert timedelta(0) <= again.eta.astimezone(UTC) - row.next_at <= timedelta(seconds=1)


@pytest.mark.django_db
def test_deliver_write_backs_command_delivers_and_reports(
    vendor: Simulator, people: dict[str, User], capsys: pytest.CaptureFixture[str]
) -> None:
    outbox_of(people).write()
    call_command("deliver_write_backs")
    assert capsys.readouterr().out.splitlines()[-1] == "1 delivered, 0 refused, 0 postponed"
