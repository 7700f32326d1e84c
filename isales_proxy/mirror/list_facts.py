"""Facts about a vendor's list that its documents leave open: which time its ranges filter by, its
largest page, whether its totals are right, and whether a called number finds its own row.

They are found at the beginning of each round over everything, by about eight queries.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from isales_proxy.client.errors import BadAnswer, Refused
from isales_proxy.client.page import Page
from isales_proxy.client.queries import CALLED_NUMBER, ReservationQuery
from isales_proxy.client.records import Reservation

FetchPage = Callable[[ReservationQuery], Page[Reservation]]
"""Fetch one page of the vendor's list. Raises ISalesError."""

APPOINT_TIME: Final = "appointTime"
CREATE_TIME: Final = "createTime"
BY_AGENT: Final = "agent"
FIRST_TIME: Final = datetime(1971, 1, 1, tzinfo=UTC)
LAST_TIME: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Bounds of all ranges. A row beyond them counts as one without a time."""
MARGIN: Final = timedelta(seconds=1)
"""By which the range of a query exceeds that of its leaf, at both ends."""

_PAGE_SIZES: Final = (100, 50, 30, 20, 10, 5)
_MIN_TIME_DIFFERENCE: Final = timedelta(seconds=30)
_MAX_SAMPLES: Final = 3


@dataclass(frozen=True)
class ListFacts:
    """Facts about one VDN's list; the defaults are those of a list that was never read.

    `column` is the time that ranges filter by, `BY_AGENT` if they filter by none, "" while no row
    could tell. With `totals_wrong` totals are not used at all.
    """

    column: str = ""
    page_cap: int = 100
    number_match: str = ""
    totals_wrong: bool = False

    @property
    def by_time(self) -> bool:
        """Tell whether leaves are time ranges."""
        return self.column != BY_AGENT


def find_facts(fetch: FetchPage, known: ListFacts, max_size: int) -> ListFacts:
    """Find the facts by pages of at most `max_size` rows. Raises ISalesError."""
    first, facts = _find_page_cap(fetch, known, max_size)
    if not first.items:
        return facts
    column = _find_column(fetch, first, facts)
    if column == BY_AGENT and not facts.column:
        # The rows may just have been moved: a second sample decides.
        column = _find_column(fetch, fetch(ReservationQuery(size=facts.page_cap)), facts)
    return replace(facts, column=column, number_match=_find_number_match(fetch, first, facts))


def get_time_field(column: str) -> str:
    """Return the field of a row that ranges filter by."""
    return "create_time" if column == CREATE_TIME else "appoint_time"


def get_range_time(record: Reservation, column: str) -> datetime | None:
    """Return the time of a record that ranges filter by."""
    return record.create_time if column == CREATE_TIME else record.appoint_time


def count_distinct(page: Page[Reservation]) -> int:
    """Count the rows of a page, each ID once."""
    ids = [row.appoint_id for row in page.items]
    return len({each for each in ids if each}) + sum(each is None for each in ids)


def _find_page_cap(
    fetch: FetchPage, known: ListFacts, max_size: int
) -> tuple[Page[Reservation], ListFacts]:
    """Fetch the first page, in smaller sizes while it is refused, and check its total."""
    sizes = [max_size, *(size for size in _PAGE_SIZES if size < max_size)]
    for size in sizes:
        try:
            first = fetch(ReservationQuery(size=size))
        except Refused:
            if size == sizes[-1]:
                raise
            continue
        break
    count = min(len(first.items), size)
    facts = replace(known, page_cap=size, totals_wrong=False)
    if count_distinct(first) > first.total:
        return first, replace(facts, totals_wrong=True)
    if count == 0 or (count >= size and first.total > size):
        return first, replace(facts, totals_wrong=count == 0 and first.total > 0)
    # Fewer rows than the page size: all rows of the list, or a smaller page than requested?
    try:
        second = fetch(ReservationQuery(page=2, size=count))
    except (Refused, BadAnswer):
        return first, facts if count == first.total else replace(facts, page_cap=count)
    seen = {row.appoint_id for row in first.items}
    has_more = any(row.appoint_id not in seen for row in second.items)
    if count < min(size, first.total):
        # Page numbers may be ignored: then the same rows come again.
        if second.items:
            return first, replace(facts, page_cap=count)
        return first, replace(facts, totals_wrong=True)
    if has_more and fetch(ReservationQuery(size=size)).total == first.total:
        return first, replace(facts, page_cap=count, totals_wrong=True)
    return first, facts


def _find_column(fetch: FetchPage, first: Page[Reservation], facts: ListFacts) -> str:
    """Find the time that ranges filter by, from rows whose two times are far apart."""
    try:
        if fetch(_build_range_query(FIRST_TIME, facts.page_cap)).items:
            # No row is that old: the range is ignored.
            return BY_AGENT
    except (Refused, BadAnswer):
        return BY_AGENT
    rows = _list_samples(first)
    if not rows and len(first.items) < first.total and not facts.totals_wrong:
        # All rows of the first page may be without a time.
        last = -(-first.total // facts.page_cap)
        with suppress(Refused, BadAnswer):
            rows = _list_samples(fetch(ReservationQuery(page=last, size=facts.page_cap)))
    if not rows:
        return facts.column
    step = max(1, len(rows) // _MAX_SAMPLES)
    samples = rows[::step][:_MAX_SAMPLES]
    for column in (APPOINT_TIME, CREATE_TIME):
        if any(_is_found_by(fetch, sample, column, facts) for sample in samples):
            return column
    # The samples may have moved meanwhile: a column that was found before is kept.
    return facts.column or BY_AGENT


def _list_samples(page: Page[Reservation]) -> list[Reservation]:
    """List the rows of a page whose two times are far apart."""
    return [
        row
        for row in page.items
        if row.appoint_id
        and row.appoint_time
        and row.create_time
        and abs(row.appoint_time - row.create_time) > _MIN_TIME_DIFFERENCE
    ]


def _is_found_by(fetch: FetchPage, sample: Reservation, column: str, facts: ListFacts) -> bool:
    """Tell whether a range around the sample's time of this column returns it, and no other."""
    time = get_range_time(sample, column)
    if time is None:
        return False
    try:
        page = fetch(_build_range_query(time, facts.page_cap))
    except (Refused, BadAnswer):
        return False
    times = [get_range_time(row, column) for row in page.items]
    all_fit = all(each is None or abs(each - time) <= 3 * MARGIN for each in times)
    # A second with many rows may not have the sample on its first page.
    is_found = any(row.appoint_id == sample.appoint_id for row in page.items)
    return all_fit and (is_found or len(times) >= facts.page_cap)


def _build_range_query(time: datetime, size: int) -> ReservationQuery:
    return ReservationQuery(begin=time - MARGIN, end=time + MARGIN, size=size)


def _find_number_match(fetch: FetchPage, first: Page[Reservation], facts: ListFacts) -> str:
    """Find how the called number filters: "exact", "partial", "refused" or "not-found"."""
    numbers = {row.called_no for row in first.items if row.called_no}
    usable = [number for number in numbers if CALLED_NUMBER.fullmatch(number)]
    for number in sorted(usable)[:_MAX_SAMPLES]:
        try:
            page = fetch(ReservationQuery(called_no=number, size=facts.page_cap))
        except Refused:
            return "refused"
        if any(row.called_no == number for row in page.items):
            is_partial = any(row.called_no != number for row in page.items)
            return "partial" if is_partial else "exact"
    return "not-found" if usable else facts.number_match
