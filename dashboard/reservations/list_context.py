"""Template context of the reservations list, for the page and its fragment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, ngettext, pgettext
from django.utils.translation import gettext as _

from dashboard.reservations.columns import (
    RESERVATION_COLUMNS,
    RowFormatter,
    create_row_formatter,
)
from dashboard.reservations.filters import MORE_FILTERS, build_chips, build_ranges
from dashboard.reservations.source_bar import (
    SourceBar,
    TabLink,
    build_bar,
    build_dropped_bar,
    build_failed_bar,
    build_tabs,
    explain_orders,
)
from dashboard.ui.columns import filter_columns
from dashboard.ui.context_processors import HealthView, build_health
from dashboard.ui.htmx import Answered
from dashboard.ui.jinja2 import render_fragment
from dashboard.ui.list_page import ListPage
from dashboard.ui.list_url import MANY_AGENTS, ListUrl, create_url_builder
from dashboard.ui.paging import format_count
from dashboard.ui.parameters import ParameterNotice, build_parameter_notice, has_bad_field
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.client.records import Reservation
from isales_proxy.core import health
from isales_proxy.outbound import directory, tasks
from isales_proxy.problems import Problem
from isales_proxy.reservations import services
from isales_proxy.reservations.coverage import Coverage
from isales_proxy.reservations.forms import CALL_TYPES, TASK_STATUSES, ReservationFilter
from isales_proxy.reservations.mirrored import MirroredReservation
from isales_proxy.reservations.pages import MirrorFacts, ReservationPage
from isales_proxy.reservations.query import DEEPEST_OFFSET, SORT_KEYS, Tab
from isales_proxy.reservations.services import ChosenSource

# Characters. Each row has its own URL: a longer query is left out of it, so that the fragment stays
# small; the panel then finds the row by its ID alone, at the time of the list.
_LONGEST_ROW_QUERY: Final = 70

# Markup of filter forms without a filter.
_filters: dict[tuple[object, ...], SafeString] = {}
_MOST_FILTERS: Final = 200
_NO_FILTERS: Final = frozenset({"page", "size", "tab", "source", "sort", "after", "before"})
# Of a VDN without a mirror.
_NO_SOURCE: Final = mark_safe('<div id="list-source" class="list-source"></div>')


@dataclass
class ReservationListContext:
    """Context of the templates in `templates/jinja2/reservations`."""

    form: ReservationFilter
    title: str
    vdn_id: int
    zone_text: str
    refresh_url: str
    clear_url: str
    page: ListPage[Reservation, RowFormatter]
    chips: list[dict[str, str]] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    """Values of the form's hidden inputs: one account each, or many in one."""
    as_of_iso: str = ""
    as_of_text: str = ""
    source: str = "none"
    source_text: str = ""
    age_text: str = ""
    complete: bool = True
    cut_short: bool = False
    exports: list[dict[str, str]] = field(default_factory=list)
    problem: Problem | None = None
    since_text: str = ""
    empty: str = ""
    notice: ParameterNotice | None = None
    agent_text: str = ""
    """Content of the field that adds agents: a text that was refused."""
    candidates: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    """Field → value that no row had so far."""
    tabs: list[TabLink] = field(default_factory=list)
    bar: SourceBar | None = None
    revision: str = ""
    more: bool = False
    """True where the filters are offered that only the complete list answers."""
    more_open: bool = False
    offered: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    """Types and task statuses that occur in the complete list."""
    elsewhere_url: str = ""
    elsewhere_text: str = ""
    """Where a part of the list is empty: the rows of all its parts."""
    hidden: list[tuple[str, str]] = field(default_factory=list)
    """Parameters that the filters keep."""
    csrf_token: str = ""
    """That of the form in the bar, which the view sets where there is one."""

    @property
    def headline(self) -> SafeString:
        """The markup of title, total and buttons."""
        return render_fragment("reservations/headline.jinja", list=self)

    @property
    def filters(self) -> SafeString:
        """The markup of the filter form. Without a filter it is that of any page and reader."""
        address = self.page.address
        if not self.form.is_valid() or address.filters or self.form.data.keys() - _NO_FILTERS:
            return render_fragment("reservations/filters.jinja", list=self)
        size = self.form.data.get("size", "")
        permissions = self.form.scope.permissions
        view = (*address.view, address.sort, size, self.more, self.offered)
        key = (get_language(), address.path, view, self.zone_text, permissions)
        markup = _filters.get(key)
        if markup is None:
            markup = render_fragment("reservations/filters.jinja", list=self)
            if len(_filters) >= _MOST_FILTERS:
                _filters.clear()
            _filters[key] = markup
        return markup

    @property
    def call_types(self) -> list[tuple[str, str]]:
        """The choices of the type."""
        return _list_choices(CALL_TYPES, self.offered[0])

    @property
    def task_statuses(self) -> list[tuple[str, str]]:
        """The choices of the task status."""
        return _list_choices(TASK_STATUSES, self.offered[1])

    @property
    def source_bar(self) -> SafeString:
        """The markup of tabs and the bar that says where the list comes from."""
        if not self.tabs and self.bar is None:
            return _NO_SOURCE
        return render_fragment("reservations/source.jinja", list=self)

    @property
    def ranges(self) -> list[dict[str, Any]]:
        """The quick ranges."""
        return build_ranges(self.page.address)

    @property
    def results(self) -> SafeString:
        """The markup of the table, or of why there is none, and the pager."""
        return render_fragment("reservations/results.jinja", list=self)

    @property
    def health(self) -> HealthView:
        """The state of CC-iSales."""
        return build_health(timezone.get_current_timezone())


