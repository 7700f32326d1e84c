"""Template context of the reservations list, for the page and its fragment."""

from __future__ import annotations

from collections.abc import Callable
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
from dashboard.ui.htmx import ShownAnswer
from dashboard.ui.jinja2 import render_fragment
from dashboard.ui.list_context import Link, Provenance, describe_provenance
from dashboard.ui.list_page import ListPage
from dashboard.ui.list_url import MANY_AGENTS, ListUrl, create_url_builder
from dashboard.ui.paging import format_count
from dashboard.ui.parameters import ParameterNotice, build_parameter_notice, has_bad_field
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.client.records import Reservation
from isales_proxy.outbound import directory, tasks
from isales_proxy.problems import Problem
from isales_proxy.reservations import services
from isales_proxy.reservations.forms import ReservationFilter
from isales_proxy.reservations.mirrored import MirroredReservation
from isales_proxy.reservations.pages import MirrorFacts, ReservationPage
from isales_proxy.reservations.query import DEEPEST_OFFSET, SORT_KEYS, Tab
from isales_proxy.reservations.services import ChosenSource

# Characters. Every row has a URL: a longer query is left out of it to keep the fragment small. The
# panel then finds the row by its ID alone, at the time of the list.
_LONGEST_ROW_QUERY: Final = 70

# Markup of filter forms without a filter.
_empty_filters: dict[tuple[object, ...], SafeString] = {}
_MOST_EMPTY_FILTERS: Final = 200
_NO_FILTERS: Final = frozenset({"page", "size", "tab", "source", "sort", "after", "before"})
# For a VDN without a mirror.
_NO_SOURCE_BAR: Final = mark_safe('<div id="list-source" class="list-source"></div>')


@dataclass
class ReservationListContext:
    """Context of the templates in `templates/jinja2/reservations`."""

    form: ReservationFilter
    page: ListPage[Reservation, RowFormatter]
    zone_text: str
    agents: list[str]
    """Values of the form's hidden inputs: one account each, or many joined by commas."""
    notice: ParameterNotice | None
    candidates: dict[str, list[dict[str, str]]]
    chips: list[dict[str, str]]
    provenance: Provenance = field(default_factory=Provenance)
    complete: bool = True
    cut_short: bool = False
    exports: list[dict[str, str]] = field(default_factory=list)
    problem: Problem | None = None
    empty: str = ""
    """Reason why the list has no rows."""
    unknown: dict[str, str] = field(default_factory=dict)
    """Field → value that no row has had so far."""
    tabs: list[TabLink] = field(default_factory=list)
    bar: SourceBar | None = None
    revision: str = ""
    more_open: bool = False
    """True to unfold the filters that only the mirror supports."""
    choices: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    """Call types and task statuses of the mirror; None where its filters are not shown."""
    elsewhere: Link | None = None
    """Leads from an empty tab to the rows of all tabs."""
    csrf_token: str = ""
    """For the form in the source bar; set by the view if that has one."""

    @property
    def refresh_url(self) -> str:
        """The address of the list itself."""
        return self.page.address.get_url()

    @property
    def clear_url(self) -> str:
        """The address without filters; "" if there are none."""
        has_filters = bool(self.chips) or not self.form.is_valid()
        return self.page.address.get_cleared_url() if has_filters else ""

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """The parameters that the filter form keeps."""
        address = self.page.address
        view = [pair for pair in address.view if pair[0] != "as_of"]
        return [*view, ("sort", address.sort)] if address.sort else view

    @property
    def headline(self) -> SafeString:
        """The markup of title, total and buttons."""
        return render_fragment("reservations/headline.jinja", list=self)

    @property
    def filters(self) -> SafeString:
        """The markup of the filter form, which is cached while it has no filter."""
        address = self.page.address
        if not self.form.is_valid() or address.filters or self.form.data.keys() - _NO_FILTERS:
            return render_fragment("reservations/filters.jinja", list=self)
        size = self.form.data.get("size", "")
        permissions = self.form.scope.permissions
        view = (*address.view, address.sort, size, self.choices)
        key = (get_language(), address.path, view, self.zone_text, permissions)
        markup = _empty_filters.get(key)
        if markup is None:
            markup = render_fragment("reservations/filters.jinja", list=self)
            if len(_empty_filters) >= _MOST_EMPTY_FILTERS:
                _empty_filters.clear()
            _empty_filters[key] = markup
        return markup

    def list_choices(self, name: str) -> list[tuple[str, str]]:
        """List the choices of the type or the status: labels first, then others in use."""
        field: Any = self.form.fields[name]
        labels = {key: str(text) for key, text in field.choices}
        call_types, statuses = self.choices or ((), ())
        occurring = call_types if name == "type" else statuses
        return [("", _("Any")), *({key: key for key in occurring} | labels).items()]

    @property
    def source_bar(self) -> SafeString:
        """The markup of the tabs and the bar that tells the source of the list."""
        if not self.tabs and self.bar is None:
            return _NO_SOURCE_BAR
        return render_fragment("reservations/source.jinja", list=self)

    @property
    def ranges(self) -> list[dict[str, Any]]:
        """The quick ranges."""
        return build_ranges(self.page.address)

    @property
    def results(self) -> SafeString:
        """The markup of the table, or why there is none, and the pager."""
        return render_fragment("reservations/results.jinja", list=self)

    @property
    def health(self) -> HealthView:
        """The state of CC-iSales."""
        return build_health(timezone.get_current_timezone())


