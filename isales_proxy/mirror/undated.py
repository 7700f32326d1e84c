"""Search for rows without a time, which no range returns: how many there are, and which.

They are searched in the whole list, which changes while it is paged. To find as many rows as were
counted proves nothing: one of them may just have lost its time, and another one was never seen.
Therefore the rows found are counted again, and each must be seen a second time; or, where totals
are wrong, two passes through the whole list must find the same rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from isales_proxy.client.errors import BadAnswer, Refused
from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.mirror.list_facts import (
    FIRST_TIME,
    LAST_TIME,
    FetchPage,
    ListFacts,
    count_distinct,
    get_range_time,
)

_MAX_PAGES: Final = 2000
_MAX_COUNTS: Final = 5
_MAX_ATTEMPTS: Final = 3
# A list of so few pages is paged three times, since another order at each call hides rows.
_FEW_PAGES: Final = 20
_PASSES: Final = 3
# Pages in a row without a new row, until the rows are counted again.
_MAX_EMPTY_PAGES: Final = 6
_MILLISECOND: Final = timedelta(milliseconds=1)

Search = Generator[ReservationQuery, Page[Reservation], bool]
"""Yields queries, is sent their pages, and returns whether it has succeeded."""
Rows = dict[object, Reservation]


@dataclass(frozen=True)
class ListCounts:
    """Numbers of rows at one time: all, those before the mirrored time, and those within it."""

    total: int
    before: int
    within: int

    @property
    def undated(self) -> int:
        """Number of rows that no range returns."""
        return self.total - self.before - self.within


def select_undated(rows: Iterable[Reservation], column: str) -> Rows:
    """Return the rows of one answer without a time, or with a time outside all ranges: by ID; those
    without an ID by their fields and a number that tells equal ones apart."""
    found: Rows = {}
    without_id: Counter[object] = Counter()
    for row in rows:
        time = get_range_time(row, column)
        if time is not None and FIRST_TIME <= time < LAST_TIME:
            continue
        key: object = row.appoint_id
        if key is None:
            same = (row.called_no, row.create_time, row.task_id, row.user_account)
            without_id[same] += 1
            key = (same, without_id[same])
        found[key] = row
    return found


class UndatedSearch:
    """The search of one round, one query at a time, so that due leaves are read in between.

    `begin` is that of the mirrored time; `returned` the rows without a time that ranges returned.
    `rows` are all rows found so far. `counts` are the last ones, None if the list changed while it
    was counted or its totals are wrong. `complete` is None until the search is over. `changed`
    tells that it failed only because the list changed, so that another search may succeed.
    `queries` counts those made.
    """

    def __init__(
        self, facts: ListFacts, begin: datetime, returned: Mapping[object, Reservation]
    ) -> None:
        self.rows: Rows = dict(returned)
        self.counts: ListCounts | None = None
        self.complete: bool | None = None
        self.changed = False
        self.queries = 0
        self._facts, self._begin, self._returned = facts, begin, frozenset(returned)
        self._had_bad_answer = False
        self._search = self._run()
        self._query = next(self._search)

    def step(self, fetch: FetchPage) -> bool:
        """Make one query; return True once the search is over.

        Raises ISalesError: then the next step makes the same query.
        """
        self.queries += 1
        try:
            page = fetch(self._query)
        except (BadAnswer, Refused) as error:
            if isinstance(error, BadAnswer) and not self._had_bad_answer:
                self._had_bad_answer = True
                raise
            self.complete = False
            return True
        try:
            self._query = self._search.send(page)
        except StopIteration as end:
            self.complete = bool(end.value)
        return self.complete is not None

    def _run(self) -> Search:
        if self._facts.totals_wrong:
            return (yield from self._compare_passes())
        for _attempt in range(_MAX_ATTEMPTS):
            # The list has changed: rows found before prove nothing.
            self.rows = {key: self.rows[key] for key in self._returned}
            if not (yield from self._count()):
                continue
            if self._count_missing() <= 0:
                return True
            is_whole = yield from self._collect()
            if is_whole is None:
                return False
            if is_whole or (yield from self._confirm()):
                return True
        self.changed = True
        return False

    def _count(self) -> Search:
        """Count until two counts agree; False if the list keeps changing."""
        self.counts = None
        former: tuple[int, int] | None = None
        for _trial in range(_MAX_COUNTS):
            everything = yield ReservationQuery(size=1)
            within = yield ReservationQuery(begin=self._begin, end=LAST_TIME, size=1)
            before_begin = self._begin - _MILLISECOND
            before = yield ReservationQuery(begin=FIRST_TIME, end=before_begin, size=1)
            if former == (before.total, within.total):
                self.counts = ListCounts(everything.total, before.total, within.total)
                return True
            former = before.total, within.total
        return False

    def _count_missing(self) -> int:
        """Return how many rows without a time were counted and are not found yet."""
        found = len(self.rows) - len(self._returned)
        return self.counts.undated - found if self.counts else 0

    def _collect(self) -> Generator[ReservationQuery, Page[Reservation], bool | None]:
        """Page through the list until as many rows are found as were counted. Return True if one
        page was the whole list, None if the rows were not found."""
        assert self.counts is not None  # noqa: S101 - counted before
        empty_pages, max_empty_pages = 0, _MAX_EMPTY_PAGES
        for number in self._list_pages(self.counts.total):
            page = yield ReservationQuery(page=number, size=self._facts.page_cap)
            found = self._select(page)
            empty_pages = 0 if found.keys() - self.rows.keys() else empty_pages + 1
            self.rows |= found
            if count_distinct(page) == page.total:
                return True
            if empty_pages >= max_empty_pages:
                # The missing rows may have got a time meanwhile.
                empty_pages, max_empty_pages = 0, 2 * max_empty_pages
                if not (yield from self._count()):
                    return False
            if self._count_missing() <= 0:
                return False
        return None

    def _confirm(self) -> Search:
        """Count again, and see each row found again without a time, and no other row."""
        left = set(self.rows) - self._returned
        if not (yield from self._count()) or self._count_missing() != 0:
            return False
        assert self.counts is not None  # noqa: S101 - counted just now
        for number in self._list_pages(self.counts.total):
            page = yield ReservationQuery(page=number, size=self._facts.page_cap)
            seen = self._select(page)
            on_page = {row.appoint_id for row in page.items if row.appoint_id}
            if not seen.keys() <= self.rows.keys() or left & (on_page - seen.keys()):
                return False
            left -= seen.keys()
            if not left:
                return True
        return False

    def _list_pages(self, total: int) -> Iterator[int]:
        """List the page numbers from both ends: in an order by time the rows are there."""
        size = self._facts.page_cap
        pages = min(max(1, -(-total // size)), _MAX_PAGES)
        for _pass in range(_PASSES if pages <= _FEW_PAGES else 1):
            for number in range(1, pages // 2 + 1):
                yield number
                yield pages + 1 - number
            if pages % 2:
                yield pages // 2 + 1

    def _compare_passes(self) -> Search:
        """Page through the whole list twice, without its total, and compare the rows found."""
        passes: list[frozenset[object]] = []
        for _pass in range(2):
            found: Rows = {}
            seen: set[object] = set()
            for number in range(1, _MAX_PAGES + 1):
                page = yield ReservationQuery(page=number, size=self._facts.page_cap)
                keys = {row.appoint_id or id(row) for row in page.items}
                found |= self._select(page)
                if not keys:
                    break
                if not keys - seen:
                    # The end, or page numbers are ignored: repeated keys do not tell which.
                    return False
                seen |= keys
            else:
                return False
            self.rows |= found
            passes.append(frozenset(found))
        return passes[0] == passes[1]

    def _select(self, page: Page[Reservation]) -> Rows:
        return select_undated(page.items, self._facts.column)
