"""Write-backs in words: states, attempts, and what a request says, in the reader's language."""

from __future__ import annotations

import json
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.reservations.columns import NOTHING, RowFormatter
from dashboard.ui.times import TimeFormatter
from isales_proxy.models import Vdn, WriteBackAttempt, WriteBackState
from isales_proxy.vendor.vendor_times import parse_time
from isales_proxy.write_backs.delivery import BROKEN, DELIVERED, UNFIT
from isales_proxy.write_backs.forms import DEVICE_TYPES, STATUSES
from isales_proxy.write_backs.queries import WriteBackEntry

# The tone of a badge; the words beside it say the same.
TONES: Final[dict[str, str]] = {
    WriteBackState.WAITING: "soon",
    WriteBackState.DELIVERED: "answered",
    WriteBackState.REFUSED: "late",
    WriteBackState.GIVEN_UP: "failed",
    WriteBackState.CANCELLED: "waiting",
}
_OUTCOMES: Final[dict[str, str | Promise]] = {
    "": gettext_lazy("Under way"),
    DELIVERED: gettext_lazy("Acknowledged"),
    WriteBackAttempt.LOST: gettext_lazy("The worker ended before the answer was known"),
    "unreachable": gettext_lazy("CC-iSales could not be reached"),
    "timed_out": gettext_lazy("No answer in time"),
    "throttled": gettext_lazy("CC-iSales asked for fewer calls"),
    "credentials_refused": gettext_lazy("CC-iSales refused our keys"),
    "token_ended": gettext_lazy("Our token had ended; there is a new one"),
    "bad_answer": gettext_lazy("The answer could not be read"),
    "refused": gettext_lazy("Refused"),
    "misdirected": gettext_lazy(
        "The OBS address in the settings may be wrong: what answers there is not CC-iSales"
    ),
    UNFIT: gettext_lazy("The stored request does not fit any more"),
    BROKEN: gettext_lazy("A fault on our side"),
}
# Where an answer came with these, it says what became of the request.
_ANSWERED: Final = frozenset(
    {DELIVERED, "refused", "misdirected", "credentials_refused", "token_ended", "throttled"}
)
# Of these the journal quotes what was answered.
_QUOTED: Final = frozenset({"refused", "misdirected"})
_LABELS: Final[dict[str, str | Promise]] = {
    "subCCNo": gettext_lazy("Call centre ID"),
    "vdnId": gettext_lazy("VDN"),
    "uniqueId": gettext_lazy("Unique ID"),
    "serviceId": gettext_lazy("Task"),
    "status": gettext_lazy("Status"),
    "deviceType": gettext_lazy("Device type"),
    "phoneNumber": gettext_lazy("Called number"),
    "failCode": gettext_lazy("Result code"),
    "asrResult": gettext_lazy("Detected cause (ASR)"),
    "fetchTime": gettext_lazy("Data fetched at"),
    "writeStartTime": gettext_lazy("Call began"),
    "endCallTime": gettext_lazy("Call ended"),
    "callId": gettext_lazy("Call ID"),
}
_TIMES: Final = frozenset({"fetchTime", "writeStartTime", "endCallTime"})


def describe_outcome(name: str, maybe_sent: bool, http_status: int | None) -> str:
    """How an attempt ended; of a vendor that was away, as far as it is known in which way."""
    if name == "unreachable" and http_status is not None:
        return _("CC-iSales answered with a fault")
    if name == "credentials_refused" and http_status is None and not maybe_sent:
        return _("Our keys for CC-iSales cannot be used")
    if name == "unreachable" and maybe_sent:
        return _("The connection ended without an answer")
    if name == "misdirected" and http_status == HTTPStatus.BAD_REQUEST:
        return _("Called bad, without a code: a value or the OBS address may be wrong")
    return str(_OUTCOMES.get(name, name))


def format_wait(left: timedelta, moments: TimeFormatter) -> str:
    """`in 9 s`, `in 4 min`, or `now`."""
    seconds = int(left.total_seconds())
    return _("in %d s") % seconds if 0 < seconds < 60 else moments.ahead(left)


def describe_state(entry: WriteBackEntry, moments: TimeFormatter) -> str:
    """What stands under the state: the next attempt and the last problem, or how it ended."""
    row = entry.row
    if row.state == WriteBackState.WAITING:
        return _waiting(entry, moments)
    if row.state == WriteBackState.REFUSED:
        return format_vendor_message(row.vendor_code, row.problem)
    if row.state == WriteBackState.GIVEN_UP:
        return _last(entry)
    return moments.short(row.finished_at)


