"""Store of the token of the OBS interfaces: encrypted in the database, one for all processes.

Vendor pages: "C1 Configuration Interface Authentication" and the log-in of the OBS interfaces.
While the database is unavailable, each process uses a token of its own.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import DatabaseError, models
from django.utils import timezone
from pydantic import TypeAdapter

from isales_proxy.client.tokens import MemoryTokenStore, Token
from isales_proxy.core import encryption
from isales_proxy.core.database import optional_write
from isales_proxy.core.settings import ISalesSettings
from isales_proxy.models import BearerToken

log = structlog.get_logger("isales")

_PURPOSE: Final = "bearer-token"
_TOKEN: Final = TypeAdapter(Token)
# No lock is held longer than this, or than twice the time of the call that wants it.
_MAX_LOCK_S: Final = 60.0


class DatabaseTokenStore:
    """The store of one set of credentials, in one process. See `client.tokens.TokenStore`."""

    def __init__(
        self, found: ISalesSettings, *, now: Callable[[], datetime] = timezone.now
    ) -> None:
        self._key = _fingerprint(found)
        self._now = now
        self._me = uuid.uuid4().hex
        self._own = MemoryTokenStore()

    def read(self) -> Token | None:
        """Return the stored token; None if there is none or it was encrypted under another key."""
        try:
            row = BearerToken.objects.filter(pk=self._key).only("sealed").first()
            if row is None or not row.sealed:
                return None
            return _TOKEN.validate_json(encryption.decrypt(row.sealed, purpose=_PURPOSE))
        except (encryption.DecryptionFailed, ValueError):
            # Encrypted under another key, or by another release; the error would quote the token.
            return None
        except DatabaseError:
            return self._own.read()

    def write(self, token: Token) -> None:
        """Store this token in place of the previous one."""
        self._own.write(token)
        # Times as seconds since 1970 UTC.
        text = json.dumps(asdict(token), default=datetime.timestamp)
        encrypted = encryption.encrypt(text, purpose=_PURPOSE)
        optional_write(
            lambda: BearerToken.objects.update_or_create(
                pk=self._key, defaults={"sealed": encrypted}
            ),
            "token_not_shared",
        )

    def try_lock(self, seconds: float) -> bool:
        """Try to get the lock for renewing, for at most `seconds`; return whether it succeeded."""
        now = self._now()
        updated: list[int] = []

        def lock() -> None:
            BearerToken.objects.get_or_create(pk=self._key)
            # One statement, so that only one of two processes can find the lock free.
            free = models.Q(turn_until=None) | models.Q(turn_until__lte=now)
            # No lock is held so long: the clock was set back since.
            free |= models.Q(turn_until__gt=now + timedelta(seconds=max(_MAX_LOCK_S, 2 * seconds)))
            found = BearerToken.objects.filter(free, pk=self._key)
            updated.append(
                found.update(turn_of=self._me, turn_until=now + timedelta(seconds=seconds))
            )

        if not optional_write(lock, "token_turn_not_shared"):
            return self._own.try_lock(seconds)
        return updated == [1]

    def unlock(self) -> None:
        """Release the lock, unless another process has it by now."""
        self._own.unlock()
        # If this fails, the lock expires.
        optional_write(
            lambda: BearerToken.objects.filter(pk=self._key, turn_of=self._me).update(
                turn_until=None
            ),
            "token_turn_not_ended",
        )


def _fingerprint(found: ISalesSettings) -> str:
    """Return a keyed hash of the addresses and credentials to which the token belongs."""
    names = ("base_url", "obs_base_url", "obs_auth", "token_url", "app_key", "app_secret")
    parts = [getattr(found, name) for name in names]
    return hashlib.sha256(
        encryption.derive_key("token-fingerprint") + json.dumps(parts).encode()
    ).hexdigest()
