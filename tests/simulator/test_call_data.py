"""Generated call data, with anomalies, handed out once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from isales_proxy.simulator import Simulator
from isales_proxy.simulator.demo_data import generate_call_data, roster_of
from isales_proxy.simulator.reservations import RawRow
from tests.support.obs_http import ObsHttp

NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
TASK = "1106025109"


def made(vdn: int = 88, task: str = TASK) -> list[RawRow]:
    return generate_call_data((vdn, task), 400, NOW_MS)


def id_of(row: RawRow) -> str:
    return str(row.get("uniqueId") or row.get("uiqueId"))


def lists_of_numbers(rows: list[RawRow]) -> list[list[object]]:
    return [numbers for row in rows if isinstance(numbers := row["phoneNumber"], list)]


def rows_of(reply: Any) -> list[RawRow]:
    assert reply.json["result"] == 0
    return list(reply.json["resultData"]["taskData"])


def test_call_data_is_determined_by_vdn_and_task() -> None:
    first = made()
    assert made() == first
    for other in (made(89), made(88, "1106025110")):
        assert not {id_of(row) for row in other} & {id_of(row) for row in first}


def test_every_anomaly_occurs() -> None:
    rows = made()
    assert any(isinstance(row["phoneNumber"], str) for row in rows)
    assert any(type(numbers[0]) is int for numbers in lists_of_numbers(rows))
    assert any("：" in str(row.get("ieData")) for row in rows)
    assert any(row.get("ieData") == "xxx" for row in rows)
    assert any("ieData" not in row for row in rows)
    assert any(row["callData"] is None for row in rows)
    assert any(type(row["version"]) is int for row in rows)
    assert any("extInfo" in row for row in rows)


def test_tasks_are_those_of_running_reservations_and_one_more(
    obs: ObsHttp,
) -> None:
    for vdn in (88, 89):
        found = [row["serviceId"] for row in rows_of(obs.tasks(vdnId=str(vdn)))]
        tasks = roster_of(vdn)["tasks"]
        assert found[:-1] == [task for task, _, status, _ in tasks if status == "2"]
        assert found[-1] not in {task[0] for task in tasks}


def test_row_is_handed_out_once(simulator: Simulator, obs: ObsHttp) -> None:
    seen: list[str] = []
    for count in (1, 150, 200, 200):
        seen += [id_of(row) for row in rows_of(obs.callnos(count))]
    assert len(seen) == len(set(seen)) == 400
    assert simulator.call_data.remaining(88, TASK) == 0
    assert obs.callnos(10).json == {"result": 0, "resultData": {"taskData": []}}


def test_no_row_is_handed_out_twice_to_eight_parallel_clients(simulator: Simulator) -> None:
    def take(_: int) -> list[str]:
        with ObsHttp(simulator.base_url, NOW) as http:
            return [id_of(row) for _ in range(10) for row in rows_of(http.callnos(7))]

    with ThreadPoolExecutor(8) as pool:
        seen = [text for part in pool.map(take, range(8)) for text in part]
    assert len(seen) == len(set(seen)) == 400


def test_task_with_leading_zeros_is_found_as_text(obs: ObsHttp) -> None:
    (row,) = rows_of(obs.callnos(1, serviceId="0000451207"))
    assert row["seviceId"] == "0000451207"


def test_added_rows_come_first_and_unchanged(simulator: Simulator, obs: ObsHttp) -> None:
    simulator.call_data.put(88, TASK, [{"odd": [None]}, {"uniqueId": 5}])
    assert simulator.call_data.remaining(88, TASK) == 402
    rows = rows_of(obs.callnos(3))
    assert rows[:2] == [{"odd": [None]}, {"uniqueId": 5}]
    assert len(id_of(rows[2])) == 20
