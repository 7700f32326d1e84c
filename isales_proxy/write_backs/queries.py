"""Reads of the outbox: lists of write-backs, one with its journal.

Rows are masked for people who may not see numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.db.models import Count, Max

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, WriteBack, WriteBackAttempt, WriteBackState
from isales_proxy.models.write_backs import WriteBackQuerySet
from isales_proxy.number_access import services as searches
from isales_proxy.outbound import tasks
from isales_proxy.privacy import masked_copies
from isales_proxy.privacy.phone_numbers import SearchedNumber
from isales_proxy.write_backs.fields import POLICIES
from isales_proxy.write_backs.services import NoSuchWriteBack

MOST_SHOWN: Final = 200
# Rows of an outbox up to which it may be sorted by columns without an index.
MOST_SORTED: Final = 20_000
_MOST_OTHERS: Final = 10
_MOST_STATES: Final = 50
_CHUNK: Final = 500


@dataclass(frozen=True)
class WriteBackQuery:
    """Filter and page of the outbox, newest first; empty text matches any. `q` is searched for in
    unique IDs and called numbers. `order` are expressions of `order_by`."""

    state: str = ""
    q: str = ""
    task: str = ""
    page: int = 1
    size: int = 25
    order: tuple[str, ...] = ()


@dataclass(frozen=True)
class WriteBackEntry:
    """One write-back and how its last attempt went.

    `outcome` is "" without an attempt and while one is under way; `blocked` when an earlier one of
    the same unique ID goes first.
    """

    row: WriteBack
    outcome: str
    maybe_sent: bool
    http_status: int | None
    blocked: bool

    def is_sending(self, now: datetime) -> bool:
        """True while a worker is delivering it."""
        until = self.row.claimed_until
        return self.row.state == WriteBackState.WAITING and until is not None and until > now


@dataclass(frozen=True)
class WriteBackPage:
    """One page of entries. `counts` has every state, under the same filter without the state."""

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
    """List one page of this VDN's outbox.

    Raises PermissionMissing and DailySearchLimitExceeded.
    """
    scope.require(Permission.SEE_OUTBOUND)
    number = SearchedNumber.parse(query.q)
    if number.is_complete:
        searches.count_search(scope, number)
    found = _filter(scope, query)
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


def has_task(*, scope: Scope, text: str) -> bool:
    """Tell whether any write-back belongs to a task that the text can mean: its ID, its name or a
    part of it. Raises PermissionMissing."""
    scope.require(Permission.SEE_OUTBOUND)
    return _filter(scope, WriteBackQuery(task=text)).exists()


def is_short(*, scope: Scope) -> bool:
    """Tell whether this VDN's outbox may be sorted by any column. Raises PermissionMissing."""
    scope.require(Permission.SEE_OUTBOUND)
    return _outbox(scope).order_by()[: MOST_SORTED + 1].count() <= MOST_SORTED


def export(
    *, scope: Scope, query: WriteBackQuery, kind: str
) -> tuple[Iterator[WriteBackEntry], int]:
    """Read all entries of the query, whatever its page, and their number; audited.

    `kind` is the file format. Entries that arrive meanwhile are left out. Raises PermissionMissing
    and DailySearchLimitExceeded.
    """
    scope.require(Permission.SEE_OUTBOUND)
    scope.require(Permission.EXPORT)
    number = SearchedNumber.parse(query.q)
    if number.is_complete:
        searches.count_search(scope, number)
    found = _filter(scope, query)
    if query.state:
        found = found.filter(state=query.state)
    counted = found.order_by().aggregate(total=Count("pk"), last=Max("pk"))
    total = int(counted["total"])
    audit.record(
        AuditAction.WRITE_BACKS_EXPORTED,
        by=scope,
        kind=kind,
        rows=total,
        state=query.state,
        searched=bool(query.q),
        masked=not scope.can(Permission.SEE_NUMBERS),
        number=number.text if number.is_complete else "",
    )
    found = found.filter(pk__lte=counted["last"] or 0).with_last_attempt()
    rows = found.iterator(chunk_size=_CHUNK)
    return (_create_entry(scope, row) for row in rows), total


