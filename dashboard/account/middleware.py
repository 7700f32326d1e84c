"""Requests that do not reach their view: those of an ended session, and those of a person who must
first change a temporary password or use a second factor.

A message explains that a POST was not processed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import auth, messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from dashboard.account.second_factor import has_passed_second_factor
from dashboard.account.session_limits import FOR_MACHINES
from dashboard.ui import form_drafts
from dashboard.ui.middleware import Middleware
from dashboard.ui.requests import redirect_whole_page, set_short_cookie
from isales_proxy.accounts import second_factors
from isales_proxy.problems import is_api, respond

_COOKIE_SECONDS: Final = 1800
_ALWAYS_ALLOWED: Final = frozenset(
    {
        "account_login", "account_logout", "account_inactive", "account_reauthenticate",
        "mfa_reauthenticate", "mfa_reauthenticate_webauthn", "favicon", "set_language", "set_theme",
        "healthz", "readyz", "metrics",
    }
)  # fmt: skip
_ALLOWED_FOR_SET_UP: Final = frozenset(
    {
        "mfa_index", "mfa_activate_totp", "mfa_add_webauthn", "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes", "mfa_download_recovery_codes",
    }
)  # fmt: skip


class EndedSessionMiddleware(Middleware):
    """Redirects a POST of an ended session to the log-in and from there to its form, with what
    was typed; renders a page for every 405."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path in FOR_MACHINES or is_api(request):
            return self.get_response(request)
        was_announced = _announce_lost_post(request)
        response = self.get_response(request)
        if was_announced:
            response.delete_cookie(settings.UNDONE_COOKIE_NAME, samesite="Lax")
        if response.status_code == 405:
            return _render_not_allowed(request, response)
        if response.status_code == 302 and not request.user.is_authenticated:
            return _redirect_to_log_in(request, response)
        return response


def _announce_lost_post(request: HttpRequest) -> bool:
    """Announce on the first whole page after the log-in that a POST was not processed."""
    if (
        not request.COOKIES.get(settings.UNDONE_COOKIE_NAME)
        or request.method != "GET"
        or "HX-Request" in request.headers
        or not request.user.is_authenticated
    ):
        return False
    messages.warning(request, _("Nothing was done: your session had ended. Please try again."))
    return True


def _redirect_to_log_in(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Add the reason to a redirect to the log-in; return any other redirect unchanged."""
    path = response.headers["Location"].partition("?")[0]
    login = reverse(settings.LOGIN_URL)
    if path not in {login, reverse("admin:login")} or request.path in {login, path}:
        return response
    if request.method != "POST":
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            separator = "&" if "?" in response.headers["Location"] else "?"
            response.headers["Location"] += f"{separator}why=ended"
        return response
    kept = form_drafts.save_undone(request)
    back = kept or form_drafts.get_referring_address(request) or request.path
    address = f"{login}?{urlencode({'next': back, 'why': 'kept' if kept else 'undone'})}"
    answer = redirect_whole_page(request, address, _("Nothing was done: your session has ended."))
    if not kept:
        set_short_cookie(answer, settings.UNDONE_COOKIE_NAME, "1", seconds=_COOKIE_SECONDS)
    return answer


def _render_not_allowed(request: HttpRequest, response: HttpResponseBase) -> HttpResponse:
    """Render the page of a 405, with a link back."""
    allowed = response.headers.get("Allow", "")
    context = {
        "read_only": "GET" in allowed,
        "back_url": form_drafts.get_previous_address(request) or _find_parent(request.path),
    }
    page = render(request, "405.html", context, status=405)
    page.headers["Allow"] = allowed
    return page


def _find_parent(path: str) -> str:
    """Find the nearest existing address above this one."""
    while path.count("/") > 2:
        path = path.rstrip("/").rpartition("/")[0] + "/"
        try:
            resolve(path)
        except Resolver404:
            continue
        return path
    return reverse("home")


class GateMiddleware(MiddlewareMixin):
    """Redirects pages (303) and fragments (`HX-Redirect`) to a required step of the log-in; the API
    responds with a problem (403)."""

    def process_view(
        self,
        request: HttpRequest,
        _view: Callable[..., Any],
        _args: tuple[Any, ...],
        _kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        name = request.resolver_match.view_name if request.resolver_match else ""
        # First, since `/healthz` must work without a database.
        if name in _ALWAYS_ALLOWED:
            return None
        if auth.SESSION_KEY not in request.session or not request.user.is_authenticated:
            return None
        user: Any = request.user
        if user.password_is_temporary:
            if name == "account_change_password":
                return None
            return _redirect_to_step(
                request, "account_change_password", _("Change your password first."), back=True
            )
        if not second_factors.is_required_of(user) or has_passed_second_factor(
            request.session, user
        ):
            return None
        if second_factors.has_second_factor(user):
            # It was set up in another session.
            return _redirect_to_step(
                request, "mfa_reauthenticate", _("Enter your second factor first."), back=True
            )
        if name in _ALLOWED_FOR_SET_UP:
            return None
        return _redirect_to_step(request, "mfa_index", _("Set up a second factor first."))


def _redirect_to_step(
    request: HttpRequest, name: str, reason: str, *, back: bool = False
) -> HttpResponseBase:
    if is_api(request):
        return respond(403, reason, slug="sign-in-incomplete")
    address = reverse(name)
    wanted = request.get_full_path() if request.method == "GET" else "/"
    if request.method == "POST":
        wanted = (
            form_drafts.save_undone(request) or form_drafts.get_referring_address(request) or wanted
        )
        messages.warning(request, _("What you sent was not processed.") + f" {reason}")
    is_fragment = "HX-Request" in request.headers
    if back and not is_fragment:
        address += "?" + urlencode({"next": wanted})
    answer = redirect_whole_page(request, address, reason)
    if is_fragment:
        add_never_cache_headers(answer)
    return answer
