"""API tokens for tests, and clients that send them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.test import Client

from isales_proxy.models import ApiToken, TokenScope, User


def token_of(user: User, scope: TokenScope, *, days: float = 1) -> tuple[ApiToken, str]:
    """Create a token, whether or not the person can use its scope."""
    token, text = ApiToken.objects.create(
        user=user, name="test", scope=scope, expiry=timedelta(days=days)
    )
    return token, text


def program(text: str, **headers: str) -> Client:
    """Return a client without a session that sends this token."""
    return Client(headers={"Authorization": f"Token {text}", **headers})


def as_program(user: User, scope: TokenScope, **headers: Any) -> Client:
    """Create a token, and a client that sends it."""
    return program(token_of(user, scope)[1], **headers)
