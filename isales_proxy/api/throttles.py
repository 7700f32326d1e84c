"""Request rates: one for each token, and one for all sessions of a person."""

from __future__ import annotations

from typing import Any, Final

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle, UserRateThrottle

from isales_proxy.models import ApiToken

# Every rate is one of a minute.
_LONGEST_SECONDS: Final = 60


class _ClockSafeThrottle(SimpleRateThrottle):
    """DRF's throttle, but correct after the clock was set back."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Return True if the request may pass; requests recorded in the future are ignored."""
        key = self.get_cache_key(request, view)
        if key is not None:
            recorded: list[float] = self.cache.get(key, [])
            now = self.timer()
            past = [at for at in recorded if at <= now]
            if len(past) < len(recorded):
                self.cache.set(key, past, _LONGEST_SECONDS)
        return super().allow_request(request, view)


class SessionThrottle(_ClockSafeThrottle, UserRateThrottle):
    """The rate of all sessions of one person together."""

    def get_cache_key(self, request: Request, view: Any) -> Any:
        """Return the key of the person; None (no limit) for tokens, which have their own rates."""
        if isinstance(request.auth, ApiToken):
            return None
        return super().get_cache_key(request, view)


class _TokenThrottle(_ClockSafeThrottle):
    """The rate of one token for one kind of request."""

    reads: bool

    def get_cache_key(self, request: Request, view: Any) -> str | None:  # noqa: ARG002 - DRF's signature
        """Return a key with the start of the token's hash, which is too long for a cache key."""
        if not isinstance(request.auth, ApiToken):
            return None
        if (request.method in SAFE_METHODS) is not self.reads:
            return None
        return self.cache_format % {"scope": self.scope, "ident": request.auth.digest[:40]}


class TokenReads(_TokenThrottle):
    """Requests that change nothing."""

    scope = "token_read"
    reads = True


class TokenWrites(_TokenThrottle):
    """Requests that may change something."""

    scope = "token_write"
    reads = False
