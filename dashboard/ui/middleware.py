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
from csp.utils import build_policy
from django.conf import settings
from django.db import DatabaseError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django_structlog.middlewares import RequestMiddleware
from django_structlog.signals import bind_extra_request_finished_metadata
from prometheus_client import Histogram

from isales_proxy.audit import services as audit
from isales_proxy.core.database import RETRY_SECONDS, is_unavailable
from isales_proxy.problems import is_api, respond, respond_busy, respond_too_large

log = structlog.get_logger("isales")

GetResponse = Callable[[HttpRequest], HttpResponseBase]

MAX_QUERY_LENGTH: Final = 8 * 1024
MAX_PARAMETERS: Final = 1000
_QUEUE_FULL: Final = "callboard.queue_full"
# Workbooks are not: their format is compressed already.
_COMPRESSIBLE: Final = ("text/", "application/json", "application/problem+json")

REQUEST_SECONDS = Histogram(
    "callboard_http_seconds", "Seconds to answer a request.", ["view", "method", "status"]
)


class Middleware:
    """Base of the middleware of the product."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)


class QueueFullMiddleware(Middleware):
    """Answers 503 without a query when too many requests wait.

    The web server decides that; see `buffering_worker` and docs/adr/0019. It is the first
    middleware, because a refusal must cost next to nothing.
    """

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.META.get(_QUEUE_FULL):
            return self.get_response(request)
        with translation.override(translation.get_language_from_request(request)):
            return _render_busy(request, _("Too many requests are waiting. Try again in a moment."))


class CompressionMiddleware(GZipMiddleware):
    """Compresses texts of 200 bytes or more by gzip, with up to 99 random bytes against BREACH.

    A streamed export is compressed as one stream, without a flush at each line. A strong `ETag`
    becomes a weak one. See docs/adr/0018.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Compress the answer if it is of a compressible type."""
        if not response.headers.get("Content-Type", "").startswith(_COMPRESSIBLE):
            return response
        return super().process_response(request, response)


class DefaultHeadersMiddleware(Middleware):
    """Adds the content security policy, and forbids caches to store a response.

    Any page may name the person, and some show credentials: the secret of an authenticator app,
    recovery codes. A view may set either header itself.
    """

    def __init__(self, get_response: GetResponse) -> None:
        super().__init__(get_response)
        # django-csp's own middleware builds the policy anew for each response.
        self._policy = build_policy()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        response.headers.setdefault(HEADER, self._policy)
        return response


class UrlValidationMiddleware(Middleware):
    """Refuses addresses that are not UTF-8, contain NUL, or have a long query (414, 422).

    Django would decode other bytes to replacement characters and search for those.
    """

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        query = request.META.get("QUERY_STRING", "")
        if len(query) > MAX_QUERY_LENGTH:
            # The log-in page has the requested address as a parameter, encoded a second time.
            is_login = request.path == reverse(settings.LOGIN_URL)
            if len(query) > MAX_QUERY_LENGTH * (2 if is_login else 1):
                return _refuse(request, 414)
        if query.count("&") >= MAX_PARAMETERS:
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
    """Answer 503 for an unavailable database. Makes no query."""
    return _render_busy(
        request, _("Its database cannot be written just now. Try again in a moment.")
    )


def _render_busy(request: HttpRequest, text: str) -> HttpResponse:
    """Render the 503 page, or problem+json for the API, with `Retry-After`. Makes no query."""
    if is_api(request):
        return respond_busy(text)
    context = {"title": _("Callboard is busy"), "text": text}
    response = render(request, "503.html", context, status=503)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _refuse(request: HttpRequest, status: int) -> HttpResponse:
    if is_api(request):
        return respond(status, _("Part of the address could not be read."))
    return render(request, "422.html", {"status": status}, status=status)


class BoundedBodyMiddleware(Middleware):
    """Refuses a body over `DATA_UPLOAD_MAX_MEMORY_SIZE` bytes (413) before it is read.

    Django limits neither uploaded files nor bodies that no view reads. For a body of unknown
    length the web server sets `Content-Length`; see `buffering_worker`.
    """

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return self.get_response(request)
        return respond_too_large() if is_api(request) else render(request, "413.html", status=413)


class UnavailableDatabaseMiddleware(Middleware):
    """Answers 503 when a view fails because the database is unavailable."""

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
        """Bind the user ID, if the database is available: `/healthz` must answer without it."""
        with suppress(DatabaseError):
            RequestMiddleware.bind_user_id(request)


@receiver(bind_extra_request_finished_metadata)
def _add_user_agent(request: HttpRequest, log_kwargs: dict[str, Any], **_more: Any) -> None:
    log_kwargs["user_agent"] = request.META.get("HTTP_USER_AGENT")


class ReaderMiddleware(Middleware):
    """Resets scope and time zone, which the previous request of this thread may have set, and
    passes the address of the client to the audit."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.scope = None  # type: ignore[attr-defined]
        timezone.deactivate()
        with audit.use_address(lambda: get_adapter(request).get_client_ip(request)):
            return self.get_response(request)


class MetricsMiddleware(Middleware):
    """Observes the duration in seconds by view name, method and status, never by address."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        REQUEST_SECONDS.labels(
            (match.view_name if match else "") or "none",
            request.method if request.method in {"GET", "POST", "HEAD"} else "other",
            response.status_code,
        ).observe(time.perf_counter() - started)
        return response
