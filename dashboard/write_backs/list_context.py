"""Contexts of the write-backs list and of one write-back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.ui.list_page import SORT, ListPage
from dashboard.ui.list_url import ListUrl, get_reservation_url, with_query
from dashboard.ui.paging import explain_empty, format_count
from dashboard.ui.parameters import ParameterNotice, build_parameter_notice, has_bad_field
from dashboard.ui.reveal_control import create_write_back_control
from dashboard.ui.row_formatting import WRITE_BACK_TONES
from dashboard.ui.times import TimeFormatter, format_zone
from dashboard.write_backs import labels
from dashboard.write_backs.columns import Columns, WriteBackFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.core.form_fields import DEFAULT_SIZE
from isales_proxy.models import WriteBack, WriteBackState
from isales_proxy.problems import Problem
from isales_proxy.write_backs.forms import FILTERS, WriteBackFilter
from isales_proxy.write_backs.queries import WriteBackDetail, WriteBackPage

_TABS: Final = ("", *WriteBackState.values)


@dataclass
class WriteBackListContext:
    """Context of `write_backs/_results.html`, `_tabs.html` and `_headline.html`."""

    vdn_id: int
    zone_text: str
    here: str
    new_url: str
    page: ListPage[WriteBack, WriteBackFormatter]
    tabs: list[dict[str, Any]] = field(default_factory=list)
    poll_url: str = ""
    newer: str = ""
    problem: Problem | None = None
    empty: str = ""
    clear_url: str = ""
    notice: ParameterNotice | None = None


def create_context(
    scope: Scope, form: WriteBackFilter, shown: Columns, now: datetime
) -> WriteBackListContext:
    """Create a context without rows: the filter is invalid, or there is no answer."""
    address = _build_address(scope, form)
    return WriteBackListContext(
        vdn_id=scope.vdn.pk,
        zone_text=TimeFormatter(now).zone_text,
        here=address.at(),
        new_url=reverse("write_back_new", args=[scope.vdn.pk])
        if scope.can(Permission.WRITE_BACK)
        else "",
        page=ListPage(shown, address, _("Write-backs"), css="write-backs"),
        clear_url=address.path,
        empty="bad-filter" if has_bad_field(form) else "",
        notice=build_parameter_notice(form, address.at(page=1)),
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
    """Create a context with rows. With `newer` they are those of a page that polls."""
    listing = create_context(scope, form, shown, now)
    address = _build_address(scope, form)
    total = found.total
    if newer is not None:
        # Rows that stay on the screen may not match the filter any more.
        total = max(total, (address.page - 1) * address.size + len(found.rows))
    listing.page.fill(
        found.rows,
        WriteBackFormatter(scope, now),
        total=total,
        get_id=lambda row: f"w-{row.pk}",
        get_attributes=lambda row: (
            ("data-write-back", str(row.pk)),
            ("data-state", row.state),
        ),
    )
    listing.page.total = found.total
    listing.tabs = _build_tabs(address, found)
    if any(row.state == WriteBackState.WAITING for row in found.rows):
        kept = ",".join(str(row.pk) for row in found.rows)
        listing.poll_url = with_query(address.path, f"{address.query()}&shown={kept}".lstrip("&"))
    if newer:
        listing.newer = _("Show newer ones: %s") % format_count(newer)
    if not found.rows:
        past = bool(found.total) and address.page > 1
        listing.empty = explain_empty(past=past, filtered=bool(address.filters))
    return listing


def build_detail(scope: Scope, detail: WriteBackDetail, now: datetime) -> dict[str, Any]:
    """One write-back with its journal."""
    row = detail.row
    formatter = WriteBackFormatter(scope, now)
    sending = row.is_sending(now)
    waiting = row.state == WriteBackState.WAITING
    here = reverse("write_back", args=[scope.vdn.pk, row.pk])
    return {
        "id": row.pk,
        "vdn_id": scope.vdn.pk,
        "here": here,
        "poll_url": here if waiting else "",
        "row": {
            "by": row.created_by_name,
            "state": row.state,
            "state_text": labels.format_state(row, now),
            "remark": labels.describe_state(row, formatter.times),
            "tone": WRITE_BACK_TONES[row.state],
            "written_exact": formatter.times.exact(row.created_at),
        },
        "facts": labels.list_details(row.body, scope.vdn, formatter, formatter.names),
        "json": labels.format_json(row.body),
        "journal": labels.build_journal(detail.journal, formatter.times),
        "reservation_url": get_reservation_url("reservation", scope.vdn.pk, row.appoint_id),
        "reservation": row.appoint_id,
        "may_cancel": scope.can(Permission.WRITE_BACK) and waiting and not sending,
        "may_retry": scope.can(Permission.WRITE_BACK)
        and not waiting
        and row.state != WriteBackState.DELIVERED,
        "reveal": create_write_back_control(scope, row.pk)
        if scope.can(Permission.REVEAL_NUMBERS) and row.phone_number
        else None,
        "maybe_there": any(map(labels.is_unanswered, detail.journal)),
        "zone_text": formatter.times.zone_text,
        "zone": format_zone(row.created_at, formatter.times.zone),
        "others": [
            {
                "url": reverse("write_back", args=[scope.vdn.pk, other.pk]),
                "written": formatter.times.short(other.created_at),
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
                "url": there.at(),
                "current": state == chosen,
            }
        )
    return tabs


def _build_address(scope: Scope, form: WriteBackFilter) -> ListUrl:
    """The address of the filter, without what is invalid, empty or a default."""
    form.is_valid()
    found: dict[str, Any] = form.cleaned_data
    filters = tuple((name, str(found[name])) for name in FILTERS if found.get(name))
    path = reverse("write_backs", args=[scope.vdn.pk])
    return ListUrl(
        path, filters, found.get("size", DEFAULT_SIZE), found.get("page", 1), found.get(SORT, "")
    )
