"""One reading of a leaf, applied to the mirror in one transaction: the one place where rows,
versions, counts and the revision are written.

`t0` is our clock before the question was sent: an answer may tell what was so later, but nothing
older. A change therefore lies between the last reading that knew better and the transaction.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Q

from isales_proxy.client.records import SUCCESS_CODES, Reservation
from isales_proxy.mirror import names
from isales_proxy.mirror.changes import PendingWrites, RowChange
from isales_proxy.mirror.forgetting import ForgottenNumbers, load_forgotten
from isales_proxy.mirror.row_keys import (
    KeyedRecord,
    assign_keys,
    compute_fingerprint,
    pack_number,
)
from isales_proxy.models.mirror import (
    ROW_FIELDS,
    LeafKind,
    MirrorLeaf,
    MirrorRow,
    MirrorState,
    Phase,
)

FIRST_TIME: Final = datetime(1971, 1, 1, tzinfo=UTC)
LAST_TIME: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Bounds of the ranges that are asked for. A row beyond them counts as one without a time."""
# Every reading begins with it: as a queryset it takes three times as long.
_LOCKED: Final = """
    SELECT vdn_id, epoch, revision, revised_at, "column"
    FROM isales_proxy_mirrorstate WHERE vdn_id = %s {lock}
"""
_TICK: Final = timedelta(microseconds=1)
_MARGIN: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class LeafAnswer:
    """Rows of an answer. `complete`: it holds every row of its question, so that others are missing
    from it."""

    rows: tuple[Reservation, ...]
    total: int
    complete: bool


@dataclass
class ReadingOutcome:
    """Result of a reading. `applied` is False when another sweeper leads (`fenced`) or a later
    reading was there before. `missing` are the rows of the leaf's core that were not answered;
    `answered` the keys of those that were."""

    applied: bool = False
    fenced: bool = False
    revision: int = 0
    appeared: int = 0
    changed: int = 0
    missing: list[MirrorRow] = field(default_factory=list)
    answered: frozenset[str] = frozenset()
    core_rows: int = 0


def get_phase(record: Reservation) -> Phase:
    """Return the phase of a reservation, by the same rule as `status.get_status`."""
    if record.fail_code is not None:
        return Phase.ANSWERED if record.fail_code in SUCCESS_CODES else Phase.FAILED
    return Phase.OPEN if record.begin_time is None else Phase.CALLED


def split_record(record: Reservation) -> dict[str, Any]:
    """Return the fields of a row: those of the record but agent and task, and its phase."""
    values = record.__dict__
    return {name: values[name] for name in ROW_FIELDS} | {"phase": get_phase(record)}


def get_position_field(column: str) -> str:
    """Return the field that the vendor's time range tests."""
    return "create_time" if column == "createTime" else "appoint_time"


def select_core(leaf: MirrorLeaf, column: str) -> Q:
    """Return the condition for the rows that a leaf answers for."""
    name = get_position_field(column)
    if leaf.kind == LeafKind.AGENT:
        return Q(agent__account=leaf.agent) if leaf.agent else Q()
    if leaf.kind == LeafKind.UNDATED:
        outside = Q(**{f"{name}__lt": FIRST_TIME}) | Q(**{f"{name}__gte": LAST_TIME})
        return Q(**{f"{name}__isnull": True}) | outside
    return Q(**{f"{name}__gte": leaf.begin, f"{name}__lt": leaf.end})


def apply_reading(
    *,
    vdn_id: int,
    epoch: int,
    leaf: MirrorLeaf | None,
    answer: LeafAnswer,
    t0: datetime,
    now: datetime,
) -> ReadingOutcome:
    """Apply one answer in one transaction. Without a leaf (a question by number) nobody is missed,
    and rows that are not stored are left to the leaf that they belong to.

    The leaf is stored with `as_of`, `complete`, `rows`, `due_at`, `interval` and `failures`.
    Raises django.db.Error, which leaves everything as it was.
    """
    with transaction.atomic():
        state = lock_state(vdn_id, epoch)
        if state is None:
            return ReadingOutcome(fenced=True)
        if leaf is not None and answer.complete and not _stamp_leaf(leaf, answer, t0, now):
            return ReadingOutcome()
        return _Comparison(state, leaf, answer, t0, now).run()


def lock_state(vdn_id: int, epoch: int) -> MirrorState | None:
    """Lock the state of a VDN's mirror until the transaction ends; None if another one leads.

    SQLite has locked the whole database already: its transactions are immediate ones.
    """
    lock = "FOR UPDATE" if connection.features.has_select_for_update else ""
    found = MirrorState.objects.raw(_LOCKED.format(lock=lock), [vdn_id])
    state = next(iter(found), None)
    return state if state is not None and state.epoch == epoch else None


