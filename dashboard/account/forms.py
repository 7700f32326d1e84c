"""Forms of log-in, second factor and password: each code is valid once, and guesses are limited and
audited."""

from __future__ import annotations

import re
from typing import Any, Final

from allauth.account.forms import ChangePasswordForm, LoginForm
from allauth.account.forms import ReauthenticateForm as PasswordAgainForm
from allauth.core import context
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from dashboard.account import log_in_audit, second_factor
from dashboard.account.adapter import count_attempt, count_password
from dashboard.account.refused_forms import was_refused
from isales_proxy.accounts import sign_in_attempts
from isales_proxy.core.input_cleaning import CleanedInput

_LONGEST_KEY_NAME: Final = 80
_NO_DIGIT: Final = re.compile(r"[^0-9]")


class _LimitedCodeForm(CleanedInput):
    user: Any
    authenticator: Authenticator

    def clean_code(self) -> str:
        """Return the correct code. Raises ValidationError."""
        limit = sign_in_attempts.CODES_BY_PERSON
        attempt = count_attempt(self.user.username, (limit, str(self.user.pk)))
        try:
            code = str(super().clean_code())  # type: ignore[misc]
        except ValidationError:
            if second_factor.is_unreadable(self.user):
                text = _(
                    "Your second factor cannot be checked: this server's SECRET_KEY was "
                    "changed. An admin must reset it."
                )
                raise ValidationError(text, code="unreadable") from None
            raise
        if self.authenticator.type == Authenticator.Type.TOTP and not _is_first_use(
            self.user, code
        ):
            self._emit_authentication_failed(self.authenticator)  # type: ignore[attr-defined]
            raise get_adapter().validation_error("incorrect_code")
        attempt.rollback()
        return code


class NameForm(CleanedInput, LoginForm):
    """Form of the log-in: a user name, which is cleaned, and a password, which is not."""


class CodeForm(_LimitedCodeForm, AuthenticateForm):
    """Form of the second factor at the log-in."""


class CodeAgainForm(_LimitedCodeForm, ReauthenticateForm):
    """Form of the second factor at a reauthentication."""


class KeyForm(CleanedInput, AddWebAuthnForm):
    """Form that adds a security key."""

    name = forms.CharField(required=False, max_length=_LONGEST_KEY_NAME)


class SetUpForm(CleanedInput, ActivateTOTPForm):
    """Form that sets up an authenticator app; no log-in accepts its code again."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        secret = context.request.session.get(SECRET_SESSION_KEY)
        super().__init__(*args, **kwargs)
        if secret and was_refused(context.request):
            # The app has this secret already, so it stays after a mistyped code.
            self.secret = context.request.session[SECRET_SESSION_KEY] = secret

    def clean_code(self) -> str:
        """Return the correct code, unless it was used before. Raises ValidationError."""
        code = str(super().clean_code())
        adapter = get_adapter()
        # allauth marks a code as used at a log-in, but not at the set-up. This object is not saved.
        app = Authenticator(
            user=self.user,
            type=Authenticator.Type.TOTP,
            data={"secret": adapter.encrypt(self.secret)},
        )
        if not app.wrap().validate_code(code) or not _is_first_use(self.user, code):
            raise adapter.validation_error("incorrect_code")
        return code


class _PlainFields:
    """Fields without placeholders, since their labels are above them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        form: Any = self
        for each in form.fields.values():
            each.widget.attrs.pop("placeholder", None)


class OwnPasswordAgainForm(_PlainFields, CleanedInput, PasswordAgainForm):
    """Form of the password at a reauthentication of a person without a second factor."""


class OwnPasswordForm(_PlainFields, CleanedInput, ChangePasswordForm):
    """Form that changes one's own password; wrong current passwords count like log-ins."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["oldpassword"].label = _("Current password")
        self.fields["password1"].label = _("New password")
        self.fields["password2"].label = _("New password, again")

    def clean_oldpassword(self) -> str:
        """Return the correct password. Raises ValidationError."""
        name = self.user.get_username()
        attempt = count_password(context.request, name)
        try:
            typed = str(super().clean_oldpassword())
        except ValidationError:
            log_in_audit.record_failed(name)
            raise
        attempt.rollback()
        return typed

    def clean(self) -> Any:
        """Refuse a new password that equals the current one."""
        found = super().clean()
        given = self.cleaned_data
        if "oldpassword" in given and given.get("password1") == given["oldpassword"]:
            self.add_error("password1", _("Choose a password that is not the current one."))
        return found


def _is_first_use(user: Any, code: str) -> bool:
    """Tell whether an app's code was not used before, and mark it as used.

    allauth marks it for one step, only in the cache; with the tolerance a code is valid for longer.
    """
    steps = 2 * app_settings.TOTP_TOLERANCE + 1
    used = f"{user.pk}:{_NO_DIGIT.sub('', code)}"
    return sign_in_attempts.is_first_use(
        kind="code-used", whom=used, seconds=steps * app_settings.TOTP_PERIOD
    )
