"""Logs, headers and caches contain no called numbers, names or secrets."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import structlog

from isales_proxy.models import User
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.support.cases import cases
from tests.support.second_factor import SET_UP, log_in, set_up_app

RECOVERY_CODES = "/accounts/second-factor/recovery-codes/"
LIST = "/vdn/88/reservations/"
NUMBER = "6591234567"
NAME = "Ann Unlikely-Name"


def lines_formatter() -> logging.Formatter:
    """The formatter of the product's own log lines."""
    (formatter,) = {
        handler.formatter
        for handler in logging.getLogger().handlers
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter)
    }
    return formatter


@pytest.fixture
def row(vendor: Simulator) -> None:
    vendor.add_rows(88, [{"appointId": "41", "calledNo": NUMBER, "userName": NAME}])


@cases("kind", [None, "reset", "garbage", "business", "unauthorized", "throttle", "no_data"])
def test_no_number_is_logged(
    vendor: Simulator,
    row: None,
    as_role: Any,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    kind: str | None,
) -> None:
    client = as_role("supervisor")
    if kind == "business":
        vendor.faults.add(
            kind, operation=LIST_RESERVATIONS, times=None, desc=f"bad calledNo {NUMBER}"
        )
    elif kind is not None:
        vendor.faults.add(kind, operation=LIST_RESERVATIONS, times=None)
    with caplog.at_level(logging.DEBUG):
        for address in (LIST, "/api/v1/vdns/88/reservations/", "/nowhere/", f"{LIST}41/"):
            client.get(address, {"called_no": NUMBER})
            client.get(address, {"called_no": NUMBER, "page": "x"})
    assert caplog.records
    lines = lines_formatter()
    told = "\n".join(lines.format(record) for record in caplog.records)
    for secret in (NUMBER, NAME, settings.ISALES.secret_key, settings.ISALES.access_key):
        assert secret not in told


@cases("path", [f"{LIST}{NUMBER}/", f"/{NUMBER}/", f"/api/v1/vdns/88/{NUMBER}/"])
def test_number_in_an_address_is_not_logged(
    vendor: Simulator, as_role: Any, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    with caplog.at_level("DEBUG"):
        as_role("auditor").get(path)
    told = "\n".join(lines_formatter().format(record) for record in caplog.records)
    assert "request_finished" in told
    assert NUMBER not in told


def test_vendor_message_contains_no_number(vendor: Simulator, as_role: Any) -> None:
    vendor.faults.add(
        "business", operation=LIST_RESERVATIONS, times=None, desc=f"bad calledNo {NUMBER}"
    )
    text = as_role("supervisor").get(LIST).content.decode()
    assert "bad calledNo" in text
    assert NUMBER not in text


def test_response_headers_protect_pages(vendor: Simulator, as_role: Any) -> None:
    answer = as_role("supervisor").get(LIST)
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert answer.headers["Cache-Control"] == "private, no-store"


@cases(
    ("address", "status"),
    [
        ("/accounts/", 200),
        (SET_UP, 200),
        (RECOVERY_CODES, 200),
        ("/vdn/88/audit/", 403),
        ("/vdn/99/reservations/", 404),
        ("/nowhere/", 404),
        ("/api/schema/", 200),
    ],
)
def test_no_response_may_be_stored(
    vendor: Simulator, people: dict[str, User], address: str, status: int
) -> None:
    client = log_in("supervisor")
    if address == RECOVERY_CODES:
        set_up_app(client)
    answer = client.get(address)
    assert answer.status_code == status
    assert "no-store" in answer.headers["Cache-Control"]


@cases(
    "target",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "\n/x"],
)
def test_no_redirect_leads_to_another_site(vendor: Simulator, as_role: Any, target: str) -> None:
    client = as_role("supervisor")
    for address in ("/preferences/theme/", "/preferences/language/", "/preferences/zone/"):
        answer = client.post(address, {"next": target, "theme": "dark", "language": "en"})
        assert answer.status_code in {204, 302}
        assert "evil" not in answer.headers.get("Location", "")
        assert "javascript" not in answer.headers.get("Location", "")


def test_password_guessing_is_rate_limited(people: Any, client: Any) -> None:
    answers = [
        client.post("/accounts/login/", {"login": "supervisor", "password": f"wrong-{number}"})
        for number in range(8)
    ]
    right = client.post("/accounts/login/", {"login": "supervisor", "password": "pass-word-1"})
    assert answers[-1].status_code in {303, 429}
    assert right.status_code != 302, "the right password after many wrong ones still got in"
    unknown = client.post("/accounts/login/", {"login": "nobody", "password": "x"}, follow=True)
    assert b"nobody" not in unknown.content.replace(b'value="nobody"', b"")
