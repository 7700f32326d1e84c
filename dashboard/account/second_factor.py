"""Second factor by allauth: encrypted, without e-mail, and not removable where it is required."""

from __future__ import annotations

import base64
import secrets
from typing import Any, Final

import structlog
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.utils.translation import gettext as _

from isales_proxy.accounts import second_factors
from isales_proxy.core import encryption

log = structlog.get_logger("isales")

_PURPOSE: Final = "mfa"
_PRODUCT: Final = "Callboard"
# In the session: the primary key of the person who passed a second factor in it.
_PASSED: Final = "second_factor"


class SealedAdapter(DefaultMFAAdapter):
    """allauth's adapter with encrypted secrets (of apps and recovery codes) and user names."""

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text, purpose=_PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt a secret; return a random one, which no code matches, if that fails."""
        try:
            return encryption.decrypt(encrypted_text, purpose=_PURPOSE)
        except encryption.DecryptionFailed:
            # The person is refused as with a wrong code; an admin can reset the second factor.
            log.warning("second_factor_unopenable")
            return base64.b32encode(secrets.token_bytes(20)).decode("ascii")

    def can_delete_authenticator(self, authenticator: Any) -> bool:
        """Return False for the last second factor of a person who must have one."""
        if not second_factors.is_required_of(authenticator.user):
            return True
        return second_factors.has_second_factor(authenticator.user, except_pk=authenticator.pk)

    def get_totp_issuer(self) -> str:
        """Return the name under which the app lists the code."""
        return _PRODUCT

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return the host of the request without its port, and the product's name."""
        return {"id": context.request.get_host().partition(":")[0], "name": _PRODUCT}

    def generate_authenticator_name(self, user: Any, type: Any) -> str:  # noqa: A002 - allauth's signature
        """Return a name such as `Security key 2`."""
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return _("Security key %(number)s") % {"number": number}

    def send_notification_mail(self, *_args: Any, **_kwargs: Any) -> None:
        """Send nothing: accounts have no e-mail address."""

    def _get_user_identifier(self, user: Any) -> str:
        return str(user.get_username())


def is_unreadable(user: Any) -> bool:
    """Tell whether a secret of the person's second factor was encrypted with an unknown key."""
    for kept in Authenticator.objects.filter(user=user).values_list("data", flat=True):
        for name in ("secret", "seed"):
            try:
                if kept.get(name):
                    encryption.decrypt(kept[name], purpose=_PURPOSE)
            except encryption.DecryptionFailed:
                return True
    return False


def has_passed_second_factor(session: Any, user: Any) -> bool:
    """Tell whether this person entered or set up a second factor in this session."""
    return bool(session.get(_PASSED) == user.pk)


def mark_passed(session: Any, user: Any) -> None:
    """Mark the session as one with a second factor."""
    session[_PASSED] = user.pk


def clear_passed(session: Any) -> None:
    """Remove the mark, after the last second factor."""
    session.pop(_PASSED, None)
