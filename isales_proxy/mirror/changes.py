"""Changes of mirrored rows, collected and written in one transaction as one revision: rows, their
versions, and the counters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from isales_proxy.mirror.counters import (
    COUNTED_FIELDS,
    CountKey,
    add_to_counters,
    list_counters,
)
from isales_proxy.mirror.row_keys import MADE_KEY
from isales_proxy.models.mirror import (
    OPEN_END,
    ChangeKind,
    MirroredFields,
    MirrorRow,
    MirrorState,
    MirrorVersion,
    Phase,
)

_CONTENT: Final = tuple(field.attname for field in MirroredFields._meta.local_fields)  # noqa: SLF001
_RESULT_FIELDS: Final = frozenset({"end_time", "fail_code", "result", "busi_result", "business_id"})
# A call that has begun sets these; together with a result they are part of that change.
_CALL_FIELDS: Final = frozenset({"begin_time", "call_flag", "caller_no"})
_NOT_A_CHANGE: Final = frozenset({"phase", "unconfirmed"})
_UPDATED: Final = (
    *(field.name for field in MirroredFields._meta.local_fields),  # noqa: SLF001
    "fingerprint", "observed_at", "revision", "number_begin", "number_end", "missed_at",
    "gone_after", "gone_by",
)  # fmt: skip
_BATCH: Final = 500
_TICK: Final = timedelta(microseconds=1)
# Every reading begins with it: as a queryset it takes three times as long.
_SELECT_STATE: Final = """
    SELECT vdn_id, epoch, revision, revised_at, "column"
    FROM isales_proxy_mirrorstate WHERE vdn_id = %s {lock}
