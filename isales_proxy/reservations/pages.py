"""Answers to questions for reservations, whatever their source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from isales_proxy.client.errors import ISalesError
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.reservations.coverage import Coverage
from isales_proxy.reservations.query import Cursor, Tab
from isales_proxy.reservations.status import ReservationState

STATES: Final = tuple(ReservationState)
"""The states of a row of the mirror, of which it has one."""


@dataclass(frozen=True)
class TabCounts:
    """Rows of each state at `now` (aware UTC), when the mirror had `revision`; their sum is *All*.

    `today` cuts across the states.
    """

    now: datetime
    revision: int
    today: int = 0
    overdue: int = 0
    dialling: int = 0
    soon: int = 0
    later: int = 0
    undated: int = 0
    called: int = 0
    answered: int = 0
    failed: int = 0
    gone: int = 0

    @property
    def open(self) -> int:
        """Rows that were not called yet."""
        return self.overdue + self.dialling + self.soon + self.later + self.undated

    @property
    def all(self) -> int:
        """Rows of all states."""
        return self.open + self.called + self.answered + self.failed + self.gone

    def get(self, tab: Tab) -> int:
        """Return the number of rows of a tab."""
        return int(getattr(self, "answered" if tab is Tab.DONE else tab.value))


@dataclass(frozen=True)
class MirrorFacts:
    """Facts of a page of the mirror beside its rows.

    `sort` is in force, `refused_sort` the key asked for that would take too long, and `sortable`
    the keys that would not. `after` and `before` begin the next and the previous page; None where
    a page number does. `last` is the last row of a page in the order of the due time. `placed` is
    False where the number of the page is not known. `seen` is the revision that the person has
    seen, and `changed` the rows that are newer.
    """

    tab: Tab
    sort: str
    counts: TabCounts
    sortable: frozenset[str]
    refused_sort: str = ""
    after: Cursor | None = None
    before: Cursor | None = None
    last: Cursor | None = None
    placed: bool = True
    has_next: bool = False
    has_previous: bool = False
    seen: int | None = None
    changed: int = 0


@dataclass(frozen=True)
class ReservationPage:
    """One page of rows and their provenance.

    `total` counts the rows of all pages; `as_of` (aware UTC) is when the vendor answered: for the
    mirror, the oldest answer that the page rests on. `complete` is False when rows outside the
    person's scope were withheld or, with `cut_short`, when there were too many rows to look
    through; for the mirror it tells whether the list is known to be all. `error` is why there is
    no newer answer (source "stale"). `coverage` is that of a VDN with a mirror. `digest` is equal
    for equal rows of the vendor, "" where there is none.
    """

    rows: tuple[Reservation, ...]
    total: int
    query: ReservationQuery
    as_of: datetime | None
    source: Literal["live", "cache", "stale", "none", "mirror"]
    complete: bool = True
    error: ISalesError | None = None
    cut_short: bool = False
    coverage: Coverage | None = None
    mirror: MirrorFacts | None = field(default=None)
    digest: str = ""


class ListChanged(RuntimeError):
    """The list changed while its pages were read, or has too many rows to check."""


@dataclass(frozen=True)
class AllRows:
    """Every row of a query: their number when the first page was answered, at `as_of` (aware UTC),
    and the pages in the vendor's order.

    Iterating `pages` raises ISalesError, and ListChanged unless exactly `total` different rows
    came; the rows before that are of no use then.
    """

    total: int
    as_of: datetime
    pages: Iterator[tuple[Reservation, ...]]
    mirrored: bool = False
