"""Status of the mirrors for administrators and monitoring; the switch, and the confirmation that
unconfirmed rows are gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.core.cache import cache
from django.db import transaction
from django.db.models import Count, Max, Min, Q

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.mirror.missing_rows import confirm_unconfirmed
from isales_proxy.models import AuditAction, MirrorLeaf, MirrorState
from isales_proxy.vendor.call_budget import WINDOW, CallCount, count_calls, get_calls_per_minute

_LAST_READING: Final = "mirror-last-reading"
_LAST_READING_SECONDS: Final = 15


@dataclass(frozen=True)
class LeafGroup:
    """The leaves that are read every `interval` seconds; `unread` of them were never read whole.

    `oldest` and `newest` are when the others were last read whole, aware UTC.
    """

    interval: int
    leaves: int
    unread: int
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True)
class MirrorStatus:
    """The mirror of one VDN at `now` (aware UTC). `calls` are those of the last ten minutes."""

    vdn_id: int
    now: datetime
    state: MirrorState
    groups: tuple[LeafGroup, ...]
    calls: CallCount = field(default_factory=CallCount)

    @property
    def is_led(self) -> bool:
        """Tell whether a sweeper has the lease."""
        lease = self.state.lease_until
        return self.state.enabled and lease is not None and lease > self.now

    @property
    def needs_confirmation(self) -> bool:
        """Tell whether rows are unconfirmed and no person has confirmed that they are gone."""
        return bool(self.state.guard_rows) and self.state.guard_confirmed_at is None

    @property
    def oldest(self) -> datetime | None:
        """Return when the oldest leaf was read; None while a leaf was never read."""
        if any(group.unread for group in self.groups):
            return None
        return min((group.oldest for group in self.groups if group.oldest), default=None)

    @property
    def calls_a_minute(self) -> float:
        """Calls per minute, by people and by the mirror."""
        return (self.calls.by_people + self.calls.by_mirror) * 60 / WINDOW.total_seconds()

    @property
    def budget(self) -> int:
        """Calls that are allowed per minute."""
        return get_calls_per_minute()

    @property
    def counts_agree(self) -> bool | None:
        """Tell whether all = before + within + after + without a time; None when not counted."""
        state = self.state
        parts = (state.count_before, state.count_within, state.count_after, state.count_undated)
        if state.count_total is None or None in parts:
            return None
        return state.count_total == sum(part or 0 for part in parts)


def get_status(*, scope: Scope, now: datetime) -> MirrorStatus:
    """Return the status of the VDN's mirror. Raises PermissionMissing."""
    scope.require(Permission.EXAMINE_VENDOR)
    return list_statuses([scope.vdn.pk], now, with_calls=True)[0]


def list_statuses(
    vdn_ids: Iterable[int], now: datetime, *, with_calls: bool = False
) -> list[MirrorStatus]:
    """List the status of mirrors by two queries, without a check of permissions."""
    wanted = sorted(vdn_ids)
    states = MirrorState.objects.in_bulk(wanted)
    groups: dict[int, list[LeafGroup]] = {}
    grouped = (
        MirrorLeaf.objects.filter(vdn__in=wanted)
        .order_by("interval")
        .values("vdn_id", "interval")
        .annotate(
            leaves=Count("pk"),
            unread=Count("pk", filter=Q(as_of=None)),
            oldest=Min("as_of"),
            newest=Max("as_of"),
        )
    )
    for found in grouped:
        values: dict[str, Any] = {**found}
        groups.setdefault(values.pop("vdn_id"), []).append(LeafGroup(**values))
    return [
        MirrorStatus(
            vdn_id=vdn_id,
            now=now,
            state=states.get(vdn_id) or MirrorState(vdn_id=vdn_id),
            groups=tuple(groups.get(vdn_id, ())),
            calls=count_calls(vdn_id, now) if with_calls else CallCount(),
        )
        for vdn_id in wanted
    ]


def get_last_reading() -> datetime | None:
    """Return when the mirror of any VDN was last read, by any process; up to 15 s old."""
    found: tuple[datetime | None] | None = cache.get(_LAST_READING)
    if found is None:
        found = (MirrorLeaf.objects.aggregate(at=Max("as_of"))["at"],)
        cache.set(_LAST_READING, found, _LAST_READING_SECONDS)
    return found[0]


def switch_mirror(*, scope: Scope, vdn_id: int, enabled: bool) -> bool:
    """Switch the mirror of a VDN on or off; return False if it was so. Its rows are kept.

    The caller checks that the user has access to the VDN. Raises PermissionMissing.
    """
    scope.require(Permission.SEE_SETTINGS)
    scope.require(Permission.EXAMINE_VENDOR)
    with transaction.atomic():
        MirrorState.objects.get_or_create(vdn_id=vdn_id)
        other = MirrorState.objects.filter(vdn=vdn_id, enabled=not enabled)
        changed = bool(other.update(enabled=enabled))
        if changed:
            audit.record(
                AuditAction.MIRROR_SWITCHED,
                by=scope,
                vdn_id=vdn_id,
                subject=f"VDN {vdn_id}",
                enabled=enabled,
            )
    return changed


def confirm_missing(*, scope: Scope, reason: str, now: datetime) -> int:
    """Confirm that the unconfirmed rows are gone: they go at their next reading that misses them.
    Return their number, 0 if there is none that waits for it. Raises PermissionMissing, and
    ValueError without a reason."""
    scope.require(Permission.EXAMINE_VENDOR)
    if not reason:
        raise ValueError("a confirmation needs a reason")
    with transaction.atomic():
        state = MirrorState.objects.select_for_update().filter(vdn=scope.vdn.pk).first()
        rows = state.guard_rows if state else 0
        if not rows or not confirm_unconfirmed(scope.vdn.pk, now):
            return 0
        audit.record(
            AuditAction.MIRROR_CONFIRMED,
            by=scope,
            subject=f"VDN {scope.vdn.pk}",
            reason=reason,
            rows=rows,
        )
    return rows
