"""Orders that lists take, and the record of their files."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest

from isales_proxy.models import AuditEvent, TokenScope, User
from isales_proxy.simulator import Simulator
from tests.support.tokens import token_of


def read_file(client: Any, path: str, query: dict[str, str]) -> list[list[str]]:
    answer = client.get(f"{path}export.csv", query)
    assert answer.status_code == 200
    body = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(body)))[1:]


@pytest.mark.parametrize(
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
def test_an_unknown_order_is_refused(vendor: Simulator, as_role: Any, path: str) -> None:
    assert as_role("admin").get(path, {"sort": "nothing"}).status_code == 422


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


def test_masked_numbers_have_no_order(vendor: Simulator, as_role: Any, settings: Any) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=frozenset())
    client = as_role("auditor")
    assert client.get("/vdn/88/write-backs/", {"sort": "number"}).status_code == 422
    assert client.get("/vdn/88/tasks/4711/", {"sort": "numbers"}).status_code == 422
