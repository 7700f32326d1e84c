"""One reservation of the simulator: what its row shows when, and how it changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Self

# Any: a field of the vendor's.
RawRow = dict[str, Any]

_SHIFT_MS: Final = 417


@dataclass(frozen=True, slots=True)
class Row:
    """One reservation. Times in ms since 1970 UTC; a `start_ms` of None means never called.

    `fields` are in the vendor's spelling as they stand after the call; what is shown before is a
    pure function of the row and of the time asked for. `fixed` fields are shown whatever the plan
    says, `dropped` ones never. An `as_given` row has no plan: it shows its fields.
    """

    fields: RawRow
    appoint_ms: int | None
    start_ms: int | None = None
    end_ms: int = 0
    anomaly: Mapping[str, Any] = field(default_factory=dict)
    as_given: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()

    @classmethod
    def given(cls, fields: Mapping[str, Any]) -> Self:
        """Make a row that is answered as given."""
        return cls(dict(fields), _read_ms(fields.get("appointTime")), as_given=True)

    @property
    def created_ms(self) -> int | None:
        return _read_ms(self.fields.get("createTime"))

    def ms_of(self, column: str) -> int | None:
        """Return the time that a column shows, which a range tests; None where it has none."""
        ms = self.appoint_ms if column == "appointTime" else _read_ms(self.fields.get(column))
        if not self.anomaly or column in self.fixed:
            return ms
        # Of the edits that an anomaly makes, these alone change a time.
        if ms is not None and column in self.anomaly.get("shift_ms", ()):
            ms += _SHIFT_MS
        return _read_ms(self.anomaly.get("set", {}).get(column, ms))

    def changed(self, fields: Mapping[str, Any], drop: Collection[str] = ()) -> Self:
        """Return the row with these fields, and without those to drop, from now on."""
        merged = {**self.fields, **fields}
        ms = self.appoint_ms
        if "appointTime" in fields or "appointTime" in drop:
            ms = None if "appointTime" in drop else _read_ms(fields["appointTime"])
        if self.as_given:
            kept = {name: value for name, value in merged.items() if name not in drop}
            return replace(self, fields=kept, appoint_ms=ms)
        fixed = {**self.fixed, **fields}
        dropped = (self.dropped - fields.keys()) | set(drop)
        return replace(self, fields=merged, appoint_ms=ms, fixed=fixed, dropped=dropped)

    def moved(self, appoint_ms: int | None, now_ms: int | None = None) -> Self:
        """Return the row with another time; a planned call after `now_ms` moves along."""
        row = self.changed({"appointTime": appoint_ms})
        if self.start_ms is None or now_ms is None or self.start_ms <= now_ms:
            return row
        if appoint_ms is None or self.appoint_ms is None:
            return row.planned(None)
        shift = appoint_ms - self.appoint_ms
        return row.planned(self.start_ms + shift, self.end_ms + shift)

    def planned(self, start_ms: int | None, end_ms: int = 0) -> Self:
        """Return the row with another plan of its call; without a start it is never called."""
        times = {"beginTime": start_ms, "endTime": end_ms if start_ms is not None else None}
        fields = {**self.fields, **times}
        return replace(self, fields=fields, start_ms=start_ms, end_ms=end_ms)

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
        row["timeout"] = not started and self.appoint_ms is not None and now_ms > self.appoint_ms
        apply_anomaly(row, self.anomaly)
        row.update(self.fixed)
        for name in self.dropped:
            row.pop(name, None)
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
