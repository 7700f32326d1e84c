"""Checks of our own, loaded by schemathesis in its process."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.check
def only_the_vendor_fails(ctx: Any, response: Any, case: Any) -> None:
    """A 5xx is only ever the vendor's refusal, told with its code."""
    if response.status_code >= 500:
        body = response.json()
        assert response.status_code == 502, body
        assert body["problem"] == "upstream-refused", body
        assert body["code"], body


@schemathesis.check
def a_problem_is_a_problem(ctx: Any, response: Any, case: Any) -> None:
    """Whatever is refused is told as RFC 9457 has it, with the status of the answer."""
    if response.status_code >= 400 and case.method.upper() != "HEAD":
        assert response.headers["content-type"] == ["application/problem+json"]
        body = response.json()
        assert body["status"] == response.status_code
        assert body["title"]
        assert body["request_id"]


@schemathesis.check
def nothing_is_cached(ctx: Any, response: Any, case: Any) -> None:
    """Answers hold personal data."""
    if response.status_code < 400:
        assert "private" in response.headers["cache-control"][0]
