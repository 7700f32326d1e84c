"""Vendor faults and their status and notice, by the table of the contract."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from time import sleep
from typing import Any

import pytest
import time_machine

from isales_proxy.client.config import TransportConfig
from isales_proxy.simulator import LIST_RESERVATIONS, LIST_RESULT_CODES, Simulator
from isales_proxy.vendor import gateway
from tests.support.cases import cases
from tests.support.pages import results_of, rows_of

LIST = "/vdn/88/reservations/"

FAULTS: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "reset": ("reset", {}, 503, "upstream-unavailable"),
    "closed without an answer": ("close", {}, 503, "upstream-unavailable"),
    "500": ("status", {"status": 500}, 503, "upstream-unavailable"),
    "502": ("status", {"status": 502}, 503, "upstream-unavailable"),
    "redirect": ("redirect", {}, 503, "upstream-unavailable"),
    "too slow": ("delay", {"seconds": 5.0}, 504, "upstream-unavailable"),
    "throttled": ("throttle", {"retry_after": 77}, 503, "busy"),
    "401": ("unauthorized", {}, 502, "credentials"),
    "403": ("status", {"status": 403}, 502, "credentials"),
    "business error": (
        "business",
        {"code": "0200001", "desc": "limit is wrong"},
        502,
        "upstream-refused",
    ),
    "HTML": ("html", {}, 502, "bad-answer"),
    "garbage": ("garbage", {}, 502, "bad-answer"),
    "null": ("null", {}, 502, "bad-answer"),
    "no data": ("no_data", {}, 502, "bad-answer"),
    "huge": ("huge", {}, 502, "bad-answer"),
}


@pytest.fixture
def supervisor(vendor: Simulator, as_role: Any) -> Any:
    client = as_role("supervisor")
    client.get(LIST)
    vendor.calls.clear()
    return client


@cases(("name", "fragment"), [(name, fragment) for fragment in (False, True) for name in FAULTS])
def test_fault_has_status_and_notice_of_the_contract(
    supervisor: Any, vendor: Simulator, name: str, fragment: bool
) -> None:
    kind, options, status, slug = FAULTS[name]
    vendor.faults.add(kind, operation=LIST_RESERVATIONS, times=None, **options)
    answer = supervisor.get(LIST, {"page": "7"}, headers={"HX-Request": "true"} if fragment else {})
    text = answer.content.decode()
    assert answer.status_code == status
    assert f'data-problem="{slug}"' in text
    assert 'role="alert"' in text
    assert rows_of(text) == []
    assert "Traceback" not in text
    if status == 503:
        assert int(answer.headers["Retry-After"]) >= 1
    if slug == "busy":
        assert answer.headers["Retry-After"] == "77"


def test_truncated_answer_is_a_bad_answer(supervisor: Any, vendor: Simulator) -> None:
    vendor.faults.add("half_body", operation=LIST_RESERVATIONS, times=None)
    answer = supervisor.get(LIST, {"page": "7"})
    assert answer.status_code in {502, 503}
    assert rows_of(answer.content.decode()) == []


def test_refusal_shows_code_message_and_meaning(supervisor: Any, vendor: Simulator) -> None:
    vendor.faults.add(
        "business", operation=LIST_RESERVATIONS, times=None, code="0200006", desc="db <b>down</b>"
    )
    text = supervisor.get(LIST, {"page": "7"}).content.decode()
    assert "0200006" in text
    assert "db &lt;b&gt;down&lt;/b&gt;" in text
    # The vendor's own word for 0200006 on this interface.
    assert "database failed" in text


def test_single_connection_failure_is_retried(supervisor: Any, vendor: Simulator) -> None:
    vendor.faults.add("reset", operation=LIST_RESERVATIONS, times=1)
    answer = supervisor.get(LIST, {"page": "7"})
    assert answer.status_code == 200
    assert len(vendor.calls.filter(LIST_RESERVATIONS)) == 2


@cases("kind", ["reset", "throttle", "status", "delay"])
def test_last_good_answer_is_shown_with_its_age(
    supervisor: Any, vendor: Simulator, settings: Any, kind: str
) -> None:
    settings.ISALES = replace(settings.ISALES, page_cache_seconds=0)
    before = rows_of(supervisor.get(LIST, {"page": "2"}).content.decode())
    options = {"throttle": {"retry_after": 60}, "status": {"status": 503}}.get(kind, {})
    vendor.faults.add(
        kind, operation=LIST_RESERVATIONS, times=None, **(options or {}),
        **({"seconds": 5.0} if kind == "delay" else {}),
    )  # fmt: skip
    answer = supervisor.get(LIST, {"page": "2"})
    text = answer.content.decode()
    assert answer.status_code == (504 if kind == "delay" else 503)
    assert 'data-source="stale"' in text
    assert "data-problem=" in text
    assert "Last answer at" in text
    assert [row["id"] for row in rows_of(text)] == [row["id"] for row in before]


def test_other_query_is_not_answered_with_old_rows(supervisor: Any, vendor: Simulator) -> None:
    vendor.faults.add("reset", operation=LIST_RESERVATIONS, times=None)
    answer = supervisor.get(LIST, {"called_no": "4711"})
    assert answer.status_code == 503
    assert rows_of(answer.content.decode()) == []


def test_live_rows_return_after_an_outage(
    supervisor: Any, vendor: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    brief = partial(TransportConfig, breaker_cooldown=1.0)
    monkeypatch.setattr(gateway, "TransportConfig", brief)
    gateway.close()
    vendor.stop()
    for _ in range(3):
        assert supervisor.get(LIST, {"page": "3"}).status_code == 503
    vendor.start()
    # The circuit is open by now; it says itself when it will let a call through.
    for _ in range(20):
        answer = supervisor.get(LIST, {"page": "3"})
        if answer.status_code == 200:
            return
        sleep(int(answer.headers["Retry-After"]) / 2)
    pytest.fail("the circuit stayed open")


def test_code_meanings_are_shown_while_the_code_table_cannot_be_read(
    supervisor: Any, vendor: Simulator
) -> None:
    vendor.faults.add("status", operation=LIST_RESULT_CODES, times=None, status=500)
    vendor.add_rows(88, [{"appointId": "1", "calledNo": "70001", "failCode": "00604"}])
    (row,) = rows_of(supervisor.get(LIST, {"called_no": "70001"}).content.decode())
    assert "The call is rejected." in row["failCode"]


def test_rows_are_shown_without_a_code_table(vendor: Simulator, as_role: Any) -> None:
    vendor.faults.add("status", operation=LIST_RESULT_CODES, times=None, status=500)
    vendor.add_rows(88, [{"appointId": "1", "calledNo": "70001", "failCode": "00604"}])
    answer = as_role("supervisor").get(LIST, {"called_no": "70001"})
    assert answer.status_code == 200
    (row,) = rows_of(answer.content.decode())
    assert "code table not loaded yet" in row["failCode"]


def test_no_response_contains_a_secret(supervisor: Any, vendor: Simulator, settings: Any) -> None:
    vendor.faults.add("unauthorized", operation=LIST_RESERVATIONS, times=None)
    text = supervisor.get(LIST, {"page": "7"}).content.decode()
    assert settings.ISALES.secret_key not in text
    assert settings.ISALES.access_key not in text
    assert vendor.base_url not in text


def test_old_answer_shows_its_age_within_the_first_minute(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    with time_machine.travel("2025-05-15T12:00:00Z", tick=False):
        client.get(LIST)
    vendor.faults.add("status", operation=LIST_RESERVATIONS, times=None, status=503)
    with time_machine.travel("2025-05-15T12:00:23Z", tick=False):
        answer = client.get(LIST)
    text = answer.content.decode()
    assert answer.status_code == 503
    assert "23 s ago" in text
    assert "just now" not in results_of(text)
    assert 'id="health" class="health" data-health="failing"' in text
    assert "Not answering · last answer 20:00:00" in text


def test_wrong_page_size_of_the_vendor_is_reported_briefly(
    supervisor: Any, vendor: Simulator
) -> None:
    """Five thousand rows for a page of 25 are neither shown nor cached."""
    rows = [{"appointId": str(n), "calledNo": "990022", "taskName": "x" * 200} for n in range(5000)]
    body = json.dumps({"resultCode": "0200000", "data": rows, "totalCount": len(rows)})
    vendor.faults.add(
        "status",
        operation=LIST_RESERVATIONS,
        times=None,
        status=200,
        body=body,
        content_type="application/json",
    )
    answer = supervisor.get(LIST, {"page": "7", "size": "25"})
    assert answer.status_code == 502
    assert 'data-problem="bad-answer"' in answer.content.decode()
    assert rows_of(answer.content.decode()) == []
    assert len(answer.content) < 100_000
