"""Rows of the mirror made one version at a time, with exact intervals and without a sweep."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from isales_proxy.mirror.counters import COUNTED_FIELDS, add_to_counters, list_counters
from isales_proxy.mirror.row_keys import pack_number
from isales_proxy.models import (
    ChangeKind,
    MirrorAgent,
    MirroredFields,
    MirrorRow,
    MirrorState,
    MirrorTask,
    MirrorVersion,
    Phase,
)

START = datetime(2026, 5, 15, 6, 0, tzinfo=UTC)
"""14:00 in the zone of VDN 88."""


_SHARED = tuple(field.name for field in MirroredFields._meta.local_fields)


def minute(count: float) -> datetime:
    """Return the time `count` minutes after START."""
    return START + timedelta(minutes=count)


def write_version(
    row: MirrorRow | None,
    kinds: str,
    *,
    after: datetime | None,
    by: datetime,
    vdn_id: int = 88,
    agent: str | None = "116",
    task: str | None = "1106025109",
    **fields: Any,
) -> MirrorRow:
    """Write a new version of a row; with row None, the first version of a new one."""
    state, _made = MirrorState.objects.get_or_create(vdn_id=vdn_id)
    state.revision += 1
    state.revised_at = by
    state.save()
    owner = task_row = None
    if agent is not None:
        owner, _made = MirrorAgent.objects.get_or_create(
            vdn_id=vdn_id, account=agent, defaults={"name": f"Agent {agent}"}
        )
    if task is not None:
        task_row, _made = MirrorTask.objects.get_or_create(
            vdn_id=vdn_id, task_id=task, defaults={"name": f"Task {task}", "status": "2"}
        )
    if row is None:
        row = MirrorRow(
            vdn_id=vdn_id,
            key=fields["appoint_id"],
            fingerprint=b"",
            observed_at=by,
            appeared_at=by,
            first_revision=state.revision,
        )
    else:
        _count(row, -1)
    for name, value in fields.items():
        setattr(row, name, value)
    row.agent, row.task, row.revision, row.observed_at = owner, task_row, state.revision, by
    if ChangeKind.GONE in kinds:
        row.phase, row.gone_after, row.gone_by = Phase.GONE, after, by
    elif row.fail_code is not None:
        row.phase = Phase.ANSWERED if row.fail_code == "00000" else Phase.FAILED
    else:
        row.phase = Phase.OPEN
    for name, number in pack_number(row.called_no).items():
        setattr(row, name, number)
    row.save()
    _count(row, 1)
    MirrorVersion.objects.filter(row=row, known_until__gt=by).update(known_until=by)
    shared = {name: getattr(row, name) for name in _SHARED}
    MirrorVersion.objects.create(
        row=row,
        vdn_id=vdn_id,
        revision=state.revision,
        kinds=kinds,
        after=after,
        by=by,
        known_from=by,
        **shared,
    )
    return row


def _count(row: MirrorRow, difference: int) -> None:
    keys = list_counters({name: getattr(row, name) for name in COUNTED_FIELDS})
    add_to_counters(row.vdn_id, Counter(dict.fromkeys(keys, difference)))
