"""Reads of write-backs: lists, and one write-back with its journal.

Rows are masked for people who may not see numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from django.db.models import Count

from isales_proxy.access import Permission, Scope, VdnNotFound
from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, WriteBack, WriteBackAttempt, WriteBackState
from isales_proxy.models.write_backs import WriteBackQuerySet
from isales_proxy.number_access import services as searches
from isales_proxy.outbound import tasks
from isales_proxy.privacy import masked_copies
from isales_proxy.privacy.phone_numbers import SearchedNumber
from isales_proxy.write_backs.fields import POLICIES

MOST_SHOWN: Final = 200
_MOST_OTHERS: Final = 10
_MOST_STATES: Final = 50
_CHUNK: Final = 500


@dataclass(frozen=True)
class WriteBackQuery:
    """Filter and page of the list, newest first; empty text matches any. `q` is searched for in
    unique IDs and called numbers. `order` has expressions for `order_by`."""

    state: str = ""
    q: str = ""
    task: str = ""
    page: int = 1
    size: int = 25
    order: tuple[str, ...] = ()


@dataclass(frozen=True)
class WriteBackPage:
    """One page, each row with its last attempt. `counts` has the number of rows in each state that
    match the rest of the filter."""

    rows: tuple[WriteBack, ...]
    total: int
    counts: dict[str, int]


@dataclass(frozen=True)
class WriteBackDetail:
    """One write-back with its journal, and the others of the same unique ID, newest first."""

    row: WriteBack
    journal: tuple[WriteBackAttempt, ...]
    others: tuple[WriteBack, ...]


def list_page(*, scope: Scope, query: WriteBackQuery) -> WriteBackPage:
    """Return one page of this VDN's write-backs.

    Raises PermissionMissing and DailySearchLimitExceeded.
    """
    scope.require(Permission.SEE_OUTBOUND)
    searches.count_complete_number(scope, query.q)
    found = _filter(scope, query)
    counted = dict(found.order_by().values_list("state").annotate(Count("pk")))
    counts = {state.value: counted.get(state.value, 0) for state in WriteBackState}
    shown = found.in_state(query.state).with_last_attempt().get_page(query.page, query.size)
    return WriteBackPage(
        rows=_mask_for(scope, shown),
        total=counts[query.state] if query.state else sum(counts.values()),
        counts=counts,
    )


def has_task(*, scope: Scope, text: str) -> bool:
    """Tell whether there are write-backs of a task that matches the text. Raises
    PermissionMissing."""
    scope.require(Permission.SEE_OUTBOUND)
    return _filter(scope, WriteBackQuery(task=text)).exists()


def is_short(*, scope: Scope) -> bool:
    """Tell whether the list may be sorted by any column. Raises PermissionMissing."""
    scope.require(Permission.SEE_OUTBOUND)
    return _outbox(scope).is_short()


def export(*, scope: Scope, query: WriteBackQuery, kind: str) -> tuple[Iterator[WriteBack], int]:
    """Return all rows of the query, whatever its page, and their number, and record the export.

    `kind` is the file format. Raises PermissionMissing and DailySearchLimitExceeded.
    """
    scope.require(Permission.SEE_OUTBOUND, Permission.EXPORT)
    number = searches.count_complete_number(scope, query.q)
    found, total = _filter(scope, query).in_state(query.state).freeze()
    audit.record(
        AuditAction.WRITE_BACKS_EXPORTED,
        by=scope,
        kind=kind,
        rows=total,
        state=query.state,
        searched=bool(query.q),
        masked=not scope.can(Permission.SEE_NUMBERS),
        number=number,
    )
    rows = found.with_last_attempt().iterator(chunk_size=_CHUNK)
    return (_mask_one_for(scope, row) for row in rows), total


def list_shown(
    *, scope: Scope, query: WriteBackQuery, shown: Iterable[int]
) -> tuple[WriteBackPage, int]:
    """Return the rows on the reader's screen in their current state, and the number of newer ones
    that match the query.

    Raises PermissionMissing and DailySearchLimitExceeded.
    """
    page = list_page(scope=scope, query=replace(query, page=1, size=1))
    ids = list(dict.fromkeys(shown))[:MOST_SHOWN]
    rows = _outbox(scope).filter(pk__in=ids).sorted_by(query.order).with_last_attempt()
    newer = _filter(scope, query).in_state(query.state).filter(pk__gt=max(ids, default=0))
    return replace(page, rows=_mask_for(scope, rows)), newer.count()


def get(*, scope: Scope, pk: int) -> WriteBackDetail:
    """Get one write-back of this VDN. Raises PermissionMissing and VdnNotFound."""
    scope.require(Permission.SEE_OUTBOUND)
    row = _outbox(scope).filter(pk=pk).with_last_attempt().first()
    if row is None:
        raise VdnNotFound
    journal = tuple(row.journal.all())
    if not scope.can(Permission.SEE_NUMBERS):
        journal = tuple(masked_copies.mask_attempt(each, row.phone_number) for each in journal)
    others = _outbox(scope).filter(unique_id=row.unique_id).exclude(pk=pk)[:_MOST_OTHERS]
    return WriteBackDetail(_mask_one_for(scope, row), journal, _mask_for(scope, others))


def list_states(*, scope: Scope, unique_id: str) -> list[str]:
    """List the states of the latest write-backs of one unique ID in this VDN, newest first."""
    found = _outbox(scope).filter(unique_id=unique_id).values_list("state", flat=True)
    return list(found[:_MOST_STATES])


def list_for_reservation(*, scope: Scope, appoint_id: str) -> tuple[WriteBack, ...]:
    """List the latest write-backs that were made from one reservation, newest first."""
    return _mask_for(scope, _outbox(scope).filter(appoint_id=appoint_id)[:_MOST_OTHERS])


def get_unmasked(scope: Scope, pk: int) -> WriteBack:
    """Get one write-back unmasked, for services only. Raises VdnNotFound."""
    found = _outbox(scope).filter(pk=pk).first()
    if found is None:
        raise VdnNotFound
    return found


def _outbox(scope: Scope) -> WriteBackQuerySet:
    return WriteBack.objects.for_vdn(scope.vdn)


def _mask_for(scope: Scope, rows: Iterable[WriteBack]) -> tuple[WriteBack, ...]:
    return tuple(_mask_one_for(scope, row) for row in rows)


def _mask_one_for(scope: Scope, row: WriteBack) -> WriteBack:
    if scope.can(Permission.SEE_NUMBERS):
        return row
    return masked_copies.mask_write_back(row, POLICIES)


def _filter(scope: Scope, query: WriteBackQuery) -> WriteBackQuerySet:
    """Select the rows that match the query without its state and page.

    Parts of a number match only for people who may see numbers: others could find a number digit by
    digit.
    """
    number = SearchedNumber.parse(query.q)
    sees_numbers = scope.can(Permission.SEE_NUMBERS)
    known = tasks.match(scope=scope, text=query.task) if query.task else {}
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
