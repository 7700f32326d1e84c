"""The history of a reservation, from the versions of the mirror.

Limited to the person's scope and masked without SEE_NUMBERS. An agent sees that a reservation was
handed over by or to another agent, but not its contents there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from isales_proxy.access import Permission, Scope
from isales_proxy.client.records import Reservation
from isales_proxy.mirror.row_keys import shorten_key
from isales_proxy.models import ChangeKind, MirrorVersion
from isales_proxy.models.mirror import ROW_FIELDS
from isales_proxy.privacy import masking
from isales_proxy.reservations.mirrored import to_reservation
from isales_proxy.reservations.row_filters import select_present_rows

MOST_ENTRIES: Final = 200
_COMPARED: Final = (*ROW_FIELDS, "user_account", "task_id")
# The fields whose change is shown under a kind of change of its own.
_FIELDS_OF_KIND: Final = {
    ChangeKind.MOVED: frozenset({"appoint_time"}),
    ChangeKind.HANDED_OVER: frozenset({"user_account"}),
    ChangeKind.RESULT: frozenset(
        {"fail_code", "result", "busi_result", "begin_time", "end_time", "call_flag", "caller_no"}
    ),
}


@dataclass(frozen=True)
class HistoryEntry:
    """One change of a reservation, which happened in the interval (`after`, `by`], aware UTC.

    `after` is None where the start is unknown. `before` and `row` are the reservation before and
    after the change; None where it was another agent's or is not known. `fields` names the changed
    fields, as in `client.records`.
    """

    change: ChangeKind
    after: datetime | None
    by: datetime
    before: Reservation | None
    row: Reservation | None
    fields: tuple[str, ...] = ()


def get_history(
    *, scope: Scope, appoint_id: str, as_of: datetime | None = None
) -> list[HistoryEntry]:
    """List the changes of a reservation, the oldest first; [] outside the scope.

    With `as_of` (aware) the changes and the scope are those of that time.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    key, found = shorten_key(appoint_id), MirrorVersion.objects.filter(vdn=scope.vdn)
    if as_of is None:
        row = select_present_rows(scope).filter(key=key).first()
        if row is None:
            return []
        found = found.filter(row=row)
    else:
        found = found.filter(row__key=key, known_from__lte=as_of)
    versions = list(
        found.select_related("agent", "task").order_by("-revision", "-pk")[: MOST_ENTRIES + 1]
    )
    versions.reverse()
    if as_of is not None and _get_visible(scope, versions[-1] if versions else None) is None:
        return []
    entries: list[HistoryEntry] = []
    before: MirrorVersion | None = None
    for version in versions:
        entries += _list_entries(scope, before, version)
        before = version
    return entries[-MOST_ENTRIES:]


def _list_entries(
    scope: Scope, before: MirrorVersion | None, version: MirrorVersion
) -> list[HistoryEntry]:
    """List the entries of one version, one for each kind of change."""
    earlier, row = _get_visible(scope, before), _get_visible(scope, version)
    kinds = [ChangeKind(kind) for kind in version.kinds.split(",") if kind in ChangeKind.values]
    if (before is not None and earlier is None) or row is None:
        if earlier is None and row is None:
            # A change between other agents.
            return []
        # Handed over by or to another agent, whose other changes this person may not see.
        kinds = [kind for kind in kinds if kind is ChangeKind.HANDED_OVER]
    changed = [
        name
        for name in _COMPARED
        if earlier and row and getattr(earlier, name) != getattr(row, name)
    ]
    named = frozenset[str]().union(*(_FIELDS_OF_KIND.get(kind, ()) for kind in kinds))
    return [
        HistoryEntry(
            change=kind,
            after=version.after,
            by=version.by,
            before=_mask(scope, earlier) if earlier else None,
            row=_mask(scope, row) if row else None,
            fields=tuple(
                name
                for name in changed
                if (name in _FIELDS_OF_KIND[kind] if kind in _FIELDS_OF_KIND else name not in named)
            ),
        )
        for kind in kinds
    ]


def _get_visible(scope: Scope, version: MirrorVersion | None) -> Reservation | None:
    """Return the unmasked contents of a version that the person may see."""
    if version is None:
        return None
    account = version.agent.account if version.agent else None
    if scope.can(Permission.SEE_ALL_AGENTS) or (account and account == scope.agent_account):
        return to_reservation(version)
    return None


def _mask(scope: Scope, row: Reservation) -> Reservation:
    return row if scope.can(Permission.SEE_NUMBERS) else masking.mask_reservation(row)
