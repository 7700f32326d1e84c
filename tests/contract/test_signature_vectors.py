"""The three signature examples of the reference (section 2.7), step by step."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from isales_proxy.client.auth import (
    Credentials,
    Request,
    c2_header,
    canonical_request,
    signature_prefix,
    verify_c2,
)
from tests.support.cases import cases

ACCESS_KEY = "EXAMPLEAK0001"
SECRET_KEY = "ExampleSecretKey-0001"
NOW = datetime(2025, 6, 1, 8, 0, tzinfo=UTC)
PREFIX = "auth-v2/EXAMPLEAK0001/2025-06-01T08:00:00Z/"
HEADERS = {
    "Host": "isales.example.com:28443",
    "Content-Type": "application/json; charset=UTF-8",
}

A: dict[str, Any] = {
    "request": {
        "method": "POST",
        "path": "/rest/isales/v1/openapi/campaigns/1/appoint/list",
        "query": [],
        "headers": HEADERS,
        "body": b'{"limit":10,"offset":0,"taskId":"1106025109"}',
    },
    "signed": ("host",),
    "names": "host",
    "length": 166,
    "sha256": "8a4f452193c8a2798914fba223deb0762c40388c5076235b18e2364af41340ec",
    "signature": "1606c0ab4e07b8e170ab424d1f99f6eed40ff4b98685b54ab14d750e36e7d043",
}
B: dict[str, Any] = {
    "request": {
        "method": "GET",
        "path": "/rest/isales/v1/openapi/campaigns/1/queryOBSResultCode",
        "query": [("pageSize", "50"), ("pageNum", "1")],
        "headers": HEADERS,
        "body": b"",
    },
    "signed": ("host",),
    "names": "host",
    "length": 118,
    "sha256": "c179728b04b39efa04de49aa8c10cad4ffa60879d7cdbec998fafa9431df3f8b",
    "signature": "b1fa8de8315b8277a9914b9f7c0ba4a731cf8fa73dd0b3a15e1e9983d7fdf593",
}
C: dict[str, Any] = {
    "request": {
        "method": "POST",
        "path": "/rest/isales/v1/openapi/campaigns/1/appoint/list",
        "query": [],
        "headers": HEADERS,
        "body": '{"calledNo":"+65 8123 4567","limit":10,"offset":0,"remark":"预约"}'.encode(),
    },
    "signed": ("host", "content-type"),
    "names": "content-type;host",
    "length": 285,
    "sha256": "74dee8884ad3358fd7bd4275b31a5ec12bbcc1e863e2b607b266a167594225df",
    "signature": "48f4dd3552e217ce6739428c6ddb06ec4aaef92391181369e7784158916d15f9",
}

vectors = pytest.mark.parametrize("vector", [A, B, C], ids=["A", "B", "C"])


def sign(vector: dict[str, Any], **changes: Any) -> str:
    request = Request(**{**vector["request"], **changes})
    return c2_header(request, Credentials(ACCESS_KEY, SECRET_KEY), NOW, vector["signed"])


def verify(vector: dict[str, Any], header: str, **changes: Any) -> bool:
    keys = Credentials(changes.pop("access_key", ACCESS_KEY), changes.pop("secret_key", SECRET_KEY))
    now = changes.pop("now", NOW)
    return verify_c2(header, Request(**{**vector["request"], **changes}), keys, now)


@vectors
def test_prefix_equals_the_documented_one(vector: dict[str, Any]) -> None:
    assert signature_prefix(ACCESS_KEY, NOW, vector["signed"]) == PREFIX + vector["names"]


@vectors
def test_canonical_request_equals_the_documented_one(vector: dict[str, Any]) -> None:
    text = canonical_request(Request(**vector["request"]), vector["signed"]).encode()
    assert len(text) == vector["length"]
    assert hashlib.sha256(text).hexdigest() == vector["sha256"]


@vectors
def test_authorization_header_equals_the_documented_one(vector: dict[str, Any]) -> None:
    assert sign(vector) == f"{PREFIX}{vector['names']}/{vector['signature']}"


def test_order_of_the_query_does_not_matter() -> None:
    assert sign(B, query=[("pageNum", "1"), ("pageSize", "50")]) == sign(B)


def test_local_time_and_fractions_are_signed_as_whole_utc_seconds() -> None:
    zone = timezone(timedelta(hours=8))
    assert signature_prefix("AK", NOW.astimezone(zone).replace(microsecond=999_999)) == (
        "auth-v2/AK/2025-06-01T08:00:00Z/host"
    )


@vectors
def test_verification_accepts_a_valid_signature(vector: dict[str, Any]) -> None:
    assert verify(vector, sign(vector))


@cases(
    "change",
    [
        {"method": "PUT"},
        {"path": "/rest/isales/v1/openapi/campaigns/2/appoint/list"},
        {"query": [("a", "")]},
        {"headers": {"Host": "isales.example.com"}},
        {"headers": {}},
        {"body": A["request"]["body"] + b" "},
        {"secret_key": "another"},
        {"access_key": "ANOTHER"},
        {"now": NOW + timedelta(minutes=16)},
        {"now": NOW - timedelta(minutes=16)},
    ],
)
def test_verification_refuses_any_difference(change: dict[str, Any]) -> None:
    assert not verify(A, sign(A), **change)


@cases(
    "header",
    [
        "",
        "Bearer x",
        "auth-v2/EXAMPLEAK0001/2025-06-01T08:00:00Z/host",
        "auth-v2/EXAMPLEAK0001/2025-06-01T08:00:00Z/host/" + "0" * 64,
        "auth-v2/EXAMPLEAK0001/2025-06-01T08:00:00Z/content-type/" + A["signature"],
        "auth-v2/EXAMPLEAK0001/2025-99-01T08:00:00Z/host/" + A["signature"],
        "auth-v2/预约/2025-06-01T08:00:00Z/host/" + A["signature"],
    ],
)
def test_verification_refuses_malformed_headers(header: str) -> None:
    assert not verify(A, header)
