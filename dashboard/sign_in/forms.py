"""Codes of a second factor: each is good once, and whoever guesses too much goes into the audit."""

from __future__ import annotations

from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
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


class SetUpForm(ActivateTOTPForm):
    """By which an app is set up: its code is used then, and no log-in takes it again."""

    def clean_code(self) -> str:
        """The code, if it is right and was not used."""
        code = str(super().clean_code())
        adapter = get_adapter()
        # Of a log-in allauth notes the code as used, of a set-up it does not. Never saved.
        app = Authenticator(
            user=self.user,
            type=Authenticator.Type.TOTP,
            data={"secret": adapter.encrypt(self.secret)},
        )
        if not app.wrap().validate_code(code):
            raise adapter.validation_error("incorrect_code")
        return code
