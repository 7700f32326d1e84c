"""Changes of rows while the simulator runs: by hand, and over time in a demo."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from isales_proxy.simulator import Simulator
from isales_proxy.simulator.demo_data import Life
from tests.support.signed_http import SignedHttp

NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)  # of the fixtures
MINUTE = 60_000
NOW_MS = int(NOW.timestamp() * 1000)


def by_id(simulator: Simulator) -> dict[str, dict[str, Any]]:
    now_ms = int(simulator.now().timestamp() * 1000)
    return {row["appointId"]: row for row in simulator.dataset(88).shown(now_ms)}


def test_rows_can_be_added_moved_handed_over_finished_and_renamed(
    simulator: Simulator, http: SignedHttp
) -> None:
    rows = simulator.dataset(88)
    rows.add([{"appointId": "51", "calledNo": "70002", "taskId": "4711", "appointTime": NOW_MS}])
    assert http.reservations(taskId="4711", userAccountList=["117"]).json["data"] == []
    rows.move("51", NOW_MS + MINUTE)
    rows.hand_over("51", "117", "Ana")
    rows.finish("51", NOW_MS, NOW_MS + 1, fail_code="00603")
    rows.change("51", {"taskName": "Winback"})
    found = http.reservations(taskId="4711", userAccountList=["117"], endTime=NOW_MS + MINUTE).json
    assert found["data"] == [
        {
            "appointId": "51",
            "calledNo": "70002",
            "taskId": "4711",
            "taskName": "Winback",
            "appointTime": NOW_MS + MINUTE,
            "userAccount": "117",
            "userName": "Ana",
            "beginTime": NOW_MS,
            "endTime": NOW_MS + 1,
            "failCode": "00603",
            "result": None,
            "busiResult": None,
            "callFlag": "2",
            "timeout": False,
        }
    ]


def test_removed_rows_can_be_put_back_unchanged(simulator: Simulator, http: SignedHttp) -> None:
    first = http.reservations(limit=1).json["data"][0]
    rows = simulator.dataset(88)
    removed = rows.remove(first["appointId"])
    gone = http.reservations(limit=1).json
    assert (gone["totalCount"], gone["data"][0] == first) == (299, False)
    with pytest.raises(KeyError):
        rows.move(first["appointId"], NOW_MS)
    rows.add_rows(removed)
    assert http.reservations(limit=1).json["data"] == [first]


def test_changed_fields_override_the_plan_of_a_row() -> None:
    simulator = Simulator(rows=300, now=lambda: NOW)
    rows = simulator.dataset(88)
    row = next(row for row in rows.select({}) if row.start_ms and row.start_ms > NOW_MS)
    key = row.text("appointId")
    rows.finish(key, NOW_MS - 2, NOW_MS - 1)
    rows.hand_over(key, None, None)
    shown = by_id(simulator)[key]
    assert (shown["endTime"], shown["callFlag"], shown["userAccount"]) == (NOW_MS - 1, "2", None)


def test_changing_demo_always_has_rows_of_every_state() -> None:
    moment = NOW
    simulator = Simulator(rows=500, now=lambda: moment, vdns=(88,))
    life = Life(simulator.dataset(88), 88)
    before = by_id(simulator)
    for minutes in range(180):
        moment = NOW + timedelta(minutes=minutes)
        now_ms, kinds = NOW_MS + minutes * MINUTE, set()
        life.step(now_ms)
        for row in simulator.dataset(88).shown(now_ms):
            ahead = int(row["appointTime"] or 0) - now_ms
            if row.get("failCode"):
                kinds.add("done" if row["failCode"] == "00000" else "failed")
            elif row.get("beginTime"):
                kinds.add("being called")
            elif -120 * MINUTE < ahead < -MINUTE:
                kinds.add("overdue")
            elif 0 < ahead <= 5 * MINUTE and row["callType"] == "2":
                kinds.add("dialling")
            elif 0 < ahead <= 15 * MINUTE:
                kinds.add("soon")
        assert kinds >= {"done", "failed", "overdue", "dialling", "soon"}
        assert len(simulator.dataset(88)) <= 500
    after = by_id(simulator)
    assert before.keys() - after.keys()
    assert after.keys() - before.keys()
    both = [(before[key], after[key]) for key in before.keys() & after.keys()]
    assert any(old["appointTime"] != new["appointTime"] for old, new in both)
    assert any(old.get("userAccount") != new.get("userAccount") for old, new in both)