def _waiting(entry: WriteBackEntry, moments: TimeFormatter) -> str:
    if entry.sending(moments.now):
        return _("being sent")
    if entry.blocked:
        return _("after the one before it")
    when = format_wait(entry.row.next_at - moments.now, moments)
    if not entry.outcome:
        return _("next attempt %s") % when
    return _("%(problem)s; again %(when)s") % {"problem": _last(entry), "when": when}


def _last(entry: WriteBackEntry) -> str:
    return describe_outcome(entry.outcome, entry.maybe_sent, entry.http_status)


def format_vendor_message(code: str, words: str) -> str:
    """The vendor's code and words."""
    parts = [_("Code %(code)s.") % {"code": code}] if code else []
    if words:
        parts.append(_("It says: “%(text)s”") % {"text": words})
    return " ".join(parts)


def build_journal(
    attempts: tuple[WriteBackAttempt, ...], moments: TimeFormatter
) -> list[dict[str, Any]]:
    """Every attempt, ready to lay out."""
    lines = []
    for place, attempt in enumerate(attempts):
        last = place == len(attempts) - 1
        lines.append(
            {
                "number": attempt.number,
                "started": moments.clock(attempt.started_at),
                "exact": moments.exact(attempt.started_at),
                "seconds": _seconds(attempt),
                "outcome": describe_outcome(
                    attempt.outcome, attempt.maybe_sent, attempt.http_status
                ),
                "good": attempt.outcome == DELIVERED,
                "open": not attempt.outcome,
                "note": _note(attempt, last),
                "said": format_vendor_message(attempt.vendor_code, attempt.problem)
                if attempt.outcome in _QUOTED
                else "",
                "status": str(attempt.http_status or ""),
                "request": attempt.vendor_request,
                "worker": attempt.worker,
            }
        )
    return lines


def is_unanswered(attempt: WriteBackAttempt) -> bool:
    """Whether nobody knows if the vendor has carried it out."""
    answered = attempt.http_status is not None and attempt.outcome in _ANSWERED
    return attempt.maybe_sent and not answered


def _seconds(attempt: WriteBackAttempt) -> str:
    if attempt.finished_at is None or attempt.outcome == WriteBackAttempt.LOST:
        return ""
    ms = round((attempt.finished_at - attempt.started_at).total_seconds() * 1000)
    return _("%d ms") % ms if ms < 1000 else _("%s s") % f"{ms / 1000:.1f}"


def _note(attempt: WriteBackAttempt, last: bool) -> str:
    """What follows from an attempt whose answer nobody knows, or that never left us."""
    if attempt.outcome in {"", UNFIT}:
        return ""
    if not attempt.maybe_sent:
        return _("It was not sent.")
    if not is_unanswered(attempt):
        return ""
    if last:
        return _("CC-iSales may have it nevertheless.")
    return _("CC-iSales may have it nevertheless; it was sent again.")


def list_details(
    body: dict[str, Any], vdn: Vdn, read: RowFormatter, tasks: dict[str, str]
) -> list[dict[str, str]]:
    """What a request says, field by field, with the vendor's name and value beside the words."""
    found = []
    for name, value in body.items():
        if name in {"subCCNo", "vdnId"}:
            continue
        text = _in_words(name, value, vdn, read, tasks)
        found.append(
            {
                "field": name,
                "label": str(_LABELS.get(name, name)),
                "text": text,
                "raw": "" if text == str(value) else str(value),
            }
        )
    return found


def _in_words(name: str, value: Any, vdn: Vdn, read: RowFormatter, tasks: dict[str, str]) -> str:
    raw = str(value)
    if name == "failCode":
        return read.code(raw)
    if name == "serviceId":
        return tasks.get(raw) or raw
    if name == "status":
        return str(STATUSES.get(raw, raw))
    if name == "deviceType":
        return str(DEVICE_TYPES.get(raw, raw))
    if name in _TIMES:
        moment = parse_time(raw, vdn)
        return read.moments.exact(moment) if moment else raw
    return raw or NOTHING


def format_json(body: dict[str, Any]) -> str:
    """The request as it is sent, spread over lines."""
    return json.dumps(body, ensure_ascii=False, indent=2)
