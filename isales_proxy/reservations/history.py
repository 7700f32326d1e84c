"""The story of a reservation, from the versions of the mirror, and what a person has seen of it.

Limited to the person's scope and masked without SEE_NUMBERS. An agent is told that a reservation
came from another agent or went to one, never what it was there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db.models import F, QuerySet
from django.utils import timezone

from isales_proxy.access import Permission, Scope
from isales_proxy.client.records import SUCCESS_CODES, Reservation
from isales_proxy.mirror.row_keys import shorten_key
from isales_proxy.models import ChangeKind, MirrorLook, MirrorRow, MirrorVersion, Phase, User, Vdn
from isales_proxy.models.mirror import ROW_FIELDS
from isales_proxy.privacy import masking
from isales_proxy.privacy.phone_numbers import SearchedNumber
from isales_proxy.reservations.mirrored import MirroredReservation, to_reservation

MOST_ENTRIES: Final = 200
MOST_RELATED: Final = 500
_COMPARED: Final = (*ROW_FIELDS, "user_account", "task_id")
# Those that a kind of change speaks of.
_SPOKEN_OF: Final = {
    ChangeKind.MOVED: frozenset({"appoint_time"}),
    ChangeKind.HANDED_OVER: frozenset({"user_account"}),
    ChangeKind.RESULT: frozenset(
        {"fail_code", "result", "busi_result", "begin_time", "end_time", "call_flag", "caller_no"}
    ),
}
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class HistoryEntry:
    """One change of a reservation, which happened in the interval (`after`, `by`], aware UTC.

    `after` is None where the start is unknown. `known_at` is when the mirror stored it. `before`
    and `row` are the reservation before and after the change; None for a part that is another
    agent's, and for what was not known. `fields` names what changed, as in `client.records`.
    """

    change: ChangeKind
    after: datetime | None
    by: datetime
    known_at: datetime
    before: Reservation | None
    row: Reservation | None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class SameNumber:
    """The other reservations of a called number over all tasks, unmasked, the latest first, with
    those that are gone.

    `total` counts them all, `open_rows` the ones that were not called yet, that of the question
    included. `reached` is the latest that was answered since that one was made; None where that one
    was answered itself.
    """

    others: tuple[MirroredReservation, ...]
    total: int
    open_rows: int
    reached: MirroredReservation | None = None


def get_new_since(user: User, vdn: Vdn) -> int | None:
    """Return the revision of the VDN that the person has seen; None for one who never looked."""
    looks = MirrorLook.objects.filter(user=user, vdn=vdn)
    return looks.values_list("revision", flat=True).first()


def mark_seen(user: User, vdn: Vdn, revision: int, *, now: datetime | None = None) -> None:
    """Record that the person has seen the VDN as of this revision; never takes one back."""
    at = now or timezone.now()
    look, made = MirrorLook.objects.get_or_create(
        user=user, vdn=vdn, defaults={"revision": revision, "at": at}
    )
    if not made and look.revision != revision:
        older = MirrorLook.objects.filter(pk=look.pk, revision__lt=revision)
        older.update(revision=revision, at=at)


def get_history(
    *, scope: Scope, appoint_id: str, as_of: datetime | None = None
) -> list[HistoryEntry]:
    """List the changes of a reservation, the oldest first; [] where there is none in the scope.

    With `as_of` (aware) those that were known then, of one that was in the scope then.
    """
    scope.require(Permission.SEE_RESERVATIONS)
    key, found = shorten_key(appoint_id), MirrorVersion.objects.filter(vdn=scope.vdn)
    if as_of is None:
        row = _select(scope).filter(key=key).first()
        if row is None:
            return []
        found = found.filter(row=row)
    else:
        found = found.filter(row__key=key, known_from__lte=as_of)
    versions = list(
        found.select_related("agent", "task").order_by("-revision", "-pk")[: MOST_ENTRIES + 1]
    )
    versions.reverse()
    if as_of is not None and _show(scope, versions[-1] if versions else None) is None:
        return []
    entries: list[HistoryEntry] = []
    before: MirrorVersion | None = None
    for version in versions:
        entries += _list_entries(scope, before, version)
        before = version
    return entries[-MOST_ENTRIES:]


def list_same_number(*, scope: Scope, row: MirrorRow, size: int) -> SameNumber:
    """List at most `size` other reservations of the called number of a row, within the scope.

    Unmasked: for `reservations.services` alone.
    """
    if not row.called_no:
        return SameNumber((), 0, 0)
    spellings = {row.called_no, *SearchedNumber.parse(row.called_no).spellings}
    order = (F("appoint_time").desc(nulls_last=True), "-pk")
    rows = list(_select(scope).filter(called_no__in=spellings).order_by(*order)[:MOST_RELATED])
    others = [each for each in rows if each.pk != row.pk]
    reached = None if row.fail_code in SUCCESS_CODES else _find_reached(row, others)
    return SameNumber(
        others=tuple(map(to_reservation, others[:size])),
        total=len(others),
        open_rows=sum(each.phase == Phase.OPEN for each in rows),
        reached=to_reservation(reached) if reached else None,
    )


def _select(scope: Scope) -> QuerySet[MirrorRow]:
    """Select the rows of the scope: for an agent those that are theirs, or were when they went."""
    found = MirrorRow.objects.for_vdn(scope.vdn).select_related("agent", "task")
    if scope.can(Permission.SEE_ALL_AGENTS):
        return found
    return found.filter(agent__account=scope.agent_account) if scope.agent_account else found.none()


def _list_entries(
    scope: Scope, before: MirrorVersion | None, version: MirrorVersion
) -> list[HistoryEntry]:
    """List the entries of one version, one for each kind of change."""
    earlier, row = _show(scope, before), _show(scope, version)
    kinds = [ChangeKind(kind) for kind in version.kinds.split(",") if kind in ChangeKind.values]
    if (before is not None and earlier is None) or row is None:
        if earlier is None and row is None:
            # Between other agents.
            return []
        # Came from another agent, or went to one: all else of the change is not this person's.
        kinds = [kind for kind in kinds if kind is ChangeKind.HANDED_OVER]
    changed = _list_changed(earlier, row) if earlier and row else ()
    named = frozenset[str]().union(*(_SPOKEN_OF.get(kind, ()) for kind in kinds))
    return [
        HistoryEntry(
            change=kind,
            after=version.after,
            by=version.by,
            known_at=version.known_from,
            before=_mask(scope, earlier) if earlier else None,
            row=_mask(scope, row) if row else None,
            fields=tuple(
                name
                for name in changed
                if (name in _SPOKEN_OF[kind] if kind in _SPOKEN_OF else name not in named)
            ),
        )
        for kind in kinds
    ]


def _list_changed(before: Reservation, after: Reservation) -> tuple[str, ...]:
    return tuple(name for name in _COMPARED if getattr(before, name) != getattr(after, name))


def _show(scope: Scope, version: MirrorVersion | None) -> Reservation | None:
    """Return the unmasked contents of a version that the person may see."""
    if version is None:
        return None
    account = version.agent.account if version.agent else None
    if scope.can(Permission.SEE_ALL_AGENTS) or (account and account == scope.agent_account):
        return to_reservation(version)
    return None


def _mask(scope: Scope, row: Reservation) -> Reservation:
    return row if scope.can(Permission.SEE_NUMBERS) else masking.mask_reservation(row)


def _find_reached(row: MirrorRow, others: list[MirrorRow]) -> MirrorRow | None:
    """Return the latest of the others that was answered since this one was made."""
    since = row.create_time or _EARLIEST
    answered = [
        (at, other.pk, other)
        for other in others
        if other.fail_code in SUCCESS_CODES
        and (at := other.begin_time or other.appoint_time or _EARLIEST) >= since
    ]
    return max(answered)[2] if answered else None