def get_known_from(state: MirrorState, now: datetime) -> datetime:
    """Return the time from which a change is known; it grows even where the clock goes back."""
    last = state.revised_at
    return now if last is None or last < now else last + _TICK


def commit_revision(state: MirrorState, known_from: datetime) -> None:
    """Store the next revision; the caller has locked the state."""
    MirrorState.objects.filter(pk=state.pk).update(revision=state.revision, revised_at=known_from)


@dataclass(frozen=True)
class LeafTimes:
    """Ranges of time in order and when each was read last."""

    ranges: Sequence[tuple[Any, Any, datetime | None, bool]]

    @classmethod
    def load(cls, vdn_id: int) -> LeafTimes:
        """Load the ranges of a VDN."""
        found = MirrorLeaf.objects.filter(vdn_id=vdn_id, begin__isnull=False).order_by("begin")
        return cls(list(found.values_list("begin", "end", "as_of", "complete")))

    def find(self, position: datetime | None) -> datetime | None:
        """Return when the range of this time was read last; None if it never was."""
        if position is None:
            return None
        index = bisect_right(self.ranges, position, key=lambda entry: entry[0]) - 1
        if index < 0 or position >= self.ranges[index][1] or not self.ranges[index][3]:
            return None
        return self.ranges[index][2]


def _stamp_leaf(leaf: MirrorLeaf, answer: LeafAnswer, t0: datetime, now: datetime) -> bool:
    """Store that the leaf was read at `t0`; False if a later reading of it was stored before.

    A time ahead of the clock is none: the clock was set back since.
    """
    older = Q(as_of=None) | Q(as_of__lt=t0) | Q(as_of__gt=now)
    return bool(
        MirrorLeaf.objects.filter(older, pk=leaf.pk).update(
            as_of=t0,
            complete=True,
            rows=len(answer.rows),
            interval=leaf.interval,
            due_at=leaf.due_at,
            failures=0,
        )
    )


