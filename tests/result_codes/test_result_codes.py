"""Refresh of the code table: it reports the changes, and a failure changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from huey.contrib.djhuey import HUEY
from time_machine import Traveller

from isales_proxy.client.errors import ISalesError
from isales_proxy.core.locks import AlreadyRunning
from isales_proxy.models import ResultCode, Vdn
from isales_proxy.result_codes import book as code_book
from isales_proxy.result_codes import refresh
from isales_proxy.result_codes import services as result_codes
from isales_proxy.simulator import LIST_RESULT_CODES, Simulator
from tests.support.cases import cases

LIST = "/vdn/88/reservations/"


@pytest.fixture
def vdn(people: Any) -> Vdn:
    return Vdn.objects.get(pk=88)


@pytest.fixture(autouse=True)
def _no_old_jobs() -> None:
    HUEY.flush()


def table(vdn: Vdn) -> list[tuple[Any, ...]]:
    return list(
        ResultCode.objects.filter(vdn=vdn).values_list("code", "text_en", "text_zh", "gone_at")
    )


def test_both_languages_and_the_known_category_are_stored(vendor: Simulator, vdn: Vdn) -> None:
    report = result_codes.refresh_unattended(vdn=vdn, by="test")
    assert report.counts() == {"kept": 0, "added": 120, "reworded": 0, "removed": 0}
    row = ResultCode.objects.get(vdn=vdn, code="00604")
    assert (row.text_en, row.text_zh) == ("The call is rejected.", "呼叫拒绝")
    meaning = code_book.get_book(Vdn.objects.get(pk=88)).get("00604")
    assert meaning is not None
    assert meaning.explained.category == "customer"
    assert {call.headers.get("locale") for call in vendor.calls} == {"zh_CN", "en_US"}
    assert all(call.verified for call in vendor.calls)


def test_refresh_reports_the_number_of_changes(vendor: Simulator, vdn: Vdn) -> None:
    result_codes.refresh_unattended(vdn=vdn, by="test")
    vendor.codes["70001"] = ("Added one", "新增一")
    vendor.codes["70002"] = ("Added two", "新增二")
    vendor.codes["00604"] = ("The call was turned down.", "呼叫拒绝")
    vendor.codes.pop("00003", None)
    report = result_codes.refresh_unattended(vdn=vdn, by="test")
    assert report.counts() == {"kept": 118, "added": 2, "reworded": 1, "removed": 1}


def test_removed_code_keeps_its_text_and_may_be_added_again(vendor: Simulator, vdn: Vdn) -> None:
    result_codes.refresh_unattended(vdn=vdn, by="test")
    first = ResultCode.objects.get(vdn=vdn, code="00604")
    vendor.codes.pop("00604", None)
    result_codes.refresh_unattended(vdn=vdn, by="test")
    vdn.refresh_from_db()
    gone = code_book.get_book(vdn).get("00604")
    assert gone is not None
    assert gone.gone_at is not None
    assert gone.text_en == "The call is rejected."
    vendor.codes["00604"] = ("The call is rejected.", "呼叫拒绝")
    assert result_codes.refresh_unattended(vdn=vdn, by="test").added == 1
    again = ResultCode.objects.get(vdn=vdn, code="00604")
    assert again.gone_at is None
    assert again.first_seen == first.first_seen


@cases("from_call", [1, 2, 3, 4, 5, 6])
@cases("kind", ["status", "garbage", "no_data", "business", "wrong_total"])
def test_incomplete_refresh_changes_nothing(
    vendor: Simulator, vdn: Vdn, from_call: int, kind: str
) -> None:
    result_codes.refresh_unattended(vdn=vdn, by="test")
    before, version = table(vdn), Vdn.objects.get(pk=88).codes_version
    vendor.codes["70001"] = ("Added one", "新增一")
    vendor.codes.pop("00003", None)
    vendor.faults.add(kind, operation=LIST_RESULT_CODES, times=None, from_call=from_call)
    with pytest.raises(ISalesError):
        result_codes.refresh_unattended(vdn=vdn, by="test")
    assert table(vdn) == before
    assert Vdn.objects.get(pk=88).codes_version == version


def test_empty_table_is_an_error_and_changes_nothing(vendor: Simulator, vdn: Vdn) -> None:
    result_codes.refresh_unattended(vdn=vdn, by="test")
    before = table(vdn)
    vendor.faults.add(
        "patch",
        operation=LIST_RESULT_CODES,
        times=None,
        fields={"obsCodes": [], "totalCount": 0},
    )
    with pytest.raises(ISalesError):
        result_codes.refresh_unattended(vdn=vdn, by="test")
    assert table(vdn) == before


@cases(
    "odd",
    [
        [{"obsCode": None, "obsCodeDesc": "x"}, {"obsCode": None, "obsCodeDesc": "y"}],
        [{"obsCodeDesc": "x"}],
        [{"obsCode": "00604", "obsCodeDesc": "again"}],
    ],
)
def test_odd_rows_are_skipped_by_a_refresh(
    vendor: Simulator, vdn: Vdn, odd: list[dict[str, Any]]
) -> None:
    rows = [{"obsCode": "00604", "obsCodeDesc": "Rejected"}, *odd]
    vendor.faults.add(
        "patch",
        operation=LIST_RESULT_CODES,
        times=None,
        fields={"obsCodes": rows, "totalCount": len(rows)},
    )
    assert result_codes.refresh_unattended(vdn=vdn, by="test").added == 1


def test_failing_job_queue_does_not_affect_the_list(
    vendor: Simulator, as_role: Any, vdn: Vdn, monkeypatch: pytest.MonkeyPatch
) -> None:
    result_codes.refresh_unattended(vdn=vdn, by="test")
    unknown_row(vendor, "700003")

    def refuse(*_args: object, **_more: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(HUEY.storage, "enqueue", refuse)
        assert as_role("supervisor").get(LIST, {"called_no": "700003"}).status_code == 200
    as_role("supervisor").get(LIST, {"called_no": "700003", "size": "10"})
    assert HUEY.pending_count() == 1


def call_on_progress(
    monkeypatch: pytest.MonkeyPatch, report: Callable[[tuple[int, int]], None]
) -> None:
    """Call `report` with each progress (codes read, all codes) that a refresh stores."""
    store = refresh.cache.set

    def report_and_store(key: str, value: Any, *args: Any, **options: Any) -> None:
        if key.startswith("codes:progress:"):
            report(value)
        store(key, value, *args, **options)

    monkeypatch.setattr(refresh.cache, "set", report_and_store)


def test_progress_is_reported_as_codes_read_of_all_codes(
    vendor: Simulator, vdn: Vdn, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    call_on_progress(monkeypatch, told.append)
    result_codes.refresh_unattended(vdn=vdn, by="test")
    assert told == [(50, 240), (100, 240), (120, 240), (170, 240), (220, 240), (240, 240)]


def test_simultaneous_refresh_raises_already_running(
    vendor: Simulator, vdn: Vdn, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go = threading.Event(), threading.Event()
    told: list[str] = []

    def slow(_progress: tuple[int, int]) -> None:
        began.set()
        go.wait(10)

    def second() -> None:
        assert began.wait(10)
        try:
            result_codes.refresh_unattended(vdn=vdn, by="second")
        except AlreadyRunning:
            told.append("running")
        go.set()

    call_on_progress(monkeypatch, slow)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second)
        result_codes.refresh_unattended(vdn=vdn, by="first")
        waiting.result(10)
    assert told == ["running"]


def test_codes_of_one_vdn_are_not_those_of_another(vendor: Simulator, vdn: Vdn) -> None:
    other = Vdn.objects.get(pk=89)
    result_codes.refresh_unattended(vdn=vdn, by="test")
    assert code_book.get_book(other).codes == {}


def unknown_row(vendor: Simulator, number: str) -> None:
    vendor.add_rows(88, [{"appointId": number, "calledNo": number, "failCode": "98765"}])


def test_unknown_code_requests_a_refresh_once_in_ten_minutes(
    clock: Traveller, vendor: Simulator, as_role: Any, vdn: Vdn
) -> None:
    result_codes.refresh_unattended(vdn=vdn, by="test")
    client = as_role("supervisor")
    unknown_row(vendor, "700001")
    for _ in range(3):
        client.get(LIST, {"called_no": "700001"})
    assert HUEY.pending_count() == 1
    clock.shift(timedelta(minutes=9))
    client.get(LIST, {"called_no": "700001", "size": "10"})
    assert HUEY.pending_count() == 1
    clock.shift(timedelta(minutes=2))
    client.get(LIST, {"called_no": "700001", "size": "50"})
    assert HUEY.pending_count() == 2


def test_requested_refresh_brings_the_text_of_the_unknown_code(
    vendor: Simulator, as_role: Any, vdn: Vdn
) -> None:
    result_codes.refresh_unattended(vdn=vdn, by="test")
    client = as_role("supervisor")
    unknown_row(vendor, "700002")
    assert b"unknown code (table of" in client.get(LIST, {"called_no": "700002"}).content
    vendor.codes["98765"] = ("Known by now", "现在知道了")
    task = HUEY.dequeue()
    HUEY.execute(task)
    assert b"Known by now" in client.get(LIST, {"called_no": "700002"}).content


def test_daily_job_refreshes_every_enabled_vdn(vendor: Simulator, vdn: Vdn) -> None:
    from isales_proxy import jobs

    Vdn.objects.filter(pk=89).update(enabled=False)
    jobs.refresh_all_result_codes.call_local()
    assert HUEY.pending_count() == 1
    HUEY.execute(HUEY.dequeue())
    assert ResultCode.objects.filter(vdn=vdn).count() == 120
    assert not ResultCode.objects.filter(vdn_id=89).exists()


def test_failed_first_fetch_is_not_repeated_at_once(vendor: Simulator, vdn: Vdn) -> None:
    vendor.faults.add("business", operation=LIST_RESULT_CODES, times=None)
    result_codes.get_book(vdn)
    result_codes.get_book(vdn)
    assert len(vendor.calls.filter(LIST_RESULT_CODES)) == 1
