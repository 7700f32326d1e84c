"""Contexts of the write-backs list and of one write-back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.ui.list_context import (
    EmptyState,
    Link,
    ListContext,
    explain_bad_filter,
    explain_empty,
)
from dashboard.ui.list_page import ListPage
from dashboard.ui.list_url import ListUrl, get_reservation_url, with_query
from dashboard.ui.paging import format_count
from dashboard.ui.parameters import has_bad_field
from dashboard.ui.reveal_control import create_write_back_control
from dashboard.ui.row_formatting import WRITE_BACK_TONES
from dashboard.ui.times import TimeFormatter, format_zone
from dashboard.write_backs import labels
from dashboard.write_backs.columns import Columns, WriteBackFormatter
from dashboard.write_backs.form_fields import list_task_options
from isales_proxy.access import Permission, Scope
from isales_proxy.models import WriteBack, WriteBackState
from isales_proxy.outbound import tasks
from isales_proxy.write_backs.forms import FILTERS, WriteBackFilter
from isales_proxy.write_backs.queries import WriteBackDetail, WriteBackPage

_TABS: Final = ("", *WriteBackState.values)


@dataclass(kw_only=True)
class WriteBackListContext(ListContext[WriteBack, WriteBackFormatter]):
    """Context of the write-backs list. Its filter has a tab for each state."""

    filters: str = "write_backs/_filters.html"
    tabs: list[dict[str, Any]] = field(default_factory=list)


def create_context(
    scope: Scope, form: WriteBackFilter, shown: Columns, now: datetime
) -> WriteBackListContext:
    """Create a context without rows: the filter is invalid, or there is no answer."""
    address = ListUrl.from_filter(reverse("write_backs", args=[scope.vdn.pk]), form, FILTERS)
    new = Link(reverse("write_back_new", args=[scope.vdn.pk]), _("Write a result back"))
    return WriteBackListContext(
        page=ListPage(shown, address, _("Write-backs"), css="write-backs"),
        form=form,
        styles=("css/write_backs.css",),
        scripts=("js/filters.js", "js/keys.js", "js/write_backs.js"),
        zone_text=TimeFormatter(now).zone_text,
        refresh_url=address.get_url(),
        create=new if scope.can(Permission.WRITE_BACK) else None,
        datalists={"tasks": list_task_options(tasks.get_known_tasks(scope=scope))},
        empty=explain_bad_filter(address.path) if has_bad_field(form) else None,
        attributes={"data-refresh": True, "data-hx-push-url": "false"},
        none_text=_("No write-backs."),
    )


def fill_context(
    scope: Scope,
    form: WriteBackFilter,
    shown: Columns,
    found: WriteBackPage,
    now: datetime,
    *,
    newer: int | None = None,
) -> WriteBackListContext:
    """Create a context with rows. `newer` counts the rows after those of a page that polls."""
    listing = create_context(scope, form, shown, now)
    page, address = listing.page, listing.page.address
    total = found.total
    if newer is not None:
        # Rows that stay on the screen may not match the filter any more.
        total = max(total, (address.page - 1) * address.size + len(found.rows))
    page.fill(
        found.rows,
        WriteBackFormatter(scope, now),
        total=total,
        get_id=lambda row: f"w-{row.pk}",
        get_attributes=lambda row: (
            ("data-write-back", str(row.pk)),
            ("data-state", row.state),
        ),
    )
    page.total = found.total
    listing.add_pager()
    listing.tabs = _build_tabs(address, found)
    if any(row.state == WriteBackState.WAITING for row in found.rows):
        kept = ",".join(str(row.pk) for row in found.rows)
        url = with_query(address.path, f"{address.query()}&shown={kept}".lstrip("&"))
        listing.attributes = {**listing.attributes, "data-poll-url": url}
    if newer:
        listing.newer = _("Show newer ones: %s") % format_count(newer)
    listing.empty = explain_empty(
        page,
        no_match=_("No write-back matches these filters"),
        none=_explain_no_write_backs(listing.create),
    )
    return listing


def _explain_no_write_backs(create: Link | None) -> EmptyState:
    text = _(
        "A result that you write back is stored here first and then delivered to CC-iSales until "
        "it acknowledges it."
    )
    title = _("No write-backs yet")
    return EmptyState("none", icon="send", title=title, texts=[text], task=create)


def build_detail(scope: Scope, detail: WriteBackDetail, now: datetime) -> dict[str, Any]:
    """Build the context of one write-back with its journal."""
    row = detail.row
    formatter = WriteBackFormatter(scope, now)
    times = formatter.times
    waiting = row.state == WriteBackState.WAITING
    url = reverse("write_back", args=[scope.vdn.pk, row.pk])
    return {
        "id": row.pk,
        "vdn_id": scope.vdn.pk,
        "poll_url": url if waiting else "",
        "row": {
            "by": row.created_by_name,
            "state": row.state,
            "state_text": labels.format_state(row, now),
            "remark": labels.describe_state(row, times),
            "tone": WRITE_BACK_TONES[row.state],
            "written_exact": times.exact(row.created_at),
        },
        "facts": labels.list_details(row.body, scope.vdn, formatter, formatter.names),
        "json": labels.format_json(row.body),
        "journal": labels.build_journal(detail.journal, times),
        "reservation_url": get_reservation_url("reservation", scope.vdn.pk, row.appoint_id),
        "reservation": row.appoint_id,
        "may_cancel": scope.can(Permission.WRITE_BACK) and waiting and not row.is_sending(now),
        "may_retry": scope.can(Permission.WRITE_BACK)
        and not waiting
        and row.state != WriteBackState.DELIVERED,
        "reveal": create_write_back_control(scope, row.pk)
        if scope.can(Permission.REVEAL_NUMBERS) and row.phone_number
        else None,
        "maybe_there": any(map(labels.is_unanswered, detail.journal)),
        "zone_text": times.zone_text,
        "zone": format_zone(row.created_at, times.zone),
        "others": [
            {
                "url": reverse("write_back", args=[scope.vdn.pk, other.pk]),
                "written": times.short(other.created_at),
                "tone": WRITE_BACK_TONES[other.state],
                "state_text": WriteBackState(other.state).label,
                "result": formatter.format_code(other.fail_code) if other.fail_code else "",
                "later": other.pk > row.pk,
            }
            for other in detail.others
        ],
    }


def _build_tabs(address: ListUrl, found: WriteBackPage) -> list[dict[str, Any]]:
    chosen = dict(address.filters).get("state", "")
    tabs = []
    for state in _TABS:
        kept = [pair for pair in address.filters if pair[0] != "state"]
        if state:
            kept.append(("state", state))
        there = replace(address, filters=tuple(kept), page=1)
        number = found.counts[state] if state else sum(found.counts.values())
        tabs.append(
            {
                "state": state or "all",
                "label": WriteBackState(state).label if state else _("All"),
                "count": format_count(number),
                "url": there.get_url(),
                "current": state == chosen,
            }
        )
    return tabs
