"""Context of `lists/page.html` and `lists/_fragment.html`, the templates of ordinary lists.

A list with other markup names templates of its own for a part: `headline`, `filters`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, NamedTuple, Protocol

from django import forms
from django.forms.utils import flatatt
from django.http import HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from dashboard.ui.columns import F, R
from dashboard.ui.htmx import render_page_or_fragment
from dashboard.ui.list_page import ListPage
from dashboard.ui.parameters import ParameterNotice, build_parameter_notice
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.times import TimeFormatter
from isales_proxy.core import health
from isales_proxy.problems import Problem


class Link(NamedTuple):
    """A link of a headline or of an EmptyState."""

    url: str
    text: str
    primary: bool = False


class EmptyState(NamedTuple):
    """Explanation in a list without rows.

    `reason` is for scripts and tests. `link` leads to rows of this list, `task` to another page.
    `level` is that of the heading.
    """

    reason: str
    icon: str
    title: str
    texts: Sequence[str] = ()
    link: Link | None = None
    task: Link | None = None
    level: int = 2


def explain_bad_filter(clear_url: str) -> EmptyState:
    """Explain that a filter is invalid; the message is at its field."""
    link = Link(clear_url, _("Clear all filters")) if clear_url else None
    return EmptyState(
        "bad-filter", icon="pencil-exclamation", title=_("Check the filter"), link=link
    )


def explain_past_end(first: Link) -> EmptyState:
    """Explain that this page is after the last one."""
    return EmptyState("past-end", icon="calendar-off", title=_("There is no such page"), link=first)


def explain_no_match(title: str, clear: Link) -> EmptyState:
    """Explain that no row matches the filters."""
    return EmptyState("no-match", icon="filter-off", title=title, link=clear)


def explain_empty(
    page: ListPage[Any, Any], *, no_match: str, none: EmptyState
) -> EmptyState | None:
    """Explain why the page has no rows; None if it has some. `no_match` is the title if filters are
    the reason, `none` the explanation of a list that is empty without filters."""
    if page.rows:
        return None
    if page.total and page.pager and page.pager.first_url:
        return explain_past_end(Link(page.pager.first_url, _("First page"), primary=True))
    if page.address.filters:
        return explain_no_match(no_match, Link(page.address.path, _("Clear all filters")))
    return none


class Provenance(NamedTuple):
    """Age and source of rows of the vendor's, and the time of its last answer if it is silent."""

    source: str = "none"
    source_text: str = ""
    as_of_iso: str = ""
    as_of_text: str = ""
    age_text: str = ""
    since_text: str = ""


class VendorAnswer(Protocol):
    """Rows that the vendor sent, now or a while ago."""

    @property
    def as_of(self) -> datetime | None:
        """Return when the vendor answered (aware)."""

    @property
    def source(self) -> str:
        """Return their source: "stale" for an older answer in place of a failed one, "mirror" for
        the local copy, "none" without an answer."""


def describe_provenance(found: VendorAnswer | None, times: TimeFormatter) -> Provenance:
    """Describe an answer of the vendor; None if the call failed."""
    stale = found is None or found.source == "stale"
    answered = health.get_vendor_health().answered_at if stale else None
    since = _("Last answer at %s.") % times.clock(answered) if answered else ""
    if found is None:
        return Provenance(since_text=since)
    source_text = "" if found.source in {"mirror", "none"} else _("from CC-iSales")
    if found.as_of is None:
        return Provenance(source=found.source, source_text=source_text)
    return Provenance(
        source=found.source,
        source_text=_("last good answer") if stale else source_text,
        as_of_iso=found.as_of.isoformat(timespec="milliseconds"),
        as_of_text=times.clock(found.as_of),
        age_text=times.behind(times.now - found.as_of) if stale else "",
        since_text=since,
    )


@dataclass(kw_only=True)
class ListContext(Generic[R, F]):
    """An ordinary list, `list` in the templates: a page of rows and what is around it."""

    page: ListPage[R, F]
    form: forms.Form
    """The filter, validated."""
    title: str = ""
    """Title of the page; by default that of the table."""
    heading: str = ""
    """Heading of the page; by default its title."""
    styles: Sequence[str] = ()
    scripts: Sequence[str] = ("js/filters.js", "js/keys.js")
    headline: str = "lists/_headline.html"
    filters: str = "lists/_filters.html"
    """"" for a list without filters."""
    has_own_requests: bool = False
    """True if other parts of the page make requests of their own."""
    total_text: str = ""
    zone_text: str = ""
    provenance: Provenance | None = None
    """Of rows of the vendor's; else None."""
    refresh_url: str = ""
    links: Sequence[Link] = ()
    create: Link | None = None
    """Leads to the form of a new row."""
    hidden: Sequence[tuple[str, str]] = ()
    """Hidden parameters of the filter."""
    clear_url: str = ""
    typing_delay: int = 350
    """Milliseconds after the last key until the search."""
    datalists: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    """DOM ID → values and labels that the fields of the filter suggest."""
    notice: ParameterNotice | None = field(init=False)
    problem: Problem | None = None
    newer: str = ""
    """Text of a link to newer rows."""
    attributes: Mapping[str, str | bool] = field(default_factory=dict)
    """More attributes of the results."""
    files: ListPage[Any, Any] | None = None
    """The list whose files are linked above the table, beside `total_text`."""
    rows_text: str = ""
    """Announcement of the shown rows."""
    none_text: str = ""
    """Announcement of a list without rows."""
    empty: EmptyState | None = None
    pager: SafeString | None = None

    def __post_init__(self) -> None:
        self.title = self.title or self.page.title
        self.heading = self.heading or self.title
        self.notice = build_parameter_notice(self.form, self.page.address)

    def add_pager(self) -> None:
        """Add the pager of the filled page, the number of all rows and the range of those shown."""
        pager = self.page.pager
        if pager is not None:
            self.total_text, self.rows_text = self.page.total_text, pager.text
            self.pager = pager.markup if self.page.total else None

    @property
    def fields(self) -> list[forms.BoundField]:
        """List the visible fields of the filter."""
        fieldless = getattr(self.form, "fieldless", ())
        return [self.form[name] for name in self.form.fields if name not in fieldless]

    @property
    def announcement(self) -> str:
        """Return the text for the live region after a change of the results."""
        if self.notice is not None and self.notice.refused:
            return _("This link is not valid")
        if self.problem is not None:
            return self.problem.title
        if self.empty is not None and self.empty.reason == "bad-filter":
            return _("Please correct the filter.")
        return self.rows_text if self.page.rows else self.none_text

    @property
    def attribute_markup(self) -> SafeString:
        """Return the attributes of the results."""
        found = self.provenance
        source = {"data-as-of": found.as_of_iso, "data-source": found.source} if found else {}
        return flatatt({**source, **self.attributes})

    @property
    def status(self) -> int:
        """Return the HTTP status of the page."""
        if self.problem is not None:
            return self.problem.status
        return 200 if self.form.is_valid() else 422


def render_list(
    request: ReaderRequest,
    listing: ListContext[Any, Any],
    *,
    page: str = "lists/page.html",
    fragment: str = "lists/_fragment.html",
    status: int | None = None,
    **more: Any,
) -> HttpResponse:
    """Render a list or its fragment; `status` is another than that of the list."""
    return render_page_or_fragment(
        request,
        page=page,
        fragment=fragment,
        context={"list": listing, "form": listing.form, **more},
        status=listing.status if status is None else status,
        problem=listing.problem,
    )
