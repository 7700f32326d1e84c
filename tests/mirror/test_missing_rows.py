"""Rows that a reading misses: moved, without a time, gone, unconfirmed."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from isales_proxy.client.queries import ReservationQuery
from isales_proxy.mirror.missing_rows import confirm_unconfirmed
from isales_proxy.models import Vdn
from isales_proxy.models.mirror import (
    ChangeKind,
    MirrorLeaf,
    MirrorRow,
    MirrorState,
    MirrorVersion,
    Phase,
)
from tests.support.mirror import AT, MINUTE, SweptVendor, make_row, to_ms

DAY = timedelta(days=1)


def make_vendor(vdn: Vdn, count: int = 60, **behaviour: Any) -> SweptVendor:
    """Make a vendor with a row every 30 minutes from a day before, read once."""
    vendor = SweptVendor(vdn, AT, page_cap=20, **behaviour)
    vendor.data.add(make_row(number, appointTime=get_time(number)) for number in range(count))
    vendor.run_round()
    return vendor


def get_time(number: int) -> int:
    return to_ms(AT - DAY + number * 30 * MINUTE)


def get_id(number: int) -> str:
    return f"{number:030d}"


def get_row(number: int) -> MirrorRow:
    return MirrorRow.objects.get(appoint_id=get_id(number))


def list_gone() -> set[str]:
    """List the IDs of all rows that were ever marked as gone."""
    gone = MirrorVersion.objects.filter(kinds__contains=ChangeKind.GONE)
    return {str(each) for each in gone.values_list("row__appoint_id", flat=True)}


def test_rows_deleted_and_added_during_a_round_are_not_confused(vdn: Vdn) -> None:
    vendor = make_vendor(vdn)
    vendor.data.remove(get_id(59))
    before = {row.appoint_id for row in MirrorRow.objects.present()}
    added: list[int] = []

    def change(_query: ReservationQuery) -> None:
        read = MirrorLeaf.objects.filter(as_of__gt=began).exclude(begin=None)
        unread = MirrorLeaf.objects.filter(as_of__lt=began, rows__gt=0).exclude(begin=None)
        if not added and read.filter(rows__gt=0).exists() and (leaf := unread.first()):
            first = MirrorRow.objects.filter(
                appoint_time__gte=read.filter(rows__gt=0)[0].begin
            ).order_by("appoint_time")[0]
            vendor.data.remove(str(first.appoint_id))
            added.append(1)
            assert leaf.begin
            vendor.data.add([make_row(900, appointTime=to_ms(leaf.begin) + 1000)])

    began = vendor.clock.now
    vendor.before_call = change
    vendor.run_round()
    assert added
    living = {row["appointId"] for row in vendor.data.shown(to_ms(vendor.clock.now))}
    assert not (list_gone() & living)
    vendor.before_call = lambda _query: None
    vendor.run_round()
    assert vendor.compare() == (set(), set())
    assert len(before - living) == 2


@pytest.mark.parametrize(
    ("filter_", "target"),
    [
        *(("exact", target) for target in (2, 55, None, 5000, -9000)),
        *((each, 55) for each in ("partial", "none", "refused", "ignored")),
        ("none", None),
        ("refused", -9000),
    ],
)
def test_moved_row_is_never_gone(vdn: Vdn, filter_: str, target: int | None) -> None:
    """To another leaf, to no time, out of the mirrored time; and back."""
    vendor = make_vendor(vdn, number_filter=filter_)
    vendor.data.move(get_id(30), None if target is None else get_time(target) + 1)
    vendor.run_round()
    vendor.clock.advance(31)
    vendor.run_round()
    vendor.run_round()
    assert list_gone() == set()
    if target != -9000:
        assert vendor.compare() == (set(), set())
    vendor.data.move(get_id(30), get_time(30))
    vendor.run_round()
    vendor.clock.advance(31)
    vendor.run_round()
    assert list_gone() == set()
    assert vendor.compare() == (set(), set())
    kinds = MirrorVersion.objects.filter(row=get_row(30)).values_list("kinds", flat=True)
    assert set(kinds) <= {"appeared", "moved"}


@pytest.mark.parametrize("first", [True, False])
def test_undated_rows_are_a_leaf_of_their_own(vdn: Vdn, first: bool) -> None:
    """They are the first or the last rows of the list."""
    vendor = make_vendor(vdn, order="appointTime", reverse=first)
    undated = [make_row(number, appointTime=None) for number in range(700, 745)]
    vendor.data.add(undated)
    state = vendor.run_round()
    assert vendor.compare() == (set(), set())
    assert state.round_complete
    assert (state.count_total, state.count_within, state.count_undated) == (105, 60, 45)
    vendor.data.remove(undated[3]["appointId"])
    vendor.run_round()
    assert list_gone() == {undated[3]["appointId"]}


def test_row_can_go_return_and_go_again(vdn: Vdn) -> None:
    vendor = make_vendor(vdn)
    for _each in range(2):
        removed = vendor.data.remove(get_id(7))
        removed_at = vendor.clock.now
        vendor.run_round()
        row = get_row(7)
        assert row.phase == Phase.GONE
        assert row.gone_after
        assert row.gone_by
        assert row.gone_after <= removed_at <= row.gone_by
        vendor.data.add_rows(removed)
        vendor.run_round()
        assert get_row(7).phase == Phase.OPEN
    kinds = MirrorVersion.objects.filter(row=get_row(7)).order_by("pk")
    assert [each.kinds for each in kinds] == ["appeared", "gone", "returned", "gone", "returned"]


def test_empty_success_leaves_the_list_intact(vdn: Vdn) -> None:
    vendor = make_vendor(vdn)
    vendor.simulator.behaviour.only_agents = ()
    calls = vendor.calls
    state = vendor.run_round()
    assert list_gone() == set()
    assert MirrorRow.objects.present().count() == 60
    assert state.guard_since is not None
    assert state.guard_rows == MirrorRow.objects.filter(unconfirmed=True).count() == 60
    assert not state.round_complete
    # They were not queried by number.
    assert vendor.calls - calls < 40
    vendor.simulator.behaviour.only_agents = None
    state = vendor.run_round()
    assert (state.guard_since, state.guard_rows, state.round_complete) == (None, 0, True)
    assert not MirrorRow.objects.filter(unconfirmed=True).exists()
    assert vendor.compare() == (set(), set())


def test_rows_held_back_for_a_while_are_not_marked_as_changed(vdn: Vdn) -> None:
    """The list changes, and then once more, but no reservation does."""
    vendor = make_vendor(vdn, 120)
    seen = vendor.run_round().revision
    vendor.simulator.behaviour.only_agents = ()
    held = vendor.run_round()
    assert held.guard_rows > 0
    vendor.simulator.behaviour.only_agents = None
    assert vendor.run_round().revision > held.revision > seen
    assert not MirrorRow.objects.filter(revision__gt=seen).exists()


def test_rows_found_again_do_not_count_as_missing(vdn: Vdn) -> None:
    """Neither those that were moved, nor those that a faulty answer lacked."""
    vendor = make_vendor(vdn, 120)
    for number in range(60):
        vendor.data.move(get_id(number), get_time(number + 60))
        if number % 10 == 9:
            vendor.run_round()
    assert vendor.compare() == (set(), set())
    vendor.data.remove(get_id(70))
    vendor.run_round()
    assert list_gone() == {get_id(70)}
    vendor.simulator.behaviour.only_agents = ()
    assert vendor.run_round().guard_rows == 119
    vendor.simulator.behaviour.only_agents = None
    assert vendor.run_round().guard_rows == 0
    vendor.data.remove(get_id(30))
    vendor.run_round()
    assert list_gone() == {get_id(70), get_id(30)}
    assert not MirrorRow.objects.filter(unconfirmed=True).exists()


def test_many_missing_rows_are_gone_after_three_agreeing_rounds(vdn: Vdn) -> None:
    vendor = make_vendor(vdn)
    for number in range(20, 44):
        vendor.data.remove(get_id(number))
    state = vendor.run_round()
    assert state.guard_rows == 24
    assert list_gone() == set()
    for _each in range(2):
        vendor.clock.advance(9 * 60)
        vendor.run_round()
    # Three rounds agree, but within less than half an hour.
    vendor.run_round()
    assert list_gone() == set()
    vendor.clock.advance(13 * 60)
    vendor.run_round()
    assert list_gone() == {get_id(number) for number in range(20, 44)}
    state = MirrorState.objects.get()
    assert (state.guard_since, state.guard_rows) == (None, 0)
    assert vendor.compare() == (set(), set())


def test_admin_confirms_many_missing_rows(vdn: Vdn) -> None:
    vendor = make_vendor(vdn)
    for number in range(20, 44):
        vendor.data.remove(get_id(number))
    vendor.run_round()
    assert confirm_unconfirmed(88, vendor.clock.now)
    vendor.run(60)
    assert len(list_gone()) == 24
    assert vendor.compare() == (set(), set())
    assert MirrorState.objects.get().guard_since is None
    assert not confirm_unconfirmed(88, vendor.clock.now)


def test_confirmation_applies_to_the_rows_unconfirmed_then(vdn: Vdn) -> None:
    """Rows that are missing later need another confirmation."""
    vendor = make_vendor(vdn)
    for number in range(20, 44):
        vendor.data.remove(get_id(number))
    vendor.run_round()
    assert confirm_unconfirmed(88, vendor.clock.now)
    vendor.clock.advance(60)
    vendor.simulator.behaviour.only_agents = ()
    for _each in range(2):
        state = vendor.run_round()
        assert list_gone() == {get_id(number) for number in range(20, 44)}
        assert (state.guard_rows, state.guard_confirmed_at) == (36, None)
    vendor.simulator.behaviour.only_agents = None
    vendor.run_round()
    assert vendor.compare() == (set(), set())


@pytest.mark.parametrize("spread", [1, 5])
def test_key_limited_to_one_agent_makes_no_row_gone(vdn: Vdn, spread: int) -> None:
    """Also if each leaf has few rows."""
    vendor = SweptVendor(vdn, AT, page_cap=20)
    vendor.data.add(
        make_row(number, appointTime=get_time(number * spread), userAccount=str(number % 6))
        for number in range(60)
    )
    vendor.run_round()
    vendor.simulator.behaviour.only_agents = ("3",)
    state = vendor.run_round()
    assert list_gone() == set()
    assert state.guard_since is not None
    vendor.simulator.behaviour.only_agents = None
    vendor.run_round()
    assert vendor.compare() == (set(), set())


def make_rows_of_one_second(kind: str) -> list[dict[str, Any]]:
    """Make 300 rows of one second."""
    accounts: dict[str, list[str | None]] = {
        "agents": [str(number) for number in range(30)],
        "unknown": [None, None, *(str(number) for number in range(28))],
        "one task": ["116"],
    }
    known = accounts[kind]
    return [
        make_row(
            number,
            appointTime=to_ms(AT + DAY),
            calledNo=f"6666{number:04d}",
            userAccount=known[number % len(known)],
            taskId="11" if kind == "one task" else str(number % 4),
        )
        for number in range(300)
    ]


@pytest.mark.parametrize("kind", ["agents", "unknown", "one task"])
def test_more_rows_in_one_second_than_a_page_are_read_completely(vdn: Vdn, kind: str) -> None:
    vendor = SweptVendor(vdn, AT, page_cap=50)
    vendor.data.add(make_rows_of_one_second(kind))
    state = vendor.run_round()
    assert vendor.compare() == (set(), set())
    assert (state.round_complete, state.round_reason) == (True, "")
    vendor.data.remove(get_id(9))
    vendor.run_round()
    assert list_gone() == {get_id(9)}
    assert vendor.compare() == (set(), set())


def test_one_second_with_few_rows_of_each_agent_is_read_by_pages(vdn: Vdn) -> None:
    """By agents it would take 40 calls, in which a change of the second is likely."""
    vendor = SweptVendor(vdn, AT, page_cap=50)
    vendor.data.add(
        row | {"userAccount": str(n % 40)}
        for n, row in enumerate(make_rows_of_one_second("agents"))
    )
    vendor.run_round()
    queries: list[ReservationQuery] = []
    vendor.before_call = queries.append
    vendor.data.remove(get_id(9))
    assert vendor.run_round().round_complete
    assert list_gone() == {get_id(9)}
    assert not [query for query in queries if query.agents]


def test_rows_of_a_second_that_keeps_growing_are_stored_although_it_is_never_complete(
    vdn: Vdn,
) -> None:
    vendor = SweptVendor(vdn, AT, page_cap=50)
    crowd = make_rows_of_one_second("agents")[:120]
    rows = [row | {"userAccount": str(number % 3)} for number, row in enumerate(crowd)]
    vendor.data.add(rows)
    numbers = count(1)

    def grow(_query: ReservationQuery) -> None:
        vendor.data.add([rows[0] | {"appointId": f"later-{next(numbers)}"}])

    vendor.before_call = grow
    state = vendor.run_round()
    assert not state.round_complete
    assert MirrorRow.objects.count() >= 120
    assert not list_gone()


def test_agents_missing_on_the_first_page_of_a_second_are_read(vdn: Vdn) -> None:
    """Two passes would not agree: the order differs at each call."""
    vendor = SweptVendor(vdn, AT, page_cap=50, order="random")
    vendor.data.add(make_rows_of_one_second("agents"))
    for number, account in enumerate(("901", "902", "903")):
        vendor.data.hand_over(get_id(100 * number), account, "Rare")
    state = vendor.run_round()
    assert (state.round_complete, state.round_reason) == (True, "")
    assert vendor.compare() == (set(), set())


def test_more_rows_in_one_second_than_a_page_are_read_with_ignored_offsets(vdn: Vdn) -> None:
    vendor = SweptVendor(vdn, AT, page_cap=50, ignore_offset=True)
    vendor.data.add(make_rows_of_one_second("agents"))
    vendor.run_round()
    assert vendor.compare() == (set(), set())


def test_page_without_its_last_row_makes_no_row_gone(vdn: Vdn) -> None:
    """The page has one row twice, in place of another row."""
    vendor = make_vendor(vdn)
    vendor.simulator.behaviour.duplicates = "instead"
    vendor.run(120)
    assert list_gone() == set()
    assert MirrorRow.objects.present().count() == 60


@pytest.mark.parametrize("total", [-1, 3, 70])
def test_totals_that_go_wrong_later_make_no_row_gone(vdn: Vdn, total: Any) -> None:
    vendor = make_vendor(vdn)
    vendor.simulator.behaviour.total = total
    vendor.run(300)
    assert list_gone() == set()
    assert MirrorRow.objects.present().count() == 60


def test_rows_before_the_mirrored_time_are_counted_and_open_ones_checked(vdn: Vdn) -> None:
    """Open rows of the mirror that are due before that time are queried by number."""
    vendor = make_vendor(vdn, 8)
    vendor.data.add([make_row(800, appointTime=to_ms(AT - 300 * DAY))])
    state = vendor.run_round()
    assert (state.count_total, state.count_before, state.count_within) == (9, 1, 8)
    vendor.clock.advance(200 * 24 * 3600)
    vendor.data.finish(get_id(5), to_ms(AT), to_ms(AT) + 1)
    vendor.data.remove(get_id(6))
    state = vendor.run_round()
    assert state.count_before == 8
    first = MirrorLeaf.objects.filter(kind="time").order_by("begin")[0]
    assert first.begin
    assert vendor.clock.now - first.begin < 181 * DAY
    vendor.run(40)
    assert get_row(5).phase == Phase.ANSWERED
    assert list_gone() == {get_id(6)}
    assert MirrorRow.objects.present().count() == 7
