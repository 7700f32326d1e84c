"""`Idempotency-Key`: a repeated request is carried out once, and marked as repeated."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from isales_proxy.models import (
    AuditAction,
    AuditEvent,
    BatchState,
    CallDataBatch,
    TokenScope,
    User,
    WriteBack,
    WriteBackState,
)
from isales_proxy.simulator import READ_CALL_DATA, Simulator
from tests.support.cases import cases
from tests.support.outbox import TASK
from tests.support.tokens import as_program

ADDRESS = "/api/v1/vdns/88/write-backs/"
TAKE = f"/api/v1/vdns/88/tasks/{TASK}/call-data/"
FIELDS = {"unique_id": "21713676089219765504", "service_id": TASK, "fail_code": "00604"}
PROBLEM = "application/problem+json"


@pytest.fixture
def client(vendor: Simulator, people: dict[str, User]) -> Client:
    return as_program(people["supervisor"], TokenScope.WRITE)


def post(client: Client, key: str | None, data: Any = FIELDS, address: str = ADDRESS) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(address, data, content_type="application/json", headers=headers)


def test_repeated_request_returns_the_same_write_back(client: Client) -> None:
    first, second = (post(client, "k 1") for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert first.headers["Location"] == second.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert WriteBack.objects.count() == 1
    assert AuditEvent.objects.filter(action=AuditAction.WRITE_BACK_QUEUED).count() == 1


def test_repeated_request_returns_the_current_state(client: Client) -> None:
    post(client, "k")
    WriteBack.objects.update(state=WriteBackState.DELIVERED)
    assert post(client, "k").json()["state"] == "delivered"


@cases("change", [{"fail_code": "00605"}, {"reservation": "1747"}])
def test_key_reused_with_another_body_is_refused(client: Client, change: dict[str, str]) -> None:
    post(client, "k")
    answer = post(client, "k", FIELDS | change)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == PROBLEM
    assert answer.json()["type"] == "urn:callboard:problem:idempotency-key-reused"
    assert WriteBack.objects.count() == 1


def test_refused_request_does_not_consume_its_key(client: Client) -> None:
    assert post(client, "k", FIELDS | {"device_type": 99}).status_code == 422
    assert post(client, "k").status_code == 201


def test_key_is_valid_per_person_and_vdn(client: Client, people: dict[str, User]) -> None:
    other = as_program(people["both"], TokenScope.WRITE)
    answers = [
        post(client, "k"),
        post(other, "k"),
        post(other, "k", address="/api/v1/vdns/89/write-backs/"),
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert WriteBack.objects.count() == 3
    # A second token of the same person is the same person.
    again = as_program(people["both"], TokenScope.WRITE)
    assert post(again, "k").headers["Idempotency-Replayed"] == "true"


@cases("key", ["", "x" * 129, "a\tb", "\x7f", "sch\xf6n", "a\x00b"])
@cases("address", [ADDRESS, TAKE])
def test_key_out_of_bounds_is_refused(client: Client, key: str, address: str) -> None:
    data = FIELDS if address == ADDRESS else {"batch_count": 1, "confirm": True}
    answer = client.post(address, data, content_type="application/json", HTTP_IDEMPOTENCY_KEY=key)
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["errors"]
    assert not WriteBack.objects.exists()
    assert not CallDataBatch.objects.exists()


def test_keys_in_header_and_body_must_be_equal(client: Client) -> None:
    assert post(client, "k", FIELDS | {"key": "k"}).status_code == 201
    assert post(client, None, FIELDS | {"key": "k"}).headers["Idempotency-Replayed"] == "true"
    assert post(client, "k", FIELDS | {"key": "l"}).status_code == 422
    assert WriteBack.objects.count() == 1


def test_call_data_is_taken_once_per_key(client: Client, vendor: Simulator) -> None:
    first, second = (post(client, "k", {"batch_count": 2, "confirm": True}, TAKE) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(vendor.calls.filter(READ_CALL_DATA)) == 1
    other = post(client, "k", {"batch_count": 3, "confirm": True}, TAKE)
    assert (other.status_code, other.headers["Content-Type"]) == (422, PROBLEM)
    assert (
        post(client, str(uuid.uuid4()), {"batch_count": 2, "confirm": True}, TAKE).status_code
        == 201
    )
    assert len(vendor.calls.filter(READ_CALL_DATA)) == 2


def test_batch_under_way_is_not_requested_again(client: Client, vendor: Simulator) -> None:
    post(client, "k", {"batch_count": 2, "confirm": True}, TAKE)
    CallDataBatch.objects.update(state=BatchState.ASKED)
    answer = post(client, "k", {"batch_count": 2, "confirm": True}, TAKE)
    assert answer.status_code == 409
    assert answer.json()["batch"] == CallDataBatch.objects.get().pk
    assert int(answer.headers["Retry-After"]) >= 1
    assert len(vendor.calls.filter(READ_CALL_DATA)) == 1


def test_reason_is_masked_in_the_answer_and_compared_unmasked(
    client: Client, vendor: Simulator, settings: Any
) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=frozenset())
    fields = {"batch_count": 1, "confirm": True, "reason": "asked by 13800001234"}
    first, again = (post(client, "k", fields, TAKE) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["reason"] == again.json()["reason"] == "asked by 138••••1234"
    assert post(client, "k", fields | {"reason": "asked by 13800009999"}, TAKE).status_code == 422
