"""The tokens of the OBS interfaces: issued, expired by the simulator's clock, revoked."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

_BEARER = "Bearer "


def bearer_of(header: str | None) -> str:
    """The token of a header value `Bearer <token>`, with one blank; empty for anything else."""
    if header is None or not header.startswith(_BEARER):
        return ""
    token = header.removeprefix(_BEARER)
    return "" if token != token.strip() else token


class Tokens:
    """All tokens that are alive; thread-safe. A refresh token opens nothing but the refresh."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._access: dict[str, datetime] = {}
        self._refresh: dict[str, datetime] = {}
        self._issued = 0

    @property
    def issued(self) -> int:
        """How many access tokens were issued in all."""
        with self._lock:
            return self._issued

    def issue(self, seconds: float = 3600) -> str:
        """A new access token that lives for `seconds`; the older ones stay valid."""
        with self._lock:
            self._issued += 1
            return self._new(self._access, seconds)

    def issue_refresh(self, seconds: float) -> str:
        """A new refresh token that lives for `seconds`."""
        with self._lock:
            return self._new(self._refresh, seconds)

    def is_valid(self, token: str) -> bool:
        """Whether an access token is alive."""
        with self._lock:
            return self._lives(self._access, token)

    def is_refresh(self, token: str) -> bool:
        """Whether a refresh token is alive."""
        with self._lock:
            return self._lives(self._refresh, token)

    def redeem(self, token: str) -> bool:
        """Use up a refresh token; False when it is not alive (any more)."""
        with self._lock:
            alive = self._lives(self._refresh, token)
            self._refresh.pop(token, None)
            return alive

    def revoke_all(self) -> None:
        """End every token, refresh tokens included."""
        with self._lock:
            self._access.clear()
            self._refresh.clear()

    def _lives(self, shelf: dict[str, datetime], token: str) -> bool:
        ends = shelf.get(token)
        return ends is not None and self._now() < ends

    def _new(self, shelf: dict[str, datetime], seconds: float) -> str:
        now = self._now()
        for dead in [token for token, ends in shelf.items() if ends <= now]:
            del shelf[dead]
        token = secrets.token_hex(16)
        shelf[token] = now + timedelta(seconds=seconds)
        return token