def list_shown(
    *, scope: Scope, query: WriteBackQuery, shown: Iterable[int]
) -> tuple[WriteBackPage, int]:
    """List the entries on the reader's screen in whatever state they are now, and count the newer
    ones that match the query.

    Raises PermissionMissing and DailySearchLimitExceeded.
    """
    scope.require(Permission.SEE_OUTBOUND)
    ids = list(dict.fromkeys(shown))[:MOST_SHOWN]
    page = list_page(scope=scope, query=replace(query, page=1, size=1))
    shown_rows = _outbox(scope).filter(pk__in=ids).sorted_by(query.order)
    entries = _entries(scope, shown_rows, 0, MOST_SHOWN)
    newer = _filter(scope, query).filter(pk__gt=max(ids, default=0))
    if query.state:
        newer = newer.filter(state=query.state)
    return WriteBackPage(entries, page.total, page.counts), newer.count()


def get(*, scope: Scope, pk: int) -> WriteBackDetail:
    """Get one write-back of this VDN. Raises PermissionMissing and NoSuchWriteBack."""
    scope.require(Permission.SEE_OUTBOUND)
    found = _entries(scope, _outbox(scope).filter(pk=pk), 0, 1)
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
            _mask_for(scope, other)
            for other in _outbox(scope)
            .filter(unique_id=row.unique_id)
            .exclude(pk=pk)[:_MOST_OTHERS]
        ),
    )


def list_states(*, scope: Scope, unique_id: str) -> list[str]:
    """List the states of the latest write-backs of one unique ID in this VDN, newest first."""
    found = _outbox(scope).filter(unique_id=unique_id).values_list("state", flat=True)
    return list(found[:_MOST_STATES])


def list_for_reservation(*, scope: Scope, appoint_id: str) -> tuple[WriteBack, ...]:
    """List the latest write-backs that were made from one reservation, newest first."""
    found = _outbox(scope).filter(appoint_id=appoint_id)
    return tuple(_mask_for(scope, row) for row in found[:_MOST_OTHERS])


def get_unmasked(scope: Scope, pk: int) -> WriteBack:
    """Get one write-back unmasked, for services only. Raises NoSuchWriteBack."""
    found = _outbox(scope).filter(pk=pk).first()
    if found is None:
        raise NoSuchWriteBack
    return found


def _outbox(scope: Scope) -> WriteBackQuerySet:
    return WriteBack.objects.for_vdn(scope.vdn)


def _mask_for(scope: Scope, row: WriteBack) -> WriteBack:
    return (
        row if scope.can(Permission.SEE_NUMBERS) else masked_copies.mask_write_back(row, POLICIES)
    )


def _filter(scope: Scope, query: WriteBackQuery) -> WriteBackQuerySet:
    """The query without its state and page. Parts of a number match only for people who may see
    numbers: others could find a number digit by digit."""
    number = SearchedNumber.parse(query.q)
    sees_numbers = scope.can(Permission.SEE_NUMBERS)
    known = tasks.match(scope=scope, text=query.task).idents if query.task else ()
    return (
        _outbox(scope)
        .matching(
            tasks=[query.task, *known] if query.task else (),
            text=query.q,
            digits=number.text.removeprefix("+") if sees_numbers else "",
            numbers=number.spellings if number.is_complete and not sees_numbers else (),
        )
        .sorted_by(query.order)
    )


def _entries(
    scope: Scope, found: WriteBackQuerySet, first: int, size: int
) -> tuple[WriteBackEntry, ...]:
    rows = found.with_last_attempt()[first : first + size]
    return tuple(_create_entry(scope, row) for row in rows)


def _create_entry(scope: Scope, row: WriteBack) -> WriteBackEntry:
    return WriteBackEntry(
        row=_mask_for(scope, row),
        outcome=row.last_outcome or "",
        maybe_sent=bool(row.last_maybe_sent),
        http_status=row.last_status,
        blocked=row.comes_later and row.state == WriteBackState.WAITING,
    )
