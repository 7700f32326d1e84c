"""Every error as `application/problem+json` (RFC 9457), with the statuses of the public contract.

No traceback, no secret and no body of the vendor's ever gets into one.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.views import set_rollback

from isales_proxy import problems
from isales_proxy.access import PermissionMissing, VdnNotFound
from isales_proxy.api.permissions import ScopeLacks
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.queries import InvalidQuery
from isales_proxy.core.database import RETRY_SECONDS, is_unavailable
from isales_proxy.core.locks import AlreadyRunning
from isales_proxy.number_access.services import DailySearchLimitExceeded

log = structlog.get_logger("isales")

MEDIA_TYPE: Final = "application/problem+json"
_TYPES: Final = "urn:callboard:problem:"


class OnlyStaleAnswer(Exception):
    """The vendor is away; `as_of` (aware UTC) is when it last answered the same question.

    A page shows that older answer; a program gets the problem and may decide for itself.
    """

    def __init__(self, error: ISalesError, as_of: datetime | None) -> None:
        super().__init__(error.sentence)
        self.error = error
        self.as_of = as_of


class CallDataNotReceived(Exception):
    """Call data was asked for and did not come; `batch` is the number of its record."""

    def __init__(self, found: problems.Problem, batch: int) -> None:
        super().__init__(found.title)
        self.found = found
        self.batch = batch


class InvalidRequest(Exception):
    """The question is out of bounds: field → messages for people. No vendor call was made.

    `title` where it is no question by a filter.
    """

    def __init__(self, errors: Mapping[str, list[str]], *, title: str = "") -> None:
        super().__init__(", ".join(errors))
        self.errors = dict(errors)
        self.title = title


def invalid_value(errors: Mapping[str, list[str]]) -> InvalidRequest:
    """That a deed is asked for with values that are not allowed."""
    return InvalidRequest(errors, title=_("A value is not allowed"))


def no_such_fields(names: Iterable[str]) -> dict[str, list[str]]:
    """What is said of fields that there are not: a misspelt one must not pass for left out."""
    return {str(name): [_("There is no such field.")] for name in names}


def by_field(errors: Mapping[str, Iterable[Any]]) -> dict[str, list[str]]:
    """The errors of a form or a serializer as plain text."""
    return {str(name): [str(text) for text in texts] for name, texts in errors.items()}


def require_nothing(request: Request, *, parameters: Iterable[str] = ()) -> None:
    """Check that a request brings nothing but those parameters of its address.

    What is misspelt, or is said where nobody looks, must not be done as if it had not been said.
    Raises InvalidQuestion.
    """
    try:
        body: Iterable[str] = json_object(request.data)
    except exceptions.UnsupportedMediaType:
        # A plain POST of a form, mostly an empty one.
        body = {*request._request.POST} - {"csrfmiddlewaretoken"}  # noqa: SLF001
    unknown = {*request.query_params} - {*parameters}
    if errors := no_such_fields(sorted([*unknown, *body])):
        raise invalid_value(errors)


def json_object(data: Any) -> Mapping[str, Any]:
    """The body of a request that must be one JSON object. Raises InvalidQuestion."""
    if not isinstance(data, Mapping):
        raise invalid_value({"non_field_errors": [_("Send one JSON object.")]})
    return data


def problem_response(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """DRF's exception handler: whatever a view raises, foreseen or not, becomes a problem."""
    set_rollback()
    match error:
        case OnlyStaleAnswer():
            return _described(problems.describe(error.error), error.as_of)
        case CallDataNotReceived():
            return _described(error.found, batch=error.batch)
        case ISalesError():
            return _described(problems.describe(error))
        case DailySearchLimitExceeded():
            return _described(problems.describe_search_limit(error))
        case InvalidRequest():
            return _invalid(error.errors, error.title)
        case exceptions.ValidationError():
            return _invalid(_of_detail(error.detail))
        case AlreadyRunning():
            return problem(409, _("A refresh is already under way."))
        case VdnNotFound() | Http404():
            return problem(404, _("There is nothing here for you."))
        case RequestDataTooBig():
            return too_large()
        case SuspiciousOperation() | InvalidQuery():
            return problem(422, _("A part of the address cannot be understood."))
        case ScopeLacks():
            return _scope_lacks(error)
        case PermissionMissing() | PermissionDenied():
            return problem(403, _("Your role does not allow this."))
        case exceptions.APIException():
            return _rest_framework(error)
    if is_unavailable(error):
        log.warning("database_unavailable", error=type(error).__name__)
        return database_busy()
    # The log has the traceback, the answer only its name there.
    log.error("api_failed", view=type(context.get("view")).__name__, exc_info=error)
    return problem(500, _("Something went wrong on our side; the log has more of this request."))


