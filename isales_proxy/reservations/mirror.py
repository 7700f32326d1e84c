"""Reservations from the mirror, with unmasked numbers: limited to a person's scope, with their age.
Only `reservations.services`, which masks, reads rows here.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import DateTimeField

from isales_proxy.access import Scope
from isales_proxy.core.database import express_time, fetch_rows
from isales_proxy.mirror.row_keys import shorten_key
from isales_proxy.models import (
    MirrorLeaf,
    MirrorRow,
    MirrorState,
    MirrorTask,
)
from isales_proxy.models.mirror import LeafKind
from isales_proxy.reservations.coverage import Coverage, Gap, get_coverage, measure_coverage
from isales_proxy.reservations.mirror_reader import FoundRow, MirrorReader
from isales_proxy.reservations.mirrored import (
    MirroredReservation,
    to_reservation,
)
from isales_proxy.reservations.pages import (
    AllRows,
    MirrorFacts,
    ReservationPage,
    TabCounts,
)
from isales_proxy.reservations.query import (
    DEEPEST_OFFSET,
    ListQuery,
)
from isales_proxy.reservations.row_filters import create_filter, is_vague_number
from isales_proxy.reservations.tab_counts import read_revision

__all__ = [
    "Coverage",
    "Gap",
    "MirroredReservation",
    "count_tabs",
    "get_coverage",
    "get_past_row",
    "get_row",
    "get_row_time",
    "get_state",
    "is_vague_number",
    "list_occurring",
    "measure_coverage",
    "read_all",
    "read_page",
    "read_revision",
    "to_reservation",
]


_OCCURRING_SECONDS: Final = 60
_MOST_VALUES: Final = 20


def get_state(scope: Scope) -> tuple[MirrorState | None, int | None]:
    """Return the state of the VDN's mirror, and the revision that the person has seen.

    None where there is none or it is switched off; None for a person who never looked.
    """
    names, sql, times = _build_state(connection.vendor)
    for *values, seen in fetch_rows(sql, (scope.user_id, scope.vdn.pk), times):
        state = MirrorState.from_db(connection.alias, names, values)
        # JSON is text where no queryset reads it.
        state.comparisons = json.loads(state.comparisons)
        if state.enabled:
            return state, seen
    return None, None


@functools.cache
def _build_state(_vendor: str) -> tuple[list[str], str, list[int]]:
    """Build the statement of `get_state`, with its fields and the places of their times.

    Asked by every request of a list: a queryset takes five times as many calls.
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


def count_tabs(*, scope: Scope, query: ListQuery, revision: int, now: datetime) -> TabCounts:
    """Count the rows of every tab. The counts of a revision are shared for `SAME_TIME_SECONDS`."""
    return MirrorReader(scope, query, now).count(revision)


def read_page(
    *, scope: Scope, query: ListQuery, coverage: Coverage, now: datetime, seen: int | None = None
) -> ReservationPage:
    """Read one page. `seen` is the revision since which changed rows are counted."""
    asked = replace(query, size=min(query.size, settings.ISALES.max_page_size))
    reader = MirrorReader(scope, asked, now, seen)
    counts, rows = reader.read_consistently(coverage.revision)
    tab = reader.tab
    total = counts.get(tab)
    order = reader.choose_order(total)
    first, last = (rows[0], rows[-1]) if rows else (None, None)
    backwards, jumped = asked.before is not None, asked.after or asked.before or asked.jump
    past = asked.offset + len(rows)
    deep = order.key == "due" and (bool(jumped) or past + asked.size > DEEPEST_OFFSET)
    placed = not (jumped and asked.page == 1)
    facts = MirrorFacts(
        tab=tab,
        sort=order.text,
        counts=counts,
        sortable=reader.list_sortable(total),
        refused_sort=order.refused,
        after=last.cursor if deep and last else None,
        before=first.cursor if jumped and first else None,
        last=last.cursor if last and order.key == "due" else None,
        placed=placed,
        has_next=past < total if reader.has_more is None else backwards or reader.has_more,
        has_previous=(
            reader.has_more
            if backwards and reader.has_more is not None
            else asked.page > 1 or (not placed and _has_rows_before(scope, asked, counts, first))
        ),
        seen=seen,
        changed=reader.count_changed(),
    )
    return ReservationPage(
        rows=tuple(each.row for each in rows),
        total=total,
        query=replace(asked, tab=tab),
        as_of=query.as_of or coverage.oldest,
        source="mirror",
        complete=coverage.complete and query.as_of is None,
        coverage=coverage,
        mirror=facts,
    )


