"""Random schedules for the mirror: a vendor with random behaviour whose rows change between any two
calls, and what must be true of the mirror afterwards.
"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any, Final

from isales_proxy.client.errors import TimedOut, Unreachable
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.mirror import names
from isales_proxy.mirror.leaves import plan_leaves
from isales_proxy.models import Vdn
from isales_proxy.models.mirror import (
    MirrorCount,
    MirrorLeaf,
    MirrorName,
    MirrorRow,
    MirrorState,
    MirrorVersion,
)
from isales_proxy.simulator.reservations import Row
from tests.support.mirror import AT, MINUTE, SweptVendor, make_row, to_ms

_ROWS: Final = 14
_MAX_REMOVED: Final = 6
_BUSY_SECONDS: Final = 17
_KINDS: Final = {"moved": "move", "handed-over": "hand_over", "result": "finish", "gone": "remove"}


def run_schedule(vdn: Vdn, seed: int) -> str:
    """Play one schedule; return what is wrong with the mirror after it, "" for nothing."""
    _clear(vdn)
    schedule = _Schedule(vdn, random.Random(seed))
    schedule.play()
    return schedule.find_fault()


def plan_few_leaves(vdn_id: int, now: datetime, floor: datetime) -> list[MirrorLeaf]:
    """Plan the leaves of a new mirror without the far ranges."""
    leaves = plan_leaves(vdn_id, now, floor)
    timed = [leaf for leaf in leaves if leaf.begin is not None]
    timed[2].end = timed[3].begin
    timed[2].begin = timed[0].begin
    timed[-3].end = timed[-1].end
    return [*timed[2:-2], leaves[-1]]


def _clear(vdn: Vdn) -> None:
    names.clear_memory()
    for model in (MirrorVersion, MirrorRow, MirrorLeaf, MirrorCount, MirrorState):
        model._default_manager.filter(vdn=vdn).delete()
    MirrorName.objects.all().delete()


class _Schedule:
    """One vendor, its changes with their times, and the sweeper of its list."""

    def __init__(self, vdn: Vdn, rng: random.Random) -> None:
        self._rng = rng
        self._finds_numbers = rng.random() < 0.8
        self._vendor = SweptVendor(
            vdn,
            AT,
            order=rng.choice(["near", "appointId", "appointTime", "createTime", "random"]),
            reverse=rng.random() < 0.3,
            begin_inclusive=rng.random() < 0.7,
            end_inclusive=rng.random() < 0.7,
            cut_milliseconds=rng.choice(["none", "rows", "bounds", "both"]),
            page_cap=rng.choice([4, 5, 7]),
            number_filter=rng.choice(["exact", "partial"])
            if self._finds_numbers
            else rng.choice(["none", "refused", "ignored"]),
            range_column=rng.choice(["appointTime", "appointTime", "createTime"]),
            total=rng.choice(["true", "text"]),
        )
        self._events: dict[tuple[str, str], list[datetime]] = defaultdict(list)
        self._present: list[str] = []
        self._removed: list[list[Row]] = []
        self._made = 0
        self._removals = 0
        self._share_of_changes = rng.choice([0.05, 0.2, 0.5])
        self._share_of_faults = rng.choice([0.0, 0.0, 0.05])
        for _each in range(rng.randint(3, _ROWS)):
            self._insert()
        self._vendor.before_call = self._before_call

    def play(self) -> None:
        """Let the sweeper work while rows change, then make one round without changes."""
        vendor = self._vendor
        vendor.run_round()
        vendor.run(_BUSY_SECONDS)
        vendor.before_call = lambda _query: None
        vendor.run_round()
        for _each in range(4):
            # More rounds are needed for rows without a time if the order differs at each call, and
            # for missing rows whose number has more rows than a page: two rounds must miss them.
            wanted = vendor.sweeper.missing.wanted_round
            state = MirrorState.objects.get(pk=vendor.vdn.pk)
            if state.round_complete and wanted is None:
                break
            vendor.clock.advance(31)
            vendor.run_round()

    def find_fault(self) -> str:
        """Compare the mirror with the vendor, and each version with the changes that were made."""
        lacking, surplus = self._vendor.compare()
        if lacking or surplus:
            return f"lacks {lacking}, shows {surplus}"
        versions = MirrorVersion.objects.filter(vdn=self._vendor.vdn).select_related("row")
        for version in versions:
            if "returned" in version.kinds:
                # Its other changes happened before it went, or while it was gone.
                continue
            for kind in version.kinds.split(","):
                event = _KINDS.get(kind)
                if event is None:
                    continue
                times = self._events[version.row.appoint_id or "", event]
                after = version.after or AT - MINUTE
                if not any(after <= time <= version.by for time in times):
                    interval = f"({version.after}, {version.by}]"
                    return f"row {version.row.appoint_id} {kind} in {interval}, but {times}"
        return ""

    def _before_call(self, _query: ReservationQuery) -> None:
        rng = self._rng
        while rng.random() < self._share_of_changes:
            self._change()
        if rng.random() < self._share_of_faults:
            raise rng.choice([TimedOut(), Unreachable()])

    def _change(self) -> None:
        rng = self._rng
        changes = [self._insert, self._move, self._move, self._move, self._hand_over, self._finish]
        if self._removals < _MAX_REMOVED:
            changes += [self._remove, self._remove]
        if self._removed:
            changes += [self._put_back]
        rng.choice(changes)()

    def _insert(self) -> None:
        self._made += 1
        row = make_row(
            self._made,
            appointTime=self._draw_time(),
            calledNo=f"6666{self._rng.randint(1, 6):04d}",
            createTime=to_ms(AT - timedelta(days=1)) + self._rng.randint(0, 10**7),
            userAccount=self._rng.choice(["116", "117", None]),
        )
        if len(self._present) < 2 * _ROWS:
            self._vendor.data.add([row])
            self._present.append(row["appointId"])

    def _draw_time(self) -> int | None:
        rng = self._rng
        if rng.random() < 0.08:
            return None
        if rng.random() < 0.3:
            # At a second where leaves are cut, or a little before or after it.
            return to_ms(AT) + rng.choice([-1, 0, 1]) * 3_600_000 + rng.choice([-1, 0, 1, 999])
        return to_ms(AT) + rng.randint(-3 * 86_400_000, 5 * 86_400_000)

    def _pick(self) -> str | None:
        return self._rng.choice(self._present) if self._present else None

    def _move(self) -> None:
        if (key := self._pick()) is not None:
            self._vendor.data.move(key, self._draw_time())
            self._note(key, "move")

    def _hand_over(self) -> None:
        if (key := self._pick()) is not None:
            account = self._rng.choice(["116", "117", "118", None])
            self._vendor.data.hand_over(key, account, account)
            self._note(key, "hand_over")

    def _finish(self) -> None:
        if (key := self._pick()) is not None:
            now = to_ms(self._vendor.clock.now)
            self._vendor.data.finish(key, now - 1000, now, fail_code=self._rng.choice("012"))
            self._note(key, "finish")

    def _remove(self) -> None:
        if len(self._present) > 3 and (key := self._pick()) is not None:
            self._removed.append(self._vendor.data.remove(key))
            self._present.remove(key)
            self._removals += 1
            self._note(key, "remove")

    def _put_back(self) -> None:
        rows = self._removed.pop(self._rng.randrange(len(self._removed)))
        self._vendor.data.add_rows(rows)
        self._present.append(rows[0].text("appointId"))

    def _note(self, key: Any, event: str) -> None:
        self._events[key, event].append(self._vendor.clock.now)
