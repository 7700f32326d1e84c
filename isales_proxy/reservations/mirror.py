"""Reservations from the mirror, with unmasked numbers: limited to a person's scope, with their age.
Only `reservations.services`, which masks, imports this module.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final, cast

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import DateTimeField, F

from isales_proxy.access import Scope
from isales_proxy.core.database import express_time, fetch_rows
from isales_proxy.mirror.row_keys import shorten_key
from isales_proxy.models import MirrorLeaf, MirrorRow, MirrorState, MirrorTask
from isales_proxy.models.mirror import LeafKind
from isales_proxy.privacy.phone_numbers import SearchedNumber
from isales_proxy.reservations.coverage import Coverage
from isales_proxy.reservations.mirror_reader import MirrorReader
from isales_proxy.reservations.pages import AllRows, MirrorFacts, ReservationPage, TabCounts
from isales_proxy.reservations.query import DEEPEST_OFFSET, Cursor, ListQuery
from isales_proxy.reservations.row_filters import select_present_rows

_CHOICES_CACHE_S: Final = 60
_MOST_CHOICES: Final = 20
_MOST_RELATED: Final = 500

Choices = tuple[tuple[str, ...], tuple[str, ...]]


def get_state(scope: Scope) -> tuple[MirrorState | None, int | None]:
    """Return the state of the VDN's mirror and the revision that the person has seen.

    The state is None without a mirror or while it is switched off, the revision before the person's
    first look.
    """
    names, sql, times = _build_state_sql(connection.vendor)
    for *values, seen in fetch_rows(sql, (scope.user_id, scope.vdn.pk), times):
        state = MirrorState.from_db(connection.alias, names, values)
        # Raw SQL returns JSON as text.
        state.comparisons = json.loads(state.comparisons)
        if state.enabled:
            return state, seen
    return None, None


@functools.cache
def _build_state_sql(_vendor: str) -> tuple[list[str], str, list[int]]:
    """Return the fields of `get_state`, its SQL, and the indexes of the times.

    Every request of a list runs it: a queryset makes five times as many Python calls.
    """
    fields = MirrorState._meta.concrete_fields  # noqa: SLF001 - Django's public name
    times = [place for place, field in enumerate(fields) if isinstance(field, DateTimeField)]
    columns = [
        express_time(f"state.{field.column}") if place in times else f"state.{field.column}"
        for place, field in enumerate(fields)
    ]
    sql = f"""
        SELECT {", ".join(columns)}, (
            SELECT look.revision FROM isales_proxy_mirrorlook look
            WHERE look.user_id = %s AND look.vdn_id = state.vdn_id
        )
        FROM isales_proxy_mirrorstate state WHERE state.vdn_id = %s
    """  # noqa: S608 - names of our own
    return [field.attname for field in fields], sql, times


def read_page(
    *, scope: Scope, query: ListQuery, coverage: Coverage, now: datetime, seen: int | None = None
) -> ReservationPage:
    """Read one page. `seen` is the revision after which changed rows are counted."""
    query = replace(query, size=min(query.size, settings.ISALES.max_page_size))
    reader = MirrorReader(scope, query, now, seen)
    counts, rows = reader.read_consistently(coverage.revision)
    total = counts.get(reader.tab)
    order = reader.choose_order(total)
    first, last = (rows[0].cursor, rows[-1].cursor) if rows else (None, None)
    backwards, begins_at = query.before is not None, query.after or query.before or query.jump
    placed = begins_at is None or query.page != 1
    rows_until_end = query.offset + len(rows)
    is_deep = begins_at is not None or rows_until_end + query.size > DEEPEST_OFFSET
    has_next, has_previous = rows_until_end < total, query.page > 1
    if reader.has_more is not None:
        has_next = backwards or reader.has_more
    if backwards and reader.has_more is not None:
        has_previous = reader.has_more
    elif not placed and not has_previous:
        has_previous = _has_rows_before(scope, query, counts, first)
    facts = MirrorFacts(
        tab=reader.tab,
        sort=order.text,
        counts=counts,
        sortable=reader.list_sortable(total),
        refused_sort=order.refused,
        after=last if order.key == "due" and is_deep else None,
        before=first if begins_at is not None else None,
        last=last if order.key == "due" else None,
        placed=placed,
        has_next=has_next,
        has_previous=has_previous,
        seen=seen,
        changed=reader.count_changed(),
    )
    return ReservationPage(
        rows=tuple(each.row for each in rows),
        total=total,
        query=replace(query, tab=reader.tab),
        as_of=query.as_of or coverage.oldest,
        source="mirror",
        complete=coverage.complete and query.as_of is None,
        coverage=coverage,
        mirror=facts,
    )


def _has_rows_before(
    scope: Scope, query: ListQuery, counts: TabCounts, first: Cursor | None
) -> bool:
    """Tell whether rows precede a page without a number, whose first row is given."""
    if first is None or query.jump is None:
        # A page that begins after a row has at least that one before it.
        return first is not None
    query = replace(query, before=first, jump=None, size=1)
    return bool(MirrorReader(scope, query, counts.now).read_consistently(counts.revision)[1])


def read_all(*, scope: Scope, query: ListQuery, now: datetime) -> AllRows:
    """Read every row of a query as of this call, in the order of its page.

    Iterating the pages raises ListChanged if a row was purged meanwhile.
    """
    reader = MirrorReader(scope, query, now)
    ids, revision = reader.list_ids()
    return AllRows(
        len(ids), query.as_of or reader.moment.now, reader.iterate(ids, revision), mirrored=True
    )


def get_row(*, scope: Scope, appoint_id: str) -> MirrorRow | None:
    """Return the row with this ID that the person may see, also a gone one."""
    return select_present_rows(scope).filter(key=shorten_key(appoint_id)).first()


def list_same_number(*, scope: Scope, number: str) -> list[MirrorRow]:
    """List the rows of a called number over all tasks within the scope, the latest due first, with
    those that are gone."""
    if not number:
        return []
    spellings = {number, *SearchedNumber.parse(number).spellings}
    found = select_present_rows(scope).filter(called_no__in=spellings)
    return list(found.order_by(F("appoint_time").desc(nulls_last=True), "-pk")[:_MOST_RELATED])


def list_filter_choices(vdn_id: int) -> Choices:
    """List the call types and the task statuses of the mirror's rows, up to a minute old."""

    def read() -> Choices:
        tasks = MirrorTask.objects.filter(vdn=vdn_id).exclude(status="")
        statuses = tasks.order_by("status").values_list("status", flat=True).distinct()
        return tuple(_iterate_call_types(vdn_id)), tuple(statuses[:_MOST_CHOICES])

    return cast("Choices", cache.get_or_set(f"occurring:{vdn_id}", read, _CHOICES_CACHE_S))


def _iterate_call_types(vdn_id: int) -> Iterator[str]:
    """Yield the call types, one index lookup each; a DISTINCT would read the whole index."""
    rows = MirrorRow.objects.for_vdn(vdn_id).order_by("call_type")
    last = ""
    for _number in range(_MOST_CHOICES):
        found = rows.filter(call_type__gt=last).values_list("call_type", flat=True).first()
        if found is None:
            return
        last = str(found)
        yield last


def get_row_time(row: MirrorRow, *, column: str) -> datetime:
    """Return when a row was last read (aware UTC), which is when its leaf was.

    `column` is the time by which the leaves of the VDN are cut.
    """
    at = row.create_time if column == "createTime" else row.appoint_time
    leaves = MirrorLeaf.objects.filter(vdn=row.vdn_id, as_of__isnull=False)
    if at is None:
        leaves = leaves.filter(kind=LeafKind.UNDATED)
    else:
        leaves = leaves.filter(kind=LeafKind.TIME, begin__lte=at, end__gt=at)
    newest = leaves.order_by("-as_of").values_list("as_of", flat=True).first()
    return max(newest, row.observed_at) if newest else row.observed_at