def create_context(
    scope: Scope,
    form: ReservationFilter,
    now: datetime,
    *,
    chosen: ChosenSource | None = None,
    found: ReservationPage | None = None,
    problem: Problem | None = None,
) -> ReservationListContext:
    """Create the context of a list at `now` (aware).

    `problem` is why its page `found` is not newer or could not be fetched from the `chosen` source.
    Without that nothing was requested: the filter was refused.
    """
    facts = found.mirror if found else None
    if facts is not None:
        # The tabs were counted at that time.
        now = facts.counts.now
    elif found is not None and found.as_of is not None:
        now = max(now, found.as_of)
    times = TimeFormatter(now)
    address = ListUrl.from_form(reverse("reservations", args=[scope.vdn.pk]), form)
    agents = [each for each in form.list_given_agents() if each != form.refused_agent]
    context = ReservationListContext(
        form=form,
        page=_create_page(scope, address, facts),
        zone_text=times.zone_text,
        agents=[",".join(agents)] if len(agents) > MANY_AGENTS else agents,
        notice=build_parameter_notice(form, address),
        candidates=_build_candidates(address, form),
        chips=build_chips(address, scope, agents, times),
        problem=problem,
        empty="bad-filter" if has_bad_field(form) else "",
        more_open=any(form.data.get(name) for name in MORE_FILTERS),
    )
    if scope.can(Permission.EXPORT) and form.is_valid():
        context.exports = context.page.list_exports()
    if found is not None:
        _fill(context, scope, found, now)
    elif chosen is not None:
        context.empty, context.provenance = "failed", describe_provenance(None, times)
        if chosen.coverage is not None:
            context.bar = build_failed_bar(address, chosen.coverage)
    coverage = found.coverage if found else chosen.coverage if chosen else None
    is_live = found is not None and ("source", "live") in address.view
    if context.more_open or (coverage is not None and not is_live):
        context.choices = services.list_filter_choices(scope=scope)
    return context


def _create_page(
    scope: Scope, address: ListUrl, facts: MirrorFacts | None
) -> ListPage[Reservation, RowFormatter]:
    """Create the page; only that of a mirror can be sorted."""
    title = _("Reservations") if scope.can(Permission.SEE_ALL_AGENTS) else _("My reservations")
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


def _fill(
    context: ReservationListContext, scope: Scope, found: ReservationPage, now: datetime
) -> None:
    """Add the rows of a page, their provenance, tabs and source bar."""
    facts, form, address = found.mirror, context.form, context.page.address
    formatter = RowFormatter(scope, now)
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
    context.complete, context.cut_short = found.complete, found.cut_short
    context.provenance = describe_provenance(found, formatter.times)
    context.bar = (
        build_dropped_bar() if form.dropped else build_bar(scope, address, found, formatter.times)
    )
    if context.exports and found.coverage is not None:
        # The file has the source that is shown, even if the other one is chosen later.
        context.exports = context.page.list_exports("live" if facts is None else "mirror")
    if facts is not None:
        context.tabs = build_tabs(address, facts)
        context.revision = str(facts.counts.revision)
        _link_neighbours(context.page, found, facts)
        if facts.changed:
            _mark_changed(context.page)
        if not found.total and facts.counts.all and facts.tab is not Tab.ALL:
            text = ngettext(
                "Show %s row of all parts", "Show %s rows of all parts", facts.counts.all
            )
            url = address.get_view_url(tab=Tab.ALL.value)
            context.elsewhere = Link(url, text % format_count(facts.counts.all))
    elif not found.total:
        context.unknown = form.find_unknown()
        if context.unknown:
            context.provenance = context.provenance._replace(source_text="")
    if not found.rows:
        is_later_page = address.page > 1 or bool(address.cursor)
        context.empty = "past-end" if found.total and is_later_page else "no-match"


