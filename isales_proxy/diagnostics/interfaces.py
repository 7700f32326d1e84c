"""Findings about one vendor interface: how the call went, and what differs from its page."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.functional import lazy
from django.utils.translation import gettext_lazy
from django.utils.translation import gettext_lazy as _

from isales_proxy import problems
from isales_proxy.client.errors import (
    CredentialsRefused,
    ISalesError,
    Misdirected,
    Refused,
    TimedOut,
    Unreachable,
)
from isales_proxy.client.observer import Attempt
from isales_proxy.client.operations import LIST_RESERVATIONS, LIST_RESULT_CODES, Operation
from isales_proxy.client.page import Page
from isales_proxy.core.metrics import Observer
from isales_proxy.diagnostics.report import Fact, InterfaceStatus, Section, Text, fill, join

# The OBS pages contradict themselves, which leaves their envelope open.
_ENVELOPES: Final = {
    LIST_RESERVATIONS.name: "resultCode+returnCode",
    LIST_RESULT_CODES.name: "resultCode+returnCode",
}
_CLOCK_WARNING_SECONDS: Final = 30.0
# The Date header holds whole seconds, cut off: on average half of one is missing.
_HALF_A_SECOND: Final = 0.5

_HINTS: Final = (
    (CredentialsRefused, _("Check the keys and the clock of this server.")),
    (Misdirected, _("Check the addresses that are set.")),
    (
        (Unreachable, TimedOut),
        _("Check address, network and certificates, and whether CC-iSales is up."),
    ),
)
_DIFFERENCES: Final = {
    "unknown": _("never documented"),
    "missing": _("missing"),
    "retyped": _("of another type than documented"),
    "unreadable": _("unreadable"),
    "oversize": _("more rows than asked for"),
    "too_small": _("a total smaller than the rows"),
}


class CallLog(Observer):
    """Observer of one check, for one thread. Calls and drift are counted in the metrics as well."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._clock = clock
        self.attempts: dict[str, list[Attempt]] = defaultdict(list)
        self.ended_at: dict[str, datetime] = {}
        self.dates: dict[str, datetime | None] = {}
        self.shapes: dict[str, str] = {}
        # A dictionary keeps the order in which the differences were met.
        self.differences: dict[str, dict[tuple[str, str], None]] = defaultdict(dict)

    def called(self, attempt: Attempt) -> None:
        """Record one attempt, and when the last one ended."""
        self.attempts[attempt.operation].append(attempt)
        self.ended_at[attempt.operation] = self._clock()
        super().called(attempt)

    def answered(self, operation: str, *, date: datetime | None, shape: str) -> None:
        """Record the vendor's time and envelope of a good answer."""
        self.dates[operation], self.shapes[operation] = date, shape

    def drift(self, operation: str, field: str, kind: str) -> None:
        """Record a field that is not as documented."""
        self.differences[operation][field, kind] = None
        super().drift(operation, field, kind)

    def breaker(self, operation: str, state: str) -> None:
        """Ignore it: the circuits of a check are not those of people's calls."""


@dataclass(frozen=True)
class Outcome:
    """Result of calling one interface; `answer` holds its rows, if it has any."""

    status: InterfaceStatus = InterfaceStatus.ANSWERED
    error: ISalesError | None = None
    answer: Page[Any] | tuple[Any, ...] | None = None


def build_section(operation: Operation[Any], outcome: Outcome, log: CallLog) -> Section:
    """Describe one interface by its outcome and by what the client reported of its calls."""
    name, error = operation.name, outcome.error
    answered = outcome.status is InterfaceStatus.ANSWERED
    attempts, differences = log.attempts[name], log.differences[name]
    documented = _ENVELOPES.get(name, "")
    shape = log.shapes.get(name, "") if answered else ""
    facts = list(_describe_outcome(outcome))
    asked_at, request_id = None, error.request_id if error else ""
    if attempts:
        last, ended_at = attempts[-1], log.ended_at[name]
        asked_at, request_id = ended_at - timedelta(seconds=last.seconds), last.request_id
        latency = fill(_("%s ms"), round(last.seconds * 1000))
        tone = "warn" if len(attempts) > 1 else ""
        facts += [
            Fact("latency", _("Answer time"), latency),
            Fact("calls", _("Requests"), str(len(attempts)), tone),
            Fact("status", _("HTTP status"), str(last.http_status or "–")),
        ]
        told = error.vendor_time if error and error.operation == name else log.dates.get(name)
        if told is not None:
            facts.append(_compare_clocks(told, asked_at, last.seconds))
    if answered:
        text, tone = shape or _("unknown"), ""
        if shape and documented not in {"", shape}:
            names = {"found": shape, "documented": documented}
            text, tone = fill(_("%(found)s (documented: %(documented)s)"), names), "warn"
        facts.append(Fact("envelope", _("Answer format"), text, tone))
    facts += _describe_rows(outcome, differences)
    if request_id:
        facts.append(Fact("request", _("Our request ID"), request_id))
    return Section(
        name=name,
        title=operation.vendor_page,
        facts=tuple(facts),
        address=f"{operation.method} {operation.path.replace('{vdn}', '{vdnId}')}",
        status=outcome.status,
        asked_at=asked_at,
        differs=bool(differences) or documented not in {"", shape},
    )


