"""The reservations of one simulated VDN: what a row shows when, and which rows a filter finds.

The vendor documents no order. First come the rows due from half an hour before the start of the
simulator on, soonest first, then the older ones, newest first: so the first page of a demo shows
what is late and what is near. The order is stable while the simulator runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

# Any: a field of the vendor's.
RawRow = dict[str, Any]

NEAR_MS: Final = 30 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One reservation. Times in ms since 1970 UTC; a `start_ms` of None means never called.

    `fields` are in the vendor's spelling as they stand after the call; what is shown before is a
    pure function of the row and of the time asked for. An `as_given` row never changes.
    """

    fields: RawRow
    appoint_ms: int
    start_ms: int | None = None
    end_ms: int = 0
    anomaly: Mapping[str, Any] = field(default_factory=dict)
    as_given: bool = False

    def shown_at(self, now_ms: int) -> RawRow:
        """Return the row in the vendor's spelling as it stands at `now_ms`."""
        row = dict(self.fields)
        if self.as_given:
            return row
        started = self.start_ms is not None and now_ms >= self.start_ms
        ended = started and now_ms >= self.end_ms
        if not started:
            row.update(beginTime=None, callerNo=None)
        if not ended:
            row.update(endTime=None, failCode=None, result=None, busiResult=None)
        row["callFlag"] = "2" if ended else "1" if started else "0"
        row["timeout"] = not started and now_ms > self.appoint_ms
        apply_anomaly(row, self.anomaly)
        return row

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        return "" if value is None else str(value)


def apply_anomaly(row: RawRow, anomaly: Mapping[str, Any]) -> None:
    """Edit a row in place as an entry of the tables of anomalies says."""
    for name in anomaly.get("drop", ()):
        row.pop(name, None)
    row.update(anomaly.get("set", {}))
    for name, values in anomaly.get("replace", {}).items():
        row[name] = values.get(json.dumps(row[name]), row[name])
    for edit, convert in _CONVERSIONS.items():
        row.update({n: convert(row[n]) for n in anomaly.get(edit, ()) if row[n] is not None})


def _to_number(value: Any) -> Any:
    """Convert digits, but not where a leading zero would be lost: that were another number."""
    if isinstance(value, list):
        return [_to_number(item) for item in value]
    return int(value) if value.isdecimal() and value[0] != "0" else value


_CONVERSIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "number": _to_number,
    "number_losing_zeros": int,
    "text": str,
    "shift_ms": lambda value: value + 417,
    "first": lambda values: values[0],
}


class Dataset:
    """The rows of one VDN. Reading is thread-safe; the row list is replaced, never changed."""

    def __init__(self, rows: Iterable[Row], *, anchor_ms: int, exact_number: bool = False) -> None:
        self._exact_number = exact_number
        self._near_ms = anchor_ms - NEAR_MS
        self.rows = self._sorted(rows)

    def _sorted(self, rows: Iterable[Row]) -> tuple[Row, ...]:
        by_time = sorted(rows, key=lambda row: (row.appoint_ms, row.text("appointId")))
        newest_first = by_time[::-1]
        near = [row for row in newest_first if row.appoint_ms >= self._near_ms]
        return (*reversed(near), *newest_first[len(near) :])

    def add(self, raw_rows: Iterable[Mapping[str, object]]) -> None:
        """Put rows in the vendor's spelling among the others; they are answered as given."""
        given = (Row(dict(r), _read_ms(r.get("appointTime")), as_given=True) for r in raw_rows)
        self.rows = self._sorted([*self.rows, *given])

    def select(self, wanted: Mapping[str, Any]) -> Sequence[Row]:
        """Return the rows that pass every filter of an `appoint/list` body, in order."""
        rows: Sequence[Row] = self.rows
        if "beginTime" in wanted:
            rows = [row for row in rows if row.appoint_ms >= wanted["beginTime"]]
        if "endTime" in wanted:
            rows = [row for row in rows if row.appoint_ms <= wanted["endTime"]]
        if "taskId" in wanted:
            rows = [row for row in rows if row.text("taskId") == wanted["taskId"]]
        if "userAccountList" in wanted:
            accounts = frozenset(wanted["userAccountList"])
            rows = [row for row in rows if row.text("userAccount") in accounts]
        if number := wanted.get("calledNo"):
            matches = str.__eq__ if self._exact_number else str.__contains__
            rows = [row for row in rows if matches(row.text("calledNo"), number)]
        return rows


def to_ms(moment: datetime) -> int:
    """Convert to the vendor's milliseconds since 1970, UTC."""
    return int(moment.timestamp() * 1000)


def _read_ms(value: object) -> int:
    digits = str(value).partition(".")[0]
    return int(digits) if digits.isdecimal() else 0
