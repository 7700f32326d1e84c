"""Descriptions of errors for people and programs: status, title, detail, next step, problem+json.

Follows RFC 9457. No response contains a traceback, a secret, or the vendor's raw body.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, Literal

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import add_never_cache_headers
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from pydantic import BaseModel, ConfigDict, Field

from isales_proxy.access import PermissionMissing, VdnNotFound
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
from isales_proxy.client.queries import InvalidQuery
from isales_proxy.core.database import RETRY_SECONDS, is_unavailable
from isales_proxy.core.locks import AlreadyRunning
from isales_proxy.models import TokenScope
from isales_proxy.number_access.services import DailySearchLimitExceeded
from isales_proxy.vendor.vendor_use import SimulatorRefused

log = structlog.get_logger("isales")

MEDIA_TYPE: Final = "application/problem+json"

_TYPES: Final = "urn:callboard:problem:"
_RETRY_SECONDS: Final = 5
_MAX_RETRY_SECONDS: Final = 3600


@dataclass(frozen=True)
class Problem:
    """An error in the reader's language. `retry_after` is in whole seconds, `code` the vendor's."""

    status: int
    slug: str
    title: str
    detail: str
    next_step: str
    reference: str
    retry_after: int | None = None
    code: str = ""


def _omit_null(schema: dict[str, Any]) -> None:
    """Document optional members as absent rather than null, and allow further members."""
    del schema["additionalProperties"]
    for member in schema["properties"].values():
        if "anyOf" in member:
            del member["default"]
            member |= member.pop("anyOf")[0]


class ProblemDetails(BaseModel):
    """Any error, by RFC 9457. Members without a value are absent."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_omit_null)

    type: str = Field(description="`urn:callboard:problem:…`, or `about:blank`.")
    title: str
    status: int
    detail: str
    request_id: str = Field(description="Finds this request in the logs.")
    errors: dict[str, list[str]] | None = Field(None, description="422: field → messages.")
    problem: (
        Literal[
            "upstream-unavailable",
            "upstream-refused",
            "credentials",
            "bad-answer",
            "busy",
            "searches-spent",
        ]
        | None
    ) = Field(None, description="The kind of failure of CC-iSales, or the limit reached.")
    code: str | None = Field(None, description="The vendor's own code.")
    scope: TokenScope | None = Field(None, description="The scope that the token lacks.")
    next_step: str | None = Field(None, description="Advice for people.")
    vendor_request: str | None = Field(None, description="Finds the vendor call in the logs.")
    retry_after: int | None = Field(None, description="Seconds.")
    as_of: datetime | None = Field(
        None, description="Time of the last good answer to the same question."
    )
    batch: int | None = Field(None, description="Number of the batch of call data concerned.")


@dataclass(frozen=True)
class _Description:
    status: int
    slug: str
    title: str | Promise
    detail: str | Promise
    next_step: str | Promise


_LATER = _("Nothing is lost. Try again in a moment; if it lasts, tell your admin.")

