"""Codes of a second factor: each is good once, and whoever guesses too much goes into the audit."""

from __future__ import annotations

import re
from typing import Any, Final

from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from dashboard import log_ins
from dashboard.sign_in import second_factor

_NO_DIGIT: Final = re.compile(r"[^0-9]")


class _Watched:
    user: Any
    authenticator: Authenticator

    def clean_code(self) -> str:
        """The code, if it is right."""
        try:
            code = str(super().clean_code())  # type: ignore[misc]
        except ValidationError as error:
            if error.code == "too_many_login_attempts":
                log_ins.locked(self.user.username)
            elif second_factor.is_unreadable(self.user):
                raise ValidationError(
                    _(
                        "Your second factor cannot be checked: this server's SECRET_KEY was "
                        "changed. An admin must reset it."
                    ),
                    code="unreadable",
                ) from None
            raise
        if self.authenticator.type == Authenticator.Type.TOTP and not _is_first_use(
            self.user, code
        ):
            self._emit_authentication_failed(self.authenticator)  # type: ignore[attr-defined]
            raise get_adapter().validation_error("incorrect_code")
        return code


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
        if not app.wrap().validate_code(code) or not _is_first_use(self.user, code):
            raise adapter.validation_error("incorrect_code")
        return code


def _is_first_use(user: Any, code: str) -> bool:
    """Whether an app's code is new, and note it as used.

    allauth notes it for one step; by the tolerance a code is good for longer than that.
    """
    steps = 2 * app_settings.TOTP_TOLERANCE + 1
    key = f"sign-in:code:{user.pk}:{_NO_DIGIT.sub('', code)}"
    return bool(cache.add(key, 1, steps * app_settings.TOTP_PERIOD))
