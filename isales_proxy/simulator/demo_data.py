"""Generated demo data: reservations, call data, codes; and changes of reservations over time.

The same arguments give the same data. Names and numbers in `demo_data.json` are invented; of the
display codes of `result` only 0101 is the vendor's. Some names are difficult for a table: other
scripts, markup, quotes, and one that is too long.
"""

from __future__ import annotations

import csv
import json
import random
from dataclasses import replace
from importlib.resources import files
from itertools import accumulate
from typing import Any, Final

from isales_proxy.simulator.reservations import (
    Dataset,
    ListBehaviour,
    RawRow,
    Row,
    apply_anomaly,
)

SECOND: Final = 1000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
DIAL_AHEAD: Final = 5 * MINUTE  # automatic reservations are dialled this long before
DAYS_BACK: Final = 21
DAYS_AHEAD: Final = 10

_ANOMALY_EVERY: Final = 12  # rows per anomaly
_NEAR_ROWS: Final = 40
_BUSY_DAYS: Final = {-3: 0.13, 2: 0.08}
_MISSPELT_SHARE: Final = 0.3  # share of rows with the misspelt name of the vendor's example
# Kind of open row → minimum number near the present, and range of the due time of new ones.
_FEWEST: Final = {
    "late": (4, -40 * MINUTE, -2 * MINUTE),
    "dialled": (2, 2 * MINUTE, DIAL_AHEAD),
    "soon": (6, 4 * MINUTE, 15 * MINUTE),
}
_FEWEST_ROWS: Final = 100
_OLDEST_FIRST: Final = ListBehaviour(order="appointTime")
_CHANCES: Final = {"move": 12, "hand_over": 12, "call": 10, "vanish": 3, "nothing": 63}
_TABLES: Final = json.loads(
    files("isales_proxy.simulator").joinpath("demo_data.json").read_text("utf-8")
)

# Entries that end with their weight, and the weights added up.
_Weighted = tuple[list[list[Any]], list[int]]


def _weigh(entries: list[list[Any]]) -> _Weighted:
    return entries, list(accumulate(entry[-1] for entry in entries))


def _draw(rng: random.Random, table: _Weighted) -> list[Any]:
    entries, weights = table
    return rng.choices(entries, cum_weights=weights)[0]


_OUTCOMES: Final = _weigh(_TABLES["outcomes"])
_CALLED_NUMBERS: Final = _weigh(_TABLES["called_numbers"])


def roster_of(vdn: int) -> dict[str, Any]:
    """Return the agents and tasks of a VDN: 88 has its own, all others share a second table."""
    rosters: dict[str, dict[str, Any]] = _TABLES["rosters"]
    return rosters.get(str(vdn), rosters["default"])


def result_codes() -> dict[str, tuple[str, str]]:
    """Return 120 codes, ascending, with English and Chinese descriptions.

    80 are the vendor's, 40 are invented in 90001 to 90040, a range without published codes.
    """
    text = files("isales_proxy").joinpath("data", "obs-result-codes.csv").read_text("utf-8")
    codes = {
        row["code"]: (row["description_en"], row["description_zh"])
        for row in csv.DictReader(text.splitlines())
    }
    return dict(sorted({**codes, **{c: (en, zh) for c, en, zh in _TABLES["result_codes"]}}.items()))


