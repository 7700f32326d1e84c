"""What the probes of a doctor's report brought, in words of the language in force."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

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

Answer = tuple[str, str, str, str]
"""A stable name, the question, the answer, and its tone: "", "good", "warn" or "bad"."""


def describe_probes(probes: Probes | None, *, wished: bool, max_page_size: int) -> Iterator[Answer]:
    """Question by question; without probes the same questions, and why they were not asked."""
    unasked = _("asked with --probe only"), ""
    if wished:
        unasked = _("Not asked: the list of reservations did not answer."), "warn"
    yield (
        "range",
        _("Time range filters by"),
        *(_time_range(probes.time_range) if probes else unasked),
    )
    yield ("number", _("calledNo matches"), *(_number(probes.number) if probes else unasked))
    yield (
        "page",
        _("Largest page"),
        *(_page(probes.page, max_page_size) if probes else unasked),
    )
    yield ("order", _("Order of the rows"), *(_order(probes.order) if probes else unasked))
    if probes:
        yield ("calls", _("Further requests"), str(probes.calls), "")


def _time_range(found: RangeFinding) -> tuple[str, str]:
    if found.column:
        return found.column, "good"
    told = _open(found.doubt)
    if found.not_these:
        told = _("%(doubt)s It does not test %(columns)s.") % {
            "doubt": told,
            "columns": ", ".join(found.not_these),
        }
    return told, "warn"


def _number(found: NumberFinding) -> tuple[str, str]:
    if found.match is Match.PART:
        return _("parts of numbers, too"), "good"
    if found.match is Match.WHOLE:
        return _("whole numbers only: a number's middle finds nothing"), "good"
    return _open(found.doubt), "warn"


def _order(found: OrderFinding) -> tuple[str, str]:
    if found.same is None:
        return _open(found.doubt), "warn"
    if found.same:
        return _("the same in two identical questions"), "good"
    return _("another in each of two identical questions: pages may repeat or skip rows"), "warn"


def _page(found: PageFinding, max_page_size: int) -> tuple[str, str]:
    if found.ending is None:
        return _open(found.doubt), "warn"
    facts = {
        "largest": found.largest,
        "asked": found.asked,
        "got": found.got,
        "total": found.total,
        "code": found.code or "–",
    }
    told = {
        EndpointInclusion.REFUSED: _("%(largest)s rows; %(asked)s are refused (code %(code)s)"),
        EndpointInclusion.CAPPED: _("%(largest)s rows; of %(asked)s asked for only %(got)s come"),
        EndpointInclusion.UNREADABLE: _("%(largest)s rows; the answer to %(asked)s cannot be read"),
        EndpointInclusion.STOPPED: _("at least %(largest)s rows; more was not tried"),
        EndpointInclusion.TOP: _("at least %(largest)s rows"),
    }[found.ending] % facts
    if found.total < found.largest:
        told += " " + _("(the list has %(total)s: a silent cap would not show)") % facts
    if found.largest < max_page_size and found.ending not in {
        EndpointInclusion.STOPPED,
        EndpointInclusion.TOP,
    }:
        told += ". " + _("Lower ISALES_MAX_PAGE_SIZE to %(largest)s.") % facts
        return told, "warn"
    return told, "good"


def _open(doubt: Doubt | None) -> str:
    reasons = {
        Doubt.NO_ROWS: _("Cannot tell: the list has too few rows."),
        Doubt.NOT_PARTED: _("Cannot tell: no sampled row has times that lie far enough apart."),
        Doubt.NOT_TELLING: _("Cannot tell: every row of the list fits the question."),
        Doubt.IGNORED: _("None: the filter is ignored."),
        Doubt.NONE_FITS: _("Cannot tell: what comes back does not fit the question."),
        Doubt.CHANGED: _("Cannot tell: two identical questions brought different rows."),
        Doubt.NO_NUMBER: _("Cannot tell: no sampled row has a number long enough to cut."),
        Doubt.NOT_FOUND: _("Cannot tell: a whole number that is listed is not found, either."),
        Doubt.REFUSED: _("Cannot tell: the question is refused."),
        Doubt.UNREADABLE: _("Cannot tell: the answer cannot be read."),
        Doubt.STOPPED: _("Cannot tell: the examination was stopped before."),
    }
    return reasons[doubt] if doubt else _("Cannot tell.")
