"""Search for rows without a time in a list that changes while it is paged."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from isales_proxy.client.queries import ReservationQuery
from isales_proxy.mirror.round_reasons import RoundReason
from isales_proxy.models import Vdn
from isales_proxy.models.mirror import MirrorLeaf, MirrorRow
from tests.support.mirror import AT, MINUTE, SweptVendor, make_row, to_ms

CAP = 20
FIRST, HIDDEN, LATER = (f"{number:030d}" for number in (3, 25, 45))


@pytest.fixture
def vendor(vdn: Vdn) -> SweptVendor:
    """60 rows on three pages; one of the first and one of the second page have no time."""
    made = SweptVendor(vdn, AT, page_cap=CAP, order="appointId")
    made.data.add(
        make_row(number, appointTime=to_ms(AT + number * 30 * MINUTE)) for number in range(60)
    )
    made.data.move(FIRST, None)
    made.data.move(HIDDEN, None)
    return made


def test_row_is_not_hidden_by_one_that_lost_its_time_during_the_search(
    vendor: SweptVendor,
) -> None:
    """As many rows are found as were counted, but one of the counted rows is not among them."""

    def change(query: ReservationQuery) -> None:
        if query.page == 3 and query.begin is None and query.size == CAP:
            vendor.before_call = lambda _query: None
            vendor.data.move(FIRST, to_ms(AT + timedelta(days=3)))
            vendor.data.move(LATER, None)

    vendor.before_call = change
    state = vendor.run_round()
    assert (state.round_complete, state.count_undated) == (True, 2)
    assert MirrorRow.objects.filter(key=HIDDEN, appoint_time=None).exists()
    vendor.run_round()
    assert vendor.compare() == (set(), set())


def test_search_that_finds_too_few_is_not_complete_and_not_repeated_for_an_hour(
    vendor: SweptVendor,
) -> None:
    """The search gets no rows on the second page."""
    answer, rounds = vendor.list_reservations, lambda: vendor.sweeper.rounds

    def list_reservations(query: ReservationQuery) -> Any:
        found, running = answer(query), rounds().running
        searches = running is not None and running.search is not None
        wrong = searches and query.page == 2
        return found.__class__((), found.total, query.page, query.size) if wrong else found

    vendor.sweeper._fetch_from_vendor = list_reservations
    state = vendor.run_round()
    assert state.round_reason == RoundReason.UNDATED_UNREAD
    assert not MirrorLeaf.objects.get(kind="undated").complete
    began = state.round_began_at
    for minutes, again in ((50, False), (15, True)):
        vendor.clock.advance(minutes * 60)
        vendor.run(30)
        state.refresh_from_db()
        assert (state.round_began_at != began) == again


def test_due_leaves_are_read_during_the_search(vendor: SweptVendor) -> None:
    """The list has 43 pages, and one in the middle has a row without a time."""
    rows = (
        make_row(number, appointTime=to_ms(AT + timedelta(days=2, seconds=90 * number)))
        for number in range(1000, 1800)
    )
    vendor.data.add(rows)
    vendor.data.move(f"{1400:030d}", None)
    queries: list[str] = []

    def record(query: ReservationQuery) -> None:
        if query.size == CAP:
            queries.append("range" if query.begin is not None else "page")

    vendor.run_round()
    vendor.before_call = record
    vendor.run_round()
    pages = [position for position, kind in enumerate(queries) if kind == "page"]
    assert len(pages) > 40
    assert "range" in queries[pages[3] : pages[-1]]


def test_column_of_the_range_is_found_if_the_first_page_has_no_time(vdn: Vdn) -> None:
    vendor = SweptVendor(vdn, AT, page_cap=CAP, order="appointTime", reverse=True)
    vendor.data.add(
        make_row(number, appointTime=to_ms(AT + number * 30 * MINUTE) if number < 40 else None)
        for number in range(70)
    )
    state = vendor.run_round()
    assert (state.column, state.count_undated, state.round_complete) == ("appointTime", 30, True)
    assert vendor.compare() == (set(), set())
