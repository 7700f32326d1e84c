"""`/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from django.contrib.sessions.backends.cached_db import SessionStore
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client

from isales_proxy.core import health
from isales_proxy.simulator import Simulator
from tests.support.cases import cases


def test_healthz_answers_ok(client: Client) -> None:
    # No database is allowed in this test.
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db
def test_readyz_has_the_state_of_each_part(client: Client) -> None:
    answer = client.get("/readyz")
    body = answer.json()
    assert answer.status_code == 200
    assert body["ready"] is True
    assert (body["database"], body["cache"]) == ("ok", "ok")
    assert {"jobs", "vendor"} < set(body)
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.django_db
def test_failing_cache_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "get", lambda *_args, **_more: None)
    monkeypatch.setattr(
        health, "get_vendor_health", lambda: health.VendorHealth("unknown", None, None)
    )
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert (answer.json()["ready"], answer.json()["cache"]) == (False, "failing")


@pytest.mark.django_db
def test_failing_vendor_is_reported_and_still_ready(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    client.get("/api/v1/vdns/88/reservations/")
    assert client.get("/readyz").json()["vendor"]["state"] == "ok"
    vendor.stop()
    client.get("/api/v1/vdns/88/reservations/?page=2")
    answer = Client().get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["vendor"]["state"] == "failing"
    assert vendor.base_url not in answer.content.decode()


@pytest.mark.django_db
def test_metrics_are_served_to_this_machine(client: Client) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert b"callboard_vendor_calls_total" in answer.content


@cases(
    "meta",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.7"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=192.0.2.7"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "https"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_HOST": "127.0.0.1"},
        # A proxy that only passes on the host that was asked for.
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "callboard.example.org"},
    ],
)
def test_metrics_are_404_for_other_machines(
    client: Client, settings: Any, meta: dict[str, str]
) -> None:
    settings.ALLOWED_HOSTS = settings.PUBLIC_HOSTS = ["*"]
    assert client.get("/metrics", **meta).status_code == 404  # type: ignore[arg-type]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("header", "status"),
    [("Bearer right", 200), ("Bearer wrong", 401), ("right", 401), ("", 401), ("Bearer ü", 401)],
)
def test_configured_token_alone_decides_about_metrics(
    client: Client, settings: Any, header: str, status: int
) -> None:
    settings.METRICS_TOKEN = "right"
    answer = client.get("/metrics", headers={"Authorization": header}, REMOTE_ADDR="192.0.2.7")
    assert answer.status_code == status


@pytest.mark.django_db
@pytest.mark.processes
def test_metrics_of_all_processes_are_combined(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    # Another process counts; the library decides at its import whether it shares.
    other = (
        "from prometheus_client import Counter;Counter('callboard_of_another_process', 'x').inc(3)"
    )
    subprocess.run(
        [sys.executable, "-c", other],
        env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        check=True,
    )
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    text = client.get("/metrics").content.decode()
    assert "callboard_of_another_process_total 3.0" in text


@pytest.mark.django_db
def test_healthz_does_not_depend_on_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: object, **_more: object) -> None:
        raise OperationalError

    client = Client()
    client.cookies["callboard-session"] = "a" * 32
    monkeypatch.setattr(SessionStore, "_get_session_from_db", away)
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").headers["Content-Type"].startswith("application/json")
