"""Limits on attempts to sign in: passwords, codes, single sign-on.

They are counted in the database, since a cache may lose them. Without the database attempts fail.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from django.utils import timezone

from isales_proxy.core import encryption
from isales_proxy.models import SignInAttempt

_KEPT: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Limit:
    """At most `amount` attempts of one `kind` within `seconds`, an hour at most."""

    kind: str
    amount: int
    seconds: int


PASSWORDS_BY_ACCOUNT: Final = Limit("password", 6, 300)
PASSWORDS_BY_ADDRESS: Final = Limit("password-address", 20, 60)
CODES_BY_PERSON: Final = Limit("code", 6, 300)
SINGLE_SIGN_ON_BY_ADDRESS: Final = Limit("single-sign-on", 300, 60)


class TooManyAttempts(Exception):
    """The limit is reached; the attempt was not counted."""


@dataclass(frozen=True)
class Attempts:
    """Primary keys of the rows that count one attempt."""

    rows: tuple[int, ...]

    def rollback(self) -> None:
        """Remove the rows: the attempt succeeded."""
        SignInAttempt.objects.filter(pk__in=self.rows).delete()


def count(*wanted: tuple[Limit, str], now: datetime | None = None) -> Attempts:
    """Count one attempt for each limit and subject (account, address). Raises TooManyAttempts.

    Rows are written before they are counted, so that simultaneous attempts count each other.
    """
    now = now or timezone.now()
    rows: list[int] = []
    for limit, whom in wanted:
        key = _compute_key(limit, whom)
        rows.append(SignInAttempt.objects.create(key=key, at=now).pk)
        since = now - timedelta(seconds=limit.seconds)
        if SignInAttempt.objects.filter(key=key, at__gt=since).count() > limit.amount:
            Attempts(tuple(rows)).rollback()
            raise TooManyAttempts(limit.kind)
    return Attempts(tuple(rows))


def is_first_use(*, kind: str, whom: str, seconds: int) -> bool:
    """Record a use; return True if it is the first within `seconds`. Of two at once, neither is."""
    try:
        count((Limit(kind, 1, seconds), whom))
    except TooManyAttempts:
        return False
    return True


def purge(now: datetime) -> int:
    """Delete attempts that no longer count; return how many."""
    return SignInAttempt.objects.filter(at__lt=now - _KEPT).delete()[0]


def _compute_key(limit: Limit, whom: str) -> str:
    # A password typed into the user name field must not be readable here.
    text = f"{limit.kind}\0{whom}".encode()
    return hmac.new(encryption.derive_key("sign-in-attempts"), text, sha256).hexdigest()
