"""Orders of lists, and the audit and the facts of their files."""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF8
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest

from isales_proxy.models import AuditEvent, TokenScope, User
from isales_proxy.simulator import Simulator
from tests.support.cases import cases
from tests.support.files import read_workbook
from tests.support.numbers import found_in
from tests.support.tokens import token_of

AUDIT = "/vdn/88/audit/"


def read_file(client: Any, path: str, query: dict[str, str]) -> list[list[str]]:
    answer = client.get(f"{path}export.csv", query)
    assert answer.status_code == 200
    body = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(body)))[1:]


@cases(
    "path",
    [
        "/vdn/88/result-codes/",
        "/vdn/88/write-backs/",
        "/vdn/88/tasks/",
        "/vdn/88/tasks/4711/",
        "/vdn/88/tasks/4711/batches/",
        "/vdn/88/audit/",
        "/vdn/88/settings/",
        "/accounts/sessions/",
        "/accounts/tokens/",
    ],
)
def test_unknown_order_is_refused(vendor: Simulator, as_role: Any, path: str) -> None:
    assert as_role("admin").get(path, {"sort": "nothing"}).status_code == 422


def test_times_of_a_workbook_are_not_rounded_up(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    User.objects.update(last_login=datetime(2026, 5, 4, 4, 59, 59, 999_000, UTC))
    answer = admin.get("/vdn/88/settings/people/export.xlsx")
    rows = read_workbook(answer.getvalue())[1:]
    answer.close()
    assert {row[-1] for row in rows} == {"2026-05-04 12:59:59"}


@pytest.mark.parametrize(
    ("path", "counted"),
    [
        ("/vdn/88/settings/people/", "rows"),
        ("/vdn/88/settings/tokens/", "rows"),
        ("/vdn/88/tasks/4711/batches/", "batches"),
        ("/accounts/tokens/", "rows"),
    ],
)
def test_files_of_our_own_tables_are_recorded(
    vendor: Simulator, people: dict[str, User], as_role: Any, path: str, counted: str
) -> None:
    token_of(people["admin"], TokenScope.READ)
    rows = read_file(as_role("admin"), path, {})
    event = AuditEvent.objects.filter(action__endswith=".exported").get()
    assert event.detail == {"kind": "csv", counted: len(rows)}


def test_byte_order_mark_can_be_left_out(vendor: Simulator, as_role: Any) -> None:
    client, path = as_role("admin"), "/vdn/88/result-codes/export.csv"
    marked = client.get(path).getvalue()
    assert marked.startswith(BOM_UTF8)
    assert client.get(path, {"bom": "0"}).getvalue() == marked.removeprefix(BOM_UTF8)


def test_export_header_describes_the_file(vendor: Simulator, as_role: Any) -> None:
    answer = as_role("auditor").get("/vdn/88/audit/export.csv", {"kind": "session.begun"})
    facts = unquote(answer.headers["X-Export-Facts"])
    for fact in ("VDN: 88 Support", "Filter: Event types Logged in", "Exported by: auditor"):
        assert fact in facts
    assert "Time zone: Asia/Shanghai (UTC+08:00)" in facts


@pytest.mark.parametrize(
    ("path", "name"),
    [("/vdn/88/write-backs/", "q"), ("/vdn/88/tasks/4711/call-data/", "q"), (AUDIT, "number")],
)
def test_export_header_does_not_contain_the_searched_number(
    vendor: Simulator, as_role: Any, settings: Any, path: str, name: str
) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=frozenset())
    answer = as_role("auditor").get(f"{path}export.csv", {name: "13800138001"})
    assert answer.status_code == 200
    facts = unquote(answer.headers["X-Export-Facts"])
    assert "No filters" not in facts
    assert not found_in([facts, answer.headers["Content-Disposition"]], {"13800138001"})


def test_masked_numbers_cannot_be_sorted(vendor: Simulator, as_role: Any, settings: Any) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=frozenset())
    client = as_role("auditor")
    assert client.get("/vdn/88/write-backs/", {"sort": "number"}).status_code == 422
    assert client.get("/vdn/88/tasks/4711/", {"sort": "numbers"}).status_code == 422
