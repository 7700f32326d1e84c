"""Results of queries for reservations, whatever their source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from isales_proxy.client.errors import ISalesError
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.reservations.coverage import Coverage
from isales_proxy.reservations.query import Cursor, Tab


@dataclass(frozen=True)
class TabCounts:
    """Numbers of rows of each state at `now` (aware UTC) and `revision`; their sum is *All*.

    `today` counts rows of several states.
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

    `sort` is the order in force, `refused_sort` a requested key that would take too long or reveal
    hidden data, and `sortable` the keys that are possible. `after` and `before` are the cursors of
    the next and the previous page; None where a page number suffices. `last` is the cursor of the
    last row, in the order of the due time only. `placed` is False where the page number is unknown.
    `changed` counts the rows that changed after `seen`, the revision that the person has seen.
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

    `total` counts the rows of all pages; `as_of` (aware UTC) is when the vendor answered, for the
    mirror the oldest answer that it is made of. `complete` is False when rows outside the person's
    scope were withheld or, with `cut_short`, when there were too many rows to search; for the
    mirror it tells whether the list is known to be complete. `error` is why there is no newer
    answer (source "stale"). `coverage` is that of a VDN with a mirror. `digest` is equal for equal
    rows of the vendor, "" if unknown.
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
    mirror: MirrorFacts | None = None
    digest: str = ""


@dataclass(frozen=True)
class FoundReservation:
    """One reservation and when the vendor sent it (aware UTC).

    `error` is why there is no newer answer.
    """

    row: Reservation
    as_of: datetime
    error: ISalesError | None = None


@dataclass(frozen=True)
class RelatedReservations:
    """Other reservations of the same called number; `number` is "" without SEE_NUMBERS.

    `answered` is the latest that was answered since this one was made; None if this one was
    answered itself. `open_rows` counts the rows of the mirror that were not called yet, this one
    included; None if the vendor was asked, who sends only some of them. `task_id` is this one's.
    """

    others: ReservationPage
    number: str
    answered: Reservation | None = None
    open_rows: int | None = None
    task_id: str | None = None


class ListChanged(RuntimeError):
    """The list changed while its pages were read, or has too many rows to check."""


@dataclass(frozen=True)
class AllRows:
    """Every row of a query: their number when the first page was read, at `as_of` (aware UTC), and
    the pages in the order of the list.

    Iterating `pages` raises ISalesError, and ListChanged unless exactly `total` different rows
    came; the rows before the error must be discarded.
    """

    total: int
    as_of: datetime
    pages: Iterator[tuple[Reservation, ...]]
    mirrored: bool = False
