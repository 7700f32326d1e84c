"""The audit's page: its events, its filter and its pager, ready to lay out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.audit import labels, links
from dashboard.ui import exports
from dashboard.ui.list_url import with_query
from dashboard.ui.paging import explain_empty, format_count
from dashboard.ui.parameters import ParameterNotice, build_parameter_notice, has_bad_field
from dashboard.ui.times import TimeFormatter, format_zone
from isales_proxy.access import Scope
from isales_proxy.audit.forms import FILTERS, AuditFilter
from isales_proxy.audit.queries import MOST_COUNTED, AuditPage
from isales_proxy.models import AuditAction, AuditEvent, AuditHead
from isales_proxy.problems import Problem

Pairs = tuple[tuple[str, str], ...]

EXPORT_HEADINGS: Final[tuple[str | Promise, ...]] = (
    gettext_lazy("Event"),
    gettext_lazy("At"),
    gettext_lazy("Kind"),
    gettext_lazy("Kind (short)"),
    gettext_lazy("By"),
    gettext_lazy("Network address"),
    gettext_lazy("VDN"),
    gettext_lazy("Subject"),
    gettext_lazy("Reason"),
    gettext_lazy("Detail"),
    gettext_lazy("Fingerprint"),
)
_FAULTS: Final[dict[str, str | Promise]] = {
    "CHANGED": gettext_lazy("Event %(at)s is not as it was written."),
    "MISSING": gettext_lazy("An event before event %(at)s is missing."),
    "REORDERED": gettext_lazy("Event %(at)s does not stand in its place."),
    "CUT": gettext_lazy("The newest events are missing: event %(at)s was the last."),
    "HEAD": gettext_lazy("The record of where the audit begins and ends was changed or deleted."),
    "ANCHOR": gettext_lazy("Event %(at)s is not the one of this anchor."),
}


@dataclass(frozen=True)
class AuditUrl:
    """The path and the parameters of a question."""

    path: str
    pairs: Pairs

    @classmethod
    def from_form(cls, scope: Scope, form: AuditFilter) -> AuditUrl:
        """From a form, of which what is bad or empty is left out."""
        form.is_valid()
        found = form.cleaned_data
        pairs: list[tuple[str, str]] = []
        for name in FILTERS:
            if name == "kind":
                pairs += [(name, kind) for kind in dict.fromkeys(found.get(name, ()))]
            elif name in {"begin", "end"} and found.get(name):
                pairs.append((name, str(form.data[name]).strip()))
            elif found.get(name):
                pairs.append((name, str(found[name])))
        return cls(reverse("audit", args=[scope.vdn.pk]), tuple(pairs))

    def at(self, **more: int) -> str:
        """This question, on the page `before` or `after` an event."""
        return self._with((*self.pairs, *((name, str(value)) for name, value in more.items())))

    def without(self, *names: str) -> str:
        """This question without these filters."""
        return self._with(tuple(pair for pair in self.pairs if pair[0] not in names))

    def elsewhere(self, path: str) -> str:
        """This question at another address."""
        return with_query(path, urlencode(self.pairs, safe=",:"))

    def _with(self, pairs: Pairs) -> str:
        return with_query(self.path, urlencode(pairs, safe=",:"))


@dataclass(frozen=True)
class EventRow:
    """One event of the list."""

    id: int
    kind: str
    tone: str
    at: str
    at_exact: str
    by: str
    address: str
    subject: str
    subject_url: str
    reason: str
    facts: list[tuple[str, str]]
    changes: list[labels.Change]
    fingerprint: str
    of_no_vdn: bool


@dataclass
class AuditListContext:
    """Context of the audit's templates."""

    vdn_id: int
    path: str
    zone_text: str
    here: str
    clear_url: str
    events: list[EventRow] = field(default_factory=list)
    total: int = 0
    total_text: str = ""
    groups: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)
    chosen: int = 0
    chips: list[dict[str, str]] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    newest_url: str = ""
    newer_url: str = ""
    older_url: str = ""
    exports: list[dict[str, str]] = field(default_factory=list)
    empty: str = ""
    verified: str = ""
    problem: str = ""
    notice: ParameterNotice | None = None
    limit: Problem | None = None
    """Why nothing was looked for."""


def create_context(
    scope: Scope, form: AuditFilter, now: datetime, head: AuditHead | None
) -> AuditListContext:
    """A board without events."""
    address = AuditUrl.from_form(scope, form)
    board = AuditListContext(
        vdn_id=scope.vdn.pk,
        path=address.path,
        zone_text=_("Times in %s") % format_zone(now, timezone.get_current_timezone()),
        here=address.at(),
        clear_url=address.path if address.pairs or not form.is_valid() else "",
        groups=_groups(form),
        kept=[pair for pair in address.pairs if pair[0] in {"number_key", "number_end"}],
        empty="bad-filter" if has_bad_field(form) else "",
        notice=build_parameter_notice(form, address.at()),
    )
    board.chosen = sum(name == "kind" for name, _value in address.pairs)
    board.chips = _chips(address)
    _say_state(board, head, now)
    return board


