"""Pages of call data: a task with its request form, a batch, all batches; each with its rows, or
the rows alone as a fragment.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any, Final

from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.outbound import columns
from dashboard.ui import form_drafts
from dashboard.ui.htmx import make_private, render_page_or_fragment
from dashboard.ui.list_page import SORT, ListPage, add_sort_field, get_order
from dashboard.ui.list_url import ListUrl
from dashboard.ui.paging import format_count
from dashboard.ui.parameters import build_parameter_notice
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.times import TimeFormatter
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.client.queries import MAX_BATCH
from isales_proxy.core.form_fields import DEFAULT_SIZE
from isales_proxy.core.settings import get_isales_settings, get_retention_settings
from isales_proxy.models import BatchState, CallDataBatch
from isales_proxy.number_access.services import DailySearchLimitExceeded
from isales_proxy.outbound import call_data, queries, tasks
from isales_proxy.outbound.forms import BatchFilter, CallDataFilter, CallDataRequestForm

NEWEST: Final = 5
_DEFAULT_COUNT: Final = 10


def render_task(request: ReaderRequest, scope: Scope, service_id: str) -> HttpResponse:
    """Render one task; status 422 with an invalid request form."""
    path = reverse("task", args=[scope.vdn.pk, service_id])
    open_form = (
        form_drafts.open_form(request, path) if scope.can(Permission.TAKE_CALL_DATA) else None
    )
    typed = open_form.data if open_form else None
    form = CallDataRequestForm(typed) if open_form and open_form.judged else None
    newest, taken = queries.list_batches(scope=scope, service_id=service_id, size=NEWEST)
    batches = reverse("batches", args=[scope.vdn.pk, service_id])
    times = TimeFormatter(timezone.now())
    listed = tasks.is_listed(scope=scope, service_id=service_id, seen=bool(taken))
    asked: Any = typed if typed is not None else {"batch_count": _DEFAULT_COUNT}
    return render_rows(
        request,
        scope,
        page="outbound/task.html",
        path=path,
        service_id=service_id,
        context={
            "task": get_task_context(scope, service_id),
            "batches": columns.build_newest_batches(ListUrl(batches, (), NEWEST, 1), newest, taken),
            "more_batches": format_count(taken) if taken > NEWEST else "",
            "zone_text": times.zone_text,
            "listed": listed,
            "take": {
                "can": scope.can(Permission.TAKE_CALL_DATA) and listed is not False,
                "url": reverse("take_call_data", args=[scope.vdn.pk, service_id]),
                "form": form,
                "batch_count": asked.get("batch_count", ""),
                "reason": asked.get("reason", ""),
                "open": open_form,
                "most": MAX_BATCH,
                "seconds": math.ceil(get_isales_settings().longest_call),
            },
        },
        status=200
        if open_form is None
        else open_form.status
        if form is None or form.is_valid()
        else 422,
    )


def render_unstored(
    request: ReaderRequest, scope: Scope, result: call_data.CallDataRequestResult
) -> HttpResponse:
    """Render the rows of an answer that could not be stored; they are shown only here."""
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
    """Render a page with the rows of its filter, or the rows alone as a fragment."""
    shown = columns.list_datum_columns(scope)
    form = add_sort_field(CallDataFilter(request.GET), shown)
    listing: dict[str, Any] = {"path": path, "q": request.GET.get("q", ""), "clear_url": path}
    listing["days"] = get_retention_settings().call_data_days
    listing |= {"total": 0, "batch": "", "kept": [], "errors": "", "problem": None}
    problem = None
    if form.is_valid():
        sort = form.cleaned_data[SORT]
        query = replace(
            form.query(service_id=service_id, batch_id=batch_id), order=get_order(shown, sort)
        )
        own = query.batch_id if batch_id is None else None
        pairs = (("q", query.text), ("batch", str(own or "")))
        filters = tuple((name, value) for name, value in pairs if value)
        address = ListUrl(path, filters, query.size, query.page, sort)
        rows_page = ListPage(shown, address, _("Rows of call data"), css="data-rows")
        listing |= {
            "page_of_rows": rows_page,
            "batch": own or "",
            "page": query.page,
            "batch_clear_url": address.without("batch"),
            "clear_url": address.cleared(),
            "kept": _list_kept(own, query),
        }
        try:
            rows, total = queries.list_rows(scope=scope, query=query)
        except DailySearchLimitExceeded as error:
            problem = listing["problem"] = problems.describe_search_limit(error)
            status = problem.status
        else:
            token = get_token(request)
            rows_page.fill(
                rows,
                columns.OutboundFormatter(scope),
                total=total,
                get_id=lambda row: f"d-{row.pk}",
                get_attributes=lambda row: (("class", "datum"), ("data-datum", str(row.pk))),
                get_more=lambda row: columns.render_datum_details(scope, row, token),
            )
            listing |= {
                "total": total,
                "total_text": format_count(total),
                "pager": rows_page.pager,
                "files": _list_files(scope, service_id, query, sort),
            }
    else:
        status = 422
        listing["errors"] = " ".join(map(str, form.errors.get("q", ())))
        kept = (("q", form.cleaned_data.get("q", "")), ("batch", form.cleaned_data.get("batch")))
        filters = tuple((name, str(value)) for name, value in kept if value)
        listing["refused"] = True
        address = ListUrl(path, filters, form.cleaned_data.get("size", DEFAULT_SIZE), 1)
    listing["notice"] = build_parameter_notice(form, address.at(page=1))
    return render_page_or_fragment(
        request,
        page=page,
        fragment="outbound/_rows_fragment.html",
        context=context | {"list": listing},
        status=status,
        problem=problem,
    )


def _list_kept(batch_id: int | None, query: queries.RowQuery) -> list[tuple[str, str]]:
    """The parameters that the search keeps: the chosen batch and the page size."""
    kept = [("batch", str(batch_id))] if batch_id else []
    return kept + ([("size", str(query.size))] if query.size != DEFAULT_SIZE else [])


def render_batches(request: ReaderRequest, scope: Scope, service_id: str) -> HttpResponse:
    """Render all batches of one task."""
    shown = columns.list_batch_columns(scope)
    form = add_sort_field(BatchFilter(request.GET), shown)
    good = form.is_valid()
    asked: dict[str, Any] = {"page": 1, "size": DEFAULT_SIZE, SORT: ""}
    if good:
        asked = form.cleaned_data
    page, size, sort = asked["page"], asked["size"], asked[SORT]
    rows, total = queries.list_batches(
        scope=scope, service_id=service_id, page=page, size=size, order=get_order(shown, sort)
    )
    path = reverse("batches", args=[scope.vdn.pk, service_id])
    address = ListUrl(path, (), size, page, sort)
    return render_page_or_fragment(
        request,
        page="outbound/batches.html",
        fragment="outbound/_batches.html",
        context={
            "task": get_task_context(scope, service_id),
            "list": columns.build_batch_page(shown, address, rows, total, _("Batches")),
            "number": page,
            "notice": build_parameter_notice(form, address.at(page=1)),
            "refused": not good,
            "zone_text": TimeFormatter(timezone.now()).zone_text,
        },
        status=200 if good else 422,
    )


def _list_files(
    scope: Scope, service_id: str, query: queries.RowQuery, sort: str
) -> ListPage[Any, Any]:
    """The list at whose address the files are: that of the task, also for one batch."""
    pairs = (("q", query.text), ("batch", str(query.batch_id or "")))
    path = reverse("take_call_data", args=[scope.vdn.pk, service_id])
    filters = tuple((name, value) for name, value in pairs if value)
    return ListPage((), ListUrl(path, filters, DEFAULT_SIZE, 1, sort), "")


def get_task_context(scope: Scope, service_id: str) -> dict[str, str]:
    """The task's name and the addresses of its pages; the vendor is not called."""
    name = tasks.get_name(scope=scope, service_id=service_id)
    return {
        "id": service_id,
        "name": name,
        "title": name or service_id,
        "url": reverse("task", args=[scope.vdn.pk, service_id]),
        "list_url": reverse("tasks", args=[scope.vdn.pk]),
        "batches_url": reverse("batches", args=[scope.vdn.pk, service_id]),
    }
