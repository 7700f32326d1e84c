"""Probes: find out what "Querying the List of Reserved Outbound Call Tasks" does not document.

They send a limited number of further queries to the list of reservations, one after the other, and
stop at the first failure of the connection. No other interface is called.
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
"""Begin and end of a range, and the ID of a row whose time is within."""

# The likeliest first, since the search ends with the first match.
_COLUMNS: Final[dict[str, Callable[[Reservation], datetime | None]]] = {
    "appointTime": lambda row: row.appoint_time,
    "createTime": lambda row: row.create_time,
    "beginTime": lambda row: row.begin_time,
    "endTime": lambda row: row.end_time,
}
_WIDEST: Final = timedelta(seconds=30)
_NARROWEST: Final = timedelta(seconds=2)
# A row may show other milliseconds than the vendor filters by.
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


_UNKNOWN: Final[dict[type[Exception], Text]] = {
    _Stopped: _("Cannot tell: the check was stopped before."),
    Refused: _("Cannot tell: the query is refused."),
    BadAnswer: _("Cannot tell: the answer cannot be read."),
}


class _Budget:
    """Limits the number of queries; a failure of the connection or of our keys is the last."""

    def __init__(self, fetch: Callable[..., Rows], remaining: Callable[[], float]) -> None:
        self._fetch, self._remaining = fetch, remaining
        self._most, self.calls = MAX_CALLS, 0

    def fetch(self, query: ReservationQuery) -> Rows:
        """Fetch one page. Raises Refused and BadAnswer, and _Stopped if no query is left."""
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
        except tuple(_UNKNOWN) as error:
            answers[name] = _describe_failure(error), "warn"
    if page is None:
        sample, page = _probe_page_size(budget, sample, SIZES[1:])
    accepted = _("at least %(largest)s rows")
    answers["page"] = page or _describe_page(accepted, sample, limited=False)
    return build_section(answers, calls=budget.calls)


def build_section(
    answers: Mapping[str, Answer], *, calls: int = 0, requested: bool = True
) -> Section:
    """Describe the answers; for missing ones, why the question was not asked."""
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
    """Request pages of these sizes, larger than the `known` page; return the last page, and the
    answer if the search ended early."""
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
    # Either rows changed meanwhile, or each page is random.
    return _("Cannot tell: two identical queries returned different rows."), "warn"


def _probe_number(budget: _Budget, sample: Rows) -> Answer:
    """Search for the middle of a number and, if that finds nothing, for the whole number."""
    numbers = {row.called_no for row in sample.items if row.called_no}
    parts = {
        number: number.removeprefix("+")[2:-2] for number in numbers if _NUMBER.fullmatch(number)
    }
    if not parts:
        return _("Cannot tell: no sampled row has a number long enough to cut."), "warn"

    def rank(number: str) -> tuple[int, bool, str]:
        """Prefer the rarest part, and numbers without a plus sign."""
        return sum(parts[number] in other for other in numbers), number.startswith("+"), number

    number = min(parts, key=rank)
    page = budget.fetch(ReservationQuery(called_no=parts[number], size=sample.size))
    if page.items:
        fits = all(parts[number] in row.called_no for row in page.items if row.called_no)
        if page.total >= sample.total:
            return _describe_unfiltered(fits)
        return (_("also parts of a number"), "good") if fits else (_NONE_FITS, "warn")
    page = budget.fetch(ReservationQuery(called_no=number, size=sample.size))
    if any(row.called_no == number for row in page.items):
        return _("complete numbers only: a part of a number finds nothing"), "good"
    return _("Cannot tell: a listed number is not found even as a whole."), "warn"


def _probe_time_range(budget: _Budget, sample: Rows) -> Answer:
    """Query a narrow range around the value of a column, one column after the other, in which no
    other time of that row lies: the rows returned show by which column the list filters."""
    possible = set(_COLUMNS)

    def leave_open(doubt: Text) -> Answer:
        excluded = ", ".join(name for name in _COLUMNS if name not in possible)
        message = _("%(doubt)s It does not filter by %(columns)s.")
        return fill(message, {"doubt": doubt, "columns": excluded}) if excluded else doubt, "warn"

    for column in _COLUMNS:
        window = _choose_window(sample.items, column) if column in possible else None
        if window is None:
            continue
        begin, end, _row_id = window
        try:
            page = budget.fetch(ReservationQuery(begin=begin, end=end, size=sample.size))
        except tuple(_UNKNOWN) as error:
            return leave_open(_describe_failure(error))
        fitting = possible - {column}
        if page.items:
            fitting = {name for name in possible if _fits(page.items, name, window)}
            if page.total >= sample.total:
                return _describe_unfiltered(bool(fitting))
            if len(fitting) == 1:
                return fitting.pop(), "good"
            if not fitting:
                return leave_open(_NONE_FITS)
        possible = fitting
    close = _("Cannot tell: no sampled row has times that lie far enough apart.")
    return leave_open(close if possible else _NONE_FITS)


def _choose_window(rows: Sequence[Reservation], column: str) -> _Window | None:
    """Choose the row whose other times are farthest from this column's value, and a range."""
    found = []
    for row in rows:
        value = _COLUMNS[column](row)
        if value is not None and row.appoint_id:
            others = [read(row) for name, read in _COLUMNS.items() if name != column]
            gap = min((abs(value - other) for other in others if other), default=timedelta())
            found.append((gap / 2, value, row.appoint_id))
    width, value, row_id = max(found, key=itemgetter(0), default=(timedelta(), None, ""))
    if value is None or width < _NARROWEST:
        return None
    width = min(width, _WIDEST)
    return value - width, value + width, row_id


def _fits(rows: Sequence[Reservation], column: str, window: _Window) -> bool:
    """Return True if these rows may have been found by this column: the row of the window, and most
    others, since a few show another time than the vendor filters by."""
    begin, end, row_id = window[0] - _TOLERANCE, window[1] + _TOLERANCE, window[2]
    times = [(row.appoint_id, _COLUMNS[column](row)) for row in rows]
    odd = [appoint_id for appoint_id, time in times if not time or not begin <= time <= end]
    return row_id not in odd and len(odd) <= _MOST_ODD * len(rows)


def _describe_unfiltered(fits: bool) -> Answer:
    """Describe a filter that returned every row of the list, which may all match."""
    if fits:
        return _("Cannot tell: every row of the list fits the query."), "warn"
    return _("None: the filter is ignored."), "warn"


def _describe_failure(error: Exception) -> Text:
    return next(doubt for kind, doubt in _UNKNOWN.items() if isinstance(error, kind))
