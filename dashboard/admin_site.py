"""Django's admin with the log-in, the reauthentication and the form drafts of the product."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, cast

from allauth.account import app_settings
from allauth.account.internal.flows import reauthentication
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import resolve, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.account import session_limits
from dashboard.ui import form_drafts
from dashboard.ui.htmx import SeeOther
from dashboard.ui.list_url import with_query
from isales_proxy.accounts import form_drafts as services
from isales_proxy.accounts import groups
from isales_proxy.models import User

# Suffixes of the URL names of forms, which require reauthentication before they are filled in.
_FORMS: Final = ("_add", "_change", "_delete", "_password_change")
# Query parameter of a list, and session key: actions that wait for confirmation.
_CONFIRM: Final = "confirm"
_MAX_PENDING: Final = 5
# Fields by which a list starts an action. None of them confirms it.
_ACTION_FIELDS: Final = ("action", "index", "select_across", ACTION_CHECKBOX_NAME)


class Administration(AdminSite):
    """Django's admin site, which refuses users without access (403) and requires recent
    authentication for changes."""

    site_title = "Callboard"
    site_header = gettext_lazy("Administration")
    index_title = gettext_lazy("Administration")
    enable_nav_sidebar = False

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Wrap a view of the admin."""
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.user.is_authenticated and not self.has_permission(request):
                raise PermissionDenied
            if self.has_permission(request) and _requires_reauthentication(request, view):
                return _redirect_to_reauthentication(request)
            respond = _respond_with_confirmation
            if self.has_permission(request) and _keeps_draft(request, view):
                respond = _respond_with_draft
            with groups.attribute_changes_to(request.user):
                return respond(request, lambda: inner(request, *args, **kwargs))

        return guarded

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:  # noqa: ARG002
        """Redirect to the account's page, which limits attempts with a wrong old password."""
        return redirect("account_change_password")


def _get_url_name(request: HttpRequest) -> str:
    """Return the URL name. `resolver_match` is of another page while allauth resumes a request
    after reauthentication."""
    return resolve(request.path_info).url_name or ""


def _requires_reauthentication(request: HttpRequest, view: Callable[..., Any]) -> bool:
    name = _get_url_name(request)
    if name in {"logout", "password_change"}:
        return False
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        model_admin: Any = getattr(view, "__self__", None)
        may_change = getattr(model_admin, "has_change_permission", lambda _request: True)
        if not name.endswith(_FORMS) or (name.endswith("_change") and not may_change(request)):
            return False
    # A recent log-in counts.
    if (
        time.time() - session_limits.get_start(request.session)
        < app_settings.REAUTHENTICATION_TIMEOUT
    ):
        return False
    return bool(reauthentication.is_reauthentication_required(request, app="account"))


def _redirect_to_reauthentication(request: HttpRequest) -> HttpResponseBase:
    """Redirect to reauthentication, after which the request is repeated.

    A form with a secret is saved as a draft without the secret instead: allauth would keep it in
    the session.
    """
    address = reverse("account_reauthenticate")
    # Allauth repeats a request without its query.
    is_repeatable = request.get_full_path() == request.path and not _has_secret(request.POST)
    if is_repeatable or request.method in {"GET", "HEAD", "OPTIONS"}:
        response: HttpResponseBase = reauthentication.suspend_request(request, address)
        return response
    if form_drafts.save_typed(request):
        back = form_drafts.get_posted_address(request)
        text = _("Nothing was changed: confirm that it is you, then send the form again.")
    else:
        back = request.get_full_path()
        text = _("Nothing was changed: confirm that it is you, then fill in the form again.")
    messages.warning(request, text)
    return HttpResponseRedirect(f"{address}?{urlencode({'next': back})}")


def _keeps_draft(request: HttpRequest, view: Callable[..., Any]) -> bool:
    """Tell whether this is a form with drafts, and no popup."""
    name = _get_url_name(request)
    return (
        getattr(getattr(view, "__self__", None), "keeps_drafts", False)
        and name.endswith(("_add", "_change"))
        and IS_POPUP_VAR not in request.GET
    )


