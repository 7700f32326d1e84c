"""Reasons why a round over everything is not complete: stored as codes, shown in the reader's
language.

A stored reason is `code`, `code:count` or `code:count:cause`.
"""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy, ngettext


class RoundReason(TextChoices):
    """Reason why a round is not complete, or why a part of the list could not be read."""

    SWITCHED_OFF = "switched-off", gettext_lazy("the mirror of this VDN is switched off")
    INTERRUPTED = "interrupted", gettext_lazy("it was interrupted")
    PARTS_UNREAD = "parts-unread", gettext_lazy("parts could not be read")
    UNDATED_UNREAD = "undated-unread", gettext_lazy("rows without a time could not all be read")
    UNDATED_CHANGED = (
        "undated-changed",
        gettext_lazy("rows without a time changed while they were read"),
    )
    UNCONFIRMED = "unconfirmed", gettext_lazy("rows are missing and not confirmed to be gone")
    # Causes: why a part could not be read.
    OUTSIDE_RANGE = "outside-range", gettext_lazy("rows outside the range that was asked for")
    ROW_TWICE = "row-twice", gettext_lazy("a row twice in one answer, and another one missing")
    WRONG_TOTAL = "wrong-total", gettext_lazy("a total that is not that of the rows")
    READ_ONCE = "read-once", gettext_lazy("wrong totals: read once as yet")
    CROWDED_SECOND = "crowded-second", gettext_lazy("a second with more rows than a page")
    CROWDED_PART = "crowded-part", gettext_lazy("more rows than a page")
    NO_ANSWER = "no-answer", gettext_lazy("no answer")
    # Causes that are outcomes of the client (`ISalesError.outcome`).
    ERROR = "error", gettext_lazy("the call to CC-iSales failed")
    UNREACHABLE = "unreachable", gettext_lazy("CC-iSales cannot be reached")
    CIRCUIT_OPEN = "circuit_open", gettext_lazy("CC-iSales is left alone for a moment")
    TIMED_OUT = "timed_out", gettext_lazy("CC-iSales did not answer in time")
    THROTTLED = "throttled", gettext_lazy("CC-iSales asks for fewer calls")
    CREDENTIALS = "credentials_refused", gettext_lazy("CC-iSales refuses the keys")
    TOKEN_ENDED = "token_ended", gettext_lazy("CC-iSales refuses the token")
    BAD_ANSWER = "bad_answer", gettext_lazy("the answer of CC-iSales cannot be read")
    INCOMPLETE = "incomplete_sweep", gettext_lazy("the pages of the list do not add up")
    REFUSED = "refused", gettext_lazy("CC-iSales refuses the request")
    MISDIRECTED = "misdirected", gettext_lazy("what answers is not CC-iSales")
    SIMULATOR = (
        "simulator_refused",
        gettext_lazy("the simulator may not be used with this database"),
    )


def build_reason(code: str, count: int, cause: str = "") -> str:
    """Return a reason as it is stored."""
    return f"{code}:{count}:{cause}" if cause else f"{code}:{count}"


def describe_reason(stored: str) -> str:
    """Describe a stored reason in the active language; a text of an earlier release as it is."""
    code, _colon, rest = stored.partition(":")
    number, _colon, cause = rest.partition(":")
    if code not in RoundReason or (number and not number.isdigit()):
        return stored
    count = int(number or 0)
    if code == RoundReason.PARTS_UNREAD and count:
        text = ngettext(
            "%(count)s part could not be read: %(cause)s",
            "%(count)s parts could not be read: %(cause)s",
            count,
        )
        why = describe_reason(cause) if cause else str(RoundReason.NO_ANSWER.label)
        return text % {"count": count, "cause": why}
    if code == RoundReason.UNCONFIRMED and count:
        text = ngettext(
            "%(count)s row is missing and not confirmed to be gone",
            "%(count)s rows are missing and not confirmed to be gone",
            count,
        )
        return text % {"count": count}
    return str(RoundReason(code).label)
