"""Start page, and a person's own choices: language, theme, time zone."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from dashboard.home.forms import ZoneForm
from dashboard.ui import form_drafts
from dashboard.ui.context_processors import THEMES
from dashboard.ui.requests import LAST_VDN, set_time_zone, store_refused_zone
from isales_proxy.access import get_scopes
from isales_proxy.models import User

_YEAR = 365 * 24 * 60 * 60
_LONGEST_ZONE = 64


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """`/`: to the reservations of the VDN looked at last, or a word to those who have none yet."""
    found = get_scopes(request.user)
    if not found:
        return render(request, "no_access.html", status=403)
    wanted = request.session.get(LAST_VDN)
    scope = next((scope for scope in found if scope.vdn.pk == wanted), found[0])
    return redirect("reservations", vdn_id=scope.vdn.pk)


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Browsers ask for this address on pages that name no icon, such as Django's admin."""
    return redirect(static("favicon.svg"))


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Keep the theme in a cookie, so that the log-in page has it too."""
    response = _back(request)
    theme = request.POST.get("theme", "auto")
    if theme in THEMES:
        response.set_cookie(
            settings.THEME_COOKIE_NAME,
            theme,
            max_age=_YEAR,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
    return response


@require_POST
@login_required
def set_zone(request: HttpRequest) -> HttpResponse:
    """Keep the reader's time zone; a wrong one changes nothing and is named on the same page."""
    form = ZoneForm(request.POST)
    if form.is_valid():
        set_time_zone(cast("User", request.user), form.cleaned_data["time_zone"])
    else:
        store_refused_zone(
            request, str(form["time_zone"].value()), str(form.errors["time_zone"][0])
        )
    return _back(request)


@require_POST
@login_required
def form_draft(request: HttpRequest) -> HttpResponse:
    """Keep what stands in a half-filled form when its page is left."""
    return HttpResponse(status=204 if form_drafts.save_typed(request) else 409)


def _back(request: HttpRequest) -> HttpResponseRedirect:
    wanted: Any = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(wanted if safe else reverse("home"))
