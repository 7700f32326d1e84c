"""Responses of pages: the page or its fragment, redirects after a POST, and private caching."""

from __future__ import annotations

from typing import Any, TypeVar

from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from dashboard.ui.requests import ReaderRequest
from isales_proxy.problems import Problem

R = TypeVar("R", bound=HttpResponseBase)


class SeeOther(HttpResponseRedirect):
    """A redirect after a POST (303): the browser follows with GET, so a reload repeats nothing."""

    status_code = 303


def make_private(response: R) -> R:
    """Forbid browsers and proxies to store this personal response; returns the same object."""
    response.headers["Cache-Control"] = "private, no-store"
    return response


def wants_fragment(request: ReaderRequest) -> bool:
    """Tell whether htmx asks for a fragment. False for history restores and boosted links, which
    need the whole page."""
    htmx = request.htmx
    return bool(htmx) and not htmx.history_restore_request and not htmx.boosted


def render_page_or_fragment(
    request: ReaderRequest,
    *,
    page: str,
    fragment: str,
    context: dict[str, Any],
    status: int = 200,
    problem: Problem | None = None,
) -> HttpResponse:
    """Render `page` or `fragment` with `Vary: HX-Request, Cookie`, as a private response.

    A `problem` with `retry_after` (seconds) sets the header `Retry-After`.
    """
    template = fragment if wants_fragment(request) else page
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request", "Cookie"])
    if problem is not None and problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    return make_private(response)
