"""Steps before anything else: a new password for a temporary one, and a second factor where it is
required. Until then nothing else is reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import auth, messages
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from dashboard.account.second_factor import has_passed_second_factor
from dashboard.ui import form_drafts
from dashboard.ui.requests import lead_to
from isales_proxy.accounts import second_factors
from isales_proxy.problems import is_api, respond

_ALWAYS: Final = frozenset(
    {
        "account_login", "account_logout", "account_inactive", "account_reauthenticate",
        "mfa_reauthenticate", "mfa_reauthenticate_webauthn", "favicon", "set_language", "set_theme",
        "healthz", "readyz", "metrics",
    }
)  # fmt: skip
_SETTING_UP: Final = frozenset(
    {
        "mfa_index", "mfa_activate_totp", "mfa_add_webauthn", "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes", "mfa_download_recovery_codes",
    }
)  # fmt: skip


class GateMiddleware(MiddlewareMixin):
    """Redirects to the step that is due: pages by a redirect, fragments by `HX-Redirect`, API
    clients by a problem 403."""

    def process_view(
        self,
        request: HttpRequest,
        _view: Callable[..., Any],
        _args: tuple[Any, ...],
        _kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        name = request.resolver_match.view_name if request.resolver_match else ""
        # First of all, since `/healthz` must answer without a database.
        if name in _ALWAYS:
            return None
        if auth.SESSION_KEY not in request.session or not request.user.is_authenticated:
            return None
        user: Any = request.user
        if user.password_is_temporary:
            if name == "account_change_password":
                return None
            return _redirect(
                request, "account_change_password", _("Change your password first."), back=True
            )
        if not second_factors.is_required_of(user) or has_passed_second_factor(
            request.session, user
        ):
            return None
        if second_factors.has_second_factor(user):
            # Set up in another session: here it has still to be given.
            return _redirect(
                request, "mfa_reauthenticate", _("Enter your second factor first."), back=True
            )
        if name in _SETTING_UP:
            return None
        return _redirect(request, "mfa_index", _("Set up a second factor first."))


def _redirect(
    request: HttpRequest, name: str, words: str, *, back: bool = False
) -> HttpResponseBase:
    if is_api(request):
        return respond(403, words, slug="sign-in-incomplete")
    address = reverse(name)
    wanted = request.get_full_path() if request.method == "GET" else "/"
    if request.method == "POST":
        wanted = (
            form_drafts.save_undone(request) or form_drafts.get_referring_address(request) or wanted
        )
        messages.warning(request, _("What you sent was not processed.") + f" {words}")
    is_fragment = "HX-Request" in request.headers
    if back and not is_fragment:
        address += "?" + urlencode({"next": wanted})
    answer = lead_to(request, address, words)
    if is_fragment:
        add_never_cache_headers(answer)
    return answer
