"""The reservations board: everything that the page and its fragment show, ready to lay out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from dashboard.reservations.columns import (
    RESERVATION_COLUMNS,
    Column,
    RowFormatter,
    RowView,
    build_rows,
)
from dashboard.ui.list_url import MANY_AGENTS, ListUrl, get_reservation_url, with_query
from dashboard.ui.paging import Pager, build_pager, format_count
from dashboard.ui.parameters import ParameterNotice, build_parameter_notice, has_bad_field
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.core import health
from isales_proxy.outbound import directory, tasks
from isales_proxy.problems import Problem
from isales_proxy.reservations.forms import ReservationFilter
from isales_proxy.reservations.services import ReservationPage
from isales_proxy.result_codes import services as result_codes

# Each row carries its own address. A very long question is left out of it, so that the fragment
# stays small; the panel then finds the row by its ID alone.
_LONGEST_ROW_QUERY: Final = 60

_RANGE_LINGERS_MIN: Final = 5
"""How long a quick range that was chosen stays marked as chosen, in minutes."""


@dataclass
class ListContext:
    """Context of `reservations/_results.html` and `_filters.html`."""

    title: str
    vdn_id: int
    zone_text: str
    refresh_url: str
    clear_url: str
    columns: tuple[Column, ...]
    ranges: list[dict[str, Any]]
    chips: list[dict[str, str]] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    """What the form sends along: one account each, or many in one."""
    rows: list[RowView] = field(default_factory=list)
    total: int | None = None
    total_text: str = ""
    as_of_iso: str = ""
    as_of_text: str = ""
    source: str = "none"
    source_text: str = ""
    age_text: str = ""
    complete: bool = True
    cut_short: bool = False
    problem: Problem | None = None
    since_text: str = ""
    empty: str = ""
    pager: Pager | None = None
    notice: ParameterNotice | None = None
    agent_text: str = ""
    """What stands in the field by which agents are added: a text that was refused."""
    candidates: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    """Field → what CC-iSales has no rows of and no row has told so far."""


def create_row_formatter(scope: Scope, now: datetime | None = None) -> RowFormatter:
    """What all rows of this page are read with."""
    return RowFormatter(
        moments=TimeFormatter(now or timezone.now()),
        book=result_codes.get_book(scope.vdn),
        language=get_language() or "en",
        late_grace=scope.vdn.late_grace,
    )


def create_context(scope: Scope, form: ReservationFilter, now: datetime) -> ListContext:
    """A board without an answer: the question was bad, or the vendor failed."""
    address = ListUrl.from_form(reverse("reservations", args=[scope.vdn.pk]), form)
    board = ListContext(
        title=_("Reservations") if scope.can(Permission.SEE_ALL_AGENTS) else _("My reservations"),
        vdn_id=scope.vdn.pk,
        zone_text=TimeFormatter(now).zone_text,
        refresh_url=address.at(),
        clear_url=address.cleared() if address.filters or not form.is_valid() else "",
        columns=RESERVATION_COLUMNS,
        ranges=_ranges(address, now),
        agents=form.asked_agents(),
        notice=build_parameter_notice(form, address.at(page=1)),
        candidates=_candidates(address, form),
    )
    if form.refused_agent:
        board.agent_text = form.refused_agent
        board.agents = [each for each in board.agents if each != form.refused_agent]
    board.chips = _chips(address, scope, board.agents)
    if len(board.agents) > MANY_AGENTS:
        board.agents = [",".join(board.agents)]
    if has_bad_field(form):
        board.empty = "bad-filter"
    return board


def create_failed_context(
    scope: Scope, form: ReservationFilter, now: datetime, problem: Problem
) -> ListContext:
    """A board that says why there is nothing to show."""
    board = create_context(scope, form, now)
    board.problem, board.empty = problem, "failed"
    board.since_text = _since(TimeFormatter(now))
    return board


def create_refused_context(
    scope: Scope, form: ReservationFilter, now: datetime, problem: Problem
) -> ListContext:
    """A board that says why nobody was asked."""
    board = create_context(scope, form, now)
    board.problem = problem
    return board


def fill_context(
    scope: Scope,
    form: ReservationFilter,
    now: datetime,
    found: ReservationPage,
    problem: Problem | None,
) -> ListContext:
    """A board with the rows of an answer."""
    board = create_context(scope, form, now)
    address = ListUrl.from_form(reverse("reservations", args=[scope.vdn.pk]), form)
    read = create_row_formatter(scope, now)
    query = address.query()
    row_query = query if len(query) <= _LONGEST_ROW_QUERY else ""
    board.rows = build_rows(
        found.rows,
        columns=board.columns,
        reading=read,
        address=lambda ident: with_query(
            get_reservation_url("reservation", scope.vdn.pk, ident), row_query
        ),
    )
    board.total, board.total_text = found.total, format_count(found.total)
    board.source, board.complete, board.problem = found.source, found.complete, problem
    board.cut_short = found.cut_short
    board.source_text = _source_words(found.source)
    if found.as_of is not None:
        board.as_of_iso = found.as_of.isoformat(timespec="milliseconds")
        board.as_of_text = read.moments.clock(found.as_of)
        if found.source == "stale":
            board.age_text = read.moments.behind(now - found.as_of)
            board.since_text = _since(read.moments)
    board.pager = build_pager(address, total=found.total, shown=len(found.rows))
    if not found.total:
        board.unknown = form.unknown()
        if board.unknown:
            board.source_text = ""
    if not found.rows:
        board.empty = "past-end" if found.total and address.page > 1 else "no-match"
    return board


def _candidates(address: ListUrl, form: ReservationFilter) -> dict[str, list[dict[str, str]]]:
    """Field → what a typed text can mean there, each with the address that means it."""
    found: dict[str, list[dict[str, str]]] = {}
    for name, offered in form.candidates.items():
        others = [pair for pair in address.filters if pair[0] != name]
        for each in offered:
            texts = form.asked_agents() if name == "agent" else []
            kept = [(name, text) for text in texts if each.text not in text]
            filters = (*others, *kept, (name, each.ident))
            url = replace(address, filters=filters).at(page=1)
            found.setdefault(name, []).append({"name": each.name, "ident": each.ident, "url": url})
    return found


def _since(moments: TimeFormatter) -> str:
    """Since when the vendor is away, as far as we know."""
    answered = health.get_vendor_health().answered_at
    return _("Last answer at %s.") % moments.clock(answered) if answered else ""


def _source_words(source: str) -> str:
    return {
        "live": _("from CC-iSales"),
        "cache": _("from CC-iSales"),
        "stale": _("last good answer"),
        "none": "",
    }[source]


def _chips(address: ListUrl, scope: Scope, agents: list[str]) -> list[dict[str, str]]:
    """One chip a filter, each with the address without it; many agents share one."""
    known = directory.get_known_names(scope=scope)
    chips = []
    for name, value in address.filters:
        if name == "agent":
            continue
        text = known.tasks.get(value) or value if name == "task" else value.replace("T", " ")
        chips.append(_chip(name, value, text, address.without(name, value)))
    if len(agents) > MANY_AGENTS:
        text = f"{len(agents)}: {', '.join(agents[:MANY_AGENTS])} …"
        chips.append(_chip("agents", "", text, address.without("agent")))
    else:
        for account in agents:
            person = known.agents.get(account, "")
            text = f"{person} {account}" if person and person != account else account
            chips.append(_chip("agent", account, text, address.without("agent", account)))
    return chips


def _chip(name: str, value: str, text: str, remove_url: str) -> dict[str, str]:
    label = {
        "called_no": _("Called number"),
        "agent": _("Agent"),
        "agents": _("Agents"),
        "task": _("Task"),
        "begin": _("From"),
        "end": _("To"),
    }[name]
    return {"name": name, "label": label, "value": value, "text": text, "remove_url": remove_url}


def _ranges(address: ListUrl, now: datetime) -> list[dict[str, Any]]:
    """The quick ranges. A day ends at the next midnight, so that its last minute is in it."""
    local = now.astimezone(timezone.get_current_timezone())
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    minute = local.replace(second=0, microsecond=0)
    day = timedelta(days=1)
    # An hour is counted on the clock of the world, not on that of a wall that may be changed.
    in_an_hour = (minute.astimezone(UTC) + timedelta(hours=1)).astimezone(local.tzinfo)
    spans = (
        (_("Next hour"), minute.replace(tzinfo=None), in_an_hour.replace(tzinfo=None)),
        (_("Today"), midnight, midnight + day),
        (_("Yesterday"), midnight - day, midnight),
        (_("Last 7 days"), midnight - 6 * day, midnight + day),
    )
    return [
        {
            "label": label,
            "url": address.ranged(_existing(begin), _existing(end)),
            "current": _is_chosen(address, begin, end),
        }
        for label, begin, end in spans
    ]


def _is_chosen(address: ListUrl, begin: datetime, end: datetime) -> bool:
    """Whether the address holds this range, or the one that stood under its name just before.

    "Next hour" moves on with every minute; who chose it stays in it while they read.
    """
    return any(
        ("begin", _existing(begin - ago)) in address.filters
        and ("end", _existing(end - ago)) in address.filters
        for ago in (timedelta(minutes=minutes) for minutes in range(_RANGE_LINGERS_MIN))
    )


def _existing(naive: datetime) -> str:
    """A local time as the filter takes it; where the clocks skip it, the first one after."""
    zone = timezone.get_current_timezone()
    moment = naive.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
    return f"{moment:%Y-%m-%dT%H:%M}"


def list_options(scope: Scope) -> dict[str, list[dict[str, str]]]:
    """What the agent and task fields offer while one types."""
    agents = directory.get_known_names(scope=scope).agents
    return {
        kind: [
            {"value": value, "label": label or value}
            for value, label in sorted(
                found.items(), key=lambda pair: (not pair[1], pair[1].casefold(), pair[0])
            )
        ]
        for kind, found in (("agents", agents), ("tasks", tasks.get_known_tasks(scope=scope)))
    }
