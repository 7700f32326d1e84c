"""Counts of the tabs of the mirror: one statement, cached for a few seconds of a revision.

Rows are counted only where no counters can be used. A range of time is counted by counters of hours
and, in the parts of an hour at its ends, row by row. Overdue rows are the open ones minus those
that are not late, whose number does not grow with the history.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.core.cache import cache
from django.db.models import Count, F, Func, IntegerField, Q, QuerySet, Subquery
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from isales_proxy.core.response_cache import hash_key
from isales_proxy.models import MirrorCount, MirrorRow, MirrorState
from isales_proxy.models.mirror import CountedBy, Phase, format_hour
from isales_proxy.reservations.pages import TabCounts
from isales_proxy.reservations.query import Tab
from isales_proxy.reservations.row_filters import (
    PRESENT_PHASES,
    Moment,
    RowFilter,
    Span,
    match_not_late,
    match_state,
    match_tab,
)
from isales_proxy.reservations.status import ReservationState

SAME_TIME_SECONDS: Final = 15
"""Duration for which counts are cached, with the time at which they were counted."""

_CACHE_S: Final = 60
_HOUR: Final = timedelta(hours=1)
_TIMED: Final = (Tab.TODAY, Tab.DIALLING, Tab.SOON)
_PHASES: Final = {
    "open": Phase.OPEN,
    "called": Phase.CALLED,
    "answered": Phase.ANSWERED,
    "failed": Phase.FAILED,
    "gone": Phase.GONE,
}


def share_counts(rows: RowFilter, moment: Moment, revision: int) -> TabCounts:
    """Count every tab, or return the cached counts of the same query, revision and seconds."""
    # Everything that the statement depends on, including the IDs that were found for it.
    facts = (
        *(rows.model.__name__, rows.where, rows.empty, moment.late_grace, moment.day_begin),
        int(moment.now.timestamp()) // SAME_TIME_SECONDS,
    )
    key = f"tabs:{rows.vdn_id}:{revision}:{hash_key(repr(facts))}"
    shared: TabCounts | None = cache.get(key)
    if shared is not None:
        return shared
    counts = count_rows(rows, moment)
    if counts.revision == revision:
        cache.set(key, counts, _CACHE_S)
    return counts


def count_rows(rows: RowFilter, moment: Moment) -> TabCounts:
    """Count every tab in one statement."""
    if rows.empty:
        return TabCounts(moment.now, read_revision(rows.vdn_id))
    state = MirrorState.objects.filter(vdn=rows.vdn_id)
    if rows.few:
        numbers = _count_few(rows, moment, Subquery(state.values("revision")))
    else:
        parts = _express_counts(rows, moment)
        values = state.values_list("revision", *parts.values())[0]
        numbers = dict(zip(("revision", *parts), values, strict=True))
    not_late = numbers.pop("not_late")
    numbers["overdue"] = numbers.pop("open") - numbers["undated"] - not_late
    numbers["later"] = not_late - numbers["dialling"] - numbers["soon"]
    return TabCounts(moment.now, **numbers)


def _count_few(rows: RowFilter, moment: Moment, revision: Subquery) -> dict[str, int]:
    """Count a few rows by reading each of them once."""
    conditions = {
        **{tab.value: match_tab(tab, moment) for tab in _TIMED},
        "not_late": match_not_late(moment),
        "undated": match_state(ReservationState.UNDATED, moment),
        **{name: Q(phase=phase) for name, phase in _PHASES.items()},
    }
    counts = {name: Count("pk", filter=condition) for name, condition in conditions.items()}
    found = rows.select().order_by().annotate(at=revision).values("at").annotate(**counts)
    for values in found:
        return {"revision": values.pop("at"), **values}
    return {"revision": read_revision(rows.vdn_id), **dict.fromkeys(conditions, 0)}


def _express_counts(rows: RowFilter, moment: Moment) -> dict[str, Any]:
    """Return the expressions of the counts."""
    found = rows.select()
    near = found if rows.span is None else _select_near(rows, rows.span, moment)
    parts: dict[str, Any] = {
        "dialling": count_in_statement(near.filter(match_tab(Tab.DIALLING, moment))),
        "soon": count_in_statement(near.filter(match_tab(Tab.SOON, moment))),
        "undated": count_in_statement(found.filter(match_state(ReservationState.UNDATED, moment))),
    }
    if rows.span is None:
        parts["today"] = count_in_statement(found.filter(match_tab(Tab.TODAY, moment)))
        parts["not_late"] = count_in_statement(found.filter(match_not_late(moment)))
    else:
        today = rows.span.limit(moment.day_begin, moment.day_end)
        parts["today"] = _count_span(rows, today, PRESENT_PHASES)
        not_late = rows.span.limit(moment.late_before, None)
        parts["not_late"] = _count_span(rows, not_late, [Phase.OPEN])
    for name, phase in _PHASES.items():
        if rows.counters is not None:
            parts[name] = _sum_counters(rows.vdn_id, rows.counters & Q(phase=phase))
        elif rows.span is not None:
            parts[name] = _count_span(rows, rows.span, [phase])
        else:
            parts[name] = count_in_statement(found.filter(phase=phase))
    return parts


def read_revision(vdn_id: int) -> int:
    """Read the revision of a VDN's mirror; 0 without one."""
    found = MirrorState.objects.filter(vdn=vdn_id).values_list("revision", flat=True)
    return int(found[0]) if found else 0