def _has_rows_before(
    scope: Scope, query: ListQuery, counts: TabCounts, first: FoundRow | None
) -> bool:
    """Tell whether rows precede the first one of a page that no number places."""
    if first is None or query.jump is None:
        # A page that begins after a row has at least that one before it.
        return first is not None
    before = replace(query, before=first.cursor, jump=None, size=1)
    return bool(MirrorReader(scope, before, counts.now).read_consistently(counts.revision)[1])


def read_all(*, scope: Scope, query: ListQuery, now: datetime) -> AllRows:
    """Read every row of a question as it was when this was called, in the order of its page.

    Iterating the pages raises ListChanged where a row was purged meanwhile.
    """
    reader = MirrorReader(scope, query, now)
    ids, revision = reader.list_ids()
    return AllRows(
        len(ids), query.as_of or reader.moment.now, reader.iterate(ids, revision), mirrored=True
    )


def get_row(*, scope: Scope, appoint_id: str) -> MirrorRow | None:
    """Return the row with this ID that the person may see, also a gone one."""
    rows = create_filter(scope, ListQuery()).select().select_related("agent", "task")
    found: MirrorRow | None = rows.filter(key=shorten_key(appoint_id)).first()
    return found


def get_past_row(*, scope: Scope, appoint_id: str, as_of: datetime) -> MirroredReservation | None:
    """Return the row with this ID as it was known at `as_of` (aware), if the person might see it
    then."""
    return MirrorReader(scope, ListQuery(as_of=as_of), as_of).find(shorten_key(appoint_id))


def list_occurring(vdn_id: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List the call types and the task statuses of the mirror's rows, up to a minute old."""
    key = f"occurring:{vdn_id}"
    shared: tuple[tuple[str, ...], tuple[str, ...]] | None = cache.get(key)
    if shared is None:
        tasks = MirrorTask.objects.filter(vdn=vdn_id).exclude(status="")
        statuses = tasks.order_by("status").values_list("status", flat=True).distinct()
        shared = tuple(_iterate_call_types(vdn_id)), tuple(statuses[:_MOST_VALUES])
        cache.set(key, shared, _OCCURRING_SECONDS)
    return shared


def _iterate_call_types(vdn_id: int) -> Iterator[str]:
    """Step from value to value of the index, which a DISTINCT would read as a whole."""
    rows = MirrorRow.objects.for_vdn(vdn_id).order_by("call_type")
    last = ""
    for _number in range(_MOST_VALUES):
        found = rows.filter(call_type__gt=last).values_list("call_type", flat=True).first()
        if found is None:
            return
        last = str(found)
        yield last


def get_row_time(row: MirrorRow, *, column: str) -> datetime:
    """Return when a row was last read (aware UTC): with the leaf that it lies in."""
    at = row.create_time if column == "createTime" else row.appoint_time
    leaves = MirrorLeaf.objects.filter(vdn=row.vdn_id, as_of__isnull=False)
    if at is None:
        leaves = leaves.filter(kind=LeafKind.UNDATED)
    else:
        leaves = leaves.filter(kind=LeafKind.TIME, begin__lte=at, end__gt=at)
    newest = leaves.order_by("-as_of").values_list("as_of", flat=True).first()
    return max(newest, row.observed_at) if newest else row.observed_at
