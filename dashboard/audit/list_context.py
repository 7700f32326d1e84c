"""Context of the audit list: its events, its filter and its pager."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.audit import labels
from dashboard.audit.columns import AUDIT_COLUMNS, EventFormatter
from dashboard.ui.jinja2 import render_fragment
from dashboard.ui.list_context import (
    EmptyState,
    Link,
    ListContext,
    explain_bad_filter,
    explain_no_match,
    explain_past_end,
)
from dashboard.ui.list_page import ListPage
from dashboard.ui.list_url import ListUrl
from dashboard.ui.paging import format_count
from dashboard.ui.parameters import has_bad_field
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Scope
from isales_proxy.audit import queries
from isales_proxy.audit.forms import FILTERS, NUMBER_FILTERS, AuditFilter
from isales_proxy.audit.queries import MOST_COUNTED, AuditPage
from isales_proxy.models import AuditAction, AuditEvent, AuditHead

_FAULTS: Final[dict[str, str | Promise]] = {
    "CHANGED": gettext_lazy("Event %(at)s was changed after it was written."),
    "MISSING": gettext_lazy("An event before event %(at)s is missing."),
    "REORDERED": gettext_lazy("Event %(at)s is out of place."),
    "CUT": gettext_lazy("The newest events are missing: event %(at)s was the last."),
    "HEAD": gettext_lazy("The record of where the audit begins and ends was changed or deleted."),
    "ANCHOR": gettext_lazy("Event %(at)s is not the one of this anchor."),
}


def build_url(scope: Scope, form: AuditFilter) -> ListUrl:
    """Build the address of a filter, without invalid and empty values."""
    return ListUrl.from_filter(reverse("audit", args=[scope.vdn.pk]), form, FILTERS)


@dataclass(kw_only=True)
class AuditListContext(ListContext[AuditEvent, EventFormatter]):
    """Context of the audit's list."""

    headline: str = "audit/_headline.html"
    filters: str = "audit/_filters.html"
    groups: list[tuple[str, list[dict[str, Any]]]]
    chosen: int
    chips: list[dict[str, str]]
    verified: str = ""
    fault: str = ""


def create_context(scope: Scope, form: AuditFilter, now: datetime) -> AuditListContext:
    """Create a context without events."""
    address = build_url(scope, form)
    head = queries.get_verification_state(scope=scope)
    clear_url = address.path if address.filters or not form.is_valid() else ""
    return AuditListContext(
        page=ListPage(AUDIT_COLUMNS, address, _("Events of the audit"), css="audit"),
        form=form,
        title=_("Audit"),
        styles=("css/audit.css",),
        scripts=("js/filters.js", "js/audit.js"),
        zone_text=TimeFormatter(now).zone_text,
        refresh_url=address.get_url(),
        links=(Link(reverse("audit_verify", args=[scope.vdn.pk]), _("Verify")),),
        hidden=[pair for pair in address.filters if pair[0] in NUMBER_FILTERS],
        clear_url=clear_url,
        datalists={"people": [(name, "") for name in queries.list_actors(scope=scope)]},
        none_text=_("No events."),
        empty=explain_bad_filter(clear_url) if has_bad_field(form) else None,
        groups=_list_kind_groups(form),
        chosen=sum(name == "kind" for name, _value in address.filters),
        chips=_build_chips(address, form, TimeFormatter(now)),
        verified=_describe_verification(head, now),
        fault=describe_fault(head.problem) if head and head.checked_at else "",
    )


def fill_context(
    scope: Scope, form: AuditFilter, found: AuditPage, now: datetime
) -> AuditListContext:
    """Create a context with a page of events."""
    context = create_context(scope, form, now)
    address = context.page.address
    context.page.fill(
        found.events,
        EventFormatter(scope.vdn.pk, TimeFormatter(now)),
        total=found.total,
        get_id=lambda event: f"e-{event.pk}",
        get_attributes=lambda event: (("data-event", str(event.pk)),),
    )
    context.total_text = context.rows_text = _format_total(found.total)
    if not found.events:
        paged = bool(form.cleaned_data["before"] or form.cleaned_data["after"])
        context.empty = _explain_no_events(address, past=paged and bool(found.total))
    elif pages := _build_pages(address, found, oldest_first=form.query().oldest_first):
        first, last = context.page.rows[0].cells[0].main, context.page.rows[-1].cells[0].main
        context.rows_text = f"{context.total_text} · {first} – {last}"
        context.pager = render_fragment("audit/pager.jinja", text=context.total_text, pages=pages)
    return context


