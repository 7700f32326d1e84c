"""Facts of a vendor's list that its documents leave open: the column of its time range, its largest
page, whether totals can be believed, and whether a number finds its own row.

Learnt at the beginning of each round over everything, by about eight questions.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from isales_proxy.client.errors import BadAnswer, Refused
from isales_proxy.client.page import Page
from isales_proxy.client.queries import CALLED_NUMBER, ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.mirror.readings import FIRST_TIME

AskList = Callable[[ReservationQuery], Page[Reservation]]
"""Ask the vendor's list. Raises ISalesError."""

APPOINT_TIME: Final = "appointTime"
CREATE_TIME: Final = "createTime"
BY_AGENT: Final = "agent"
MARGIN: Final = timedelta(seconds=1)
"""By which a range asked for exceeds the one answered for, at both ends."""
NUMBER_FINDS: Final = frozenset({"found", "exact", "partial"})

_SIZES: Final = (100, 50, 30, 20, 10, 5)
_FAR_APART: Final = timedelta(seconds=30)
_WITNESSES: Final = 3
_TRIALS: Final = 3


@dataclass(frozen=True)
class ListFacts:
    """Facts of one VDN's list; the defaults are those of one never asked.

    `column` is "" while no row could tell. With `totals_wrong` totals are not used at all.
    """

    column: str = ""
    page_cap: int = 100
    number_match: str = ""
    totals_wrong: bool = False

    @property
    def by_time(self) -> bool:
        """Tell whether ranges of time cut the list."""
        return self.column != BY_AGENT


def learn_facts(ask: AskList, known: ListFacts, largest: int) -> ListFacts:
    """Ask the list about itself, with pages of at most `largest` rows. Raises ISalesError."""
    first, facts = _learn_page(ask, known, largest)
    if not first.items:
        return facts
    column = _learn_column(ask, first, facts)
    if column == BY_AGENT and not facts.column:
        # Rows that were just moved are no witnesses; a second sample decides.
        column = _learn_column(ask, ask(ReservationQuery(size=facts.page_cap)), facts)
    return replace(
        facts,
        column=column,
        number_match=_learn_number(ask, first, facts),
    )


def get_column_value(record: Reservation, column: str) -> datetime | None:
    """Return the time of a record that ranges test."""
    return record.create_time if column == CREATE_TIME else record.appoint_time


def count_distinct(page: Page[Reservation]) -> int:
    """Count the rows of a page, each ID once."""
    ids = [row.appoint_id for row in page.items]
    return len({each for each in ids if each}) + sum(each is None for each in ids)


def _learn_page(
    ask: AskList, known: ListFacts, largest: int
) -> tuple[Page[Reservation], ListFacts]:
    """Ask for the first page, smaller and smaller while it is refused, and test its total."""
    sizes = [largest, *(size for size in _SIZES if size < largest)]
    for size in sizes:
        try:
            first = ask(ReservationQuery(size=size))
        except Refused:
            if size == sizes[-1]:
                raise
            continue
        break
    got = min(len(first.items), size)
    facts = replace(known, page_cap=size, totals_wrong=False)
    if count_distinct(first) > first.total:
        return first, replace(facts, totals_wrong=True)
    if got == 0 or (got >= size and first.total > size):
        return first, replace(facts, totals_wrong=got == 0 and first.total > 0)
    # Fewer rows than were asked for: all of them, or a cap that is applied silently?
    try:
        second = ask(ReservationQuery(page=2, size=got))
    except (Refused, BadAnswer):
        return first, facts if got == first.total else replace(facts, page_cap=got)
    seen = {row.appoint_id for row in first.items}
    more = any(row.appoint_id not in seen for row in second.items)
    if got < min(size, first.total):
        # Offsets may be ignored: then the same rows come again.
        if second.items:
            return first, replace(facts, page_cap=got)
        return first, replace(facts, totals_wrong=True)
    if more and ask(ReservationQuery(size=size)).total == first.total:
        return first, replace(facts, page_cap=got, totals_wrong=True)
    return first, facts


def _learn_column(ask: AskList, first: Page[Reservation], facts: ListFacts) -> str:
    """Ask for narrow ranges around the times of rows whose two times lie far apart."""
    try:
        if ask(_ask_range(FIRST_TIME, facts.page_cap)).items:
            # Nothing is that old: the range is not heeded.
            return BY_AGENT
    except (Refused, BadAnswer):
        return BY_AGENT
    rows = _list_witnesses(first)
    if not rows and len(first.items) < first.total and not facts.totals_wrong:
        # The first page may have those without a time alone.
        last = -(-first.total // facts.page_cap)
        with suppress(Refused, BadAnswer):
            rows = _list_witnesses(ask(ReservationQuery(page=last, size=facts.page_cap)))
    if not rows:
        return facts.column
    step = max(1, len(rows) // _WITNESSES)
    witnesses = rows[::step][:_WITNESSES]
    for column in (APPOINT_TIME, CREATE_TIME):
        if any(_is_found_by(ask, witness, column, facts) for witness in witnesses):
            return column
    # Witnesses may have moved meanwhile: what was proven once is not given up for that.
    return facts.column or BY_AGENT


def _list_witnesses(page: Page[Reservation]) -> list[Reservation]:
    """List the rows of a page whose two times lie far apart."""
    return [
        row
        for row in page.items
        if row.appoint_id
        and row.appoint_time
        and row.create_time
        and abs(row.appoint_time - row.create_time) > _FAR_APART
    ]


def _is_found_by(ask: AskList, witness: Reservation, column: str, facts: ListFacts) -> bool:
    time = get_column_value(witness, column)
    if time is None:
        return False
    try:
        page = ask(_ask_range(time, facts.page_cap))
    except (Refused, BadAnswer):
        return False
    times = [get_column_value(row, column) for row in page.items]
    fitting = sum(each is None or abs(each - time) <= 3 * MARGIN for each in times)
    # A second with many rows may not show this one on its first page.
    shown = any(row.appoint_id == witness.appoint_id for row in page.items)
    return fitting == len(times) and (shown or len(times) >= facts.page_cap)


def _ask_range(time: datetime, size: int) -> ReservationQuery:
    return ReservationQuery(begin=time - MARGIN, end=time + MARGIN, size=size)


def _learn_number(ask: AskList, first: Page[Reservation], facts: ListFacts) -> str:
    numbers = {row.called_no for row in first.items if row.called_no}
    usable = [number for number in numbers if CALLED_NUMBER.fullmatch(number)]
    for number in sorted(usable)[:_TRIALS]:
        try:
            page = ask(ReservationQuery(called_no=number, size=facts.page_cap))
        except Refused:
            return "refused"
        if any(row.called_no == number for row in page.items):
            partial = any(row.called_no != number for row in page.items)
            return "partial" if partial else "exact"
    return "not-found" if usable else facts.number_match
