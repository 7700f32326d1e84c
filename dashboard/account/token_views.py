"""API tokens of a person: list, creation, one page with the new token, revocation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.account.columns import OWN_TOKEN_COLUMNS, has_ended
from dashboard.account.second_factor import has_passed_second_factor
from dashboard.ui import form_drafts
from dashboard.ui.htmx import SeeOther, render_page_or_fragment
from dashboard.ui.list_page import SORT, ListPage, add_sort_field
from dashboard.ui.list_url import ListUrl
from dashboard.ui.local_lists import LocalFormatter, render_export, sort_rows
from dashboard.ui.parameters import build_parameter_notice
from dashboard.ui.requests import ReaderRequest, create_time_formatter
from isales_proxy.accounts import tokens
from isales_proxy.accounts.form_drafts import LONGEST_KEY, once, take_secret
from isales_proxy.core.form_fields import PageFilter, PlainTextField
from isales_proxy.core.input_cleaning import CleanedInput
from isales_proxy.models import ApiToken, TokenScope

_USUAL_DAYS: Final = 30
_LONGEST_NAME: Final = 80
_SCOPE_HINTS: Final[dict[TokenScope, Promise]] = {
    TokenScope.READ: gettext_lazy("lists and single rows"),
    TokenScope.WRITE: gettext_lazy("also write results back, take call data, show a number"),
    TokenScope.ADMIN: gettext_lazy("also refresh and change the result codes"),
}


class TokenForm(CleanedInput, forms.Form):
    """Name, scope and expiry, with the scopes that the person can use."""

    name = PlainTextField(
        gettext_lazy("Name"),
        required=True,
        max_length=_LONGEST_NAME,
        help_text=gettext_lazy("For example “Wallboard”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scope = forms.ChoiceField(
        label=gettext_lazy("Permissions"), widget=forms.RadioSelect, initial=TokenScope.READ
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("Expires after"), coerce=int, initial=_USUAL_DAYS
    )

    def __init__(self, data: Any, *, scopes: Iterable[TokenScope], initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        cast("forms.ChoiceField", self.fields["scope"]).choices = [
            (each.value, f"{each.label}: {_SCOPE_HINTS[each]}") for each in scopes
        ]
        cast("forms.ChoiceField", self.fields["days"]).choices = [
            (days, ngettext("%d day", "%d days", days) % days) for days in tokens.DAYS
        ]


@require_safe
@login_required
@never_cache
def token_list(request: ReaderRequest) -> HttpResponse:
    """`/accounts/tokens/`: the person's own tokens."""
    return _render_list(request)


@require_safe
@login_required
@never_cache
def token_export(request: ReaderRequest, kind: str) -> HttpResponseBase:
    """`/accounts/tokens/export.<kind>`: the person's own tokens as a file, in the page's order."""
    form = _create_filter(request)
    if not form.is_valid():
        return _render_list(request)
    rows = sort_rows(_list_own(request), OWN_TOKEN_COLUMNS, form.cleaned_data[SORT])
    file = render_export(
        request,
        kind,
        columns=OWN_TOKEN_COLUMNS,
        rows=rows,
        formatter=LocalFormatter(create_time_formatter(request)),
        name="api-tokens",
        total=len(rows),
        form=form,
    )
    if file is None:
        return SeeOther(reverse("tokens"))
    tokens.record_own_export(user=request.user, kind=kind, rows=len(rows))
    return file


def _create_filter(request: ReaderRequest) -> PageFilter:
    return add_sort_field(PageFilter(request.GET), OWN_TOKEN_COLUMNS)


def _list_own(request: ReaderRequest) -> list[ApiToken]:
    return list(ApiToken.objects.for_person(request.user))


