"""Counters of mirrored rows: how many rows of a phase are alike, kept with the rows themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from django.db import connection

from isales_proxy.models.mirror import CountedBy, MirrorCount, format_hour

COUNTED_FIELDS: Final = (
    *("phase", "agent_id", "task_id", "appoint_time", "call_type", "fail_code", "business_id"),
)
"""Attributes of a row that decide by which counters it is counted."""

CountKey = tuple[str, int, int, int, str, str]

_LONGEST_VALUE: Final = 60
_BATCH: Final = 500
_KEY: Final = ("vdn_id", "counted_by", "phase", "agent_key", "task_key", "call_type", "value")
_ADD: Final = """
    INSERT INTO {table} ({key}, rows) VALUES {values}
    ON CONFLICT ({key})
    DO UPDATE SET rows = {table}.rows + EXCLUDED.rows
"""


def list_counters(row: Mapping[str, Any]) -> list[CountKey]:
    """List the counters of a row with these `COUNTED_FIELDS`."""
    phase, due = int(row["phase"]), row["appoint_time"]
    hour = format_hour(due) if due is not None else ""
    found: list[CountKey] = [
        (CountedBy.ALL.value, phase, 0, 0, "", ""),
        (CountedBy.NAMES.value, phase, row["agent_id"] or 0, row["task_id"] or 0, "", ""),
        (CountedBy.HOUR.value, phase, 0, 0, "", hour),
    ]
    # A filter is never as long as a value that is cut.
    if row["call_type"] and hour:
        call_type = row["call_type"][:_LONGEST_VALUE]
        found.append((CountedBy.TYPE_HOUR.value, phase, 0, 0, call_type, hour))
    values = (
        (CountedBy.TYPE.value, row["call_type"]),
        (CountedBy.CODE.value, row["fail_code"]),
        (CountedBy.BUSINESS.value, row["business_id"]),
    )
    found += [
        (counted_by, phase, 0, 0, "", str(value)[:_LONGEST_VALUE])
        for counted_by, value in values
        if value is not None
    ]
    return found


def add_to_counters(vdn_id: int, steps: Counter[CountKey]) -> None:
    """Add to the counters of a VDN; the caller has locked the state of its mirror."""
    changed = [(vdn_id, *key, step) for key, step in sorted(steps.items()) if step]
    table, marks = MirrorCount._meta.db_table, f"({', '.join(['%s'] * (len(_KEY) + 1))})"  # noqa: SLF001
    with connection.cursor() as cursor:
        for start in range(0, len(changed), _BATCH):
            batch = changed[start : start + _BATCH]
            sql = _ADD.format(
                table=table, key=", ".join(_KEY), values=", ".join([marks] * len(batch))
            )
            cursor.execute(sql, [value for values in batch for value in values])
