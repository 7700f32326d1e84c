"""Who a program is: the session of a person who logged in, with CSRF enforced on what changes."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication, exceptions
from rest_framework.request import Request


class SessionAuthentication(authentication.SessionAuthentication):
    """Django's session; a stranger gets 401 and is told the scheme, not a bare 403."""

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """Makes DRF answer 401 with this `WWW-Authenticate`."""
        return 'Session realm="Callboard"'

    def enforce_csrf(self, request: Any) -> None:
        """Raise PermissionDenied (403) in the reader's language when the token does not fit."""
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied:
            raise exceptions.PermissionDenied(
                _("The CSRF token is missing or wrong; send it in the header X-CSRFToken.")
            ) from None


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema tells of it."""

    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002 - the library's signature
        """An API key in the cookie, as OpenAPI calls it."""
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
