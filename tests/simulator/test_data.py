"""Generated reservations: changes with time, anomalies, filters."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from isales_proxy import simulator
from isales_proxy.simulator import ListBehaviour, Simulator
from isales_proxy.simulator.demo_data import (
    DAY,
    HOUR,
    MINUTE,
    generate_reservations,
    result_codes,
)
from isales_proxy.simulator.reservations import NEAR_MS, Dataset, Row
from tests.support.cases import cases
from tests.support.signed_http import SignedHttp

NOW = datetime(2025, 6, 4, 8, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
TABLES = json.loads(Path(simulator.__file__).with_name("demo_data.json").read_text("utf-8"))
ANOMALIES = TABLES["anomalies"]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return generate_reservations(88, 12_000, NOW_MS)


@pytest.fixture(scope="module")
def dataset(rows: list[Row]) -> Dataset:
    return Dataset(rows, anchor_ms=NOW_MS)


def due_ms(row: Row) -> int:
    """The time of a generated row, which always has one."""
    assert row.appoint_ms is not None
    return row.appoint_ms


def values_of(rows: list[Row], anomaly: str, field: str) -> set[Any]:
    """Return the values of a field in the rows with an anomaly."""
    found = [row.shown_at(NOW_MS) for row in rows if row.anomaly == ANOMALIES[anomaly]]
    return {str(row.get(field, "missing")) for row in found}


def test_rows_are_determined_by_vdn(rows: list[Row]) -> None:
    assert generate_reservations(88, 12_000, NOW_MS) == rows
    assert generate_reservations(89, 12_000, NOW_MS)[0] != rows[0]


def test_reservation_ids_are_unique_and_begin_with_the_creation_time(rows: list[Row]) -> None:
    ids = [row.text("appointId") for row in rows]
    assert len(set(ids)) == len(rows)
    assert {len(text) for text in ids} == {30}
    assert all(0 < int(text[:13]) <= NOW_MS for text in ids)


def test_rows_span_a_month_with_a_busy_day_and_forty_around_now(rows: list[Row]) -> None:
    times = [due_ms(row) for row in rows]
    assert NOW_MS - 21 * DAY <= min(times) < NOW_MS - 20 * DAY
    assert NOW_MS + 9 * DAY < max(times) <= NOW_MS + 10 * DAY
    per_day = Counter(time // DAY for time in times)
    assert per_day.most_common(1)[0][1] >= 1500
    near = [row for row in rows if abs(due_ms(row) - NOW_MS) <= HOUR / 2]
    assert len(near) == 40
    flags = Counter(
        (due_ms(row) > NOW_MS, row.start_ms is not None and row.start_ms <= NOW_MS) for row in near
    )
    soon, late = flags[(True, False)], flags[(False, False)]
    assert soon >= 5
    assert late >= 5


def test_small_numbers_of_rows_are_exact() -> None:
    for count in (0, 1, 7):
        assert len(generate_reservations(88, count, NOW_MS)) == count


def test_one_row_in_twelve_has_an_anomaly_and_every_anomaly_occurs(rows: list[Row]) -> None:
    odd = [row.anomaly for row in rows if row.anomaly]
    # One of them, a call before the creation of its reservation, edits nothing.
    assert all(anomaly in odd for anomaly in ANOMALIES.values() if anomaly)
    assert 0.07 <= len(odd) / len(rows) <= 0.09
    assert any(row.start_ms and row.start_ms < row.fields["createTime"] for row in rows)


def test_anomalies_appear_in_the_shown_values(rows: list[Row]) -> None:
    assert values_of(rows, "timeout_digit", "timeout") <= {"0", "1"}
    assert values_of(rows, "missing_names", "taskName") == {"missing"}
    assert values_of(rows, "null_names", "userName") == {"None"}
    assert values_of(rows, "call_type_unknown", "callType") == {"9"}
    assert values_of(rows, "no_agent", "userAccount") == {"missing"}
    numbers = {
        type(value)
        for row in rows
        if row.anomaly == ANOMALIES["call_type_number"]
        for value in [row.shown_at(NOW_MS)["callType"]]
    }
    assert numbers == {int}


def test_rows_get_results_as_time_passes(rows: list[Row]) -> None:
    due = [row for row in rows if not row.anomaly and NOW_MS < due_ms(row) <= NOW_MS + 30 * MINUTE]
    before = [row for row in due if row.shown_at(NOW_MS)["failCode"] is not None]
    after = [row for row in due if row.shown_at(NOW_MS + 75 * MINUTE)["failCode"] is not None]
    assert len(before) < len(due) / 2
    assert len(after) > len(due) * 0.8


@cases(
    "wanted",
    [
        {},
        {"userAccountList": ["116", "sofia.ramos"]},
        {"taskId": "0000451207"},
        {"beginTime": NOW_MS - DAY, "endTime": NOW_MS + DAY, "userAccountList": ["116"]},
    ],
)
def test_filters_match_a_plain_search(dataset: Dataset, wanted: dict[str, Any]) -> None:
    def fits(row: Row) -> bool:
        accounts = wanted.get("userAccountList")
        shown = row.shown_at(NOW_MS)["appointTime"]
        # A row that shows no time is in no range.
        ms = int(shown) if shown else 0 if "beginTime" not in wanted else -1
        return (
            wanted.get("calledNo", "") in row.fields["calledNo"]
            and (accounts is None or row.fields["userAccount"] in accounts)
            and wanted.get("taskId", row.fields["taskId"]) == row.fields["taskId"]
            and wanted.get("beginTime", 0) <= ms <= wanted.get("endTime", 10**15)
        )

    assert dataset.select(wanted) == [row for row in dataset.select({}) if fits(row)]


def test_near_rows_come_first_then_past_rows_in_reverse_order(dataset: Dataset) -> None:
    times = [due_ms(row) for row in dataset.select({})]
    near = [ms for ms in times if ms >= NOW_MS - NEAR_MS]
    past = [ms for ms in times if ms < NOW_MS - NEAR_MS]
    assert 100 < len(near) < len(times)
    assert times == sorted(near) + sorted(past, reverse=True)


def test_exact_number_filter_matches_complete_numbers_only(rows: list[Row]) -> None:
    number = rows[0].text("calledNo")
    dataset, exact = Dataset(rows, anchor_ms=NOW_MS), ListBehaviour(number_filter="exact")
    found = dataset.select({"calledNo": number}, exact)
    assert {row.text("calledNo") for row in found} == {number}
    assert not dataset.select({"calledNo": number[:-1]}, exact)


def test_forty_of_120_codes_are_invented_in_their_own_range() -> None:
    codes = list(result_codes())
    assert len(codes) == len(set(codes)) == 120
    assert sorted(codes) == codes
    assert [code for code in codes if code >= "90000"] == [str(90001 + i) for i in range(40)]


def test_rows_change_with_time_and_keep_their_order() -> None:
    moment = NOW
    with (
        Simulator(rows=100, now=lambda: moment) as simulator,
        SignedHttp(simulator.base_url, NOW) as http,
    ):
        before = http.reservations(limit=100).json
        assert http.reservations(limit=100).json == before
        moment = NOW + timedelta(minutes=10)
        after = http.reservations(limit=100).json
    assert [r["appointId"] for r in after["data"]] == [r["appointId"] for r in before["data"]]
    assert after["data"] != before["data"]
