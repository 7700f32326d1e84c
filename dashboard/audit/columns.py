"""Columns of the audit, and the formatter of its rows."""

from __future__ import annotations

import re
from typing import Final

from django.urls import reverse
from django.utils.translation import gettext_lazy

from dashboard.audit import labels
from dashboard.ui.columns import NOTHING, Cell, Column, ExportColumn, export_attribute
from dashboard.ui.jinja2 import render_fragment
from dashboard.ui.times import TimeFormatter
from isales_proxy.models import AuditEvent

_WRITE_BACK: Final = re.compile(r"write-back ([0-9]{1,18})")
# Not a path: an ID has no dots.
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
# First part of the action → name of the address of its subject.
_PAGES: Final = {
    "number": "reservation",
    "reservations": "reservation",
    "call_data": "task",
}


class EventFormatter:
    """The facts that all rows of a page share."""

    def __init__(self, vdn_id: int, times: TimeFormatter) -> None:
        self.vdn_id = vdn_id
        self.times = times


def _build_at(event: AuditEvent, formatter: EventFormatter) -> Cell:
    return Cell("at", formatter.times.clock(event.at), title=formatter.times.exact(event.at))


def _build_kind(event: AuditEvent, _formatter: EventFormatter) -> Cell:
    # A badge without a tone is grey.
    return Cell("action", labels.describe_action(event), tone=labels.get_tone(event) or "calm")


def _build_actor(event: AuditEvent, _formatter: EventFormatter) -> Cell:
    return Cell("actor", event.actor or NOTHING, title=event.actor, sub=event.address)


def _build_about(event: AuditEvent, formatter: EventFormatter) -> Cell:
    markup = render_fragment(
        "audit/about.jinja",
        event=event,
        url=_get_subject_url(event, formatter.vdn_id),
        facts=labels.list_details(event),
        changes=labels.list_changes(event),
        at=formatter.times.exact(event.at),
    )
    return Cell("about", html=markup)


def _get_subject_url(event: AuditEvent, vdn_id: int) -> str:
    """Return the address of the subject's page in this VDN; "" if it has none."""
    subject = event.subject
    if event.vdn_id != vdn_id or not subject:
        return ""
    if match := _WRITE_BACK.fullmatch(subject):
        return reverse("write_back", args=[vdn_id, int(match[1])])
    if event.action == "codes.note" and _ID.fullmatch(subject):
        return reverse("result_code", args=[vdn_id, subject])
    page = _PAGES.get(event.action.partition(".")[0])
    if page is None or not _ID.fullmatch(subject):
        return ""
    return reverse(page, args=[vdn_id, subject])


def _describe_detail(event: AuditEvent) -> str:
    facts = [f"{label}: {text}" for label, text in labels.list_details(event)]
    changes = [f"{each.label}: {each.before} → {each.after}" for each in labels.list_changes(event)]
    return "; ".join(facts + changes)


AUDIT_COLUMNS: Final[tuple[Column[AuditEvent, EventFormatter], ...]] = (
    Column(
        "at",
        gettext_lazy("Time"),
        "c-at",
        _build_at,
        exports=(
            export_attribute(gettext_lazy("Event"), "pk"),
            export_attribute(gettext_lazy("Time"), "at", zoned=True),
        ),
        # Pages of the audit begin or end at an event, so only the order of the chain is possible.
        sort="pk",
        hideable=False,
    ),
    Column(
        "kind",
        gettext_lazy("Event type"),
        "c-kind",
        _build_kind,
        exports=(
            ExportColumn(
                gettext_lazy("Event type"), lambda event, _: labels.describe_action(event)
            ),
            export_attribute(gettext_lazy("Event type (code)"), "action"),
        ),
    ),
    Column(
        "actor",
        gettext_lazy("By"),
        "c-by",
        _build_actor,
        exports=(
            export_attribute(gettext_lazy("By"), "actor"),
            export_attribute(gettext_lazy("Network address"), "address"),
        ),
    ),
    Column(
        "about",
        gettext_lazy("About"),
        "c-about",
        _build_about,
        exports=(
            export_attribute(gettext_lazy("VDN"), "vdn_id"),
            export_attribute(gettext_lazy("Subject"), "subject"),
            export_attribute(gettext_lazy("Reason"), "reason"),
            ExportColumn(gettext_lazy("Detail"), lambda event, _: _describe_detail(event)),
            export_attribute(gettext_lazy("Fingerprint"), "hash"),
        ),
    ),
)
