"""One reservation of the simulator: what its row shows when, and how it changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Self

# Any: a field of the vendor's.
RawRow = dict[str, Any]

_SHIFT_MS: Final = 417


@dataclass(frozen=True, slots=True)
class Row:
    """One reservation, in the vendor's spelling as it stands after its call.

    `beginTime` and `endTime` are the plan of the call, in ms since 1970 UTC; without a begin it is
    never called. What is shown before is a pure function of the row and of the time asked for.
    `fixed` fields are shown whatever the plan says. An `as_given` row has no plan: it shows its
    fields.
    """

    fields: RawRow
    anomaly: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    as_given: bool = False

    @property
    def appoint_ms(self) -> int | None:
        """Return the time for which the row is planned, whatever an anomaly shows."""
        return _read_ms(self.fields.get("appointTime"))

    @property
    def start_ms(self) -> int | None:
        return _read_ms(self.fields.get("beginTime"))

    def ms_of(self, column: str) -> int | None:
        """Return the time that a column shows, which a range tests; None where it has none."""
        shown = {column: self.fields.get(column)}
        if self.anomaly and column not in self.fixed:
            apply_anomaly(shown, self.anomaly)
        return _read_ms(shown.get(column))

    def changed(self, fields: Mapping[str, Any]) -> Self:
        """Return the row with these fields from now on; in all others it goes on as planned."""
        return replace(self, fields={**self.fields, **fields}, fixed={**self.fixed, **fields})

    def planned(self, start_ms: int | None, end_ms: int | None = None) -> Self:
        """Return the row with another plan of its call."""
        return replace(self, fields={**self.fields, "beginTime": start_ms, "endTime": end_ms})

    def shown_at(self, now_ms: int) -> RawRow:
        """Return the row in the vendor's spelling as it stands at `now_ms`."""
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
        apply_anomaly(row, self.anomaly)
        return {**row, **self.fixed}

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        return "" if value is None else str(value)


def apply_anomaly(row: RawRow, anomaly: Mapping[str, Any]) -> None:
    """Edit a row, or some fields of one, in place as an entry of the tables of anomalies says."""
    for name in anomaly.get("drop", ()):
        row.pop(name, None)
    row.update(anomaly.get("set", {}))
    for name in anomaly.get("replace", {}).keys() & row.keys():
        row[name] = anomaly["replace"][name].get(json.dumps(row[name]), row[name])
    for edit, convert in _CONVERSIONS.items():
        present = [name for name in anomaly.get(edit, ()) if row.get(name) is not None]
        row.update({name: convert(row[name]) for name in present})


def _to_number(value: Any) -> Any:
    """Convert digits, but not where a leading zero would be lost: that were another number."""
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
    """Convert to the vendor's milliseconds since 1970, UTC."""
    return int(moment.timestamp() * 1000)


def _read_ms(value: object) -> int | None:
    if type(value) is int:
        return value
    digits = str(value).partition(".")[0]
    return int(digits) if digits.isdecimal() else None