def _render_list(request: ReaderRequest) -> HttpResponse:
    form = _create_filter(request)
    address = ListUrl.from_filter(reverse("tokens"), form)
    good = form.is_valid()
    rows = sort_rows(_list_own(request), OWN_TOKEN_COLUMNS, address.sort) if good else []
    first = (address.page - 1) * address.size
    times = create_time_formatter(request)
    page = ListPage(OWN_TOKEN_COLUMNS, address, _("API tokens"), css="own-rows")
    page.fill(
        rows[first : first + address.size],
        LocalFormatter(times),
        total=len(rows),
        get_id=lambda token: f"token-{token.token_key}",
        get_attributes=lambda token: (
            ("data-token", token.token_key),
            *((("data-ended", ""),) if has_ended(token, times.now) else ()),
        ),
    )
    return render_page_or_fragment(
        request,
        page="tokens/list.html",
        fragment="tokens/_results.html",
        context={
            "list": page,
            "number": address.page,
            "most": tokens.MAX_TOKENS,
            "notice": build_parameter_notice(form, address),
            "refused": not good,
            "zone_text": times.zone_text,
        },
        status=200 if good else 422,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication_required
@never_cache
def token_new(request: ReaderRequest) -> HttpResponse:
    """`/accounts/tokens/new/`: the form; a POST creates the token, which `token_made` shows."""
    scopes = tokens.get_usable_scopes(request.user)
    if request.method == "POST":
        return _create(request, scopes)
    open_form = form_drafts.open_form(request)
    outcome = form_drafts.redirect_to_outcome(request, open_form)
    if outcome is not None:
        return outcome
    data = open_form.data
    form = TokenForm(data if open_form.judged else None, scopes=scopes, initial=data)
    status = 422 if open_form.judged and not form.is_valid() else open_form.status
    context = {"form": form, "open_form": open_form}
    return render(request, "tokens/new.html", context, status=status)


def _create(request: ReaderRequest, scopes: tuple[TokenScope, ...]) -> HttpResponse:
    """Create a token, once for each form, and redirect to the page that shows it."""
    discarded = form_drafts.discard_if_asked(request, leave=reverse("tokens"))
    if discarded is not None:
        return discarded
    key = form_drafts.get_posted_key(request)
    form = TokenForm(request.POST, scopes=scopes)
    if not form.is_valid():
        return form_drafts.save_and_redirect(request, key=key)
    found = form.cleaned_data

    def make() -> tuple[str, str]:
        _token, text = tokens.create_token(
            user=request.user,
            name=found["name"],
            scope=TokenScope(found["scope"]),
            days=found["days"],
            second_factor=has_passed_second_factor(request.session, request.user),
        )
        return form_drafts.get_draft_address(reverse("token_made"), key), text

    try:
        address, _repeated = once(user=request.user, key=key, make=make)
    except tokens.TooManyTokens:
        notice = _("You have the maximum number of tokens. Revoke one first.")
        return form_drafts.save_and_redirect(request, key=key, notice=notice, status=409)
    return SeeOther(address)


@require_safe
@login_required
@never_cache
def token_made(request: ReaderRequest) -> HttpResponse:
    """`/accounts/tokens/made/`: the text of a new token, at the first request only."""
    text = ""
    if request.method == "GET":
        key = request.GET.get(form_drafts.FORM, "")
        text = take_secret(user=request.user, key=key[:LONGEST_KEY])
    token = tokens.authenticate(text)
    if token is None:
        return render(request, "tokens/made.html", {"text": ""}, status=410)
    context = {
        "row": _create_row_context(request, token),
        "text": text,
        "address": request.build_absolute_uri("/api/v1/vdns/"),
    }
    return render(request, "tokens/made.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def token_revoke(request: ReaderRequest, token_key: str) -> HttpResponse:
    """`/accounts/tokens/<prefix>/revoke/`: the confirmation; a POST revokes the token."""
    token = ApiToken.objects.for_person(request.user).filter(token_key=token_key).first()
    if token is None:
        raise Http404
    if request.method == "POST":
        tokens.revoke(by=request.user, token=token)
        messages.success(request, _("The token was revoked and no longer works."))
        return redirect("tokens")
    return render(
        request,
        "tokens/revoke.html",
        {"row": _create_row_context(request, token)},
    )


def _create_row_context(request: ReaderRequest, token: ApiToken) -> dict[str, Any]:
    times = create_time_formatter(request)
    return {
        "token": token,
        "ended": has_ended(token, times.now),
        "made": times.exact(token.created),
        "ends": times.exact(token.expiry),
        "used": times.exact(token.last_used_at),
    }
