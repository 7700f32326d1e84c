"""Deliveries under a wall clock that is set back: nothing waits for the hour to come again."""

from __future__ import annotations

import pytest

from isales_proxy.models import User, WriteBackState
from isales_proxy.simulator import PUSH_MID_RESULT, Simulator
from isales_proxy.write_backs import leases
from tests.support.outbox import Outbox, scope_of


@pytest.fixture
def outbox(vendor: Simulator, people: dict[str, User]) -> Outbox:
    return Outbox(scope_of(people["supervisor"]))


def test_what_was_tried_before_is_due_again(outbox: Outbox, vendor: Simulator) -> None:
    vendor.faults.add("garbage", operation=PUSH_MID_RESULT)
    outbox.write()
    assert outbox.deliver().postponed == 1
    outbox.step(hours=-1)
    outbox.later(seconds=6)
    assert outbox.deliver().delivered == 1


def test_what_fails_again_keeps_its_pause(outbox: Outbox, vendor: Simulator) -> None:
    vendor.faults.add("garbage", operation=PUSH_MID_RESULT, times=None)
    row = outbox.write()
    outbox.deliver()
    outbox.step(hours=-1)
    assert outbox.deliver().postponed == 1
    assert outbox.deliver().postponed == 0
    assert row.journal.count() == 2


def test_a_vdn_that_was_left_alone_is_asked_again(outbox: Outbox, vendor: Simulator) -> None:
    vendor.faults.add("status", operation=PUSH_MID_RESULT, status=503)
    outbox.write()
    outbox.deliver()
    other = outbox.write("u-2")
    outbox.step(hours=-1)
    outbox.later(seconds=3)
    outbox.deliver()
    other.refresh_from_db()
    assert other.state == WriteBackState.DELIVERED


def test_the_place_of_a_dead_worker_is_taken(outbox: Outbox) -> None:
    row = outbox.write()
    assert outbox.take("dead")
    outbox.step(hours=-1)
    for _ in range(3):
        assert outbox.deliver("alive").delivered == 0
        outbox.later(seconds=5)
    assert outbox.deliver("alive").delivered == 1
    assert outbox.outcomes(row) == ["lost", "ok"]


def test_a_worker_is_not_overtaken_right_after_the_database_was_away(outbox: Outbox) -> None:
    """Its acknowledgement may be on the disk of another machine; it must have its chance."""
    outbox.write()
    assert outbox.take("slow")
    assert outbox.deliver("other").delivered == 0
    outbox.later(minutes=5)
    assert outbox.deliver("other").delivered == 0


def test_a_place_that_was_taken_since_one_looked_is_not_taken_again(outbox: Outbox) -> None:
    row = outbox.write()
    assert outbox.take("dead")
    for _ in range(2):
        assert outbox.take("slow") is None
        outbox.later(seconds=5)
    # Both have seen the dead one's lease end; one of them is faster.
    ended = outbox.watch.update({row.pk: 1}, outbox.elapsed, 9)
    assert ended == {row.pk: 1}
    assert outbox.take("fast")
    assert not leases._due(outbox.now, ended).exists()
    assert outbox.take("slow") is None
