"""Codes of a second factor: whoever guesses too much goes into the audit."""

from __future__ import annotations

from typing import Any

from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from django.core.exceptions import ValidationError

from dashboard import log_ins


class _Watched:
    user: Any

    def clean_code(self) -> str:
        """The code, if it is right."""
        try:
            return str(super().clean_code())  # type: ignore[misc]
        except ValidationError as error:
            if error.code == "too_many_login_attempts":
                log_ins.locked(self.user.username)
            raise


class CodeForm(_Watched, AuthenticateForm):
    """Asked for at the log-in."""


class CodeAgainForm(_Watched, ReauthenticateForm):
    """Asked for when somebody confirms who they are."""
