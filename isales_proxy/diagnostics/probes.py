"""Finding out what "Querying the List of Reserved Outbound Call Tasks" leaves open, by asking it.

A bounded number of further questions to the list of reservations, one after the other: no other
interface is asked, and none that changes anything. The first failure of the line ends all of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from isales_proxy.client.errors import BadAnswer, CredentialsRefused, ISalesError, Refused
from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.core.response_cache import AWAY
from isales_proxy.diagnostics.findings import (
    Doubt,
    EndpointInclusion,
    Match,
    NumberFinding,
    OrderFinding,
    PageFinding,
    Probes,
    RangeFinding,
)

MAX_CALLS: Final = 10
SIZES: Final = (50, 100, 200, 500, 1_000)

_Rows = Page[Reservation]

# The likeliest first: the search ends with the first that fits.
_COLUMNS: Final[dict[str, Callable[[Reservation], datetime | None]]] = {
    "appointTime": lambda row: row.appoint_time,
    "createTime": lambda row: row.create_time,
    "beginTime": lambda row: row.begin_time,
    "endTime": lambda row: row.end_time,
}
_WIDEST: Final = timedelta(seconds=30)
_NARROWEST: Final = timedelta(seconds=2)
# Odd milliseconds that a row shows and the vendor's table does not hold.
_SLACK: Final = timedelta(seconds=1)
_MOST: Final = 0.9
_NUMBER: Final = re.compile(r"\+?[0-9]{7,32}")


class Lists(Protocol):
    """The one question that is asked here."""

    def list_reservations(
        self, *, vdn: int, query: ReservationQuery, deadline: float | None = None
    ) -> Page[Reservation]:
        """One page of the reserved calls of a VDN."""


class _Ended(Exception):
    """No further question may be asked."""


class _Asker:
    """Counts the questions; the first failure of the line, or of our keys, is the last one."""

    def __init__(self, client: Lists, vdn: int, left: Callable[[], float]) -> None:
        self._client = client
        self._vdn = vdn
        self._left = left
        self.calls = 0
        self.stopped: ISalesError | None = None

    def ask(self, query: ReservationQuery) -> _Rows:
        """One page. Raises Refused and BadAnswer, which concern this question alone, and _Ended."""
        left = self._left()
        if self.stopped is not None or self.calls >= MAX_CALLS or left <= 0:
            raise _Ended
        self.calls += 1
        try:
            return self._client.list_reservations(vdn=self._vdn, query=query, deadline=left)
        except (*AWAY, CredentialsRefused) as error:
            self.stopped = error
            raise _Ended from error


def run_probes(client: Lists, *, vdn: int, first: _Rows, left: Callable[[], float]) -> Probes:
    """Ask at most `MAX_CALLS` times. `first` is the page that was read before; `left` tells the
    seconds that the next call may take."""
    asker = _Asker(client, vdn, left)
    sample, page = _sample(asker, first)
    order = _order(asker, sample)
    number = _number(asker, sample)
    time_range = _time_range(asker, sample)
    if page is None:
        page = _largest_page(asker, sample)
    return Probes(asker.calls, order, number, time_range, page, asker.stopped)


def _sample(asker: _Asker, first: _Rows) -> tuple[_Rows, PageFinding | None]:
    """Rows to choose questions from, and the largest page where that is known already."""
    if not first.items:
        return first, PageFinding(doubt=Doubt.NO_ROWS)
    size = SIZES[0]
    known = PageFinding(largest=first.size, asked=size, total=first.total)
    try:
        sample = asker.ask(ReservationQuery(size=size))
    except _Ended:
        return first, replace(known, ending=EndpointInclusion.STOPPED)
    except (Refused, BadAnswer) as error:
        return first, _ended_by(error, known)
    return sample, _short(sample, known)


def _largest_page(asker: _Asker, sample: _Rows) -> PageFinding:
    found = PageFinding(largest=SIZES[0], total=sample.total)
    for size in SIZES[1:]:
        found = replace(found, asked=size)
        try:
            page = asker.ask(ReservationQuery(size=size))
        except _Ended:
            return replace(found, ending=EndpointInclusion.STOPPED)
        except (Refused, BadAnswer) as error:
            return _ended_by(error, found)
        cut = _short(page, found)
        if cut is not None:
            return cut
        found = replace(found, largest=size, total=page.total)
    return replace(found, ending=EndpointInclusion.TOP)


def _short(page: _Rows, known: PageFinding) -> PageFinding | None:
    """The finding where fewer rows came than were asked for and are there."""
    got = len(page.items)
    if got >= min(page.size, page.total):
        return None
    return replace(
        known,
        largest=max(got, known.largest),
        ending=EndpointInclusion.CAPPED,
        asked=page.size,
        got=got,
        total=page.total,
    )


def _ended_by(error: Refused | BadAnswer, known: PageFinding) -> PageFinding:
    ending = (
        EndpointInclusion.REFUSED if isinstance(error, Refused) else EndpointInclusion.UNREADABLE
    )
    return replace(known, ending=ending, code=error.code or "")


def _order(asker: _Asker, sample: _Rows) -> OrderFinding:
    before = _ids(sample)
    if len(before) < 2:
        return OrderFinding(doubt=Doubt.NO_ROWS)
    try:
        again = asker.ask(ReservationQuery(size=sample.size))
    except (_Ended, Refused, BadAnswer) as error:
        return OrderFinding(doubt=_doubt(error))
    after = _ids(again)
    if after == before:
        return OrderFinding(same=True)
    if sorted(after) == sorted(before):
        return OrderFinding(same=False)
    # Either rows came and went meanwhile, or each page is drawn anew.
    return OrderFinding(doubt=Doubt.CHANGED)


def _ids(page: _Rows) -> list[str]:
    return [row.appoint_id for row in page.items if row.appoint_id]


def _number(asker: _Asker, sample: _Rows) -> NumberFinding:
    """A number's middle is asked for; only where that finds nothing the whole of it."""
    numbers = {row.called_no for row in sample.items if row.called_no}
    parts = {
        number: number.removeprefix("+")[2:-2] for number in numbers if _NUMBER.fullmatch(number)
    }
    # The rarest part tells most. Not every vendor takes a plus sign.
    rarity = {
        number: (sum(part in other for other in numbers), number.startswith("+"), number)
        for number, part in parts.items()
        if part not in numbers
    }
    number = min(rarity, key=rarity.__getitem__, default="")
    if not number:
        return NumberFinding(doubt=Doubt.NO_NUMBER if sample.items else Doubt.NO_ROWS)
    try:
        page = asker.ask(ReservationQuery(called_no=parts[number], size=sample.size))
        if page.items:
            fits = all(parts[number] in row.called_no for row in page.items if row.called_no)
            if page.total >= sample.total:
                return NumberFinding(doubt=_unfiltered(fits))
            return NumberFinding(Match.PART) if fits else NumberFinding(doubt=Doubt.NONE_FITS)
        page = asker.ask(ReservationQuery(called_no=number, size=sample.size))
    except (_Ended, Refused, BadAnswer) as error:
        return NumberFinding(doubt=_doubt(error))
    if any(row.called_no == number for row in page.items):
        return NumberFinding(Match.WHOLE)
    return NumberFinding(doubt=Doubt.NOT_FOUND)


