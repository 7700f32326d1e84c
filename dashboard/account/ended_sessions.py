"""Requests that come too late or by the wrong way: a POST whose session has ended, and what can
only be sent or only be read. Each is answered by a page that says that nothing was done."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse
from django.utils.translation import gettext as _

from dashboard.account.session_limits import FOR_MACHINES
from dashboard.ui import form_drafts
from dashboard.ui.middleware import GetResponse
from dashboard.ui.requests import keep_in_cookie, lead_to
from isales_proxy.problems import is_api

_COOKIE_SECONDS: Final = 1800


class EndedSessionMiddleware:
    """Redirects a POST of an ended session to the log-in and from there to its form, with what
    was typed; renders a page for every 405."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path in FOR_MACHINES or is_api(request):
            return self.get_response(request)
        told = _announce_lost_post(request)
        response = self.get_response(request)
        if told:
            response.delete_cookie(settings.UNDONE_COOKIE_NAME, samesite="Lax")
        if response.status_code == 405:
            return _render_not_allowed(request, response)
        if response.status_code == 302 and not request.user.is_authenticated:
            return _redirect_to_log_in(request, response)
        return response


def _announce_lost_post(request: HttpRequest) -> bool:
    """Say once, on the first whole page after the log-in, that nothing was done."""
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
    """Add the reason to a redirect to the log-in; return any other redirect as it is."""
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
    answer = lead_to(request, address, _("Nothing was done: your session has ended."))
    if not kept:
        keep_in_cookie(answer, settings.UNDONE_COOKIE_NAME, "1", seconds=_COOKIE_SECONDS)
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