def problem(
    status: int,
    detail: str,
    *,
    title: str = "",
    slug: str = "",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> HttpResponse:
    """One problem; without a `slug` its type is that of the status. None in `more` is left out."""
    body: dict[str, Any] = {
        "type": f"{_TYPES}{slug}" if slug else "about:blank",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id(),
    }
    body |= {name: value for name, value in more.items() if value is not None}
    response = JsonResponse(
        body,
        status=status,
        content_type=MEDIA_TYPE,
        headers=headers,
        json_dumps_params={"ensure_ascii": False},
    )
    add_never_cache_headers(response)
    return response


def database_busy() -> HttpResponse:
    """Our own database cannot do its part now: 503, and when to try again."""
    return problem(
        503,
        _("Its database cannot be written just now. Try again in a moment."),
        title=_("Callboard is busy"),
        slug="busy",
        headers={"Retry-After": str(RETRY_SECONDS)},
        retry_after=RETRY_SECONDS,
    )


def too_large() -> HttpResponse:
    """The body is larger than a request may be: 413."""
    return problem(413, _("The body is too large."))


def request_id() -> str:
    """The id that every log line of this request carries."""
    found = structlog.contextvars.get_contextvars().get("request_id")
    return str(found or uuid.uuid4())


def is_api(request: HttpRequest) -> bool:
    """Whether this address is answered in JSON, errors included."""
    return request.path.startswith("/api/") and not request.path.startswith("/api/docs/")


def _described(found: problems.Problem, as_of: datetime | None = None, **more: Any) -> HttpResponse:
    headers = {} if found.retry_after is None else {"Retry-After": str(found.retry_after)}
    return problem(
        found.status,
        found.detail,
        title=found.title,
        slug=found.slug,
        headers=headers,
        problem=found.slug,
        next_step=found.next_step,
        code=found.code or None,
        vendor_request=found.reference or None,
        retry_after=found.retry_after,
        as_of=as_of.isoformat().replace("+00:00", "Z") if as_of else None,
        **more,
    )


def _invalid(errors: Mapping[str, list[str]], title: str = "") -> HttpResponse:
    return problem(
        422,
        " ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items()),
        title=title or _("A filter value is not allowed"),
        slug="invalid",
        errors=errors,
    )


def _scope_lacks(error: ScopeLacks) -> HttpResponse:
    return problem(
        403,
        _("This token lacks the scope “%(scope)s”.") % {"scope": error.needed.value},
        slug="scope",
        scope=error.needed.value,
    )


def _of_detail(detail: Any) -> dict[str, list[str]]:
    if not isinstance(detail, Mapping):
        return {"non_field_errors": [str(text) for text in detail]}
    return {
        str(name): [str(text) for text in (texts if isinstance(texts, list) else [texts])]
        for name, texts in detail.items()
    }


def _rest_framework(error: exceptions.APIException) -> HttpResponse:
    headers = {}
    if header := getattr(error, "auth_header", ""):
        headers["WWW-Authenticate"] = header
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    detail = str(error.detail)
    if isinstance(error, exceptions.NotAuthenticated):
        detail = _("Log in first: this request has neither a token nor a valid session.")
    return problem(error.status_code, detail, headers=headers)
