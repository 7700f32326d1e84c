"""Delivery when the wall clock is set back: nothing waits for the repeated hour."""

from __future__ import annotations

import pytest

from isales_proxy.models import User, WriteBack, WriteBackState
from isales_proxy.simulator import PUSH_MID_RESULT, Simulator
from tests.support.outbox import Outbox, scope_of


@pytest.fixture
def outbox(vendor: Simulator, people: dict[str, User]) -> Outbox:
    return Outbox(scope_of(people["supervisor"]))


def test_write_back_tried_before_a_clock_step_is_due_again(
    outbox: Outbox, vendor: Simulator
) -> None:
    vendor.faults.add("garbage", operation=PUSH_MID_RESULT)
    outbox.write()
    assert outbox.deliver().postponed == 1
    outbox.step(hours=-1)
    outbox.later(seconds=6)
    assert outbox.deliver().delivered == 1


def test_failing_write_back_keeps_its_delay_after_a_clock_step(
    outbox: Outbox, vendor: Simulator
) -> None:
    vendor.faults.add("garbage", operation=PUSH_MID_RESULT, times=None)
    row = outbox.write()
    outbox.deliver()
    outbox.step(hours=-1)
    assert outbox.deliver().postponed == 1
    assert outbox.deliver().postponed == 0
    assert row.journal.count() == 2


def test_pause_of_a_vdn_ends_despite_a_clock_step(outbox: Outbox, vendor: Simulator) -> None:
    vendor.faults.add("status", operation=PUSH_MID_RESULT, status=503)
    outbox.write()
    outbox.deliver()
    other = outbox.write("u-2")
    outbox.step(hours=-1)
    outbox.later(seconds=3)
    outbox.deliver()
    other.refresh_from_db()
    assert other.state == WriteBackState.DELIVERED


def test_lease_of_a_dead_worker_is_taken_over(outbox: Outbox) -> None:
    row = outbox.write()
    assert outbox.take("dead")
    outbox.step(hours=-1)
    for _ in range(4):
        assert outbox.deliver("alive").delivered == 0
        outbox.later(seconds=5)
    assert outbox.deliver("alive").delivered == 1
    assert outbox.outcomes(row) == ["lost", "ok"]


def test_lease_is_not_taken_over_right_after_a_database_outage(outbox: Outbox) -> None:
    """Its acknowledgement may be on another machine's disk and must reach the database first."""
    outbox.write()
    assert outbox.take("slow")
    assert outbox.deliver("other").delivered == 0
    outbox.later(minutes=5)
    assert outbox.deliver("other").delivered == 0


def test_expired_lease_is_taken_over_by_one_worker_only(outbox: Outbox) -> None:
    row = outbox.write()
    assert outbox.take("dead")
    for _ in range(2):
        assert outbox.take("slow") is None
        outbox.later(seconds=5)
    # Both saw the dead worker's lease expire; one of them is faster.
    ended = outbox.watch.update({row.pk: 1}, outbox.elapsed, 9)
    assert ended == {row.pk: 1}
    assert outbox.take("fast")
    assert not WriteBack.objects.due(outbox.now, ended).exists()
    assert outbox.take("slow") is None