"""


def lock_state(vdn_id: int, epoch: int) -> MirrorState | None:
    """Lock the state of a VDN's mirror until the transaction ends; None if another process leads.

    SQLite has locked the whole database already: its transactions are immediate ones.
    """
    lock = "FOR UPDATE" if connection.features.has_select_for_update else ""
    found = MirrorState.objects.raw(_SELECT_STATE.format(lock=lock), [vdn_id])
    state = next(iter(found), None)
    return state if state is not None and state.epoch == epoch else None


@contextmanager
def write_revision(vdn_id: int, epoch: int, now: datetime) -> Iterator[PendingWrites | None]:
    """Open a transaction whose changes are written at its end; None if another process leads."""
    with transaction.atomic():
        state = lock_state(vdn_id, epoch)
        writes = None if state is None else PendingWrites(state, now)
        yield writes
        if writes is not None:
            writes.flush()


def find_kinds(before: Mapping[str, Any], row: MirrorRow) -> list[ChangeKind]:
    """Return the kinds of change between the contents `before` and those of the row."""
    changed = {name for name in _CONTENT if before[name] != getattr(row, name)} - _NOT_A_CHANGE
    kinds = []
    if before["phase"] == Phase.GONE and row.phase != Phase.GONE:
        kinds.append(ChangeKind.RETURNED)
    if row.phase == Phase.GONE:
        kinds.append(ChangeKind.GONE)
    if "appoint_time" in changed:
        kinds.append(ChangeKind.MOVED)
    if "agent_id" in changed:
        kinds.append(ChangeKind.HANDED_OVER)
    if changed & _RESULT_FIELDS:
        kinds.append(ChangeKind.RESULT)
        changed -= _RESULT_FIELDS | _CALL_FIELDS
    if changed - {"appoint_time", "agent_id"}:
        kinds.append(ChangeKind.CHANGED)
    return kinds


class PendingWrites:
    """Changes of one transaction, all of the revision after that of `state`, which is locked.

    `after` and `by` bound the time of a change. `is_visible` tells whether the list looks different
    even if no row gets a version.
    """

    def __init__(self, state: MirrorState, now: datetime) -> None:
        self.state = state
        self.is_visible = False
        # Grows even when the clock goes back.
        last = state.revised_at
        self.known_from = now if last is None or last < now else last + _TICK
        self._vdn_id, self._revision = state.pk, state.revision + 1
        self._new: list[MirrorRow] = []
        self._changed: list[MirrorRow] = []
        self._retired: list[MirrorRow] = []
        self._versions: list[tuple[MirrorRow, str, datetime | None, datetime]] = []
        self._marked: list[MirrorRow] = []
        self._counts: Counter[CountKey] = Counter()

    def add(
        self, row: MirrorRow, fields: Mapping[str, Any], *, after: datetime | None, by: datetime
    ) -> None:
        """Add a new row."""
        for name, value in fields.items():
            setattr(row, name, value)
        row.appeared_at = self.known_from
        row.revision = row.first_revision = self._revision
        self._counts.update(_list_counters(row))
        self._new.append(row)
        self._versions.append((row, ChangeKind.APPEARED.value, after, by))

    def change(
        self, row: MirrorRow, fields: Mapping[str, Any], *, after: datetime | None, by: datetime
    ) -> None:
        """Set fields of a stored row."""
        before = {name: getattr(row, name) for name in _CONTENT}
        for name, value in fields.items():
            setattr(row, name, value)
        row.revision = self._revision
        self._counts.subtract(list_counters(before))
        self._counts.update(_list_counters(row))
        self._changed.append(row)
        kinds = find_kinds(before, row) or [ChangeKind.CHANGED]
        self._versions.append((row, ",".join(kinds), after, by))

    def remove(self, row: MirrorRow, *, after: datetime | None, by: datetime) -> None:
        """Mark a row as gone; it keeps its contents."""
        fields = {"phase": Phase.GONE, "unconfirmed": False, "missed_at": None}
        self.change(row, fields | {"gone_after": after, "gone_by": by}, after=after, by=by)

    def replace(self, row: MirrorRow, *, after: datetime | None, by: datetime) -> None:
        """Take the ID from a row, which is gone: another reservation has it now."""
        row.key = f"{row.key}{MADE_KEY}{row.first_revision}"
        self._retired.append(row)
        if row.phase != Phase.GONE:
            self.remove(row, after=after, by=by)
            self._changed.pop()

    def clear_missed(self, row: MirrorRow) -> None:
        """Mark a row that a reading missed as found, unchanged."""
        row.missed_at = row.gone_after = None
        self.is_visible |= row.unconfirmed
        row.unconfirmed = False
        self._marked.append(row)

    def mark_unconfirmed(self, row: MirrorRow) -> None:
        """Mark a missed row as unconfirmed. It keeps its revision: the reservation has not changed
        for those who look for what is new."""
        row.unconfirmed = self.is_visible = True
        self._marked.append(row)

    def flush(self) -> None:
        """Write everything, with a new revision if the list looks different."""
        if self._marked:
            names = ["missed_at", "gone_after", "unconfirmed"]
            MirrorRow.objects.bulk_update(self._marked, names, batch_size=_BATCH)
        if self._retired:
            names = [*_UPDATED, "key"]
            MirrorRow.objects.bulk_update(self._retired, names, batch_size=_BATCH)
        if self._new:
            MirrorRow.objects.bulk_create(self._new, batch_size=_BATCH)
        if self._changed:
            self._update_rows()
        if self._versions:
            self._write_versions()
            add_to_counters(self._vdn_id, self._counts)
        if self._versions or self._retired or self.is_visible:
            MirrorState.objects.filter(pk=self._vdn_id).update(
                revision=self._revision, revised_at=self.known_from
            )

    def _update_rows(self) -> None:
        """Update by inserts that conflict with the rows: a tenth of the time of `bulk_update`."""
        copies, columns = [], MirrorRow._meta.fields  # noqa: SLF001
        for row in self._changed:
            values = {field.attname: getattr(row, field.attname) for field in columns}
            del values["id"]
            copies.append(MirrorRow(**values))
        MirrorRow.objects.bulk_create(
            copies,
            batch_size=_BATCH,
            update_conflicts=True,
            unique_fields=["vdn", "key"],
            update_fields=_UPDATED,
        )

    def _write_versions(self) -> None:
        new = {id(row) for row in self._new}
        old = [row.pk for row, *_rest in self._versions if id(row) not in new]
        if old:
            MirrorVersion.objects.filter(row_id__in=old, known_until=OPEN_END).update(
                known_until=self.known_from
            )
        MirrorVersion.objects.bulk_create(
            (
                MirrorVersion(
                    row_id=row.pk,
                    vdn_id=self._vdn_id,
                    revision=self._revision,
                    kinds=kinds,
                    after=after,
                    by=by,
                    known_from=self.known_from,
                    **{name: getattr(row, name) for name in _CONTENT},
                )
                for row, kinds, after, by in self._versions
            ),
            batch_size=_BATCH,
        )


def _list_counters(row: MirrorRow) -> list[CountKey]:
    return list_counters({name: getattr(row, name) for name in COUNTED_FIELDS})
