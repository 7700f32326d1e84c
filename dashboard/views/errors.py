"""What cannot be answered: a page for people, problem+json for programs."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views import defaults

from dashboard import log_ins
from dashboard.unavailable import unavailable
from isales_proxy.api.errors import is_api, problem
from isales_proxy.database import is_unavailable


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's signature
    """A form that was open too long, or that came from elsewhere."""
    return render(request, "csrf.html", status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """A request that no page can be meant by; perhaps not even its host is ours."""
    if is_api(request):
        return problem(400, _("This request cannot be understood."))
    return render(request, "422.html", {"status": 400}, status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """There is nothing here for this person."""
    if is_api(request):
        return problem(404, _("There is nothing here for you."))
    return defaults.page_not_found(request, exception)


def too_many(request: HttpRequest) -> HttpResponse:
    """What allauth answers when its limits are met: too many log-ins, codes or passwords."""
    log_ins.too_many(request.user if request.user.is_authenticated else None)
    return render(request, "429.html", status=429)


def failed(request: HttpRequest) -> HttpResponse:
    """Our own fault; the log has more. Django calls this while the error is being handled."""
    if is_unavailable(sys.exc_info()[1]):
        return unavailable(request)
    if is_api(request):
        return problem(
            500, _("Something went wrong on our side; the log has more of this request.")
        )
    return defaults.server_error(request)
