"""Requests as received, and the credentials they show: C2 signature or bearer token."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from isales_proxy.client import auth


class Request(auth.Request):
    """One HTTP request. Path, query pairs and body are raw, header names are lower case."""

    __slots__ = ()

    def json(self) -> Any:
        """Parse the body; None when it is no JSON."""
        try:
            return json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError):
            return None


def is_signed(request: Request, *, keys: tuple[str, str], now: datetime) -> bool:
    """Check the C2 signature over the raw query and body; 15 minutes of skew are allowed."""
    authorization = request.headers.get("authorization", "")
    return auth.verify_c2(authorization, request, auth.Credentials(*keys), now)


def bearer_token(header: str | None) -> str:
    """Return the token of a header value `Bearer <token>`; empty text for any other value."""
    match = re.fullmatch(r"Bearer (\S+)", header or "")
    return match[1] if match else ""
