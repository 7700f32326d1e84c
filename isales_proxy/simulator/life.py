"""Life in the demo: reservations come, move, change hands, are called, and vanish.

Beside what the rows do by their own plans. The number of rows stays about the same, and near the
present there are always some that are late, that are being dialled, and that are due soon.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from typing import Final

from isales_proxy.simulator.dataset import Dataset
from isales_proxy.simulator.demo_data import DIAL_AHEAD, HOUR, MINUTE, SECOND, RowMaker, roster_of
from isales_proxy.simulator.list_behaviour import ListBehaviour
from isales_proxy.simulator.reservation_list import ReservationList
from isales_proxy.simulator.reservations import Row, to_ms

_LATE: Final = 4  # rows that are late, at least
_DIALLED: Final = 2
_SOON: Final = 6
_SOON_MS: Final = 15 * MINUTE
_FEWEST_ROWS: Final = 100
_OLDEST_FIRST: Final = ListBehaviour(order="appointTime")
_CHANCES: Final = {"move": 12, "hand_over": 12, "call": 10, "vanish": 3, "nothing": 63}


class Life:
    """Changes the reservations of some VDNs, one step each `pause` seconds, from a seed."""

    def __init__(
        self,
        reservations: ReservationList,
        vdns: Collection[int],
        *,
        seed: int = 1,
        pause: float = 4.0,
    ) -> None:
        self._reservations, self._pause = reservations, pause
        self._vdns = {vdn: _Habits(reservations.dataset(vdn), vdn, seed) for vdn in vdns}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._live, name="simulator life", daemon=True)

    def start(self) -> None:
        """Make the first step at once, the others in the background until `stop`."""
        self.step()
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def step(self) -> None:
        """Let every VDN live on until now: fill up what is too little, and change one row."""
        now_ms = to_ms(self._reservations.now())
        for habits in self._vdns.values():
            habits.fill_up(now_ms)
            habits.change_one(now_ms)
            habits.thin_out()

    def _live(self) -> None:
        while not self._stopped.wait(self._pause):
            # Somebody else may have removed a row that a step has found.
            with suppress(KeyError):
                self.step()


class _Habits:
    """Changes of the rows of one VDN, drawn from one random source."""

    def __init__(self, dataset: Dataset, vdn: int, seed: int) -> None:
        self._dataset = dataset
        self._rng = random.Random(f"callboard/{seed}/{vdn}/life")  # noqa: S311  (demo data)
        self._roster = roster_of(vdn)
        self._vdn = vdn
        self._goal = max(len(dataset), _FEWEST_ROWS)

    def fill_up(self, now_ms: int) -> None:
        """Create the rows that are missing near the present, as if created lately."""
        late, dialled, soon = self._find_open(now_ms)
        for _ in range(_LATE - len(late)):
            due_ms = now_ms - self._draw_ms(2 * MINUTE, 40 * MINUTE)
            self._create(now_ms, due_ms, created_ms=due_ms - HOUR, start_ms=None)
        for _ in range(_DIALLED - len(dialled)):
            due_ms = now_ms + self._draw_ms(2 * MINUTE, DIAL_AHEAD)
            start_ms = due_ms - self._draw_ms(0, MINUTE)
            self._create(now_ms, due_ms, created_ms=now_ms, start_ms=start_ms, call_type="2")
        near = [row for row in soon if (row.appoint_ms or 0) < now_ms + _SOON_MS]
        for _ in range(_SOON - len(near)):
            due_ms = now_ms + self._draw_ms(4 * MINUTE, _SOON_MS)
            forgotten = self._rng.random() < 0.15
            planned_ms = None if forgotten else due_ms + self._draw_ms(-MINUTE, 4 * MINUTE)
            self._create(now_ms, due_ms, created_ms=now_ms, start_ms=planned_ms, call_type="1")

    def change_one(self, now_ms: int) -> None:
        """Move, hand over, call or remove one row that is open and near, or do nothing."""
        late, _, soon = self._find_open(now_ms)
        row = self._rng.choice([*late, *soon])
        key = row.text("appointId")
        match self._rng.choices(list(_CHANCES), list(_CHANCES.values()))[0]:
            case "move":
                due_ms = now_ms + self._draw_ms(10 * MINUTE, 3 * HOUR)
                self._dataset.move(key, due_ms)
                self._plan_call(key, due_ms + self._draw_ms(0, 5 * MINUTE))
            case "hand_over":
                account, name, _ = self._rng.choice(self._roster["agents"])
                self._dataset.hand_over(key, account, name)
            case "call":
                # The latest stay late: a list without them would show nobody's troubles.
                row = self._rng.choice(late)
                self._plan_call(row.text("appointId"), now_ms)
            case "vanish":
                self._dataset.remove(key, keep=False)

    def thin_out(self) -> None:
        """Remove the oldest rows beyond the number of the start."""
        surplus = len(self._dataset) - self._goal
        if surplus > 0:
            for row in self._dataset.select({}, _OLDEST_FIRST)[:surplus]:
                self._dataset.remove(row.text("appointId"), keep=False)

    def _find_open(self, now_ms: int) -> tuple[list[Row], list[Row], list[Row]]:
        """Return the rows not yet called: late since two hours, dialled now, due in an hour."""
        near = {"beginTime": now_ms - 2 * HOUR, "endTime": now_ms + HOUR}
        late, dialled, soon = list[Row](), list[Row](), list[Row]()
        for row in self._dataset.select(near):
            if row.appoint_ms is None or row.shown_at(now_ms).get("beginTime"):
                continue
            if row.appoint_ms < now_ms - MINUTE:
                late.append(row)
            elif row.text("callType") == "2" and 0 < row.appoint_ms - now_ms <= DIAL_AHEAD:
                dialled.append(row)
            elif row.appoint_ms > now_ms:
                soon.append(row)
        return late, dialled, soon

    def _create(
        self,
        now_ms: int,
        due_ms: int,
        *,
        created_ms: int,
        start_ms: int | None,
        call_type: str = "1",
    ) -> None:
        maker = RowMaker(self._rng, self._vdn, now_ms)
        row = maker.make(due_ms // SECOND * SECOND, created_ms=created_ms)
        row = replace(row, fields={**row.fields, "callType": call_type})
        length = self._draw_ms(20 * SECOND, 5 * MINUTE)
        end_ms = 0 if start_ms is None else start_ms + length
        self._dataset.add_rows([row.planned(start_ms, end_ms)])

    def _plan_call(self, key: str, start_ms: int) -> None:
        self._dataset.plan_call(key, start_ms, start_ms + self._draw_ms(20 * SECOND, 5 * MINUTE))

    def _draw_ms(self, least: int, most: int) -> int:
        """Draw whole seconds, in ms."""
        return self._rng.randint(least // SECOND, most // SECOND) * SECOND
