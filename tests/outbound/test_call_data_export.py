"""Export of call data: all rows of the filter as text that no spreadsheet executes."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from dashboard.ui import exports
from isales_proxy.models import AuditEvent, CallDataBatch
from isales_proxy.simulator import Simulator
from tests.support.call_data import NUMBER, ROW, TASK, UNIQUE_ID, scope_of, take
from tests.support.cases import cases

PAGE = f"/vdn/88/tasks/{TASK}/"
EXPORT = f"{PAGE}call-data/export"
KINDS = ["csv", "xlsx"]
SPREADSHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
FORMULAS = ["=1+1", "+1+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1+1", "=cmd|' /C calc'!A0"]


def body_of(answer: Any) -> bytes:
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def read_csv(body: bytes) -> list[list[str]]:
    assert body.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def cells_of(body: bytes) -> list[Any]:
    with zipfile.ZipFile(io.BytesIO(body)) as book:
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - our own file
    return list(sheet.iter(f"{SPREADSHEET}c"))


def read_xlsx(body: bytes) -> list[list[str]]:
    rows: dict[str, dict[str, str]] = {}
    for cell in cells_of(body):
        column, row = re.fullmatch(r"([A-Z]+)(\d+)", cell.get("r")).groups()  # type: ignore[union-attr]
        rows.setdefault(row, {})[column] = "".join(cell.itertext())
    return [[row.get(column, "") for column in "ABCDEFGHIJ"] for row in rows.values()]


READERS = {"csv": read_csv, "xlsx": read_xlsx}


@pytest.fixture
def supervisor(vendor: Simulator, as_role: Any) -> Any:
    return as_role("supervisor")


@cases("kind", KINDS)
def test_file_contains_the_rows(supervisor: Any, vendor: Simulator, people: Any, kind: str) -> None:
    vendor.call_data.put(88, TASK, [ROW | {"callData": 'two\nlines, "quoted", 预约'}])
    batch = take(scope_of(people), count=1).batch
    answer = supervisor.get(f"{EXPORT}.{kind}")
    heading, row = READERS[kind](body_of(answer))
    assert heading[5:] == ["Batch", "Taken at (Asia/Shanghai)", "Row", "Task ID", "Task"]
    asked = batch.asked_at.astimezone(ZoneInfo("Asia/Shanghai"))
    assert row == [
        f"+{NUMBER}; 0012345" if kind == "xlsx" else f"'+{NUMBER}; 0012345",
        UNIQUE_ID,
        "710002",
        'two\nlines, "quoted", 预约' if kind == "xlsx" else 'two↵lines, "quoted", 预约',
        str(ROW["ieData"]),
        str(batch.pk),
        # A workbook has times and counts as such.
        row[6] if kind == "xlsx" else f"{asked:%Y-%m-%d %H:%M:%S}",
        "1",
        TASK,
        "",
    ]


@cases("kind", KINDS)
def test_file_contains_all_rows_of_the_filter(
    supervisor: Any, vendor: Simulator, people: Any, kind: str
) -> None:
    scope = scope_of(people)
    take(scope, count=40)
    vendor.call_data.put(88, TASK, [ROW])
    batch = take(scope, count=3).batch
    for query, count in (("", 43), (f"?batch={batch.pk}", 3), (f"?q={NUMBER}", 1), ("?q=~~", 0)):
        text = supervisor.get(f"{PAGE}{query}&size=10" if query else PAGE).content.decode()
        assert f'data-total-count="{count}"' in text
        answer = supervisor.get(f"{EXPORT}.{kind}{query}")
        assert answer.headers["X-Row-Count"] == str(count)
        assert len(READERS[kind](body_of(answer))) == count + 1


@cases("kind", KINDS)
def test_page_links_to_the_file_of_its_filter(
    supervisor: Any, vendor: Simulator, people: Any, kind: str
) -> None:
    vendor.call_data.put(88, TASK, [ROW])
    batch = take(scope_of(people), count=4).batch
    for page in (f"{PAGE}?q={NUMBER}", f"{PAGE}call-data/{batch.pk}/?q={NUMBER}"):
        text = supervisor.get(page).content.decode()
        link = re.search(rf'href="([^"]+export\.{kind}[^"]*)"', text)
        assert link
        rows = READERS[kind](body_of(supervisor.get(link[1].replace("&amp;", "&"))))
        assert [row[1] for row in rows[1:]] == [UNIQUE_ID]


@cases("kind", KINDS)
def test_file_name_contains_no_number(
    supervisor: Any, vendor: Simulator, people: Any, kind: str
) -> None:
    take(scope_of(people), count=1)
    answer = supervisor.get(f"{EXPORT}.{kind}?q={NUMBER}")
    answer.close()
    assert re.fullmatch(
        rf'attachment; filename="call-data-vdn-88-[\d-]+-UTC[+]\d{{4}}-\d+-rows\.{kind}"',
        answer.headers["Content-Disposition"],
    )
    assert answer.headers["Cache-Control"] == "private, no-store"


@cases("kind", KINDS)
def test_export_is_recorded_in_the_audit(
    supervisor: Any, vendor: Simulator, people: Any, kind: str
) -> None:
    vendor.call_data.put(88, TASK, [ROW])
    take(scope_of(people), count=2)
    body_of(supervisor.get(f"{EXPORT}.{kind}?q={NUMBER}"))
    event = AuditEvent.objects.first()
    assert event is not None
    assert (event.action, event.actor, event.subject) == (
        "call_data.exported",
        "supervisor",
        TASK,
    )
    assert event.detail == {
        "rows": 1,
        "kind": kind,
        "batch": None,
        "searched": True,
        "masked": False,
    }
    assert NUMBER not in str(event.detail)


def test_workbook_cells_are_text(supervisor: Any, vendor: Simulator, people: Any) -> None:
    texts = [*FORMULAS, "https://example.com", "1e5", "007", "internal:Sheet2!A1"]
    vendor.call_data.put(88, TASK, [ROW | {"callData": text} for text in texts])
    take(scope_of(people), count=len(texts))
    body = body_of(supervisor.get(f"{EXPORT}.xlsx"))
    for cell in cells_of(body):
        if (cell.get("r") or "")[0] not in "FGH":
            assert cell.get("t") in {"inlineStr", "s"}
        assert cell.find(f"{SPREADSHEET}f") is None
    found = [row[3].removeprefix("'") for row in read_xlsx(body)[1:]]
    assert [text.strip() for text in found] == [text.strip() for text in texts]


def test_csv_cells_are_no_formulas(supervisor: Any, vendor: Simulator, people: Any) -> None:
    vendor.call_data.put(88, TASK, [ROW | {"callData": text} for text in FORMULAS])
    take(scope_of(people), count=len(FORMULAS))
    rows = read_csv(body_of(supervisor.get(f"{EXPORT}.csv")))[1:]
    assert len(rows) == len(FORMULAS)
    for row in rows:
        assert row[3].lstrip().startswith("'")
        assert row[0] == f"'+{NUMBER}; 0012345"


def test_text_too_long_for_a_workbook_is_refused(
    supervisor: Any, vendor: Simulator, people: Any
) -> None:
    table = exports.ExportTable("x", ["a"], iter([["y" * 32_768]]), 1)
    with pytest.raises(exports.TooManyRows):
        exports.render(table, "xlsx")
    with pytest.raises(exports.TooManyRows):
        exports.render(exports.ExportTable("x", ["a"], iter(()), 1_048_576), "xlsx")
    rows = read_csv(
        b"".join(exports.render(exports.ExportTable("x", ["a"], [["y" * 40_000]], 1), "csv"))
    )  # type: ignore[arg-type]
    assert len(rows[1][0]) == 40_000


@cases("kind", KINDS)
@cases(("role", "status"), [("agent", 403), ("auditor", 200), ("supervisor", 200), ("admin", 200)])
def test_role_decides_who_may_export(
    vendor: Simulator, as_role: Any, kind: str, role: str, status: int
) -> None:
    answer = as_role(role).get(f"{EXPORT}.{kind}")
    answer.close()
    assert answer.status_code == status
    assert as_role(role).get(f"/vdn/89/tasks/{TASK}/call-data/export.{kind}").status_code == 404


@cases("kind", KINDS)
def test_invalid_filter_gives_no_file(supervisor: Any, kind: str) -> None:
    answer = supervisor.get(f"{EXPORT}.{kind}?batch=x")
    assert answer.status_code == 422
    assert answer.headers["Content-Type"].startswith("text/html")
    assert not AuditEvent.objects.exists()


def test_export_reads_rows_in_one_query(
    supervisor: Any, vendor: Simulator, people: Any, django_assert_max_num_queries: Any
) -> None:
    scope = scope_of(people)
    for _ in range(3):
        take(scope, count=20)
    assert CallDataBatch.objects.count() == 3
    supervisor.get(PAGE)
    # Person, access rights, the length of the table, the count, the audit event in a transaction
    # with its head, the rows.
    with django_assert_max_num_queries(10):
        body_of(supervisor.get(f"{EXPORT}.csv"))
