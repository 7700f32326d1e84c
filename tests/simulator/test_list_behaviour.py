"""Behaviours of the list that the documents allow, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from isales_proxy.simulator import ListBehaviour, Simulator
from tests.support.cases import cases
from tests.support.signed_http import SignedHttp

NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)  # of the fixtures
MINUTE = 60_000
START = int(NOW.timestamp() * 1000)
# Six rows a minute apart, the later one the earlier created and, by its ID, first.
ROWS = [
    {
        "appointId": f"{9 - i}",
        "appointTime": START + i * MINUTE,
        "createTime": START - i * MINUTE,
        "calledNo": f"7000{i}",
        "userAccount": "116" if i < 2 else "117",
        "taskId": "1",
    }
    for i in range(6)
]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(rows=0, vdns=(88,), now=lambda: NOW) as running:
        running.add_rows(88, ROWS)
        yield running


def ids(answer: dict[str, Any]) -> str:
    return "".join(row["appointId"] for row in answer["data"])


def is_refused(answer: dict[str, Any]) -> bool:
    return answer["resultCode"] == "0200001" and "data" not in answer


@cases(
    ("behaviour", "found"),
    [
        ({"order": "appointTime"}, "987654"),
        ({"order": "appointTime", "reverse": True}, "456789"),
        ({"order": "createTime"}, "456789"),
        ({"order": "appointId"}, "456789"),
    ],
)
def test_order_of_rows_is_configurable(
    simulator: Simulator, http: SignedHttp, behaviour: dict[str, Any], found: str
) -> None:
    simulator.behaviour = ListBehaviour(**behaviour)
    assert ids(http.reservations().json) == found
    ranged = http.reservations(beginTime=START + MINUTE, endTime=START + 2 * MINUTE).json
    assert ids(ranged) == "".join(one for one in found if one in "87")


def test_random_order_differs_from_call_to_call(simulator: Simulator, http: SignedHttp) -> None:
    simulator.behaviour.order = "random"
    orders = {ids(http.reservations().json) for _ in range(5)}
    assert len(orders) > 1
    assert {"".join(sorted(order)) for order in orders} == {"456789"}


@cases(
    ("behaviour", "begin", "end", "found"),
    [
        ({}, MINUTE, 3 * MINUTE, "876"),
        ({"begin_inclusive": False}, MINUTE, 3 * MINUTE, "76"),
        ({"end_inclusive": False}, MINUTE, 3 * MINUTE, "87"),
        ({"begin_inclusive": False, "end_inclusive": False}, MINUTE, 3 * MINUTE, "7"),
        ({"range_column": "createTime"}, -2 * MINUTE, -MINUTE, "87"),
        ({}, MINUTE + 1, 2 * MINUTE - 1, ""),
        ({"cut_milliseconds": "bounds"}, MINUTE + 1, 2 * MINUTE - 1, "8"),
        ({"cut_milliseconds": "bounds"}, MINUTE + 1, 2 * MINUTE + 999, "87"),
    ],
)
def test_bounds_of_time_ranges_are_configurable(  # one argument for each of a case
    simulator: Simulator,
    http: SignedHttp,
    behaviour: dict[str, Any],
    begin: int,
    end: int,
    found: str,
) -> None:
    simulator.behaviour = ListBehaviour(order="appointTime", **behaviour)
    answer = http.reservations(beginTime=START + begin, endTime=START + end).json
    assert (ids(answer), answer["totalCount"]) == (found, len(found))


def test_milliseconds_of_rows_can_be_cut(simulator: Simulator, http: SignedHttp) -> None:
    simulator.dataset(88).move("9", START + 417)

    def found(begin: int, end: int) -> str:
        return ids(http.reservations(beginTime=START + begin, endTime=START + end).json)

    assert (found(0, 0), found(400, 999)) == ("", "9")
    simulator.behaviour.cut_milliseconds = "rows"
    assert (found(0, 0), found(400, 999)) == ("9", "")
    simulator.behaviour.end_inclusive = False
    assert (found(0, 0), found(0, 1)) == ("", "9")


def test_row_without_a_time_is_in_no_range(simulator: Simulator, http: SignedHttp) -> None:
    simulator.dataset(88).move("7", None)
    assert http.reservations().json["totalCount"] == 6
    for limits in ({"beginTime": 0}, {"endTime": START * 2}):
        assert http.reservations(**limits).json["totalCount"] == 5


@cases(
    ("behaviour", "wanted", "found"),
    [
        ({"page_cap": 2}, {"limit": 5}, "98"),
        ({"page_cap": 2}, {"limit": 3, "offset": 3}, "65"),
        ({"ignore_offset": True}, {"limit": 2, "offset": 4}, "98"),
        ({"depth_cap": 4}, {"limit": 2, "offset": 2}, "76"),
        ({"depth_cap": 4}, {"limit": 2, "offset": 4}, ""),
        ({"duplicates": "added"}, {"limit": 3}, "9987"),
        ({"duplicates": "instead"}, {"limit": 3}, "989"),
    ],
)
def test_page_limits_and_offsets_are_configurable(
    simulator: Simulator,
    http: SignedHttp,
    behaviour: dict[str, Any],
    wanted: dict[str, Any],
    found: str,
) -> None:
    simulator.behaviour = ListBehaviour(order="appointTime", **behaviour)
    answer = http.reservations(**wanted).json
    assert (ids(answer), answer["totalCount"]) == (found, 6)


@cases(
    ("behaviour", "wanted"),
    [
        ({"depth_cap": 4, "depth_cap_refused": True}, {"limit": 2, "offset": 4}),
        ({"number_filter": "refused"}, {"calledNo": "70001"}),
    ],
)
def test_deep_pages_and_number_filters_can_be_refused(
    simulator: Simulator, http: SignedHttp, behaviour: dict[str, Any], wanted: dict[str, Any]
) -> None:
    simulator.behaviour = ListBehaviour(**behaviour)
    assert is_refused(http.reservations(**wanted).json)
    assert http.reservations(limit=2).json["totalCount"] == 6


def test_large_pages_can_be_refused(simulator: Simulator, http: SignedHttp) -> None:
    simulator.behaviour = ListBehaviour(max_limit=3)
    assert http.reservations(limit=4).json["resultCode"] == "02000007"
    assert http.reservations(limit=3).json["totalCount"] == 6


@cases(
    ("total", "answered"),
    [
        ("low", 5),
        ("high", 7),
        ("text", "6"),
        ("page", 3),
        (41, 41),
    ],
)
def test_total_can_be_wrong(
    simulator: Simulator, http: SignedHttp, total: Any, answered: int | str
) -> None:
    simulator.behaviour = ListBehaviour(total=total)
    assert http.reservations(limit=3).json["totalCount"] == answered


@cases(
    ("mode", "by_part", "by_whole"),
    [
        ("partial", 6, 1),
        ("exact", 0, 1),
        ("none", 0, 0),
        ("ignored", 6, 6),
    ],
)
def test_number_filter_mode_is_configurable(
    simulator: Simulator, http: SignedHttp, mode: Any, by_part: int, by_whole: int
) -> None:
    simulator.behaviour.number_filter = mode
    assert http.reservations(calledNo="7000").json["totalCount"] == by_part
    assert http.reservations(calledNo="70003").json["totalCount"] == by_whole


def test_list_can_be_limited_to_one_agent_or_empty(simulator: Simulator, http: SignedHttp) -> None:
    simulator.behaviour.only_agents = ("116",)
    assert http.reservations().json["totalCount"] == 2
    assert http.reservations(userAccountList=["117"]).json["totalCount"] == 0
    simulator.behaviour = ListBehaviour(only_agents=())
    answer = http.reservations().json
    assert (answer["resultCode"], answer["totalCount"], answer["data"]) == ("0200000", 0, [])


def test_clock_offset_shifts_the_date_and_refuses_signatures(
    simulator: Simulator, http: SignedHttp
) -> None:
    right = http.reservations().headers["Date"]
    simulator.behaviour.clock_offset_ms = 86_400_000
    # A day ahead, the signature of today is too old.
    refused = http.reservations()
    assert refused.status == 401
    assert refused.headers["Date"][:16] != right[:16]
