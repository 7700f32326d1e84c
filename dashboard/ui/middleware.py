"""What happens to every request, whatever the page."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from urllib.parse import unquote_to_bytes

import structlog
from allauth.account.adapter import get_adapter
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django_structlog.middlewares import RequestMiddleware
from prometheus_client import Histogram

from dashboard.ui.unavailable import unavailable
from isales_proxy.audit import services as audit
from isales_proxy.core.database import is_unavailable
from isales_proxy.problems import is_api, respond, respond_too_large

log = structlog.get_logger("isales")

GetResponse = Callable[[HttpRequest], HttpResponseBase]

LONGEST_ADDRESS: Final = 8 * 1024
MOST_PARAMETERS: Final = 1000

ANSWERED = Histogram(
    "callboard_http_seconds", "Seconds to answer a request.", ["view", "method", "status"]
)


class NoStoreMiddleware:
    """Has no browser or proxy keep an answer that says nothing of keeping: `private, no-store`.

    Any page may name the person, and some show what opens an account: the secret of an
    authenticator app, the recovery codes.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class UrlValidationMiddleware:
    """Refuses addresses that no page of ours can have: not UTF-8, with NUL, or over 8 kB.

    Django would decode such bytes to replacement characters and search for those.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        query = request.META.get("QUERY_STRING", "")
        # The log-in carries the wanted address in its own, encoded a second time.
        longest = LONGEST_ADDRESS * (2 if request.path == reverse(settings.LOGIN_URL) else 1)
        if len(query) > longest:
            return _refused(request, 414)
        if query.count("&") >= MOST_PARAMETERS:
            return _refused(request, 422)
        raw = unquote_to_bytes(query.replace("+", " "))
        path = request.META.get("PATH_INFO", "")
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            return _refused(request, 422)
        if b"\x00" in raw or "\x00" in path or "\ufffd" in path:
            return _refused(request, 422)
        return self.get_response(request)


def _refused(request: HttpRequest, status: int) -> HttpResponse:
    if is_api(request):
        return respond(status, _("Part of the address could not be read."))
    return render(request, "422.html", {"status": status}, status=status)


class BoundedBodyMiddleware:
    """Refuses a body over `DATA_UPLOAD_MAX_MEMORY_SIZE`, whatever its form, before it is read.

    Django itself bounds neither files nor what a view does not look at. A body of unknown length
    has been counted by the web server, which says how long it is; see `buffering_worker`.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return self.get_response(request)
        return respond_too_large() if is_api(request) else render(request, "413.html", status=413)


class UnavailableDatabaseMiddleware:
    """Answers 503 where a view fails because the database cannot do its part now."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """Answer in the place of the view, or None."""
        if not is_unavailable(exception):
            return None
        log.warning("database_unavailable", error=type(exception).__name__)
        return unavailable(request)


class RequestLogMiddleware(RequestMiddleware):
    """One line a request. The query stays out of it, since it may hold a called number."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return f"{request.method} {request.path}"

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        """Name the person, if the database can say who it is: `/healthz` must answer without."""
        with suppress(DatabaseError):
            RequestMiddleware.bind_user_id(request)


class ReaderMiddleware:
    """Leaves no reader's time zone behind for the next request of this thread, and lets the audit
    know the reader's address."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.scope = None  # type: ignore[attr-defined]
        timezone.deactivate()
        with audit.use_address(get_adapter(request).get_client_ip(request)):
            return self.get_response(request)


class MetricsMiddleware:
    """Counts and times answers by the name of the view, never by address."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        ANSWERED.labels(
            (match.view_name if match else "") or "none",
            request.method if request.method in {"GET", "POST", "HEAD"} else "other",
            response.status_code,
        ).observe(time.perf_counter() - began)
        return response
