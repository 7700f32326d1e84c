"""Django's admin as a part of the product: the same log-in, the same proof of who one is."""

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

# The pages with a form, whose answer changes something. They want the proof before anything is
# typed into them.
_FORMS: Final = ("_add", "_change", "_delete", "_password_change")
# Query parameter of a list, and entry of the session: actions that wait for confirmation.
_CONFIRM: Final = "confirm"
_MOST_STARTED: Final = 5
# What a list posts to start an action. None of these fields is a confirmation.
_ACTION_FIELDS: Final = ("action", "index", "select_across", ACTION_CHECKBOX_NAME)


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
            answer = _answer_with_confirmation
            if self.has_permission(request) and _keeps_draft(request, view):
                answer = _answer_with_draft
            with groups.attribute_changes_to(request.user):
                return answer(request, lambda: inner(request, *args, **kwargs))

        return guarded

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:  # noqa: ARG002
        """Lead to the account's page, which asks for the old one and counts wrong ones."""
        return redirect("account_change_password")


def _get_name(request: HttpRequest) -> str:
    """Return the name of the address. That of `resolver_match` is of another page while allauth
    resumes a request after the proof."""
    return resolve(request.path_info).url_name or ""


def _wants_proof(request: HttpRequest, view: Callable[..., Any]) -> bool:
    name = _get_name(request)
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
    secret in it, which must not lie in the session meanwhile: then it is a draft without that."""
    way = reverse("account_reauthenticate")
    # Sent again it would come without its query.
    plain = request.get_full_path() == request.path and not _has_secret(request.POST)
    if plain or request.method in {"GET", "HEAD", "OPTIONS"}:
        answer: HttpResponseBase = reauthentication.suspend_request(request, way)
        return answer
    if form_drafts.save_typed(request):
        back = form_drafts.get_posted_address(request)
        text = _("Nothing was changed: confirm that it is you, then send the form again.")
    else:
        back = request.get_full_path()
        text = _("Nothing was changed: confirm that it is you, then fill in the form again.")
    messages.warning(request, text)
    return HttpResponseRedirect(f"{way}?{urlencode({'next': back})}")


def _keeps_draft(request: HttpRequest, view: Callable[..., Any]) -> bool:
    """Tell whether this is a form that keeps drafts, in a window of its own."""
    name = _get_name(request)
    return (
        getattr(getattr(view, "__self__", None), "keeps_drafts", False)
        and name.endswith(("_add", "_change"))
        and IS_POPUP_VAR not in request.GET
    )


def _answer_with_draft(request: HttpRequest, view: Callable[[], Any]) -> HttpResponseBase:
    """Answer with the form and its draft; a POST saves the draft unless it was carried out."""
    if request.method == "POST":
        return _submit(request, view)
    form = form_drafts.open_form(request)
    away = form_drafts.redirect_to_outcome(request, form)
    if away is not None:
        return away
    request.callboard_draft = form  # type: ignore[attr-defined]
    answer: HttpResponseBase = view()
    if isinstance(answer, TemplateResponse) and "adminform" in (answer.context_data or {}):
        # A notice about a typed form is at its secrets.
        shown = form if form.data is None else replace(form, notice="")
        answer.context_data = {**(answer.context_data or {}), "draft": shown}
        answer.status_code = form.status
    return answer


def _answer_with_confirmation(request: HttpRequest, view: Callable[[], Any]) -> HttpResponseBase:
    """Show the confirmation of an action or deletion at an address of its own.

    Django renders it as the answer to the POST that starts the action. Here that POST redirects
    (303) to the list; the session keeps the fields, and a GET takes them through the same view.
    """
    name = _get_name(request)
    is_list = name.endswith("_changelist")
    started = _take_started_action(request) if is_list else None
    if request.method == "GET" and started is not None:
        request.POST, request.method = started, "POST"  # type: ignore[assignment]
        try:
            shown: HttpResponseBase = view()
        finally:
            request.method = "GET"
        return shown
    answer: HttpResponseBase = view()
    if request.method != "POST" or answer.status_code != 200 or IS_POPUP_VAR in request.GET:
        return answer
    if is_list:
        key = uuid.uuid4().hex
        fields = {
            name: request.POST.getlist(name) for name in _ACTION_FIELDS if name in request.POST
        }
        others = list(request.session.get(_CONFIRM, {}).items())[1 - _MOST_STARTED :]
        request.session[_CONFIRM] = dict([*others, (key, [request.path, fields])])
        query = request.GET.copy()
        query[_CONFIRM] = key
        return SeeOther(with_query(request.path, query.urlencode()))
    return SeeOther(request.get_full_path()) if name.endswith("_delete") else answer


def _take_started_action(request: HttpRequest) -> QueryDict | None:
    """Remove the parameter from the request, whose address is that of the list then.

    Return the fields that the session has for it; None where it has none.
    """
    query = request.GET.copy()
    key = query.pop(_CONFIRM, [""])[-1]
    request.GET, request.META["QUERY_STRING"] = query, query.urlencode()  # type: ignore[assignment]
    path, kept = request.session.get(_CONFIRM, {}).get(key, ("", {}))
    if path != request.path:
        return None
    fields = QueryDict(mutable=True)
    for name, values in kept.items():
        fields.setlist(name, values)
    return fields


def _submit(request: HttpRequest, view: Callable[[], Any]) -> HttpResponseBase:
    user = cast("User", request.user)
    key = form_drafts.get_posted_key(request)
    address = form_drafts.get_base_address(request)
    left = form_drafts.discard_if_asked(request, leave=address)
    if left is not None:
        return left
    before = services.find(user=user, key=key)
    if before is not None and before.done:
        messages.info(request, _("This form was already sent. This is its result."))
        return SeeOther(before.outcome_address or address)
    answer: HttpResponseBase = view()
    if answer.status_code == 302:
        services.finish(user=user, key=key, outcome=answer.headers["Location"])
    elif isinstance(answer, TemplateResponse) and "adminform" in (answer.context_data or {}):
        notice = _describe_secrets(request.POST, (answer.context_data or {})["adminform"].form)
        return form_drafts.save_and_redirect(request, key=key, notice=notice, status=422)
    return answer


def _describe_secrets(posted: QueryDict, form: Any) -> str:
    """Return what was wrong with typed secrets, which are not kept: lines of field and text."""
    again = _("Enter this again: it is not kept.")
    texts = []
    for name in services.list_secret_fields(form):
        errors = [str(error) for error in form.errors.get(name, ())]
        if posted.get(name):
            errors.append(again)
        texts += [f"{name} {error}" for error in errors]
    return "\n".join(texts)


def _has_secret(form: QueryDict) -> bool:
    return any(
        services.is_secret(name) and name != "csrfmiddlewaretoken" and any(values)
        for name, values in form.lists()
    )