# The first class of which an error is an instance describes it.
_DESCRIPTIONS: Final[Mapping[type[ISalesError], _Description]] = {
    SimulatorRefused: _Description(
        503,
        "upstream-unavailable",
        _("CC-iSales is not set up"),
        _(
            "This database holds data of a real CC-iSales, but its address is not set. "
            "Invented data is not shown in its place."
        ),
        _("An admin must set ISALES_BASE_URL, or another DATABASE_URL for a demo."),
    ),
    CircuitOpen: _Description(
        503,
        "upstream-unavailable",
        _("CC-iSales cannot be reached"),
        _("It failed several times in a row, so we pause before asking again."),
        _LATER,
    ),
    Unreachable: _Description(
        503,
        "upstream-unavailable",
        _("CC-iSales cannot be reached"),
        _("CC-iSales does not answer, or answers with a fault."),
        _LATER,
    ),
    TimedOut: _Description(
        504,
        "upstream-unavailable",
        _("CC-iSales did not answer in time"),
        _("No answer arrived within the time allowed."),
        _LATER,
    ),
    Throttled: _Description(
        503,
        "busy",
        _("CC-iSales is busy"),
        _("CC-iSales asks us to send fewer requests."),
        _LATER,
    ),
    TokenEnded: _Description(
        502,
        "credentials",
        _("The CC-iSales token had expired"),
        _("CC-iSales no longer accepted our token and did nothing. We have a new one now."),
        _("Try again: it should work now."),
    ),
    KeysUnreadable: _Description(
        502,
        "credentials",
        _("The stored keys cannot be read"),
        _("They were stored under another SECRET_KEY. CC-iSales was not contacted."),
        _(
            "An admin must enter the keys of this VDN again, or name the former key in "
            "SECRET_KEY_FALLBACKS."
        ),
    ),
    KeysMissing: _Description(
        502,
        "credentials",
        _("No keys for CC-iSales are set"),
        _("This interface needs keys of its own. CC-iSales was not contacted."),
        _("An admin must set the keys of the OBS interfaces."),
    ),
    CredentialsRefused: _Description(
        502,
        "credentials",
        _("CC-iSales refuses our keys"),
        _("The keys of this server are not accepted. Your own log-in is fine."),
        _("An admin must check the keys and the clock of the server."),
    ),
    BadAnswer: _Description(
        502,
        "bad-answer",
        _("CC-iSales sent an unreadable answer"),
        _("The answer cannot be read, so nothing of it is shown."),
        _("Try again. If it lasts, give the reference below to your admin."),
    ),
    Misdirected: _Description(
        502,
        "upstream-refused",
        _("The address of CC-iSales may be wrong"),
        _("The server there refuses the request, but not in the way that CC-iSales does."),
        _("An admin must check the addresses of CC-iSales in the settings."),
    ),
    Refused: _Description(
        502,
        "upstream-refused",
        _("CC-iSales refused the request"),
        _("It gave no reason."),
        _("Change the filter, or ask your admin what the code means."),
    ),
}

# The OBS pages document status 400 for a bad request, but no message.
_BAD_REQUEST: Final = _Description(
    502,
    "upstream-refused",
    _("CC-iSales refused the request"),
    _("Rejected as a bad request without a code."),
    _("An admin must check the values and the addresses of CC-iSales in the settings."),
)


def describe(error: ISalesError) -> Problem:
    """Describe an error of the client in the active language."""
    found = (each for kind, each in _DESCRIPTIONS.items() if isinstance(error, kind))
    description = next(found, _DESCRIPTIONS[CircuitOpen])
    if isinstance(error, Misdirected) and error.http_status == HTTPStatus.BAD_REQUEST:
        description = _BAD_REQUEST
    detail = str(description.detail)
    if isinstance(error, Refused):
        detail = _get_refusal(error) or detail
    return Problem(
        status=description.status,
        slug=description.slug,
        title=str(description.title),
        detail=detail,
        next_step=_get_next_step(error, description),
        reference=error.request_id,
        retry_after=_get_retry_after(error, description.status),
        code=error.code or "",
    )


def describe_search_limit(error: DailySearchLimitExceeded) -> Problem:
    """Describe the daily limit of number searches in the active language."""
    return Problem(
        status=429,
        slug="searches-spent",
        title=gettext("Number search limit reached for today"),
        detail=ngettext(
            "You have searched for %(limit)s different number today, the most allowed.",
            "You have searched for %(limit)s different numbers today, the most allowed.",
            error.limit,
        )
        % {"limit": error.limit},
        next_step=gettext(
            "You can search for the same numbers again. All other filters still work."
        ),
        reference="",
        retry_after=error.seconds,
    )


def describe_changed_list() -> Problem:
    """Describe a list that could not be read as a whole, in the active language."""
    return Problem(
        status=409,
        slug="list-changed",
        title=gettext("The list changed while it was read"),
        detail=gettext("A file could miss or repeat rows, so none was made."),
        next_step=gettext("Try again; a shorter period is read faster."),
        reference="",
    )


