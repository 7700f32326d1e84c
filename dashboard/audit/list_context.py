"""The audit's page: its events, its filter and its pager, ready to lay out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
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
from dashboard.ui.list_page import SORT, ListPage
from dashboard.ui.list_url import ListUrl, with_query
from dashboard.ui.paging import format_count
from dashboard.ui.parameters import build_parameter_notice, has_bad_field
from dashboard.ui.times import TimeFormatter, format_zone
from isales_proxy.access import Scope
from isales_proxy.audit import queries
from isales_proxy.audit.forms import FILTERS, AuditFilter
from isales_proxy.audit.queries import MOST_COUNTED, AuditPage
from isales_proxy.core.form_fields import DEFAULT_SIZE, format_local_time
from isales_proxy.models import AuditAction, AuditEvent, AuditHead

Pairs = tuple[tuple[str, str], ...]

_FAULTS: Final[dict[str, str | Promise]] = {
    "CHANGED": gettext_lazy("Event %(at)s was changed after it was written."),
    "MISSING": gettext_lazy("An event before event %(at)s is missing."),
    "REORDERED": gettext_lazy("Event %(at)s is out of place."),
    "CUT": gettext_lazy("The newest events are missing: event %(at)s was the last."),
    "HEAD": gettext_lazy("The record of where the audit begins and ends was changed or deleted."),
    "ANCHOR": gettext_lazy("Event %(at)s is not the one of this anchor."),
}


@dataclass(frozen=True)
class AuditUrl:
    """The path and the parameters of a question."""

    path: str
    pairs: Pairs
    sort: str = ""

    @classmethod
    def from_form(cls, scope: Scope, form: AuditFilter) -> AuditUrl:
        """Create from a form, without invalid and empty values."""
        form.is_valid()
        found = form.cleaned_data
        pairs: list[tuple[str, str]] = []
        for name in FILTERS:
            if name == "kind":
                pairs += [(name, kind) for kind in dict.fromkeys(found.get(name, ()))]
            elif name in {"begin", "end"} and found.get(name):
                pairs.append((name, format_local_time(found[name])))
            elif found.get(name):
                pairs.append((name, str(found[name])))
        path = reverse("audit", args=[scope.vdn.pk])
        return cls(path, tuple(pairs), found.get(SORT, ""))

    def at(self, **more: int) -> str:
        """Return this question, on the page `before` or `after` an event."""
        return self._build_address(
            (*self.pairs, *((name, str(value)) for name, value in more.items()))
        )

    def without(self, *names: str) -> str:
        """Return this question without these filters."""
        return self._build_address(tuple(pair for pair in self.pairs if pair[0] not in names))

    @property
    def listed(self) -> ListUrl:
        """Return this question for the links of the list."""
        return ListUrl(self.path, self.pairs, DEFAULT_SIZE, 1, self.sort)

    def _build_address(self, pairs: Pairs) -> str:
        order = ((SORT, self.sort),) if self.sort else ()
        return with_query(self.path, urlencode((*pairs, *order), safe=",:"))


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
    address = AuditUrl.from_form(scope, form)
    head = queries.get_verification_state(scope=scope)
    clear_url = address.path if address.pairs or not form.is_valid() else ""
    return AuditListContext(
        page=ListPage(AUDIT_COLUMNS, address.listed, _("Events of the audit"), css="audit"),
        form=form,
        title=_("Audit"),
        styles=("css/audit.css",),
        scripts=("js/filters.js", "js/audit.js"),
        zone_text=_("Times in %s") % format_zone(now, timezone.get_current_timezone()),
        refresh_url=address.at(),
        links=(Link(reverse("audit_verify", args=[scope.vdn.pk]), _("Verify")),),
        kept=[pair for pair in address.pairs if pair[0] in {"number_key", "number_end"}],
        clear_url=clear_url,
        datalists={"people": [(name, "") for name in queries.list_actors(scope=scope)]},
        notice=build_parameter_notice(form, address.at()),
        none_text=_("No events."),
        empty=explain_bad_filter(clear_url) if has_bad_field(form) else None,
        groups=_list_kind_groups(form),
        chosen=sum(name == "kind" for name, _value in address.pairs),
        chips=_build_chips(address, form, TimeFormatter(now)),
        verified=_describe_verification(head, now),
        fault=describe_fault(head.problem) if head and head.checked_at else "",
    )


def fill_context(
    scope: Scope, form: AuditFilter, found: AuditPage, now: datetime
) -> AuditListContext:
    """Create a context with a page of events."""
    context = create_context(scope, form, now)
    address = AuditUrl.from_form(scope, form)
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


def _explain_no_events(address: AuditUrl, *, past: bool) -> EmptyState:
    if past:
        return explain_past_end(Link(address.at(), _("Newest events"), primary=True))
    if address.pairs:
        title = _("No event matches these filters")
        return explain_no_match(title, Link(address.path, _("Clear all filters")))
    text = _(
        "Log-ins, exports, shown numbers, write-backs and changes of people and settings will "
        "appear here."
    )
    title = _("Nothing has been recorded yet")
    return EmptyState("none", icon="book", title=title, texts=[text])


def _build_pages(
    address: AuditUrl, found: AuditPage, *, oldest_first: bool
) -> list[dict[str, str]]:
    """List the links to the first, previous and next page, as far as there are such."""
    numbers = [event.pk for event in found.events]
    newer = _("Newer"), address.at(after=max(numbers)), found.newer
    older = _("Older"), address.at(before=min(numbers)), found.older
    back, onward = (older, newer) if oldest_first else (newer, older)
    first = _("Oldest") if oldest_first else _("Newest"), address.at(), back[2]
    named = (("first", "", first), ("prev", "prev", back), ("next", "next", onward))
    return [
        {"id": f"pg-{name}", "rel": rel, "label": label, "url": url}
        for name, rel, (label, url, there) in named
        if there
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


def _build_chips(
    address: AuditUrl, form: AuditFilter, times: TimeFormatter
) -> list[dict[str, str]]:
    chips = []
    kinds = [value for name, value in address.pairs if name == "kind"]
    for kind in kinds:
        left = tuple(pair for pair in address.pairs if pair != ("kind", kind))
        url = replace(address, pairs=left).at()
        chips.append(
            {
                "name": "kind",
                "value": kind,
                "label": _("Event type"),
                "text": str(AuditAction(kind).label),
                "remove_url": url,
            }
        )
    given = dict(address.pairs)
    if "number_key" in given:
        chips.append(
            {
                "name": "number",
                "value": "",
                "label": _("Called number"),
                "text": f"•••{given.get('number_end', '')}",
                "remove_url": address.without("number_key", "number_end"),
            }
        )
    # A field cannot show the offset of a time in an hour that occurs twice.
    for name, label in (("begin", _("From")), ("end", _("To"))):
        if name in given:
            chips.append(
                {
                    "name": name,
                    "value": "",
                    "label": label,
                    "text": times.minute(form.cleaned_data[name]),
                    "remove_url": address.without(name),
                }
            )
    return chips


def _describe_verification(head: AuditHead | None, now: datetime) -> str:
    if head is None or head.checked_at is None:
        return _("not verified yet")
    text = _("verified %(when)s: broken") if head.problem else _("verified %(when)s: intact")
    return text % {"when": TimeFormatter(now).relative(head.checked_at)}


def describe_fault(short: str) -> str:
    """Give a fault in words, from its name and the number of the event; "" where there is none."""
    fault, _colon, event = short.partition(":")
    return str(_FAULTS.get(fault, fault)) % {"at": event}
