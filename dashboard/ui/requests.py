"""State of a user between requests: last VDN, rejected time zone, messages."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Scope, get_scopes
from isales_proxy.models import User

LAST_VDN: Final = "last_vdn"
_REFUSED_ZONE: Final = "refused_zone"
_MAX_ZONE_LENGTH: Final = 64


class ReaderRequest(HttpRequest):
    """A request of a logged-in user; `scope` is None until `enter_scope` sets it."""

    user: User
    htmx: Any
    scope: Scope | None


def enter_scope(request: ReaderRequest, scope: Scope) -> None:
    """Set the scope of the request, activate its time zone and remember its VDN in the session."""
    request.scope = scope
    if request.session.get(LAST_VDN) != scope.vdn.pk:
        session: Any = request.session
        # `note` of our session engine: a request does not fail if the database cannot store it.
        session.note(LAST_VDN, scope.vdn.pk)
    timezone.activate(scope.zone)


def get_last_scope(request: HttpRequest, scopes: list[Scope]) -> Scope | None:
    """Return the scope of the VDN visited last, else the first; None without any."""
    if not scopes:
        return None
    last = request.session.get(LAST_VDN)
    return next((scope for scope in scopes if scope.vdn.pk == last), scopes[0])


def create_time_formatter(request: HttpRequest) -> TimeFormatter:
    """Create the formatter of a page outside a VDN, in the zone of the VDN visited last."""
    scope = get_last_scope(request, get_scopes(request.user))
    return TimeFormatter(timezone.now(), scope.zone if scope else None)


def redirect_whole_page(request: HttpRequest, address: str, text: str) -> HttpResponse:
    """Redirect to `address`; htmx gets a 403 with `text` that makes the browser go there."""
    if "HX-Request" not in request.headers:
        return HttpResponseRedirect(address)
    return HttpResponse(
        text,
        status=403,
        content_type="text/plain; charset=utf-8",
        headers={"HX-Redirect": address},
    )


def set_short_cookie(response: HttpResponse, name: str, value: str, *, seconds: int) -> None:
    """Set a cookie for the next page, of a browser that may have no session."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def store_refused_zone(request: HttpRequest, name: str, message: str) -> None:
    """Store a rejected time zone and its error message for the next page."""
    request.session[_REFUSED_ZONE] = [name[:_MAX_ZONE_LENGTH], message]


def pop_refused_zone(request: HttpRequest) -> tuple[str, str]:
    """Return and remove the rejected time zone and its message; ("", "") without one."""
    name, message = request.session.pop(_REFUSED_ZONE, ("", ""))
    return str(name), str(message)


class NamedCookieStorage(CookieStorage):
    """Django's cookie storage with a configured name, for which Django has no setting."""

    cookie_name = settings.MESSAGES_COOKIE_NAME


class OwnCookieStorage(FallbackStorage):
    """Messages in the cookie, and in the session when they are too long for it."""

    storage_classes = (NamedCookieStorage, SessionStorage)
