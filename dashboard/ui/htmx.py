"""Page or fragment: one helper decides, so that no address answers Back with a bare fragment."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from dashboard.ui.requests import ReaderRequest
from dashboard.ui.responses import make_private
from isales_proxy.problems import Problem


def wants_fragment(request: ReaderRequest) -> bool:
    """Whether htmx asks for a part: not when it restores history or follows a boosted link."""
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
    """Render the page or its fragment. Rows are personal: nobody on the way may store them."""
    template = fragment if wants_fragment(request) else page
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request", "Cookie"])
    if problem is not None and problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    return make_private(response)
