"""Faults of the OBS interfaces, and whether the call took effect."""

from __future__ import annotations

from datetime import UTC, datetime
from http.client import HTTPException
from threading import Thread
from typing import Any

import pytest

from isales_proxy.simulator import (
    FETCH_TOKEN,
    LIST_OUTBOUND_TASKS,
    LOG_IN,
    PUSH_MID_RESULT,
    READ_CALL_DATA,
    REFRESH_TOKEN,
    Simulator,
)
from tests.support.obs_http import ObsHttp

NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)
TASK = "1106025109"
DONE = ["lose", "garbage"]


def ask_anyway(simulator: Simulator, question: str, *args: Any) -> None:
    """Send a request on a new connection, ignoring errors."""
    with ObsHttp(simulator.base_url, NOW) as http:
        http.token = simulator.tokens.issue()
        try:
            getattr(http, question)(*args)
        except (OSError, HTTPException, ValueError):
            return


@pytest.mark.parametrize("kind", ["reset", "status", "business"])
def test_nothing_is_executed_when_the_fault_comes_first(simulator: Simulator, kind: str) -> None:
    for operation in (READ_CALL_DATA, PUSH_MID_RESULT, FETCH_TOKEN, LOG_IN):
        simulator.faults.add(kind, operation=operation)
    ask_anyway(simulator, "callnos", 10)
    ask_anyway(simulator, "midresult")
    issued = simulator.tokens.issued
    ask_anyway(simulator, "fetch_token")
    ask_anyway(simulator, "log_in")
    # `ask_anyway` has a token issued each time; the faulty calls have added none.
    assert simulator.tokens.issued == issued + 2
    assert len(simulator.calls) == 4
    assert simulator.call_data.remaining(88, TASK) == 400
    assert len(simulator.write_backs) == 0


def test_refresh_token_survives_a_fault_that_comes_first(simulator: Simulator) -> None:
    token = simulator.tokens.issue(60, refresh=True)
    simulator.faults.add("reset", operation=REFRESH_TOKEN)
    ask_anyway(simulator, "refresh", token)
    assert simulator.tokens.is_valid(token, refresh=True)


@pytest.mark.parametrize("kind", DONE)
def test_call_is_executed_when_the_fault_comes_after(simulator: Simulator, kind: str) -> None:
    for operation in (READ_CALL_DATA, PUSH_MID_RESULT, FETCH_TOKEN):
        simulator.faults.add(kind, operation=operation)
    ask_anyway(simulator, "callnos", 10)
    ask_anyway(simulator, "midresult", "77")
    issued = simulator.tokens.issued
    ask_anyway(simulator, "fetch_token")
    assert simulator.tokens.issued == issued + 2
    assert simulator.call_data.remaining(88, TASK) == 390
    assert [body["uniqueId"] for body in simulator.write_backs] == ["77"]


def test_held_call_is_executed_before_it_waits(simulator: Simulator) -> None:
    simulator.faults.add("hold", operation=READ_CALL_DATA)
    thread = Thread(target=ask_anyway, args=(simulator, "callnos", 10))
    thread.start()
    try:
        assert simulator.calls.wait_for(1)
        assert simulator.call_data.remaining(88, TASK) == 390
    finally:
        simulator.faults.release()
        thread.join()


def test_envelope_faults_change_the_envelope(simulator: Simulator, obs: ObsHttp) -> None:
    def spoilt(kind: str, **options: Any) -> Any:
        simulator.faults.add(kind, operation=LIST_OUTBOUND_TASKS, **options)
        return obs.tasks().json

    assert spoilt("no_data") == {"result": 0}
    assert set(spoilt("no_codes")) == {"resultData"}
    assert spoilt("business") == {"result": "0200006", "resultDesc": "Database error."}
    assert spoilt("business", code="17", desc="No.") == {"result": 17, "resultDesc": "No."}
    assert spoilt("patch", fields={"resultData": None})["resultData"] is None


def test_write_backs_are_recorded_in_order_and_by_unique_id(
    simulator: Simulator, obs: ObsHttp
) -> None:
    for customer, status in (("77", "5"), ("78", "6"), ("77", "6")):
        assert obs.midresult(customer, status=status).json == {"result": 0}
    recorded = simulator.write_backs
    assert [body["uniqueId"] for body in recorded] == ["77", "78", "77"]
    assert [body["status"] for body in recorded.filter("77")] == ["5", "6"]
    assert recorded.wait_for(3)
    assert not recorded.wait_for(4, timeout=0)
    recorded.clear()
    assert len(recorded) == 0


def test_write_back_is_accepted_after_the_end_of_its_task(obs: ObsHttp) -> None:
    assert obs.midresult(serviceId="1106025114").json == {"result": 0}
    assert obs.midresult(serviceId="99").json["result"] == 1103
