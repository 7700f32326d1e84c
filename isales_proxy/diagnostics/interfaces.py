"""Calls of the read-only interfaces, and their differences from the vendor's documents."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.functional import lazy
from django.utils.translation import gettext_lazy
from django.utils.translation import gettext_lazy as _

from isales_proxy import problems
from isales_proxy.client import errors
from isales_proxy.client.client import Client
from isales_proxy.client.config import Endpoint
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.observer import Attempt
from isales_proxy.client.operations import OPERATIONS, Operation
from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery, ResultCodeQuery
from isales_proxy.core.metrics import Observer
from isales_proxy.diagnostics.report import Fact, InterfaceStatus, Section, fill, format_span, join
from isales_proxy.models import Vdn

_ROWS: Final = 10
INTERFACES: Final[dict[str, Callable[[Client, Vdn, float], Any] | None]] = {
    "list_reservations": lambda client, vdn, deadline: client.list_reservations(
        vdn=vdn.pk, query=ReservationQuery(size=_ROWS), deadline=deadline
    ),
    "list_result_codes": lambda client, vdn, deadline: client.list_result_codes(
        vdn=vdn.pk, query=ResultCodeQuery(size=_ROWS), deadline=deadline
    ),
    # Called by the client for the tasks.
    "fetch_token": None,
    "log_in": None,
    "refresh_token": None,
    "list_outbound_tasks": lambda client, vdn, deadline: client.list_outbound_tasks(
        vdn=vdn.pk, cc_id=vdn.cc_id, deadline=deadline
    ),
}
"""Name of each read-only operation → function that calls it, in the order of the report."""
_OPERATIONS: Final = {each.name: each for each in OPERATIONS}
_CAMPAIGNS_ENVELOPE: Final = "resultCode+returnCode"
_CLOCK_WARNING_SECONDS: Final = 30.0
# The Date header is cut to whole seconds, so it is half a second early on average.
_HALF_A_SECOND: Final = 0.5
_HINTS: Final = (
    (errors.CredentialsRefused, _("Check the keys and the clock of this server.")),
    (errors.Misdirected, _("Check the addresses that are set.")),
    (
        (errors.Unreachable, errors.TimedOut),
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


@dataclass
class Call:
    """Result of calling one interface.

    `asked_at` is when the last attempt began; `vendor_time`, `envelope` and `answer` are those of
    the last good answer. Times are aware UTC.
    """

    attempts: list[Attempt] = field(default_factory=list)
    asked_at: datetime | None = None
    vendor_time: datetime | None = None
    envelope: str = ""
    # A dictionary, since the order matters.
    differences: dict[tuple[str, str], None] = field(default_factory=dict)
    status: InterfaceStatus = InterfaceStatus.ANSWERED
    error: ISalesError | None = None
    answer: Page[Any] | tuple[Any, ...] | None = None


class CallLog(Observer):
    """Observer of one check, which also updates the metrics. Not thread-safe."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._clock = clock
        self.calls = {name: Call() for name in INTERFACES}

    def called(self, attempt: Attempt) -> None:
        """Record an attempt that has just ended."""
        call = self.calls[attempt.operation]
        call.attempts.append(attempt)
        call.asked_at = self._clock() - timedelta(seconds=attempt.seconds)
        super().called(attempt)

    def answered(self, operation: str, *, date: datetime | None, shape: str) -> None:
        """Record the vendor's time and envelope of a good answer."""
        self.calls[operation].vendor_time, self.calls[operation].envelope = date, shape

    def drift(self, operation: str, field: str, kind: str) -> None:
        """Record a field that is not as documented."""
        self.calls[operation].differences[field, kind] = None
        super().drift(operation, field, kind)

    def breaker(self, operation: str, state: str) -> None:
        """Ignore it: the circuit breakers of a check are separate."""

    def fail(self, operation: str, error: ISalesError | None) -> None:
        """Record a failure."""
        is_missing = isinstance(error, errors.KeysMissing)
        call = self.calls[operation]
        call.error = error
        call.status = InterfaceStatus.NO_CREDENTIALS if is_missing else InterfaceStatus.FAILED


def call_interfaces(client: Client, vdn: Vdn, log: CallLog, remaining: Callable[[], float]) -> None:
    """Call each by a client that reports to `log`, with `remaining()` seconds as the deadline."""
    for name, fetch in INTERFACES.items():
        try:
            if fetch:
                log.calls[name].answer = fetch(client, vdn, remaining())
        except ISalesError as error:
            log.fail(name, error)
    for name, call in log.calls.items():
        if not INTERFACES[name] and call.attempts and call.attempts[-1].outcome != "ok":
            log.fail(name, log.calls["list_outbound_tasks"].error)


def build_sections(log: CallLog) -> tuple[Section, ...]:
    """Describe each interface that was called or failed before."""
    called = {name: call for name, call in log.calls.items() if call.attempts or call.error}
    return tuple(_build_section(_OPERATIONS[name], call) for name, call in called.items())


