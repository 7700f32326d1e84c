"""The data: seeded, alive, full of oddities, filtered as documented."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from isales_proxy.simulator import Simulator
from isales_proxy.simulator.codes import known_codes
from isales_proxy.simulator.data import NEAR_MS, Dataset, Filter, Row
from isales_proxy.simulator.generation import DAY, HOUR, MINUTE, generate
from isales_proxy.simulator.oddities import ODDITIES
from tests.support.signed_http import SignedHttp

NOW = datetime(2025, 6, 4, 8, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return generate(vdn=88, rows=12_000, seed=1, anchor_ms=NOW_MS)


@pytest.fixture(scope="module")
def dataset(rows: list[Row]) -> Dataset:
    return Dataset(rows, anchor_ms=NOW_MS)


def shown(rows: list[Row], oddity: str, now_ms: int = NOW_MS) -> list[dict[str, object]]:
    return [row.shown_at(now_ms) for row in rows if row.oddity == oddity]


def test_the_same_seed_gives_the_same_rows_and_another_gives_others(rows: list[Row]) -> None:
    again = generate(vdn=88, rows=12_000, seed=1, anchor_ms=NOW_MS)
    assert again == rows
    few = {"rows": 50, "anchor_ms": NOW_MS}
    first = generate(vdn=88, seed=1, **few)
    assert generate(vdn=88, seed=2, **few) != first
    assert generate(vdn=89, seed=1, **few) != first


def test_reservation_ids_are_unique_with_the_creation_time_in_front(rows: list[Row]) -> None:
    assert len({row.appoint_id for row in rows}) == len(rows)
    for row in rows:
        assert len(row.appoint_id) == 30
        assert row.appoint_id.isdigit()
        assert int(row.appoint_id[:13]) == row.created_ms <= NOW_MS


def test_the_rows_span_a_month_with_a_busy_day_and_forty_around_now(rows: list[Row]) -> None:
    times = [row.appoint_ms for row in rows]
    assert NOW_MS - 21 * DAY <= min(times) < NOW_MS - 20 * DAY
    assert NOW_MS + 9 * DAY < max(times) <= NOW_MS + 10 * DAY
    per_day = Counter(time // DAY for time in times)
    assert per_day.most_common(1)[0][1] >= 1500
    near = [row for row in rows if abs(row.appoint_ms - NOW_MS) <= HOUR / 2]
    assert len(near) == 40
    flags = Counter(
        (row.appoint_ms > NOW_MS, row.start_ms is not None and row.start_ms <= NOW_MS)
        for row in near
    )
    soon, late = flags[(True, False)], flags[(False, False)]
    assert soon >= 5
    assert late >= 5


@pytest.mark.parametrize("count", [0, 1, 7, 50])
def test_small_amounts_are_exact(count: int) -> None:
    assert len(generate(vdn=88, rows=count, seed=1, anchor_ms=NOW_MS)) == count


def test_about_eight_percent_are_odd_and_every_oddity_occurs(rows: list[Row]) -> None:
    odd = Counter(row.oddity for row in rows if row.oddity)
    assert set(odd) == set(ODDITIES)
    assert 0.07 <= sum(odd.values()) / len(rows) <= 0.09


def test_oddities_show(rows: list[Row]) -> None:
    def values(oddity: str, field: str) -> set[Any]:
        return {row.get(field, "missing") for row in shown(rows, oddity)}

    assert values("call_type_number", "callType") == {1, 2}
    assert 116 in values("user_account_number", "userAccount")
    assert {type(v) for v in values("timeout_text", "timeout")} == {str}
    assert values("timeout_digit", "timeout") <= {"0", "1"}
    assert {type(v) for v in values("times_text", "appointTime")} == {str}
    assert values("missing_names", "taskName") == {"missing"}
    assert values("null_names", "userName") == {None}
    assert values("null_appoint_time", "appointTime") == {None}
    assert values("call_type_unknown", "callType") == {"9"}
    assert values("task_status_unknown", "taskStatus") == {"7"}
    assert values("call_flag_unknown", "callFlag") == {"x"}
    assert "99999" in values("code_unknown", "failCode")
    assert "0" in values("code_zero", "failCode")
    assert any(type(v) is int for v in values("code_number", "failCode"))
    assert all("extInfo" in row for row in shown(rows, "extra_fields"))


def test_the_vendor_may_call_a_thing_expired_that_is_not_and_the_reverse(rows: list[Row]) -> None:
    flipped = [row for row in rows if row.oddity == "timeout_flipped"]
    for moment in (NOW_MS, NOW_MS + 11 * DAY):
        for row in flipped:
            called = row.start_ms is not None and row.start_ms <= moment
            assert row.shown_at(moment)["timeout"] is (called or row.appoint_ms >= moment)


def test_some_calls_lie_before_the_creation_of_their_reservation(rows: list[Row]) -> None:
    early = [
        row
        for row in shown(rows, "called_before_created")
        if isinstance(row["beginTime"], int) and row["beginTime"] < int(str(row["createTime"]))
    ]
    assert early


def test_only_odd_rows_differ_from_the_documented_types(rows: list[Row]) -> None:
    for row in (r.shown_at(NOW_MS) for r in rows if not r.oddity):
        assert len(row) == 18
        for field, value in row.items():
            wanted = bool if field == "timeout" else int if field.endswith("Time") else str
            assert value is None or type(value) is wanted


def test_rows_get_called_as_time_passes(rows: list[Row]) -> None:
    due = [
        row for row in rows if not row.oddity and NOW_MS < row.appoint_ms <= NOW_MS + 30 * MINUTE
    ]
    before = [row for row in due if row.shown_at(NOW_MS)["failCode"] is not None]
    after = [row for row in due if row.shown_at(NOW_MS + 75 * MINUTE)["failCode"] is not None]
    assert len(before) < len(due) / 2
    assert len(after) > len(due) * 0.8


def test_a_call_in_progress_has_begun_but_not_ended(rows: list[Row]) -> None:
    row = next(row for row in rows if row.start_ms and not row.oddity)
    assert row.start_ms
    during = row.shown_at(row.start_ms)
    assert (during["callFlag"], during["beginTime"]) == ("1", row.start_ms)
    assert (during["endTime"], during["failCode"]) == (None, None)
    ended = row.shown_at(row.end_ms)
    assert (ended["callFlag"], ended["failCode"]) == ("2", row.outcome.fail_code)


def test_names_of_two_vdns_differ(rows: list[Row]) -> None:
    others = generate(vdn=89, rows=2_000, seed=1, anchor_ms=NOW_MS)

    def names(of: list[Row]) -> set[str]:
        return {row.agent.name for row in of if row.agent} | {row.task.name for row in of}

    assert len({row.account for row in rows if row.agent}) == 24
    assert len({row.task.task_id for row in rows}) == 12
    assert names(rows).isdisjoint(names(others))


def test_numbers_keep_their_plus_and_leading_zeros(rows: list[Row]) -> None:
    starts = {row.called_no[:4] for row in rows}
    assert {"6666", "+658", "0205", "0086"} <= starts
    assert len({row.called_no for row in rows}) < len(rows) * 0.6


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(called_no="0001"),
        Filter(called_no="+65"),
        Filter(accounts=frozenset({"116", "sofia.ramos"})),
        Filter(task_id="0000451207"),
        Filter(begin_ms=NOW_MS),
        Filter(end_ms=NOW_MS),
        Filter(begin_ms=NOW_MS - DAY, end_ms=NOW_MS + DAY, accounts=frozenset({"116"})),
        Filter(begin_ms=NOW_MS + 30 * DAY),
        Filter(end_ms=0),
    ],
)
def test_filters_find_what_a_plain_search_finds(dataset: Dataset, wanted: Filter) -> None:
    def fits(row: Row) -> bool:
        return (
            (wanted.called_no is None or wanted.called_no in row.called_no)
            and (wanted.accounts is None or row.account in wanted.accounts)
            and (wanted.task_id is None or row.task.task_id == wanted.task_id)
            and (wanted.begin_ms is None or row.appoint_ms >= wanted.begin_ms)
            and (wanted.end_ms is None or row.appoint_ms <= wanted.end_ms)
        )

    assert list(dataset.select(wanted)) == [row for row in dataset.rows if fits(row)]


def test_both_ends_of_the_time_range_belong_to_it(dataset: Dataset) -> None:
    moment = dataset.rows[5000].appoint_ms
    found = dataset.select(Filter(begin_ms=moment, end_ms=moment))
    assert dataset.rows[5000] in found
    assert {row.appoint_ms for row in found} == {moment}


def test_what_is_near_comes_first_then_the_past_backwards(dataset: Dataset) -> None:
    keys = [(row.appoint_ms, row.appoint_id) for row in dataset.rows]
    near = [key for key in keys if key[0] >= NOW_MS - NEAR_MS]
    assert 100 < len(near) < len(keys)
    assert keys == sorted(near) + sorted(set(keys) - set(near), reverse=True)


def test_numbers_can_be_matched_exactly(rows: list[Row]) -> None:
    number = rows[0].called_no
    exact = Dataset(rows, exact_number=True)
    assert {row.called_no for row in exact.select(Filter(called_no=number))} == {number}
    assert not exact.select(Filter(called_no=number[:-1]))


def test_there_are_120_codes_of_which_40_are_invented_in_their_own_range() -> None:
    codes = [code.code for code in known_codes()]
    assert len(codes) == len(set(codes)) == 120
    assert sorted(codes) == codes
    assert [code for code in codes if code >= "90000"] == [str(90001 + i) for i in range(40)]


def test_paging_over_http_reads_every_row_once(http: SignedHttp) -> None:
    seen: list[str] = []
    for offset in range(0, 300, 100):
        reply = http.reservations(limit=100, offset=offset)
        assert reply.json["totalCount"] == 300
        seen += [row["appointId"] for row in reply.json["data"]]
    assert len(set(seen)) == len(seen) == 300
    assert http.reservations(limit=100, offset=300).json["data"] == []


def test_two_vdns_have_their_own_rows(http: SignedHttp) -> None:
    ids = [
        {row["appointId"] for row in http.reservations(vdn, limit=100).json["data"]}
        for vdn in (88, 89)
    ]
    assert ids[0].isdisjoint(ids[1])


def test_a_refresh_shows_life() -> None:
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
