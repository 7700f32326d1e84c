"""Requests as received, and the credentials they show: C2 signature or bearer token."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from isales_proxy.client.auth import verify_c2


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Path, query pairs and body are raw, header names are lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Parse the body; None when it is no JSON."""
        try:
            return json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError):
            return None


def is_signed(request: Request, *, keys: tuple[str, str], now: datetime) -> bool:
    """Check the C2 signature over the raw query and body; 15 minutes of skew are allowed."""
    return verify_c2(
        request.headers.get("authorization", ""),
        method=request.method,
        path=request.path,
        query=request.query,
        headers=request.headers,
        body=request.body,
        access_key=keys[0],
        secret_key=keys[1],
        now=now,
    )


def bearer_token(header: str | None) -> str:
    """Return the token of a header value `Bearer <token>`; empty text for any other value."""
    match = re.fullmatch(r"Bearer (\S+)", header or "")
    return match[1] if match else ""
