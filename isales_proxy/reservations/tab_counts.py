"""Counts of the tabs of the mirror: one statement, shared for a few seconds of a revision."""

from __future__ import annotations

from typing import Any, Final

from django.core.cache import cache
from django.db.models import F, Func, IntegerField, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from isales_proxy.core.response_cache import hash_key
from isales_proxy.models import MirrorCount, MirrorState
from isales_proxy.models.mirror import Phase
from isales_proxy.reservations.pages import TabCounts
from isales_proxy.reservations.query import ListQuery, Tab
from isales_proxy.reservations.row_filters import Moment, RowFilter, match_tab, match_undated

SAME_TIME_SECONDS: Final = 15
"""Counts are shared for so long, at the time at which they were counted."""

_KEPT: Final = 60  # seconds
_CLOSED: Final = {
    "called": Phase.CALLED,
    "answered": Phase.ANSWERED,
    "failed": Phase.FAILED,
    "gone": Phase.GONE,
}


def share_counts(rows: RowFilter, query: ListQuery, moment: Moment, revision: int) -> TabCounts:
    """Count every tab, or return the counts of the same question, revision and seconds."""
    # All that is asked of the tables, with the IDs that were found for it.
    facts = (
        *(rows.model.__name__, rows.where, rows.empty, moment.late_grace, moment.day_begin),
        int(moment.now.timestamp()) // SAME_TIME_SECONDS,
    )
    key = f"tabs:{rows.vdn_id}:{revision}:{hash_key(repr(facts))}"
    shared = cache.get(key)
    if shared is not None:
        return TabCounts(shared[0], revision, *shared[1:])
    counts = count_rows(rows, query, moment)
    if counts.revision == revision:
        cache.set(key, (counts.now, *_list_numbers(counts)), _KEPT)
    return counts


def count_rows(rows: RowFilter, query: ListQuery, moment: Moment) -> TabCounts:
    """Count every tab in one statement. Closed rows are counted where no counter has them."""
    if rows.empty:
        return TabCounts(moment.now, read_revision(rows.vdn_id))
    found = rows.select()
    parts: dict[str, Any] = {
        "today": count_in_statement(found.filter(match_tab(Tab.TODAY, moment))),
        "open": count_in_statement(found.filter(match_tab(Tab.OPEN, moment))),
        "overdue": count_in_statement(found.filter(match_tab(Tab.OVERDUE, moment))),
        "dialling": count_in_statement(found.filter(match_tab(Tab.DIALLING, moment))),
        "soon": count_in_statement(found.filter(match_tab(Tab.SOON, moment))),
        "undated": count_in_statement(found.filter(match_undated())),
    }
    for name, phase in _CLOSED.items():
        counted = query.counts_by_agent_and_task
        parts[name] = (
            _sum_counters(rows, phase) if counted else count_in_statement(found.filter(phase=phase))
        )
    state = MirrorState.objects.filter(vdn=rows.vdn_id)
    revision, *values = state.values_list("revision", *parts.values())[0]
    numbers = dict(zip(parts, values, strict=True))
    numbers["later"] = numbers.pop("open") - sum(
        numbers[name] for name in ("overdue", "dialling", "soon", "undated")
    )
    return TabCounts(moment.now, revision, **numbers)


def read_revision(vdn_id: int) -> int:
    """Read the revision of a VDN's mirror; 0 without one."""
    found = MirrorState.objects.filter(vdn=vdn_id).values_list("revision", flat=True)
    return int(found[0]) if found else 0


def _sum_counters(rows: RowFilter, phase: Phase) -> Coalesce:
    counters = MirrorCount.objects.filter(vdn=rows.vdn_id, phase=phase)
    if rows.agents is not None:
        counters = counters.filter(agent_key__in=rows.agents)
    if rows.tasks is not None:
        counters = counters.filter(task_key__in=rows.tasks)
    if rows.named is not None:
        agents, tasks = rows.named
        counters = counters.filter(Q(agent_key__in=agents) | Q(task_key__in=tasks))
    total = Func(F("rows"), function="SUM", output_field=IntegerField())
    return Coalesce(Subquery(counters.order_by().annotate(n=total).values("n")), 0)


def count_in_statement(rows: QuerySet[Any]) -> Subquery:
    """Return the expression that counts rows within another statement."""
    number = Func(F("pk"), function="COUNT", output_field=IntegerField())
    return Subquery(rows.order_by().annotate(n=number).values("n"))


def _list_numbers(counts: TabCounts) -> tuple[int, ...]:
    return (
        *(counts.today, counts.overdue, counts.dialling, counts.soon, counts.later),
        *(counts.undated, counts.called, counts.answered, counts.failed, counts.gone),
    )
