"""The sweeper with vendors of many kinds: the mirror equals the list, no present row is gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from isales_proxy.models import Vdn
from isales_proxy.models.mirror import LeafKind, MirrorLeaf, MirrorRow, MirrorState, Phase
from tests.support.mirror import AT, MINUTE, SweptVendor, make_row, to_ms


def fill(vendor: SweptVendor, count: int = 250) -> None:
    """Give a vendor rows from a day before to three days after `AT`, every 20 minutes."""
    vendor.data.add(make_row(number * 20 - 24 * 60) for number in range(count))


VENDORS: list[dict[str, Any]] = [
    {},
    {"order": "appointId"},
    {"order": "appointTime", "reverse": True},
    {"order": "random"},
    {"begin_inclusive": False, "end_inclusive": False},
    {"begin_inclusive": False},
    {"end_inclusive": False},
    {"cut_milliseconds": "rows"},
    {"cut_milliseconds": "bounds", "end_inclusive": False},
    {"cut_milliseconds": "both"},
    {"page_cap": 10},
    {"page_cap": 37},
    {"page_cap": 50},
    {"max_limit": 37},
    {"ignore_offset": True},
    {"depth_cap": 100},
    {"depth_cap": 100, "depth_cap_refused": True},
    {"total": "text"},
    {"total": "low"},
    {"total": "high"},
    {"total": "page"},
    {"total": 0},
    {"total": 500},
    {"duplicates": "added"},
    {"number_filter": "exact"},
    {"number_filter": "refused"},
    {"number_filter": "none"},
    {"range_column": "createTime"},
]


@pytest.mark.parametrize("behaviour", VENDORS, ids=lambda each: repr(each))
def test_whole_round_equals_the_vendor(vdn: Vdn, behaviour: dict[str, Any]) -> None:
    vendor = SweptVendor(vdn, AT, **behaviour)
    fill(vendor)
    vendor.data.add([make_row(7, appointTime=to_ms(AT) + 999)])
    state = vendor.run_round()
    assert vendor.compare() == (set(), set())
    assert (state.round_complete, state.round_reason) == (True, "")
    assert state.rows_read == 251
    vendor.data.remove(make_row(7)["appointId"])
    vendor.run_round()
    vendor.clock.advance(60)
    vendor.run_round()
    vendor.run_round()
    assert vendor.compare() == (set(), set())
    assert MirrorRow.objects.filter(phase=Phase.GONE).count() == 1


def test_slow_vendor_starves_no_part_of_the_list(vdn: Vdn) -> None:
    vendor = SweptVendor(vdn, AT, page_cap=10)
    vendor.CALL_SECONDS = 3.0
    fill(vendor, 300)
    state = vendor.run_round()
    plain = 300 / 10 * vendor.CALL_SECONDS
    assert (state.round_complete, state.round_reason) == (True, "")
    assert state.round_ended_at
    assert state.round_began_at
    assert (state.round_ended_at - state.round_began_at).total_seconds() < 8 * plain
    vendor.run(900)
    leaves = MirrorLeaf.objects.filter(kind=LeafKind.TIME, interval__lt=3600)
    late = [leaf for leaf in leaves if not leaf.as_of or _age(vendor, leaf) > 3 * leaf.interval]
    assert len(leaves) > 10
    assert late == []


def test_crowd_that_is_due_starves_no_part_of_the_list(vdn: Vdn) -> None:
    """Rows of one quarter of an hour need more calls than there are, and one second needs 40."""
    vendor = SweptVendor(vdn, AT, page_cap=10)
    vendor.CALL_SECONDS = 1.0
    fill(vendor, 300)
    vendor.data.add(
        make_row(1000 + number, appointTime=to_ms(AT + 2 * MINUTE) + number * 9_000)
        for number in range(150)
    )
    vendor.data.add(
        make_row(
            2000 + number, appointTime=to_ms(AT + 90 * MINUTE), userAccount=f"{100 + number % 40}"
        )
        for number in range(60)
    )
    assert vendor.run_round().round_complete
    for _time in range(6):
        vendor.run(100)
        leaves = MirrorLeaf.objects.filter(kind=LeafKind.TIME, interval__lt=3600)
        late = {leaf.interval for leaf in leaves if _age(vendor, leaf) > 3 * leaf.interval}
        assert late == set()


def _age(vendor: SweptVendor, leaf: MirrorLeaf) -> float:
    assert leaf.as_of
    return (vendor.clock.now - leaf.as_of).total_seconds()


def test_nightly_round_follows_a_changed_time_zone(vdn: Vdn) -> None:
    """03:00 in Phoenix is 10:00 UTC, an hour after `AT`."""
    vendor = SweptVendor(vdn, AT)
    fill(vendor, 10)
    vendor.run_round()
    vendor.sweeper.vdn = Vdn(pk=88, name="Support", time_zone="America/Phoenix")
    vendor.clock.advance(3600)
    vendor.run(60)
    began = MirrorState.objects.get().round_began_at
    assert began
    assert began >= AT + timedelta(hours=1)
