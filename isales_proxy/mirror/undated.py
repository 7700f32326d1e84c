"""Rows without a time, which have no place in any range: how many there are, and which.

They are looked for in the whole list, which changes while it is paged, so that as many rows as were
counted are no proof: one that lost its time may stand for one that was never seen. Therefore as
many as were counted are found, counted again, and each is seen a second time; or, where counts say
nothing, two passes through everything find the same ones.
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
from isales_proxy.mirror.list_facts import AskList, ListFacts, count_distinct, get_column_value
from isales_proxy.mirror.readings import FIRST_TIME, LAST_TIME

_MOST_PAGES: Final = 2000
_COUNTS: Final = 5
_ATTEMPTS: Final = 3
# A list of so few pages is paged three times, since another order at each call hides rows.
_FEW_PAGES: Final = 20
_PASSES: Final = 3
# Pages in a row without another such row, until they are counted again.
_FRUITLESS: Final = 6
_MILLISECOND: Final = timedelta(milliseconds=1)

Questions = Generator[ReservationQuery, Page[Reservation], bool]
Rows = dict[object, Reservation]


@dataclass(frozen=True)
class Identity:
    """Counts of one moment: of all rows, of those before the mirrored time, and of those within."""

    total: int
    before: int
    within: int

    @property
    def undated(self) -> int:
        """The number of rows that no range answers."""
        return self.total - self.before - self.within


def pick_undated(rows: Iterable[Reservation], column: str) -> Rows:
    """Return the rows of one answer without a time, or with one that no range reaches, by ID, else
    by what they are and which of the equal ones of the answer they are."""
    found: Rows = {}
    without_id: Counter[object] = Counter()
    for row in rows:
        time = get_column_value(row, column)
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
    """The search of one round, a question at a time, so that what is near is read in between.

    `begin` is that of the mirrored time, `answered` the rows without a time that ranges have
    answered, by ID. `rows` are all that were found, `identity` the last counts, None where the list
    did not stand still or its totals are wrong; `complete` is None until it is over; `changed`
    tells that it is not complete for changes alone, so that another one may be; `asked` counts its
    questions.
    """

    def __init__(
        self, facts: ListFacts, begin: datetime, answered: Mapping[object, Reservation]
    ) -> None:
        self.rows: Rows = dict(answered)
        self.identity: Identity | None = None
        self.complete: bool | None = None
        self.changed = False
        self._facts, self._begin, self._answered = facts, begin, frozenset(answered)
        self.asked = 0
        self._had_bad_answer = False
        self._questions = self._search()
        self._next = next(self._questions)

    def step(self, ask: AskList) -> bool:
        """Ask one question; return True once the search is over.

        Raises ISalesError: then the same question is asked by the next step.
        """
        self.asked += 1
        try:
            page = ask(self._next)
        except BadAnswer:
            if not self._had_bad_answer:
                self._had_bad_answer = True
                raise
            self.complete = False
            return True
        except Refused:
            self.complete = False
            return True
        try:
            self._next = self._questions.send(page)
        except StopIteration as end:
            self.complete = bool(end.value)
        return self.complete is not None

    def _search(self) -> Questions:
        if self._facts.totals_wrong:
            return (yield from self._compare_passes())
        for _attempt in range(_ATTEMPTS):
            # Where somebody came or went, those found before are no proof of anything.
            self.rows = {key: self.rows[key] for key in self._answered}
            if not (yield from self._count()):
                continue
            if self._count_missing() <= 0:
                return True
            whole = yield from self._collect()
            if whole is None:
                return False
            if whole or (yield from self._confirm()):
                return True
        self.changed = True
        return False

    def _count(self) -> Questions:
        """Count everybody; False where the list did not stand still."""
        self.identity = None
        former: tuple[int, int] | None = None
        for _trial in range(_COUNTS):
            everybody = yield ReservationQuery(size=1)
            within = yield self._ask_count(self._begin, LAST_TIME)
            before = yield self._ask_count(FIRST_TIME, self._begin - _MILLISECOND)
            if former == (before.total, within.total):
                self.identity = Identity(everybody.total, before.total, within.total)
                return True
            former = before.total, within.total
        return False

    @staticmethod
    def _ask_count(begin: datetime, end: datetime) -> ReservationQuery:
        return ReservationQuery(begin=begin, end=end, size=1)

    def _count_missing(self) -> int:
        """Return how many rows without a time are counted and not found."""
        found = len(self.rows) - len(self._answered)
        return self.identity.undated - found if self.identity else 0

    def _collect(self) -> Generator[ReservationQuery, Page[Reservation], bool | None]:
        """Page through the list until as many are found as are counted. True if one page was the
        whole list, None if they were not found."""
        assert self.identity is not None  # noqa: S101 - counted before
        fruitless, patience = 0, _FRUITLESS
        for number in self._list_pages(self.identity.total):
            page = yield ReservationQuery(page=number, size=self._facts.page_cap)
            found = self._pick(page)
            fruitless = 0 if found.keys() - self.rows.keys() else fruitless + 1
            self.rows |= found
            if count_distinct(page) == page.total:
                return True
            if fruitless >= patience:
                # Those that are missing may have got a time meanwhile.
                fruitless, patience = 0, 2 * patience
                if not (yield from self._count()):
                    return False
            if self._count_missing() <= 0:
                return False
        return None

    def _confirm(self) -> Questions:
        """Count again, and see each of those found again without a time, and no other."""
        left = set(self.rows) - self._answered
        if not (yield from self._count()) or self._count_missing() != 0:
            return False
        assert self.identity is not None  # noqa: S101 - counted just now
        for number in self._list_pages(self.identity.total):
            page = yield ReservationQuery(page=number, size=self._facts.page_cap)
            seen = self._pick(page)
            answered = {row.appoint_id for row in page.items if row.appoint_id}
            if not seen.keys() <= self.rows.keys() or left & (answered - seen.keys()):
                return False
            left -= seen.keys()
            if not left:
                return True
        return False

    def _list_pages(self, total: int) -> Iterator[int]:
        """List the pages from both ends, which in an order by time have them."""
        size = self._facts.page_cap
        pages = min(max(1, -(-total // size)), _MOST_PAGES)
        for _pass in range(_PASSES if pages <= _FEW_PAGES else 1):
            for number in range(1, pages // 2 + 1):
                yield number
                yield pages + 1 - number
            if pages % 2:
                yield pages // 2 + 1

    def _compare_passes(self) -> Questions:
        """Page through everything twice, without a total."""
        passes: list[frozenset[object]] = []
        for _pass in range(2):
            found: Rows = {}
            seen: set[object] = set()
            for number in range(1, _MOST_PAGES + 1):
                page = yield ReservationQuery(page=number, size=self._facts.page_cap)
                keys = {row.appoint_id or id(row) for row in page.items}
                found |= self._pick(page)
                if not keys:
                    break
                if not keys - seen:
                    # The end, or offsets are ignored, which cannot be told apart where keys repeat.
                    return False
                seen |= keys
            else:
                return False
            self.rows |= found
            passes.append(frozenset(found))
        return passes[0] == passes[1]

    def _pick(self, page: Page[Reservation]) -> Rows:
        return pick_undated(page.items, self._facts.column)
