"""Write-backs in the JSON API: the form, the outbox and the permissions of the pages."""

from __future__ import annotations

from typing import Any

from isales_proxy.models import User, WriteBack, WriteBackState
from isales_proxy.simulator import PUSH_MID_RESULT, Simulator
from tests.support.cases import cases
from tests.support.outbox import TASK, Outbox, scope_of

ADDRESS = "/api/v1/vdns/88/write-backs/"
FIELDS = {
    "unique_id": "21713676089219765504",
    "service_id": TASK,
    "fail_code": "00604",
    "device_type": 5,
    "write_start_time": "2025-05-31T14:30:00+08:00",
    "end_call_time": "2025-05-31T06:30:12Z",
}


def post(client: Any, address: str = ADDRESS, data: Any = None) -> Any:
    return client.post(address, data, content_type="application/json")


def test_write_back_is_stored_and_returned_with_the_body_to_send(
    vendor: Simulator, as_role: Any
) -> None:
    client = as_role("supervisor")
    answer = post(client, data=FIELDS | {"phone_number": "158 0000-0001", "reservation": "1747"})
    assert answer.status_code == 201
    body = answer.json()
    assert body["body"] == {
        "subCCNo": 1,
        "vdnId": 88,
        "uniqueId": "21713676089219765504",
        "serviceId": TASK,
        "deviceType": 5,
        "phoneNumber": "15800000001",
        "failCode": "00604",
        "writeStartTime": "2025-05-31 06:30:00",
        "endCallTime": "2025-05-31 06:30:12",
    }
    assert (body["state"], body["attempts"], body["journal"]) == ("waiting", 0, [])
    assert (body["created_by"], body["reservation"]) == ("supervisor", "1747")
    assert body["fail_code_text"]
    assert body["created_at"].endswith("Z")
    assert client.get(answer.headers["Location"]).json() == body
    assert "no-store" in answer.headers["Cache-Control"]


