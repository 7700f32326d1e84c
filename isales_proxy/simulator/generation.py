"""Making the reservations of one VDN from a seed, anchored to one moment."""

from __future__ import annotations

import random
from typing import Final

from isales_proxy.simulator.cast import (
    ANSWERED,
    BUSINESS_RESULTS,
    CALLER_NUMBERS,
    OUTCOMES,
    Agent,
    called_number,
    cast_of,
)
from isales_proxy.simulator.data import SECOND, Row
from isales_proxy.simulator.oddities import CALLED_BEFORE_CREATED, NO_AGENT, ODDITIES

MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

DAYS_BACK: Final = 21
DAYS_AHEAD: Final = 10
ODD_SHARE: Final = 0.08
"""Share of rows that carry an oddity."""

_NEAR_ROWS: Final = 40
_BUSY_DAYS: Final = {-3: 0.13, 2: 0.08}
_OPENS: Final = 1 * HOUR
_CLOSES: Final = 12 * HOUR
_ODDITY_NAMES: Final = tuple(ODDITIES)


def generate(*, vdn: int, rows: int, seed: int, anchor_ms: int) -> list[Row]:
    """`rows` reservations around `anchor_ms`, from 21 days before to 10 days after it.

    The same arguments give the same rows. About forty (fewer when `rows` is small) fall
    into the hour around the anchor; three days before it lies a day with an eighth of all.
    """
    rng = random.Random(f"callboard/{seed}/{vdn}")  # noqa: S311  (demo data)
    made = _Maker(rng, vdn, anchor_ms)
    near = min(_NEAR_ROWS, rows // 3)
    times = [_near_time(rng, i, near, anchor_ms) for i in range(near)]
    is_near = [True] * near
    for time_ms in _spread(rng, rows - near, anchor_ms):
        times.append(time_ms)
        is_near.append(False)
    odd_every = round(1 / ODD_SHARE)
    result: list[Row] = []
    for i, (time_ms, close) in enumerate(zip(times, is_near, strict=True)):
        turn, rest = divmod(i, odd_every)
        oddity = _ODDITY_NAMES[turn % len(_ODDITY_NAMES)] if rest == 5 else ""
        result.append(made.row(time_ms, near=close, oddity=oddity))
    return result


def _near_time(rng: random.Random, index: int, near: int, anchor_ms: int) -> int:
    step = HOUR / near
    offset = -HOUR / 2 + step * (index + 0.1 + 0.8 * rng.random())
    return int(anchor_ms + offset) // SECOND * SECOND


def _spread(rng: random.Random, count: int, anchor_ms: int) -> list[int]:
    """Appointment times over all days, leaving out the hour around the anchor."""
    midnight = anchor_ms // DAY * DAY
    days = range(-DAYS_BACK, DAYS_AHEAD + 1)
    plan: list[int] = []
    for day, share in _BUSY_DAYS.items():
        plan += [day] * int(count * share)
    weights = []
    for day in days:
        # 1970-01-01 was a Thursday: days 2 and 3 of each week counted from it are the week-end.
        weekend = (midnight // DAY + day) % 7 in (2, 3)
        weights.append(0.25 if weekend else 1.0 if day <= 0 else 0.6)
    plan += rng.choices(days, weights, k=count - len(plan))
    first, last = anchor_ms - DAYS_BACK * DAY, anchor_ms + DAYS_AHEAD * DAY
    times = []
    for day in plan:
        while True:
            within = int(rng.triangular(_OPENS, _CLOSES, 8 * HOUR)) // MINUTE * MINUTE
            time_ms = midnight + day * DAY + within
            if abs(time_ms - anchor_ms) > HOUR / 2 and first <= time_ms <= last:
                break
            day = rng.choice(days)
        times.append(time_ms)
    return times


class _Maker:
    """Draws the fate of each row from one random source."""

    def __init__(self, rng: random.Random, vdn: int, anchor_ms: int) -> None:
        self._rng = rng
        self._anchor_ms = anchor_ms
        cast = cast_of(vdn)
        self._agents, self._tasks = cast.agents, cast.tasks
        self._agent_weights = [agent.weight for agent in cast.agents]
        self._task_weights = [task.weight for task in cast.tasks]
        self._outcome_weights = [outcome.weight for outcome in OUTCOMES]
        self._made = 0

    def row(self, appoint_ms: int, *, near: bool, oddity: str) -> Row:
        rng = self._rng
        call_type = "2" if rng.random() < 0.55 else "1"
        outcome = rng.choices(OUTCOMES, self._outcome_weights)[0]
        answered = outcome.fail_code == ANSWERED
        start_ms = self._start(appoint_ms, call_type, near=near)
        length = rng.randint(20, 420) if answered else rng.randint(5, 45)
        end_ms = (start_ms or appoint_ms) + length * SECOND
        lead = rng.randint(30 * MINUTE, 4 * DAY)
        created_ms = min(appoint_ms - lead, self._anchor_ms - rng.randint(HOUR, 2 * DAY))
        if oddity == CALLED_BEFORE_CREATED and start_ms and end_ms < self._anchor_ms - HOUR:
            created_ms = end_ms + 13 * SECOND + rng.randint(0, 999)
        busi_result = None
        if answered or rng.random() < 0.15:
            busi_result = rng.choice(BUSINESS_RESULTS)
        agent: Agent | None = rng.choices(self._agents, self._agent_weights)[0]
        if oddity == NO_AGENT:
            agent = None
        self._made += 1
        return Row(
            # 13 digits of creation time and 17 more; the running part keeps it unique.
            appoint_id=f"{created_ms:013d}{rng.randrange(10**10):010d}{self._made:07d}",
            call_type=call_type,
            appoint_ms=appoint_ms,
            created_ms=created_ms,
            called_no=called_number(rng),
            task=rng.choices(self._tasks, self._task_weights)[0],
            agent=agent,
            caller_no=rng.choice(CALLER_NUMBERS),
            start_ms=start_ms,
            end_ms=end_ms,
            outcome=outcome,
            busi_result=busi_result,
            oddity=oddity,
        )

    def _start(self, appoint_ms: int, call_type: str, *, near: bool) -> int | None:
        """When the call begins; None for the few that are forgotten."""
        rng = self._rng
        fate = rng.random()
        if near and appoint_ms <= self._anchor_ms and fate < 0.55:
            # The rows that are late when a demo opens: a third stays late for good.
            if fate < 0.18:
                return None
            return self._anchor_ms + rng.randint(60, 1500) * SECOND
        if fate > 0.97:
            return None
        if call_type == "2":
            # Automatic reservations are dialled five minutes before their time.
            return appoint_ms - 5 * MINUTE + rng.randint(0, 90) * SECOND
        if fate > 0.85:
            return appoint_ms + rng.randint(5, 40) * MINUTE
        if fate > 0.81:
            return appoint_ms + rng.randint(1, 20) * HOUR
        return appoint_ms + rng.randint(-60, 240) * SECOND
