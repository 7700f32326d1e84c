"""Errors of the JSON API, and DRF's exception handler, which responds with problem+json."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from django.http import HttpResponse
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.views import set_rollback

from isales_proxy import problems
from isales_proxy.api.permissions import ScopeMissing

log = structlog.get_logger("isales")


class InvalidRequest(Exception):
    """Values are invalid: field → messages. No vendor call was made."""

    def __init__(self, errors: Mapping[str, list[str]], *, title: str = "") -> None:
        super().__init__(", ".join(errors))
        self.errors = dict(errors)
        self.title = title


def invalid_value(errors: Mapping[str, list[str]]) -> InvalidRequest:
    """Build the error for a value in a body; InvalidRequest by itself is for filters."""
    return InvalidRequest(errors, title=_("A value is not allowed"))


def list_messages(errors: Mapping[str, Any]) -> dict[str, list[str]]:
    """Convert the errors of a form or a serializer to field → plain texts."""
    return {
        str(name): [str(text) for text in (texts if isinstance(texts, list) else [texts])]
        for name, texts in errors.items()
    }


def unknown_fields(names: Iterable[str]) -> dict[str, list[str]]:
    """Build the messages for unknown fields, which may be misspelt."""
    return {str(name): [_("There is no such field.")] for name in names}


def handle_exception(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Convert any exception of a view to problem+json; DRF's exception handler."""
    set_rollback()
    match error:
        case InvalidRequest():
            return _respond_invalid(error.errors, error.title)
        case exceptions.ValidationError():
            detail = error.detail
            if not isinstance(detail, Mapping):
                detail = {"non_field_errors": detail}
            return _respond_invalid(list_messages(detail))
        case ScopeMissing():
            scope = error.needed.value
            text = _("This token lacks the scope “%(scope)s”.") % {"scope": scope}
            return problems.respond(403, text, slug="scope", scope=scope)
        case exceptions.APIException():
            return _respond_rest_framework(error)
    response = problems.respond_to(error)
    if response is not None:
        return response
    # The traceback is in the log, where the request ID finds it.
    log.error("api_failed", view=type(context.get("view")).__name__, exc_info=error)
    return problems.respond(500, _("Internal error; the log has the details of this request."))


def _respond_invalid(errors: Mapping[str, list[str]], title: str = "") -> HttpResponse:
    return problems.respond(
        422,
        " ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items()),
        title=title or _("A filter value is not allowed"),
        slug="invalid",
        errors=errors,
    )


def _respond_rest_framework(error: exceptions.APIException) -> HttpResponse:
    headers = {}
    if header := getattr(error, "auth_header", ""):
        headers["WWW-Authenticate"] = header
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    detail = str(error.detail)
    if isinstance(error, exceptions.NotAuthenticated):
        detail = _("Log in first: this request has neither a token nor a valid session.")
    return problems.respond(error.status_code, detail, headers=headers)
