"""A mirror filled without a vendor: rows in the vendor's spelling, as one complete reading."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from isales_proxy.client.records import Reservation, parse_reservation
from isales_proxy.models import Vdn
from isales_proxy.models.mirror import LeafKind, MirrorLeaf, MirrorState
from isales_proxy.reservations import guard
from isales_proxy.reservations.readings import (
    FIRST_TIME,
    LAST_TIME,
    LeafAnswer,
    ReadingOutcome,
    apply_reading,
)

INTERVAL = 60  # seconds


def mirror_rows(
    vdn: Vdn | int, vendor_rows: list[Mapping[str, Any]], *, at: datetime | None = None
) -> ReadingOutcome:
    """Read a whole list into the mirror, and mark it complete at `at` (default: now).

    Called again it is a later reading: `at` must grow. What is missing then is gone. Returns the
    outcome of the reading of all rows with a time.
    """
    now = at or timezone.now()
    vdn_id = vdn.pk if isinstance(vdn, Vdn) else vdn
    state, _new = MirrorState.objects.get_or_create(pk=vdn_id, defaults={"column": "appointTime"})
    records = [parse_reservation(row)[0] for row in vendor_rows]
    dated = [row for row in records if row.appoint_time is not None]
    undated = [row for row in records if row.appoint_time is None]
    outcome = _read(state, LeafKind.TIME, (FIRST_TIME, LAST_TIME), dated, now)
    others = _read(state, LeafKind.UNDATED, (None, None), undated, now)
    guard.settle_gone(
        vdn_id=vdn_id,
        epoch=state.epoch,
        row_ids=[row.pk for row in (*outcome.missing, *others.missing)],
        t0=now,
        now=now,
    )
    MirrorState.objects.filter(pk=vdn_id).update(
        round_began_at=now,
        round_ended_at=now,
        round_complete=True,
        round_reason="",
        rows_read=len(records),
        rows_expected=len(records),
        counted_at=now,
        count_total=len(records),
        count_before=0,
        count_within=len(dated),
        count_after=0,
        count_undated=len(undated),
    )
    return outcome


def _read(
    state: MirrorState,
    kind: LeafKind,
    bounds: tuple[datetime | None, datetime | None],
    records: list[Reservation],
    now: datetime,
) -> ReadingOutcome:
    begin, end = bounds
    leaf, _new = MirrorLeaf.objects.get_or_create(
        vdn_id=state.pk,
        kind=kind,
        begin=begin,
        end=end,
        defaults={"due_at": now, "interval": INTERVAL},
    )
    leaf.due_at = now + timedelta(seconds=INTERVAL)
    answer = LeafAnswer(tuple(records), len(records), complete=True)
    return apply_reading(
        vdn_id=state.pk, epoch=state.epoch, leaf=leaf, answer=answer, t0=now, now=now
    )
