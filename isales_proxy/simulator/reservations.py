"""Reservations of the simulator: their state over time, filters of the list, and changes."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal, Self

from isales_proxy.simulator.messages import PARAMETER_ERROR, Refusal

RawRow = dict[str, Any]
Order = Literal["near", "appointId", "appointTime", "createTime", "random"]
Column = Literal["appointTime", "createTime"]

NEAR_MS: Final = 30 * 60 * 1000

_SECOND: Final = 1000
_NO_TIME: Final = -1  # outside of any range
_END_OF_TIME: Final = 1 << 60
_SHIFT_MS: Final = 417


@dataclass(frozen=True, slots=True)
class Row:
    """One reservation, with the vendor's field names and its state after the call.

    `beginTime` and `endTime` are the planned times of the call, in ms since 1970 UTC; without
    `beginTime` it is never called. Before them `shown_at` hides the results. `fixed` fields are
    always shown; an `as_given` row is shown as it is.
    """

    fields: RawRow
    anomaly: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    as_given: bool = False

    @property
    def appoint_ms(self) -> int | None:
        """Return the due time of the row, without anomaly."""
        return _read_ms(self.fields.get("appointTime"))

    @property
    def start_ms(self) -> int | None:
        return _read_ms(self.fields.get("beginTime"))

    @property
    def appoint_id(self) -> str:
        return self.text("appointId")

    def ms_of(self, column: str) -> int | None:
        """Return the shown time of a column, which a time range filters by; None without one."""
        shown = {column: self.fields.get(column)}
        if self.anomaly and column not in self.fixed:
            apply_anomaly(shown, self.anomaly)
        return _read_ms(shown.get(column))

    def changed(self, fields: Mapping[str, Any]) -> Self:
        """Return the row with these fields fixed; the others follow the plan."""
        return replace(self, fields={**self.fields, **fields}, fixed={**self.fixed, **fields})

    def shown_at(self, now_ms: int) -> RawRow:
        """Return the row as the vendor shows it at `now_ms`."""
        row = dict(self.fields)
        if self.as_given:
            return row
        appoint_ms, start_ms = self.appoint_ms, self.start_ms
        started = start_ms is not None and now_ms >= start_ms
        ended = started and now_ms >= row["endTime"]
        if not started:
            row.update(beginTime=None, callerNo=None)
        if not ended:
            row.update(endTime=None, failCode=None, result=None, busiResult=None)
        row["callFlag"] = "2" if ended else "1" if started else "0"
        row["timeout"] = not started and appoint_ms is not None and now_ms > appoint_ms
        if self.anomaly:
            apply_anomaly(row, self.anomaly)
        return {**row, **self.fixed}

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        return "" if value is None else str(value)


def apply_anomaly(row: RawRow, anomaly: Mapping[str, Any]) -> None:
    """Apply an entry of the tables of anomalies to (some fields of) a row, in place."""
    for name in anomaly.get("drop", ()):
        row.pop(name, None)
    row.update(anomaly.get("set", {}))
    for name in anomaly.get("replace", {}).keys() & row.keys():
        row[name] = anomaly["replace"][name].get(json.dumps(row[name]), row[name])
    for edit, convert in _CONVERSIONS.items():
        present = [name for name in anomaly.get(edit, ()) if row.get(name) is not None]
        row.update({name: convert(row[name]) for name in present})


def _to_number(value: Any) -> Any:
    """Convert digits to a number, unless it would lose a leading zero."""
    if isinstance(value, list):
        return [_to_number(item) for item in value]
    return int(value) if value.isdecimal() and value[0] != "0" else value


_CONVERSIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "number": _to_number,
    "number_losing_zeros": int,
    "text": str,
    "shift_ms": lambda value: value + _SHIFT_MS,
    "first": lambda values: values[0],
}


def to_ms(moment: datetime) -> int:
    """Convert to milliseconds since 1970 UTC."""
    return int(moment.timestamp() * 1000)


def _read_ms(value: object) -> int | None:
    if type(value) is int:
        return value
    digits = str(value).partition(".")[0]
    return int(digits) if digits.isdecimal() else None


@dataclass(slots=True, kw_only=True)
class ListBehaviour:
    """Behaviour of `appoint/list` where the documents are silent, and lasting faults.

    Every field may be set while the simulator runs; `faults` has faults of single calls.
    """

    # `near`: due half an hour ago or later, soonest first, then older ones, newest first. By a
    # column: empty values last. `random`: another order in each call.
    order: Order = "near"
    reverse: bool = False

    # The column that `beginTime` and `endTime` filter by, excluding rows without a value; whether
    # the ends are included; and which times are cut to seconds before they are compared.
    range_column: Column = "appointTime"
    begin_inclusive: bool = True
    end_inclusive: bool = True
    cut_milliseconds: Literal["none", "rows", "bounds", "both"] = "none"

    max_limit: int = 100  # a larger `limit` is refused
    page_cap: int | None = None  # longer pages are cut off silently
    ignore_offset: bool = False  # each page is the first
    # If offset + limit exceeds it, there are no rows (but a total), or a refusal.
    depth_cap: int | None = None
    depth_cap_refused: bool = False

    # Too low or high by one; the true one as text; the rows of this page; a constant.
    total: Literal["true", "low", "high", "text", "page"] | int = "true"
    # The first row of a page is repeated: in addition, or instead of the last one.
    duplicates: Literal["none", "added", "instead"] = "none"
    # `calledNo` finds partial matches, exact ones, nothing, everything, or is refused.
    number_filter: Literal["partial", "exact", "none", "ignored", "refused"] = "partial"
    only_agents: Collection[str] | None = None  # only rows of these accounts (or none) are visible

    clock_offset_ms: int = 0  # how far the vendor's clock is ahead of ours

    def check(self, wanted: Mapping[str, Any]) -> None:
        """Raise Refusal for a filter or depth that this behaviour refuses."""
        if "calledNo" in wanted and self.number_filter == "refused":
            raise Refusal(PARAMETER_ERROR, "calledNo: the filter is not supported.")
        if self._is_too_deep(wanted) and self.depth_cap_refused:
            raise Refusal(PARAMETER_ERROR, f"offset: no rows beyond {self.depth_cap}.")

    def range_of(self, wanted: Mapping[str, Any]) -> tuple[int, int]:
        """Return the bounds for `low <= ms < high`; without a range every row is within."""
        if not wanted.keys() & {"beginTime", "endTime"}:
            return -_END_OF_TIME, _END_OF_TIME
        step = _SECOND if self.cut_milliseconds in ("rows", "both") else 1
        cut = _SECOND if self.cut_milliseconds in ("bounds", "both") else 1
        low, high = 0, _END_OF_TIME
        if "beginTime" in wanted:
            begin = wanted["beginTime"] // cut * cut
            low = -(-begin // step) * step if self.begin_inclusive else (begin // step + 1) * step
        if "endTime" in wanted:
            end = wanted["endTime"] // cut * cut
            high = (end // step + 1) * step if self.end_inclusive else -(-end // step) * step
        return low, high

    def finds(self, wanted: str, number: str) -> bool:
        """Return True if the filter `calledNo` matches a row with this number."""
        found = {"partial": wanted in number, "exact": wanted == number, "ignored": True}
        return found.get(self.number_filter, False)

    def page_of(self, found: list[Row], wanted: Mapping[str, Any]) -> list[Row]:
        if self._is_too_deep(wanted):
            return []
        offset = 0 if self.ignore_offset else wanted["offset"]
        page = found[offset : offset + min(wanted["limit"], self.page_cap or wanted["limit"])]
        if page and self.duplicates == "added":
            return [page[0], *page]
        if page and self.duplicates == "instead":
            return [*page[:-1], page[0]]
        return page

    def total_of(self, found: int, page: int) -> int | str:
        """Return the `totalCount` of an answer with `page` of `found` rows."""
        totals: dict[str | int, int | str] = {
            "true": found,
            "low": max(0, found - 1),
            "high": found + 1,
            "text": str(found),
            "page": page,
        }
        return totals.get(self.total, self.total)

    def _is_too_deep(self, wanted: Mapping[str, Any]) -> bool:
        return self.depth_cap is not None and wanted["offset"] + wanted["limit"] > self.depth_cap


class Dataset:
    """The rows of one VDN. Thread-safe: a change is whole, a selection is one snapshot.

    Times are ms since 1970 UTC. Methods with an `appoint_id` change all rows that have it and raise
    KeyError if there are none. The order `near` is relative to `anchor_ms`.
    """

    def __init__(self, rows: Iterable[Row] = (), *, anchor_ms: int) -> None:
        self._near_ms = anchor_ms - NEAR_MS
        self._lock = threading.Lock()
        self._random = random.Random(anchor_ms)  # noqa: S311  (an order of rows)
        self._rows = list(rows)
        # Cache, until the next change, of sorted rows with the time that a range filters by.
        self._ordered: dict[tuple[Order, Column], list[tuple[int, Row]]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def shown(self, now_ms: int) -> list[RawRow]:
        """Return all rows as the vendor shows them at `now_ms`."""
        with self._lock:
            return [row.shown_at(now_ms) for row in self._rows]

    def add(self, raw_rows: Iterable[Mapping[str, object]]) -> None:
        """Add rows that are shown as given."""
        self.add_rows(Row(dict(fields), as_given=True) for fields in raw_rows)

    def add_rows(self, rows: Iterable[Row]) -> None:
        """Add rows, such as removed ones."""
        with self._lock:
            self._rows.extend(rows)
            self._ordered.clear()

    def remove(self, appoint_id: str) -> list[Row]:
        return self.edit(appoint_id, lambda _row: None)

    def change(self, appoint_id: str, fields: Mapping[str, object]) -> None:
        """Set `fields` of a row; its other fields follow the plan."""
        self.edit(appoint_id, lambda row: row.changed(fields))

    def move(self, appoint_id: str, appoint_ms: int | None) -> None:
        """Change the due time of a row."""
        self.change(appoint_id, {"appointTime": appoint_ms})

    def hand_over(self, appoint_id: str, account: str | None, name: str | None) -> None:
        """Assign a row to another agent, or to none."""
        self.change(appoint_id, {"userAccount": account, "userName": name})

    def finish(
        self, appoint_id: str, begin_ms: int, end_ms: int, *, fail_code: str = "00000"
    ) -> None:
        """Set times and result of the call of a row."""
        times = {"beginTime": begin_ms, "endTime": end_ms}
        codes = {"failCode": fail_code, "result": None, "busiResult": None}
        self.change(appoint_id, {**times, **codes, "callFlag": "2", "timeout": False})

    def edit(self, appoint_id: str, change: Callable[[Row], Row | None]) -> list[Row]:
        """Replace a row by the result of `change` (None removes it); return the old row."""
        with self._lock:
            before = [row for row in self._rows if row.appoint_id == appoint_id]
            if not before:
                raise KeyError(appoint_id)
            after = (row if row.appoint_id != appoint_id else change(row) for row in self._rows)
            self._rows = [row for row in after if row is not None]
            self._ordered.clear()
            return before

    def select(
        self, wanted: Mapping[str, Any], behaviour: ListBehaviour | None = None
    ) -> list[Row]:
        """Return the rows that match the filters of an `appoint/list` body, in order."""
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
        match order:
            case "near":
                # The first page of a demo then shows late and upcoming rows.
                ms = row.appoint_ms or 0
                return ms < self._near_ms, abs(ms - self._near_ms), row.appoint_id
            case "appointTime" | "createTime":
                shown_ms = row.ms_of(order)
                return shown_ms is None, shown_ms or 0, row.appoint_id
        return (row.appoint_id,)