def _respond_with_draft(request: HttpRequest, view: Callable[[], Any]) -> HttpResponseBase:
    """Show the form with its draft; a POST that changes nothing saves the draft."""
    if request.method == "POST":
        return _submit(request, view)
    form = form_drafts.open_form(request)
    if redirection := form_drafts.redirect_to_outcome(request, form):
        return redirection
    request.callboard_draft = form  # type: ignore[attr-defined]
    response: HttpResponseBase = view()
    if isinstance(response, TemplateResponse) and "adminform" in (response.context_data or {}):
        # The notice of a form with a draft is shown at its secret fields.
        shown = form if form.data is None else replace(form, notice="")
        response.context_data = {**(response.context_data or {}), "draft": shown}
        response.status_code = form.status
    return response


def _respond_with_confirmation(request: HttpRequest, view: Callable[[], Any]) -> HttpResponseBase:
    """Show the confirmation of an action or deletion at an address of its own.

    Django renders it as the response to the POST that starts the action. Here that POST redirects
    (303) to the list; the session keeps the fields, and a GET passes them to the same view.
    """
    name = _get_url_name(request)
    is_list = name.endswith("_changelist")
    fields_of_action = _pop_pending_action(request) if is_list else None
    if request.method == "GET" and fields_of_action is not None:
        request.POST, request.method = fields_of_action, "POST"  # type: ignore[assignment]
        try:
            confirmation: HttpResponseBase = view()
        finally:
            request.method = "GET"
        return confirmation
    response: HttpResponseBase = view()
    if request.method != "POST" or response.status_code != 200 or IS_POPUP_VAR in request.GET:
        return response
    if is_list:
        key = uuid.uuid4().hex
        fields = {
            name: request.POST.getlist(name) for name in _ACTION_FIELDS if name in request.POST
        }
        others = list(request.session.get(_CONFIRM, {}).items())[1 - _MAX_PENDING :]
        request.session[_CONFIRM] = dict([*others, (key, [request.path, fields])])
        query = request.GET.copy()
        query[_CONFIRM] = key
        return SeeOther(with_query(request.path, query.urlencode()))
    return SeeOther(request.get_full_path()) if name.endswith("_delete") else response


def _pop_pending_action(request: HttpRequest) -> QueryDict | None:
    """Remove the parameter `confirm` from the request; return the fields that the session has for
    it, or None."""
    query = request.GET.copy()
    key = query.pop(_CONFIRM, [""])[-1]
    request.GET, request.META["QUERY_STRING"] = query, query.urlencode()  # type: ignore[assignment]
    path, stored = request.session.get(_CONFIRM, {}).get(key, ("", {}))
    if path != request.path:
        return None
    fields = QueryDict(mutable=True)
    for name, values in stored.items():
        fields.setlist(name, values)
    return fields


def _submit(request: HttpRequest, view: Callable[[], Any]) -> HttpResponseBase:
    user = cast("User", request.user)
    key = form_drafts.get_posted_key(request)
    address = form_drafts.get_base_address(request)
    redirection = form_drafts.discard_if_asked(
        request, leave=address
    ) or form_drafts.redirect_if_done(request, key=key, address=address)
    if redirection:
        return redirection
    response: HttpResponseBase = view()
    if response.status_code == 302:
        services.finish(user=user, key=key, outcome=response.headers["Location"])
    elif isinstance(response, TemplateResponse) and "adminform" in (response.context_data or {}):
        notice = _describe_secrets(request.POST, (response.context_data or {})["adminform"].form)
        return form_drafts.save_and_redirect(request, key=key, notice=notice, status=422)
    return response


def _describe_secrets(posted: QueryDict, form: Any) -> str:
    """Return the errors of the secret fields, which a draft leaves out: lines of field and text."""
    again = _("Enter this again: it is not kept.")
    texts = []
    for name in services.list_secret_fields(form):
        errors = [str(error) for error in form.errors.get(name, ())]
        if posted.get(name):
            errors.append(again)
        texts += [f"{name} {error}" for error in errors]
    return "\n".join(texts)


def _has_secret(posted: QueryDict) -> bool:
    return any(
        services.is_secret(name) and name != "csrfmiddlewaretoken" and any(values)
        for name, values in posted.lists()
    )
