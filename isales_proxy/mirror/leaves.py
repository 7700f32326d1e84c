"""Leaves: queries whose whole answer fits into one page; how they are planned, cut, merged, read.

A leaf covers [begin, end). Its query asks for a second more at both ends, so that neither inclusive
or exclusive ends nor cut milliseconds lose a row there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Final

from isales_proxy.client.errors import Refused
from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.mirror.list_facts import (
    FIRST_TIME,
    LAST_TIME,
    MARGIN,
    FetchPage,
    ListFacts,
    count_distinct,
    get_range_time,
)
from isales_proxy.mirror.readings import LeafAnswer
from isales_proxy.mirror.round_reasons import RoundReason
from isales_proxy.models.mirror import LeafKind, MirrorLeaf

_SECOND: Final = timedelta(seconds=1)
_MIN_DISTANCE: Final = timedelta(seconds=5)
"""Between two readings that must agree where totals are wrong."""
# Rows of a new leaf, as a share of a page.
_FILL: Final = 0.6
_MAX_PARTS: Final = 64
_MAX_ACCOUNTS: Final = 60
# By which a shown time may differ from the one that the range filters by.
_TIME_ERROR: Final = timedelta(seconds=1)
# Of two passes, the second in pages of two thirds of the size.
_CALLS_PER_PAGE: Final = 2.5
# In a row, until totals are not used any more.
_MAX_WRONG_TOTALS: Final = 2


# An answer that proves nothing about rows that it lacks; its own rows are right all the same.
_incomplete = partial(LeafAnswer, complete=False)


class LeafReader:
    """Reads leaves. `clock` returns aware UTC; `fetch` raises ISalesError; `list_accounts` returns
    the agents of the rows that the mirror has in a leaf."""

    def __init__(
        self,
        fetch: FetchPage,
        facts: ListFacts,
        clock: Callable[[], datetime],
        list_accounts: Callable[[MirrorLeaf], Iterable[str]],
    ) -> None:
        self.facts = facts
        self._fetch, self._clock, self._list_accounts = fetch, clock, list_accounts
        # Where totals are wrong, by leaf: when it was last read, and the IDs of its rows.
        self._former: dict[int, tuple[datetime, frozenset[str]]] = {}
        self._wrong_totals = 0

    def read(self, leaf: MirrorLeaf) -> LeafAnswer:
        """Read a leaf once. A leaf with more rows than a page has the reason CROWDED_PART and is
        to be cut. Raises ISalesError."""
        query = self._build_query(leaf)
        sent_at = self._clock()
        page = self._fetch(query)
        rows, cap = page.items, self.facts.page_cap
        if not self._is_in_range(leaf, rows):
            return _incomplete((), sent_at, reason=RoundReason.OUTSIDE_RANGE)
        if self.facts.totals_wrong:
            return self._read_without_total(leaf, rows, sent_at)
        distinct = count_distinct(page)
        if distinct > page.total or len(rows) < min(cap, page.total):
            return self._examine_total(query, page, sent_at)
        if len(rows) >= cap:
            if leaf.kind == LeafKind.AGENT or _is_narrowest(leaf):
                return self._read_in_parts(leaf, query, page, sent_at)
            return _incomplete(rows, sent_at, reason=RoundReason.CROWDED_PART, total=page.total)
        if distinct < page.total:
            return _incomplete(rows, sent_at, reason=RoundReason.ROW_TWICE)
        self._wrong_totals = 0
        return LeafAnswer(rows, sent_at, complete=True, total=len(rows))

    def _build_query(self, leaf: MirrorLeaf) -> ReservationQuery:
        query = ReservationQuery(size=self.facts.page_cap)
        if leaf.begin is not None and leaf.end is not None:
            query = replace(query, begin=leaf.begin - MARGIN, end=leaf.end + MARGIN)
        if leaf.agent:
            query = replace(query, agents=(leaf.agent,))
        return query

    def _is_in_range(self, leaf: MirrorLeaf, rows: Iterable[Reservation]) -> bool:
        """Tell whether the vendor has filtered by the leaf's range."""
        if leaf.begin is None or leaf.end is None:
            return True
        low, high = leaf.begin - MARGIN - _TIME_ERROR, leaf.end + MARGIN + _TIME_ERROR
        times = (get_range_time(row, self.facts.column) for row in rows)
        return all(time is None or low <= time <= high for time in times)

    def _examine_total(
        self, query: ReservationQuery, page: Page[Reservation], sent_at: datetime
    ) -> LeafAnswer:
        """Tell by the second page whether pages are smaller than requested or the total is wrong,
        and note it in the facts."""
        rows = page.items
        if rows and len(rows) < page.total:
            known = {row.appoint_id for row in rows}
            more = self._fetch(replace(query, page=2, size=len(rows))).items
            if any(row.appoint_id not in known for row in more):
                self.facts = replace(self.facts, page_cap=len(rows))
                return _incomplete(rows, sent_at, reason=RoundReason.CROWDED_PART, total=page.total)
        self._wrong_totals += 1
        if self._wrong_totals >= _MAX_WRONG_TOTALS:
            self.facts = replace(self.facts, totals_wrong=True)
        return _incomplete(rows, sent_at, reason=RoundReason.WRONG_TOTAL, retry_after=_MIN_DISTANCE)

    def _read_without_total(
        self, leaf: MirrorLeaf, rows: tuple[Reservation, ...], sent_at: datetime
    ) -> LeafAnswer:
        """Accept an answer with a wrong total as complete if an earlier one had the same rows."""
        if len(rows) >= self.facts.page_cap:
            if _is_narrowest(leaf):
                return _incomplete(rows, sent_at, reason=RoundReason.CROWDED_SECOND)
            total = max(2 * len(rows), 2)
            return _incomplete(rows, sent_at, reason=RoundReason.CROWDED_PART, total=total)
        ids = frozenset(row.appoint_id or repr(row.create_time) for row in rows)
        former = self._former.get(leaf.pk)
        is_same = former is not None and former[1] == ids
        if former is not None and is_same and sent_at - former[0] >= _MIN_DISTANCE:
            self._former[leaf.pk] = sent_at, ids
            return LeafAnswer(rows, sent_at, complete=True, total=len(rows))
        if former is None or not is_same or former[0] > sent_at:
            self._former[leaf.pk] = sent_at, ids
        return _incomplete(rows, sent_at, reason=RoundReason.READ_ONCE, retry_after=_MIN_DISTANCE)

    def _read_in_parts(
        self, leaf: MirrorLeaf, query: ReservationQuery, first: Page[Reservation], sent_at: datetime
    ) -> LeafAnswer:
        """Read a leaf that has more rows than a page and cannot be cut."""
        accounts = list(self._list_accounts(leaf))
        # The way with fewer calls first: the longer it takes, the more often a change spoils it.
        pages_first = len(accounts) > _CALLS_PER_PAGE * first.total / query.size
        seen: dict[object, Reservation] = {}
        for by_pages in (pages_first, not pages_first):
            parts = _PartReader(self._fetch, query, first)
            is_whole = parts.read_pages() if by_pages else parts.read_by_agents(accounts)
            if is_whole:
                rows = tuple(parts.rows.values())
                return LeafAnswer(rows, sent_at, complete=True, total=len(rows))
            seen |= parts.rows
        return _incomplete(tuple(seen.values()), sent_at, reason=RoundReason.CROWDED_SECOND)