class _Comparison:
    """One answer being compared with the rows that are stored."""

    def __init__(
        self,
        state: MirrorState,
        leaf: MirrorLeaf | None,
        answer: LeafAnswer,
        t0: datetime,
        now: datetime,
    ) -> None:
        self._state, self._leaf, self._answer = state, leaf, answer
        self._t0, self._now = t0, now
        self._position = get_position_field(state.column)
        self._former = leaf.as_of if leaf is not None and leaf.complete else None
        self._leaf_times: LeafTimes | None = None

    def run(self) -> ReadingOutcome:
        vdn_id = self._state.pk
        outcome = ReadingOutcome(applied=True, revision=self._state.revision)
        known_from = get_known_from(self._state, self._now)
        records = self._answer.rows
        answered = assign_keys(vdn_id, records)
        keys = names.store_names(
            vdn_id=vdn_id, epoch=self._state.epoch, records=records, known_from=known_from
        )
        outcome.answered = frozenset(answered)
        core = self._load_core()
        outcome.core_rows = len(core)
        different = [
            key
            for key, record in answered.items()
            if (found := core.get(key)) is None or found[1] or found[0] != record.fingerprint
        ]
        writes = PendingWrites(self._state, known_from)
        if different:
            self._compare(answered, different, writes, keys, outcome)
        missed = core.keys() - answered.keys()
        if missed and self._answer.complete:
            outcome.missing = self._find_missing(missed)
        if writes.flush() or keys.changed:
            self._state.revision = outcome.revision = self._state.revision + 1
            commit_revision(self._state, known_from)
        return outcome

    def _load_core(self) -> dict[str, tuple[bytes, bool]]:
        """Load fingerprints of the rows that a leaf asks for, those of its margin included, by key,
        and whether a reading has missed them."""
        leaf = self._leaf
        if leaf is None:
            return {}
        wide = select_core(leaf, self._state.column)
        if leaf.begin is not None and leaf.end is not None:
            low, high = leaf.begin - _MARGIN, leaf.end + _MARGIN
            wide = Q(**{f"{self._position}__gte": low, f"{self._position}__lte": high})
        found = MirrorRow.objects.for_vdn(self._state.pk).present().filter(wide)
        return {
            key: (bytes(fingerprint), missed_at is not None)
            for key, fingerprint, missed_at in found.values_list("key", "fingerprint", "missed_at")
        }

    def _compare(
        self,
        answered: dict[str, KeyedRecord],
        different: list[str],
        writes: PendingWrites,
        keys: names.NameKeys,
        outcome: ReadingOutcome,
    ) -> None:
        rows = MirrorRow.objects.for_vdn(self._state.pk).filter(key__in=different)
        stored = {row.key: row for row in rows}
        # Asked only here: a row that is stored as it was answered holds no forgotten number.
        forgotten = load_forgotten(self._state.pk)
        cleaned = {key: _clean(answered[key], forgotten) for key in different}
        results = names.store_business_results(
            self._state.pk, (keyed.record for keyed in cleaned.values() if keyed)
        )
        for key, keyed in cleaned.items():
            if keyed is None:
                continue
            row, record = stored.get(key), keyed.record
            fields = split_record(record)
            fields["business_id"] = results.get(record.busi_result or "")
            fields["agent_id"] = keys.agents.get(record.user_account or "")
            fields["task_id"] = keys.tasks.get(record.task_id or "")
            if row is not None and _is_another(row, record):
                writes.replace(row, after=self._find_last_known(row), by=self._now)
                row = None
            if row is None and self._leaf is None:
                continue
            if row is None:
                outcome.appeared += 1
                writes.appear(
                    MirrorRow(vdn_id=self._state.pk, key=key, **self._stamps(keyed)),
                    fields,
                    after=self._former,
                    by=self._now,
                )
            elif self._is_newer(row):
                self._update(row, keyed, fields, writes, outcome)

    def _update(
        self,
        row: MirrorRow,
        keyed: KeyedRecord,
        fields: dict[str, Any],
        writes: PendingWrites,
        outcome: ReadingOutcome,
    ) -> None:
        same = bytes(row.fingerprint) == keyed.fingerprint
        if same and row.phase != Phase.GONE:
            missed = row.missed_at
            # A time ahead of the clock is none: the clock was set back since.
            if missed is not None and (missed <= self._t0 or missed > self._now):
                writes.clear_missed(row)
            return
        outcome.changed += 1
        change = RowChange(row, after=self._find_last_known(row), by=self._now)
        for name, value in self._stamps(keyed).items():
            setattr(row, name, value)
        row.missed_at = row.gone_after = row.gone_by = None
        row.unconfirmed = False
        writes.change(change, fields)

    def _stamps(self, keyed: KeyedRecord) -> dict[str, Any]:
        return {
            "fingerprint": keyed.fingerprint,
            "observed_at": self._t0,
            **pack_number(keyed.record.called_no),
        }

    def _is_newer(self, row: MirrorRow) -> bool:
        """Tell whether this answer is newer than what is stored; see `_stamp_leaf` on clocks."""
        return row.observed_at < self._t0 or row.observed_at > self._now

    def _find_last_known(self, row: MirrorRow) -> datetime:
        """Return when the row was last known to be as it is stored."""
        if row.gone_by is not None:
            return row.gone_by
        position = getattr(row, self._position)
        if self._is_in_core(position):
            read = self._former or row.observed_at
        else:
            if self._leaf_times is None:
                self._leaf_times = LeafTimes.load(self._state.pk)
            # It may have been missed there: then it left after the reading before that.
            read = row.gone_after or self._leaf_times.find(position) or row.observed_at
        if row.gone_after is not None:
            read = min(read, row.gone_after)
        return max(row.observed_at, read) if row.observed_at <= self._now else read

    def _is_in_core(self, position: datetime | None) -> bool:
        leaf = self._leaf
        if leaf is None or leaf.begin is None or leaf.end is None or position is None:
            return False
        return leaf.begin <= position < leaf.end

    def _find_missing(self, keys: Iterable[str]) -> list[MirrorRow]:
        """Return the rows of the core that were not answered, marked as missed since `t0`."""
        assert self._leaf is not None  # noqa: S101 - without a leaf there is no core
        core = select_core(self._leaf, self._state.column)
        rows = MirrorRow.objects.for_vdn(self._state.pk).filter(core, key__in=list(keys))
        missing = [row for row in rows if self._is_newer(row)]
        new = [row for row in missing if row.missed_at is None or row.missed_at > self._now]
        for row in new:
            row.missed_at = self._t0
            row.gone_after = max(row.observed_at, self._former or row.observed_at)
        if new:
            MirrorRow.objects.bulk_update(new, ["missed_at", "gone_after"])
        return missing


def _clean(keyed: KeyedRecord, forgotten: ForgottenNumbers) -> KeyedRecord | None:
    """Return a record without forgotten numbers; None for the reservation of one."""
    if forgotten.matches(keyed.record.called_no or ""):
        return None
    record = forgotten.clean(keyed.record)
    return keyed if record is keyed.record else KeyedRecord(record, compute_fingerprint(record))


def _is_another(row: MirrorRow, record: Reservation) -> bool:
    """Tell whether the ID was given to another reservation: another creation and another number."""
    return (
        None not in (row.create_time, record.create_time, row.called_no, record.called_no)
        and row.create_time != record.create_time
        and row.called_no != record.called_no
    )
