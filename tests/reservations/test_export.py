"""The reservations list as a file: complete and in the list's order, or refused."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from django.db import OperationalError
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from isales_proxy.exports import services as exports
from isales_proxy.models import AuditAction, AuditEvent, ExportJob, ExportState
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.support.numbers import found_in
from tests.support.pages import rows_of

LIST = "/vdn/88/reservations/"
CSV, XLSX = f"{LIST}export.csv", f"{LIST}export.xlsx"


@pytest.fixture
def supervisor(vendor: Simulator, as_role: Any) -> Client:
    found: Client = as_role("supervisor")
    return found


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.reservations.export_file.MOST_AT_ONCE", 100)


def parse_rows(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.content.decode()
    text = answer.getvalue().decode("utf-8-sig")
    answer.close()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def read_list(client: Client, **query: str) -> list[dict[str, str]]:
    """Return the rows of every page of the list."""
    found: list[dict[str, str]] = []
    while True:
        page = str(len(found) // 100 + 1)
        rows = rows_of(client.get(LIST, {**query, "size": "100", "page": page}).content.decode())
        found += rows
        if len(rows) < 100:
            return found


def get_compared_values(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row.get(name, "").lstrip("'") for name in ("Called number", "Agent account"))


def get_list_values(row: dict[str, str]) -> tuple[str, ...]:
    return row["calledNo"].strip().replace("—", ""), row.get("userAccount", "").replace("—", "")


@given(
    begin=st.sampled_from(["", "2020-01-01T00:00"]),
    role=st.sampled_from(["supervisor", "auditor", "admin"]),
    agent=st.sampled_from(["", "116", "117,116"]),
)
@bounds(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_file_has_the_rows_of_the_list_in_its_order(
    vendor: Simulator, as_role: Any, begin: str, role: str, agent: str
) -> None:
    client, query = as_role(role), {"begin": begin, "agent": agent}
    listed = read_list(client, **query)
    assert listed
    assert [get_compared_values(row) for row in parse_rows(client.get(CSV, query))] == list(
        map(get_list_values, listed)
    )


def test_file_has_every_row_once_and_is_described_and_recorded(supervisor: Client) -> None:
    answer = supervisor.get(CSV)
    assert answer.headers["X-Row-Count"] == "600"
    assert "vdn-88" in answer.headers["Content-Disposition"]
    assert "VDN: 88 Support" in unquote(answer.headers["X-Export-Facts"])
    assert len(parse_rows(answer)) == 600
    (event,) = AuditEvent.objects.filter(action=AuditAction.RESERVATIONS_EXPORTED)
    assert (event.detail["rows"], event.detail["kind"]) == (600, "csv")


def test_workbook_has_typed_cells_a_frozen_header_and_no_formula(supervisor: Client) -> None:
    answer: Any = supervisor.get(XLSX)
    with zipfile.ZipFile(io.BytesIO(answer.getvalue())) as book:
        sheets = [book.read(f"xl/worksheets/sheet{number}.xml").decode() for number in (1, 2)]
    answer.close()
    assert all("<f>" not in sheet for sheet in sheets)
    assert 'state="frozen"' in sheets[0]
    assert "<autoFilter" in sheets[0]
    assert "88 Support" in sheets[1]
    rows = ElementTree.fromstring(sheets[0]).findall(".//{*}row")  # noqa: S314
    assert len(rows) == 601
    first = list(rows[1])
    # A time is a number with a format, a called number is text.
    assert first[0].get("t") is None
    assert first[1].get("t") == "inlineStr"


def test_number_is_masked_in_the_file_and_in_its_facts(
    vendor: Simulator, as_role: Any, settings: Any
) -> None:
    number = "13800138001"
    vendor.add_rows(88, [{"appointId": "41", "calledNo": number, "userAccount": "116"}])
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=frozenset())
    answer: Any = as_role("supervisor").get(CSV, {"called_no": number})
    facts = unquote(answer.headers["X-Export-Facts"])
    (row,) = parse_rows(answer)
    assert "138" in row["Called number"]
    assert not found_in([str(row), facts], {number})


def test_agent_may_not_export(vendor: Simulator, as_role: Any) -> None:
    agent = as_role("agent")
    assert agent.get(CSV).status_code == 403
    assert b"export.csv" not in agent.get(LIST).content


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_vendor_failure_during_an_export_gives_a_notice_and_no_file(
    supervisor: Client, vendor: Simulator, kind: str
) -> None:
    vendor.faults.add("reset", operation=LIST_RESERVATIONS, times=None, from_call=3)
    answer = supervisor.get(f"{LIST}export.{kind}")
    assert answer.status_code == 503
    assert "attachment" not in answer.headers.get("Content-Disposition", "")
    assert 'data-problem="upstream-unavailable"' in answer.content.decode()
    assert not AuditEvent.objects.filter(action=AuditAction.RESERVATIONS_EXPORTED)


def test_list_that_changes_once_is_read_again(supervisor: Client, vendor: Simulator) -> None:
    vendor.faults.add("wrong_total", operation=LIST_RESERVATIONS, times=1, from_call=4)
    assert len(parse_rows(supervisor.get(CSV))) == 600


def test_list_that_keeps_changing_is_refused(supervisor: Client, vendor: Simulator) -> None:
    for call in (4, 9, 10, 11, 12):
        vendor.faults.add("wrong_total", operation=LIST_RESERVATIONS, times=1, from_call=call)
    answer = supervisor.get(CSV)
    assert answer.status_code == 409
    assert 'data-problem="list-changed"' in answer.content.decode()


def test_row_returned_twice_is_refused(supervisor: Client, vendor: Simulator) -> None:
    vendor.add_rows(88, [{"appointId": "41", "calledNo": "1"}, {"appointId": "41"}])
    assert supervisor.get(CSV).status_code == 409


def test_long_list_is_exported_by_a_job(
    supervisor: Client, as_role: Any, small_files: None
) -> None:
    answer = supervisor.get(CSV)
    assert answer.status_code == 303
    page = answer.headers["Location"]
    assert supervisor.get(CSV).headers["Location"] == page
    assert 'data-state="queued"' in supervisor.get(page).content.decode()
    exports.run_queued()
    assert 'data-state="done"' in supervisor.get(page).content.decode()
    file = supervisor.get(f"{page}file/")
    assert "VDN: 88 Support" in unquote(file.headers["X-Export-Facts"])
    assert len(parse_rows(file)) == 600
    assert AuditEvent.objects.filter(action=AuditAction.RESERVATIONS_DOWNLOADED).count() == 1
    for path in (page, f"{page}file/"):
        assert as_role("admin").get(path).status_code == 404
        assert as_role("agent").get(path).status_code == 404


def test_file_of_a_job_is_private_and_expires_after_a_day(
    clock: Any, supervisor: Client, as_role: Any, small_files: None, tmp_path: Path
) -> None:
    page = supervisor.get(XLSX).headers["Location"]
    exports.run_queued()
    (path,) = (tmp_path / "exports").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    job = ExportJob.objects.get()
    clock.move_to(job.ends_at)
    assert as_role("supervisor").get(f"{page}file/").status_code == 404
    assert exports.purge(job.ends_at) == 1


def test_file_of_a_job_is_withheld_once_its_owner_loses_number_access(
    supervisor: Client, small_files: None, settings: Any
) -> None:
    page = supervisor.get(CSV).headers["Location"]
    exports.run_queued()
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=frozenset())
    assert supervisor.get(f"{page}file/").status_code == 303


def test_cancelled_job_writes_no_file_and_can_be_started_again(
    supervisor: Client, small_files: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = supervisor.get(CSV).headers["Location"]
    real = exports._renderers["reservations"]

    def cancelled_midway(request: Any) -> Any:
        ExportJob.objects.update(state=ExportState.CANCELLED)
        return real(request)

    monkeypatch.setitem(exports._renderers, "reservations", cancelled_midway)
    exports.run_queued()
    assert 'data-state="cancelled"' in supervisor.get(page).content.decode()
    assert not list((tmp_path / "exports").iterdir())
    monkeypatch.setitem(exports._renderers, "reservations", real)
    assert supervisor.post(f"{page}restart/").status_code == 303
    exports.run_queued()
    assert len(parse_rows(supervisor.get(f"{page}file/"))) == 600


def test_job_of_a_dead_worker_is_shown_as_abandoned_and_can_be_restarted(
    clock: Any, supervisor: Client, small_files: None
) -> None:
    page = supervisor.get(CSV).headers["Location"]
    ExportJob.objects.update(state=ExportState.RUNNING, attempt=1)
    clock.shift(120)
    assert 'data-state="abandoned"' in supervisor.get(page).content.decode()
    supervisor.post(f"{page}restart/")
    exports.run_queued()
    assert 'data-state="done"' in supervisor.get(page).content.decode()


def test_job_that_cannot_be_recorded_leaves_no_file(
    supervisor: Client, small_files: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor.get(CSV)

    def lose_database(*_: object, **__: object) -> bool:
        raise OperationalError("away")

    monkeypatch.setattr(exports, "_update", lose_database)
    with pytest.raises(OperationalError):
        exports.run_queued()
    assert not list((tmp_path / "exports").iterdir())


def test_failed_job_shows_its_reason(
    supervisor: Client, vendor: Simulator, small_files: None, tmp_path: Path
) -> None:
    page = supervisor.get(CSV).headers["Location"]
    vendor.stop()
    exports.run_queued()
    text = supervisor.get(page).content.decode()
    assert 'data-state="failed"' in text
    assert "CC-iSales cannot be reached" in text
    assert not list((tmp_path / "exports").iterdir())