def _describe_outcome(outcome: Outcome) -> Iterator[Fact]:
    error, label = outcome.error, _("Outcome")
    if error is None:
        answered = outcome.status is InterfaceStatus.ANSWERED
        yield Fact("outcome", label, _("answered") if answered else _("failed"))
        return
    causes: list[Text] = []
    if error.sentence != error.default_sentence:
        causes.append(gettext_lazy(error.sentence))
    causes += [hint for kind, hint in _HINTS if isinstance(error, kind)][:1]
    bare = copy.copy(error)
    if isinstance(bare, Refused):
        bare.vendor_sentence = ""
    plain, quoted = (
        join(" ", [_describe_problem(each, "detail"), *causes]) for each in (bare, error)
    )
    tone = "bad" if outcome.status is InterfaceStatus.FAILED else "warn"
    yield Fact("outcome", label, _describe_problem(error, "title"), tone)
    yield Fact("explanation", _("Explanation"), plain, quoted=quoted)


def _compare_clocks(told: datetime, asked_at: datetime, seconds: float) -> Fact:
    """Compare the vendor's clock with ours in the middle of the last attempt.

    A refusal tells it too: a wrong clock is a reason to refuse a signature.
    """
    name, label = "clock", _("Clock of CC-iSales")
    ahead = (told - asked_at).total_seconds() - seconds / 2 + _HALF_A_SECOND
    within = seconds / 2 + _HALF_A_SECOND
    if abs(ahead) <= within:
        return Fact(name, label, fill(_("the same as ours, within %.1f s"), within), "good")
    text = _("%(span)s behind ours, within %(within)s s")
    if ahead > 0:
        text = _("%(span)s ahead of ours, within %(within)s s")
    spans = {"span": format_span(round(abs(ahead))), "within": f"{within:.1f}"}
    tone = "warn" if abs(ahead) > _CLOCK_WARNING_SECONDS else ""
    return Fact(name, label, fill(text, spans), tone)


def _describe_rows(outcome: Outcome, differences: Collection[tuple[str, str]]) -> Iterator[Fact]:
    answer = outcome.answer
    rows = len(answer.items if isinstance(answer, Page) else answer or ())
    if answer is not None:
        total = answer.total if isinstance(answer, Page) else rows
        text = fill(_("%(rows)s of %(total)s"), {"rows": rows, "total": total})
        yield Fact("rows", _("Rows"), text)
    parts = [
        join(
            ": ", (_DIFFERENCES.get(kind, kind), ", ".join(f for f, k in differences if k == kind))
        )
        for kind in sorted({kind for _field, kind in differences})
    ]
    if parts:
        yield Fact("fields", _("Fields"), join(_("; "), parts), "warn")
    elif rows:
        yield Fact("fields", _("Fields"), _("as documented"), "good")
    elif answer is not None:
        yield Fact("fields", _("Fields"), _("no row to compare"))


def format_span(seconds: int) -> str:
    """Format a duration: `45 s`, `58 min`, `3 h`."""
    if seconds < 120:
        return fill(_("%s s"), seconds)
    if seconds < 7200:
        return fill(_("%s min"), seconds // 60)
    return fill(_("%s h"), seconds // 3600)


def _get_problem_text(error: ISalesError, part: str) -> str:
    return str(getattr(problems.describe(error), part))


_describe_problem = lazy(_get_problem_text, str)
