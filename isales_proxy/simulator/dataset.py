"""The reservations of one simulated VDN: a store that changes, and which rows a filter finds."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from isales_proxy.simulator.list_behaviour import Column, ListBehaviour, Order
from isales_proxy.simulator.reservations import RawRow, Row

NEAR_MS: Final = 30 * 60 * 1000

_NO_TIME: Final = -1  # is in no range


class Dataset:
    """The rows of one VDN. Thread-safe: a change is whole, a selection is one snapshot.

    Times are ms since 1970 UTC. A change of an `appointId` is one of all rows that have it, and
    raises KeyError when there are none. `anchor_ms` is the moment around which the order `near`
    turns.
    """

    def __init__(self, rows: Iterable[Row] = (), *, anchor_ms: int) -> None:
        self._near_ms = anchor_ms - NEAR_MS
        self._lock = threading.Lock()
        self._random = random.Random(anchor_ms)  # noqa: S311  (an order of rows)
        self._rows = list(rows)
        # Rows in order with the time that a range tests; made when asked for, until a change.
        self._ordered: dict[tuple[Order, Column], list[tuple[int, Row]]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def shown(self, now_ms: int) -> list[RawRow]:
        """Return all rows in the vendor's spelling at `now_ms`: what a copy must equal."""
        with self._lock:
            return [row.shown_at(now_ms) for row in self._rows]

    def add(self, raw_rows: Iterable[Mapping[str, object]]) -> None:
        """Add rows in the vendor's spelling, which are answered as given."""
        self.add_rows(Row(dict(fields), as_given=True) for fields in raw_rows)

    def add_rows(self, rows: Iterable[Row]) -> None:
        """Add rows that have a plan of their own, or that were removed."""
        with self._lock:
            self._rows.extend(rows)
            self._ordered.clear()

    def remove(self, appoint_id: str) -> list[Row]:
        """Take rows out, and return them as they were."""
        with self._lock:
            removed = [self._rows[place] for place in self._find(appoint_id)]
            self._rows = [row for row in self._rows if row.text("appointId") != appoint_id]
            self._ordered.clear()
            return removed

    def change(self, appoint_id: str, fields: Mapping[str, object]) -> None:
        """Set `fields` of a row; in all other fields a generated one goes on as planned."""
        self._replace(appoint_id, lambda row: row.changed(fields))

    def move(self, appoint_id: str, appoint_ms: int | None) -> None:
        """Give a row another time, or none."""
        self.change(appoint_id, {"appointTime": appoint_ms})

    def hand_over(self, appoint_id: str, account: str | None, name: str | None) -> None:
        """Give a row to another agent, or to none."""
        self.change(appoint_id, {"userAccount": account, "userName": name})

    def plan_call(self, appoint_id: str, start_ms: int, end_ms: int) -> None:
        """Let a generated row be called then, with the result drawn for it."""
        self._replace(appoint_id, lambda row: row.planned(start_ms, end_ms))

    def finish(
        self, appoint_id: str, begin_ms: int, end_ms: int, *, fail_code: str = "00000"
    ) -> None:
        """Let the call of a row end."""
        times = {"beginTime": begin_ms, "endTime": end_ms}
        codes = {"failCode": fail_code, "result": None, "busiResult": None}
        self.change(appoint_id, {**times, **codes, "callFlag": "2", "timeout": False})

    def select(
        self, wanted: Mapping[str, Any], behaviour: ListBehaviour | None = None
    ) -> list[Row]:
        """Return the rows that pass every filter of an `appoint/list` body, in order."""
        behaviour = behaviour or ListBehaviour()
        low, high = behaviour.range_of(wanted)
        with self._lock:
            ordered = self._in_order(behaviour.order, behaviour.range_column)
            found = [row for ms, row in ordered if low <= ms < high]
        for accounts in (wanted.get("userAccountList"), behaviour.only_agents):
            if accounts is not None:
                found = [row for row in found if row.text("userAccount") in accounts]
        if "taskId" in wanted:
            found = [row for row in found if row.text("taskId") == wanted["taskId"]]
        if number := wanted.get("calledNo"):
            found = [row for row in found if behaviour.finds(number, row.text("calledNo"))]
        if behaviour.order == "random":
            self._random.shuffle(found)
        return found[::-1] if behaviour.reverse else found

    def _in_order(self, order: Order, column: Column) -> list[tuple[int, Row]]:
        if (order, column) not in self._ordered:
            rows = sorted(self._rows, key=lambda row: self._order_key(order, row))
            timed = ((row.ms_of(column), row) for row in rows)
            ordered = [(_NO_TIME if ms is None else ms, row) for ms, row in timed]
            self._ordered[order, column] = ordered
        return self._ordered[order, column]

    def _order_key(self, order: Order, row: Row) -> tuple[Any, ...]:
        appoint_id = row.text("appointId")
        match order:
            case "near":
                ms = row.appoint_ms
                # The first page of a demo shows what is late and what is near.
                past = ms is None or ms < self._near_ms
                return past, -(ms or 0) if past else ms, appoint_id
            case "appointTime":
                ms = row.ms_of("appointTime")
                return ms is None, ms or 0, appoint_id
            case "createTime":
                return row.ms_of("createTime") or 0, appoint_id
            case "appointId":
                return (appoint_id,)
        return ()

    def _find(self, appoint_id: str) -> list[int]:
        places = [i for i, row in enumerate(self._rows) if row.text("appointId") == appoint_id]
        if not places:
            raise KeyError(appoint_id)
        return places

    def _replace(self, appoint_id: str, change: Callable[[Row], Row]) -> None:
        with self._lock:
            for place in self._find(appoint_id):
                self._rows[place] = change(self._rows[place])
            self._ordered.clear()
