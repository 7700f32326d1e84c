"""Signed requests over plain http.client, independent of the client under test.

The signature is written down a second time here, from section 2 of the reference, so that
signer and verifier cannot be wrong in the same way.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from urllib.parse import quote, urlsplit

from isales_proxy.simulator import DEMO_ACCESS_KEY, DEMO_SECRET_KEY

CONTENT_TYPE = "application/json; charset=UTF-8"
LIST_PATH = "/rest/isales/v1/openapi/campaigns/{vdn}/appoint/list"
CODES_PATH = "/rest/isales/v1/openapi/campaigns/{vdn}/queryOBSResultCode"


@dataclass(frozen=True)
class Reply:
    """The response; `json` fails when the body is none."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def signature(  # one argument for each line of the canonical request
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    host: str,
    body: bytes,
    stamp: str,
    access_key: str = DEMO_ACCESS_KEY,
    secret_key: str = DEMO_SECRET_KEY,
) -> str:
    prefix = f"auth-v2/{access_key}/{stamp}/host"
    lines = [method, path]
    if query:
        pairs = sorted(f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in query)
        lines.append("&".join(pairs))
    lines += ["host", f"host:{quote(host, safe='')}", quote(body, safe="")]
    key = hmac.new(secret_key.encode(), prefix.encode(), hashlib.sha256).hexdigest()
    text = "\n".join(lines).encode()
    return f"{prefix}/{hmac.new(key.encode(), text, hashlib.sha256).hexdigest()}"


class SignedHttp:
    """One kept-alive connection to a simulator; signs at the moment it was given."""

    def __init__(self, base_url: str, now: datetime) -> None:
        self.host = urlsplit(base_url).netloc
        self.now = now
        self.connection = http.client.HTTPConnection(self.host, timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        signed_body: bytes | None = None,
        authorization: str | None = None,
        now: datetime | None = None,
    ) -> Reply:
        """Send one request; `signed_body` and `authorization` are for forging."""
        stamp = (now or self.now).strftime("%Y-%m-%dT%H:%M:%SZ")
        to_sign = body if signed_body is None else signed_body
        auth = authorization
        if auth is None:
            auth = signature(method, path, query, self.host, to_sign, stamp)
        target = path + ("?" + "&".join(f"{n}={v}" for n, v in query) if query else "")
        given = {"Content-Type": CONTENT_TYPE} if headers is None else dict(headers)
        all_headers = {"Host": self.host, "Authorization": auth, **given}
        self.connection.request(method, target, body or None, all_headers)
        response = self.connection.getresponse()
        return Reply(response.status, dict(response.getheaders()), response.read())

    def reservations(self, vdn: int | str = 88, **body: Any) -> Reply:
        """`appoint/list` with offset 0 and limit 10 unless given otherwise."""
        raw = json.dumps({"offset": 0, "limit": 10, **body}).encode()
        return self.send("POST", LIST_PATH.format(vdn=vdn), body=raw)

    def codes(self, page: object = 1, size: object = 50, locale: str | None = None) -> Reply:
        """A page of `queryOBSResultCode`."""
        headers = {"Content-Type": CONTENT_TYPE} | ({"locale": locale} if locale else {})
        return self.send(
            "GET",
            CODES_PATH.format(vdn=88),
            query=[("pageSize", str(size)), ("pageNum", str(page))],
            headers=headers,
        )
