"""Who a program is: the token that it sends, else the session of a person who logged in.

A request with an `Authorization` header is decided by that header alone. Only sessions need CSRF:
a browser sends no token of its own accord.
"""

from __future__ import annotations

import re
from typing import Any, Final

import structlog
from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication as KnoxAuthentication
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from isales_proxy.accounts import tokens
from isales_proxy.api.permissions import needed_by
from isales_proxy.models import ApiToken, User

CHALLENGE: Final = 'Session realm="Callboard", Token realm="Callboard"'

_HEADER: Final = re.compile(r"token +(\S+)", re.IGNORECASE)


class TokenAuthentication(KnoxAuthentication):
    """`Authorization: Token cb_…`. Whatever is wrong with a token, the answer is the same 401; one
    for another scheme says which scheme is taken."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """The person and the token; None without the header. Raises AuthenticationFailed."""
        given = request.META.get("HTTP_AUTHORIZATION")
        if given is None:
            return None
        match = _HEADER.fullmatch(given)
        if match is None:
            raise exceptions.AuthenticationFailed(
                _("Send the token as “Authorization: Token cb_…”: no other scheme is taken here.")
            )
        token = tokens.authenticate(match[1])
        if token is None:
            raise exceptions.AuthenticationFailed(
                _("This token is not valid: it is unknown, has ended, or was revoked.")
            )
        if tokens.is_without_second_factor(token):
            raise exceptions.PermissionDenied(
                _(
                    "This token was made without a second factor, which your role requires by now."
                    " Make a new one."
                )
            )
        tokens.record_use(token)
        structlog.contextvars.bind_contextvars(user_id=token.user.pk, token=token.token_key)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """The schemes that lead in; makes DRF answer 401, not 403."""
        return CHALLENGE


class SessionAuthentication(authentication.SessionAuthentication):
    """Django's session; a stranger gets 401 and is told the schemes, not a bare 403."""

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """Makes DRF answer 401 with this `WWW-Authenticate`."""
        return CHALLENGE

    def enforce_csrf(self, request: Any) -> None:
        """Raise PermissionDenied (403) in the reader's language when the token does not fit."""
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied:
            raise exceptions.PermissionDenied(
                _("The CSRF token is missing or wrong; send it in the header X-CSRFToken.")
            ) from None


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema tells of the token."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_requirement(self, auto_schema: Any) -> dict[str, list[str]]:
        """With the scope that the operation needs, as OpenAPI 3.1 allows for any scheme."""
        needed = needed_by(auto_schema.view, auto_schema.method)
        return {self.name: [needed.value] if needed else []}

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002 - the library's signature
        """A header with a prefix, which OpenAPI has no better name for."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token cb_…`, made by a person under “API tokens”. Each operation "
            "names the scope that it needs: `read`, `write` (holds `read`) or `admin` (holds "
            "both). A token never does more than its person may.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema tells of the session."""

    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002 - the library's signature
        """An API key in the cookie, as OpenAPI calls it."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of a person who logged in by the browser. What changes "
            "anything needs the header `X-CSRFToken`, too.",
        }
