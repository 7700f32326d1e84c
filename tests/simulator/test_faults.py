"""Scripted faults, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.client import RemoteDisconnected
from threading import Thread
from typing import Any

import pytest

from isales_proxy.simulator import LIST_RESERVATIONS, LIST_RESULT_CODES, Simulator
from isales_proxy.simulator.faults import Faults
from tests.support.cases import cases
from tests.support.signed_http import SignedHttp


def test_rule_applies_to_its_operation_from_the_given_call_on(
    simulator: Simulator, http: SignedHttp
) -> None:
    simulator.faults.add("status", status=500, operation=LIST_RESULT_CODES, from_call=2)
    assert http.reservations().status == 200
    assert http.codes().status == 200
    assert http.codes(2).status == 500
    assert http.codes(2).status == 200


def test_rules_apply_in_order_of_their_addition() -> None:
    faults = Faults()
    faults.add("reset")
    for_ever = faults.add("close", times=None)
    taken = [faults.take(LIST_RESERVATIONS) for _ in range(4)]
    assert [fault.name for fault in taken if fault] == ["reset", "close", "close", "close"]
    faults.remove(for_ever)
    assert faults.take(LIST_RESERVATIONS) is None
    faults.add("null")
    faults.clear()
    assert faults.take(LIST_RESERVATIONS) is None


@cases(
    "spec",
    [
        {"kind": "explode"},
        {"kind": "delay", "second": 1},
    ],
)
def test_unknown_fault_or_option_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="unknown"):
        Faults().add(**spec)


def started(question: Callable[[], Any]) -> tuple[Thread, list[Any]]:
    """Call in a thread; append the answer or the error to the list."""
    answers: list[Any] = []

    def send_request() -> None:
        try:
            answers.append(question())
        except OSError as error:
            answers.append(error)

    thread = Thread(target=send_request)
    thread.start()
    return thread, answers


def test_stop_ends_held_calls(simulator: Simulator, http: SignedHttp) -> None:
    simulator.faults.add("hold")
    thread, answers = started(http.reservations)
    assert simulator.calls.wait_for(1)
    simulator.stop()
    thread.join(timeout=5)
    assert [type(answer) for answer in answers] == [RemoteDisconnected]


def test_released_calls_are_answered(simulator: Simulator, http: SignedHttp) -> None:
    simulator.faults.add("hold", operation=LIST_RESERVATIONS)
    thread, answers = started(http.reservations)
    assert simulator.calls.wait_for(1)
    with SignedHttp(simulator.base_url, http.now) as other:
        assert other.reservations().status == 200
        assert answers == []
        simulator.faults.release()
    thread.join(timeout=5)
    assert answers[0].json["totalCount"] == 300


def test_reset_fault_resets_the_connection(simulator: Simulator, http: SignedHttp) -> None:
    simulator.faults.add("reset")
    with pytest.raises(ConnectionResetError) as raised:
        http.reservations()
    # RemoteDisconnected is a ConnectionResetError, too, but stands for an orderly end.
    assert not isinstance(raised.value, RemoteDisconnected)
    assert simulator.calls[0].status == 0


def test_close_fault_ends_the_connection_without_an_answer(
    simulator: Simulator, http: SignedHttp
) -> None:
    simulator.faults.add("close")
    with pytest.raises(RemoteDisconnected):
        http.reservations()


@cases(
    ("spec", "status", "header"),
    [
        ({"kind": "throttle", "retry_after": 7}, 429, ("Retry-After", "7")),
        (
            {"kind": "unauthorized", "status": 403},
            403,
            ("Content-Type", "text/plain; charset=UTF-8"),
        ),
        ({"kind": "redirect"}, 302, ("Location", "/")),
        ({"kind": "status", "status": 404}, 404, ("Content-Type", "text/plain")),
    ],
)
def test_status_faults_send_their_status_and_header(
    simulator: Simulator,
    http: SignedHttp,
    spec: dict[str, Any],
    status: int,
    header: tuple[str, str],
) -> None:
    simulator.faults.add(**spec)
    reply = http.reservations()
    assert reply.status == simulator.calls[-1].status == status
    assert reply.headers[header[0]] == header[1]
    assert http.reservations().status == 200


def test_gzip_fault_sends_a_body_that_is_no_json(simulator: Simulator, http: SignedHttp) -> None:
    simulator.faults.add("gzip")
    reply = http.reservations()
    assert reply.status == 200
    assert reply.headers["Content-Encoding"] == "gzip"
    with pytest.raises(ValueError, match=r".+"):
        json.loads(reply.body)


def test_huge_answer_can_lack_a_content_length(simulator: Simulator, http: SignedHttp) -> None:
    simulator.faults.add("huge", size=300_000, declared=False)
    reply = http.reservations()
    assert "Content-Length" not in reply.headers
    assert len(reply.body) == 300_000
    assert reply.json["totalCount"] == 300


def test_envelope_faults_change_the_envelope(simulator: Simulator, http: SignedHttp) -> None:
    def spoilt(kind: str, **options: Any) -> Any:
        simulator.faults.add(kind, **options)
        return http.reservations().json

    assert spoilt("wrong_total")["totalCount"] == 301
    assert "data" not in spoilt("no_data")
    none = spoilt("no_codes")
    assert "resultCode" not in none
    assert "returnCode" not in none
    one = spoilt("no_codes", drop=("resultCode",))
    assert "resultCode" not in one
    assert one["returnCode"] == "0200000"
    refused = spoilt("business", code="0200006", desc="Database error.")
    assert refused["resultCode"] == refused["returnCode"] == "0200006"
    assert "data" not in refused
    assert spoilt("patch", fields={"data": {}})["data"] == {}
