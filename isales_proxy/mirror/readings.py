"""Readings: one answer to a leaf's query, compared with the stored rows and applied in one
transaction. Only here do rows appear, change or return.

An answer may show what became so after the query was sent, but nothing older. A change therefore
lies between the last reading that showed the former state and the transaction.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from isales_proxy.client.records import SUCCESS_CODES, Reservation
from isales_proxy.mirror import names
from isales_proxy.mirror.changes import PendingWrites, write_revision
from isales_proxy.mirror.forgetting import ForgottenNumbers, load_forgotten
from isales_proxy.mirror.list_facts import FIRST_TIME, LAST_TIME, MARGIN, get_time_field
from isales_proxy.mirror.row_keys import (
    KeyedRecord,
    assign_keys,
    compute_fingerprint,
    pack_number,
)
from isales_proxy.models.mirror import ROW_FIELDS, LeafKind, MirrorLeaf, MirrorRow, Phase


@dataclass(frozen=True)
class LeafAnswer:
    """Rows of an answer whose query was sent at `sent_at` (our clock).

    Only a `complete` answer, which has every row of its query, proves that other rows are missing.
    An incomplete answer of a leaf has a `reason` (`RoundReason`) and may say when to read the leaf
    again. `total` is the number of rows of a leaf, by which it may be cut; 0 for other queries.
    """

    rows: tuple[Reservation, ...]
    sent_at: datetime
    complete: bool = False
    total: int = 0
    reason: str = ""
    retry_after: timedelta | None = None


@dataclass
class ReadingOutcome:
    """Result of a reading. `applied` is False if another process leads (`fenced`) or a later
    reading of the leaf is stored. `missing` are the leaf's rows that the answer lacks; `answered`
    the keys of the rows that it has; `stored_rows` counts those that were stored before."""

    applied: bool = False
    fenced: bool = False
    missing: list[MirrorRow] = field(default_factory=list)
    answered: frozenset[str] = frozenset()
    stored_rows: int = 0


def get_phase(record: Reservation) -> Phase:
    """Return the phase of a reservation, by the same rule as `status.get_status`."""
    if record.fail_code is not None:
        return Phase.ANSWERED if record.fail_code in SUCCESS_CODES else Phase.FAILED
    return Phase.OPEN if record.begin_time is None else Phase.CALLED


def apply_reading(
    *, vdn_id: int, epoch: int, leaf: MirrorLeaf | None, answer: LeafAnswer, now: datetime
) -> ReadingOutcome:
    """Apply one answer in one transaction. Without a leaf (a query by number) no row is missing,
    and rows that are not stored yet are left to the leaf that they belong to.

    The leaf is stored with `as_of`, `complete`, `rows`, `due_at`, `interval` and `failures`.
    Raises DatabaseError and then changes nothing.
    """
    with write_revision(vdn_id, epoch, now) as writes:
        if writes is None:
            return ReadingOutcome(fenced=True)
        if leaf is not None and answer.complete and not _store_leaf(leaf, answer, now):
            return ReadingOutcome()
        return _Comparison(writes, leaf, answer, now).run()


def _store_leaf(leaf: MirrorLeaf, answer: LeafAnswer, now: datetime) -> bool:
    """Store when the leaf was read; False if a later reading of it is stored.

    A stored time in the future does not count: the clock was set back since.
    """
    older = Q(as_of=None) | Q(as_of__lt=answer.sent_at) | Q(as_of__gt=now)
    return bool(
        MirrorLeaf.objects.filter(older, pk=leaf.pk).update(
            as_of=answer.sent_at,
            complete=True,
            rows=len(answer.rows),
            interval=leaf.interval,
            due_at=leaf.due_at,
            failures=0,
        )
    )


class _Comparison:
    """Comparison of one answer with the stored rows."""

    def __init__(
        self, writes: PendingWrites, leaf: MirrorLeaf | None, answer: LeafAnswer, now: datetime
    ) -> None:
        self._writes, self._leaf, self._answer, self._now = writes, leaf, answer, now
        self._vdn_id, self._sent_at = writes.state.pk, answer.sent_at
        self._time_field = get_time_field(writes.state.column)
        self._last_read = leaf.as_of if leaf is not None and leaf.complete else None
        self._ranges: list[tuple[Any, Any, datetime | None, bool]] | None = None

    def run(self) -> ReadingOutcome:
        answered = assign_keys(self._vdn_id, self._answer.rows)
        keys = names.store_names(
            vdn_id=self._vdn_id,
            epoch=self._writes.state.epoch,
            records=self._answer.rows,
            known_from=self._writes.known_from,
        )
        self._writes.is_visible = keys.changed
        stored = self._load_fingerprints()
        outcome = ReadingOutcome(
            applied=True, answered=frozenset(answered), stored_rows=len(stored)
        )
        different = [
            key
            for key, record in answered.items()
            if (found := stored.get(key)) is None or found[1] or found[0] != record.fingerprint
        ]
        if different:
            self._compare(answered, different, keys)
        missed = stored.keys() - answered.keys()
        if missed and self._answer.complete:
            outcome.missing = self._mark_missing(missed)
        return outcome

    def _load_fingerprints(self) -> dict[str, tuple[bytes, bool]]:
        """Load the stored rows that the leaf's query covers, margin included: by key the
        fingerprint, and whether a reading has missed the row."""
        leaf = self._leaf
        if leaf is None:
            return {}
        covered = self._select_leaf_rows(leaf)
        if leaf.begin is not None and leaf.end is not None:
            low, high = leaf.begin - MARGIN, leaf.end + MARGIN
            covered = Q(**{f"{self._time_field}__gte": low, f"{self._time_field}__lte": high})
        found = MirrorRow.objects.for_vdn(self._vdn_id).present().filter(covered)
        return {
            key: (bytes(fingerprint), missed_at is not None)
            for key, fingerprint, missed_at in found.values_list("key", "fingerprint", "missed_at")
        }

    def _select_leaf_rows(self, leaf: MirrorLeaf) -> Q:
        """Return the condition of the rows that a leaf answers for, without its margin."""
        name = self._time_field
        if leaf.kind == LeafKind.AGENT:
            return Q(agent__account=leaf.agent) if leaf.agent else Q()
        if leaf.kind == LeafKind.UNDATED:
            outside = Q(**{f"{name}__lt": FIRST_TIME}) | Q(**{f"{name}__gte": LAST_TIME})
            return Q(**{f"{name}__isnull": True}) | outside
        return Q(**{f"{name}__gte": leaf.begin, f"{name}__lt": leaf.end})

    def _compare(
        self,
        answered: dict[str, KeyedRecord],
        different: list[str],
        keys: names.NameKeys,
    ) -> None:
        rows = MirrorRow.objects.for_vdn(self._vdn_id).filter(key__in=different)
        stored = {row.key: row for row in rows}
        # Loaded only here: a row that is stored as it was answered holds no forgotten number.
        forgotten = load_forgotten(self._vdn_id)
        cleaned = {key: _clean(answered[key], forgotten) for key in different}
        results = names.store_business_results(
            self._vdn_id, (keyed.record for keyed in cleaned.values() if keyed)
        )
        for key, keyed in cleaned.items():
            if keyed is None:
                continue
            row, record = stored.get(key), keyed.record
            if row is not None and _is_other_reservation(row, record):
                self._writes.replace(row, after=self._find_last_known(row), by=self._now)
                row = None
            if row is None and self._leaf is None:
                continue
            fields = {
                **{name: record.__dict__[name] for name in ROW_FIELDS},
                **pack_number(record.called_no),
                "phase": get_phase(record),
                "business_id": results.get(record.busi_result or ""),
                "agent_id": keys.agents.get(record.user_account or ""),
                "task_id": keys.tasks.get(record.task_id or ""),
                "fingerprint": keyed.fingerprint,
                "observed_at": self._sent_at,
            }
            if row is None:
                row = MirrorRow(vdn_id=self._vdn_id, key=key)
                self._writes.add(row, fields, after=self._last_read, by=self._now)
            elif not self._is_newer(row):
                continue
            elif row.phase == Phase.GONE or bytes(row.fingerprint) != keyed.fingerprint:
                fields |= dict.fromkeys(("missed_at", "gone_after", "gone_by"))
                fields["unconfirmed"] = False
                after = self._find_last_known(row)
                self._writes.change(row, fields, after=after, by=self._now)
            # A time in the future does not count: the clock was set back since.
            elif row.missed_at and (row.missed_at <= self._sent_at or row.missed_at > self._now):
                self._writes.clear_missed(row)

    def _is_newer(self, row: MirrorRow) -> bool:
        """Tell whether this answer is newer than the stored row; see `_store_leaf` on clocks."""
        return row.observed_at < self._sent_at or row.observed_at > self._now

    def _find_last_known(self, row: MirrorRow) -> datetime:
        """Return when the row was last known to be as it is stored."""
        if row.gone_by is not None:
            return row.gone_by
        time, leaf = getattr(row, self._time_field), self._leaf
        if leaf and leaf.begin and leaf.end and time and leaf.begin <= time < leaf.end:
            read = self._last_read or row.observed_at
        else:
            # If its leaf has missed it, it left after the reading before that.
            read = row.gone_after or self._find_reading(time) or row.observed_at
        if row.gone_after is not None:
            read = min(read, row.gone_after)
        return max(row.observed_at, read) if row.observed_at <= self._now else read

    def _find_reading(self, time: datetime | None) -> datetime | None:
        """Return when the leaf of this time was last read whole; None if it never was."""
        if time is None:
            return None
        if self._ranges is None:
            leaves = MirrorLeaf.objects.filter(vdn_id=self._vdn_id, begin__isnull=False)
            ranges = leaves.order_by("begin").values_list("begin", "end", "as_of", "complete")
            self._ranges = list(ranges)
        index = bisect_right(self._ranges, time, key=lambda entry: entry[0]) - 1
        if index < 0:
            return None
        _begin, end, as_of, complete = self._ranges[index]
        return as_of if complete and time < end else None

    def _mark_missing(self, keys: Iterable[str]) -> list[MirrorRow]:
        """Mark the leaf's rows with these keys as missed, and return them."""
        assert self._leaf is not None  # noqa: S101 - without a leaf no row is missing
        rows = MirrorRow.objects.for_vdn(self._vdn_id).filter(
            self._select_leaf_rows(self._leaf), key__in=list(keys)
        )
        missing = [row for row in rows if self._is_newer(row)]
        new = [row for row in missing if row.missed_at is None or row.missed_at > self._now]
        for row in new:
            row.missed_at = self._sent_at
            row.gone_after = max(row.observed_at, self._last_read or row.observed_at)
        if new:
            MirrorRow.objects.bulk_update(new, ["missed_at", "gone_after"])
        return missing


def _clean(keyed: KeyedRecord, forgotten: ForgottenNumbers) -> KeyedRecord | None:
    """Return a record without forgotten numbers; None if its called number is one."""
    if forgotten.matches(keyed.record.called_no or ""):
        return None
    record = forgotten.clean(keyed.record)
    return keyed if record is keyed.record else KeyedRecord(record, compute_fingerprint(record))


def _is_other_reservation(row: MirrorRow, record: Reservation) -> bool:
    """Tell whether the ID was given to another reservation: other creation time and number."""
    return (
        None not in (row.create_time, record.create_time, row.called_no, record.called_no)
        and row.create_time != record.create_time
        and row.called_no != record.called_no
    )