class _PartReader:
    """Reads the rows of a query that has more than a page: by agent and task, or in two passes.

    The parts are not read at one time, so a row that is missing is queried by number all the same.
    """

    def __init__(self, fetch: FetchPage, query: ReservationQuery, first: Page[Reservation]) -> None:
        self._fetch, self._query, self._cap = fetch, query, query.size
        self._total = first.total
        self.rows: dict[object, Reservation] = {}
        self._add(first.items)

    def read_by_agents(self, known: Iterable[str]) -> bool:
        """Query each agent that is known or seen, and the tasks of an agent with too many rows;
        return whether that found all rows."""
        if self._query.agents:
            return self._read_by_tasks(self._query)
        accounts = dict.fromkeys(known)
        queried: set[str] = set()
        number = 1
        while len(queried) < _MAX_ACCOUNTS and len(self.rows) < self._total:
            accounts |= dict.fromkeys(
                row.user_account for row in self.rows.values() if row.user_account
            )
            account = next((each for each in accounts if each not in queried), None)
            if account is None:
                # Other pages may have rows of an agent who is not known yet.
                number += 1
                if not self._read_page(number):
                    return False
                continue
            queried.add(account)
            query = replace(self._query, agents=(account,))
            # CC-iSales refuses an agent that it does not know any more.
            with suppress(Refused):
                page = self._fetch(query)
                self._add(page.items)
                if page.total > len(page.items):
                    self._read_by_tasks(query)
        return self._has_all()

    def _read_page(self, number: int) -> bool:
        """Add the rows of another page; False if there is none."""
        if self._cap * (number - 1) >= self._total:
            return False
        try:
            page = self._fetch(replace(self._query, page=number))
        except Refused:
            return False
        self._add(page.items)
        return bool(page.items)

    def _read_by_tasks(self, query: ReservationQuery) -> bool:
        tasks = {row.task_id for row in self.rows.values() if row.task_id}
        for task in sorted(tasks):
            self._add(self._fetch(replace(query, task_id=task)).items)
        return self._has_all()

    def read_pages(self) -> bool:
        """Read all pages twice, in different sizes; return whether both passes find the same rows,
        as many as the total says."""
        passes = []
        for size in (self._cap, max(1, self._cap - self._cap // 3)):
            found: dict[object, Reservation] = {}
            number = 1
            while size * (number - 1) < self._total:
                try:
                    page = self._fetch(replace(self._query, page=number, size=size))
                except Refused:
                    break
                if page.total != self._total or not page.items:
                    break
                found.update({_get_identity(row): row for row in page.items})
                number += 1
            self.rows.update(found)
            passes.append(found.keys())
        return passes[0] == passes[1] and len(passes[0]) == self._total

    def _add(self, rows: Iterable[Reservation]) -> None:
        self.rows.update({_get_identity(row): row for row in rows})

    def _has_all(self) -> bool:
        """Tell whether as many rows were found as the total says, at the beginning and now."""
        if len(self.rows) != self._total:
            return False
        return self._fetch(replace(self._query, size=1)).total == self._total


def _get_identity(row: Reservation) -> object:
    return row.appoint_id or (row.called_no, row.create_time, row.appoint_time, row.user_account)


def _is_narrowest(leaf: MirrorLeaf) -> bool:
    """Tell whether a leaf is one second, which cannot be cut."""
    return leaf.begin is not None and leaf.end is not None and leaf.end - leaf.begin <= _SECOND


def plan_leaves(vdn_id: int, now: datetime, floor: datetime) -> list[MirrorLeaf]:
    """Return the first leaves of a mirror, without a gap: near ones narrow, far ones wide."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    days = (-30, -7, -1, 1, 7, 30, 90)
    cuts = [floor, *(hour + timedelta(days=day) for day in days)]
    cuts += [hour, hour + timedelta(hours=1), LAST_TIME]
    cuts = sorted({cut for cut in cuts if cut >= floor})
    return [
        *(
            MirrorLeaf(vdn_id=vdn_id, kind=LeafKind.TIME, begin=begin, end=end, due_at=now)
            for begin, end in pairwise(cuts)
        ),
        MirrorLeaf(vdn_id=vdn_id, kind=LeafKind.UNDATED, due_at=now),
    ]


def find_cuts(leaf: MirrorLeaf, total: int, cap: int, times: Sequence[datetime]) -> list[datetime]:
    """Return the times, in whole seconds, at which to cut a leaf of `total` rows; none if it cannot
    be cut. `times` are the known ones of its rows, in order: the cuts follow them if they are at
    least half of all, else they divide the time evenly."""
    if leaf.begin is None or leaf.end is None or _is_narrowest(leaf):
        return []
    size = max(1, int(cap * _FILL))
    parts = min(_MAX_PARTS, max(2, -(-total // size)))
    inside = [time for time in times if leaf.begin < time < leaf.end]
    if len(inside) * 2 >= total:
        found = [inside[len(inside) * part // parts] for part in range(1, parts)]
    else:
        low, high = leaf.begin, leaf.end
        if inside and high - low > timedelta(days=366):
            # Most rows are near the present, not in the two centuries after it.
            low = max(low, inside[0] - timedelta(days=30))
            high = min(high, inside[-1] + timedelta(days=30))
        found = [low + (high - low) * part / parts for part in range(parts + 1)]
    cuts = {time.replace(microsecond=0) for time in found}
    middle = (leaf.begin + (leaf.end - leaf.begin) / 2).replace(microsecond=0)
    kept = sorted(cut for cut in cuts if leaf.begin < cut < leaf.end)
    return kept or [max(middle, leaf.begin + _SECOND)]


def cut_leaf(leaf: MirrorLeaf, cuts: Sequence[datetime], due_at: datetime) -> list[MirrorLeaf]:
    """Return the parts of a leaf, which are as old as it was."""
    return [
        MirrorLeaf(
            vdn_id=leaf.vdn_id,
            kind=leaf.kind,
            begin=begin,
            end=end,
            as_of=leaf.as_of,
            complete=leaf.complete,
            interval=leaf.interval,
            due_at=due_at,
        )
        for begin, end in pairwise([leaf.begin, *cuts, leaf.end])
    ]


def group_small_leaves(leaves: Sequence[MirrorLeaf], cap: int) -> list[list[MirrorLeaf]]:
    """Group neighbours of equal interval whose rows fit into 0.6 of a page together."""
    groups: list[list[MirrorLeaf]] = []
    rows = 0
    for leaf in sorted(leaves, key=lambda each: each.begin or FIRST_TIME):
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and rows + leaf.rows <= cap * _FILL
            and (last.end, last.interval) == (leaf.begin, leaf.interval)
            and last.complete
            and leaf.complete
        ):
            groups[-1].append(leaf)
            rows += leaf.rows
        else:
            groups.append([leaf])
            rows = leaf.rows
    return [group for group in groups if len(group) > 1]
