"""Sweepers that lead or wait: leases, epochs, clocks that jump, restored backups, call budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command

from isales_proxy.client.config import TransportConfig
from isales_proxy.client.errors import Unreachable
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.mirror import forgetting, intervals
from isales_proxy.mirror.leadership import LEASE
from isales_proxy.mirror.sweeps import RETRY_LEADING_S, compare_live_page
from isales_proxy.models import Vdn
from isales_proxy.models.mirror import (
    MirrorLeaf,
    MirrorRow,
    MirrorState,
    MirrorSuppression,
    MirrorVersion,
    Phase,
)
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from isales_proxy.vendor import call_budget, gateway
from tests.support.mirror import AT, MINUTE, SweptVendor, make_row, to_ms

HOUR = timedelta(hours=1)


def make_vendor(vdn: Vdn, count: int = 60, **behaviour: Any) -> SweptVendor:
    vendor = SweptVendor(vdn, AT, page_cap=20, **behaviour)
    vendor.data.add(make_row(number * 30) for number in range(count))
    vendor.run_round()
    return vendor


def assert_no_row_is_gone() -> None:
    assert not MirrorVersion.objects.filter(kinds__contains="gone").exists()


def test_idle_sweeps_write_nothing(vdn: Vdn) -> None:
    vendor = make_vendor(vdn, 20)
    state = MirrorState.objects.get()
    rows = list(MirrorRow.objects.order_by("pk").values())
    for _each in range(20):
        vendor.run_round()
    assert MirrorVersion.objects.count() == 20
    assert list(MirrorRow.objects.order_by("pk").values()) == rows
    assert MirrorState.objects.get().revision == state.revision


def test_second_sweeper_waits_for_the_lease(vdn: Vdn) -> None:
    vendor = make_vendor(vdn)
    second = vendor.create_sweeper()
    calls = vendor.calls
    assert second.step() == RETRY_LEADING_S
    assert vendor.calls == calls
    vendor.sweeper.close()
    vendor.run(20, second)
    assert vendor.calls > calls
    assert vendor.sweeper.step() == RETRY_LEADING_S


def test_sweeper_that_lost_its_lease_during_a_call_writes_nothing(vdn: Vdn) -> None:
    vendor = make_vendor(vdn)
    second = vendor.create_sweeper()
    frozen: list[int] = []

    def freeze(_query: ReservationQuery) -> None:
        if not frozen:
            frozen.append(1)
            vendor.clock.advance(120)
            vendor.data.hand_over(make_row(30)["appointId"], "117", "Li")
            vendor.run_round(second)

    vendor.clock.advance(120)
    vendor.before_call = freeze
    vendor.run(1)
    assert frozen
    state = MirrorState.objects.get()
    assert state.epoch == second.leadership.epoch
    assert vendor.sweeper.step() == RETRY_LEADING_S
    assert_no_row_is_gone()
    assert MirrorRow.objects.get(appoint_id=make_row(30)["appointId"]).agent.account == "117"
    assert MirrorLeaf.objects.filter(as_of__gt=vendor.clock.now).count() == 0


def test_lease_of_a_killed_sweeper_expires(vdn: Vdn) -> None:
    vendor = make_vendor(vdn)
    second = vendor.create_sweeper()
    vendor.clock.advance(LEASE.total_seconds() - 11)
    assert second.step() == RETRY_LEADING_S
    vendor.clock.advance(12)
    assert second.step() != RETRY_LEADING_S


@pytest.mark.parametrize("hours", [1, -1])
def test_sweeps_stay_correct_when_our_clock_jumps(vdn: Vdn, hours: int) -> None:
    """Also those of another sweeper afterwards."""
    vendor = make_vendor(vdn)
    vendor.clock.now += hours * HOUR
    vendor.data.remove(make_row(60)["appointId"])
    vendor.data.move(make_row(90)["appointId"], to_ms(AT + 40 * HOUR))
    vendor.run(90)
    vendor.run_round()
    assert vendor.compare() == (set(), set())
    gone = MirrorRow.objects.get(phase=Phase.GONE)
    assert gone.appoint_id == make_row(60)["appointId"]
    known = MirrorVersion.objects.order_by("pk").values_list("known_from", flat=True)
    assert sorted(known) == list(known)
    second = vendor.create_sweeper()
    vendor.clock.now -= 2 * HOUR
    vendor.data.remove(make_row(120)["appointId"])
    vendor.run(40, second)
    vendor.run_round(second)
    assert vendor.compare() == (set(), set())


def test_sweeps_stay_correct_when_the_vendors_clock_is_off(vdn: Vdn) -> None:
    vendor = make_vendor(vdn, clock_offset_ms=600_000)
    vendor.data.remove(make_row(60)["appointId"])
    vendor.run_round()
    assert vendor.compare() == (set(), set())


@pytest.mark.django_db
def test_offset_of_the_vendors_clock_is_measured(people: Any, vendor: Simulator) -> None:
    vendor.behaviour.clock_offset_ms = -60_000
    call_command("sweep", "--vdn", "88")
    offset = MirrorState.objects.get(pk=88).vendor_offset_ms
    assert offset is not None
    assert -63_000 < offset < -58_000


@pytest.mark.parametrize(
    ("now", "length"),
    [
        (datetime(2026, 3, 29, 1, tzinfo=UTC), 23),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), 25),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), 25),
        (datetime(2026, 7, 1, 23, tzinfo=UTC), 24),
    ],
)
def test_day_of_a_clock_change_has_23_or_25_hours(now: datetime, length: int) -> None:
    begin, end = intervals.get_day(now, ZoneInfo("Europe/Berlin"))
    assert end.astimezone(UTC) - begin.astimezone(UTC) == timedelta(hours=length)
    assert begin <= now < end


def test_former_leader_writes_nothing_after_a_restored_backup(vdn: Vdn) -> None:
    """No row is marked as gone before it is read again."""
    vendor = make_vendor(vdn)
    tables = (MirrorState, MirrorLeaf)
    backup = [each for table in tables for each in table._default_manager.all()]
    vendor.clock.advance(3600)
    removed = make_row(60)["appointId"]
    vendor.data.remove(removed)
    second = vendor.create_sweeper()
    vendor.run_round(second)
    assert MirrorRow.objects.get(appoint_id=removed).phase == Phase.GONE
    for each in backup:
        each.save()
    MirrorRow.objects.filter(appoint_id=removed).update(phase=Phase.OPEN, gone_by=None)
    MirrorVersion.objects.filter(kinds="gone").delete()
    assert second.step() == RETRY_LEADING_S
    assert_no_row_is_gone()
    oldest = MirrorLeaf.objects.exclude(begin=None).order_by("as_of")[0].as_of
    assert oldest
    assert vendor.clock.now - oldest > 30 * MINUTE
    vendor.clock.advance(LEASE.total_seconds())
    vendor.run_round(second)
    assert vendor.compare() == (set(), set())


def test_forgotten_number_is_not_mirrored_again(vdn: Vdn) -> None:
    vendor = make_vendor(vdn)
    number = make_row(60)["calledNo"]
    MirrorRow.objects.filter(called_no=number).delete()
    digest = forgetting._hash(forgetting.encryption.derive_key("forgotten-number"), number)
    MirrorSuppression.objects.create(vdn=vdn, digest=digest, at=AT)
    vendor.run_round()
    assert not MirrorRow.objects.filter(called_no=number).exists()
    assert not MirrorVersion.objects.filter(called_no=number).exists()


def test_sweeper_waits_while_people_use_the_call_budget(
    vdn: Vdn, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People and the mirror share one budget. When people have used up that of ten minutes, the
    mirror waits, and then continues at the rate of the budget."""
    vendor = make_vendor(vdn)
    settings.ISALES = settings.ISALES.__class__(base_url="https://vendor.example", access_key="a")
    per_minute = settings.ISALES.calls_per_minute
    used = per_minute * 12
    for _each in range(used):
        call_budget.record_person_call(88)
    monkeypatch.setattr(call_budget, "_counting_since", -100.0)
    call_budget.store_person_calls(vendor.clock.now)
    assert call_budget.count_calls(88, vendor.clock.now).by_people == used
    calls = vendor.calls
    vendor.run(60)
    assert vendor.calls - calls < 10
    vendor.clock.advance(60)
    for _minute in range(3):
        calls = vendor.calls
        vendor.run(60)
        assert 0 < vendor.calls - calls <= per_minute * 1.2


