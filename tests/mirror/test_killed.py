"""Sweepers that end between any two statements; a killed one; a list that ignores ranges."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.mirror.leadership import LEASE
from isales_proxy.models import Vdn
from isales_proxy.models.mirror import MirrorLeaf, MirrorRow, MirrorState, MirrorVersion
from isales_proxy.simulator import Simulator
from tests.support.mirror import AT, MINUTE, SweptVendor, make_row, to_ms
from tests.support.workers import Site, embedded, until

END_LEASE = """
from django.utils import timezone
from isales_proxy.models.mirror import MirrorState
MirrorState.objects.update(lease_until=timezone.now())
"""
_TRANSACTION_STATEMENTS = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT")


class Killed(BaseException):
    """Simulated end of a process: only the database connection notices."""


class Killer:
    """Ends the process after `left` statements."""

    def __init__(self, left: int) -> None:
        self._left = left

    def __call__(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if not sql.startswith(_TRANSACTION_STATEMENTS):
            self._left -= 1
            if self._left < 0:
                raise Killed
        return execute(sql, *rest)


def test_sweepers_ended_between_any_two_statements_leave_consistent_rows(vdn: Vdn) -> None:
    vendor = SweptVendor(vdn, AT, page_cap=12)
    vendor.data.add(make_row(number * 60) for number in range(24))
    rng = random.Random(7)
    removed: set[str] = set()
    killed = 0
    for number in range(50):
        key = make_row(60 * rng.randrange(24))["appointId"]
        if key not in removed:
            vendor.data.move(key, to_ms(AT + rng.randint(-2000, 4000) * MINUTE))
            vendor.data.hand_over(key, str(rng.randint(1, 5)), "Wei")
            if number % 5 == 0:
                vendor.data.remove(key)
                removed.add(key)
        sweeper = vendor.create_sweeper()
        vendor.clock.advance(LEASE.total_seconds() + 1)
        try:
            with connection.execute_wrapper(Killer(rng.randint(0, 110))):
                vendor.run_round(sweeper)
        except Killed:
            killed += 1
    assert killed > 25
    vendor.clock.advance(LEASE.total_seconds() + 1)
    last = vendor.create_sweeper()
    assert vendor.run_round(last).round_complete
    assert vendor.compare() == (set(), set())
    gone = MirrorVersion.objects.filter(kinds__contains="gone")
    assert set(gone.values_list("row__appoint_id", flat=True)) <= removed
    # Each row has one open version, and each version ends when the next begins.
    for row in MirrorRow.objects.all():
        versions = list(row.versions.order_by("pk"))
        for one, other in pairwise(versions):
            assert one.known_until == other.known_from
        assert versions[-1].known_until.year == 9999


class UnrangedVendor(SweptVendor):
    """A vendor whose list ignores time ranges."""

    def list_reservations(self, query: ReservationQuery) -> Page[Reservation]:
        return super().list_reservations(replace(query, begin=None, end=None))


def test_list_that_ignores_ranges_is_read_by_agents(vdn: Vdn) -> None:
    vendor = UnrangedVendor(vdn, AT, page_cap=20)
    vendor.data.add(
        make_row(number * 30, userAccount=str(number % 7) if number % 9 else None)
        for number in range(60)
    )
    state = vendor.run_round()
    assert (state.column, state.round_complete, state.round_reason) == ("agent", True, "")
    assert vendor.compare() == (set(), set())
    vendor.data.remove(make_row(30)["appointId"])
    vendor.data.hand_over(make_row(60)["appointId"], "3", "Li")
    vendor.run_round()
    assert vendor.compare() == (set(), set())
    assert set(MirrorLeaf.objects.values_list("kind", flat=True)) == {"agent"}
    assert MirrorState.objects.get().guard_since is None


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[tuple[Site, Simulator]]:
    with Simulator(rows=1500) as simulator, embedded(simulator, tmp_path) as site:
        yield site, simulator


@pytest.mark.processes
def test_next_sweep_completes_the_mirror_of_a_killed_sweep(
    installation: tuple[Site, Simulator],
) -> None:
    site, vendor = installation
    process = site.start("sweep", "--vdn", "88")
    until(
        lambda: bool(site.query("SELECT 1 FROM isales_proxy_mirrorrow LIMIT 1 OFFSET 300")),
        within=60,
    )
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert site.query("SELECT count(*) FROM isales_proxy_mirrorstate WHERE holder <> ''") == [(1,)]
    # The next one would wait half a minute for the lease to expire, as a test with a manual clock
    # does (test_leadership).
    site.manage("shell", "-v0", "-c", END_LEASE)
    output = site.manage("sweep", "--vdn", "88")
    assert "complete" in output
    rows = site.query("SELECT appoint_id FROM isales_proxy_mirrorrow WHERE phase < 9")
    assert {row[0] for row in rows} == {
        row.text("appointId") for row in vendor.dataset(88).select({})
    }
    versions = "SELECT count(*) FROM isales_proxy_mirrorversion WHERE kinds = 'appeared'"
    assert site.query(versions) == [(len(rows),)]
