"""How often one may ask: each token for itself, and each person for their sessions."""

from __future__ import annotations

from typing import Any, Final

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle, UserRateThrottle

from isales_proxy.models import ApiToken

# Every rate is one of a minute.
_LONGEST_SECONDS: Final = 60


class _SteadyThrottle(SimpleRateThrottle):
    """DRF's, which after the clock was set back would count requests for too long."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Whether the request may pass; requests noted in the future are not counted."""
        key = self.get_cache_key(request, view)
        if key is not None:
            noted: list[float] = self.cache.get(key, [])
            now = self.timer()
            past = [at for at in noted if at <= now]
            if len(past) < len(noted):
                self.cache.set(key, past, _LONGEST_SECONDS)
        return super().allow_request(request, view)


class SessionThrottle(_SteadyThrottle, UserRateThrottle):
    """All sessions of one person together."""

    def get_cache_key(self, request: Request, view: Any) -> Any:
        """None, which is no bound, for a token: those have their own."""
        if isinstance(request.auth, ApiToken):
            return None
        return super().get_cache_key(request, view)


class _TokenThrottle(_SteadyThrottle):
    """One token, for one kind of request."""

    reads: bool

    def get_cache_key(self, request: Request, view: Any) -> str | None:  # noqa: ARG002 - DRF's signature
        """By the start of its hash: the whole says no more, and is longer than a cache likes."""
        if not isinstance(request.auth, ApiToken):
            return None
        if (request.method in SAFE_METHODS) is not self.reads:
            return None
        return self.cache_format % {"scope": self.scope, "ident": request.auth.digest[:40]}


class TokenReads(_TokenThrottle):
    """What changes nothing."""

    scope = "token_read"
    reads = True


class TokenWrites(_TokenThrottle):
    """What may change something."""

    scope = "token_write"
    reads = False
