"""Error handlers of the site: a page for browsers, problem+json for the API."""

from __future__ import annotations

import sys
from typing import Any, Final

from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import (
    DisallowedHost,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import (
    REASON_BAD_ORIGIN,
    REASON_CSRF_TOKEN_MISSING,
    REASON_NO_CSRF_COOKIE,
)
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import defaults

from dashboard.ui import form_drafts
from dashboard.ui.middleware import render_unavailable
from isales_proxy.core.database import is_unavailable
from isales_proxy.problems import is_api, respond

_MAX_ORIGIN_LENGTH: Final = 200

_OUT_OF_DATE: Final = gettext_lazy("This page is out of date")
_OTHER_ORIGIN: Final = gettext_lazy("This form came from another address")
_CSRF: Final[tuple[tuple[str, tuple[Any, Any]], ...]] = (
    # (prefix of Django's reason, (title, explanation))
    (
        REASON_NO_CSRF_COOKIE,
        (
            gettext_lazy("Your browser sent no cookie"),
            gettext_lazy("Allow cookies for this address, then load the form again."),
        ),
    ),
    (
        REASON_BAD_ORIGIN.partition("%s")[0],
        (
            _OTHER_ORIGIN,
            gettext_lazy(
                "It was sent from %(origin)s, which this server does not trust. If that is the "
                "address where you open Callboard, an admin must add it to CSRF_TRUSTED_ORIGINS, "
                "or have the proxy pass on the host name."
            ),
        ),
    ),
    (
        REASON_CSRF_TOKEN_MISSING,
        (
            _OTHER_ORIGIN,
            gettext_lazy("It has no valid security token. Open the form here and send it again."),
        ),
    ),
    (
        "Referer checking failed",
        (
            _OTHER_ORIGIN,
            gettext_lazy(
                "Your browser or a proxy did not send the address of the page it came from."
            ),
        ),
    ),
)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 for a failed CSRF check: the cause, and a link to the saved draft of the form."""
    title, text = next(
        (found for prefix, found in _CSRF if reason.startswith(prefix)),
        (
            _OUT_OF_DATE,
            gettext_lazy("Your log-in has changed since the form was opened. Open the form again."),
        ),
    )
    # The owner field of the form is signed, so saving is safe although the check failed.
    is_saved = form_drafts.save_typed(request)
    context = {
        "title": title,
        "text": str(text) % {"origin": request.headers.get("Origin", "?")[:_MAX_ORIGIN_LENGTH]},
        "back_url": form_drafts.get_posted_address(request) if is_saved else "",
    }
    return render(request, "csrf.html", context, status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 to an unknown host, a body that is too large, or an interrupted session."""
    if is_api(request):
        return respond(400, _("This request is not valid."))
    context: dict[str, Any] = {"status": 400}
    if isinstance(exception, DisallowedHost):
        context["title"] = _("This server does not have that name")
        context["text"] = _(
            "Open Callboard at its own address. If this is its address, an admin must add it "
            "to ALLOWED_HOSTS."
        )
    elif isinstance(exception, RequestDataTooBig | TooManyFieldsSent | TooManyFilesSent):
        context["title"] = _("The request is too large")
        context["text"] = _("Nothing was done.")
    elif isinstance(exception, SessionInterrupted):
        context["title"] = _("Your session has ended")
        context["text"] = _("Log in again. Your last change may not have been saved.")
    return render(request, "422.html", context, status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404, also for objects of a VDN that the user has no access to."""
    if is_api(request):
        return respond(404, _("There is no such object, or you have no access to it."))
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, or 503 if the database is unavailable. Django calls this while it handles the
    exception."""
    if is_unavailable(sys.exc_info()[1]):
        return render_unavailable(request)
    if is_api(request):
        return respond(500, _("Internal error; the log has the details of this request."))
    return defaults.server_error(request)