def _build_section(operation: Operation[Any], call: Call) -> Section:
    # The OBS pages contradict themselves, so any envelope is accepted.
    documented = _CAMPAIGNS_ENVELOPE if operation.endpoint is Endpoint.CAMPAIGNS else call.envelope
    facts = list(_describe_outcome(call))
    request_id = call.error.request_id if call.error else ""
    if call.attempts and call.asked_at:
        last, tries = call.attempts[-1], len(call.attempts)
        facts += [
            Fact("latency", _("Answer time"), fill(_("%s ms"), round(last.seconds * 1000))),
            Fact("calls", _("Requests"), str(tries), "warn" if tries > 1 else ""),
            Fact("status", _("HTTP status"), str(last.http_status or "–")),
        ]
        vendor_time, request_id = call.vendor_time, last.request_id
        # Also for a refusal: a wrong clock is a reason to refuse a signature.
        if call.error and call.error.operation == operation.name:
            vendor_time = call.error.vendor_time
        if vendor_time is not None:
            facts.append(_compare_clocks(vendor_time - call.asked_at, last.seconds))
    if call.status is InterfaceStatus.ANSWERED:
        text, tone = call.envelope or _("unknown"), ""
        if call.envelope not in {"", documented}:
            names = {"found": call.envelope, "documented": documented}
            text, tone = fill(_("%(found)s (documented: %(documented)s)"), names), "warn"
        facts.append(Fact("envelope", _("Answer format"), text, tone))
    facts += _describe_rows(call)
    if request_id:
        facts.append(Fact("request", _("Our request ID"), request_id))
    return Section(
        name=operation.name,
        title=operation.vendor_page,
        facts=tuple(facts),
        address=f"{operation.method} {operation.path.replace('{vdn}', '{vdnId}')}",
        status=call.status,
        asked_at=call.asked_at,
        differs=bool(call.differences) or call.envelope != documented,
    )


def _describe_outcome(call: Call) -> Iterator[Fact]:
    error, label = call.error, _("Outcome")
    if error is None:
        yield Fact("outcome", label, call.status.label)
        return
    causes = [hint for kind, hint in _HINTS if isinstance(error, kind)][:1]
    if error.sentence != error.default_sentence:
        causes.insert(0, gettext_lazy(error.sentence))
    bare = copy.copy(error)
    if isinstance(bare, errors.Refused):
        bare.vendor_sentence = ""
    plain, quoted = (
        join(" ", [_describe_problem(each, "detail"), *causes]) for each in (bare, error)
    )
    tone = "bad" if call.status is InterfaceStatus.FAILED else "warn"
    yield Fact("outcome", label, _describe_problem(error, "title"), tone)
    yield Fact("explanation", _("Explanation"), plain, quoted=quoted)


def _compare_clocks(ahead_of_request: timedelta, seconds: float) -> Fact:
    """Compare the vendor's clock with ours in the middle of an attempt that took `seconds`."""
    name, label = "clock", _("Clock of CC-iSales")
    ahead = ahead_of_request.total_seconds() - seconds / 2 + _HALF_A_SECOND
    within = seconds / 2 + _HALF_A_SECOND
    if abs(ahead) <= within:
        return Fact(name, label, fill(_("the same as ours, within %.1f s"), within), "good")
    text = _("%(span)s behind ours, within %(within)s s")
    if ahead > 0:
        text = _("%(span)s ahead of ours, within %(within)s s")
    spans = {"span": format_span(timedelta(seconds=abs(ahead))), "within": f"{within:.1f}"}
    tone = "warn" if abs(ahead) > _CLOCK_WARNING_SECONDS else ""
    return Fact(name, label, fill(text, spans), tone)


def _describe_rows(call: Call) -> Iterator[Fact]:
    answer, label = call.answer, _("Fields")
    rows = len(answer.items if isinstance(answer, Page) else answer or ())
    if answer is not None:
        total = answer.total if isinstance(answer, Page) else rows
        text = fill(_("%(rows)s of %(total)s"), {"rows": rows, "total": total})
        yield Fact("rows", _("Rows"), text)
    if call.differences:
        fields: dict[str, list[str]] = defaultdict(list)
        for name, kind in call.differences:
            fields[kind].append(name)
        parts = [
            join(": ", (_DIFFERENCES.get(kind, kind), ", ".join(fields[kind])))
            for kind in sorted(fields)
        ]
        yield Fact("fields", label, join(_("; "), parts), "warn")
    elif rows:
        yield Fact("fields", label, _("as documented"), "good")
    elif answer is not None:
        yield Fact("fields", label, _("no row to compare"))


def _get_problem_text(error: ISalesError, part: str) -> str:
    return str(getattr(problems.describe(error), part))


_describe_problem = lazy(_get_problem_text, str)
