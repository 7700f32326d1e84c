"""Leaves: questions whose whole answer fits into one page. How they are cut, asked and judged.

A leaf answers for [begin, end) and asks for a second more at both ends, so that neither open or
closed ends nor cut milliseconds lose a row at its edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from isales_proxy.client.errors import Refused
from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.mirror.list_facts import (
    MARGIN,
    AskList,
    ListFacts,
    count_distinct,
    get_column_value,
)
from isales_proxy.mirror.readings import FIRST_TIME, LAST_TIME, LeafAnswer
from isales_proxy.mirror.round_reasons import RoundReason
from isales_proxy.models.mirror import LeafKind, MirrorLeaf

AGAIN_AFTER: Final = timedelta(seconds=5)
"""Between two readings that must agree where totals are wrong."""
_SECOND: Final = timedelta(seconds=1)
_FILL: Final = 0.6
_MOST_PARTS: Final = 64
_MOST_ACCOUNTS: Final = 60
_SHOWN_OFF: Final = timedelta(seconds=1)
# In a row, until no total is believed any more.
_WRONG_TOTALS: Final = 2


@dataclass(frozen=True)
class TooMany:
    """An answer that has more rows than a page: those it holds, and how many there are."""

    t0: datetime
    rows: tuple[Reservation, ...]
    total: int


@dataclass(frozen=True)
class Doubtful:
    """An answer that judges nobody, and why (`RoundReason`); its rows are true all the same."""

    t0: datetime
    rows: tuple[Reservation, ...]
    reason: str
    again_after: timedelta | None = None


@dataclass(frozen=True)
class Whole:
    """The whole answer to a leaf's question."""

    t0: datetime
    answer: LeafAnswer


LeafReading = Whole | TooMany | Doubtful


class LeafReader:
    """Asks for leaves. `clock` is ours, aware UTC; `ask` raises ISalesError; `list_accounts` tells
    the agents of the rows that the mirror has in a leaf."""

    def __init__(
        self,
        ask: AskList,
        facts: ListFacts,
        clock: Callable[[], datetime],
        list_accounts: Callable[[MirrorLeaf], Iterable[str]],
    ) -> None:
        self.facts = facts
        self._ask, self._clock, self._list_accounts = ask, clock, list_accounts
        # By leaf: when its rows were last read whose total is not believed, and which.
        self._seen: dict[int, tuple[datetime, frozenset[str]]] = {}
        self._wrong_totals = 0

    def read(self, leaf: MirrorLeaf) -> LeafReading:
        """Read a leaf once. Raises ISalesError."""
        query = self._build_query(leaf)
        t0 = self._clock()
        page = self._ask(query)
        rows, cap = page.items, self.facts.page_cap
        if leaf.begin is not None and not self._is_in_range(leaf, rows):
            return Doubtful(t0, (), RoundReason.OUTSIDE_RANGE)
        if self.facts.totals_wrong:
            return self._judge_without_total(leaf, t0, rows)
        distinct = count_distinct(page)
        if distinct > page.total or len(rows) < min(cap, page.total):
            return self._examine_total(query, page, t0)
        if len(rows) >= cap:
            if leaf.kind == LeafKind.AGENT or is_narrowest(leaf):
                return self._read_crowd(leaf, query, page, t0)
            return TooMany(t0, rows, page.total)
        if distinct < page.total:
            return Doubtful(t0, rows, RoundReason.ROW_TWICE)
        self._wrong_totals = 0
        return Whole(t0, LeafAnswer(rows, page.total, complete=True))

    def _examine_total(
        self, query: ReservationQuery, page: Page[Reservation], t0: datetime
    ) -> LeafReading:
        """Tell a cap that is applied silently from a total that is wrong, by the second page."""
        rows = page.items
        if rows and len(rows) < page.total:
            known = {row.appoint_id for row in rows}
            more = self._ask(replace(query, page=2, size=len(rows))).items
            if any(row.appoint_id not in known for row in more):
                self.facts = replace(self.facts, page_cap=len(rows))
                return TooMany(t0, rows, page.total)
        self._wrong_totals += 1
        if self._wrong_totals >= _WRONG_TOTALS:
            self.facts = replace(self.facts, totals_wrong=True)
        return Doubtful(t0, rows, RoundReason.WRONG_TOTAL, AGAIN_AFTER)

    def _build_query(self, leaf: MirrorLeaf) -> ReservationQuery:
        query = ReservationQuery(size=self.facts.page_cap)
        if leaf.begin is not None and leaf.end is not None:
            query = replace(query, begin=leaf.begin - MARGIN, end=leaf.end + MARGIN)
        if leaf.agent:
            query = replace(query, agents=(leaf.agent,))
        return query

    def _is_in_range(self, leaf: MirrorLeaf, rows: Iterable[Reservation]) -> bool:
        """Tell whether the vendor heeded the range; times may be shown up to a second off."""
        if leaf.begin is None or leaf.end is None:
            return True
        low, high = leaf.begin - MARGIN - _SHOWN_OFF, leaf.end + MARGIN + _SHOWN_OFF
        times = (get_column_value(row, self.facts.column) for row in rows)
        return all(time is None or low <= time <= high for time in times)

    def _judge_without_total(
        self, leaf: MirrorLeaf, t0: datetime, rows: tuple[Reservation, ...]
    ) -> LeafReading:
        """Believe an answer whose total is wrong when an earlier one had the same rows."""
        if len(rows) >= self.facts.page_cap:
            if is_narrowest(leaf):
                return Doubtful(t0, rows, RoundReason.CROWDED_SECOND)
            return TooMany(t0, rows, max(2 * len(rows), 2))
        ids = frozenset(row.appoint_id or repr(row.create_time) for row in rows)
        former = self._seen.get(leaf.pk)
        if former is not None and former[1] == ids and t0 - former[0] >= AGAIN_AFTER:
            self._seen[leaf.pk] = t0, ids
            return Whole(t0, LeafAnswer(rows, len(rows), complete=True))
        if former is None or former[1] != ids or former[0] > t0:
            self._seen[leaf.pk] = t0, ids
        return Doubtful(t0, rows, RoundReason.READ_ONCE, again_after=AGAIN_AFTER)

    def _read_crowd(
        self, leaf: MirrorLeaf, query: ReservationQuery, first: Page[Reservation], t0: datetime
    ) -> LeafReading:
        """Read a second with more rows than a page: by agent, by task, then in two passes."""
        crowd = _Crowd(self._ask, query, first)
        if crowd.read_by_agents(self._list_accounts(leaf)) or crowd.read_pages():
            rows = tuple(crowd.rows.values())
            return Whole(t0, LeafAnswer(rows, len(rows), complete=True))
        return Doubtful(t0, tuple(crowd.rows.values()), RoundReason.CROWDED_SECOND)


