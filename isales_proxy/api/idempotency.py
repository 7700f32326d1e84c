"""`Idempotency-Key`: a program's own name for a request, so that sent twice it is done once.

Follows the IETF draft "The Idempotency-Key HTTP Header Field": 422 for a key that was used for
something else, 409 while the first request is still under way. A key is its person's own, in one
VDN. What is answered to a repeated request is the same row, as it stands by then.
"""

from __future__ import annotations

import re
from typing import Any, Final

from django.http import HttpResponse
from django.utils.translation import gettext as _
from rest_framework.request import Request

from isales_proxy.api.errors import InvalidRequest, problem

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
# Printable ASCII; blanks at the ends do not survive HTTP.
PATTERN: Final = r"[!-~]([ -~]{0,126}[!-~])?"


def key_of(request: Request, in_body: Any = None) -> str:
    """The key that the header gives, "" without one. `in_body` is that of the request's body.

    Raises InvalidQuestion for a key out of bounds, or when the two differ.
    """
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return ""
    if not re.fullmatch(PATTERN, key):
        raise _unfit(_("A key has 1 to 128 printable ASCII characters."))
    if in_body not in {None, "", key}:
        raise _unfit(_("The header and the body give different keys; one is enough."))
    return key


def used_for_another() -> HttpResponse:
    """The key belongs to a request that said something else."""
    return problem(
        422,
        _("This key was used for another request before. Take a new one."),
        title=_("The key is taken"),
        slug="idempotency-key-reused",
    )


def under_way(**more: Any) -> HttpResponse:
    """The first request with this key has not ended yet."""
    return problem(
        409,
        _("The first request with this key is still under way. Send it again in a moment."),
        title=_("Still under way"),
        slug="idempotency-under-way",
        headers={"Retry-After": "1"},
        retry_after=1,
        **more,
    )


def _unfit(text: str) -> InvalidRequest:
    return InvalidRequest({HEADER: [text]}, title=_("A value is not allowed"))
