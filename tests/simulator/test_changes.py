"""Rows change while the simulator runs: by hand, and by the life of the demo."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from isales_proxy.simulator import ListBehaviour, Simulator
from isales_proxy.simulator.dataset import Dataset
from isales_proxy.simulator.life import Life
from tests.support.signed_http import SignedHttp

NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)  # of the fixtures
MINUTE = 60_000
NOW_MS = int(NOW.timestamp() * 1000)


def by_id(simulator: Simulator) -> dict[str, dict[str, Any]]:
    return {row["appointId"]: row for row in simulator.shown(88)}


def test_rows_can_be_added_moved_handed_over_finished_and_renamed(
    simulator: Simulator, http: SignedHttp
) -> None:
    rows = simulator.dataset(88)
    (unnamed,) = rows.add([{"calledNo": "70001", "taskId": "4711", "appointTime": NOW_MS}])
    rows.add([{"appointId": "51", "calledNo": "70002", "taskId": "4711", "appointTime": NOW_MS}])
    rows.move("51", NOW_MS + MINUTE)
    rows.hand_over("51", "117", "Ana")
    rows.finish("51", NOW_MS, NOW_MS + 1, fail_code="00603", busiResult="A > B")
    assert rows.rename_task("4711", "Winback") == 2
    rows.change(unnamed, {"callerNo": "9"}, drop=["calledNo"])
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
            "busiResult": "A > B",
            "callFlag": "2",
            "timeout": False,
        }
    ]
    whole = http.reservations(taskId="4711", beginTime=NOW_MS, endTime=NOW_MS).json
    assert whole["data"] == [
        {"taskId": "4711", "taskName": "Winback", "appointTime": NOW_MS, "callerNo": "9"}
    ]


def test_removed_rows_can_be_put_back_unchanged(simulator: Simulator, http: SignedHttp) -> None:
    first = http.reservations(limit=1).json["data"][0]
    rows = simulator.dataset(88)
    rows.remove(first["appointId"])
    gone = http.reservations(limit=1).json
    assert (gone["totalCount"], gone["data"][0] == first) == (299, False)
    with pytest.raises(KeyError):
        rows.move(first["appointId"], NOW_MS)
    rows.put_back(first["appointId"])
    assert http.reservations(limit=1).json["data"] == [first]


def test_filters_match_a_plain_search_after_many_changes() -> None:
    rng = random.Random(7)
    rows, removed = Dataset(anchor_ms=NOW_MS), list[int]()
    present = rows.add({"appointId": str(i), "userAccount": "1"} for i in range(30))
    for _ in range(400):
        key = rng.choice(present)
        match rng.randrange(5):
            case 0:
                rows.move(key, rng.choice([None, NOW_MS + rng.randrange(9)]))
            case 1:
                rows.hand_over(key, rng.choice(["1", "2", None]), None)
            case 2:
                rows.change(key, {"calledNo": str(rng.randrange(20)), "createTime": NOW_MS})
            case 3 if len(present) > 9:
                rows.remove(key)
                present.remove(key)
                removed.append(key)
            case 4 if removed:
                present.append(removed.pop())
                rows.put_back(present[-1])
        begin = NOW_MS + rng.randrange(9)
        wanted = {"userAccountList": [rng.choice("12")], "beginTime": begin, "endTime": begin + 4}
        fitting = [
            (row["appointTime"], row["appointId"])
            for row in rows.shown(NOW_MS)
            if row["userAccount"] in wanted["userAccountList"]
            and begin <= (row.get("appointTime") or 0) <= begin + 4
        ]
        by_time = ListBehaviour(order="appointTime")
        found = [(row.appoint_ms, row.text("appointId")) for row in rows.select(wanted, by_time)]
        assert found == sorted(fitting)
        number = [row for row in rows.shown(NOW_MS) if "1" in row.get("calledNo", "")]
        assert len(rows.select({"calledNo": "1"})) == len(number)
        assert len(rows.select({}, by_time)) == len(rows) == len(present)


def test_planned_call_moves_with_its_row() -> None:
    moment = NOW
    simulator = Simulator(rows=300, now=lambda: moment)
    rows = simulator.dataset(88)
    row = next(
        row for row in rows.rows if not row.anomaly and row.start_ms and row.start_ms > NOW_MS
    )
    assert row.start_ms is not None
    assert row.appoint_ms is not None
    key = row.text("appointId")
    rows.move(key, row.appoint_ms + 30 * MINUTE, now_ms=NOW_MS)
    moment = NOW + timedelta(milliseconds=row.start_ms - NOW_MS + 29 * MINUTE)
    assert by_id(simulator)[key]["beginTime"] is None
    moment += timedelta(minutes=1)
    assert by_id(simulator)[key]["beginTime"] == row.start_ms + 30 * MINUTE


def test_changing_demo_always_has_rows_of_every_state() -> None:
    moment = NOW
    simulator = Simulator(rows=500, now=lambda: moment, vdns=(88,))
    life = Life(simulator.reservations, (88,), seed=3)
    before = by_id(simulator)
    for minutes in range(180):
        moment = NOW + timedelta(minutes=minutes)
        life.step()
        now_ms, kinds = NOW_MS + minutes * MINUTE, set()
        for row in simulator.shown(88):
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
