"""The outbox as people see it: what waits, what became of the rest, and the journal of each.

Rows come out masked for who may not see numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from isales_proxy.access import Permission, Scope
from isales_proxy.models import WriteBack, WriteBackAttempt, WriteBackState
from isales_proxy.number_access import services as searches
from isales_proxy.outbound import tasks
from isales_proxy.privacy import masked_copies
from isales_proxy.privacy.phone_numbers import SearchedNumber
from isales_proxy.write_backs.services import NoSuchWriteBack

MOST_SHOWN: Final = 200
_MOST_OTHERS: Final = 10
_MOST_STATES: Final = 50


@dataclass(frozen=True)
class WriteBackQuery:
    """Which write-backs, newest first; empty text stands for any. `q` is looked for in unique IDs
    and called numbers."""

    state: str = ""
    q: str = ""
    task: str = ""
    page: int = 1
    size: int = 25


@dataclass(frozen=True)
class WriteBackEntry:
    """One write-back and how its last attempt went.

    `outcome` is "" where there was none or it is under way; `blocked` tells that an earlier one of
    the same unique ID goes first.
    """

    row: WriteBack
    outcome: str
    maybe_sent: bool
    http_status: int | None
    blocked: bool

    def sending(self, now: datetime) -> bool:
        """Whether a worker is at it."""
        until = self.row.claimed_until
        return self.row.state == WriteBackState.WAITING and until is not None and until > now


@dataclass(frozen=True)
class WriteBackPage:
    """One page of entries. `counts` has every state, under the same filter but for the state."""

    entries: tuple[WriteBackEntry, ...]
    total: int
    counts: dict[str, int]


@dataclass(frozen=True)
class WriteBackDetail:
    """One write-back with its journal, and the others of the same unique ID, newest first."""

    entry: WriteBackEntry
    journal: tuple[WriteBackAttempt, ...]
    others: tuple[WriteBack, ...]


def list_page(*, scope: Scope, query: WriteBackQuery) -> WriteBackPage:
    """One page of this VDN's outbox. Raises NotAllowed and SearchesSpent."""
    scope.require(Permission.SEE_OUTBOUND)
    if (number := SearchedNumber.parse(query.q)).is_complete:
        searches.count_search(scope, number)
    found = _matching(scope, query)
    counted = dict(found.order_by().values_list("state").annotate(Count("pk")))
    counts = {state.value: counted.get(state.value, 0) for state in WriteBackState}
    if query.state:
        found = found.filter(state=query.state)
    first = (query.page - 1) * query.size
    return WriteBackPage(
        entries=_entries(scope, found, first, query.size),
        total=counts[query.state] if query.state else sum(counts.values()),
        counts=counts,
    )


def list_shown(
    *, scope: Scope, query: WriteBackQuery, shown: Iterable[int]
) -> tuple[WriteBackPage, int]:
    """What has become of the entries on somebody's screen, whatever state they are in by now, and
    how many newer ones match their question. Raises NotAllowed and SearchesSpent."""
    scope.require(Permission.SEE_OUTBOUND)
    ids = list(dict.fromkeys(shown))[:MOST_SHOWN]
    page = list_page(scope=scope, query=replace(query, page=1, size=1))
    entries = _entries(scope, WriteBack.objects.filter(vdn=scope.vdn, pk__in=ids), 0, MOST_SHOWN)
    newer = _matching(scope, query).filter(pk__gt=max(ids, default=0))
    if query.state:
        newer = newer.filter(state=query.state)
    return WriteBackPage(entries, page.total, page.counts), newer.count()


def get(*, scope: Scope, pk: int) -> WriteBackDetail:
    """One write-back of this VDN. Raises NotAllowed and NoSuchWriteBack."""
    scope.require(Permission.SEE_OUTBOUND)
    found = _entries(scope, WriteBack.objects.filter(vdn=scope.vdn, pk=pk), 0, 1)
    if not found:
        raise NoSuchWriteBack
    row = found[0].row
    journal: tuple[WriteBackAttempt, ...] = tuple(row.journal.all())
    if not scope.can(Permission.SEE_NUMBERS):
        own = get_unmasked(scope, pk).phone_number
        journal = tuple(masked_copies.mask_attempt(each, own) for each in journal)
    return WriteBackDetail(
        entry=found[0],
        journal=journal,
        others=tuple(
            _shown(scope, other)
            for other in _of_unique_id(scope, row.unique_id).exclude(pk=pk)[:_MOST_OTHERS]
        ),
    )


def list_states(*, scope: Scope, unique_id: str) -> list[str]:
    """The states of the latest results written for one unique ID in this VDN, newest first."""
    found = _of_unique_id(scope, unique_id).values_list("state", flat=True)
    return list(found[:_MOST_STATES])


def of_reservation(*, scope: Scope, appoint_id: str) -> tuple[WriteBack, ...]:
    """The latest write-backs that were made from one reservation, newest first."""
    found = WriteBack.objects.filter(vdn=scope.vdn, appoint_id=appoint_id).order_by("-pk")
    return tuple(_shown(scope, row) for row in found[:_MOST_OTHERS])


def get_unmasked(scope: Scope, pk: int) -> WriteBack:
    """One write-back with its number whole, for services alone. Raises NoSuchWriteBack."""
    found = WriteBack.objects.filter(vdn=scope.vdn, pk=pk).first()
    if found is None:
        raise NoSuchWriteBack
    return found


def _shown(scope: Scope, row: WriteBack) -> WriteBack:
    return row if scope.can(Permission.SEE_NUMBERS) else masked_copies.mask_write_back(row)


def _of_unique_id(scope: Scope, unique_id: str) -> QuerySet[WriteBack]:
    return WriteBack.objects.filter(vdn=scope.vdn, unique_id=unique_id).order_by("-pk")


def _matching(scope: Scope, query: WriteBackQuery) -> QuerySet[WriteBack]:
    found = WriteBack.objects.filter(vdn=scope.vdn)
    if query.task:
        match = tasks.match(scope=scope, text=query.task)
        found = found.filter(service_id__in=[query.task, *match.idents])
    if query.q:
        wanted = Q(unique_id__icontains=query.q)
        number = SearchedNumber.parse(query.q)
        digits = number.text.removeprefix("+")
        if digits and scope.can(Permission.SEE_NUMBERS):
            wanted |= Q(phone_number__contains=digits)
        elif number.is_complete:
            wanted |= Q(phone_number__in=number.spellings)
        found = found.filter(wanted)
    return found


def _entries(
    scope: Scope, found: QuerySet[WriteBack], first: int, size: int
) -> tuple[WriteBackEntry, ...]:
    last = WriteBackAttempt.objects.filter(write_back=OuterRef("pk")).order_by("-number")
    earlier = WriteBack.objects.filter(
        vdn=OuterRef("vdn"),
        unique_id=OuterRef("unique_id"),
        state=WriteBackState.WAITING,
        pk__lt=OuterRef("pk"),
    )
    rows = (
        found.order_by("-pk")
        .select_related("vdn")
        .annotate(
            last_outcome=Subquery(last.values("outcome")[:1]),
            last_status=Subquery(last.values("http_status")[:1]),
            last_maybe_sent=Subquery(last.values("maybe_sent")[:1]),
            comes_later=Exists(earlier),
        )[first : first + size]
    )
    return tuple(
        WriteBackEntry(
            row=_shown(scope, row),
            outcome=row.last_outcome or "",
            maybe_sent=bool(row.last_maybe_sent),
            http_status=row.last_status,
            blocked=row.comes_later and row.state == WriteBackState.WAITING,
        )
        for row in rows
    )
