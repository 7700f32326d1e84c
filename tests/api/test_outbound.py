"""Tasks and call data in the JSON API."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from isales_proxy.models import CallDataBatch
from isales_proxy.outbound import tasks as task_service
from isales_proxy.simulator import LIST_OUTBOUND_TASKS, READ_CALL_DATA, Simulator
from tests.support.call_data import NUMBER, ROW, TASK, UNIQUE_ID, count_requests
from tests.support.cases import cases

API = "/api/v1/vdns/88"
TAKE = f"{API}/tasks/{TASK}/call-data/"


def take(client: Any, data: Any = None, address: str = TAKE) -> Any:
    """Request call data: ten rows and confirmed, unless given otherwise."""
    if data is None or isinstance(data, dict):
        data = {"batch_count": 10, "confirm": True} | (data or {})
    return client.post(address, data, content_type="application/json")


def shapes(client: Any) -> Any:
    return client.get("/api/schema/", {"format": "json"}).json()["components"]["schemas"]


def test_tasks_are_listed_with_id_and_name(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    client.get("/vdn/88/reservations/", {"task": "1106025109"})
    answer = client.get(f"{API}/tasks/")
    body = answer.json()
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    assert body["source"] == "live"
    assert body["as_of"].endswith("Z")
    assert body["count"] == len(body["results"])
    assert {"service_id": "1106025109", "name": "Preempted task"} in body["results"]
    assert set(body) == set(shapes(client)["TaskPage"]["properties"])


def test_task_list_is_503_when_only_an_old_list_is_available(
    vendor: Simulator, as_role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = as_role("supervisor")
    first = client.get(f"{API}/tasks/").json()
    monkeypatch.setattr(task_service, "FRESH_SECONDS", 0.0)
    vendor.faults.add("reset", operation=LIST_OUTBOUND_TASKS, times=None)
    answer = client.get(f"{API}/tasks/")
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["as_of"][:19] == first["as_of"][:19]


def test_taken_batch_is_returned_with_its_rows(vendor: Simulator, as_role: Any) -> None:
    vendor.call_data.put(88, TASK, [ROW])
    client = as_role("supervisor")
    answer = take(client, {"batch_count": 1, "reason": "Weekly check"})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["state"], body["batch_count"], body["received"]) == ("taken", 1, 1)
    assert (body["asked_by"], body["reason"]) == ("supervisor", "Weekly check")
    assert body["asked_at"].endswith("Z")
    assert body["next_step"] == ""
    (row,) = body["results"]
    assert row["phone_numbers"] == [f"+{NUMBER}", "0012345"]
    assert row["unique_id"] == UNIQUE_ID
    assert row["ie"]["elements"][0] == {
        "name": "RedInfo",
        "fields": [["RedInd", "1"], ["OldRes", "1"]],
    }
    assert row["raw"] == ROW
    known = shapes(client)
    assert set(body) == set(known["BatchWithRows"]["properties"])
    assert set(row) == set(known["CallDatumBody"]["properties"])


@cases(
    ("data", "missing"),
    [
        ({}, ["batch_count", "confirm"]),
        (None, ["batch_count", "confirm"]),
        ({"batch_count": 1}, ["confirm"]),
        ({"confirm": True}, ["batch_count"]),
        ({"batch_count": 1, "confirm": False}, ["confirm"]),
        ({"batch_count": 1, "confirm": "true"}, ["confirm"]),
        ({"batch_count": 1, "confirm": 1}, ["confirm"]),
        ({"batch_count": 1, "confirm": None}, ["confirm"]),
    ],
)
def test_unconfirmed_or_incomplete_request_takes_nothing(
    vendor: Simulator, as_role: Any, data: Any, missing: list[str]
) -> None:
    answer = as_role("admin").post(TAKE, data, content_type="application/json")
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert list(answer.json()["errors"]) == missing
    assert list(vendor.calls) == []
    assert not CallDataBatch.objects.exists()


def test_same_key_takes_once(vendor: Simulator, as_role: Any) -> None:
    client, fields = as_role("supervisor"), {"batch_count": 2, "key": str(uuid.uuid4())}
    first, again = take(client, fields), take(client, fields)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert count_requests(vendor) == 1


@cases(
    ("data", "field"),
    [
        ({"batch_count": 0}, "batch_count"),
        ({"batch_count": 501}, "batch_count"),
        ({"batch_count": True}, "batch_count"),
        ({"batch_count": None}, "batch_count"),
        ({"batch_count": "x"}, "batch_count"),
        ({"reason": "x" * 301}, "reason"),
        ({"key": "once"}, "key"),
        ({"batchCount": 1}, "batchCount"),
        ([1], "non_field_errors"),
        ("1", "non_field_errors"),
    ],
)
def test_request_out_of_bounds_reaches_no_vendor(
    vendor: Simulator, as_role: Any, data: Any, field: str
) -> None:
    answer = take(as_role("supervisor"), data)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]
    assert count_requests(vendor) == 0
    assert not CallDataBatch.objects.exists()


@cases(
    ("kind", "status", "slug", "state", "retry"),
    [
        ("business", 502, "upstream-refused", "refused", False),
        ("unauthorized", 502, "credentials", "refused", False),
        ("throttle", 503, "busy", "refused", True),
        ("garbage", 502, "bad-answer", "unreadable", False),
        ("lose", 503, "upstream-unavailable", "unknown", False),
        ("hold", 504, "upstream-unavailable", "unknown", False),
    ],
)
def test_vendor_failure_is_a_problem_with_the_state_of_the_batch(
    vendor: Simulator,
    as_role: Any,
    kind: str,
    status: int,
    slug: str,
    state: str,
    retry: bool,
) -> None:
    client = as_role("supervisor")
    vendor.faults.add(kind, operation=READ_CALL_DATA, times=None)
    answer = take(client, {"batch_count": 7})
    vendor.faults.clear()
    body = answer.json()
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert body["problem"] == slug
    # Where numbers may be gone, no program is invited to try again.
    assert ("Retry-After" in answer.headers) is retry
    assert ("retry_after" in body) is retry
    assert count_requests(vendor) == 1
    batch = client.get(f"{API}/call-data/{body['batch']}/").json()
    assert (batch["state"], batch["batch_count"], batch["results"]) == (state, 7, [])
    assert batch["next_step"] == body["next_step"]
    if state == "unknown":
        assert "7" in body["next_step"]
        assert TASK in body["next_step"]
        assert batch["asked_at"][:19] in body["next_step"]
    assert set(body) <= set(shapes(client)["ProblemDetails"]["properties"])


def test_batches_are_paged_and_filtered_by_task(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    for count in (1, 2, 3):
        take(client, {"batch_count": count})
    take(client, {"batch_count": 4}, f"{API}/tasks/1106025109/call-data/")
    body = client.get(f"{API}/call-data/", {"size": "2", "page": "2"}).json()
    assert (body["count"], body["page"], body["size"]) == (4, 2, 2)
    assert [batch["batch_count"] for batch in body["results"]] == [2, 1]
    of_task = client.get(f"{API}/call-data/", {"task": TASK}).json()
    assert of_task["count"] == 3
    known = shapes(client)
    assert set(body) == set(known["BatchPage"]["properties"])
    assert set(body["results"][0]) == set(known["BatchBody"]["properties"])


@cases("question", ["page=0", "size=x", "task=%01"])
def test_invalid_query_for_batches_is_refused(
    vendor: Simulator, as_role: Any, question: str
) -> None:
    assert as_role("auditor").get(f"{API}/call-data/?{question}").status_code == 422


@cases(
    ("role", "seen", "taken"),
    [("agent", 403, 403), ("auditor", 200, 403), ("supervisor", 200, 201), ("admin", 200, 201)],
)
def test_role_decides_who_may_read_and_take(
    vendor: Simulator, as_role: Any, role: str, seen: int, taken: int
) -> None:
    batch = take(as_role("both")).json()["id"]
    vendor.calls.clear()
    client = as_role(role)
    assert client.get(f"{API}/tasks/").status_code == seen
    assert client.get(f"{API}/call-data/").status_code == seen
    assert client.get(f"{API}/call-data/{batch}/").status_code == seen
    assert count_requests(vendor) == 0
    assert take(client).status_code == taken
    assert count_requests(vendor) == (taken == 201)


def test_foreign_vdn_and_its_batches_are_not_found(vendor: Simulator, as_role: Any) -> None:
    both, ours = as_role("both"), as_role("supervisor")
    task = vendor.call_data.tasks(89)[0]
    foreign = take(both, None, f"/api/v1/vdns/89/tasks/{task}/call-data/").json()["id"]
    vendor.calls.clear()
    assert take(ours, None, f"/api/v1/vdns/89/tasks/{task}/call-data/").status_code == 404
    assert ours.get(f"/api/v1/vdns/89/call-data/{foreign}/").status_code == 404
    assert ours.get(f"{API}/call-data/{foreign}/").status_code == 404
    assert both.get(f"{API}/call-data/{foreign}/").status_code == 404
    assert both.get(f"/api/v1/vdns/89/call-data/{foreign}/").status_code == 200
    assert ours.get(f"{API}/call-data/{10**30}/").status_code == 404
    assert count_requests(vendor) == 0


@cases("task", ["x" * 65, "%20", "a%5Cb", "a%00b"])
def test_invalid_task_id_takes_nothing(vendor: Simulator, as_role: Any, task: str) -> None:
    answer = take(as_role("supervisor"), None, f"{API}/tasks/{task}/call-data/")
    assert answer.status_code in {404, 422}
    assert count_requests(vendor) == 0


def test_other_methods_than_post_take_nothing(vendor: Simulator, as_role: Any) -> None:
    client = as_role("admin")
    for address in (TAKE, f"{API}/call-data/", f"{API}/tasks/"):
        for method in (client.get, client.head, client.options):
            method(address)
        for method in (client.put, client.patch, client.delete):
            assert method(address).status_code == 405
    assert count_requests(vendor) == 0


def test_session_without_csrf_token_takes_nothing(vendor: Simulator, people: Any) -> None:
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(people["supervisor"])
    assert take(client).status_code == 403
    assert count_requests(vendor) == 0


def test_page_of_batches_needs_few_queries(
    vendor: Simulator, as_role: Any, django_assert_max_num_queries: Any
) -> None:
    client = as_role("supervisor")
    for count in (1, 2, 3):
        take(client, {"batch_count": count})
    client.get(f"{API}/call-data/")
    # Person, accesses; two looks for what was lost; batches and their number.
    with django_assert_max_num_queries(6):
        client.get(f"{API}/call-data/")
