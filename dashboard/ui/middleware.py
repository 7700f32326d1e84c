"""Middleware of every request, and the 503 page for an unavailable database."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import structlog
from allauth.account.adapter import get_adapter
from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.db import DatabaseError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django_structlog.middlewares import RequestMiddleware
from django_structlog.signals import bind_extra_request_finished_metadata
from prometheus_client import Histogram

from isales_proxy.audit import services as audit
from isales_proxy.core.database import RETRY_SECONDS, is_unavailable
from isales_proxy.problems import (
    is_api,
    respond,
    respond_busy,
    respond_database_busy,
    respond_too_large,
)

log = structlog.get_logger("isales")

GetResponse = Callable[[HttpRequest], HttpResponseBase]

LONGEST_ADDRESS: Final = 8 * 1024
MOST_PARAMETERS: Final = 1000
# A spreadsheet is compressed by its format.
_QUEUE_FULL: Final = "callboard.queue_full"
_COMPRESSIBLE: Final = ("text/", "application/json", "application/problem+json")

ANSWERED = Histogram(
    "callboard_http_seconds", "Seconds to answer a request.", ["view", "method", "status"]
)


class QueueFullMiddleware:
    """Answers 503 with `Retry-After`, and without a query, where too many requests wait.

    The web server decides that; see `buffering_worker` and docs/adr/0019. First of all middleware,
    because a refusal must cost next to nothing.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.META.get(_QUEUE_FULL):
            return self.get_response(request)
        with translation.override(translation.get_language_from_request(request)):
            text = _("Too many requests are waiting. Try again in a moment.")
            if is_api(request):
                return respond_busy(text)
            context = {"title": _("Callboard is busy"), "text": text}
            response = HttpResponse(render_to_string("503.html", context), status=503)
        response.headers["Retry-After"] = str(RETRY_SECONDS)
        response.headers["Cache-Control"] = "private, no-store"
        return response


class CompressionMiddleware(GZipMiddleware):
    """Compresses texts by gzip, with up to 99 random bytes in each answer against BREACH.

    Answers under 200 bytes stay as they are. A streamed export is compressed as one stream, without
    a flush at each line. A strong `ETag` becomes a weak one. See docs/adr/0018.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Compress the answer if its type gains by it."""
        if not response.headers.get("Content-Type", "").startswith(_COMPRESSIBLE):
            return response
        return super().process_response(request, response)


class PolicyMiddleware(CSPMiddleware):
    """Sets the content security policy, whose text is built once: no page of ours changes it."""

    def __init__(self, get_response: GetResponse) -> None:
        super().__init__(get_response)
        self._policy = build_policy()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add the header."""
        response: Any = self.get_response(request)
        response.headers.setdefault(HEADER, self._policy)
        return response  # type: ignore[no-any-return]


class NoStoreMiddleware:
    """Sets `Cache-Control: private, no-store` on responses without the header.

    Any page may name the person, and some show credentials: the secret of an authenticator app,
    recovery codes.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class UrlValidationMiddleware:
    """Refuses addresses that are not UTF-8, contain NUL, or have a query over 8 kB (414, 422).

    Django would decode such bytes to replacement characters and search for those.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        query = request.META.get("QUERY_STRING", "")
        if len(query) > LONGEST_ADDRESS:
            # The log-in page carries the requested address as a parameter, encoded a second time.
            is_login = request.path == reverse(settings.LOGIN_URL)
            if len(query) > LONGEST_ADDRESS * (2 if is_login else 1):
                return _refuse(request, 414)
        if query.count("&") >= MOST_PARAMETERS:
            return _refuse(request, 422)
        raw = unquote_to_bytes(query.replace("+", " "))
        path = request.META.get("PATH_INFO", "")
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            return _refuse(request, 422)
        if b"\x00" in raw or "\x00" in path or "\ufffd" in path:
            return _refuse(request, 422)
        return self.get_response(request)


def render_unavailable(request: HttpRequest) -> HttpResponse:
    """Render the 503 page, or problem+json for the API, with `Retry-After`. Makes no query."""
    if is_api(request):
        return respond_database_busy()
    context = {
        "title": _("Callboard is busy"),
        "text": _("Its database cannot be written just now. Try again in a moment."),
    }
    response = render(request, "503.html", context, status=503)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _refuse(request: HttpRequest, status: int) -> HttpResponse:
    if is_api(request):
        return respond(status, _("Part of the address could not be read."))
    return render(request, "422.html", {"status": status}, status=status)


class BoundedBodyMiddleware:
    """Refuses a body over `DATA_UPLOAD_MAX_MEMORY_SIZE` bytes (413) before it is read.

    Django limits neither uploaded files nor bodies that no view reads. The web server counts a
    body of unknown length and sets `Content-Length`; see `buffering_worker`.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return self.get_response(request)
        return respond_too_large() if is_api(request) else render(request, "413.html", status=413)


class UnavailableDatabaseMiddleware:
    """Answers 503 when a view fails because the database is unavailable."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """Render the 503 page; None for any other exception."""
        if not is_unavailable(exception):
            return None
        log.warning("database_unavailable", error=type(exception).__name__)
        return render_unavailable(request)


class RequestLogMiddleware(RequestMiddleware):
    """Logs one line per request, without the query, which may hold a called number."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return f"{request.method} {request.path}"

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        """Bind the user ID, unless the database is away: `/healthz` must answer without it."""
        with suppress(DatabaseError):
            RequestMiddleware.bind_user_id(request)


@receiver(bind_extra_request_finished_metadata)
def _add_user_agent(request: HttpRequest, log_kwargs: dict[str, Any], **_more: Any) -> None:
    log_kwargs["user_agent"] = request.META.get("HTTP_USER_AGENT")


class ReaderMiddleware:
    """Resets scope and time zone, which the previous request of this thread may have set, and
    passes the client address to the audit."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.scope = None  # type: ignore[attr-defined]
        timezone.deactivate()
        with audit.use_address(lambda: get_adapter(request).get_client_ip(request)):
            return self.get_response(request)


class MetricsMiddleware:
    """Observes the duration in seconds by view name, method and status, never by address."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        ANSWERED.labels(
            (match.view_name if match else "") or "none",
            request.method if request.method in {"GET", "POST", "HEAD"} else "other",
            response.status_code,
        ).observe(time.perf_counter() - started)
        return response
