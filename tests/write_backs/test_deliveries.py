"""Delivery: outcomes of attempts, retry delays, order, and leases of other workers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from isales_proxy.core.settings import RetentionSettings
from isales_proxy.models import User, Vdn, WriteBack, WriteBackAttempt, WriteBackState
from isales_proxy.simulator import PUSH_MID_RESULT, Simulator
from isales_proxy.vendor import gateway
from isales_proxy.write_backs import leases
from isales_proxy.write_backs.leases import AttemptResult
from tests.support.cases import cases
from tests.support.outbox import Outbox, scope_of

WAITING, DELIVERED = WriteBackState.WAITING, WriteBackState.DELIVERED


@pytest.fixture
def outbox(vendor: Simulator, people: dict[str, User]) -> Outbox:
    return Outbox(scope_of(people["supervisor"]))


def state(row: WriteBack) -> str:
    row.refresh_from_db()
    return str(row.state)


def test_delivery_is_recorded_in_the_journal(outbox: Outbox) -> None:
    row = outbox.write()
    assert outbox.deliver().delivered == 1
    assert state(row) == DELIVERED
    attempt = row.journal.get()
    assert (attempt.number, attempt.outcome, attempt.http_status) == (1, "ok", 200)
    assert attempt.vendor_request
    assert (attempt.worker, attempt.started_at) == ("one", outbox.now)
    assert outbox.deliver().delivered == 0


def test_refusal_stores_the_vendors_sentence(outbox: Outbox, vendor: Simulator) -> None:
    vendor.faults.add("business", operation=PUSH_MID_RESULT, code="1017", desc="No such task.")
    row = outbox.write()
    assert outbox.deliver().refused == 1
    assert state(row) == WriteBackState.REFUSED
    assert (row.vendor_code, row.problem) == ("1017", "No such task.")
    attempt = row.journal.get()
    assert (attempt.outcome, attempt.vendor_code, attempt.problem) == (
        "refused",
        "1017",
        "No such task.",
    )
    assert attempt.vendor_request


@cases(
    ("kind", "outcome"),
    [
        ("reset", "unreachable"),
        ("lose", "unreachable"),
        ("status", "unreachable"),
        ("throttle", "throttled"),
        ("unauthorized", "credentials_refused"),
        ("garbage", "bad_answer"),
        ("half_body", "bad_answer"),
    ],
)
def test_unacknowledged_result_is_sent_again(
    outbox: Outbox, vendor: Simulator, kind: str, outcome: str
) -> None:
    options = {"status": 503} if kind == "status" else {}
    vendor.faults.add(kind, operation=PUSH_MID_RESULT, **options)
    row = outbox.write()
    run = outbox.deliver()
    assert run.postponed == 1
    assert state(row) == WAITING
    assert outbox.outcomes(row) == [outcome]
    assert run.next_at == row.next_at
    outbox.later(seconds=4)
    assert outbox.deliver().delivered == 0
    outbox.later(seconds=2)
    assert outbox.deliver().delivered == 1
    assert outbox.outcomes(row) == [outcome, "ok"]


def test_timed_out_attempt_is_marked_maybe_sent(outbox: Outbox, vendor: Simulator) -> None:
    vendor.faults.add("hold", operation=PUSH_MID_RESULT)
    row = outbox.write()
    outbox.deliver()
    vendor.faults.release()
    attempt = row.journal.get()
    assert (attempt.outcome, attempt.maybe_sent) == ("timed_out", True)


def test_attempt_that_was_not_sent_is_marked(outbox: Outbox, vendor: Simulator) -> None:
    vendor.stop()
    row = outbox.write()
    outbox.deliver()
    attempt = row.journal.get()
    assert (attempt.outcome, attempt.maybe_sent) == ("unreachable", False)


def test_lost_answer_is_marked_maybe_sent(outbox: Outbox, vendor: Simulator) -> None:
    vendor.faults.add("lose", operation=PUSH_MID_RESULT)
    row = outbox.write()
    outbox.deliver()
    assert row.journal.get().maybe_sent
    outbox.later(seconds=10)
    outbox.deliver()
    assert len(vendor.write_backs.filter("u-1")) == 2


def test_retry_delay_doubles_up_to_ten_minutes(outbox: Outbox, vendor: Simulator) -> None:
    vendor.faults.add("garbage", operation=PUSH_MID_RESULT, times=None)
    row = outbox.write()
    waits = []
    for _ in range(10):
        outbox.deliver()
        row.refresh_from_db()
        waits.append((row.next_at - outbox.now).total_seconds())
        outbox.later(seconds=waits[-1])
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]


def test_retry_after_of_the_vendor_is_respected(outbox: Outbox, vendor: Simulator) -> None:
    vendor.faults.add("throttle", operation=PUSH_MID_RESULT, retry_after=90)
    row, other = outbox.write("a"), outbox.write("b")
    outbox.deliver()
    row.refresh_from_db()
    assert row.next_at == outbox.now + timedelta(seconds=90)
    outbox.later(seconds=89)
    assert outbox.deliver().delivered == 0
    assert not other.journal.exists()
    outbox.later(seconds=2)
    assert outbox.deliver().delivered == 2


def test_write_back_is_given_up_after_the_configured_time(
    outbox: Outbox, vendor: Simulator, settings: Any
) -> None:
    settings.RETENTION = RetentionSettings(give_up_hours=2)
    vendor.faults.add("garbage", operation=PUSH_MID_RESULT, times=None)
    row = outbox.write()
    outbox.deliver()
    outbox.later(hours=2)
    assert outbox.deliver().given_up == 1
    assert state(row) == WriteBackState.GIVEN_UP
    assert row.finished_at == outbox.now
    outbox.retry(row)
    outbox.deliver()
    assert state(row) == WAITING


def test_vdn_is_paused_while_the_vendor_is_away(outbox: Outbox, vendor: Simulator) -> None:
    vendor.stop()
    rows = [outbox.write(f"u-{number}") for number in range(20)]
    run = outbox.deliver()
    assert WriteBackAttempt.objects.count() == 1
    assert run.next_at == outbox.now + timedelta(seconds=2)
    for _ in range(8):
        outbox.later(seconds=61)
        outbox.deliver()
    # An open circuit makes no attempt.
    assert set(WriteBackAttempt.objects.values_list("outcome", flat=True)) == {"unreachable"}
    assert sum(row.attempts for row in WriteBack.objects.all()) == WriteBackAttempt.objects.count()
    assert {state(row) for row in rows} == {WAITING}


def test_first_delivery_makes_others_due_that_waited_for_the_vendor(
    outbox: Outbox, vendor: Simulator
) -> None:
    vendor.faults.add("status", operation=PUSH_MID_RESULT, times=3, status=503)
    outbox.write("a")
    for _ in range(3):
        outbox.deliver()
        outbox.later(seconds=61)
    odd = outbox.write("odd")
    WriteBack.objects.filter(unique_id="a").update(next_at=outbox.now + timedelta(minutes=9))
    WriteBack.objects.filter(pk=odd.pk).update(next_at=outbox.now + timedelta(minutes=9))
    outbox.write("b")
    assert outbox.deliver().delivered == 2
    assert state(odd) == WAITING


def test_delivery_of_others_does_not_shorten_the_delay_of_a_failing_one(
    outbox: Outbox, vendor: Simulator
) -> None:
    vendor.faults.add("status", operation=PUSH_MID_RESULT, status=503)
    poison = outbox.write("poison")
    outbox.deliver()
    outbox.later(seconds=3)
    outbox.write("a")
    vendor.faults.add("status", operation=PUSH_MID_RESULT, from_call=2, status=503)
    outbox.deliver()
    assert outbox.outcomes(poison) == ["unreachable", "unreachable"]
    outbox.later(seconds=3)
    outbox.write("b")
    assert outbox.deliver().delivered == 1
    assert state(poison) == WAITING


def test_results_of_one_unique_id_go_in_order_without_blocking_others(
    outbox: Outbox, vendor: Simulator
) -> None:
    vendor.faults.add("garbage", operation=PUSH_MID_RESULT)
    first, second = outbox.write("a", status="1"), outbox.write("a", status="2")
    other = outbox.write("b")
    outbox.deliver()
    assert (state(first), state(second), state(other)) == (WAITING, WAITING, DELIVERED)
    assert not second.journal.exists()
    outbox.later(seconds=6)
    outbox.deliver()
    assert [body["status"] for body in vendor.write_backs.filter("a")][-2:] == ["1", "2"]


def test_refused_result_does_not_block_the_next(outbox: Outbox, vendor: Simulator) -> None:
    vendor.faults.add("business", operation=PUSH_MID_RESULT)
    outbox.write("a", status="1")
    second = outbox.write("a", status="2")
    outbox.deliver()
    assert state(second) == DELIVERED


def test_same_unique_id_in_another_vdn_is_independent(
    outbox: Outbox, vendor: Simulator, people: dict[str, User]
) -> None:
    vendor.faults.add("garbage", operation=PUSH_MID_RESULT)
    outbox.write("a")
    elsewhere = Outbox(scope_of(people["both"], 89))
    row = elsewhere.write("a")
    outbox.deliver()
    # Refused because the task is not of that VDN; but it did not wait.
    assert outbox.outcomes(row) == ["refused"]


def test_disabled_vdn_is_not_delivered(outbox: Outbox, vendor: Simulator) -> None:
    row = outbox.write()
    Vdn.objects.filter(pk=88).update(enabled=False)
    run = outbox.deliver()
    assert (run.delivered, run.next_at) == (0, None)
    Vdn.objects.filter(pk=88).update(enabled=True)
    outbox.deliver()
    assert state(row) == DELIVERED


def test_invalid_stored_request_is_given_up(outbox: Outbox) -> None:
    row, other = outbox.write("a"), outbox.write("b")
    WriteBack.objects.filter(pk=row.pk).update(body={"uniqueId": "a"})
    outbox.deliver()
    assert (state(row), state(other)) == (WriteBackState.GIVEN_UP, DELIVERED)
    assert not row.journal.get().maybe_sent


def test_expired_lease_leaves_a_lost_attempt(outbox: Outbox) -> None:
    row = outbox.write()
    assert outbox.take("dead")
    for _ in range(4):
        assert outbox.deliver("alive").next_at == outbox.now + timedelta(seconds=5)
        assert outbox.outcomes(row) == [""]
        outbox.later(seconds=5)
    outbox.deliver("alive")
    assert outbox.outcomes(row) == [WriteBackAttempt.LOST, "ok"]
    assert [attempt.worker for attempt in row.journal.all()] == ["dead", "alive"]
    assert row.journal.first().maybe_sent


def test_worker_without_its_lease_changes_nothing(outbox: Outbox) -> None:
    row = outbox.write()
    old = outbox.take("slow")
    assert old
    for _ in range(2):
        assert outbox.take("new") is None
        outbox.later(seconds=5)
    new = outbox.take("new")
    assert new
    leases.complete(old, AttemptResult(WriteBackState.REFUSED, "refused"), outbox.now)
    assert state(row) == WAITING
    assert row.claimed_by == "new"
    leases.complete(new, AttemptResult(DELIVERED, "ok"), outbox.now)
    assert state(row) == DELIVERED
    assert outbox.outcomes(row) == ["refused", "ok"]


def test_late_acknowledgement_of_a_cancelled_result_is_accepted(outbox: Outbox) -> None:
    row = outbox.write()
    old = outbox.take("slow")
    assert old
    outbox.later(seconds=9)
    outbox.cancel(row)
    leases.complete(old, AttemptResult(DELIVERED, "ok"), outbox.now)
    assert state(row) == DELIVERED
    assert outbox.outcomes(row) == ["ok"]


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_during_the_call(
    vendor: Simulator, people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(scope_of(people["supervisor"]))
    outbox.write()
    seen: list[bool] = []
    real = gateway.get_client

    def client(vdn: Vdn) -> Any:
        seen.append(connection.in_atomic_block)
        return real(vdn)

    monkeypatch.setattr(gateway, "get_client", client)
    outbox.deliver()
    assert seen == [False]
