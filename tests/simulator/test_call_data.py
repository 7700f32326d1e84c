"""Call data: plausible, seeded, odd where the vendor is, and handed out once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from isales_proxy.simulator import Simulator
from isales_proxy.simulator.demo_data import generate_call_data, roster_of
from isales_proxy.simulator.reservations import RawRow
from tests.support.obs_http import ObsHttp

NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
TASK = "1106025109"


def made(**changes: Any) -> list[RawRow]:
    wanted: dict[str, Any] = {"task": (88, TASK), "rows": 400, "seed": 1}
    return generate_call_data(anchor_ms=NOW_MS, **{**wanted, **changes})


def id_of(row: RawRow) -> str:
    return str(row.get("uniqueId") or row.get("uiqueId"))


def lists_of_numbers(rows: list[RawRow]) -> list[list[object]]:
    return [numbers for row in rows if isinstance(numbers := row["phoneNumber"], list)]


def rows_of(reply: Any) -> list[RawRow]:
    assert reply.json["result"] == 0
    return list(reply.json["resultData"]["taskData"])


def test_the_same_seed_gives_the_same_rows_and_another_gives_others() -> None:
    first = made()
    assert made() == first
    for change in ({"seed": 2}, {"task": (89, TASK)}, {"task": (88, "1106025110")}):
        assert not {id_of(row) for row in made(**change)} & {id_of(row) for row in first}


def test_customers_have_twenty_digits_with_the_time_of_the_import_inside() -> None:
    ids = [id_of(row) for row in made()]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    for text in ids:
        assert len(text) == 20
        assert text.isdigit()
        assert 0 < NOW_MS - int(text[1:14]) < 10 * 24 * 3_600_000


def test_both_spellings_of_the_customer_occur_and_one_of_the_task() -> None:
    rows = made()
    spelt = Counter(name for row in rows for name in row if "queId" in name)
    assert sum(spelt.values()) == len(rows)
    assert 0.2 < spelt["uiqueId"] / len(rows) < 0.4
    assert {row["seviceId"] for row in rows} == {TASK}


def test_a_row_has_one_to_three_numbers_and_mostly_one() -> None:
    counts = Counter(len(numbers) for numbers in lists_of_numbers(made()))
    assert set(counts) == {1, 2, 3}
    assert counts[1] > counts[2] > counts[3]


def test_the_text_for_the_agent_is_sometimes_json_and_sometimes_not_ascii() -> None:
    texts = [str(row["callData"]) for row in made()]
    assert sum(text.startswith("{") for text in texts) > 50
    assert any(not text.isascii() for text in texts)
    assert "" in texts
    assert max(map(len, texts)) <= 1024


def test_information_elements_come_with_and_without_a_sip_part() -> None:
    texts = [row["ieData"] for row in made() if isinstance(row.get("ieData"), str)]
    with_sip = [str(text) for text in texts if "sipdatahead:" in str(text)]
    assert 0.1 < len(with_sip) / len(texts) < 0.35
    for text in with_sip:
        assert text.endswith("#$#$")
        assert text.count("#%#%") == 1
        assert "sipdatahead:" not in text.partition("sipdatahead:")[2]
    assert "" in texts


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


def test_the_tasks_are_those_of_the_reservations_that_are_executed_and_one_more(
    obs: ObsHttp,
) -> None:
    for vdn in (88, 89):
        found = [row["serviceId"] for row in rows_of(obs.tasks(vdnId=str(vdn)))]
        tasks = roster_of(vdn)["tasks"]
        assert found[:-1] == [task for task, _, status, _ in tasks if status == "2"]
        assert found[-1] not in {task[0] for task in tasks}


def test_a_row_is_handed_out_once(simulator: Simulator, obs: ObsHttp) -> None:
    seen: list[str] = []
    for count in (1, 150, 200, 200):
        seen += [id_of(row) for row in rows_of(obs.callnos(count))]
    assert len(seen) == len(set(seen)) == 400
    assert simulator.call_data.remaining(88, TASK) == 0
    assert obs.callnos(10).json == {"result": 0, "resultData": {"taskData": []}}


def test_no_row_is_handed_out_twice_to_eight_at_once(simulator: Simulator) -> None:
    def take(_: int) -> list[str]:
        with ObsHttp(simulator.base_url, NOW) as http:
            return [id_of(row) for _ in range(10) for row in rows_of(http.callnos(7))]

    with ThreadPoolExecutor(8) as pool:
        seen = [text for part in pool.map(take, range(8)) for text in part]
    assert len(seen) == len(set(seen)) == 400


def test_a_task_with_zeros_in_front_is_found_as_text_and_as_number(obs: ObsHttp) -> None:
    first = rows_of(obs.callnos(1, serviceId="0000451207"))
    second = rows_of(obs.callnos(1, serviceId=451207))
    assert first[0]["seviceId"] == second[0]["seviceId"] == "0000451207"
    assert id_of(first[0]) != id_of(second[0])


def test_a_task_that_is_suspended_is_refused(obs: ObsHttp) -> None:
    assert obs.callnos(serviceId=1106025112).json["result"] == 1104


def test_rows_that_were_put_come_first_and_as_given(simulator: Simulator, obs: ObsHttp) -> None:
    simulator.call_data.put(88, TASK, [{"odd": [None]}, {"uniqueId": 5}])
    simulator.call_data.put(88, TASK, [{"uniqueId": 6}])
    assert simulator.call_data.remaining(88, TASK) == 403
    rows = rows_of(obs.callnos(4))
    assert rows[:3] == [{"odd": [None]}, {"uniqueId": 5}, {"uniqueId": 6}]
    assert len(id_of(rows[3])) == 20


def test_rows_of_an_unknown_task_make_it_known(simulator: Simulator, obs: ObsHttp) -> None:
    assert obs.callnos(serviceId="fadsfa").json["result"] == 1103
    simulator.call_data.put(88, "fadsfa", [{"uiqueId": "sfa"}])
    assert {"serviceId": "fadsfa"} in rows_of(obs.tasks())
    assert rows_of(obs.callnos(5, serviceId="fadsfa")) == [{"uiqueId": "sfa"}]
    with pytest.raises(KeyError):
        simulator.call_data.put(77, "fadsfa", [])


@pytest.mark.parametrize(("count", "kind"), [(1, dict), (2, list)])
def test_flat_answers_have_no_list_of_tasks(count: int, kind: type) -> None:
    with Simulator(rows=0, call_data=3, flat=True) as vendor, ObsHttp(vendor.base_url, NOW) as http:
        assert type(http.callnos(count).json["resultData"]) is kind
        http.callnos(3)
        assert http.callnos(3).json == {"result": 0, "resultData": {}}
