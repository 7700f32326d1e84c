"""`/api/v1/vdns/<id>/reservations/`: the list's question in JSON, over real HTTP to a simulator."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from isales_proxy.api.reservations import ReservationBody, ReservationPage
from isales_proxy.client.records import Reservation
from isales_proxy.models import User
from isales_proxy.simulator import LIST_RESERVATIONS, LIST_RESULT_CODES, Simulator
from tests.conftest import AGENT_ACCOUNT
from tests.support.cases import cases

LIST = "/api/v1/vdns/88/reservations/"
PAGE = "/vdn/88/reservations/"
PROBLEM = "application/problem+json"


def test_page_has_its_source_and_time(vendor: Simulator, as_role: Any) -> None:
    supervisor = as_role("supervisor")
    first = supervisor.get(LIST, {"page": "2", "size": "10"})
    body = first.json()
    assert first.status_code == 200
    assert first.headers["Content-Type"] == "application/json"
    assert "no-store" in first.headers["Cache-Control"]
    assert list(body) == list(ReservationPage.model_fields)
    assert (body["count"], body["page"], body["size"]) == (600, 2, 10)
    assert (body["source"], body["complete"], len(body["results"])) == ("live", True, 10)
    assert body["as_of"].endswith("Z")
    again = supervisor.get(LIST, {"page": "2", "size": "10"}).json()
    assert (again["source"], again["as_of"]) == ("cache", body["as_of"])
    assert again["results"] == body["results"]


def test_row_has_the_documented_fields_and_ours(vendor: Simulator, as_role: Any) -> None:
    rows = as_role("supervisor").get(LIST, {"size": "100"}).json()["results"]
    assert len(rows) == 100
    for row in rows:
        assert list(row) == list(ReservationBody.model_fields)
        assert set(Reservation.vendor_names()) < set(row)


def test_values_are_converted_to_plain_json(vendor: Simulator, as_role: Any) -> None:
    vendor.add_rows(
        88,
        [
            {
                "appointId": 42,
                "calledNo": "70601",
                "appointTime": "1748673000123",
                "failCode": "00006",
                "timeout": "true",
                "userName": "<b>Chen</b>",
                "somethingNew": "kept out",
            }
        ],
    )
    (row,) = as_role("supervisor").get(LIST, {"called_no": "70601"}).json()["results"]
    assert row["appoint_id"] == "42"
    assert row["appoint_time"] == "2025-05-31T06:30:00.123000Z"
    assert row["fail_code"] == "00006"
    assert row["timeout"] is True
    assert row["user_name"] == "<b>Chen</b>"
    assert row["begin_time"] is None
    assert row["state"] == "failed"
    assert "somethingNew" not in row


@pytest.mark.parametrize(
    ("language", "pattern"), [("en", r"[A-Za-z]"), ("zh-Hans", r"[\u4e00-\u9fff]")]
)
def test_text_of_a_code_is_in_the_language_of_the_request(
    vendor: Simulator, as_role: Any, language: str, pattern: str
) -> None:
    vendor.codes["00006"] = ("Called party busy", "被叫忙")
    vendor.add_rows(88, [{"appointId": "42", "calledNo": "70601", "failCode": "00006"}])
    headers = {"Accept-Language": language}
    answer = as_role("supervisor").get(LIST, {"called_no": "70601"}, headers=headers)
    (row,) = answer.json()["results"]
    assert re.search(pattern, row["fail_code_text"])


@cases(
    "query",
    [
        "",
        "called_no=158-0000&page=2&size=50",
        "agent=116&agent=121",
        "begin=2025-05-31T14:30&end=2025-05-31T18:00",
        "range=today",
        "range=today&begin=2025-05-31T14:30%2B02:00",
        "task=2072160523&unknown=1",
        "size=1000",
    ],
)
def test_api_and_page_send_the_same_vendor_request(
    vendor: Simulator, as_role: Any, settings: Any, query: str
) -> None:
    settings.ISALES = replace(settings.ISALES, page_cache_seconds=0)
    supervisor = as_role("supervisor")
    supervisor.get(f"{PAGE}?{query}")
    supervisor.get(f"{LIST}?{query}")
    by_page, by_api = vendor.calls.filter(LIST_RESERVATIONS)
    assert by_api.body == by_page.body


def test_times_are_read_in_the_zone_that_the_reader_chose(vendor: Simulator, as_role: Any) -> None:
    supervisor = as_role("supervisor")
    supervisor.get(LIST, {"begin": "2025-05-31T14:30"})
    supervisor.post("/preferences/zone/", {"time_zone": "Europe/Berlin"})
    supervisor.get(LIST, {"begin": "2025-05-31T14:30"})
    shanghai, berlin = (call.body["beginTime"] for call in vendor.calls.filter(LIST_RESERVATIONS))
    assert berlin - shanghai == 6 * 60 * 60 * 1000


@pytest.mark.parametrize("query", ["", "?agent=121", "?agent=121&agent=116", "?page=2"])
def test_agent_gets_own_rows_and_count(vendor: Simulator, as_role: Any, query: str) -> None:
    body = as_role("agent").get(LIST + query).json()
    assert {row["user_account"] for row in body["results"]} <= {AGENT_ACCOUNT}
    assert 0 < body["count"] < 600
    for call in vendor.calls.filter(LIST_RESERVATIONS):
        assert call.body["userAccountList"] == [AGENT_ACCOUNT]


def test_page_of_fifty_rows_costs_one_call_and_few_queries(
    clock: Any, vendor: Simulator, as_role: Any, django_assert_max_num_queries: Any
) -> None:
    supervisor = as_role("supervisor")
    # The first one reads the table of codes, which changes the VDN that the second one reads anew.
    for _ in range(2):
        supervisor.get(LIST)
    vendor.calls.clear()
    with django_assert_max_num_queries(6):
        body = supervisor.get(LIST, {"size": "50", "page": "2"}).json()
    assert len(body["results"]) == 50
    assert len(vendor.calls) == 1


@cases(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=abc", "page"),
        ("page=1000000000", "page"),
        ("size=1000000000", "size"),
        ("begin=2025-06-02T00:00&end=2025-06-01T00:00", "end"),
        ("begin=2025-02-30T00:00", "begin"),
        ("range=tomorrow", "range"),
        ("called_no=%3Cscript%3E", "called_no"),
        ("called_no=" + "1" * 200, "called_no"),
        ("&".join(f"agent={number}" for number in range(500)), "agent"),
    ],
)
def test_invalid_query_is_refused_with_its_field(
    vendor: Simulator, as_role: Any, query: str, field: str
) -> None:
    answer = as_role("supervisor").get(f"{LIST}?{query}")
    body = answer.json()
    assert answer.status_code == body["status"] == 422
    assert answer.headers["Content-Type"] == PROBLEM
    assert list(body["errors"]) == [field]
    assert body["errors"][field][0]
    assert len(vendor.calls) == 0


@pytest.mark.parametrize("path", ["/api/v1/vdns/89/", "/api/v1/vdns/4711/"])
def test_foreign_vdn_is_not_found(vendor: Simulator, as_role: Any, path: str) -> None:
    for part in ("reservations/", "result-codes/"):
        answer = as_role("supervisor").get(path + part)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == PROBLEM
    assert len(vendor.calls) == 0


def test_only_vdns_of_the_reader_are_listed(people: dict[str, User], as_role: Any) -> None:
    body = as_role("agent").get("/api/v1/vdns/").json()
    assert body == {
        "count": 1,
        "page": 1,
        "size": 1000,
        "results": [
            {
                "id": 88,
                "name": "Support",
                "time_zone": "Asia/Shanghai",
                "role": "agent",
                "agent_account": AGENT_ACCOUNT,
            }
        ],
    }
    assert [vdn["id"] for vdn in as_role("both").get("/api/v1/vdns/").json()["results"]] == [88, 89]


@cases(
    ("kind", "options", "status", "slug"),
    [
        ("reset", {}, 503, "upstream-unavailable"),
        ("status", {"status": 500}, 503, "upstream-unavailable"),
        ("delay", {"seconds": 5.0}, 504, "upstream-unavailable"),
        ("throttle", {"retry_after": 77}, 503, "busy"),
        ("unauthorized", {}, 502, "credentials"),
        ("business", {"code": "0200001", "desc": "limit 15800000001"}, 502, "upstream-refused"),
        ("html", {}, 502, "bad-answer"),
    ],
)
def test_vendor_failure_is_a_problem(
    vendor: Simulator, as_role: Any, kind: str, options: dict[str, Any], status: int, slug: str
) -> None:
    vendor.faults.add(kind, operation=LIST_RESERVATIONS, times=None, **options)
    answer = as_role("supervisor").get(LIST)
    body = answer.json()
    assert answer.status_code == body["status"] == status
    assert answer.headers["Content-Type"] == PROBLEM
    assert body["problem"] == slug
    assert body["type"] == f"urn:callboard:problem:{slug}"
    assert body["title"]
    assert body["detail"]
    assert body["request_id"]
    assert "15800000001" not in answer.content.decode()
    if status == 503:
        assert int(answer.headers["Retry-After"]) == body["retry_after"]
    if kind == "throttle":
        assert body["retry_after"] == 77
    if kind == "business":
        assert body["code"] == "0200001"


def test_failure_has_the_time_of_the_last_answer_but_not_its_rows(
    vendor: Simulator, as_role: Any, settings: Any
) -> None:
    settings.ISALES = replace(settings.ISALES, page_cache_seconds=0)
    supervisor = as_role("supervisor")
    good = supervisor.get(LIST).json()
    vendor.faults.add("reset", operation=LIST_RESERVATIONS, times=None)
    answer = supervisor.get(LIST)
    assert answer.status_code == 503
    assert answer.json()["as_of"] == good["as_of"]
    assert "results" not in answer.json()


def test_rows_are_served_while_the_code_table_cannot_be_read(
    vendor: Simulator, as_role: Any
) -> None:
    vendor.faults.add("reset", operation=LIST_RESULT_CODES, times=None)
    vendor.add_rows(88, [{"appointId": "42", "calledNo": "70601", "failCode": "00006"}])
    answer = as_role("supervisor").get(LIST, {"called_no": "70601"})
    (row,) = answer.json()["results"]
    assert answer.status_code == 200
    assert (row["fail_code"], row["fail_code_text"]) == ("00006", "")
