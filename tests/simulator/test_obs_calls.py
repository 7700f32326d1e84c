"""What is kept of the OBS calls: all that a test may ask for, and no token or secret."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from isales_proxy.simulator import (
    DEMO_APP_KEY,
    DEMO_APP_SECRET,
    FETCH_TOKEN,
    LIST_OUTBOUND_TASKS,
    LOG_IN,
    PUSH_MID_RESULT,
    READ_CALL_DATA,
    REFRESH_TOKEN,
    Simulator,
)
from tests.support.obs_http import TASKS_PATH, TOKEN_PATH, ObsHttp

NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)


def test_every_operation_is_recorded(simulator: Simulator, obs: ObsHttp) -> None:
    obs.tasks()
    obs.callnos(3)
    obs.midresult("77")
    token = obs.log_in().json["resultData"]["refreshToken"]
    obs.refresh(token)
    assert [call.operation for call in simulator.calls] == [
        FETCH_TOKEN,
        LIST_OUTBOUND_TASKS,
        READ_CALL_DATA,
        PUSH_MID_RESULT,
        LOG_IN,
        REFRESH_TOKEN,
    ]
    assert all(call.verified and call.status == 200 for call in simulator.calls)
    assert [call.code for call in simulator.calls] == [None, "0", "0", "0", "0", "0"]
    assert [call.vdn for call in simulator.calls] == ["", "88", "88", "88", "", ""]
    assert simulator.calls[2].body == {
        "subCCNo": 1,
        "vdnId": 88,
        "serviceId": 1106025109,
        "batchCount": 3,
    }


def test_no_token_or_secret_is_kept(simulator: Simulator, obs: ObsHttp) -> None:
    obs.tasks()
    data = obs.log_in().json["resultData"]
    obs.refresh(data["refreshToken"])
    obs.post(TOKEN_PATH, DEMO_APP_SECRET.encode())
    obs.post(TOKEN_PATH, [DEMO_APP_SECRET])
    obs.post(TASKS_PATH, {}, {"Authorization": obs.token})
    obs.post(TASKS_PATH, {}, {"Authorization": f"bearer {obs.token}"})
    secrets = (obs.token, data["token"], data["refreshToken"], DEMO_APP_SECRET)
    for call in simulator.calls:
        kept = f"{call!r} {call.as_json()} {call.raw_body!r} {call.headers}"
        assert not [secret for secret in secrets if secret in kept]
    fetched, listed, logged_in, refreshed, *_, bare, lower = simulator.calls
    assert fetched.body == {"app_key": DEMO_APP_KEY}
    assert fetched.headers["x-token-expire"] == "3600"
    assert listed.headers["authorization"] == "Bearer ***"
    assert logged_in.body == {"user": DEMO_APP_KEY}
    assert refreshed.body == {}
    assert refreshed.headers["authentication"] == "Bearer ***"
    assert (bare.headers["authorization"], lower.headers["authorization"]) == ("***", "Bearer ***")


def test_a_refused_call_is_recorded_with_its_code(simulator: Simulator, obs: ObsHttp) -> None:
    obs.tasks(vdnId=88)
    assert (simulator.calls[-1].status, simulator.calls[-1].code) == (400, "02000006")
    obs.tasks(vdnId="77")
    assert (simulator.calls[-1].status, simulator.calls[-1].code) == (200, "1102")


def test_write_backs_are_kept_in_order_and_by_customer(simulator: Simulator, obs: ObsHttp) -> None:
    for customer, status in (("77", "5"), ("78", "6"), ("77", "6")):
        assert obs.midresult(customer, status=status).json == {"result": 0}
    kept = simulator.write_backs
    assert [body["uniqueId"] for body in kept] == ["77", "78", "77"]
    assert [body["status"] for body in kept.of("77")] == ["5", "6"]
    assert kept.of("79") == []
    assert kept.wait_for(3)
    assert not kept.wait_for(4, timeout=0)
    kept.clear()
    assert len(kept) == 0


def test_the_record_of_write_backs_is_bounded() -> None:
    from isales_proxy.simulator.write_backs import WriteBacks

    kept = WriteBacks(keep=2)
    for customer in ("1", "2", "3"):
        kept.add({"uniqueId": customer})
    assert [body["uniqueId"] for body in kept] == ["2", "3"]
    assert kept[-1] == {"uniqueId": "3"}
    assert kept[:1] == [{"uniqueId": "2"}]


@pytest.mark.parametrize("status", ["suspended", "completed"])
def test_results_may_come_after_the_end_of_a_task(obs: ObsHttp, status: str) -> None:
    task = {"suspended": "1106025112", "completed": "1106025114"}[status]
    assert obs.midresult(serviceId=task).json == {"result": 0}
    assert obs.midresult(serviceId="99").json["result"] == 1103