def generate_reservations(vdn: int, rows: int, anchor_ms: int) -> list[Row]:
    """Generate `rows` reservations from 21 days before to 10 days after `anchor_ms`.

    About forty (fewer if `rows` is small) are in the hour around the anchor, and an eighth of all
    is three days before it.
    """
    rng = random.Random(f"callboard/1/{vdn}")  # noqa: S311  (demo data)
    maker = RowMaker(rng, vdn, anchor_ms)
    near = min(_NEAR_ROWS, rows // 3)
    offsets = (HOUR / near * (i + 0.1 + 0.8 * rng.random()) - HOUR / 2 for i in range(near))
    times = [int(anchor_ms + offset) // SECOND * SECOND for offset in offsets]
    times += _spread_times(rng, rows - near, anchor_ms)
    anomalies = _TABLES["anomalies"]
    return [maker.make(ms, anomaly=_pick_anomaly(i, anomalies)) for i, ms in enumerate(times)]


def _pick_anomaly(index: int, table: dict[str, Any]) -> str:
    number, rest = divmod(index, _ANOMALY_EVERY)
    return list(table)[number % len(table)] if rest == 5 else ""


def _spread_times(rng: random.Random, count: int, anchor_ms: int) -> list[int]:
    """Draw appointment times over all days, except the hour around the anchor."""
    midnight = anchor_ms // DAY * DAY
    days = range(-DAYS_BACK, DAYS_AHEAD + 1)
    plan = [day for day, share in _BUSY_DAYS.items() for _ in range(int(count * share))]
    # 1970-01-01 was a Thursday: days 2 and 3 of weeks counted from it are the weekend.
    weights = [
        0.25 if (midnight // DAY + day) % 7 in (2, 3) else 1.0 if day <= 0 else 0.6 for day in days
    ]
    plan += rng.choices(days, weights, k=count - len(plan))
    first, last = anchor_ms - DAYS_BACK * DAY, anchor_ms + DAYS_AHEAD * DAY
    times = []
    for day in plan:
        while True:
            minute = int(rng.triangular(1 * HOUR, 12 * HOUR, 8 * HOUR)) // MINUTE * MINUTE
            time_ms = midnight + day * DAY + minute
            if abs(time_ms - anchor_ms) > HOUR / 2 and first <= time_ms <= last:
                break
            day = rng.choice(days)
        times.append(time_ms)
    return times


class RowMaker:
    """Generates reservations of a VDN from one random source."""

    def __init__(self, rng: random.Random, vdn: int, anchor_ms: int) -> None:
        self._rng = rng
        self._anchor_ms = anchor_ms
        roster = roster_of(vdn)
        self._agents, self._tasks = _weigh(roster["agents"]), _weigh(roster["tasks"])
        self._made = 0

    def make(self, appoint_ms: int, *, anomaly: str = "", created_ms: int | None = None) -> Row:
        """Generate a row due at `appoint_ms`, created some time before or at `created_ms`."""
        rng = self._rng
        call_type = "2" if rng.random() < 0.55 else "1"
        fail_code, result, _ = _draw(rng, _OUTCOMES)
        answered = fail_code == "00000"
        start_ms = self._draw_start(appoint_ms, call_type)
        if MINUTE < appoint_ms - self._anchor_ms < DIAL_AHEAD:
            # At the start of a demo some rows are being dialled.
            call_type, start_ms = "2", appoint_ms - 20 * SECOND
        length = rng.randint(20, 420) if answered else rng.randint(5, 45)
        end_ms = (start_ms or appoint_ms) + length * SECOND
        lead = rng.randint(30 * MINUTE, 4 * DAY)
        drawn_ms = min(appoint_ms - lead, self._anchor_ms - rng.randint(HOUR, 2 * DAY))
        created_ms = drawn_ms if created_ms is None else created_ms
        if anomaly == "called_before_created" and start_ms and end_ms < self._anchor_ms - HOUR:
            created_ms = end_ms + 13 * SECOND + rng.randint(0, 999)
        discussed = answered or rng.random() < 0.15
        busi_result = rng.choice(_TABLES["business_results"]) if discussed else None
        account, name, _ = _draw(rng, self._agents)
        self._made += 1
        # 13 digits of creation time and 17 more; the last 7 make it unique.
        appoint_id = f"{created_ms:013d}{rng.randrange(10**10):010d}{self._made:07d}"
        called_no = _draw_called_number(rng)
        task_id, task_name, task_status, _ = _draw(rng, self._tasks)
        fields = {
            "appointId": appoint_id,
            "callType": call_type,
            "appointTime": appoint_ms,
            "calledNo": called_no,
            "taskId": task_id,
            "taskName": task_name,
            "taskStatus": task_status,
            "timeout": False,
            "userAccount": None if anomaly == "no_agent" else account,
            "userName": name,
            "beginTime": start_ms,
            "endTime": end_ms,
            "callFlag": "0",
            "callerNo": rng.choice(_TABLES["caller_numbers"]),
            "failCode": fail_code,
            "result": result,
            "busiResult": busi_result,
            "createTime": created_ms // SECOND * SECOND,
        }
        return Row(fields, _TABLES["anomalies"].get(anomaly, {}))

    def _draw_start(self, appoint_ms: int, call_type: str) -> int | None:
        """Draw when the call begins; None for the few that are never made."""
        rng = self._rng
        chance = rng.random()
        if 0 <= self._anchor_ms - appoint_ms <= HOUR / 2 and chance < 0.55:
            # Rows that are late at the start of a demo; a third stays late.
            if chance < 0.18:
                return None
            return self._anchor_ms + rng.randint(60, 1500) * SECOND
        if chance > 0.97:
            return None
        if call_type == "2":
            return appoint_ms - DIAL_AHEAD + rng.randint(0, 90) * SECOND
        if chance > 0.85:
            return appoint_ms + rng.randint(5, 40) * MINUTE
        if chance > 0.81:
            return appoint_ms + rng.randint(1, 20) * HOUR
        return appoint_ms + rng.randint(-60, 240) * SECOND


def _draw_called_number(rng: random.Random) -> str:
    """Draw a number from a small pool, so that numbers repeat."""
    form, most, _ = _draw(rng, _CALLED_NUMBERS)
    return str(form.format(rng.randint(1, most)))


def generate_call_data(task: tuple[int, str], rows: int, anchor_ms: int) -> list[RawRow]:
    """Generate `rows` rows of call data for VDN and task, imported days before `anchor_ms`.

    The table of the vendor's page has `uniqueId`, its example `uiqueId`: both occur. Digits 2 to
    14 of a uniqueId are the time of the import in ms, as in the example of the write-back page.
    """
    vdn, service_id = task
    rng = random.Random(f"callboard/1/{vdn}/call-data/{service_id}")  # noqa: S311  (demo data)
    imported_ms = anchor_ms - int(rng.uniform(1, 9) * DAY)
    made: list[RawRow] = []
    for i in range(rows):
        imported_ms += rng.randint(1, 40)
        unique_id = f"2{imported_ms:013d}{rng.randrange(10**6):06d}"
        caller = rng.choice(_TABLES["caller_numbers"])
        wanted = rng.choices((1, 2, 3), (70, 20, 10))[0]
        numbers: dict[str, None] = {}
        while len(numbers) < wanted:
            numbers[_draw_called_number(rng)] = None
        row: RawRow = {
            "version": "311",
            "seviceId": service_id,
            "uiqueId" if rng.random() < _MISSPELT_SHARE else "uniqueId": unique_id,
            "phoneNumber": list(numbers),
            "callData": rng.choice(_TABLES["notes"]),
            "callerNumber": caller,
            "ieData": rng.choice(_TABLES["ie_data"]).replace("{caller}", caller),
        }
        anomalies = _TABLES["call_data_anomalies"]
        apply_anomaly(row, anomalies.get(_pick_anomaly(i, anomalies), {}))
        made.append(row)
    return made


class Life:
    """Changes of the rows of one VDN over time, in addition to their planned calls.

    Rows are created, moved, handed over, called and removed. Their number stays about the same, and
    some are always late, being dialled, or due soon.
    """

    def __init__(self, dataset: Dataset, vdn: int) -> None:
        self._dataset, self._vdn = dataset, vdn
        self._rng = random.Random(f"callboard/1/{vdn}/life")  # noqa: S311  (demo data)
        self._roster = roster_of(vdn)
        self._goal = max(len(dataset), _FEWEST_ROWS)

    def step(self, now_ms: int) -> None:
        """Create missing rows, change one, and remove the oldest surplus ones."""
        open_rows = self._find_open(now_ms)
        for kind, (fewest, first, last) in _FEWEST.items():
            for _ in range(fewest - len(open_rows[kind])):
                self._create(kind, now_ms, now_ms + self._draw_ms(first, last))
        self._change_one(now_ms)
        surplus = len(self._dataset) - self._goal
        for row in self._dataset.select({}, _OLDEST_FIRST)[: max(0, surplus)]:
            self._dataset.remove(row.appoint_id)

    def _create(self, kind: str, now_ms: int, due_ms: int) -> None:
        """Create a row of this kind; late ones and some others are never called."""
        created_ms = due_ms - HOUR if kind == "late" else now_ms
        start_ms = None
        if kind == "dialled":
            start_ms = due_ms - self._draw_ms(0, MINUTE)
        elif kind == "soon" and self._rng.random() > 0.15:
            start_ms = due_ms + self._draw_ms(-MINUTE, 4 * MINUTE)
        maker = RowMaker(self._rng, self._vdn, created_ms)
        made = maker.make(due_ms // SECOND * SECOND, created_ms=created_ms)
        call_type = "2" if kind == "dialled" else "1"
        self._dataset.add_rows([Row({**made.fields, "callType": call_type})])
        self._plan_call(made.appoint_id, start_ms)

    def _change_one(self, now_ms: int) -> None:
        """Move, hand over, call or remove one open row near the present, or do nothing."""
        open_rows = self._find_open(now_ms)
        key = self._rng.choice([*open_rows["late"], *open_rows["soon"]]).appoint_id
        match self._rng.choices(list(_CHANCES), list(_CHANCES.values()))[0]:
            case "move":
                due_ms = now_ms + self._draw_ms(10 * MINUTE, 3 * HOUR)
                self._dataset.move(key, due_ms)
                self._plan_call(key, due_ms + self._draw_ms(0, 5 * MINUTE))
            case "hand_over":
                account, name, _ = self._rng.choice(self._roster["agents"])
                self._dataset.hand_over(key, account, name)
            case "call":
                # Only one of the late rows, so that others stay late.
                self._plan_call(self._rng.choice(open_rows["late"]).appoint_id, now_ms)
            case "vanish":
                self._dataset.remove(key)

    def _find_open(self, now_ms: int) -> dict[str, list[Row]]:
        """Return the rows not called yet, by kind: late by up to two hours, dialled, due soon."""
        found: dict[str, list[Row]] = {kind: [] for kind in _FEWEST}
        near = {"beginTime": now_ms - 2 * HOUR, "endTime": now_ms + _FEWEST["soon"][2]}
        for row in self._dataset.select(near):
            if row.appoint_ms is None or row.shown_at(now_ms).get("beginTime"):
                continue
            if row.appoint_ms < now_ms - MINUTE:
                found["late"].append(row)
            elif row.text("callType") == "2" and 0 < row.appoint_ms - now_ms <= DIAL_AHEAD:
                found["dialled"].append(row)
            elif row.appoint_ms > now_ms:
                found["soon"].append(row)
        return found

    def _plan_call(self, key: str, start_ms: int | None) -> None:
        end_ms = None if start_ms is None else start_ms + self._draw_ms(20 * SECOND, 5 * MINUTE)
        plan = {"beginTime": start_ms, "endTime": end_ms}
        self._dataset.edit(key, lambda row: replace(row, fields={**row.fields, **plan}))

    def _draw_ms(self, least: int, most: int) -> int:
        """Draw whole seconds, in ms."""
        return self._rng.randint(least // SECOND, most // SECOND) * SECOND