def describe_answer(found: ReservationPage) -> ShownAnswer | None:
    """Describe the contents of a page of CC-iSales for its `ETag`; None for any other page."""
    if found.mirror is not None or found.as_of is None:
        return None
    now, coverage = timezone.now(), found.coverage
    fresh_s = settings.ISALES.page_cache_seconds - (now - found.as_of).total_seconds()
    return ShownAnswer(
        content=(
            found.digest or [list(row.__dict__.values()) for row in found.rows],
            # The rows of a number that was forgotten since are dropped.
            *(len(found.rows), found.total, found.query.key(), found.complete, found.cut_short),
            coverage and (coverage.complete, coverage.reason),
        ),
        as_of=found.as_of,
        text=_format_as_of(TimeFormatter(now), found.as_of),
        fresh_s=fresh_s if found.source in {"live", "cache"} else 0,
    )


def describe_mirror(form: ReservationFilter, chosen: ChosenSource | None) -> ShownAnswer | None:
    """Describe the contents of a page of the mirror for its `ETag`, before any row is read.

    None for a page of CC-iSales, and for a search by number, each of which is counted.
    """
    if chosen is None or not chosen.from_mirror or form.cleaned_data["called_no"]:
        return None
    coverage = chosen.coverage
    if coverage is None:
        return None
    now = timezone.now()
    as_of = coverage.oldest or now
    # A first look is recorded with the page, which marks no row.
    seen = coverage.revision if chosen.seen is None else chosen.seen
    return ShownAnswer(
        content=("mirror", coverage.revision, coverage.complete, coverage.reason, seen),
        as_of=as_of,
        text=_format_as_of(TimeFormatter(now), as_of),
    )


def _create_attributes(
    formatter: RowFormatter, facts: MirrorFacts | None
) -> Callable[[Reservation], tuple[tuple[str, str], ...]]:
    """Create the function that returns a row's attributes: its ID, its state, and a mark if it is
    new or changed since the person looked."""

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


def _mark_changed(page: ListPage[Reservation, RowFormatter]) -> None:
    """Add the mark of a changed row as the tooltip of its first cell, where CSS shows it."""
    for row in page.rows:
        if mark := dict(row.attributes).get("data-mark"):
            row.cells[0] = replace(row.cells[0], title=mark, markup="")


def _link_neighbours(
    page: ListPage[Reservation, RowFormatter], found: ReservationPage, facts: MirrorFacts
) -> None:
    """Set the pager's links to pages that are found by a cursor instead of a page number."""
    pager, address = page.pager, page.address
    if pager is None:
        return
    number = address.page
    if not facts.has_next:
        pager = replace(pager, next_url="")
    elif facts.after is not None:
        url = address.get_cursor_url(number + 1 if facts.placed else 1, "after", str(facts.after))
        pager = replace(pager, next_url=url)
    if not facts.has_previous:
        pager = replace(pager, prev_url="")
    elif facts.before is not None:
        previous = number - 1 if facts.placed else 1
        is_numbered = facts.placed and previous * address.size <= DEEPEST_OFFSET
        url = address.get_cursor_url(previous, "before", str(facts.before))
        pager = replace(pager, prev_url=address.get_url(page=previous) if is_numbered else url)
    if not facts.placed:
        text = ngettext("%(shown)s of %(total)s row", "%(shown)s of %(total)s rows", found.total)
        shown = {"shown": format_count(len(found.rows)), "total": format_count(found.total)}
        first_url = address.get_url(page=1)
        pager = replace(pager, text=text % shown, items=[], first_url=first_url)
    elif number * address.size > DEEPEST_OFFSET:
        numbers = {1, pager.pages, number}
        items = [each for each in pager.items if not each.number or each.number in numbers]
        pager = replace(pager, items=items)
    page.pager = pager


def _format_as_of(times: TimeFormatter, as_of: datetime) -> str:
    return _("as of %(time)s") % {"time": times.clock(as_of)}


def _build_candidates(address: ListUrl, form: ReservationFilter) -> dict[str, list[dict[str, str]]]:
    """Map fields to the choices for an ambiguous text, each with the URL that chooses it."""
    found: dict[str, list[dict[str, str]]] = {}
    for name, offered in form.candidates.items():
        others = [pair for pair in address.filters if pair[0] != name]
        for each in offered:
            texts = form.list_given_agents() if name == "agent" else []
            kept = [(name, text) for text in texts if each.text not in text]
            filters = (*others, *kept, (name, each.ident))
            url = replace(address, filters=filters).get_url(page=1)
            found.setdefault(name, []).append({"name": each.name, "ident": each.ident, "url": url})
    return found


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
