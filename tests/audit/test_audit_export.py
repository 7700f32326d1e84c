"""Export of the audit: the events of the page, recorded, limited, and without formulas."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from typing import Any

import pytest
from django.test import Client

from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, AuditEvent, User
from tests.support.audit import write
from tests.support.audit_page import PATH
from tests.support.cases import cases

pytestmark = pytest.mark.django_db

NUMBER = "+8613800001234"
FORMULA = '=HYPERLINK("http://example.org")'


@pytest.fixture
def auditor(as_role: Any) -> Client:
    client: Client = as_role("auditor")
    return client


def rows(client: Client, **query: Any) -> list[list[str]]:
    answer = client.get(f"{PATH}export.csv", query)
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))


def test_file_has_every_event_of_the_filter(auditor: Client, people: dict[str, User]) -> None:
    write(120, vdn_id=88)
    write(1, vdn_id=89)
    asked = audit.record(
        AuditAction.ACCESS_CHANGED, by=people["admin"], vdn_id=88, subject="agent", reason="外呼",
        before={"role": "agent"}, after={"role": "admin"},
    )  # fmt: skip
    headings, first, *more = rows(auditor)
    assert len(more) == 120
    assert headings[1] == "Time (Asia/Shanghai)"
    assert first[0] == str(asked.pk)
    assert first[2:9] == [
        "VDN access changed", "person.access", "admin", "", "88", "agent", "外呼",
    ]  # fmt: skip
    assert first[9] == "Role: Agent → Admin"
    assert first[10] == asked.hash
    assert len(rows(auditor, kind="person.access")) == 2
    # A page of the list is no part of the question.
    assert len(rows(auditor, before=asked.pk)) > 120


@cases("kind", ["csv", "xlsx"])
def test_export_is_recorded(auditor: Client, kind: str) -> None:
    write(3, vdn_id=88)
    asked = {"kind": "vendor.examined", "q": "call 13800001234", "begin": "2020-01-01T00:00"}
    answer = auditor.get(f"{PATH}export.{kind}", asked)
    assert answer.headers["X-Row-Count"] == "0"
    assert re.fullmatch(
        rf'attachment; filename="audit-vdn-88-[\d-]+-UTC[+]\d{{4}}-\d+-rows\.{kind}"',
        answer.headers["Content-Disposition"],
    )
    answer.getvalue()
    (event,) = AuditEvent.objects.filter(action=AuditAction.AUDIT_EXPORTED)
    assert (event.actor, event.vdn_id) == ("auditor", 88)
    assert event.detail == {
        "kind": kind,
        "count": 0,
        "filter": {
            "actions": ["vendor.examined"],
            "text": "call •••34",
            "begin": "2019-12-31T16:00:00+00:00",
        },
    }


def test_export_by_number_contains_no_number(auditor: Client) -> None:
    found = audit.record(AuditAction.NUMBER_VIEWED, by=None, vdn_id=88, number=NUMBER)
    answer = auditor.get(f"{PATH}export.csv", {"number": NUMBER})
    text = answer.getvalue().decode()
    assert str(found.pk) in text
    assert "80000123" not in text + str(answer.headers)
    (event,) = AuditEvent.objects.filter(action=AuditAction.AUDIT_EXPORTED)
    assert event.number_key == found.number_key


def test_no_cell_is_a_formula(auditor: Client) -> None:
    audit.record(AuditAction.VENDOR_EXAMINED, by=None, vdn_id=88, subject=FORMULA, reason=FORMULA)
    line = rows(auditor)[1]
    assert line[7] == line[8] == f"'{FORMULA}"
    answer = auditor.get(f"{PATH}export.xlsx")
    with zipfile.ZipFile(io.BytesIO(answer.getvalue())) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert f"'{FORMULA}".replace('"', "&quot;") in sheet or f"'{FORMULA}" in sheet
    assert "<f>" not in sheet
    assert not re.search(r'<c [^>]*r="H2"[^>]*><v>', sheet)


def test_export_of_too_many_events_is_refused(auditor: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr("isales_proxy.audit.queries.MOST_EXPORTED", 5)
    write(6, vdn_id=88)
    answer = auditor.get(f"{PATH}export.csv")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "6 events are too many for one file, which holds 5: filter them." in page
    assert not AuditEvent.objects.filter(action=AuditAction.AUDIT_EXPORTED).exists()
    assert len(rows(auditor, q="event 3")) == 2
