"""The probes find out what the documents leave open, and never claim what they cannot know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isales_proxy.client import (
    BadAnswer,
    CredentialsRefused,
    Page,
    Refused,
    Reservation,
    ReservationQuery,
    TimedOut,
)
from isales_proxy.diagnostics.findings import Doubt, EndpointInclusion, Match, Probes
from isales_proxy.diagnostics.probes import MAX_CALLS, run_probes

FIRST = 1_747_302_523_000
MINUTE = 60_000
COLUMNS = ("appointTime", "createTime", "beginTime", "endTime")


def a_row(number: int, **fields: Any) -> dict[str, Any]:
    """A called reservation whose four times lie a quarter of an hour and more apart."""
    at = FIRST + number * 7 * MINUTE
    return {
        "appointId": f"id-{number}",
        "calledNo": f"6591{number * 104_729 % 1_000_000:06d}",
        "appointTime": at,
        "createTime": at - 300 * MINUTE,
        "beginTime": at + 16 * MINUTE,
        "endTime": at + 35 * MINUTE,
        **fields,
    }


def rows(count: int) -> list[dict[str, Any]]:
    return [a_row(number) for number in range(count)]


@dataclass
class Vendor:
    """A list of reservations that behaves in one of the ways in which a vendor might."""

    rows: list[dict[str, Any]]
    column: str = "appointTime"
    whole: bool = False
    deaf: tuple[str, ...] = ()
    cap: int = 10_000
    refuses_above: int = 10_000
    shuffle: Callable[[list[Any], int], list[Any]] = lambda found, _call: found
    fails: dict[int, Exception] = field(default_factory=dict)
    asked: list[ReservationQuery] = field(default_factory=list)

    def list_reservations(
        self, *, vdn: int, query: ReservationQuery, deadline: float | None = None
    ) -> Page[Reservation]:
        assert vdn == 88
        assert deadline
        self.asked.append(query)
        if len(self.asked) in self.fails:
            raise self.fails[len(self.asked)]
        if query.size > self.refuses_above:
            raise Refused(code="02000007")
        found = [row for row in self.rows if self._passes(row, query)]
        shown = self.shuffle(found, len(self.asked))[: min(query.size, self.cap)]
        items = tuple(Reservation.model_validate(row) for row in shown)
        return Page(items=items, total=len(found), page=1, size=query.size)

    def _passes(self, row: dict[str, Any], query: ReservationQuery) -> bool:
        if query.called_no and "calledNo" not in self.deaf:
            number = row["calledNo"]
            if not (number == query.called_no if self.whole else query.called_no in number):
                return False
        if query.begin and query.end and "range" not in self.deaf:
            value = row.get(self.column)
            return value is not None and ms(query.begin) <= value <= ms(query.end)
        return True

    def examined(self, left: Callable[[], float] = lambda: 5.0) -> Probes:
        """The findings, when ten rows were read before."""
        first = replace(self, fails={}, asked=[]).list_reservations(
            vdn=88, query=ReservationQuery(size=10), deadline=1.0
        )
        return run_probes(self, vdn=88, first=first, left=left)


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("count", [3, 40, 400])
def test_the_column_of_the_time_range_is_found(column: str, count: int) -> None:
    found = Vendor(rows(count), column=column).examined().time_range
    assert (found.column, found.doubt) == (column, None)


@given(
    column=st.sampled_from(COLUMNS),
    times=st.lists(
        st.tuples(
            st.integers(0, 300),
            st.integers(0, 300),
            st.none() | st.integers(0, 300),
            st.none() | st.integers(0, 300),
        ),
        max_size=60,
    ),
    step=st.sampled_from([1_000, 10_000, MINUTE]),
)
def test_no_wrong_column_is_ever_told(
    column: str, times: list[tuple[int | None, ...]], step: int
) -> None:
    """However much the times of the rows coincide."""
    table = [
        {"appointId": f"id-{number}", "calledNo": "1"}
        | {
            name: None if value is None else FIRST + value * step
            for name, value in zip(COLUMNS, values, strict=True)
        }
        for number, values in enumerate(times)
    ]
    vendor = Vendor(table, column=column)
    found = vendor.examined().time_range
    assert found.column in {"", column}
    assert column not in found.not_these
    assert found.doubt is not Doubt.IGNORED
    assert bool(found.column) != bool(found.doubt)
    assert len(vendor.asked) <= MAX_CALLS


def test_rows_whose_times_coincide_part_nothing() -> None:
    table = [a_row(n, createTime=None, beginTime=None, endTime=None) for n in range(20)]
    assert Vendor(table).examined().time_range.doubt is Doubt.NOT_PARTED


def test_columns_that_are_not_tested_are_told_where_the_right_one_is_not_seen() -> None:
    table = [a_row(number, beginTime=None) for number in range(20)]
    found = Vendor(table, column="beginTime").examined().time_range
    assert (found.column, found.doubt) == ("", Doubt.NOT_PARTED)
    assert found.not_these == ("appointTime", "createTime", "endTime")


def test_a_range_by_something_else_is_no_column() -> None:
    table = [a_row(number) | {"elsewhere": FIRST + number * 7 * MINUTE} for number in range(30)]
    for number, row in enumerate(table):
        row["appointTime"] = FIRST + 1000 * MINUTE - number * 11 * MINUTE
    found = Vendor(table, column="elsewhere").examined().time_range
    assert (found.column, found.doubt) == ("", Doubt.NONE_FITS)


@pytest.mark.parametrize("count", [2, 300])
def test_filters_that_are_ignored_are_told(count: int) -> None:
    found = Vendor(rows(count), deaf=("range", "calledNo")).examined()
    assert found.time_range.doubt is Doubt.IGNORED
    assert found.number.doubt is Doubt.IGNORED


def test_a_single_row_tells_nothing_of_the_filters() -> None:
    for deaf in ((), ("range", "calledNo")):
        found = Vendor(rows(1), deaf=deaf).examined()
        assert found.time_range.doubt is Doubt.NOT_TELLING
        assert found.number.doubt is Doubt.NOT_TELLING
        assert found.order.doubt is Doubt.NO_ROWS


@pytest.mark.parametrize(("whole", "match"), [(True, Match.WHOLE), (False, Match.PART)])
def test_what_a_called_number_matches_is_found(whole: bool, match: Match) -> None:
    vendor = Vendor(rows(60), whole=whole)
    assert vendor.examined().number.match is match
    asked = [query.called_no for query in vendor.asked if query.called_no]
    assert len(asked) == (2 if whole else 1)
    assert asked[0] in {row["calledNo"][2:-2] for row in vendor.rows}


@pytest.mark.parametrize("number", ["12345", "138****5678", "", "sip:alice@example.org"])
def test_numbers_that_cannot_be_cut_are_not_asked_for(number: str) -> None:
    vendor = Vendor([a_row(n, calledNo=number) for n in range(5)])
    assert vendor.examined().number.doubt is Doubt.NO_NUMBER
    assert not any(query.called_no for query in vendor.asked)


@pytest.mark.parametrize(
    ("options", "count", "largest", "ending", "asked"),
    [
        ({"refuses_above": 20}, 300, 10, EndpointInclusion.REFUSED, 50),
        ({"refuses_above": 50}, 300, 50, EndpointInclusion.REFUSED, 100),
        ({"refuses_above": 100}, 300, 100, EndpointInclusion.REFUSED, 200),
        ({"refuses_above": 500}, 30, 500, EndpointInclusion.REFUSED, 1_000),
        ({"cap": 30}, 300, 30, EndpointInclusion.CAPPED, 50),
        ({"cap": 100}, 300, 100, EndpointInclusion.CAPPED, 200),
        ({"cap": 120}, 300, 120, EndpointInclusion.CAPPED, 200),
        ({}, 3_000, 1_000, EndpointInclusion.TOP, 1_000),
        ({"cap": 40}, 30, 1_000, EndpointInclusion.TOP, 1_000),
    ],
)
def test_the_largest_page_is_found(
    options: dict[str, Any], count: int, largest: int, ending: EndpointInclusion, asked: int
) -> None:
    found = Vendor(rows(count), **options).examined().page
    assert (found.largest, found.ending, found.asked) == (largest, ending, asked)
    assert found.total == count


def test_a_page_that_cannot_be_read_ends_the_search() -> None:
    vendor = Vendor(rows(3_000), fails={6: BadAnswer()})
    found = vendor.examined().page
    assert (found.largest, found.ending, found.asked) == (100, EndpointInclusion.UNREADABLE, 200)


def test_the_order_of_two_identical_pages_is_compared() -> None:
    assert Vendor(rows(60)).examined().order.same is True
    turned = Vendor(rows(30), shuffle=lambda found, call: found[:: 1 if call % 2 else -1])
    assert turned.examined().order.same is False
    moving = Vendor(rows(600), shuffle=lambda found, call: found[call:])
    assert moving.examined().order.doubt is Doubt.CHANGED


def test_an_empty_list_is_asked_nothing() -> None:
    vendor = Vendor([])
    found = vendor.examined()
    assert found.calls == len(vendor.asked) == 0
    for finding in (found.order, found.number, found.time_range, found.page):
        assert finding.doubt is Doubt.NO_ROWS


@pytest.mark.parametrize("error", [TimedOut(), CredentialsRefused()])
@pytest.mark.parametrize("at", range(1, 8))
def test_the_first_failure_of_the_line_ends_it(error: Exception, at: int) -> None:
    vendor = Vendor(rows(300), column="endTime", whole=True, fails={at: error})
    found = vendor.examined()
    assert found.calls == len(vendor.asked) == at
    assert found.stopped is error
    assert found.page.ending in {EndpointInclusion.STOPPED, None}


def test_a_question_that_is_refused_does_not_end_the_others() -> None:
    for at in range(2, 6):
        vendor = Vendor(rows(300), fails={at: Refused(code="0200001")})
        found = vendor.examined()
        assert found.stopped is None
        doubts = [found.order.doubt, found.number.doubt, found.time_range.doubt]
        refused = found.page.ending is EndpointInclusion.REFUSED and found.page.code == "0200001"
        assert doubts.count(Doubt.REFUSED) + refused == 1


def test_never_more_than_ten_questions_are_asked() -> None:
    # All four columns, both numbers, and all page sizes would be twelve.
    vendor = Vendor([a_row(n) for n in range(2_000)], column="nowhere", whole=True)
    found = vendor.examined()
    assert found.calls == len(vendor.asked) == MAX_CALLS
    assert (found.page.largest, found.page.ending) == (200, EndpointInclusion.STOPPED)
    assert found.time_range.doubt is Doubt.NONE_FITS


def test_nothing_is_asked_when_the_time_is_spent() -> None:
    seconds = iter([5.0, 5.0, 5.0])
    vendor = Vendor(rows(300))
    found = vendor.examined(left=lambda: next(seconds, 0.0))
    assert found.calls == len(vendor.asked) == 3
    assert found.time_range.doubt is Doubt.STOPPED
    assert found.page.ending is EndpointInclusion.STOPPED


def test_a_few_odd_rows_do_not_mislead() -> None:
    """Rows may show another time than the vendor's table holds, or none."""
    table = [
        a_row(number, appointTime=FIRST + (number // 40) * 300 * MINUTE) for number in range(400)
    ]
    odd = {"id-7", "id-50"}

    def shown(found: list[Any], _call: int) -> list[Any]:
        return [row | {"appointTime": None} if row["appointId"] in odd else row for row in found]

    assert Vendor(table, shuffle=shown).examined().time_range.column == "appointTime"