def fill_context(
    scope: Scope, form: AuditFilter, found: AuditPage, now: datetime, head: AuditHead | None
) -> AuditListContext:
    """A board with a page of events."""
    board = create_context(scope, form, now, head)
    address = AuditUrl.from_form(scope, form)
    moments = TimeFormatter(now)
    board.events = [_line(event, moments, scope.vdn.pk) for event in found.events]
    board.total = found.total
    board.total_text = _total(found.total)
    if found.newer:
        board.newest_url = address.at()
        board.newer_url = address.at(after=found.events[0].pk)
    if found.older:
        board.older_url = address.at(before=found.events[-1].pk)
    if not found.events:
        paged = bool(form.cleaned_data["before"] or form.cleaned_data["after"])
        board.empty = explain_empty(past=paged and bool(found.total), filtered=bool(address.pairs))
    board.exports = [
        {"label": kind.upper(), "url": address.elsewhere(_export_path(scope, kind))}
        for kind in exports.WRITERS
    ]
    return board


def export_rows(events: Iterable[AuditEvent], moments: TimeFormatter) -> Iterator[tuple[str, ...]]:
    """The cells of an export in the order of `EXPORT_HEADINGS`."""
    for event in events:
        changes = [
            f"{each.label}: {each.before} → {each.after}" for each in labels.list_changes(event)
        ]
        facts = [f"{label}: {text}" for label, text in labels.list_details(event)]
        yield (
            str(event.pk),
            moments.stamp(event.at),
            labels.describe_action(event),
            event.action,
            event.actor,
            event.address,
            "" if event.vdn_id is None else str(event.vdn_id),
            event.subject,
            event.reason,
            "; ".join(facts + changes),
            event.hash,
        )


def export_headings(moments: TimeFormatter) -> list[str]:
    """The headings in the reader's language; the zone of the times is named."""
    zone: Any = moments.zone
    return [
        f"{heading} ({zone})" if place == 1 else str(heading)
        for place, heading in enumerate(EXPORT_HEADINGS)
    ]


def _line(event: AuditEvent, moments: TimeFormatter, vdn_id: int) -> EventRow:
    return EventRow(
        id=event.pk,
        kind=labels.describe_action(event),
        tone=labels.get_tone(event),
        at=moments.clock(event.at),
        at_exact=moments.exact(event.at),
        by=event.actor,
        address=event.address,
        subject=event.subject,
        subject_url=links.get_subject_url(event, vdn_id),
        reason=event.reason,
        facts=labels.list_details(event),
        changes=labels.list_changes(event),
        fingerprint=event.hash,
        of_no_vdn=event.vdn_id is None,
    )


def _export_path(scope: Scope, kind: str) -> str:
    return reverse("audit_export", kwargs={"vdn_id": scope.vdn.pk, "kind": kind})


def _total(total: int) -> str:
    if total > MOST_COUNTED:
        return _("more than %(total)s events") % {"total": format_count(MOST_COUNTED)}
    return ngettext("%(total)s event", "%(total)s events", total) % {"total": format_count(total)}


def _groups(form: AuditFilter) -> list[tuple[str, list[dict[str, Any]]]]:
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


def _chips(address: AuditUrl) -> list[dict[str, str]]:
    chips = []
    kinds = [value for name, value in address.pairs if name == "kind"]
    for kind in kinds:
        left = tuple(pair for pair in address.pairs if pair != ("kind", kind))
        url = AuditUrl(address.path, left).at()
        chips.append(
            {
                "name": "kind",
                "value": kind,
                "label": _("Kind"),
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
    return chips


def _say_state(board: AuditListContext, head: AuditHead | None, now: datetime) -> None:
    if head is None or head.checked_at is None:
        board.verified = _("not verified yet")
        return
    when = TimeFormatter(now).relative(head.checked_at)
    if not head.problem:
        board.verified = _("verified %(when)s: unbroken") % {"when": when}
        return
    board.verified = _("verified %(when)s: broken") % {"when": when}
    board.problem = fault_text(head.problem)


def fault_text(short: str) -> str:
    """Give a fault in words, from its name and the number of the event; "" where there is none."""
    fault, _colon, event = short.partition(":")
    return str(_FAULTS.get(fault, fault)) % {"at": event}
