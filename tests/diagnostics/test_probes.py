"""Probes find out what is not documented, and report when they cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from isales_proxy.client.errors import BadAnswer, CredentialsRefused, Refused, TimedOut
from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.diagnostics.probes import MAX_CALLS, run_probes
from tests.support.cases import cases

FIRST = 1_747_302_523_000
MINUTE = 60_000
COLUMNS = ("appointTime", "createTime", "beginTime", "endTime")


NO_ROWS = "Cannot tell: the list has too few rows."
TOO_CLOSE = "Cannot tell: no sampled row has times that lie far enough apart."
ALL_FIT = "Cannot tell: every row of the list fits the query."
IGNORED = "None: the filter is ignored."
NONE_FITS = "Cannot tell: the rows returned do not fit the query."
CHANGED = "Cannot tell: two identical queries returned different rows."
NO_NUMBER = "Cannot tell: no sampled row has a number long enough to cut."
REFUSED = "Cannot tell: the query is refused."
STOPPED = "Cannot tell: the check was stopped before."
PART = "also parts of a number"
WHOLE = "complete numbers only: a part of a number finds nothing"


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
    """A list of reservations with one of the possible behaviours of a vendor."""

    rows: list[dict[str, Any]]
    column: str = "appointTime"
    whole: bool = False
    deaf: tuple[str, ...] = ()
    cap: int = 10_000
    refuses_above: int = 10_000
    shuffle: Callable[[list[Any], int], list[Any]] = lambda found, _call: found
    fails: dict[int, Exception] = field(default_factory=dict)
    asked: list[ReservationQuery] = field(default_factory=list)

    def list_reservations(self, query: ReservationQuery, deadline: float) -> Page[Reservation]:
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

    def run_probes(self, remaining: Callable[[], float] = lambda: 5.0) -> dict[str, str]:
        """Return the answers by question after a first page of ten rows."""
        first = replace(self, fails={}, asked=[]).list_reservations(ReservationQuery(size=10), 1.0)
        section = run_probes(self.list_reservations, first=first, remaining=remaining)
        return {fact.name: str(fact.text) for fact in section.facts}


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@cases("column", COLUMNS)
@cases("count", [3, 40, 400])
def test_column_of_the_time_range_is_found(column: str, count: int) -> None:
    assert Vendor(rows(count), column=column).run_probes()["range"] == column


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
def test_wrong_column_is_never_reported(
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
    found = vendor.run_probes()["range"]
    doubt, _filters, excluded = found.partition(" It does not filter by ")
    assert doubt in {column, NO_ROWS, TOO_CLOSE, ALL_FIT, NONE_FITS}
    assert column not in excluded
    assert len(vendor.asked) <= MAX_CALLS


def test_rows_with_equal_times_leave_the_question_open() -> None:
    table = [a_row(n, createTime=None, beginTime=None, endTime=None) for n in range(20)]
    assert Vendor(table).run_probes()["range"] == TOO_CLOSE


def test_excluded_columns_are_reported_where_the_right_one_is_not_seen() -> None:
    table = [a_row(number, beginTime=None) for number in range(20)]
    found = Vendor(table, column="beginTime").run_probes()["range"]
    assert found == f"{TOO_CLOSE} It does not filter by appointTime, createTime, endTime."


def test_range_by_an_unknown_column_fits_no_column() -> None:
    table = [a_row(number) | {"elsewhere": FIRST + number * 7 * MINUTE} for number in range(30)]
    for number, row in enumerate(table):
        row["appointTime"] = FIRST + 1000 * MINUTE - number * 11 * MINUTE
    assert Vendor(table, column="elsewhere").run_probes()["range"].startswith(NONE_FITS)


@cases("count", [2, 300])
def test_ignored_filters_are_reported(count: int) -> None:
    found = Vendor(rows(count), deaf=("range", "calledNo")).run_probes()
    assert found["range"] == IGNORED
    assert found["number"] == IGNORED


def test_single_row_leaves_the_filters_open() -> None:
    for deaf in ((), ("range", "calledNo")):
        found = Vendor(rows(1), deaf=deaf).run_probes()
        assert found["range"] == ALL_FIT
        assert found["number"] == ALL_FIT
        assert found["order"] == NO_ROWS


@cases(("whole", "match"), [(True, WHOLE), (False, PART)])
def test_matching_of_called_numbers_is_found(whole: bool, match: str) -> None:
    vendor = Vendor(rows(60), whole=whole)
    assert vendor.run_probes()["number"] == match
    asked = [query.called_no for query in vendor.asked if query.called_no]
    assert len(asked) == (2 if whole else 1)
    assert asked[0] in {row["calledNo"][2:-2] for row in vendor.rows}


@cases("number", ["12345", "138****5678", "", "sip:alice@example.org"])
def test_numbers_that_cannot_be_cut_are_not_searched(number: str) -> None:
    vendor = Vendor([a_row(n, calledNo=number) for n in range(5)])
    assert vendor.run_probes()["number"] == NO_NUMBER
    assert not any(query.called_no for query in vendor.asked)


@cases(
    ("options", "count", "answer"),
    [
        (
            {"refuses_above": 20},
            300,
            "10 rows; 50 are refused (code 02000007). Lower ISALES_MAX_PAGE_SIZE to 10.",
        ),
        (
            {"refuses_above": 50},
            300,
            "50 rows; 100 are refused (code 02000007). Lower ISALES_MAX_PAGE_SIZE to 50.",
        ),
        ({"refuses_above": 100}, 300, "100 rows; 200 are refused (code 02000007)"),
        (
            {"refuses_above": 500},
            30,
            (
                "500 rows; 1000 are refused (code 02000007) "
                "(the list has 30: a silent cap would not show)"
            ),
        ),
        (
            {"cap": 30},
            300,
            "30 rows; only 30 of 50 requested are returned. Lower ISALES_MAX_PAGE_SIZE to 30.",
        ),
        ({"cap": 100}, 300, "100 rows; only 100 of 200 requested are returned"),
        ({"cap": 120}, 300, "120 rows; only 120 of 200 requested are returned"),
        ({}, 3_000, "at least 1000 rows"),
        ({"cap": 40}, 30, "at least 1000 rows (the list has 30: a silent cap would not show)"),
    ],
)
def test_largest_page_is_found(options: dict[str, Any], count: int, answer: str) -> None:
    assert Vendor(rows(count), **options).run_probes()["page"] == answer


def test_page_that_cannot_be_read_ends_the_search() -> None:
    vendor = Vendor(rows(3_000), fails={6: BadAnswer()})
    assert vendor.run_probes()["page"] == "100 rows; the answer to 200 cannot be read"


def test_order_of_two_identical_pages_is_compared() -> None:
    assert Vendor(rows(60)).run_probes()["order"] == "the same in two identical queries"
    turned = Vendor(rows(30), shuffle=lambda found, call: found[:: 1 if call % 2 else -1])
    assert turned.run_probes()["order"].startswith("differs between identical queries")
    moving = Vendor(rows(600), shuffle=lambda found, call: found[call:])
    assert moving.run_probes()["order"] == CHANGED


def test_empty_list_is_not_queried_further() -> None:
    vendor = Vendor([])
    found = vendor.run_probes()
    assert vendor.asked == []
    assert found.pop("calls") == "0"
    assert found == dict.fromkeys(("range", "number", "page", "order"), NO_ROWS)


@cases("error", [TimedOut(), CredentialsRefused()])
@cases("at", range(1, 8))
def test_first_failure_of_the_connection_ends_the_probes(error: Exception, at: int) -> None:
    vendor = Vendor(rows(300), column="endTime", whole=True, fails={at: error})
    found = vendor.run_probes()
    assert found["calls"] == str(len(vendor.asked)) == str(at)
    assert found["page"].endswith("rows; more was not tried")


def test_refused_query_does_not_end_the_others() -> None:
    for at in range(2, 6):
        vendor = Vendor(rows(300), fails={at: Refused(code="0200001")})
        found = vendor.run_probes()
        refused = "are refused (code 0200001)" in found.pop("page")
        assert list(found.values()).count(REFUSED) + refused == 1


def test_at_most_ten_queries_are_sent() -> None:
    # All four columns, both numbers, and all page sizes would be twelve.
    vendor = Vendor([a_row(n) for n in range(2_000)], column="nowhere", whole=True)
    found = vendor.run_probes()
    assert found["calls"] == str(len(vendor.asked)) == str(MAX_CALLS)
    assert found["page"] == "at least 200 rows; more was not tried"
    assert found["range"].startswith(NONE_FITS)


def test_no_query_is_sent_when_the_time_is_spent() -> None:
    seconds = iter([5.0, 5.0, 5.0])
    vendor = Vendor(rows(300))
    found = vendor.run_probes(remaining=lambda: next(seconds, 0.0))
    assert found["calls"] == str(len(vendor.asked)) == "3"
    assert found["range"] == STOPPED
    assert found["page"].endswith("more was not tried")


def test_few_inconsistent_rows_do_not_mislead() -> None:
    """Rows may show another time than the vendor filters by, or none."""
    table = [
        a_row(number, appointTime=FIRST + (number // 40) * 300 * MINUTE) for number in range(400)
    ]
    odd = {"id-7", "id-50"}

    def shown(found: list[Any], _call: int) -> list[Any]:
        return [row | {"appointTime": None} if row["appointId"] in odd else row for row in found]

    assert Vendor(table, shuffle=shown).run_probes()["range"] == "appointTime"
