"""Authentication by token or session, and their description in the schema.

If there is an `Authorization` header, only that is used. Only sessions need CSRF protection, since
browsers do not send tokens automatically.
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
from isales_proxy.api.permissions import get_needed_scope
from isales_proxy.models import ApiToken, User

CHALLENGE: Final = 'Session realm="Callboard", Token realm="Callboard"'

_HEADER: Final = re.compile(r"token +(\S+)", re.IGNORECASE)


class TokenAuthentication(KnoxAuthentication):
    """`Authorization: Token cb_…`. The 401 does not tell what is wrong with the token."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return person and token; None without the header. Raises AuthenticationFailed."""
        given = request.META.get("HTTP_AUTHORIZATION")
        if given is None:
            return None
        match = _HEADER.fullmatch(given)
        if match is None:
            raise exceptions.AuthenticationFailed(
                _("Send the token as “Authorization: Token cb_…”: no other scheme is accepted.")
            )
        token = tokens.authenticate(match[1])
        if token is None:
            raise exceptions.AuthenticationFailed(
                _("This token is not valid: it is unknown, expired or revoked.")
            )
        if tokens.is_without_second_factor(token):
            raise exceptions.PermissionDenied(
                _(
                    "This token was created without a second factor, which your role now requires. "
                    "Create a new one."
                )
            )
        tokens.record_use(token)
        structlog.contextvars.bind_contextvars(user_id=token.user.pk, token=token.token_key)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """Return the schemes, so that DRF responds with 401, not 403."""
        return CHALLENGE


class SessionAuthentication(authentication.SessionAuthentication):
    """Django's session, with a 401 for anonymous requests."""

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """Return the schemes, so that DRF responds with 401, not 403."""
        return CHALLENGE

    def enforce_csrf(self, request: Any) -> None:
        """Raise PermissionDenied (403), with our message, if the CSRF token is wrong."""
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied:
            raise exceptions.PermissionDenied(
                _("The CSRF token is missing or wrong; send it in the header X-CSRFToken.")
            ) from None


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the token in the schema."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_requirement(self, auto_schema: Any) -> dict[str, list[str]]:
        """Return the scope that the operation needs; OpenAPI 3.1 allows scopes for any scheme."""
        needed = get_needed_scope(auto_schema.view, auto_schema.method)
        return {self.name: [needed.value] if needed else []}

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002 - the library's signature
        """Describe the header as an API key; OpenAPI has no better type for it."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token cb_…`, made by a person under “API tokens”. Each operation "
            "names the scope that it needs: `read`, `write` (holds `read`) or `admin` (holds "
            "both). A token never does more than its person may.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the session in the schema."""

    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002 - the library's signature
        """Describe the cookie, which OpenAPI calls an API key."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of a person who logged in by the browser. What changes "
            "anything needs the header `X-CSRFToken`, too.",
        }
