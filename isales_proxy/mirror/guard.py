"""Verdicts on rows that a reading missed: gone, or held back as unconfirmed by the mass guard.

An answer that lacks many rows at once is more often a fault of the vendor, or a key with fewer
rights, than many reservations deleted.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import F, Q

from isales_proxy.mirror.changes import PendingWrites
from isales_proxy.mirror.readings import commit_revision, get_known_from, lock_state
from isales_proxy.models.mirror import MirrorRow, MirrorState, Phase

ROUNDS: Final = 3
MIN_HELD: Final = timedelta(minutes=30)
"""Complete rounds that agree, and over how long, until rows held back are called gone."""
_LEAF_ROWS, _LEAF_PERCENT = 10, 30
_ROUND_ROWS, _ROUND_PERCENT = 50, 5


def is_too_many_of_leaf(missing: int, rows: int) -> bool:
    """Tell whether so many rows missing of a leaf are more than the guard lets go."""
    return missing > max(_LEAF_ROWS, rows * _LEAF_PERCENT / 100)


def is_too_many_of_round(missing: int, rows: int) -> bool:
    """Tell whether so many rows missing of all are more than the guard lets go in a round."""
    return missing > max(_ROUND_ROWS, rows * _ROUND_PERCENT / 100)


def is_too_many_of_all(missing: int, rows: int) -> bool:
    """Tell whether the vendor's own total lacks more rows than the guard lets go."""
    return is_too_many_of_leaf(missing, rows) or is_too_many_of_round(missing, rows)


def settle_gone(
    *, vdn_id: int, epoch: int, row_ids: Collection[int], t0: datetime, now: datetime
) -> int:
    """Call missed rows gone that no question sent before `t0` has found since; return how many."""
    with transaction.atomic():
        state = lock_state(vdn_id, epoch)
        if state is None:
            return 0
        known_from = get_known_from(state, now)
        writes = PendingWrites(state, known_from)
        rows = MirrorRow.objects.for_vdn(vdn_id).present().filter(pk__in=row_ids)
        gone = [row for row in rows.exclude(missed_at=None) if not t0 < row.observed_at <= now]
        for row in gone:
            writes.remove(row, after=row.gone_after, by=now)
        if writes.flush():
            state.revision += 1
            commit_revision(state, known_from)
        return len(gone)


def hold_rows(*, vdn_id: int, epoch: int, row_ids: Collection[int], now: datetime) -> int:
    """Mark missed rows as unconfirmed: they stay in the list with that word. Return how many."""
    with transaction.atomic():
        state = lock_state(vdn_id, epoch)
        if state is None:
            return 0
        known_from = get_known_from(state, now)
        writes = PendingWrites(state, known_from)
        rows = MirrorRow.objects.for_vdn(vdn_id).present().filter(pk__in=row_ids)
        new = [row for row in rows.exclude(missed_at=None) if not row.unconfirmed]
        for row in new:
            writes.hold(row)
        if writes.flush():
            state.revision += 1
            commit_revision(state, known_from)
        if new:
            MirrorState.objects.filter(pk=vdn_id, guard_since=None).update(
                guard_since=now, guard_rounds=0, guard_confirmed_at=None
            )
            MirrorState.objects.filter(pk=vdn_id).update(
                guard_rows=count_held(vdn_id), guard_rounds=0
            )
        return len(new)


def count_held(vdn_id: int) -> int:
    """Count the rows that the guard holds back."""
    return MirrorRow.objects.for_vdn(vdn_id).present().filter(unconfirmed=True).count()


def confirm_guard(*, vdn_id: int, by: str, reason: str, now: datetime) -> bool:
    """Let the rows held back by now go at their next reading that misses them; False if there are
    none.

    The caller has checked the right to do so, and records `by` and `reason` in the audit.
    """
    if not by or not reason:
        raise ValueError("a confirmation needs a person and a reason")
    held = MirrorState.objects.filter(pk=vdn_id, guard_since__isnull=False)
    return bool(held.update(guard_confirmed_at=now))


def is_confirmed(state: MirrorState, row: MirrorRow) -> bool:
    """Tell whether a row is held back and was so when somebody confirmed that those are gone."""
    if not row.unconfirmed or row.missed_at is None or state.guard_confirmed_at is None:
        return False
    return row.missed_at <= state.guard_confirmed_at


def end_confirmation(*, vdn_id: int, before: datetime) -> None:
    """End a confirmation given before a complete round began: the rows that it was for are gone,
    and others held back since need one of their own."""
    MirrorState.objects.filter(pk=vdn_id, guard_confirmed_at__lt=before).update(
        guard_confirmed_at=None
    )


def is_released(state: MirrorState, now: datetime) -> bool:
    """Tell whether all rows held back may be called gone: enough rounds missed them."""
    if state.guard_since is None:
        return False
    return state.guard_rounds >= ROUNDS and now - state.guard_since >= MIN_HELD


def count_round(*, vdn_id: int, now: datetime) -> None:
    """Count a complete round over everything for or against the rows held back, and end the guard
    where none is left. Rounds agree while the same number is missing."""
    held = count_held(vdn_id)
    states = MirrorState.objects.filter(pk=vdn_id, guard_since__isnull=False)
    if not held:
        states.update(guard_since=None, guard_rows=0, guard_rounds=0, guard_confirmed_at=None)
        return
    # Those of another number begin anew: what is held has changed since.
    states.exclude(guard_rows=held).update(guard_rows=held, guard_rounds=0, guard_since=now)
    states.filter(guard_rows=held).update(guard_rounds=F("guard_rounds") + 1)


def end_guard(*, vdn_id: int) -> None:
    """End the guard where no row is held back any more."""
    if not count_held(vdn_id):
        MirrorState.objects.filter(pk=vdn_id).exclude(guard_since=None).update(
            guard_since=None, guard_rows=0, guard_rounds=0, guard_confirmed_at=None
        )


def list_held(vdn_id: int, missed_after: datetime) -> list[int]:
    """List the rows held back that a reading since `missed_after` has missed again."""
    rows = MirrorRow.objects.for_vdn(vdn_id).filter(~Q(phase=Phase.GONE), unconfirmed=True)
    return list(rows.filter(missed_at__gte=missed_after).values_list("pk", flat=True))
