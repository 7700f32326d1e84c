"""Requests for call data: once each, with permission, stored before and after the call."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from isales_proxy.access import PermissionMissing, Scope, VdnNotFound
from isales_proxy.client.queries import InvalidQuery
from isales_proxy.models import AuditAction, AuditEvent, BatchState, CallDataBatch, CallDatum
from isales_proxy.outbound import call_data, queries
from isales_proxy.outbound.queries import RowQuery
from isales_proxy.simulator import FETCH_TOKEN, READ_CALL_DATA, Simulator
from tests.privacy.test_privacy import lines_formatter
from tests.support.call_data import NUMBER, ROW, TASK, UNIQUE_ID, count_requests, scope_of, take
from tests.support.cases import cases


@pytest.fixture
def scope(people: dict[str, Any]) -> Scope:
    return scope_of(people)


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def test_rows_are_stored_as_received(vendor: Simulator, scope: Scope) -> None:
    vendor.call_data.put(88, TASK, [ROW])
    taking = take(scope, count=1)
    assert taking.error is None
    assert (taking.batch.state, taking.batch.received) == (BatchState.TAKEN, 1)
    (row,) = CallDatum.objects.all()
    assert row.numbers == [f"+{NUMBER}", "0012345"]
    assert (row.service_id, row.unique_id, row.caller_number) == (TASK, UNIQUE_ID, "710002")
    assert row.call_data == ROW["callData"]
    assert [element.name for element in row.ie.elements] == ["RedInfo", "callerno"]
    assert row.raw == ROW


def test_answer_is_stored_byte_for_byte(vendor: Simulator, scope: Scope) -> None:
    batch = CallDataBatch.objects.get(pk=take(scope).batch.pk)
    answer = json.loads(bytes(batch.raw or b""))
    assert len(answer["resultData"]["taskData"]) == 5
    assert batch.http_status == 200
    assert batch.raw_complete
    assert batch.answered_at is not None
    assert batch.vendor_request


def test_request_body_is_as_documented(vendor: Simulator, scope: Scope) -> None:
    take(scope, count=7)
    (call,) = [call for call in vendor.calls if call.operation == READ_CALL_DATA]
    assert call.body == {"subCCNo": 1, "vdnId": 88, "serviceId": int(TASK), "batchCount": 7}


def test_request_is_recorded_in_the_audit(vendor: Simulator, scope: Scope) -> None:
    vendor.call_data.put(88, TASK, [ROW])
    batch = take(scope, count=1).batch
    asked, taken = AuditEvent.objects.order_by("id")
    assert (asked.action, taken.action) == ("call_data.asked", "call_data.taken")
    assert (asked.actor, asked.vdn_id, asked.subject) == ("supervisor", 88, TASK)
    assert asked.reason == "a test"
    assert asked.detail == {"batch": batch.pk, "asked": 1}
    assert taken.detail == {"batch": batch.pk, "state": "taken", "asked": 1, "received": 1}
    assert NUMBER not in json.dumps([asked.detail, taken.detail, asked.subject])


def test_lost_answer_is_recorded_after_the_request(
    vendor: Simulator, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.faults.add("lose", operation=READ_CALL_DATA)
    batch = take(scope, count=3).batch
    assert actions() == [AuditAction.CALL_DATA_ASKED, AuditAction.CALL_DATA_UNKNOWN]
    assert batch.asked_at <= timezone.now()


def test_same_key_takes_once(vendor: Simulator, scope: Scope) -> None:
    first = take(scope, key="form-1")
    again = take(scope, key="form-1", count=9)
    assert count_requests(vendor) == 1
    assert again.repeated
    assert again.batch.pk == first.batch.pk
    assert again.batch.received == 5


def test_key_of_another_person_is_independent(vendor: Simulator, people: Any, scope: Scope) -> None:
    mine = take(scope, key="form-1").batch
    others = take(scope_of(people, "admin"), key="form-1").batch
    both = scope_of(people, "both", 89)
    task = vendor.call_data.tasks(89)[0]
    foreign = take(both, key="form-1", task=task).batch
    assert len({mine.pk, others.pk, foreign.pk}) == 3


@pytest.mark.django_db(transaction=True)
def test_request_within_a_transaction_is_refused(vendor: Simulator, people: Any) -> None:
    scope = scope_of(people)
    with pytest.raises(RuntimeError), transaction.atomic():
        take(scope)
    assert count_requests(vendor) == 0


@cases("role", ["agent", "auditor"])
def test_permission_is_required_to_take_call_data(
    vendor: Simulator, people: Any, role: str
) -> None:
    with pytest.raises(PermissionMissing):
        take(scope_of(people, role))
    assert count_requests(vendor) == 0
    assert not CallDataBatch.objects.exists()


@cases(("count", "task"), [(0, TASK), (501, TASK), (5, ""), (5, "x" * 65)])
def test_request_out_of_bounds_is_not_sent(
    vendor: Simulator, scope: Scope, count: int, task: str
) -> None:
    with pytest.raises(InvalidQuery):
        call_data.request_call_data(scope=scope, service_id=task, batch_count=count, key="k")
    assert count_requests(vendor) == 0
    assert not CallDataBatch.objects.exists()


def _add(kind: str, **options: Any) -> Callable[[Simulator], None]:
    def add(vendor: Simulator) -> None:
        vendor.faults.add(kind, operation=READ_CALL_DATA, times=None, **options)

    return add


LOST = {
    "reset": _add("reset"),
    "close": _add("close"),
    "lose": _add("lose"),
    "too slow": _add("hold"),
    "status 500": _add("status", status=500),
    "status 503": _add("status", status=503),
    "redirect": _add("redirect"),
}
NO = {
    "business": _add("business", code="31009", desc="no such task"),
    "throttled": _add("throttle"),
    "unauthorized": _add("unauthorized"),
    "forbidden": _add("unauthorized", status=403),
    "bad request": _add("status", status=400),
    "wrong path": _add("status", status=404),
}
ODD = {
    "garbage": _add("garbage"),
    "html": _add("html"),
    "null": _add("null"),
    "gzip": _add("gzip"),
    "half": _add("half_body"),
    "no data": _add("no_data"),
    "no result": _add("no_codes"),
    "huge": _add("huge", size=33 * 1024 * 1024, declared=False),
}


@cases("kind", LOST)
def test_batch_without_an_answer_is_unknown(vendor: Simulator, scope: Scope, kind: str) -> None:
    LOST[kind](vendor)
    taking = take(scope, count=8)
    vendor.faults.clear()
    assert taking.batch.state == BatchState.UNKNOWN
    assert (taking.batch.batch_count, taking.batch.received) == (8, 0)
    assert taking.error is not None
    assert count_requests(vendor) == 1
    assert actions()[-1] == AuditAction.CALL_DATA_UNKNOWN


@cases("kind", NO)
def test_refusal_is_recorded_as_refused(vendor: Simulator, scope: Scope, kind: str) -> None:
    left = vendor.call_data.remaining(88, TASK)
    NO[kind](vendor)
    taking = take(scope)
    assert taking.batch.state == BatchState.REFUSED
    assert taking.error is not None
    assert count_requests(vendor) == 1
    assert vendor.call_data.remaining(88, TASK) == left
    assert actions()[-1] == AuditAction.CALL_DATA_REFUSED


def test_refusal_stores_the_vendors_sentence(vendor: Simulator, scope: Scope) -> None:
    NO["business"](vendor)
    batch = take(scope).batch
    assert (batch.vendor_code, batch.problem) == ("31009", "no such task")


@cases("kind", ODD)
def test_unreadable_answer_is_stored(vendor: Simulator, scope: Scope, kind: str) -> None:
    ODD[kind](vendor)
    batch = take(scope).batch
    assert batch.state == BatchState.UNREADABLE
    assert count_requests(vendor) == 1
    kept = CallDataBatch.objects.get(pk=batch.pk)
    assert kept.raw
    assert kept.raw_complete is (kind not in {"half", "huge"})


def test_truncated_answer_is_stored(vendor: Simulator, scope: Scope) -> None:
    vendor.call_data.put(88, TASK, [ROW])
    ODD["half"](vendor)
    batch = take(scope, count=1).batch
    assert b"seviceId" in bytes(CallDataBatch.objects.get(pk=batch.pk).raw or b"")


@cases("kind", ["reset", "unauthorized", "hold"])
def test_failed_log_in_is_recorded_as_refused(vendor: Simulator, scope: Scope, kind: str) -> None:
    vendor.faults.add(kind, operation=FETCH_TOKEN, times=None)
    batch = take(scope).batch
    vendor.faults.clear()
    assert batch.state == BatchState.REFUSED
    assert count_requests(vendor) == 0


def test_unreachable_vendor_is_recorded_as_refused(vendor: Simulator, scope: Scope) -> None:
    take(scope)
    vendor.stop()
    assert take(scope).batch.state == BatchState.REFUSED


def test_task_without_rows_gives_an_empty_batch(vendor: Simulator, scope: Scope) -> None:
    vendor.call_data.put(88, "41", [ROW])
    assert take(scope, task="41").batch.received == 1
    empty = take(scope, task="41").batch
    assert (empty.state, empty.received) == (BatchState.TAKEN, 0)


def test_more_rows_than_requested_are_stored(vendor: Simulator, scope: Scope) -> None:
    rows = [ROW | {"uniqueId": str(number)} for number in range(6)]
    vendor.faults.add(
        "patch",
        operation=READ_CALL_DATA,
        fields={"resultData": {"taskData": rows}},
    )
    batch = take(scope, count=2).batch
    assert batch.received == 6
    assert [row.unique_id for row in CallDatum.objects.all()] == list("012345")


@cases(
    "row",
    [
        {},
        {"uiqueId": "7", "phoneNumber": 10086},
        {"uniqueId": "7" * 500, "phoneNumber": "10086,1008611", "callData": {"a": ["\x00"]}},
        {"uniqueId": "7", "phoneNumber": [" 1\n2 ", None], "extra": {"n": 1e308}},
        {"callData": "x" * 40_000, "ieData": "；；，", "deep": [[[[[[[[[[[[1]]]]]]]]]]]]},
    ],
)
def test_malformed_rows_are_stored(vendor: Simulator, scope: Scope, row: dict[str, object]) -> None:
    vendor.faults.add("patch", operation=READ_CALL_DATA, fields={"resultData": {"taskData": [row]}})
    batch = take(scope, count=1).batch
    assert (batch.state, batch.received) == (BatchState.TAKEN, 1)
    stored = CallDatum.objects.get()
    assert len(stored.unique_id) <= 128
    assert set(stored.raw) == set(row)


def test_call_data_of_another_vdn_is_not_found(
    vendor: Simulator, people: Any, scope: Scope
) -> None:
    batch = take(scope).batch
    row = CallDatum.objects.first()
    assert row is not None
    elsewhere = scope_of(people, "both", 89)
    assert queries.list_batches(scope=elsewhere) == ((), 0)
    assert queries.list_rows(scope=elsewhere, query=RowQuery()) == ((), 0)
    assert queries.get_figures(scope=elsewhere) == {}
    assert queries.list_all_rows(scope=elsewhere, batch_id=batch.pk) == ()
    for look in (
        lambda: queries.get_batch(scope=elsewhere, batch_id=batch.pk),
        lambda: queries.get_unmasked_datum(elsewhere, row.pk),
        lambda: queries.get_raw_answer(scope=elsewhere, batch_id=batch.pk),
    ):
        with pytest.raises(VdnNotFound):
            look()


@pytest.mark.parametrize(
    "kind", [None, "reset", "garbage", "business", "unauthorized", "half_body", "status"]
)
def test_logs_contain_no_number(
    vendor: Simulator,
    scope: Scope,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    kind: str | None,
) -> None:
    vendor.call_data.put(88, TASK, [ROW])
    if kind == "business":
        vendor.faults.add(kind, operation=READ_CALL_DATA, desc=f"bad phoneNumber {NUMBER}")
    elif kind is not None:
        vendor.faults.add(kind, operation=READ_CALL_DATA)
    with caplog.at_level(logging.DEBUG):
        taking = take(scope, count=1)
        queries.list_rows(scope=scope, query=RowQuery(text=NUMBER))
    lines = lines_formatter()
    logged = "\n".join(lines.format(record) for record in caplog.records)
    logged += repr(taking) + repr(taking.error) + repr(taking.batch) + taking.batch.problem
    assert "read_call_data" in logged
    for secret in (NUMBER, "Unlikely-Name", UNIQUE_ID, settings.ISALES.app_secret):
        assert secret not in logged
