"""What several views do to an answer: keep it private, or lead elsewhere after a deed."""

from __future__ import annotations

from typing import TypeVar

from django.http import HttpResponseBase, HttpResponseRedirect

R = TypeVar("R", bound=HttpResponseBase)


class SeeOther(HttpResponseRedirect):
    """To a page that may be loaded again and again without doing anything again."""

    status_code = 303


def make_private(response: R) -> R:
    """The same answer, which is personal: nobody on the way may store it."""
    response.headers["Cache-Control"] = "private, no-store"
    return response