def test_unreachable_vendor_is_called_rarely(vdn: Vdn) -> None:
    vendor = make_vendor(vdn)
    calls: list[float] = []

    def fail(_query: ReservationQuery) -> None:
        calls.append(vendor.clock.monotonic)
        raise Unreachable

    vendor.before_call = fail
    vendor.run(600)
    assert 3 < len(calls) < 40
    assert_no_row_is_gone()
    assert MirrorRow.objects.present().count() == 60


def test_live_page_is_compared_with_the_mirror(vdn: Vdn) -> None:
    vendor = make_vendor(vdn)
    vendor.data.hand_over(make_row(30)["appointId"], "117", "Li")
    query = ReservationQuery(size=20)
    page = vendor.list_reservations(query)
    compare_live_page(vdn, page, vendor.clock.now)
    differing = sum(row.appoint_id == make_row(30)["appointId"] for row in page.items)
    now = vendor.clock.now
    assert MirrorState.objects.get().sum_comparisons(now) == (20, 20 - differing)
    # Only those of the last 24 hours count.
    compare_live_page(vdn, page, now + timedelta(hours=20))
    state = MirrorState.objects.get()
    assert state.sum_comparisons(now + timedelta(hours=20))[0] == 40
    assert state.sum_comparisons(now + timedelta(hours=25))[0] == 20
    assert state.sum_comparisons(now + timedelta(hours=45)) == (0, 0)


@pytest.mark.django_db
def test_sweep_command_reads_everything_and_releases_its_lease(
    people: Any, vendor: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("sweep", "--vdn", "88")
    assert "VDN 88: complete, 600 rows." in capsys.readouterr().out
    assert MirrorRow.objects.present().count() == 600
    assert MirrorState.objects.get(pk=88).holder == ""


@pytest.mark.django_db
def test_sweep_command_reports_why_a_list_is_incomplete(
    people: Any, vendor: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isales_proxy.mirror.sweeps._MAX_PAUSE_S", 0.01)
    brief = partial(TransportConfig, breaker_cooldown=0.1)
    monkeypatch.setattr(gateway, "TransportConfig", brief)
    vendor.faults.add("status", operation=LIST_RESERVATIONS, times=None)
    with pytest.raises(CommandError, match=r"VDN 88: incomplete: CC-iSales"):
        call_command("sweep", "--vdn", "88")
