"""Answers with call data that are partly malformed."""

from __future__ import annotations

from typing import Any

import pytest

from isales_proxy.access import Scope
from isales_proxy.models import BatchState, CallDataBatch, CallDatum
from isales_proxy.outbound import labels
from isales_proxy.simulator import READ_CALL_DATA, Simulator
from isales_proxy.write_backs import prefill
from tests.support.call_data import ROW, TASK, scope_of, take
from tests.support.cases import cases


@pytest.fixture
def scope(people: dict[str, Any]) -> Scope:
    return scope_of(people)


def answer(vendor: Simulator, **fields: object) -> None:
    """Let the next answer contain these fields."""
    vendor.faults.add("patch", operation=READ_CALL_DATA, fields=fields)


@cases("odd", [None, "x", 7, ["y"]])
def test_row_other_than_an_object_does_not_affect_others(
    vendor: Simulator, scope: Scope, as_role: Any, odd: object
) -> None:
    answer(vendor, resultData={"taskData": [ROW, odd, ROW | {"uniqueId": "2"}]})
    batch = take(scope, count=3).batch
    assert (batch.state, batch.received) == (BatchState.TAKEN, 3)
    first, second, third = CallDatum.objects.order_by("position")
    assert (first.unique_id, second.unique_id, third.unique_id) == (ROW["uniqueId"], "", "2")
    assert list(second.raw.values()) == [odd]
    reader = as_role("supervisor")
    told = reader.get(f"/api/v1/vdns/88/call-data/{batch.pk}/").json()
    assert [row["unique_id"] for row in told["results"]] == [ROW["uniqueId"], "", "2"]
    assert reader.get(f"/vdn/88/tasks/{TASK}/").status_code == 200


@cases("row", [{"uiqueId": "7"}, {"phoneNumber": ["10086"]}])
@cases("flat", [True, False])
def test_refusal_with_numbers_is_unreadable(
    vendor: Simulator, scope: Scope, row: dict[str, object], flat: bool
) -> None:
    answer(
        vendor,
        result="12",
        resultDesc="partly done",
        resultData=row if flat else {"taskData": [row]},
    )
    batch = take(scope).batch
    assert batch.state == BatchState.UNREADABLE
    assert (batch.vendor_code, batch.problem) == ("12", "partly done")
    assert "before you try again" in labels.get_advice(batch, when="now")
    assert CallDataBatch.objects.get(pk=batch.pk).raw


@cases("data", [None, {}, {"taskData": []}, {"reason": "closed"}, [None], "x"])
def test_refusal_without_numbers_is_refused(vendor: Simulator, scope: Scope, data: object) -> None:
    answer(vendor, result=12, resultData=data)
    assert take(scope).batch.state == BatchState.REFUSED


def test_too_long_id_is_not_truncated(vendor: Simulator, scope: Scope) -> None:
    row = ROW | {"uniqueId": "7" * 129, "seviceId": "8" * 65}
    answer(vendor, resultData={"taskData": [row]})
    take(scope, count=1)
    stored = CallDatum.objects.get()
    assert (stored.unique_id, stored.service_id) == ("", "")
    assert stored.raw == row
    draft = prefill.prefill_from_datum(scope=scope, pk=stored.pk)
    assert draft is not None
    assert "unique_id" not in draft.values
    assert draft.values["service_id"] == TASK
