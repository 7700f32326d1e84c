"""Django's admin as a part of the product: the same log-in, the same proof of who one is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from allauth.account import app_settings
from allauth.account.internal.flows import reauthentication
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.account import session_limits

# The pages with a form, whose answer changes something. They want the proof before anything is
# typed into them.
_FORMS: Final = ("_add", "_change", "_delete", "_password_change")
_SECRET: Final = ("password", "secret", "key", "token")
_CSRF: Final = "csrfmiddlewaretoken"


class Administration(AdminSite):
    """Django's, but who is logged in and may not enter is refused, and a change wants a fresh
    proof of who one is."""

    site_title = "Callboard"
    site_header = gettext_lazy("Administration")
    index_title = gettext_lazy("Administration")
    enable_nav_sidebar = False

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Every view of the admin passes here."""
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.user.is_authenticated and not self.has_permission(request):
                raise PermissionDenied
            if self.has_permission(request) and _wants_proof(request, view):
                return _ask_for_proof(request)
            answer: HttpResponseBase = inner(request, *args, **kwargs)
            return answer

        return guarded

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:  # noqa: ARG002
        """On the account's page, which asks for the old one and counts wrong ones."""
        return redirect("account_change_password")


def _wants_proof(request: HttpRequest, view: Callable[..., Any]) -> bool:
    name = request.resolver_match.url_name or "" if request.resolver_match else ""
    if name in {"logout", "password_change"}:
        return False
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        model_admin: Any = getattr(view, "__self__", None)
        may_change = getattr(model_admin, "has_change_permission", lambda _request: True)
        if not name.endswith(_FORMS) or (name.endswith("_change") and not may_change(request)):
            return False
    # A log-in that has just been completed is one.
    if (
        time.time() - session_limits.get_start(request.session)
        < app_settings.REAUTHENTICATION_TIMEOUT
    ):
        return False
    return bool(reauthentication.is_reauthentication_required(request, app="account"))


def _ask_for_proof(request: HttpRequest) -> HttpResponseBase:
    """Lead to the page that asks for it. What was typed is sent again after it, unless there is a
    secret in it, which must not lie in the session meanwhile."""
    way = reverse("account_reauthenticate")
    # Sent again it would come without its query.
    plain = request.get_full_path() == request.path and not _has_secret(request.POST)
    if plain or request.method in {"GET", "HEAD", "OPTIONS"}:
        answer: HttpResponseBase = reauthentication.suspend_request(request, way)
        return answer
    messages.warning(
        request,
        _("Nothing was changed: confirm that it is you, then fill in the form again."),
    )
    return HttpResponseRedirect(f"{way}?{urlencode({'next': request.get_full_path()})}")


def _has_secret(form: QueryDict) -> bool:
    return any(
        value and name != _CSRF and any(part in name for part in _SECRET)
        for name, values in form.lists()
        for value in values
    )
