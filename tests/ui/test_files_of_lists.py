"""A file of a list has the rows of the list, in its order, for every question and role."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from isales_proxy.models import AuditEvent, User
from isales_proxy.simulator import Simulator
from tests.support.outbox import outbox_of

SETTINGS = hypothesis.settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read_file(client: Any, path: str, query: dict[str, str]) -> list[list[str]]:
    answer = client.get(f"{path}export.csv", query)
    assert answer.status_code == 200
    body = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(body)))[1:]


def read_list(client: Any, path: str, query: dict[str, str], attribute: str) -> list[str]:
    text = client.get(path, query).content.decode()
    return re.findall(rf'<tr [^>]*{attribute}="([^"]*)"', text)


@SETTINGS
@given(
    role=st.sampled_from(["agent", "supervisor", "auditor", "admin"]),
    q=st.sampled_from(["", "the", "0060", "busy", "nothing-of-this"]),
    category=st.sampled_from(["", "customer", "network"]),
    key=st.sampled_from(["code", "says", "meaning", "category", "seen", "listed"]),
    sign=st.sampled_from(["", "-"]),
)
def test_file_of_codes_equals_the_list(
    vendor: Simulator, as_role: Any, role: str, q: str, category: str, key: str, sign: str
) -> None:
    client, path = as_role(role), "/vdn/88/result-codes/"
    query = {"q": q, "category": category, "sort": f"{sign}{key}"}
    shown = read_list(client, path, query, "data-code")
    assert [row[0] for row in read_file(client, path, query)] == shown


@SETTINGS
@given(
    role=st.sampled_from(["supervisor", "auditor", "admin"]),
    q=st.sampled_from(["", "u-", "u-2"]),
    key=st.sampled_from(["created", "task", "unique", "number", "result", "state"]),
    sign=st.sampled_from(["", "-"]),
)
def test_file_of_write_backs_equals_the_list(
    vendor: Simulator,
    people: dict[str, User],
    as_role: Any,
    role: str,
    q: str,
    key: str,
    sign: str,
) -> None:
    outbox = outbox_of(people)
    for name in ("u-1", "u-2", "u-3"):
        outbox.write(name)
    client, path = as_role(role), "/vdn/88/write-backs/"
    query = {"q": q, "sort": f"{sign}{key}", "size": "100"}
    page = client.get(path, query)
    if page.status_code == 422:
        # The order of masked numbers, in both.
        assert client.get(f"{path}export.csv", query).status_code == 422
        return
    text = page.content.decode()
    shown = re.findall(r'data-field="uniqueId"[^>]*><a [^>]*>([^<]*)</a>', text)
    rows = read_file(client, path, query)
    assert shown
    assert [row[4] for row in rows] == shown
    numbers = re.findall(r'data-field="phoneNumber"[^>]*>([^<]*)<', text)
    assert [row[5].removeprefix("'") for row in rows] == numbers


@pytest.mark.parametrize(
    "path", ["result-codes", "write-backs", "tasks", "audit", "settings", "tasks/4711"]
)
def test_an_unknown_order_is_refused(vendor: Simulator, as_role: Any, path: str) -> None:
    client = as_role("admin")
    assert client.get(f"/vdn/88/{path}/", {"sort": "nothing"}).status_code == 422


@pytest.mark.parametrize("part", ["people", "tokens"])
def test_files_of_the_settings_page_are_recorded(
    vendor: Simulator, as_role: Any, part: str
) -> None:
    rows = read_file(as_role("admin"), f"/vdn/88/settings/{part}/", {})
    event = AuditEvent.objects.filter(action__endswith=".exported").get()
    assert event.detail == {"kind": "csv", "rows": len(rows)}


def test_masked_numbers_have_no_order(vendor: Simulator, as_role: Any, settings: Any) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=frozenset())
    client = as_role("auditor")
    assert client.get("/vdn/88/write-backs/", {"sort": "number"}).status_code == 422
    assert client.get("/vdn/88/tasks/4711/", {"sort": "numbers"}).status_code == 422
