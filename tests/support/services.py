"""The servers of this machine: used where they answer on loopback, else a skip says so."""

from __future__ import annotations

import secrets
import socket
from typing import Any

import pytest

REDIS = ("127.0.0.1", 6379)
POSTGRES = ("127.0.0.1", 5432)


def answers(address: tuple[str, int]) -> bool:
    """Tell whether something listens there."""
    try:
        with socket.create_connection(address, timeout=1):
            return True
    except OSError:
        return False


def redis_cache(settings: Any) -> None:
    """Let Django's cache be Redis, with keys that no other test has: another worker's may run."""
    if not answers(REDIS):
        pytest.skip("no Redis answers on 127.0.0.1:6379")
    apart = secrets.token_hex(8)
    settings.CACHES = {
        room: {
            "BACKEND": "isales_proxy.core.redis_cache.ForgivingRedisCache",
            "LOCATION": "redis://127.0.0.1:6379/15",
            "KEY_PREFIX": f"callboard-tests-{apart}-{room}",
            "OPTIONS": {"serializer": "isales_proxy.core.signed_pickle.CacheSerializer"},
        }
        for room in ("default", "answers", "rows")
    }
