"""Responses of pages: page or fragment, repeated fragments, redirects after a POST, caching."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote

from django.core.cache import caches
from django.http import (
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotModified,
    HttpResponseRedirect,
)
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from django.utils.translation import get_language

from dashboard.ui.requests import ReaderRequest
from isales_proxy.access import Scope
from isales_proxy.core.response_cache import hash_key
from isales_proxy.problems import Problem

R = TypeVar("R", bound=HttpResponseBase)

_MINUTE: Final = 60


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


@dataclass(frozen=True)
class Answered:
    """The answer that a list shows: `as_of` (aware UTC) and its text for the headline.

    `shows` is all that the rows are made of; where it is equal, so is the markup within a minute.
    `shared` is for how many seconds the markup serves the same question of others.
    """

    shows: tuple[object, ...]
    as_of: datetime
    text: str
    shared: float = 0


def render_repeatable_fragment(
    request: ReaderRequest,
    scope: Scope,
    *,
    fragment: str,
    answered: Answered,
    build: Callable[[], dict[str, Any]],
) -> HttpResponse:
    """Render a fragment with a weak `ETag`; 304 without rendering for `If-None-Match` of it.

    A 304 carries the time of the new answer, by which a page refreshes its age. Markup is shared
    only between readers with the same VDN, permissions, agent account, zone and language.
    """
    shown = (
        request.get_full_path(),
        scope.vdn.pk,
        sorted(scope.permissions),
        scope.agent_account,
        str(scope.zone),
        get_language(),
        int(time.time()) // _MINUTE,
        *answered.shows,
    )
    etag = f'W/"{hash_key(repr(shown))}"'
    if etag in parse_etags(request.headers.get("If-None-Match", "")):
        response: HttpResponse = HttpResponseNotModified()
    else:
        key = f"fragment:{hash_key(f'{etag}|{answered.as_of.isoformat()}')}"
        content = caches["answers"].get(key) if answered.shared else None
        if content is None:
            content = str(render_to_string(fragment, build(), request))
            if answered.shared:
                caches["answers"].set(key, content, answered.shared)
        response = HttpResponse(content)
    response.headers["ETag"] = etag
    response.headers["X-As-Of"] = answered.as_of.isoformat(timespec="milliseconds")
    response.headers["X-As-Of-Text"] = quote(answered.text)
    patch_vary_headers(response, ["HX-Request", "Cookie"])
    return make_private(response)


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
