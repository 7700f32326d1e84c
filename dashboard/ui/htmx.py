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
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from django.utils.translation import get_language

from dashboard.ui.jinja2 import render_fragment
from dashboard.ui.requests import ReaderRequest
from isales_proxy.access import Scope
from isales_proxy.core.response_cache import hash_key
from isales_proxy.problems import Problem

R = TypeVar("R", bound=HttpResponseBase)

_MINUTE: Final = 60
_TYPING_HEADER: Final = "X-Callboard-Typing"


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


def is_typing(request: ReaderRequest) -> bool:
    """Tell whether the filters ask for a fragment while somebody types: what does not exist may not
    be written to its end yet, and the rows stay."""
    return _TYPING_HEADER in request.headers and wants_fragment(request)


def keep_address(response: R) -> R:
    """Have the browser keep its address, to which the rows belong that stay."""
    response.headers["HX-Push-Url"] = "false"
    return response


@dataclass(frozen=True)
class Answered:
    """The answer that a list shows: `as_of` (aware UTC) and its text for the headline.

    `shows` is all that the rows are made of; where it is equal, so is the markup within a minute.
    `fresh` is for how many seconds more the answer serves the same question, of others as well.
    """

    shows: tuple[object, ...]
    as_of: datetime
    text: str
    fresh: float = 0


@dataclass(frozen=True)
class _Rendered:
    """A fragment that was rendered a moment ago; `content` is None where a 304 answered."""

    etag: str
    headers: tuple[tuple[str, str], ...]
    ends: float
    content: str | None


def find_rendered_fragment(request: ReaderRequest, scope: Scope) -> HttpResponse | None:
    """Return the fragment that answered this question within the cache time, or a 304 for its
    `ETag`; None without one. Nothing is asked, masked or built.

    Shared only between readers with the same VDN, permissions, agent account, zone and language.
    """
    rendered: _Rendered | None = caches["answers"].get(_get_fragment_key(request, scope))
    if rendered is None or time.time() >= rendered.ends:
        return None
    if _is_known(request, rendered.etag):
        return _finish(HttpResponseNotModified(), rendered)
    return None if rendered.content is None else _finish(HttpResponse(rendered.content), rendered)


def render_repeatable_fragment(
    request: ReaderRequest,
    scope: Scope,
    *,
    fragment: str,
    answered: Answered,
    build: Callable[[], dict[str, Any]],
) -> HttpResponse:
    """Render a fragment with a weak `ETag`; 304 without rendering for `If-None-Match` of it.

    A 304 carries the time of the new answer, by which a page refreshes its age. What is answered is
    kept for `find_rendered_fragment`.
    """
    key = _get_fragment_key(request, scope)
    etag = f'W/"{hash_key(f"{key}|{answered.shows!r}")}"'
    is_known = _is_known(request, etag)
    rendered = _Rendered(
        etag,
        (
            ("ETag", etag),
            ("X-As-Of", answered.as_of.isoformat(timespec="milliseconds")),
            ("X-As-Of-Text", quote(answered.text)),
            ("Vary", "HX-Request, Cookie"),
            ("Cache-Control", "private, no-store"),
        ),
        time.time() + answered.fresh,
        None if is_known else render_fragment(fragment, **build()),
    )
    if answered.fresh > 0:
        caches["answers"].set(key, rendered, answered.fresh)
    return _finish(
        HttpResponseNotModified() if is_known else HttpResponse(rendered.content), rendered
    )


def _get_fragment_key(request: ReaderRequest, scope: Scope) -> str:
    """Name the question, its reader's rights, zone and language, the VDN's settings, the minute."""
    vdn = scope.vdn
    question = (
        request.get_full_path(),
        *(vdn.pk, vdn.codes_version, vdn.notes_version, vdn.codes_read_at, vdn.late_grace_seconds),
        *(sorted(map(str, scope.permissions)), scope.agent_account, str(scope.zone)),
        get_language(),
        int(time.time()) // _MINUTE,
    )
    return f"fragment:{hash_key(repr(question))}"


def _is_known(request: ReaderRequest, etag: str) -> bool:
    return etag in parse_etags(request.headers.get("If-None-Match", ""))


def _finish(response: HttpResponse, rendered: _Rendered) -> HttpResponse:
    for name, value in rendered.headers:
        response.headers[name] = value
    return response


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
