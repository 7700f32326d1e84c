"""Texts about states, attempts and requests of write-backs in the reader's language."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.ui.columns import NOTHING
from dashboard.ui.row_formatting import CodeFormatter
from dashboard.ui.times import TimeFormatter
from isales_proxy.models import Vdn, WriteBack, WriteBackAttempt, WriteBackState
from isales_proxy.privacy.field_policies import Content
from isales_proxy.problems import format_vendor_message
from isales_proxy.vendor.vendor_times import parse_time
from isales_proxy.write_backs.delivery import BROKEN, DELIVERED, UNFIT
from isales_proxy.write_backs.fields import BY_VENDOR_NAME, Field

_OUTCOMES: Final[dict[str, str | Promise]] = {
    "": gettext_lazy("Under way"),
    DELIVERED: gettext_lazy("Acknowledged"),
    WriteBackAttempt.LOST: gettext_lazy("The worker stopped before an answer arrived"),
    "unreachable": gettext_lazy("CC-iSales could not be reached"),
    "timed_out": gettext_lazy("No answer in time"),
    "throttled": gettext_lazy("CC-iSales asked for fewer calls"),
    "credentials_refused": gettext_lazy("CC-iSales refused our keys"),
    "token_ended": gettext_lazy("Our token had expired; there is a new one"),
    "bad_answer": gettext_lazy("The answer could not be read"),
    "refused": gettext_lazy("Refused"),
    "misdirected": gettext_lazy(
        "The OBS address in the settings may be wrong: what answers there is not CC-iSales"
    ),
    UNFIT: gettext_lazy("The stored request is no longer valid"),
    BROKEN: gettext_lazy("An error on our side"),
}
# Outcomes that, with an HTTP status, tell whether the vendor has processed the request.
_ANSWERED: Final = frozenset(
    {DELIVERED, "refused", "misdirected", "credentials_refused", "token_ended", "throttled"}
)
# Outcomes whose answer is quoted in the journal.
_QUOTED: Final = frozenset({"refused", "misdirected"})


def describe_outcome(name: str, maybe_sent: bool, http_status: int | None) -> str:
    """Describe the outcome of an attempt by its name, HTTP status and `maybe_sent`."""
    if name == "unreachable" and http_status is not None:
        return _("CC-iSales answered with an error")
    if name == "credentials_refused" and http_status is None and not maybe_sent:
        return _("Our keys for CC-iSales cannot be used")
    if name == "unreachable" and maybe_sent:
        return _("The connection ended without an answer")
    if name == "misdirected" and http_status == HTTPStatus.BAD_REQUEST:
        return _(
            "Rejected as a bad request without a code; a value or the OBS address may be wrong"
        )
    return str(_OUTCOMES.get(name, name))


def format_wait(left: timedelta, times: TimeFormatter) -> str:
    """Format a wait as `in 9 s`, `in 4 min`, or `now`."""
    seconds = int(left.total_seconds())
    return _("in %d s") % seconds if 0 < seconds < 60 else times.ahead(left)


def format_state(row: WriteBack, now: datetime) -> str:
    """Return the text of the state's badge."""
    return _("Sending") if row.is_sending(now) else str(WriteBackState(row.state).label)


def describe_state(row: WriteBack, times: TimeFormatter) -> str:
    """Return the text under the state: next attempt and last problem, or how it ended."""
    if row.state == WriteBackState.WAITING:
        return _describe_waiting(row, times)
    if row.state == WriteBackState.REFUSED:
        return format_vendor_message(row.vendor_code, row.problem)
    if row.state == WriteBackState.GIVEN_UP:
        return _describe_last(row)
    return times.short(row.finished_at)


def _describe_waiting(row: WriteBack, times: TimeFormatter) -> str:
    if row.is_sending(times.now):
        return ""
    if row.comes_later:
        return _("after an earlier result")
    left = row.next_at - times.now
    when = format_wait(left, times)
    if not row.last_outcome:
        return _("next attempt %s") % when if left > timedelta() else _("sending now")
    return _("%(problem)s; again %(when)s") % {"problem": _describe_last(row), "when": when}


def _describe_last(row: WriteBack) -> str:
    return describe_outcome(row.last_outcome or "", bool(row.last_maybe_sent), row.last_status)


def build_journal(
    attempts: tuple[WriteBackAttempt, ...], times: TimeFormatter
) -> list[dict[str, Any]]:
    """List the attempts for the template."""
    rows = []
    for place, attempt in enumerate(attempts):
        last = place == len(attempts) - 1
        rows.append(
            {
                "number": attempt.number,
                "started": times.clock(attempt.started_at),
                "exact": times.exact(attempt.started_at),
                "seconds": _format_duration(attempt),
                "outcome": describe_outcome(
                    attempt.outcome, attempt.maybe_sent, attempt.http_status
                ),
                "good": attempt.outcome == DELIVERED,
                "open": not attempt.outcome,
                "note": _describe_doubt(attempt, last=last),
                "said": format_vendor_message(attempt.vendor_code, attempt.problem)
                if attempt.outcome in _QUOTED
                else "",
                "status": str(attempt.http_status or ""),
                "request": attempt.vendor_request,
                "worker": attempt.worker,
            }
        )
    return rows


def is_unanswered(attempt: WriteBackAttempt) -> bool:
    """Tell whether the vendor may have processed the request without an answer."""
    answered = attempt.http_status is not None and attempt.outcome in _ANSWERED
    return attempt.maybe_sent and not answered


def _format_duration(attempt: WriteBackAttempt) -> str:
    if attempt.finished_at is None or attempt.outcome == WriteBackAttempt.LOST:
        return ""
    ms = round((attempt.finished_at - attempt.started_at).total_seconds() * 1000)
    return _("%d ms") % ms if ms < 1000 else _("%s s") % f"{ms / 1000:.1f}"


def _describe_doubt(attempt: WriteBackAttempt, *, last: bool) -> str:
    """Describe the consequence of an attempt that was not sent or not answered."""
    if attempt.outcome in {"", UNFIT}:
        return ""
    if not attempt.maybe_sent:
        return _("It was not sent.")
    if not is_unanswered(attempt):
        return ""
    if last:
        return _("CC-iSales may still have received it.")
    return _("CC-iSales may still have received it; it was sent again.")


def list_details(
    body: dict[str, Any], vdn: Vdn, formatter: CodeFormatter, tasks: dict[str, str]
) -> list[dict[str, str]]:
    """List the fields of a request with label and text, and the vendor's name and value."""
    found = []
    for name, value in body.items():
        if field := BY_VENDOR_NAME.get(name):
            raw, text = str(value), _format_value(field, str(value), vdn, formatter, tasks)
            raw = "" if text == raw else raw
            found.append({"field": name, "label": str(field.label), "text": text, "raw": raw})
    return found


def _format_value(
    field: Field, raw: str, vdn: Vdn, formatter: CodeFormatter, tasks: dict[str, str]
) -> str:
    if field.name == "fail_code":
        return formatter.format_code(raw)
    if field.name == "service_id":
        return tasks.get(raw) or raw
    if field.choices:
        return str(field.choices.get(raw, raw))
    if field.content is Content.TIME:
        instant = parse_time(raw, vdn)
        return formatter.times.exact(instant) if instant else raw
    return raw or NOTHING


def format_json(body: dict[str, Any]) -> str:
    """Format the request body as indented JSON."""
    return json.dumps(body, ensure_ascii=False, indent=2)