def _sum_counters(vdn_id: int, condition: Q) -> Coalesce:
    counters = MirrorCount.objects.filter(condition, vdn=vdn_id)
    total = Func(F("rows"), function="SUM", output_field=IntegerField())
    return Coalesce(Subquery(counters.order_by().annotate(n=total).values("n")), 0)


def _count_span(rows: RowFilter, span: Span, phases: Collection[Phase]) -> Combinable:
    """Return the expression that counts the rows of a range of due times in some phases."""
    found = _select_all(rows).filter(phase__in=phases)

    def count(low: datetime | None, high: datetime | None) -> Subquery:
        part = Q() if low is None else Q(appoint_time__gte=low)
        part &= Q() if high is None else Q(appoint_time__lt=high)
        return count_in_statement(found.filter(part))

    first = None if span.low is None else _cut_hour(span.low + _HOUR - timedelta.resolution)
    last = None if span.high is None else _cut_hour(span.high)
    if first is not None and last is not None and first >= last:
        return count(span.low, span.high)
    kind = CountedBy.TYPE_HOUR if rows.call_type else CountedBy.HOUR
    hours = Q(counted_by=kind, phase__in=phases, agent_key=0, task_key=0, call_type=rows.call_type)
    hours &= Q(value__gt="") if first is None else Q(value__gte=format_hour(first))
    hours &= Q() if last is None else Q(value__lt=format_hour(last))
    total: Combinable = _sum_counters(rows.vdn_id, hours)
    if first is not None and first != span.low:
        total += count(span.low, first)
    if last is not None and last != span.high:
        total += count(last, span.high)
    return total


def _select_near(rows: RowFilter, span: Span, moment: Moment) -> QuerySet[MirrorRow]:
    """Return the rows that may be dialled or due soon, limited by the bounds of the range that are
    narrower than those of the tabs."""
    near = span.limit(moment.late_before, moment.soon_until)
    found = _select_all(rows)
    if near.low != moment.late_before:
        found = found.filter(appoint_time__gte=near.low)
    if near.high != moment.soon_until:
        found = found.filter(appoint_time__lt=near.high)
    return found


def _select_all(rows: RowFilter) -> QuerySet[MirrorRow]:
    """Return the rows of the VDN and type without the range of the filter: of two lower bounds
    SQLite uses only the first in an index, and reads the rows between them."""
    found = MirrorRow.objects.for_vdn(rows.vdn_id)
    return found.filter(call_type=rows.call_type) if rows.call_type else found


def _cut_hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def count_in_statement(rows: QuerySet[Any]) -> Subquery:
    """Return the expression that counts rows within another statement."""
    number = Func(F("pk"), function="COUNT", output_field=IntegerField())
    return Subquery(rows.order_by().annotate(n=number).values("n"))
