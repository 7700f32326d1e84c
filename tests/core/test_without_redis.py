"""Requests are served without Redis, but slower."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.support.pages import rows_of

LIST = "/vdn/88/reservations/"


@pytest.fixture
def no_redis(settings: Any) -> None:
    """A cache address without a server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings.CACHES = {
        room: {
            "BACKEND": "isales_proxy.core.redis_cache.ForgivingRedisCache",
            "LOCATION": f"redis://127.0.0.1:{port}/0",
        }
        for room in ("default", "answers", "rows")
    }


@pytest.mark.usefixtures("no_redis")
def test_page_and_api_are_served_without_redis(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    answer = client.get(LIST)
    assert answer.status_code == 200
    rows = rows_of(answer.content.decode())
    assert len(rows) == 25
    assert client.get("/api/v1/vdns/88/reservations/").status_code == 200
    assert vendor.calls.filter(LIST_RESERVATIONS)


@pytest.mark.usefixtures("no_redis")
def test_readiness_reports_the_failing_cache(people: Any, client: Any) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["cache"] == "failing"


@pytest.mark.usefixtures("no_redis")
def test_log_in_works_without_redis(vendor: Simulator, people: Any, client: Any) -> None:
    form = {"login": "supervisor", "password": "pass-word-1"}
    assert client.post("/accounts/login/", form).status_code == 302
