"""Log-in with passwords, and their hashes."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.http import HttpRequest

from isales_proxy import access
from isales_proxy.models import User


class PasswordBackend(AuthenticationBackend):
    """allauth's backend; only for superusers if others must use single sign-on.

    Their passwords are checked all the same, so that the response is that of a wrong password and
    takes as long.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
        user = super().authenticate(request, **credentials)
        sso = settings.SIGN_IN.single_sign_on
        if user is not None and sso is not None and sso.only and not user.is_superuser:
            return None
        return user

    def get_user(self, user_id: int) -> User | None:
        """Return the person of a session with their scopes, by one query; None if inactive."""
        user = access.load_user(user_id)
        return user if user is not None and self.user_can_authenticate(user) else None

    def _authenticate_by_username(self, username: str, password: str) -> Any:
        """Check the password of the person with this user name, regardless of case."""
        return self._check_password(User.objects.find_by_username(username), password)


class PasswordHasher(Argon2PasswordHasher):
    """Argon2id with OWASP's minimum parameters: 19 MiB for each log-in instead of Django's 100.

    A hash with other parameters is replaced at the next log-in.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1
