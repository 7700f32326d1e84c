"""The gate: is a request signed with the keys of the simulator?"""

from __future__ import annotations

from datetime import datetime, timedelta

from isales_proxy.client.auth import verify_c2
from isales_proxy.simulator.server import Request


def split_target(target: str) -> tuple[str, list[tuple[str, str]]]:
    """Path and raw query pairs of a request target; nothing is decoded."""
    path, _, query = target.partition("?")
    pairs = [part.partition("=") for part in query.split("&") if part]
    return path, [(name, value) for name, _, value in pairs]


def is_signed(
    request: Request,
    path: str,
    query: list[tuple[str, str]],
    *,
    keys: tuple[str, str],
    now: datetime,
    max_skew: timedelta,
) -> bool:
    """Whether the C2 signature holds over the raw query and body, at about `now`."""
    access_key, secret_key = keys
    return verify_c2(
        request.headers.get("authorization", ""),
        method=request.method,
        path=path,
        query=query,
        headers=request.headers,
        body=request.body,
        access_key=access_key,
        secret_key=secret_key,
        now=now,
        max_skew=max_skew,
    )
