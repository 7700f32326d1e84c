"""A clock that is set back: limits do not last longer, and nobody is locked out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client

from isales_proxy.models import User
from isales_proxy.simulator import Simulator
from tests.support.cases import cases

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
API = "/api/v1/vdns/"
PAGE = "/accounts/"


@cases("back", [timedelta(hours=1), timedelta(days=2)])
def test_idle_session_ends_in_time_after_the_clock_is_set_back(
    people: dict[str, User], back: timedelta
) -> None:
    client = Client()
    with time_machine.travel(NOON, tick=False) as clock:
        client.force_login(people["supervisor"])
        assert client.get(PAGE).status_code == 200
        clock.move_to(NOON - back)
        assert client.get(PAGE).status_code == 200
        clock.move_to(NOON - back + timedelta(minutes=121))
        assert client.get(PAGE).status_code == 302


def test_requests_dated_in_the_future_count_for_no_limit(
    vendor: Simulator, as_role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isales_proxy.api.throttles.SessionThrottle.rate", "3/min", raising=False)
    with time_machine.travel(NOON, tick=False) as clock:
        client = as_role("supervisor")
        assert [client.get(API).status_code for _ in range(4)] == [200, 200, 200, 429]
        clock.move_to(NOON - timedelta(hours=1))
        assert [client.get(API).status_code for _ in range(4)] == [200, 200, 200, 429]
        clock.shift(timedelta(seconds=61))
        assert client.get(API).status_code == 200
    cache.clear()