def _time_range(asker: _Asker, sample: _Rows) -> RangeFinding:
    """For one column after the other, a narrow range around its value in a row whose other times
    lie outside: the rows that come back show by which of their times they were found."""
    if not sample.items:
        return RangeFinding(doubt=Doubt.NO_ROWS)
    possible, not_these = set(_COLUMNS), set[str]()
    for column in _COLUMNS:
        window = _window(sample.items, column) if column in possible else None
        if window is None:
            continue
        begin, end, witness = window
        try:
            page = asker.ask(ReservationQuery(begin=begin, end=end, size=sample.size))
        except (_Ended, Refused, BadAnswer) as error:
            return RangeFinding(not_these=_listed(not_these), doubt=_doubt(error))
        if page.items:
            fitting = {name for name in possible if _fits(page.items, name, begin, end, witness)}
            if page.total >= sample.total:
                return RangeFinding(doubt=_unfiltered(bool(fitting)))
            if len(fitting) == 1:
                return RangeFinding(column=fitting.pop())
            if not fitting:
                return RangeFinding(not_these=_listed(not_these), doubt=Doubt.NONE_FITS)
        else:
            fitting = possible - {column}
        not_these |= possible - fitting
        possible = fitting
    doubt = Doubt.NONE_FITS if not possible else Doubt.NOT_PARTED
    return RangeFinding(not_these=_listed(not_these), doubt=doubt)


def _window(rows: Iterable[Reservation], column: str) -> tuple[datetime, datetime, str] | None:
    """A range around this column's value in the row where the others are farthest from it, and
    that row's ID."""
    best: tuple[timedelta, datetime, str] | None = None
    for row in rows:
        value = _COLUMNS[column](row)
        if value is None or not row.appoint_id:
            continue
        others = [read(row) for name, read in _COLUMNS.items() if name != column]
        gap = min((abs(value - other) for other in others if other), default=timedelta())
        if best is None or gap > best[0]:
            best = gap, value, row.appoint_id
    if best is None or best[0] / 2 < _NARROWEST:
        return None
    gap, value, appoint_id = best
    width = min(gap / 2, _WIDEST)
    return value - width, value + width, appoint_id


def _fits(
    rows: Sequence[Reservation], column: str, begin: datetime, end: datetime, witness: str
) -> bool:
    """Whether these rows can have been found by this column: the witness, and most of the others,
    since a few show another time than the vendor's table holds."""
    read = _COLUMNS[column]

    def inside(row: Reservation) -> bool:
        value = read(row)
        return value is not None and begin - _SLACK <= value <= end + _SLACK

    if not all(inside(row) for row in rows if row.appoint_id == witness):
        return False
    return sum(map(inside, rows)) >= _MOST * len(rows)


def _unfiltered(fits: bool) -> Doubt:
    """What it means that a filter let every row of the list through, which may all fit."""
    return Doubt.NOT_TELLING if fits else Doubt.IGNORED


def _listed(names: set[str]) -> tuple[str, ...]:
    return tuple(name for name in _COLUMNS if name in names)


def _doubt(error: Exception) -> Doubt:
    if isinstance(error, _Ended):
        return Doubt.STOPPED
    return Doubt.REFUSED if isinstance(error, Refused) else Doubt.UNREADABLE
