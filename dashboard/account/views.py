"""Log-in, and the account of the person logged in: overview, sessions, security keys, single
sign-on."""

from __future__ import annotations

from typing import Any, Final, cast

from allauth.account.utils import get_next_redirect_url
from allauth.account.views import login as allauth_log_in
from allauth.core.internal.ratelimit import get_ip
from allauth.mfa.webauthn.views import RemoveWebAuthnView
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.account import log_in_audit
from dashboard.account.columns import SESSION_COLUMNS, SessionFormatter, SessionRow
from dashboard.account.second_factor import SealedAdapter
from dashboard.account.single_sign_on import Adapter
from dashboard.environment.groups import PROVIDER_ID
from dashboard.ui.htmx import SeeOther, render_page_or_fragment
from dashboard.ui.list_page import ListPage, add_sort_field
from dashboard.ui.list_url import ListUrl
from dashboard.ui.local_lists import sort_rows
from dashboard.ui.parameters import build_parameter_notice
from dashboard.ui.requests import ReaderRequest, create_time_formatter
from isales_proxy.accounts import second_factors, sessions, sign_in_attempts
from isales_proxy.models import User

_ATTEMPT_SECONDS: Final = 600
# The first match counts, since a browser's header also names those it is compatible with.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python-requests/", "Python"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """Answer 429 for allauth's rate limits (log-ins, codes, passwords) and record it."""
    log_in_audit.record_throttled(request.user if request.user.is_authenticated else None)
    return render(request, "429.html", status=429)


def log_in(request: HttpRequest) -> HttpResponse:
    """`/accounts/login/`. A POST is anonymous even if somebody is logged in in this browser, so
    that nobody continues the session of another person."""
    if request.method == "POST":
        request.user = AnonymousUser()
    response: HttpResponse = allauth_log_in(request)
    return response


@require_safe
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """`/accounts/`: overview of password, second factor and sessions."""
    user = cast("User", request.user)
    context = {
        "has_password": user.has_usable_password(),
        "has_factor": second_factors.has_second_factor(user),
        "factor_required": second_factors.is_required_of(user),
        "session_count": len(sessions.get_active(user)),
    }
    return render(request, "account/account.html", context)


@require_safe
@login_required
def no_password(_request: HttpRequest) -> HttpResponse:
    """Redirect to the account page, which explains why no password can be set."""
    return redirect("account_home")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def session_list(request: ReaderRequest) -> HttpResponse:
    """`/accounts/sessions/`: the active sessions; a POST ends one by its ID, or all others."""
    user = request.user
    if request.method == "POST":
        return _end_sessions(request, user)
    times = create_time_formatter(request)
    form = add_sort_field(forms.Form(request.GET), SESSION_COLUMNS)
    address = ListUrl.from_filter(reverse("usersessions_list"), form)
    page = ListPage(SESSION_COLUMNS, address, _("Active sessions"), "own-rows")
    rows = sort_rows(_list_sessions(request, user), SESSION_COLUMNS, address.sort)
    page.fill(
        rows,
        SessionFormatter(times, get_token(request)),
        total=len(rows),
        get_id=lambda row: f"session-{row.number}",
        get_attributes=lambda row: (
            ("data-session", str(row.number)),
            *((("data-current", ""),) if row.current else ()),
        ),
    )
    return render_page_or_fragment(
        request,
        page="account/sessions.html",
        fragment="account/_sessions.html",
        context={
            "list": page,
            "notice": build_parameter_notice(form, address),
            "zone_text": times.zone_text,
        },
        status=200 if form.is_valid() else 422,
    )


def _list_sessions(request: HttpRequest, user: User) -> list[SessionRow]:
    """List the active sessions, the current one first."""
    found = [
        SessionRow(
            number=session.pk,
            device=describe_device(session.user_agent),
            address=session.ip,
            began_at=session.created_at,
            seen_at=session.last_seen_at,
            current=session.session_key == request.session.session_key,
        )
        for session in sessions.get_active(user)
    ]
    return sorted(found, key=lambda row: not row.current)


def _end_sessions(request: HttpRequest, user: User) -> HttpResponse:
    number = request.POST.get("session", "")
    if number:
        if not (number.isascii() and number.isdigit() and len(number) < 19):
            raise Http404
        if not sessions.end_session(person=user, number=int(number), by=user):
            messages.info(request, _("That session had already ended."))
        else:
            messages.success(request, _("The session is ended."))
    else:
        ended = sessions.end_all(
            person=user, by=user, except_key=request.session.session_key or "", reason="others"
        )
        text = ngettext("%(n)s other session is ended.", "%(n)s other sessions are ended.", ended)
        messages.success(request, text % {"n": ended})
    return redirect("usersessions_list")


def describe_device(user_agent: str) -> str:
    """Describe browser and system of a `User-Agent` header, such as `Firefox · Windows`."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return " · ".join(filter(None, (browser, system))) or _("Unknown device")


class RemoveKeyView(RemoveWebAuthnView):
    """Removal of a security key, but not of the last second factor of a person who must have one.

    allauth asks its adapter only before it removes an authenticator app.
    """

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add whether the key may be removed."""
        may = SealedAdapter().can_delete_authenticator(self.object)
        return {**super().get_context_data(**kwargs), "may_remove": may}

    def form_valid(self, form: Any) -> Any:
        """Remove the key, or redirect to the page, which explains why it cannot be removed."""
        if not SealedAdapter().can_delete_authenticator(self.object):
            return SeeOther(self.request.path)
        return super().form_valid(form)


remove_key = RemoveKeyView.as_view()


@never_cache
@require_safe
def begin_single_sign_on(request: HttpRequest) -> HttpResponseBase:
    """Redirect to the provider's log-in page.

    By GET, because our content security policy forbids that forms lead to other sites. The
    provider's answer is only valid with the `state` in this browser's session.
    """
    _require_single_sign_on()
    try:
        sign_in_attempts.count((sign_in_attempts.SINGLE_SIGN_ON_BY_ADDRESS, get_ip(request)))
    except sign_in_attempts.TooManyAttempts:
        return too_many_requests(request)
    if not request.user.is_authenticated:
        # The session of a person who never returns from the provider.
        request.session.set_expiry(_ATTEMPT_SECONDS)
    provider = get_adapter().get_provider(request, PROVIDER_ID)
    try:
        response: HttpResponseBase = provider.redirect(
            request, AuthProcess.LOGIN, next_url=get_next_redirect_url(request)
        )
    except OAuth2Error as error:
        response = render_authentication_error(request, provider, exception=error)
    return response


@never_cache
@require_safe
def complete_single_sign_on(request: HttpRequest) -> HttpResponseBase:
    """Complete the log-in with the code of the provider."""
    _require_single_sign_on()
    view = OAuth2CallbackView.adapter_view(Adapter(request, PROVIDER_ID))
    response: HttpResponseBase = view(request)
    return response


@require_safe
def show_cancelled(request: HttpRequest) -> HttpResponse:
    """Render the page after a log-in that was cancelled at the provider."""
    _require_single_sign_on()
    return render(request, "socialaccount/login_cancelled.html")


def _require_single_sign_on() -> None:
    if settings.SIGN_IN.single_sign_on is None:
        raise Http404