def test_same_key_returns_the_same_write_back(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    ids = {post(client, data=FIELDS | {"key": "mine"}).json()["id"] for _ in range(2)}
    assert len(ids) == 1
    other = post(client, data=FIELDS | {"key": "mine", "unique_id": "2"})
    assert other.status_code == 409
    assert other.headers["Content-Type"] == "application/problem+json"
    assert len({post(client, data=FIELDS).json()["id"] for _ in range(2)} | ids) == 3


@cases(
    ("change", "field"),
    [
        ({"unique_id": ""}, "unique_id"),
        ({"unique_id": "x" * 129}, "unique_id"),
        ({"service_id": None}, "service_id"),
        ({"fail_code": "99999"}, "fail_code"),
        ({"fail_code": 604}, "fail_code"),
        ({"device_type": 4}, "device_type"),
        ({"device_type": True}, "device_type"),
        ({"status": "s" * 33}, "status"),
        ({"phone_number": "call me"}, "phone_number"),
        ({"call_id": "a\nb"}, "call_id"),
        ({"write_start_time": "2025-05-31T14:30:00"}, "write_start_time"),
        ({"write_start_time": "2025-05-31"}, "write_start_time"),
        ({"write_start_time": "yesterday"}, "write_start_time"),
        ({"write_start_time": 1748673000000}, "write_start_time"),
        ({"end_call_time": "2025-05-31T06:29:59Z"}, "end_call_time"),
        ({"fetch_time": "2025-05-31T06:30:01Z"}, "write_start_time"),
        ({"end_call_time": "2098-01-01T00:00:00Z"}, "end_call_time"),
        ({"colour": "red"}, "colour"),
        ({"key": "k" * 65}, "key"),
        ({"key": ["k"]}, "key"),
    ],
)
def test_invalid_value_is_refused_with_its_field(
    vendor: Simulator, as_role: Any, change: dict[str, Any], field: str
) -> None:
    answer = post(as_role("supervisor"), data=FIELDS | change)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert list(answer.json()["errors"]) == [field]
    assert not WriteBack.objects.exists()


@cases("data", [[], '"text"', [1, 2], None])
def test_body_other_than_an_object_is_refused(vendor: Simulator, as_role: Any, data: Any) -> None:
    assert post(as_role("supervisor"), data=data).status_code == 422


def test_invalid_json_is_refused(vendor: Simulator, as_role: Any) -> None:
    assert post(as_role("supervisor"), data="{").status_code == 400


def test_list_is_filtered_counted_and_paged(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    outbox = Outbox(scope_of(people["supervisor"]))
    vendor.faults.add("business", operation=PUSH_MID_RESULT, code="1017", desc="No such task.")
    rows = [outbox.write(f"u-{number}", phone_number=f"1580000{number}") for number in range(3)]
    outbox.deliver()
    outbox.write("u-3")
    client = as_role("auditor")
    found = client.get(ADDRESS, {"size": 2}).json()
    assert [row["unique_id"] for row in found["results"]] == ["u-3", "u-2"]
    assert (found["count"], found["page"], found["size"]) == (4, 1, 2)
    assert found["counts"] == {
        "waiting": 1,
        "delivered": 2,
        "refused": 1,
        "given-up": 0,
        "cancelled": 0,
    }
    (refused,) = client.get(ADDRESS, {"state": "refused"}).json()["results"]
    assert (refused["id"], refused["vendor_code"], refused["problem"]) == (
        rows[0].pk,
        "1017",
        "No such task.",
    )
    assert refused["next_at"] is None
    for wanted in ("U-1", "15800001"):
        assert client.get(ADDRESS, {"q": wanted}).json()["count"] == 1
    assert client.get(ADDRESS, {"task": "4711"}).json()["count"] == 0
    assert client.get(ADDRESS, {"state": "lost"}).status_code == 422


def test_single_write_back_has_its_journal(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    outbox = Outbox(scope_of(people["supervisor"]))
    vendor.faults.add("lose", operation=PUSH_MID_RESULT)
    row = outbox.write()
    outbox.deliver()
    outbox.later(seconds=9)
    outbox.deliver()
    journal = as_role("auditor").get(f"{ADDRESS}{row.pk}/").json()["journal"]
    assert [(line["number"], line["outcome"], line["maybe_sent"]) for line in journal] == [
        (1, "unreachable", True),
        (2, "ok", True),
    ]


def test_write_back_is_cancelled_and_retried(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    row = Outbox(scope_of(people["supervisor"])).write()
    client = as_role("admin")
    cancelled = post(client, f"{ADDRESS}{row.pk}/cancel/")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    again = post(client, f"{ADDRESS}{row.pk}/cancel/")
    assert again.status_code == 409
    assert again.json()["detail"] == "Only a waiting write-back can be cancelled."
    assert post(client, f"{ADDRESS}{row.pk}/retry/").json()["state"] == "waiting"
    assert post(client, f"{ADDRESS}{row.pk}/retry/").status_code == 409
    row.refresh_from_db()
    assert row.state == WriteBackState.WAITING


@cases("role", ["agent", "auditor"])
def test_agents_and_auditors_cannot_change_write_backs(
    vendor: Simulator, as_role: Any, people: dict[str, User], role: str
) -> None:
    row = Outbox(scope_of(people["supervisor"])).write()
    client = as_role(role)
    assert post(client, data=FIELDS).status_code == 403
    for action in ("retry", "cancel"):
        assert post(client, f"{ADDRESS}{row.pk}/{action}/").status_code == 403
    seen = 403 if role == "agent" else 200
    assert client.get(ADDRESS).status_code == seen
    assert client.get(f"{ADDRESS}{row.pk}/").status_code == seen


def test_write_backs_of_another_vdn_are_not_found(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    row = Outbox(scope_of(people["supervisor"])).write()
    client = as_role("both")
    assert client.get(f"/api/v1/vdns/89/write-backs/{row.pk}/").status_code == 404
    for action in ("retry", "cancel"):
        assert post(client, f"/api/v1/vdns/89/write-backs/{row.pk}/{action}/").status_code == 404
    assert post(as_role("supervisor"), "/api/v1/vdns/89/write-backs/", FIELDS).status_code == 404


def test_answers_have_the_documented_fields(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    outbox = Outbox(scope_of(people["supervisor"]))
    row = outbox.write()
    outbox.deliver()
    client = as_role("supervisor")
    found = client.get("/api/schema/", {"format": "json"}).json()
    shapes = found["components"]["schemas"]
    story = client.get(f"{ADDRESS}{row.pk}/").json()
    assert set(story) == set(shapes["WriteBackWithJournal"]["properties"])
    assert set(story["journal"][0]) == set(shapes["AttemptBody"]["properties"])
    listed = client.get(ADDRESS).json()
    assert set(listed) == set(shapes["WriteBackPage"]["properties"])
    assert set(listed["results"][0]) == set(shapes["WriteBackBody"]["properties"])
    assert set(listed["counts"]) == {state.value for state in WriteBackState}
    assert set(found["paths"]["/api/v1/vdns/{vdn_id}/write-backs/"]) == {"get", "post"}
