"""Passwords: who may log in with one, and how they are stored."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.http import HttpRequest

from isales_proxy import access
from isales_proxy.models import User


class PasswordBackend(AuthenticationBackend):
    """allauth's backend; for superusers alone where single sign-on is the only way in.

    The password of everybody else is worked out all the same, so that the answer takes as long and
    reads as with a wrong one.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
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
        """Check the password of the one person of this user name, in upper or lower case."""
        return self._check_password(User.objects.named(username), password)


class PasswordHasher(Argon2PasswordHasher):
    """Argon2id by OWASP's smallest parameters: 19 MiB for each log-in, where Django takes 100.

    A hash by other parameters is made anew when its person logs in.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1