class _Crowd:
    """Rows of one question that has more than a page, gathered by parts of it.

    The parts are no snapshot together, so a row that is missing is asked for before it is gone.
    """

    def __init__(self, ask: AskList, query: ReservationQuery, first: Page[Reservation]) -> None:
        self._ask, self._query, self._cap = ask, query, query.size
        self._total = first.total
        self.rows: dict[object, Reservation] = {}
        self._add(first.items)

    def read_by_agents(self, known: Iterable[str]) -> bool:
        """Ask for each agent known or seen, and for the tasks of one who has too many; True if that
        is everybody."""
        if self._query.agents:
            return self._read_by_tasks(self._query)
        accounts = dict.fromkeys(known)
        asked: set[str] = set()
        number = 1
        while len(asked) < _MOST_ACCOUNTS and not self._is_whole():
            accounts |= dict.fromkeys(
                row.user_account for row in self.rows.values() if row.user_account
            )
            account = next((each for each in accounts if each not in asked), None)
            if account is None:
                # Other pages may show those of an agent who is not known yet.
                number += 1
                if not self._read_further_page(number):
                    return False
                continue
            asked.add(account)
            query = replace(self._query, agents=(account,))
            # One whom CC-iSales does not know any more has no rows.
            with suppress(Refused):
                page = self._ask(query)
                self._add(page.items)
                if page.total > len(page.items):
                    self._read_by_tasks(query)
        return self._is_confirmed()

    def _read_further_page(self, number: int) -> bool:
        """Add the rows of another page; False where there is none."""
        if self._cap * (number - 1) >= self._total:
            return False
        try:
            page = self._ask(replace(self._query, page=number))
        except Refused:
            return False
        self._add(page.items)
        return bool(page.items)

    def _read_by_tasks(self, query: ReservationQuery) -> bool:
        tasks = {row.task_id for row in self.rows.values() if row.task_id}
        for task in sorted(tasks):
            self._add(self._ask(replace(query, task_id=task)).items)
        return self._is_confirmed()

    def read_pages(self) -> bool:
        """Page through twice, with different page sizes; True if both find the same rows, as many
        as the total says."""
        passes = []
        for size in (self._cap, max(1, self._cap - self._cap // 3)):
            found: dict[object, Reservation] = {}
            number = 1
            while size * (number - 1) < self._total:
                try:
                    page = self._ask(replace(self._query, page=number, size=size))
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

    def _is_whole(self) -> bool:
        return len(self.rows) >= self._total

    def _is_confirmed(self) -> bool:
        """Tell whether as many rows were found as there are, at the beginning and now."""
        if len(self.rows) != self._total:
            return False
        return self._ask(replace(self._query, size=1)).total == self._total


def _get_identity(row: Reservation) -> object:
    return row.appoint_id or (row.called_no, row.create_time, row.appoint_time, row.user_account)


def is_narrowest(leaf: MirrorLeaf) -> bool:
    """Tell whether a leaf cannot be cut: one second."""
    return leaf.begin is not None and leaf.end is not None and leaf.end - leaf.begin <= _SECOND


def plan_leaves(vdn_id: int, now: datetime, floor: datetime) -> list[MirrorLeaf]:
    """Return the first leaves of a mirror, without a hole: near ones narrow, far ones wide."""
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
    """Return the times at which to cut a leaf of `total` rows, on whole seconds, none if it cannot
    be. `times` are those of its rows that are known, in order; they are followed where they are
    many enough, else the time is cut evenly."""
    if leaf.begin is None or leaf.end is None or is_narrowest(leaf):
        return []
    size = max(1, int(cap * _FILL))
    parts = min(_MOST_PARTS, max(2, -(-total // size)))
    inside = [time for time in times if leaf.begin < time < leaf.end]
    if len(inside) * 2 >= total:
        found = [inside[len(inside) * part // parts] for part in range(1, parts)]
    else:
        low, high = leaf.begin, leaf.end
        if inside and high - low > timedelta(days=366):
            # Rows crowd near the present, not in the two centuries after it.
            low, high = (
                max(low, inside[0] - timedelta(days=30)),
                min(high, inside[-1] + timedelta(days=30)),
            )
        found = [low + (high - low) * part / parts for part in range(parts + 1)]
    cuts = {time.replace(microsecond=0) for time in found}
    if not (kept := sorted(cut for cut in cuts if leaf.begin < cut < leaf.end)):
        middle = leaf.begin + (leaf.end - leaf.begin) / 2
        kept = [middle.replace(microsecond=0)]
        if kept[0] <= leaf.begin:
            kept = [leaf.begin + _SECOND]
    return [cut for cut in kept if leaf.begin < cut < leaf.end]


def cut_leaf(leaf: MirrorLeaf, cuts: Sequence[datetime], now: datetime) -> list[MirrorLeaf]:
    """Return the parts of a leaf, which are as old as it was and due now."""
    edges = [leaf.begin, *cuts, leaf.end]
    return [
        MirrorLeaf(
            vdn_id=leaf.vdn_id,
            kind=leaf.kind,
            begin=begin,
            end=end,
            as_of=leaf.as_of,
            complete=leaf.complete,
            interval=leaf.interval,
            due_at=now,
        )
        for begin, end in pairwise(edges)
    ]


def merge_leaves(leaves: Sequence[MirrorLeaf], cap: int) -> list[list[MirrorLeaf]]:
    """Group neighbours of equal interval whose rows fit into 0.6 of a page together."""
    groups: list[list[MirrorLeaf]] = []
    rows = 0
    for leaf in sorted(leaves, key=lambda each: each.begin or FIRST_TIME):
        last = groups[-1][-1] if groups else None
        fits = rows + leaf.rows <= cap * _FILL
        if last is not None and fits and last.end == leaf.begin and _are_alike(last, leaf):
            groups[-1].append(leaf)
            rows += leaf.rows
        else:
            groups.append([leaf])
            rows = leaf.rows
    return [group for group in groups if len(group) > 1]


def _are_alike(one: MirrorLeaf, other: MirrorLeaf) -> bool:
    return one.interval == other.interval and one.complete and other.complete
