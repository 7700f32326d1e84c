"""`Idempotency-Key`: a client's name for a request, so that it is carried out once if sent twice.

Follows the IETF draft "The Idempotency-Key HTTP Header Field": 422 for a key of another request,
409 while the first request is in progress. A key belongs to one person in one VDN. The response to
a repeated request has the same row in its current state.
"""

from __future__ import annotations

import re
from typing import Any, Final

from django.http import HttpResponse
from django.utils.translation import gettext as _
from rest_framework.request import Request

from isales_proxy.api.errors import InvalidRequest, invalid_value
from isales_proxy.problems import respond

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
# Printable ASCII; blanks at the ends do not survive HTTP.
PATTERN: Final = r"[!-~]([ -~]{0,126}[!-~])?"


def get_key(request: Request, in_body: Any = None) -> str:
    """Return the key in the header, "" without one; `in_body` is the key in the body.

    Raises InvalidRequest for an invalid key, or if the two differ.
    """
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return ""
    if not re.fullmatch(PATTERN, key):
        raise _invalid_key(_("A key has 1 to 128 printable ASCII characters."))
    if in_body not in {None, "", key}:
        raise _invalid_key(_("The header and the body give different keys; one is enough."))
    return key


def respond_key_reused() -> HttpResponse:
    """Build the 422 for a key that was used for another request."""
    return respond(
        422,
        _("This key was already used for another request. Use a new one."),
        title=_("Idempotency key already used"),
        slug="idempotency-key-reused",
    )


def respond_under_way(*, batch: int) -> HttpResponse:
    """Build the 409 while the first request with this key is in progress."""
    return respond(
        409,
        _("The first request with this key is still running. Send it again in a moment."),
        title=_("Still running"),
        slug="idempotency-under-way",
        headers={"Retry-After": "1"},
        retry_after=1,
        batch=batch,
    )


def _invalid_key(text: str) -> InvalidRequest:
    return invalid_value({HEADER: [text]})