def create_context(
    scope: Scope, form: ReservationFilter, now: datetime, facts: MirrorFacts | None = None
) -> ReservationListContext:
    """Create a context without rows; `facts` are those of a page of the mirror."""
    address = ListUrl.from_form(reverse("reservations", args=[scope.vdn.pk]), form)
    title = _("Reservations") if scope.can(Permission.SEE_ALL_AGENTS) else _("My reservations")
    context = ReservationListContext(
        form=form,
        title=title,
        vdn_id=scope.vdn.pk,
        zone_text=TimeFormatter(now).zone_text,
        refresh_url=address.at(),
        clear_url="",
        page=_create_page(scope, address, title, facts),
        agents=form.list_asked_agents(),
        notice=build_parameter_notice(form, address.at(page=1)),
        candidates=_build_candidates(address, form),
    )
    if scope.can(Permission.EXPORT) and form.is_valid():
        context.exports = context.page.list_exports()
    context.more_open = any(form.data.get(name) for name in MORE_FILTERS)
    if context.more_open:
        # The filters that only the complete list answers.
        context.more, context.offered = True, services.list_filter_choices(scope=scope)
    context.hidden = [pair for pair in address.view if pair[0] != "as_of"]
    if address.sort:
        context.hidden.append(("sort", address.sort))
    if form.refused_agent:
        context.agent_text = form.refused_agent
        context.agents = [each for each in context.agents if each != form.refused_agent]
    context.chips = build_chips(address, scope, context.agents, TimeFormatter(now))
    if context.chips or not form.is_valid():
        context.clear_url = address.cleared()
    if len(context.agents) > MANY_AGENTS:
        context.agents = [",".join(context.agents)]
    if has_bad_field(form):
        context.empty = "bad-filter"
    return context


def _list_choices(
    labels: Iterable[tuple[str, Any]], occurring: Iterable[str]
) -> list[tuple[str, str]]:
    """List the values with a label, then others that occur, as they are."""
    known = {key: str(text) for key, text in labels}
    return [("", _("Any")), *({key: key for key in occurring} | known).items()]


def _create_page(
    scope: Scope, address: ListUrl, title: str, facts: MirrorFacts | None
) -> ListPage[Reservation, RowFormatter]:
    """Create the page; by its columns the mirror alone can be sorted."""
    columns = filter_columns(RESERVATION_COLUMNS, scope)
    if facts is None:
        note = _("CC-iSales delivers this list in its own order; it cannot be sorted.")
        return ListPage(columns, address, title, order_note=note)
    sortable = tuple(
        replace(column, sort=column.key) if column.key in facts.sortable else column
        for column in columns
    )
    orders = set(SORT_KEYS) - facts.sortable
    notes = explain_orders(scope, [each.key for each in columns if each.key in orders])
    return ListPage(sortable, address, title, notes=notes, order=facts.sort)


