"""Every scripted fault does what it is named for, on the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.client import IncompleteRead, RemoteDisconnected
from threading import Thread
from typing import Any

import pytest

from isales_proxy.simulator import LIST_RESERVATIONS, LIST_RESULT_CODES, Simulator
from isales_proxy.simulator.faults import KINDS, Faults
from tests.support.signed_http import SignedHttp


def test_a_rule_is_used_up_and_the_next_call_is_fine(
    simulator: Simulator, http: SignedHttp
) -> None:
    simulator.faults.add("status", status=503, times=2)
    assert [http.reservations().status for _ in range(3)] == [503, 503, 200]
    assert [call.fault for call in simulator.calls] == ["status", "status", None]
    assert simulator.faults.pending() == []


def test_rules_match_an_operation_and_wait_for_their_call(
    simulator: Simulator, http: SignedHttp
) -> None:
    simulator.faults.add("status", status=500, operation=LIST_RESULT_CODES, from_call=2)
    assert http.reservations().status == 200
    assert http.codes().status == 200
    assert http.codes(2).status == 500
    assert http.codes(2).status == 200


def test_rules_queue_up_oldest_first() -> None:
    faults = Faults()
    faults.add("reset")
    for_ever = faults.add("close", times=None)
    taken = [faults.take(LIST_RESERVATIONS) for _ in range(4)]
    assert [fault.kind for fault in taken if fault] == ["reset", "close", "close", "close"]
    faults.remove(for_ever)
    assert faults.take(LIST_RESERVATIONS) is None
    faults.add("null")
    faults.clear()
    assert faults.take(LIST_RESERVATIONS) is None


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "explode"},
        {"kind": "delay", "second": 1},
        {"kind": "delay", "seconds": "1"},
        {"kind": "delay", "seconds": -1},
        {"kind": "status", "status": True},
        {"kind": "reset", "operation": "appoint"},
        {"kind": "reset", "times": 0},
        {"kind": "reset", "times": True},
        {"kind": "reset", "from_call": 0},
        {"kind": "drip", "chunk": 0},
        {"kind": "no_codes", "drop": "all"},
    ],
)
def test_nonsense_is_refused_when_it_is_scripted(spec: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Faults().add(**spec)


def test_delay_answers_rightly(simulator: Simulator, http: SignedHttp) -> None:
    simulator.faults.add("delay", seconds=0.01)
    assert http.reservations().json["resultCode"] == "0200000"


def started(question: Callable[[], Any]) -> tuple[Thread, list[Any]]:
    """Ask in a thread; the list gets the answer, or the error."""
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(question())
        except OSError as error:
            answers.append(error)

    thread = Thread(target=ask)
    thread.start()
    return thread, answers


@pytest.mark.parametrize("fault", [{"kind": "delay", "seconds": 3600}, {"kind": "hold"}])
def test_a_stop_ends_calls_that_are_delayed_or_held(
    simulator: Simulator, http: SignedHttp, fault: dict[str, Any]
) -> None:
    simulator.faults.add(**fault)
    thread, answers = started(http.reservations)
    assert simulator.calls.wait_for(1)
    simulator.stop()
    thread.join(timeout=5)
    assert [type(answer) for answer in answers] == [RemoteDisconnected]


def test_held_calls_go_on_when_they_are_released(simulator: Simulator, http: SignedHttp) -> None:
    simulator.faults.add("hold", operation=LIST_RESERVATIONS)
    thread, answers = started(http.reservations)
    assert simulator.calls.wait_for(1)
    with SignedHttp(simulator.base_url, http.now) as other:
        assert other.reservations().status == 200
        assert answers == []
        other.control("POST", "/__sim__/release")
    thread.join(timeout=5)
    assert answers[0].json["totalCount"] == 300


def test_waiting_for_calls_that_do_not_come_ends(simulator: Simulator) -> None:
    assert simulator.calls.wait_for(1, timeout=0) is False


def test_reset_resets(simulator: Simulator, http: SignedHttp) -> None:
    simulator.faults.add("reset")
    with pytest.raises(ConnectionResetError) as raised:
        http.reservations()
    # RemoteDisconnected is a ConnectionResetError, too, but stands for an orderly end.
    assert not isinstance(raised.value, RemoteDisconnected)
    assert simulator.calls[0].status == 0


def test_close_ends_without_an_answer(simulator: Simulator, http: SignedHttp) -> None:
    simulator.faults.add("close")
    with pytest.raises(RemoteDisconnected):
        http.reservations()


@pytest.mark.parametrize(
    ("spec", "status", "header"),
    [
        ({"kind": "throttle", "retry_after": 7}, 429, ("Retry-After", "7")),
        ({"kind": "throttle", "retry_after": 2, "status": 503}, 503, ("Retry-After", "2")),
        (
            {"kind": "throttle", "retry_after": "Mon, 02 Jun 2025 08:00:30 GMT"},
            429,
            ("Retry-After", "Mon, 02 Jun 2025 08:00:30 GMT"),
        ),
        ({"kind": "throttle", "retry_after": None}, 429, ("Retry-After", None)),
        ({"kind": "unauthorized"}, 401, ("Content-Type", "text/plain; charset=UTF-8")),
        ({"kind": "unauthorized", "status": 403}, 403, ("Content-Type", None)),
        ({"kind": "redirect", "location": "http://127.0.0.1:9/"}, 302, ("Location", None)),
        ({"kind": "status", "status": 404}, 404, ("Content-Type", "text/plain")),
    ],
)
def test_statuses(
    simulator: Simulator,
    http: SignedHttp,
    spec: dict[str, Any],
    status: int,
    header: tuple[str, str | None],
) -> None:
    simulator.faults.add(**spec)
    reply = http.reservations()
    assert reply.status == simulator.calls[0].status == status
    name, value = header
    if value is not None:
        assert reply.headers[name] == value
    elif name == "Retry-After":
        assert name not in reply.headers
    assert http.reservations().status == 200


@pytest.mark.parametrize("kind", ["garbage", "html", "gzip"])
def test_bodies_that_are_no_json(simulator: Simulator, http: SignedHttp, kind: str) -> None:
    simulator.faults.add(kind)
    reply = http.reservations()
    assert reply.status == 200
    assert (reply.headers.get("Content-Encoding") == "gzip") is (kind == "gzip")
    with pytest.raises(ValueError, match=r".+"):
        json.loads(reply.body)
    assert simulator.calls[0].code is None


def test_null_is_json_but_nothing(simulator: Simulator, http: SignedHttp) -> None:
    simulator.faults.add("null")
    assert http.reservations().body == b"null"


def test_half_a_body(simulator: Simulator, http: SignedHttp) -> None:
    simulator.faults.add("half_body")
    with pytest.raises(IncompleteRead):
        http.reservations()


def test_a_drip_arrives_whole(simulator: Simulator, http: SignedHttp) -> None:
    simulator.faults.add("drip", chunk=3, interval=0, limit=30)
    assert http.reservations().json["totalCount"] == 300


@pytest.mark.parametrize("declared", [True, False])
def test_huge_answers(simulator: Simulator, http: SignedHttp, declared: bool) -> None:
    simulator.faults.add("huge", size=300_000, declared=declared)
    reply = http.reservations()
    assert ("Content-Length" in reply.headers) is declared
    assert len(reply.body) == 300_000
    assert reply.json["totalCount"] == 300


def test_faults_in_the_envelope(simulator: Simulator, http: SignedHttp) -> None:
    def spoilt(kind: str, **options: Any) -> Any:
        simulator.faults.add(kind, **options)
        return http.reservations().json

    assert spoilt("wrong_total")["totalCount"] == 301
    assert spoilt("wrong_total", delta=-5)["totalCount"] == 295
    assert spoilt("wrong_total", total="many")["totalCount"] == "many"
    assert "data" not in spoilt("no_data")
    none = spoilt("no_codes")
    assert "resultCode" not in none
    assert "returnCode" not in none
    one = spoilt("no_codes", drop="resultCode")
    assert "resultCode" not in one
    assert one["returnCode"] == "0200000"
    refused = spoilt("business", code="0200006", desc="Database error.")
    assert refused["resultCode"] == refused["returnCode"] == "0200006"
    assert "data" not in refused
    assert simulator.calls[-1].code == "0200006"
    assert spoilt("patch", fields={"data": {}})["data"] == {}


def test_no_data_takes_the_codes_away_as_well(simulator: Simulator, http: SignedHttp) -> None:
    simulator.faults.add("no_data")
    assert "obsCodes" not in http.codes().json


@pytest.mark.parametrize(("by", "distinct"), [(3, 197), (-3, 197)])
def test_rows_shift_between_pages(
    simulator: Simulator, http: SignedHttp, by: int, distinct: int
) -> None:
    simulator.faults.add("shift", by=by, grow=2, times=None)
    pages = [http.reservations(limit=100, offset=offset).json for offset in (0, 100)]
    assert [page["totalCount"] for page in pages] == [300, 302]
    ids = [row["appointId"] for page in pages for row in page["data"]]
    plain = [row.appoint_id for row in simulator.dataset(88).rows]
    assert ids == plain[:100] + plain[100 + by : 200 + by]
    assert len(set(ids) & set(plain[:200])) == distinct


def test_every_kind_is_listed_in_the_docstring() -> None:
    from isales_proxy.simulator import faults

    listed = {line.split()[0] for line in (faults.__doc__ or "").splitlines() if line.split()}
    assert listed >= KINDS
