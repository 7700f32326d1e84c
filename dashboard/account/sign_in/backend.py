"""Passwords: who may log in with one."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.conf import settings
from django.http import HttpRequest

from isales_proxy import access
from isales_proxy.models import User


class PasswordBackend(AuthenticationBackend):
    """allauth's; where single sign-on is the only way in, for superusers alone.

    The password of everybody else is worked out all the same, so that the answer takes as long and
    reads as with a wrong one.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
        """The person, or None."""
        user = super().authenticate(request, **credentials)
        sso = settings.SIGN_IN.single_sign_on
        if user is not None and sso is not None and sso.only and not user.is_superuser:
            return None
        return user

    def get_user(self, user_id: int) -> User | None:
        """The person of a session with their scopes, by one query; None for an inactive one."""
        user = access.load_user(user_id)
        return user if user is not None and self.user_can_authenticate(user) else None

    def _authenticate_by_username(self, username: str, password: str) -> Any:
        """Looked up in any case; refused where several people could be meant."""
        return self._check_password(User.objects.named(username), password)
