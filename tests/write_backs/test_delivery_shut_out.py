"""Delivery when the vendor rejects a call before it looks at the result."""

from __future__ import annotations

from typing import Any

import pytest

from isales_proxy.models import User, WriteBack, WriteBackState
from isales_proxy.simulator import FETCH_TOKEN, PUSH_MID_RESULT, Simulator
from tests.support.cases import cases
from tests.support.outbox import Outbox, scope_of

WAITING, DELIVERED = WriteBackState.WAITING, WriteBackState.DELIVERED


@pytest.fixture
def outbox(vendor: Simulator, people: dict[str, User]) -> Outbox:
    return Outbox(scope_of(people["supervisor"]))


def state(row: WriteBack) -> str:
    row.refresh_from_db()
    return str(row.state)


def test_refused_credentials_keep_results_waiting(outbox: Outbox, vendor: Simulator) -> None:
    vendor.faults.add("unauthorized", operation=FETCH_TOKEN, times=None)
    row = outbox.write()
    outbox.deliver()
    attempt = row.journal.get()
    assert (attempt.outcome, attempt.maybe_sent) == ("credentials_refused", False)
    vendor.faults.clear()
    outbox.later(seconds=10)
    outbox.deliver()
    assert state(row) == DELIVERED


@cases(
    ("operation", "fault"),
    [
        (PUSH_MID_RESULT, {"status": 404, "body": "<html>"}),
        (PUSH_MID_RESULT, {"status": 400, "body": '{"error_msg": "no such path"}'}),
        (FETCH_TOKEN, {"status": 404}),
    ],
)
def test_wrong_address_pauses_deliveries_until_it_is_fixed(
    outbox: Outbox, vendor: Simulator, operation: str, fault: dict[str, Any]
) -> None:
    vendor.faults.add("status", operation=operation, times=None, **fault)
    first, second = outbox.write("a"), outbox.write("b")
    assert outbox.deliver().refused == 0
    assert (state(first), state(second)) == (WAITING, WAITING)
    assert outbox.outcomes(first) == ["misdirected"]
    assert outbox.outcomes(second) == []
    outbox.later(seconds=10)
    outbox.deliver()
    assert state(first) == WAITING
    vendor.faults.clear()
    outbox.later(minutes=2)
    assert outbox.deliver().delivered == 2


def test_vendor_refusal_counts_with_any_http_status(outbox: Outbox, vendor: Simulator) -> None:
    body = '{"result": 1017, "resultDesc": "No such task."}'
    vendor.faults.add("status", operation=PUSH_MID_RESULT, status=404, body=body)
    row = outbox.write()
    assert outbox.deliver().refused == 1
    assert (state(row), row.problem) == (WriteBackState.REFUSED, "No such task.")
