"""An error of the vendor's or a limit of ours, told to people: status, what happened, what it
means, what to do.

The table is that of the public contract, "Status of an answer".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from isales_proxy.client.errors import (
    BadAnswer,
    CircuitOpen,
    CredentialsRefused,
    ISalesError,
    KeysMissing,
    KeysUnreadable,
    Misdirected,
    Refused,
    Throttled,
    TimedOut,
    TokenEnded,
    Unreachable,
)
from isales_proxy.number_access.services import DailySearchLimitExceeded
from isales_proxy.vendor.vendor_use import SimulatorRefused

_RETRY_SECONDS: Final = 5
_LONGEST_PAUSE_SECONDS: Final = 3600


@dataclass(frozen=True)
class Problem:
    """What a page, a fragment or a problem+json answer says. `retry_after` in whole seconds."""

    status: int
    slug: str
    title: str
    detail: str
    next_step: str
    reference: str
    retry_after: int | None = None
    code: str = ""


@dataclass(frozen=True)
class _Wording:
    status: int
    slug: str
    title: str | Promise
    detail: str | Promise
    next_step: str | Promise


_LATER = _("Nothing is lost. Try again in a moment; if it lasts, tell your administrator.")

_WORDINGS: Final[tuple[tuple[type[ISalesError], _Wording], ...]] = (
    (
        SimulatorRefused,
        _Wording(
            503,
            "upstream-unavailable",
            _("CC-iSales is not set up"),
            _(
                "This database holds data of a real CC-iSales, but its address is not set. "
                "Invented data is not shown in its place."
            ),
            _("An administrator must set ISALES_BASE_URL, or another DATABASE_URL for a demo."),
        ),
    ),
    (
        CircuitOpen,
        _Wording(
            503,
            "upstream-unavailable",
            _("CC-iSales cannot be reached"),
            _("It failed several times in a row, so we pause before asking again."),
            _LATER,
        ),
    ),
    (
        Unreachable,
        _Wording(
            503,
            "upstream-unavailable",
            _("CC-iSales cannot be reached"),
            _("The call centre's system does not answer, or answers with a fault."),
            _LATER,
        ),
    ),
    (
        TimedOut,
        _Wording(
            504,
            "upstream-unavailable",
            _("CC-iSales is too slow"),
            _("The call centre's system did not answer in time."),
            _LATER,
        ),
    ),
    (
        Throttled,
        _Wording(
            503,
            "busy",
            _("CC-iSales is busy"),
            _("The call centre's system asks us to send fewer requests."),
            _LATER,
        ),
    ),
    (
        TokenEnded,
        _Wording(
            502,
            "credentials",
            _("The token of CC-iSales had ended"),
            _("CC-iSales took our token no longer and did nothing. There is a new one by now."),
            _("Ask again: it should work."),
        ),
    ),
    (
        KeysUnreadable,
        _Wording(
            502,
            "credentials",
            _("The stored keys cannot be read"),
            _("They were stored under another SECRET_KEY. CC-iSales was not contacted."),
            _(
                "An administrator must enter the keys of this VDN again, or name the former key in "
                "SECRET_KEY_FALLBACKS."
            ),
        ),
    ),
    (
        KeysMissing,
        _Wording(
            502,
            "credentials",
            _("No keys for CC-iSales are set"),
            _("This interface needs keys of its own. CC-iSales was not contacted."),
            _("An administrator must set the keys of the OBS interfaces."),
        ),
    ),
    (
        CredentialsRefused,
        _Wording(
            502,
            "credentials",
            _("CC-iSales refuses our keys"),
            _("The keys of this server are not accepted. Your own log-in is fine."),
            _("An administrator must check the keys and the clock of the server."),
        ),
    ),
    (
        BadAnswer,
        _Wording(
            502,
            "bad-answer",
            _("CC-iSales sent an unreadable answer"),
            _("The answer cannot be read, so nothing of it is shown."),
            _("Try again. If it lasts, give the reference below to your administrator."),
        ),
    ),
    (
        Misdirected,
        _Wording(
            502,
            "upstream-refused",
            _("The address of CC-iSales may be wrong"),
            _("What answers there refuses the request, and not in the words of CC-iSales."),
            _("An administrator must check the addresses of CC-iSales in the settings."),
        ),
    ),
    (
        Refused,
        _Wording(
            502,
            "upstream-refused",
            _("CC-iSales refused the request"),
            _("It gave no reason."),
            _("Change the filter, or ask your administrator what the code means."),
        ),
    ),
)

# The OBS pages name this status for a bad request, and leave open whether there are words with it.
_BAD_REQUEST: Final = _Wording(
    502,
    "upstream-refused",
    _("CC-iSales refused the request"),
    _("What answers at its address calls the request bad, and gives no code."),
    _("An administrator must check the values and the addresses of CC-iSales in the settings."),
)


def describe(error: ISalesError) -> Problem:
    """The problem that this error is to a person, in the language in force."""
    wording = next((each for kind, each in _WORDINGS if isinstance(error, kind)), _WORDINGS[1][1])
    if isinstance(error, Misdirected) and error.http_status == HTTPStatus.BAD_REQUEST:
        wording = _BAD_REQUEST
    detail = str(wording.detail)
    if isinstance(error, Refused):
        detail = _refusal(error) or detail
    return Problem(
        status=wording.status,
        slug=wording.slug,
        title=str(wording.title),
        detail=detail,
        next_step=_next_step(error, wording),
        reference=error.request_id,
        retry_after=_retry_after(error, wording.status),
        code=error.code or "",
    )


def describe_search_limit(error: DailySearchLimitExceeded) -> Problem:
    """That who sees no numbers searched for as many as one may in a day."""
    return Problem(
        status=429,
        slug="searches-spent",
        title=gettext("No more numbers can be searched for today"),
        detail=ngettext(
            "You searched for %(limit)s different number today, which is as many as one may.",
            "You searched for %(limit)s different numbers today, which is as many as one may.",
            error.limit,
        )
        % {"limit": error.limit},
        next_step=gettext("Those can be searched for again. All other filters go on working."),
        reference="",
        retry_after=error.seconds,
    )


def _refusal(error: Refused) -> str:
    """Code, the vendor's sentence, and what the code means on this interface."""
    parts = []
    if error.code:
        parts.append(gettext("Code %(code)s.") % {"code": error.code})
    if error.vendor_sentence:
        parts.append(gettext("It says: “%(text)s”") % {"text": error.vendor_sentence})
    if error.meaning:
        parts.append(gettext(error.meaning))
    return " ".join(parts)


def _next_step(error: ISalesError, wording: _Wording) -> str:
    """What to do now; the vendor's own wish for a pause is told in seconds."""
    if isinstance(error, Throttled) and error.retry_after is not None:
        seconds = _whole_seconds(error.retry_after)
        return ngettext(
            "Try again in %(seconds)s second.", "Try again in %(seconds)s seconds.", seconds
        ) % {"seconds": seconds}
    return str(wording.next_step)


def _whole_seconds(wish: float) -> int:
    """A pause that people and programs can act on, whatever the vendor wishes."""
    return min(max(1, math.ceil(wish)), _LONGEST_PAUSE_SECONDS)


def _retry_after(error: ISalesError, status: int) -> int | None:
    if error.retry_after is not None:
        return _whole_seconds(error.retry_after)
    return _RETRY_SECONDS if status == 503 else None
