"""Pages of call data: a task with its request form, a batch, and the batches of a task."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.outbound import columns
from dashboard.ui import form_drafts
from dashboard.ui.htmx import make_private
from dashboard.ui.list_context import (
    EmptyState,
    Link,
    ListContext,
    explain_bad_filter,
    explain_no_match,
    explain_past_end,
    render_list,
)
from dashboard.ui.list_page import ListPage, add_sort_field, get_order
from dashboard.ui.list_url import ListUrl
from dashboard.ui.local_lists import LocalFormatter, without_sort
from dashboard.ui.paging import Pager, format_count
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.times import TimeFormatter
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.client.queries import MAX_BATCH
from isales_proxy.core.form_fields import DEFAULT_SIZE, PageFilter
from isales_proxy.models import BatchState, CallDataBatch, CallDatum
from isales_proxy.number_access.services import DailySearchLimitExceeded
from isales_proxy.outbound import call_data, queries, tasks
from isales_proxy.outbound.forms import CallDataFilter, CallDataRequestForm

_NEWEST: Final = 5
_DEFAULT_COUNT: Final = 10

BatchPage = ListPage[CallDataBatch, LocalFormatter]


@dataclass(kw_only=True)
class CallDataContext(ListContext[CallDatum, columns.OutboundFormatter]):
    """Context of the rows of call data, within the page of their task or batch."""

    batch: str = ""
    """ID of the batch that the rows of the task are filtered by."""
    batch_clear_url: str = ""
    """Address of the rows of all batches."""


def render_task(request: ReaderRequest, scope: Scope, service_id: str) -> HttpResponse:
    """Render one task; status 422 with an invalid request form."""
    path = reverse("task", args=[scope.vdn.pk, service_id])
    open_form = (
        form_drafts.open_form(request, path) if scope.can(Permission.TAKE_CALL_DATA) else None
    )
    typed = open_form.data if open_form else None
    form = CallDataRequestForm(typed) if open_form and open_form.judged else None
    newest, total = queries.list_batches(scope=scope, service_id=service_id, size=_NEWEST)
    times = TimeFormatter(timezone.now())
    listed = tasks.is_listed(scope=scope, service_id=service_id, seen=bool(total))
    values: Any = typed if typed is not None else {"batch_count": _DEFAULT_COUNT}
    status = open_form.status if open_form else 200
    if form is not None and not form.is_valid():
        status = 422
    return render_rows(
        request,
        scope,
        page="outbound/task.html",
        path=path,
        service_id=service_id,
        context={
            "task": get_task_context(scope, service_id),
            "batches": _build_newest_batches(scope, service_id, newest, total),
            "more_batches": format_count(total) if total > _NEWEST else "",
            "zone_text": times.zone_text,
            "listed": listed,
            "take": {
                "can": scope.can(Permission.TAKE_CALL_DATA) and listed is not False,
                "url": reverse("take_call_data", args=[scope.vdn.pk, service_id]),
                "form": form,
                "batch_count": values.get("batch_count", ""),
                "reason": values.get("reason", ""),
                "open": open_form,
                "most": MAX_BATCH,
                "seconds": math.ceil(settings.ISALES.longest_call),
            },
        },
        status=status,
    )


def render_unstored(
    request: ReaderRequest, scope: Scope, result: call_data.CallDataRequestResult
) -> HttpResponse:
    """Render the rows of an answer that could not be stored, which no other page can show."""
    times = TimeFormatter(timezone.now())
    response = render(
        request,
        "outbound/unstored.html",
        {
            "task": get_task_context(scope, result.batch.service_id),
            "batch": columns.build_batch_head(result.batch, times),
            "rows": result.unstored,
            "text": result.unstored_text
            or json.dumps([row.raw for row in result.unstored], ensure_ascii=False, indent=2),
            "zone_text": times.zone_text,
        },
        status=507,
    )
    return make_private(response)


def render_batch(request: ReaderRequest, scope: Scope, found: CallDataBatch) -> HttpResponse:
    """Render one batch: its state, what to check, and its rows."""
    times = TimeFormatter(timezone.now())
    place = [scope.vdn.pk, found.service_id, found.pk]
    kept = found.state == BatchState.UNREADABLE and not found.purged_at
    return render_rows(
        request,
        scope,
        page="outbound/batch.html",
        path=reverse("call_data_batch", args=place),
        service_id=found.service_id,
        batch_id=found.pk,
        context={
            "task": get_task_context(scope, found.service_id),
            "batch": columns.build_batch_head(found, times),
            "facts": columns.list_batch_details(found, times),
            "zone_text": times.zone_text,
            "raw_url": reverse("call_data_raw", args=place)
            if kept and scope.can(Permission.SEE_RAW_ANSWERS)
            else "",
        },
    )


def render_rows(
    request: ReaderRequest,
    scope: Scope,
    *,
    page: str,
    path: str,
    service_id: str,
    batch_id: int | None = None,
    context: dict[str, Any],
    status: int = 200,
) -> HttpResponse:
    """Render a page with the rows that match the filter, or only the rows as a fragment."""
    shown = columns.list_datum_columns(scope)
    form = add_sort_field(CallDataFilter(request.GET), shown)
    # The files name it “Search”, among other filters.
    form.fields["q"].label = _("Number, unique ID or text")
    address = ListUrl.from_filter(path, form, ("q",) if batch_id else ("q", "batch"))
    listing = CallDataContext(
        page=ListPage(shown, address, _("Rows of call data"), css="data-rows"),
        form=form,
        clear_url=path,
    )
    if form.is_valid():
        listing.clear_url = address.get_cleared_url()
        listing.hidden = _list_hidden(address)
        listing.batch = dict(address.filters).get("batch", "")
        listing.batch_clear_url = address.get_url_without("batch")
        query = form.query(
            service_id=service_id, batch_id=batch_id, order=get_order(shown, address.sort)
        )
        try:
            rows, total = queries.list_rows(scope=scope, query=query)
        except DailySearchLimitExceeded as error:
            listing.problem = problems.describe_search_limit(error)
        else:
            _fill_rows(request, scope, listing, rows, total)
            if rows:
                listing.files = _list_files(scope, service_id, query, address.sort)
    elif "q" in form.errors:
        texts = [" ".join(map(str, form.errors["q"]))]
        link = Link(listing.clear_url, _("Show all rows"))
        listing.empty = explain_bad_filter("")._replace(texts=texts, link=link, level=3)
    return render_list(
        request,
        listing,
        page=page,
        fragment="outbound/_rows_fragment.html",
        status=status if listing.status == 200 else None,
        **context,
    )


def _fill_rows(
    request: ReaderRequest,
    scope: Scope,
    listing: CallDataContext,
    rows: Sequence[CallDatum],
    total: int,
) -> None:
    token = get_token(request)
    page = listing.page
    pager = page.fill(
        rows,
        columns.OutboundFormatter(scope),
        total=total,
        get_id=lambda row: f"d-{row.pk}",
        get_attributes=lambda row: (("class", "datum"), ("data-datum", str(row.pk))),
        get_more=lambda row: columns.render_datum_details(scope, row, token),
    )
    listing.add_pager()
    listing.total_text = listing.none_text = ngettext("%(total)s row", "%(total)s rows", total) % {
        "total": page.total_text
    }
    if not rows:
        listing.pager = None
        listing.empty = _explain_no_rows(listing, pager.first_url if total else "")


def _explain_no_rows(listing: CallDataContext, first_url: str) -> EmptyState:
    """Explain why there are no rows; `first_url` is "" where no page has any."""
    address = listing.page.address
    if first_url:
        title = _("There is no page %(page)s") % {"page": address.page}
        return explain_past_end(Link(first_url, _("First page")))._replace(title=title, level=3)
    if address.filters:
        clear = Link(listing.clear_url, _("Show all rows"))
        return explain_no_match(_("No row matches"), clear)._replace(level=3)
    days = settings.RETENTION.call_data_days
    text = ngettext(
        "Call data appears here for %(days)s day after it is taken.",
        "Call data appears here for %(days)s days after it is taken.",
        days,
    ) % {"days": days}
    title = _("There are no rows")
    return EmptyState("none", icon="package-import", title=title, texts=[text], level=3)


def _list_hidden(address: ListUrl) -> list[tuple[str, str]]:
    """List the parameters that a search keeps: batch and page size."""
    kept = [pair for pair in address.filters if pair[0] == "batch"]
    return kept + ([("size", str(address.size))] if address.size != DEFAULT_SIZE else [])


def _list_files(
    scope: Scope, service_id: str, query: queries.RowQuery, sort: str
) -> ListPage[Any, Any]:
    """Create the list with the address of the files: that of the task, also for one batch."""
    pairs = (("q", query.text), ("batch", str(query.batch_id or "")))
    path = reverse("take_call_data", args=[scope.vdn.pk, service_id])
    filters = tuple((name, value) for name, value in pairs if value)
    return ListPage((), ListUrl(path, filters, DEFAULT_SIZE, 1, sort), "")


def render_batches(request: ReaderRequest, scope: Scope, service_id: str) -> HttpResponse:
    """Render all batches of one task."""
    shown = columns.list_batch_columns(scope)
    form = add_sort_field(PageFilter(request.GET), shown)
    address = ListUrl.from_filter(reverse("batches", args=[scope.vdn.pk, service_id]), form)
    listing: ListContext[CallDataBatch, LocalFormatter] = ListContext(
        page=ListPage(shown, address, _("Batches"), css="batches"),
        form=form,
        filters="",
        zone_text=TimeFormatter(timezone.now()).zone_text,
    )
    if form.is_valid():
        rows, total = queries.list_batches(
            scope=scope,
            service_id=service_id,
            page=address.page,
            size=address.size,
            order=get_order(shown, address.sort),
        )
        pager = _fill_batches(listing.page, rows, total)
        listing.add_pager()
        listing.total_text = ngettext("%(total)s batch", "%(total)s batches", total) % {
            "total": listing.page.total_text
        }
        listing.files = listing.page
        listing.empty = _explain_no_batches(listing.page, pager.first_url)
    return render_list(
        request,
        listing,
        page="outbound/batches.html",
        fragment="lists/_results.html",
        task=get_task_context(scope, service_id),
    )


def _build_newest_batches(
    scope: Scope, service_id: str, rows: Sequence[CallDataBatch], total: int
) -> BatchPage:
    address = ListUrl(reverse("batches", args=[scope.vdn.pk, service_id]), (), _NEWEST, 1)
    unsorted = without_sort(columns.BATCH_COLUMNS, [each.key for each in columns.BATCH_COLUMNS])
    page = ListPage(unsorted, address, _("Batches, the newest first"), css="batches")
    _fill_batches(page, rows, total)
    return page


def _fill_batches(page: BatchPage, rows: Sequence[CallDataBatch], total: int) -> Pager:
    return page.fill(
        rows,
        LocalFormatter(),
        total=total,
        get_id=lambda batch: f"b-{batch.pk}",
        get_attributes=lambda batch: (
            ("data-batch", str(batch.pk)),
            ("data-batch-state", batch.state),
        ),
    )


def _explain_no_batches(page: ListPage[Any, Any], first_url: str) -> EmptyState:
    return EmptyState(
        "past-end" if page.total else "none",
        icon="package-import",
        title=_("There is no page %(page)s") % {"page": page.address.page}
        if page.total
        else _("No call data has been taken yet."),
        link=Link(first_url, _("First page")) if first_url else None,
    )


def get_task_context(scope: Scope, service_id: str) -> dict[str, str]:
    """Return the task's name and the addresses of its pages, without calling the vendor."""
    name = tasks.get_name(scope=scope, service_id=service_id)
    return {
        "id": service_id,
        "name": name,
        "title": name or service_id,
        "url": reverse("task", args=[scope.vdn.pk, service_id]),
        "list_url": reverse("tasks", args=[scope.vdn.pk]),
        "batches_url": reverse("batches", args=[scope.vdn.pk, service_id]),
    }