def _explain_no_events(address: ListUrl, *, past: bool) -> EmptyState:
    if past:
        return explain_past_end(Link(address.get_url(), _("Newest events"), primary=True))
    if address.filters:
        title = _("No event matches these filters")
        return explain_no_match(title, Link(address.path, _("Clear all filters")))
    text = _(
        "Log-ins, exports, shown numbers, write-backs and changes of people and settings will "
        "appear here."
    )
    title = _("Nothing has been recorded yet")
    return EmptyState("none", icon="book", title=title, texts=[text])


def _build_pages(address: ListUrl, found: AuditPage, *, oldest_first: bool) -> list[dict[str, str]]:
    """Build the links to the first, previous and next page, where these exist."""
    numbers = [event.pk for event in found.events]
    newer = _("Newer"), address.get_cursor_url(1, "after", str(max(numbers))), found.newer
    older = _("Older"), address.get_cursor_url(1, "before", str(min(numbers))), found.older
    back, onward = (older, newer) if oldest_first else (newer, older)
    first = _("Oldest") if oldest_first else _("Newest"), address.get_url(), back[2]
    named = (("first", "", first), ("prev", "prev", back), ("next", "next", onward))
    return [
        {"id": f"pg-{name}", "rel": rel, "label": label, "url": url}
        for name, rel, (label, url, exists) in named
        if exists
    ]


def _format_total(total: int) -> str:
    if total > MOST_COUNTED:
        return _("more than %(total)s events") % {"total": format_count(MOST_COUNTED)}
    return ngettext("%(total)s event", "%(total)s events", total) % {"total": format_count(total)}


def _list_kind_groups(form: AuditFilter) -> list[tuple[str, list[dict[str, Any]]]]:
    chosen = set(form.data.getlist("kind")) if hasattr(form.data, "getlist") else set()
    return [
        (
            str(title),
            [
                {"value": kind.value, "label": str(kind.label), "chosen": kind.value in chosen}
                for kind in AuditAction
                if kind.value.partition(".")[0] in prefixes
            ],
        )
        for title, prefixes in labels.GROUPS
    ]


def _build_chips(address: ListUrl, form: AuditFilter, times: TimeFormatter) -> list[dict[str, str]]:
    """Build one chip for each filter that is not seen in its field."""
    chips = []
    given = dict(address.filters)
    for name, value in address.filters:
        if name == "kind":
            text, remove_url = str(AuditAction(value).label), address.get_url_without(name, value)
            chips.append(_build_chip(name, _("Event type"), text, remove_url, value))
    if "number_key" in given:
        kept = tuple(pair for pair in address.filters if pair[0] not in NUMBER_FILTERS)
        text = f"•••{given.get('number_end', '')}"
        remove_url = replace(address, filters=kept).get_url()
        chips.append(_build_chip("number", _("Called number"), text, remove_url))
    # A field cannot show the offset of a time in an hour that occurs twice.
    for name, label in (("begin", _("From")), ("end", _("To"))):
        if name in given:
            text = times.minute(form.cleaned_data[name])
            chips.append(_build_chip(name, label, text, address.get_url_without(name)))
    return chips


def _build_chip(
    name: str, label: str, text: str, remove_url: str, value: str = ""
) -> dict[str, str]:
    return {
        "name": name,
        "value": value,
        "label": label,
        "text": text,
        "remove_url": remove_url,
    }


def _describe_verification(head: AuditHead | None, now: datetime) -> str:
    if head is None or head.checked_at is None:
        return _("not verified yet")
    text = _("verified %(when)s: broken") if head.problem else _("verified %(when)s: intact")
    return text % {"when": TimeFormatter(now).relative(head.checked_at)}


def describe_fault(short: str) -> str:
    """Describe a fault, given as `NAME:EVENT`; "" for ""."""
    fault, _colon, event = short.partition(":")
    return str(_FAULTS.get(fault, fault)) % {"at": event}