def create_failed_context(
    scope: Scope,
    form: ReservationFilter,
    now: datetime,
    problem: Problem,
    coverage: Coverage | None = None,
) -> ReservationListContext:
    """Create a context for a failed vendor call without an older answer; `coverage` is that of a
    mirror that could be looked at."""
    context = create_context(scope, form, now)
    if coverage is not None:
        context.bar = build_failed_bar(context.page.address, coverage)
        # The filters that only the complete list answers.
        context.more, context.offered = True, services.list_filter_choices(scope=scope)
    context.problem, context.empty = problem, "failed"
    context.since_text = _format_last_answer(TimeFormatter(now))
    return context


def create_refused_context(
    scope: Scope, form: ReservationFilter, now: datetime, problem: Problem
) -> ReservationListContext:
    """Create a context for a query that was refused before the vendor was called."""
    context = create_context(scope, form, now)
    context.problem = problem
    return context


def fill_context(
    scope: Scope,
    form: ReservationFilter,
    now: datetime,
    found: ReservationPage,
    problem: Problem | None,
) -> ReservationListContext:
    """Create a context with the rows of a page. `problem` tells why they are not newer."""
    facts = found.mirror
    if facts is not None:
        # The tabs were counted then.
        now = facts.counts.now
    context = create_context(scope, form, now, facts)
    address = context.page.address
    formatter = create_row_formatter(scope, now)
    query = address.query()
    past = [pair for pair in address.view if pair[0] == "as_of"]
    row_query = query if len(query) <= _LONGEST_ROW_QUERY else urlencode(past)
    context.page.fill(
        found.rows,
        formatter,
        total=found.total,
        get_id=lambda row: f"r-{row.appoint_id}" if row.appoint_id else "",
        get_url=create_url_builder("reservation", scope.vdn.pk, row_query),
        get_attributes=_create_attributes(formatter, facts),
    )
    if facts is not None and facts.changed:
        for view in context.page.rows:
            # Shown before its first cell; an attribute of the row is out of the reach of CSS there.
            if word := dict(view.attributes).get("data-mark"):
                view.cells[0] = replace(view.cells[0], title=word, markup="")
    context.source, context.complete, context.problem = found.source, found.complete, problem
    context.bar = build_bar(scope, address, found, formatter.times)
    if form.dropped:
        context.bar = build_dropped_bar()
    if context.exports and found.coverage is not None:
        # The file is of the source that is shown, whatever becomes of the other one.
        context.exports = context.page.list_exports("live" if facts is None else "mirror")
    if facts is not None:
        context.tabs = build_tabs(address, facts)
        context.revision = str(facts.counts.revision)
        _place(context, found, facts)
        if not found.total and facts.counts.all and facts.tab is not Tab.ALL:
            context.elsewhere_url = address.viewed(tab=Tab.ALL.value)
            text = ngettext(
                "Show %s row of all parts", "Show %s rows of all parts", facts.counts.all
            )
            context.elsewhere_text = text % format_count(facts.counts.all)
    pinned_live = ("source", "live") in address.view
    if found.coverage is not None and not pinned_live:
        # The filters that only the complete list answers.
        context.more, context.offered = True, services.list_filter_choices(scope=scope)
    context.cut_short = found.cut_short
    context.source_text = _format_source(found.source)
    if found.as_of is not None:
        context.as_of_iso = found.as_of.isoformat(timespec="milliseconds")
        context.as_of_text = _format_as_of(formatter.times, found.as_of)
        if found.source == "stale":
            context.age_text = formatter.times.behind(now - found.as_of)
            context.since_text = _format_last_answer(formatter.times)
    if not found.total and facts is None:
        context.unknown = form.find_unknown()
        if context.unknown:
            context.source_text = ""
    if not found.rows:
        elsewhere = address.page > 1 or bool(address.cursor)
        context.empty = "past-end" if found.total and elsewhere else "no-match"
    return context


def describe_answer(found: ReservationPage, as_of: datetime) -> Answered:
    """Describe all that the markup of this page is made of, for its `ETag`."""
    now, coverage = timezone.now(), found.coverage
    fresh = settings.ISALES.page_cache_seconds - (now - as_of).total_seconds()
    return Answered(
        shows=(
            found.digest or [list(row.__dict__.values()) for row in found.rows],
            # A number that was forgotten since takes its rows away.
            *(len(found.rows), found.total, found.query.key(), found.complete, found.cut_short),
            coverage and (coverage.complete, coverage.reason),
        ),
        as_of=as_of,
        text=_format_as_of(TimeFormatter(now), as_of),
        fresh=fresh if found.source in {"live", "cache"} else 0,
    )


