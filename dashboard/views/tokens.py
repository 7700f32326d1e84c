"""API tokens of a person: the list, a new one shown once, and taking one back."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, Final

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.moments import Moments
from dashboard.readers import ReaderRequest, moments_outside
from dashboard.sign_in.requirement import has_passed
from dashboard.token_form import TokenForm
from isales_proxy.models import ApiToken, TokenScope
from isales_proxy.services.people import tokens

# What makes a form sent twice, or loaded anew with its answer, make one token only.
_ONCE: Final = "token_form"


@require_safe
@login_required
@never_cache
def token_list(request: ReaderRequest) -> HttpResponse:
    """`/accounts/tokens/`: the reader's own."""
    moments = moments_outside(request)
    rows = [_row(token, moments) for token in tokens.of(request.user)]
    return render(request, "tokens/list.html", {"rows": rows, "most": tokens.MOST})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication_required
@never_cache
def token_new(request: ReaderRequest) -> HttpResponse:
    """`/accounts/tokens/new/`: the form; the answer to it is the one page with the token's text."""
    scopes = tokens.usable_scopes(request.user)
    form = TokenForm(request.POST or None, scopes=scopes)
    status, notice = 200, ""
    if request.method == "POST":
        if not _is_first(request):
            status, notice = 409, _("That form made a token before. It cannot be shown again.")
            form = TokenForm(None, scopes=scopes)
        elif not form.is_valid():
            status = 422
        else:
            found = form.cleaned_data
            try:
                token, text = tokens.make(
                    user=request.user,
                    name=found["name"],
                    scope=TokenScope(found["scope"]),
                    days=found["days"],
                    second_factor=has_passed(request.session, request.user),
                )
            except tokens.TooMany:
                status, notice = 409, _("You have as many tokens as one may have. Revoke one.")
            else:
                del request.session[_ONCE]
                return _shown_once(request, token, text)
    once = request.session.setdefault(_ONCE, secrets.token_urlsafe(16))
    context = {"form": form, "once": once, "notice": notice}
    return render(request, "tokens/new.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def token_revoke(request: ReaderRequest, token_key: str) -> HttpResponse:
    """`/accounts/tokens/<prefix>/revoke/`: asks, then ends the token."""
    token = tokens.of(request.user).filter(token_key=token_key).first()
    if token is None:
        raise Http404
    if request.method == "POST":
        tokens.revoke(by=request.user, token=token)
        messages.success(request, _("The token was revoked. It opens nothing any more."))
        return redirect("tokens")
    return render(request, "tokens/revoke.html", {"row": _row(token, moments_outside(request))})


def _is_first(request: ReaderRequest) -> bool:
    kept = request.session.get(_ONCE, "")
    return bool(kept) and constant_time_compare(request.POST.get("once", ""), kept)


def _shown_once(request: ReaderRequest, token: ApiToken, text: str) -> HttpResponse:
    context = {
        "row": _row(token, moments_outside(request)),
        "text": text,
        "address": request.build_absolute_uri("/api/v1/vdns/"),
    }
    return render(request, "tokens/made.html", context)


def _row(token: ApiToken, moments: Moments) -> dict[str, Any]:
    return {
        "key": token.token_key,
        "name": token.name,
        "scope": TokenScope(token.scope).label,
        "made": _when(token.created, moments),
        "ends": _when(token.expiry, moments),
        "ended": token.expiry is None or token.expiry <= timezone.now(),
        "used": _when(token.last_used_at, moments),
        "used_from": token.last_used_from,
    }


def _when(moment: datetime | None, moments: Moments) -> str:
    return moments.exact(moment) if moment else ""
