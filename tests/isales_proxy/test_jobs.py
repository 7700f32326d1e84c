"""The jobs that the clock starts."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.utils import timezone
from huey import MemoryHuey, crontab

from dashboard import settings as product
from isales_proxy import jobs


@pytest.mark.django_db
def test_expired_sessions_are_forgotten() -> None:
    now = timezone.now()
    for key, hours in (("old", -1), ("current", 1)):
        Session.objects.create(session_key=key, expire_date=now + timedelta(hours=hours))
    jobs.clear_sessions.call_local()
    assert [session.session_key for session in Session.objects.all()] == ["current"]


def test_a_quiet_hour_is_one_of_the_servers_own_zone() -> None:
    huey = MemoryHuey("hours", utc=product.HUEY.get("utc", True))

    @huey.periodic_task(crontab(hour="3", minute="17"))
    def nightly() -> None:
        """Nothing."""

    night = datetime(2026, 11, 21, 3, 17, tzinfo=ZoneInfo("Asia/Shanghai"))
    # Such a moment also sets the zone of the process.
    with time_machine.travel(night, tick=False):
        assert time.tzname[0] == "CST"
        assert len(huey.read_periodic(huey._get_timestamp())) == 1
    with time_machine.travel(datetime(2026, 11, 21, 19, 17, tzinfo=UTC), tick=False):
        assert huey.read_periodic(huey._get_timestamp()) == []
