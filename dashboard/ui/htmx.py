"""Responses to htmx: page or fragment, cached fragments, redirects after a POST, cache headers."""

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

_MINUTE_S: Final = 60
_TYPING_HEADER: Final = "X-Callboard-Typing"


class SeeOther(HttpResponseRedirect):
    """A redirect after a POST (303). The browser follows with GET, so a reload repeats nothing."""

    status_code = 303


def make_private(response: R) -> R:
    """Forbid browsers and proxies to store this response; return the response."""
    response.headers["Cache-Control"] = "private, no-store"
    return response


def wants_fragment(request: ReaderRequest) -> bool:
    """Tell whether htmx requests a fragment. History restores and boosted links need the whole
    page."""
    htmx = request.htmx
    return bool(htmx) and not htmx.history_restore_request and not htmx.boosted


def is_typing(request: ReaderRequest) -> bool:
    """Tell whether a fragment is requested while the user types a filter. An unknown name may be
    incomplete then, so the rows stay on the page."""
    return _TYPING_HEADER in request.headers and wants_fragment(request)


def keep_address(response: R) -> R:
    """Tell htmx not to change the address of the page."""
    response.headers["HX-Push-Url"] = "false"
    return response


@dataclass(frozen=True)
class ShownAnswer:
    """The answer that a list shows: `as_of` (aware UTC) and its text for the headline.

    `content` has all that the rows depend on: lists with equal content have equal markup within one
    minute. The answer serves the same question for `fresh_s` more seconds, for other users as well.
    """

    content: tuple[object, ...]
    as_of: datetime
    text: str
    fresh_s: float = 0


@dataclass(frozen=True)
class _Rendered:
    """A cached fragment, until `expires_at` (seconds since 1970); `content` is None for a 304."""

    etag: str
    headers: tuple[tuple[str, str], ...]
    expires_at: float
    content: str | None


def find_rendered_fragment(request: ReaderRequest, scope: Scope) -> HttpResponse | None:
    """Return the cached fragment of this list, or a 304 for its `ETag`; None without one. Calls no
    service.

    Only users with the same VDN, permissions, agent account, zone and language share a fragment.
    """
    rendered: _Rendered | None = caches["answers"].get(_get_fragment_key(request, scope))
    if rendered is None or time.time() >= rendered.expires_at:
        return None
    if _is_known(request, rendered.etag):
        return _finish(HttpResponseNotModified(), rendered)
    return None if rendered.content is None else _finish(HttpResponse(rendered.content), rendered)


def render_repeatable_fragment(
    request: ReaderRequest,
    scope: Scope,
    *,
    fragment: str,
    answer: ShownAnswer,
    build: Callable[[], dict[str, Any]],
) -> HttpResponse:
    """Render a fragment with a weak `ETag`, or a 304 for `If-None-Match` without rendering.

    A 304 has the time of the new answer, by which the page updates its age. The result is cached
    for `find_rendered_fragment`.
    """
    key = _get_fragment_key(request, scope)
    etag = f'W/"{hash_key(f"{key}|{answer.content!r}")}"'
    is_known = _is_known(request, etag)
    rendered = _Rendered(
        etag,
        (
            ("ETag", etag),
            ("X-As-Of", answer.as_of.isoformat(timespec="milliseconds")),
            ("X-As-Of-Text", quote(answer.text)),
            ("Vary", "HX-Request, Cookie"),
            ("Cache-Control", "private, no-store"),
        ),
        time.time() + answer.fresh_s,
        None if is_known else render_fragment(fragment, **build()),
    )
    if answer.fresh_s > 0:
        caches["answers"].set(key, rendered, answer.fresh_s)
    return _finish(
        HttpResponseNotModified() if is_known else HttpResponse(rendered.content), rendered
    )


def _get_fragment_key(request: ReaderRequest, scope: Scope) -> str:
    """Return a key of the address, the user's permissions, zone and language, the settings of the
    VDN, and the minute."""
    vdn = scope.vdn
    question = (
        request.get_full_path(),
        *(vdn.pk, vdn.codes_version, vdn.notes_version, vdn.codes_read_at, vdn.late_grace_seconds),
        *(sorted(map(str, scope.permissions)), scope.agent_account, str(scope.zone)),
        get_language(),
        int(time.time()) // _MINUTE_S,
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
