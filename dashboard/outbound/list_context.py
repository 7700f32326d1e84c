"""The pages of call data, put together: a task with its take form, a batch, all batches; each with
its rows, or with those alone as a fragment.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from dashboard.home.forms import CallDataRequestForm
from dashboard.outbound import columns
from dashboard.ui import exports, form_drafts
from dashboard.ui.htmx import make_private, render_page_or_fragment
from dashboard.ui.list_url import ListUrl, with_query
from dashboard.ui.paging import build_pager, format_count
from dashboard.ui.parameters import build_parameter_notice
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.times import TimeFormatter
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.client.queries import MAX_BATCH
from isales_proxy.core.form_fields import DEFAULT_SIZE
from isales_proxy.core.settings import get_isales_settings
from isales_proxy.models import BatchState, CallDataBatch
from isales_proxy.number_access.services import DailySearchLimitExceeded
from isales_proxy.outbound import services as call_data
from isales_proxy.outbound import tasks
from isales_proxy.outbound.forms import BatchFilter, CallDataFilter

NEWEST: Final = 5
_DEFAULT_COUNT: Final = 10


def render_task(request: ReaderRequest, scope: Scope, service_id: str) -> HttpResponse:
    """The page of one task; with a take form that was refused, 422."""
    path = reverse("task", args=[scope.vdn.pk, service_id])
    open_form = (
        form_drafts.open_form(request, path) if scope.can(Permission.TAKE_CALL_DATA) else None
    )
    typed = open_form.data if open_form else None
    form = CallDataRequestForm(typed) if open_form and open_form.judged else None
    newest = call_data.list_batches(scope=scope, service_id=service_id, size=NEWEST)
    moments = TimeFormatter(timezone.now())
    listed = tasks.is_listed(scope=scope, service_id=service_id, seen=bool(newest.total))
    asked: Any = typed if typed is not None else {"batch_count": _DEFAULT_COUNT}
    return render_rows(
        request,
        scope,
        page="outbound/task.html",
        path=path,
        service_id=service_id,
        context={
            "task": get_task_context(scope, service_id),
            "batches": [columns.build_batch_row(each, moments) for each in newest.rows],
            "more_batches": format_count(newest.total) if newest.total > NEWEST else "",
            "zone_text": moments.zone_text,
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


def unstored_page(
    request: ReaderRequest, scope: Scope, taking: call_data.CallDataRequestResult
) -> HttpResponse:
    """The rows of an answer that could be stored nowhere, in the one answer that will hold them."""
    moments = TimeFormatter(timezone.now())
    response = render(
        request,
        "outbound/unstored.html",
        {
            "task": get_task_context(scope, taking.batch.service_id),
            "batch": columns.build_batch_row(taking.batch, moments),
            "rows": taking.unstored,
            "text": taking.unstored_text
            or json.dumps([row.raw for row in taking.unstored], ensure_ascii=False, indent=2),
            "zone_text": moments.zone_text,
        },
        status=507,
    )
    return make_private(response)


def render_batch(request: ReaderRequest, scope: Scope, found: CallDataBatch) -> HttpResponse:
    """How one batch went, what to look up, and its rows."""
    moments = TimeFormatter(timezone.now())
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
            "batch": columns.build_batch_row(found, moments),
            "facts": columns.list_batch_details(found, moments),
            "zone_text": moments.zone_text,
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
    """A page with the rows of its filter below what is its own, or those rows as a fragment."""
    form = CallDataFilter(request.GET)
    board: dict[str, Any] = {"path": path, "q": request.GET.get("q", ""), "clear_url": path}
    board |= {"rows": [], "total": 0, "batch": "", "kept": [], "errors": "", "problem": None}
    problem = None
    if form.is_valid():
        question = form.question(service_id=service_id, batch_id=batch_id)
        own = question.batch_id if batch_id is None else None
        pairs = (("q", question.text), ("batch", str(own or "")))
        filters = tuple((name, value) for name, value in pairs if value)
        address = ListUrl(path, filters, question.size, question.page)
        board |= {
            "batch": own or "",
            "batch_clear_url": address.without("batch"),
            "clear_url": address.cleared(),
            "kept": _kept(own, question),
        }
        try:
            found = call_data.list_rows(scope=scope, question=question)
        except DailySearchLimitExceeded as error:
            problem = board["problem"] = problems.describe_search_limit(error)
            status = problem.status
        else:
            board |= {
                "rows": columns.build_datum_rows(scope, found.rows),
                "total": found.total,
                "total_text": format_count(found.total),
                "pager": build_pager(address, total=found.total, shown=len(found.rows)),
                "exports": _exports(scope, service_id, question),
            }
    else:
        status = 422
        board["errors"] = " ".join(map(str, form.errors.get("q", ())))
        kept = (("q", form.cleaned_data.get("q", "")), ("batch", form.cleaned_data.get("batch")))
        filters = tuple((name, str(value)) for name, value in kept if value)
        board["refused"] = True
        address = ListUrl(path, filters, form.cleaned_data.get("size", DEFAULT_SIZE), 1)
    board["notice"] = build_parameter_notice(form, address.at(page=1))
    return render_page_or_fragment(
        request,
        page=page,
        fragment="outbound/_rows_fragment.html",
        context=context | {"board": board},
        status=status,
        problem=problem,
    )


def _kept(batch_id: int | None, question: call_data.RowQuery) -> list[tuple[str, str]]:
    """What the search sends along: the batch that the reader chose, and their page size."""
    kept = [("batch", str(batch_id))] if batch_id else []
    return kept + ([("size", str(question.size))] if question.size != DEFAULT_SIZE else [])


def render_batches(request: ReaderRequest, scope: Scope, service_id: str) -> HttpResponse:
    """All batches of one task."""
    form = BatchFilter(request.GET)
    good = form.is_valid()
    asked = form.cleaned_data if good else {"page": 1, "size": DEFAULT_SIZE}
    page, size = asked["page"], asked["size"]
    found = call_data.list_batches(scope=scope, service_id=service_id, page=page, size=size)
    moments = TimeFormatter(timezone.now())
    path = reverse("take_call_data", args=[scope.vdn.pk, service_id])
    address = ListUrl(path, (), size, page)
    return render_page_or_fragment(
        request,
        page="outbound/batches.html",
        fragment="outbound/_batches.html",
        context={
            "task": get_task_context(scope, service_id),
            "batches": [columns.build_batch_row(each, moments) for each in found.rows],
            "total_text": format_count(found.total),
            "total": found.total,
            "pager": build_pager(address, total=found.total, shown=len(found.rows)),
            "notice": build_parameter_notice(form, address.at(page=1)),
            "refused": not good,
            "zone_text": moments.zone_text,
        },
        status=200 if good else 422,
    )


def _exports(scope: Scope, service_id: str, question: call_data.RowQuery) -> list[dict[str, str]]:
    pairs = (("q", question.text), ("batch", str(question.batch_id or "")))
    query = ListUrl(
        "", tuple((name, value) for name, value in pairs if value), DEFAULT_SIZE, 1
    ).query()
    return [
        {
            "label": kind.upper(),
            "url": with_query(
                reverse(
                    "call_data_export",
                    kwargs={"vdn_id": scope.vdn.pk, "service_id": service_id, "kind": kind},
                ),
                query,
            ),
        }
        for kind in exports.WRITERS
    ]


def get_task_context(scope: Scope, service_id: str) -> dict[str, str]:
    """A task by name, and the addresses of its pages. Nobody is asked."""
    name = tasks.get_name(scope=scope, service_id=service_id)
    return {
        "id": service_id,
        "name": name,
        "title": name or service_id,
        "url": reverse("task", args=[scope.vdn.pk, service_id]),
        "list_url": reverse("tasks", args=[scope.vdn.pk]),
        "batches_url": reverse("take_call_data", args=[scope.vdn.pk, service_id]),
    }
