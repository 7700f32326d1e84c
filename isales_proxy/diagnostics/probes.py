"""Probes: learn what "Querying the List of Reserved Outbound Call Tasks" leaves open by asking it.

A bounded number of further queries to the list of reservations, one after the other: no other
interface is called, and none that changes anything. The first failure of the connection ends all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Final

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from isales_proxy.client.errors import BadAnswer, CredentialsRefused, Refused
from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.core.response_cache import UNAVAILABLE_ERRORS
from isales_proxy.diagnostics.report import Answer, Fact, Section, Text, fill

MAX_CALLS: Final = 10
SIZES: Final = (50, 100, 200, 500, 1_000)

Rows = Page[Reservation]
_Window = tuple[datetime, datetime, str]
"""Begin and end of a range, and the ID of a row whose time lies in it."""

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
_TOLERANCE: Final = timedelta(seconds=1)
_MOST_ODD: Final = 0.1
_NUMBER: Final = re.compile(r"\+?[0-9]{7,32}")

_NO_ROWS: Final[Answer] = _("Cannot tell: the list has too few rows."), "warn"
_NONE_FITS: Final = _("Cannot tell: the rows returned do not fit the query.")
_QUESTIONS: Final = {
    "range": _("Time range filters by"),
    "number": _("calledNo matches"),
    "page": _("Largest page"),
    "order": _("Order of the rows"),
}


class _Stopped(Exception):
    """No further query may be sent."""


_DOUBTS: Final[dict[type[Exception], Text]] = {
    _Stopped: _("Cannot tell: the check was stopped before."),
    Refused: _("Cannot tell: the query is refused."),
    BadAnswer: _("Cannot tell: the answer cannot be read."),
}


class _Budget:
    """Counts the queries; the first failure of the connection, or of our keys, is the last one."""

    def __init__(self, fetch: Callable[..., Rows], remaining: Callable[[], float]) -> None:
        self._fetch, self._remaining = fetch, remaining
        self._most, self.calls = MAX_CALLS, 0

    def fetch(self, query: ReservationQuery) -> Rows:
        """Fetch one page. Raises Refused and BadAnswer for this query alone, and _Stopped."""
        seconds = self._remaining()
        if self.calls >= self._most or seconds <= 0:
            raise _Stopped
        self.calls += 1
        try:
            return self._fetch(query=query, deadline=seconds)
        except (*UNAVAILABLE_ERRORS, CredentialsRefused) as error:
            self._most = self.calls
            raise _Stopped from error


def run_probes(
    fetch: Callable[..., Rows], *, first: Rows, remaining: Callable[[], float]
) -> Section:
    """Send at most `MAX_CALLS` queries by `fetch(query=…, deadline=seconds)`.

    `first` is a page read before; `remaining` gives the seconds that the next call may take.
    """
    budget = _Budget(fetch, remaining)
    if not first.items:
        return build_section(dict.fromkeys(_QUESTIONS, _NO_ROWS))
    sample, page = _probe_page_size(budget, first, SIZES[:1])
    answers = {}
    probes = {"order": _probe_order, "number": _probe_number, "range": _probe_time_range}
    for name, probe in probes.items():
        try:
            answers[name] = probe(budget, sample)
        except tuple(_DOUBTS) as error:
            answers[name] = _describe_doubt(error), "warn"
    if page is None:
        sample, page = _probe_page_size(budget, sample, SIZES[1:])
    accepted = _("at least %(largest)s rows")
    answers["page"] = page or _describe_page(accepted, sample, limited=False)
    return build_section(answers, calls=budget.calls)


def build_section(
    answers: Mapping[str, Answer], *, calls: int = 0, requested: bool = True
) -> Section:
    """Describe the answers; without any, say for each question why it was not asked."""
    why = (_("only checked with --probe"), "")
    if requested:
        why = (_("Not asked: the list of reservations did not answer."), "warn")
    facts = [Fact(name, label, *answers.get(name, why)) for name, label in _QUESTIONS.items()]
    if answers:
        facts.append(Fact("calls", _("Further requests"), str(calls)))
    return Section("probes", _("What the documents leave open (reservations)"), tuple(facts))


def _probe_page_size(
    budget: _Budget, known: Rows, sizes: Sequence[int]
) -> tuple[Rows, Answer | None]:
    """Request pages of these sizes, the `known` page being smaller; return the last page, and the
    answer where the search ended before."""
    for size in sizes:
        try:
            page = budget.fetch(ReservationQuery(size=size))
        except _Stopped:
            message = _("at least %(largest)s rows; more was not tried")
            return known, _describe_page(message, known, limited=False)
        except Refused as error:
            message = _("%(largest)s rows; %(asked)s are refused (code %(code)s)")
            return known, _describe_page(message, known, asked=size, code=error.code or "–")
        except BadAnswer:
            message = _("%(largest)s rows; the answer to %(asked)s cannot be read")
            return known, _describe_page(message, known, asked=size)
        got = len(page.items)
        if got < min(size, page.total):
            message = _("%(largest)s rows; only %(got)s of %(asked)s requested are returned")
            largest = replace(page, size=max(got, known.size))
            return page, _describe_page(message, largest, got=got, asked=size)
        known = page
    return known, None


def _describe_page(
    message: Text, largest: Rows, *, limited: bool = True, **values: object
) -> Answer:
    """Describe the largest page, and whether the list was `limited` to it."""
    values |= {"largest": largest.size, "total": largest.total}
    text = fill(message, values)
    if largest.total < largest.size:
        doubt = fill(_("(the list has %(total)s: a silent cap would not show)"), values)
        text = fill("%s %s", (text, doubt))
    if not limited or largest.size >= settings.ISALES.max_page_size:
        return text, "good"
    advice = fill(_("Lower ISALES_MAX_PAGE_SIZE to %(largest)s."), values)
    return fill("%s. %s", (text, advice)), "warn"


def _probe_order(budget: _Budget, sample: Rows) -> Answer:
    before = [row.appoint_id for row in sample.items if row.appoint_id]
    if len(before) < 2:
        return _NO_ROWS
    page = budget.fetch(ReservationQuery(size=sample.size))
    after = [row.appoint_id for row in page.items if row.appoint_id]
    if after == before:
        return _("the same in two identical queries"), "good"
    if sorted(after) == sorted(before):
        return _("differs between identical queries: pages may repeat or skip rows"), "warn"
    # Either rows came and went meanwhile, or each page is drawn anew.
    return _("Cannot tell: two identical queries returned different rows."), "warn"


def _probe_number(budget: _Budget, sample: Rows) -> Answer:
    """Search for the middle of a number; only where that finds nothing, for the whole of it."""
    numbers = {row.called_no for row in sample.items if row.called_no}
    parts = {
        number: number.removeprefix("+")[2:-2] for number in numbers if _NUMBER.fullmatch(number)
    }
    if not parts:
        return _("Cannot tell: no sampled row has a number long enough to cut."), "warn"

    def rank(number: str) -> tuple[int, bool, str]:
        """Prefer the rarest part, which tells most. Not every vendor takes a plus sign."""
        return sum(parts[number] in other for other in numbers), number.startswith("+"), number

    number = min(parts, key=rank)
    page = budget.fetch(ReservationQuery(called_no=parts[number], size=sample.size))
    if page.items:
        fits = all(parts[number] in row.called_no for row in page.items if row.called_no)
        if page.total >= sample.total:
            return _judge_unfiltered(fits)
        return (_("also parts of a number"), "good") if fits else (_NONE_FITS, "warn")
    page = budget.fetch(ReservationQuery(called_no=number, size=sample.size))
    if any(row.called_no == number for row in page.items):
        return _("complete numbers only: a part of a number finds nothing"), "good"
    return _("Cannot tell: a listed number is not found even as a whole."), "warn"


def _probe_time_range(budget: _Budget, sample: Rows) -> Answer:
    """Query, column by column, a narrow range around its value in a row whose other times lie
    outside: the rows returned show by which of their times they were found."""
    possible = set(_COLUMNS)

    def leave_open(doubt: Text) -> Answer:
        excluded = ", ".join(name for name in _COLUMNS if name not in possible)
        message = _("%(doubt)s It does not filter by %(columns)s.")
        return fill(message, {"doubt": doubt, "columns": excluded}) if excluded else doubt, "warn"

    for column in _COLUMNS:
        window = _choose_window(sample.items, column) if column in possible else None
        if window is None:
            continue
        begin, end, _witness = window
        try:
            page = budget.fetch(ReservationQuery(begin=begin, end=end, size=sample.size))
        except tuple(_DOUBTS) as error:
            return leave_open(_describe_doubt(error))
        fitting = possible - {column}
        if page.items:
            fitting = {name for name in possible if _fits(page.items, name, window)}
            if page.total >= sample.total:
                return _judge_unfiltered(bool(fitting))
            if len(fitting) == 1:
                return fitting.pop(), "good"
            if not fitting:
                return leave_open(_NONE_FITS)
        possible = fitting
    close = _("Cannot tell: no sampled row has times that lie far enough apart.")
    return leave_open(close if possible else _NONE_FITS)


def _choose_window(rows: Sequence[Reservation], column: str) -> _Window | None:
    """Choose a range around this column's value in the row where the others are farthest away."""
    found = []
    for row in rows:
        value = _COLUMNS[column](row)
        if value is not None and row.appoint_id:
            others = [read(row) for name, read in _COLUMNS.items() if name != column]
            gap = min((abs(value - other) for other in others if other), default=timedelta())
            found.append((gap / 2, value, row.appoint_id))
    width, value, witness = max(found, key=itemgetter(0), default=(timedelta(), None, ""))
    if value is None or width < _NARROWEST:
        return None
    width = min(width, _WIDEST)
    return value - width, value + width, witness


def _fits(rows: Sequence[Reservation], column: str, window: _Window) -> bool:
    """Tell whether these rows can have been found by this column: the witness, and most of the
    others, since a few show another time than the vendor's table holds."""
    begin, end, witness = window[0] - _TOLERANCE, window[1] + _TOLERANCE, window[2]
    times = [(row.appoint_id, _COLUMNS[column](row)) for row in rows]
    odd = [appoint_id for appoint_id, time in times if not time or not begin <= time <= end]
    return witness not in odd and len(odd) <= _MOST_ODD * len(rows)


def _judge_unfiltered(fits: bool) -> Answer:
    """Judge a filter that let every row of the list through: they may all fit."""
    if fits:
        return _("Cannot tell: every row of the list fits the query."), "warn"
    return _("None: the filter is ignored."), "warn"


def _describe_doubt(error: Exception) -> Text:
    return next(doubt for kind, doubt in _DOUBTS.items() if isinstance(error, kind))
