"""Store of the token of the OBS interfaces: in the database, sealed, one for all processes.

Vendor pages: "C1 Configuration Interface Authentication" and the log-in of the OBS interfaces.
While the database cannot be reached each process keeps a token of its own, so that the vendor can
still be asked.
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
# Seconds. No turn is longer than this, or than twice that of another call.
_LONGEST_TURN: Final = 60.0


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
        """The token kept, or None: never one that was sealed with another key."""
        try:
            row = BearerToken.objects.filter(pk=self._key).only("sealed").first()
            if row is None or not row.sealed:
                return None
            return _TOKEN.validate_json(encryption.decrypt(row.sealed, purpose=_PURPOSE))
        except (encryption.DecryptionFailed, ValueError):
            # Sealed with another key, or by another release; the error would quote the token.
            return None
        except DatabaseError:
            return self._own.read()

    def write(self, token: Token) -> None:
        """Keep this token in the place of the one before."""
        self._own.write(token)
        # Times as seconds since 1970 UTC.
        text = json.dumps(asdict(token), default=datetime.timestamp)
        sealed = encryption.encrypt(text, purpose=_PURPOSE)
        optional_write(
            lambda: BearerToken.objects.update_or_create(pk=self._key, defaults={"sealed": sealed}),
            "token_not_shared",
        )

    def take_turn(self, seconds: float) -> bool:
        """Tell whether it is ours to renew, and nobody else's for so many seconds."""
        now = self._now()
        taken: list[int] = []

        def take() -> None:
            BearerToken.objects.get_or_create(pk=self._key)
            # One statement, so that of two processes only one can find the turn free.
            free = models.Q(turn_until=None) | models.Q(turn_until__lte=now)
            # No turn is so long: the clock was set back since, and its holder may be gone.
            free |= models.Q(
                turn_until__gt=now + timedelta(seconds=max(_LONGEST_TURN, 2 * seconds))
            )
            found = BearerToken.objects.filter(free, pk=self._key)
            taken.append(
                found.update(turn_of=self._me, turn_until=now + timedelta(seconds=seconds))
            )

        # The vendor's answer is waited for next, within one deadline.
        if not optional_write(take, "token_turn_not_shared"):
            return self._own.take_turn(seconds)
        return taken == [1]

    def end_turn(self) -> None:
        """Let the next one renew; harmless when the turn was not ours any more."""
        self._own.end_turn()
        # Where it cannot be written it lapses by itself.
        optional_write(
            lambda: BearerToken.objects.filter(pk=self._key, turn_of=self._me).update(
                turn_until=None
            ),
            "token_turn_not_ended",
        )


def _fingerprint(found: ISalesSettings) -> str:
    """Return what the token belongs to. The credentials enter as a keyed digest, never in clear."""
    names = ("base_url", "obs_base_url", "obs_auth", "token_url", "app_key", "app_secret")
    parts = [getattr(found, name) for name in names]
    return hashlib.sha256(
        encryption.derive_key("token-fingerprint") + json.dumps(parts).encode()
    ).hexdigest()
