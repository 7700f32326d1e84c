"""Refused requests are logged by one line, without traceback and level error."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from dashboard.logs import OneLineFilter
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.support.cases import cases

LIST = "/vdn/88/reservations/"
API = "/api/v1/vdns/88"
LINE = re.compile(r"^\S+Z \[(\w+) *\] (\w+)", re.MULTILINE)
BROKEN = "multipart/form-data; boundary=\x00"

REFUSED: list[tuple[int, Callable[[Client], Any]]] = [
    (403, lambda client: client.get("/vdn/88/audit/")),
    (403, lambda client: client.get(f"{API}/write-backs/")),
    (404, lambda client: client.get("/nothing/")),
    (404, lambda client: client.get("/vdn/89/reservations/")),
    (405, lambda client: client.put(LIST)),
    (405, lambda client: client.put(f"{API}/reservations/")),
    (422, lambda client: client.get(LIST, {"page": "x"})),
    (422, lambda client: client.get(f"{API}/reservations/", {"page": "x"})),
    (400, lambda client: client.post(f"{LIST}seen/", "x", content_type=BROKEN)),
    (400, lambda client: client.get("/", headers={"host": "evil.example"})),
]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Collect the lines of the product's log handler."""
    (handler,) = (
        each
        for each in logging.getLogger().handlers
        if isinstance(each, logging.StreamHandler)
        and any(isinstance(rule, OneLineFilter) for rule in each.filters)
    )
    written = io.StringIO()
    before = handler.setStream(written)
    yield written
    handler.setStream(before)


def empty(log: io.StringIO) -> None:
    log.seek(0)
    log.truncate()


@cases(("status", "ask"), REFUSED)
def test_refused_request_logs_one_warning_without_traceback(
    vendor: Simulator, as_role: Any, log: io.StringIO, status: int, ask: Callable[[Client], Any]
) -> None:
    client = as_role("agent")
    empty(log)
    assert ask(client).status_code == status
    written_log = log.getvalue()
    assert "Traceback" not in written_log
    assert [level for level, _event in LINE.findall(written_log)] == ["warning"], written_log


@pytest.mark.parametrize("address", [LIST, f"{API}/reservations/"])
def test_unreachable_vendor_is_logged_as_a_warning(
    vendor: Simulator, as_role: Any, log: io.StringIO, address: str
) -> None:
    client = as_role("supervisor")
    vendor.faults.add("reset", operation=LIST_RESERVATIONS, times=None)
    empty(log)
    assert client.get(address).status_code == 503
    lines = LINE.findall(log.getvalue())
    assert {level for level, _event in lines} == {"warning"}
    assert [event for _level, event in lines].count("request_finished") == 1
    assert {event for _level, event in lines} <= {
        *("vendor_called", "vendor_circuit", "request_finished"),
    }


def test_unexpected_exception_is_logged_with_its_traceback(
    vendor: Simulator, as_role: Any, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = as_role("supervisor")
    client.raise_request_exception = False
    monkeypatch.setattr("isales_proxy.reservations.services.choose_source", None)
    empty(log)
    assert client.get(LIST).status_code == 500
    written_log = log.getvalue()
    assert "Traceback" in written_log
    assert "error" in [level for level, _event in LINE.findall(written_log)]
