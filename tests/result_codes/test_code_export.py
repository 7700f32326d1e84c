"""The code table as a file: the same filter, all text, and audited."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

from isales_proxy.models import AuditEvent
from isales_proxy.simulator import Simulator
from tests.support.cases import cases
from tests.support.codes import PAGE

CSV, XLSX = f"{PAGE}export.csv", f"{PAGE}export.xlsx"


def table(answer: Any) -> list[list[str]]:
    body = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(body)))


def cells(answer: Any) -> str:
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as book:
        return "".join(
            book.read(name).decode() for name in book.namelist() if name.endswith(".xml")
        )


def test_every_role_can_export_the_whole_table(vendor: Simulator, as_role: Any) -> None:
    for role in ("agent", "supervisor", "auditor", "admin"):
        answer = as_role(role).get(CSV)
        assert answer.headers["X-Row-Count"] == "120"
        assert 'filename="result-codes-vdn-88-' in answer.headers["Content-Disposition"]
        assert answer.headers["Cache-Control"] == "private, no-store"
        rows = table(answer)
        assert len(rows) == 121
        assert {len(row) for row in rows} == {14}


def test_csv_file_has_the_filtered_rows(vendor: Simulator, as_role: Any) -> None:
    reader = as_role("agent")
    heads, row = table(reader.get(CSV, {"q": "00604"}))
    found = dict(zip(heads, row, strict=True))
    assert found["Code"] == "00604"
    assert found["CC-iSales says, in Chinese"] == "呼叫拒绝"
    assert found["Category"] == "Customer"
    assert found["Meaning, in English"] == "The call was rejected."
    assert found["Seen in 7 days"] == "0"
    place = heads.index("Category")
    sides = {row[place] for row in table(reader.get(CSV, {"category": "platform"}))[1:]}
    assert sides == {"Platform"}


def test_workbook_has_the_filtered_rows(vendor: Simulator, as_role: Any) -> None:
    answer = as_role("agent").get(XLSX, {"q": "00604"})
    assert answer.headers["X-Row-Count"] == "1"
    text = cells(answer)
    assert "呼叫拒绝" in text
    assert "<f>" not in text


@cases("start", ["=1+1", "+cmd|' /C calc'!A0", "@SUM(1)", "-2+3"])
def test_texts_of_the_vendor_are_no_formula(vendor: Simulator, as_role: Any, start: str) -> None:
    vendor.codes["77777"] = (start, start)
    reader = as_role("agent")
    row = table(reader.get(CSV, {"q": "77777"}))[1]
    assert row[2] == f"'{start}"
    assert "<f>" not in cells(reader.get(XLSX, {"q": "77777"}))


def test_invalid_filter_exports_nothing(vendor: Simulator, as_role: Any) -> None:
    answer = as_role("agent").get(CSV, {"state": "odd"})
    assert answer.status_code == 422
    assert not AuditEvent.objects.filter(action="codes.exported").exists()


def test_export_is_recorded_without_the_search_text(vendor: Simulator, as_role: Any) -> None:
    assert cells(as_role("supervisor").get(XLSX, {"q": "6591234567", "category": "customer"}))
    event = AuditEvent.objects.get(action="codes.exported")
    assert (event.actor, event.vdn_id) == ("supervisor", 88)
    assert event.detail == {
        "kind": "xlsx",
        "rows": 0,
        "filters": {"q": True, "category": "customer"},
    }


def test_table_of_a_foreign_vdn_cannot_be_exported(vendor: Simulator, as_role: Any) -> None:
    assert as_role("admin").get("/vdn/89/result-codes/export.csv").status_code == 404
