"""Life in the demo: reservations come, move, change hands, are called, and vanish.

Beside what the rows do by their own plans. The number of rows stays about the same, and near the
present there are always some that are late, that are being dialled, and that are due soon.
"""

from __future__ import annotations

import random
from typing import Final

from isales_proxy.simulator.dataset import Dataset
from isales_proxy.simulator.demo_data import DIAL_AHEAD, HOUR, MINUTE, SECOND, RowMaker, roster_of
from isales_proxy.simulator.list_behaviour import ListBehaviour
from isales_proxy.simulator.reservations import Row

_LATE: Final = 4  # rows that are late, at least
_DIALLED: Final = 2
_SOON: Final = 6
_SOON_MS: Final = 15 * MINUTE
_FEWEST_ROWS: Final = 100
_OLDEST_FIRST: Final = ListBehaviour(order="appointTime")
_CHANCES: Final = {"move": 12, "hand_over": 12, "call": 10, "vanish": 3, "nothing": 63}


class Life:
    """Changes of the rows of one VDN, drawn from one random source."""

    def __init__(self, dataset: Dataset, vdn: int) -> None:
        self._dataset, self._vdn = dataset, vdn
        self._rng = random.Random(f"callboard/1/{vdn}/life")  # noqa: S311  (demo data)
        self._roster = roster_of(vdn)
        self._goal = max(len(dataset), _FEWEST_ROWS)

    def step(self, now_ms: int) -> None:
        """Live on until now: fill up what is too little, change one row, remove the oldest."""
        self._fill_up(now_ms)
        self._change_one(now_ms)
        self._thin_out()

    def _fill_up(self, now_ms: int) -> None:
        """Create the rows that are missing near the present, as if created lately."""
        late, dialled, soon = self._find_open(now_ms)
        for _ in range(_LATE - len(late)):
            due_ms = now_ms - self._draw_ms(2 * MINUTE, 40 * MINUTE)
            self._create(due_ms - HOUR, due_ms, None)
        for _ in range(_DIALLED - len(dialled)):
            due_ms = now_ms + self._draw_ms(2 * MINUTE, DIAL_AHEAD)
            self._create(now_ms, due_ms, due_ms - self._draw_ms(0, MINUTE), call_type="2")
        near = [row for row in soon if (row.appoint_ms or 0) < now_ms + _SOON_MS]
        for _ in range(_SOON - len(near)):
            due_ms = now_ms + self._draw_ms(4 * MINUTE, _SOON_MS)
            forgotten = self._rng.random() < 0.15
            start_ms = None if forgotten else due_ms + self._draw_ms(-MINUTE, 4 * MINUTE)
            self._create(now_ms, due_ms, start_ms)

    def _change_one(self, now_ms: int) -> None:
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
                self._dataset.remove(key)

    def _thin_out(self) -> None:
        """Remove the oldest rows beyond the number of the start."""
        surplus = len(self._dataset) - self._goal
        if surplus > 0:
            for row in self._dataset.select({}, _OLDEST_FIRST)[:surplus]:
                self._dataset.remove(row.text("appointId"))

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
        self, created_ms: int, due_ms: int, start_ms: int | None, *, call_type: str = "1"
    ) -> None:
        maker = RowMaker(self._rng, self._vdn, created_ms)
        made = maker.make(due_ms // SECOND * SECOND, created_ms=created_ms)
        length = self._draw_ms(20 * SECOND, 5 * MINUTE)
        end_ms = None if start_ms is None else start_ms + length
        plan = {"callType": call_type, "beginTime": start_ms, "endTime": end_ms}
        self._dataset.add_rows([Row({**made.fields, **plan})])

    def _plan_call(self, key: str, start_ms: int) -> None:
        self._dataset.plan_call(key, start_ms, start_ms + self._draw_ms(20 * SECOND, 5 * MINUTE))

    def _draw_ms(self, least: int, most: int) -> int:
        """Draw whole seconds, in ms."""
        return self._rng.randint(least // SECOND, most // SECOND) * SECOND
