"""The answer where our own database cannot do its part now: 503, and when to try again."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from isales_proxy.core.database import RETRY_SECONDS
from isales_proxy.problems import is_api, respond_database_busy


def unavailable(request: HttpRequest) -> HttpResponse:
    """The page, or for programs the problem. Neither asks the database anything."""
    if is_api(request):
        return respond_database_busy()
    response = render(
        request,
        "503.html",
        {
            "title": _("Callboard is busy"),
            "text": _("Its database cannot be written just now. Try again in a moment."),
        },
        status=503,
    )
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response
