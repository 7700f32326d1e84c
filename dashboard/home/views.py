"""Start page, and preferences of a user: theme and time zone."""

from __future__ import annotations

from typing import Any, Final, cast

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
from dashboard.ui.requests import get_last_scope, store_refused_zone
from isales_proxy.access import get_scopes
from isales_proxy.models import User

_YEAR_S: Final = 365 * 24 * 60 * 60


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """`/`: redirect to the reservations of the VDN visited last; 403 for users without a VDN."""
    scope = get_last_scope(request, get_scopes(request.user))
    if scope is None:
        return render(request, "no_access.html", status=403)
    return redirect("reservations", vdn_id=scope.vdn.pk)


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Redirect browsers to the icon, on pages that name none, such as those of the API."""
    return redirect(static("favicon.svg"))


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Save the theme in a cookie, so that the log-in page has it too."""
    response = _redirect_back(request)
    theme = request.POST.get("theme", "auto")
    if theme in THEMES:
        response.set_cookie(
            settings.THEME_COOKIE_NAME,
            theme,
            max_age=_YEAR_S,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
    return response


@require_POST
@login_required
def set_zone(request: HttpRequest) -> HttpResponse:
    """Save the user's time zone; the next page shows the error of an invalid one."""
    form = ZoneForm(request.POST)
    if form.is_valid():
        user = cast("User", request.user)
        user.time_zone = form.cleaned_data["time_zone"]
        user.save(update_fields=["time_zone"])
    else:
        store_refused_zone(
            request, str(form["time_zone"].value()), str(form.errors["time_zone"][0])
        )
    return _redirect_back(request)


@require_POST
@login_required
def save_form_draft(request: HttpRequest) -> HttpResponse:
    """Save the fields of an unfinished form whose page is left."""
    return HttpResponse(status=204 if form_drafts.save_typed(request) else 409)


def _redirect_back(request: HttpRequest) -> HttpResponseRedirect:
    address: Any = request.POST.get("next", "")
    is_local = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(address if is_local else reverse("home"))