def describe_mirror(chosen: ChosenSource, coverage: Coverage) -> Answered:
    """Describe a page of the mirror for its `ETag`, before any row is read."""
    now = timezone.now()
    as_of = coverage.oldest or now
    # The first look is recorded with the page; it marks nothing either.
    seen = coverage.revision if chosen.seen is None else chosen.seen
    return Answered(
        shows=("mirror", coverage.revision, coverage.complete, coverage.reason, seen),
        as_of=as_of,
        text=_format_as_of(TimeFormatter(now), as_of),
    )


def _create_attributes(
    formatter: RowFormatter, facts: MirrorFacts | None
) -> Callable[[Reservation], tuple[tuple[str, str], ...]]:
    """Create the function that gives a row's attributes: its ID and state, and whether it is new or
    changed since the person looked."""

    def build(row: Reservation) -> tuple[tuple[str, str], ...]:
        return (
            ("data-appoint-id", row.appoint_id or ""),
            ("data-state", str(formatter.get_status(row).state)),
        )

    if facts is None or facts.seen is None:
        return build
    seen, new, changed = facts.seen, _("new"), pgettext("row", "changed")

    def build_with_mark(row: Reservation) -> tuple[tuple[str, str], ...]:
        if not isinstance(row, MirroredReservation) or row.revision <= seen:
            return build(row)
        return (*build(row), ("data-mark", new if row.first_revision > seen else changed))

    return build_with_mark


def _place(context: ReservationListContext, found: ReservationPage, facts: MirrorFacts) -> None:
    """Set the pager's links to the neighbours that no page number finds."""
    pager, address = context.page.pager, context.page.address
    if pager is None:
        return
    page = address.page
    if not facts.has_next:
        pager = replace(pager, next_url="")
    elif facts.after is not None:
        url = address.placed(page + 1 if facts.placed else 1, "after", str(facts.after))
        pager = replace(pager, next_url=url)
    if not facts.has_previous:
        pager = replace(pager, prev_url="")
    elif facts.before is not None:
        previous = page - 1 if facts.placed else 1
        counted = facts.placed and previous * address.size <= DEEPEST_OFFSET
        url = address.placed(previous, "before", str(facts.before))
        pager = replace(pager, prev_url=address.at(page=previous) if counted else url)
    if not facts.placed:
        text = ngettext("%(shown)s of %(total)s row", "%(shown)s of %(total)s rows", found.total)
        shown = {"shown": format_count(len(found.rows)), "total": format_count(found.total)}
        first_url = address.at(page=1)
        pager = replace(pager, text=text % shown, items=[], first_url=first_url)
    elif page * address.size > DEEPEST_OFFSET:
        kept = {1, pager.pages, page}
        items = [each for each in pager.items if not each.number or each.number in kept]
        pager = replace(pager, items=items)
    context.page.pager = pager


def _format_as_of(times: TimeFormatter, as_of: datetime) -> str:
    return _("as of %(time)s") % {"time": times.clock(as_of)}


def _build_candidates(address: ListUrl, form: ReservationFilter) -> dict[str, list[dict[str, str]]]:
    """Map fields to the choices for an ambiguous text, each with the URL that chooses it."""
    found: dict[str, list[dict[str, str]]] = {}
    for name, offered in form.candidates.items():
        others = [pair for pair in address.filters if pair[0] != name]
        for each in offered:
            texts = form.list_asked_agents() if name == "agent" else []
            kept = [(name, text) for text in texts if each.text not in text]
            filters = (*others, *kept, (name, each.ident))
            url = replace(address, filters=filters).at(page=1)
            found.setdefault(name, []).append({"name": each.name, "ident": each.ident, "url": url})
    return found


def _format_last_answer(times: TimeFormatter) -> str:
    """Format when the vendor answered last; "" if that is not known."""
    answered = health.get_vendor_health().answered_at
    return _("Last answer at %s.") % times.clock(answered) if answered else ""


def _format_source(source: str) -> str:
    return {
        "live": _("from CC-iSales"),
        "cache": _("from CC-iSales"),
        "stale": _("last good answer"),
        "mirror": "",
        "none": "",
    }[source]


def list_options(scope: Scope) -> dict[str, list[dict[str, str]]]:
    """List the suggestions of the agent and task fields."""
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