def respond(
    status: int,
    detail: str,
    *,
    title: str = "",
    slug: str = "",
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> HttpResponse:
    """Build a problem+json response that no cache keeps.

    Without a `slug` its type is `about:blank`. `members` are further fields of ProblemDetails.
    """
    details = ProblemDetails(
        type=f"{_TYPES}{slug}" if slug else "about:blank",
        title=title or HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=get_request_id(),
        **members,
    )
    response = JsonResponse(
        details.model_dump(mode="json", exclude_none=True),
        status=status,
        content_type=MEDIA_TYPE,
        headers=headers,
        json_dumps_params={"ensure_ascii": False},
    )
    add_never_cache_headers(response)
    return response


def respond_with(problem: Problem, **members: Any) -> HttpResponse:
    """Build the problem+json response of a described problem."""
    retry_after = problem.retry_after
    return respond(
        problem.status,
        problem.detail,
        title=problem.title,
        slug=problem.slug,
        headers={} if retry_after is None else {"Retry-After": str(retry_after)},
        problem=problem.slug,
        next_step=problem.next_step,
        code=problem.code or None,
        vendor_request=problem.reference or None,
        retry_after=retry_after,
        **members,
    )


def respond_to(error: Exception) -> HttpResponse | None:
    """Build the response for a known error of the services or Django; None for any other."""
    match error:
        case ISalesError():
            return respond_with(describe(error))
        case DailySearchLimitExceeded():
            return respond_with(describe_search_limit(error))
        case AlreadyRunning():
            return respond(409, gettext("A refresh is already running."))
        case VdnNotFound() | Http404():
            return respond(404, gettext("There is nothing here, or you have no access to it."))
        case RequestDataTooBig():
            return respond_too_large()
        case SuspiciousOperation() | InvalidQuery():
            return respond(422, gettext("Part of the address could not be read."))
        case PermissionMissing() | PermissionDenied():
            return respond(403, gettext("Your role does not allow this."))
    if is_unavailable(error):
        log.warning("database_unavailable", error=type(error).__name__)
        return respond_database_busy()
    return None


def respond_database_busy() -> HttpResponse:
    """Build the 503 of a database that cannot be written now, with the time to try again."""
    return respond_busy(gettext("Its database cannot be written just now. Try again in a moment."))


def respond_busy(detail: str) -> HttpResponse:
    """Build a 503 with the time to try again."""
    return respond(
        503,
        detail,
        title=gettext("Callboard is busy"),
        slug="busy",
        headers={"Retry-After": str(RETRY_SECONDS)},
        retry_after=RETRY_SECONDS,
    )


def respond_too_large() -> HttpResponse:
    """Build the 413 of a body that is larger than a request may be."""
    return respond(413, gettext("The body is too large."))


def get_request_id() -> str:
    """Get the ID in every log line of this request."""
    found = structlog.contextvars.get_contextvars().get("request_id")
    return str(found or uuid.uuid4())


def is_api(request: HttpRequest) -> bool:
    """Tell whether this address is answered in JSON, errors included."""
    return request.path.startswith("/api/") and not request.path.startswith("/api/docs/")


def _get_refusal(error: Refused) -> str:
    """Join the code, the vendor's sentence, and the meaning of the code on this interface."""
    meaning = gettext(error.meaning) if error.meaning else ""
    return f"{format_vendor_message(error.code or '', error.vendor_sentence)} {meaning}".strip()


def format_vendor_message(code: str, sentence: str) -> str:
    """Join the vendor's code and sentence, each of which may be ""."""
    parts = [gettext("Code %(code)s.") % {"code": code}] if code else []
    if sentence:
        parts.append(gettext("It says: “%(text)s”") % {"text": sentence})
    return " ".join(parts)


def _get_next_step(error: ISalesError, description: _Description) -> str:
    """Get the advice, with the time until a retry if the vendor gave one."""
    if isinstance(error, Throttled) and error.retry_after is not None:
        seconds = _clamp_pause(error.retry_after)
        return ngettext(
            "Try again in %(seconds)s second.", "Try again in %(seconds)s seconds.", seconds
        ) % {"seconds": seconds}
    return str(description.next_step)


def _clamp_pause(seconds: float) -> int:
    """Round the vendor's `Retry-After` up to whole seconds, between 1 s and 1 h."""
    return min(max(1, math.ceil(seconds)), _MAX_RETRY_SECONDS)


def _get_retry_after(error: ISalesError, status: int) -> int | None:
    if error.retry_after is not None:
        return _clamp_pause(error.retry_after)
    return _RETRY_SECONDS if status == 503 else None
