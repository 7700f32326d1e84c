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

from dashboard.home.forms import TakeForm
from dashboard.outbound import columns
from dashboard.ui import exports, form_drafts
from dashboard.ui.htmx import answer
from dashboard.ui.list_url import ListAddress, with_query
from dashboard.ui.paging import count, pager
from dashboard.ui.parameters import notice
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.responses import private
from dashboard.ui.times import Moments
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.client.queries import MAX_BATCH
from isales_proxy.core.settings import isales
from isales_proxy.models import BatchState, CallDataBatch
from isales_proxy.number_access.budgets import SearchesSpent
from isales_proxy.outbound import services as call_data
from isales_proxy.outbound import tasks
from isales_proxy.outbound.forms import BatchFilter, CallDataFilter
from isales_proxy.reservations.forms import DEFAULT_SIZE

NEWEST: Final = 5
_DEFAULT_COUNT: Final = 10


def task_page(request: ReaderRequest, scope: Scope, service_id: str) -> HttpResponse:
    """The page of one task; with a take form that was refused, 422."""
    path = reverse("task", args=[scope.vdn.pk, service_id])
    open_form = form_drafts.opened(request, path) if scope.can(Permission.TAKE_CALL_DATA) else None
    typed = open_form.data if open_form else None
    form = TakeForm(typed) if open_form and open_form.judged else None
    newest = call_data.batches(scope=scope, service_id=service_id, size=NEWEST)
    moments = Moments(timezone.now())
    listed = tasks.is_listed(scope=scope, service_id=service_id, seen=bool(newest.total))
    asked: Any = typed if typed is not None else {"batch_count": _DEFAULT_COUNT}
    return rows_page(
        request,
        scope,
        page="tasks/task.html",
        path=path,
        service_id=service_id,
        context={
            "task": task_facts(scope, service_id),
            "batches": [columns.batch_line(each, moments) for each in newest.rows],
            "more_batches": count(newest.total) if newest.total > NEWEST else "",
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
                "seconds": math.ceil(isales().longest_call),
            },
        },
        status=200
        if open_form is None
        else open_form.status
        if form is None or form.is_valid()
        else 422,
    )


def unstored_page(request: ReaderRequest, scope: Scope, taking: call_data.Taking) -> HttpResponse:
    """The rows of an answer that could be stored nowhere, in the one answer that will hold them."""
    moments = Moments(timezone.now())
    response = render(
        request,
        "tasks/unstored.html",
        {
            "task": task_facts(scope, taking.batch.service_id),
            "batch": columns.batch_line(taking.batch, moments),
            "rows": taking.unstored,
            "text": taking.unstored_text
            or json.dumps([row.raw for row in taking.unstored], ensure_ascii=False, indent=2),
            "zone_text": moments.zone_text,
        },
        status=507,
    )
    return private(response)


def batch_page(request: ReaderRequest, scope: Scope, found: CallDataBatch) -> HttpResponse:
    """How one batch went, what to look up, and its rows."""
    moments = Moments(timezone.now())
    place = [scope.vdn.pk, found.service_id, found.pk]
    kept = found.state == BatchState.UNREADABLE and not found.purged_at
    return rows_page(
        request,
        scope,
        page="tasks/batch.html",
        path=reverse("call_data_batch", args=place),
        service_id=found.service_id,
        batch_id=found.pk,
        context={
            "task": task_facts(scope, found.service_id),
            "batch": columns.batch_line(found, moments),
            "facts": columns.batch_facts(found, moments),
            "zone_text": moments.zone_text,
            "raw_url": reverse("call_data_raw", args=place)
            if kept and scope.can(Permission.SEE_RAW_ANSWERS)
            else "",
        },
    )


def rows_page(
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
        address = ListAddress(path, filters, question.size, question.page)
        board |= {
            "batch": own or "",
            "batch_clear_url": address.without("batch"),
            "clear_url": address.cleared(),
            "kept": _kept(own, question),
        }
        try:
            found = call_data.rows(scope=scope, question=question)
        except SearchesSpent as error:
            problem = board["problem"] = problems.searches_spent(error)
            status = problem.status
        else:
            board |= {
                "rows": columns.datum_lines(scope, found.rows),
                "total": found.total,
                "total_text": count(found.total),
                "pager": pager(address, total=found.total, shown=len(found.rows)),
                "exports": _exports(scope, service_id, question),
            }
    else:
        status = 422
        board["errors"] = " ".join(map(str, form.errors.get("q", ())))
        kept = (("q", form.cleaned_data.get("q", "")), ("batch", form.cleaned_data.get("batch")))
        filters = tuple((name, str(value)) for name, value in kept if value)
        board["refused"] = True
        address = ListAddress(path, filters, form.cleaned_data.get("size", DEFAULT_SIZE), 1)
    board["notice"] = notice(form, address.at(page=1))
    return answer(
        request,
        page=page,
        fragment="tasks/_rows_fragment.html",
        context=context | {"board": board},
        status=status,
        problem=problem,
    )


def _kept(batch_id: int | None, question: call_data.RowQuestion) -> list[tuple[str, str]]:
    """What the search sends along: the batch that the reader chose, and their page size."""
    kept = [("batch", str(batch_id))] if batch_id else []
    return kept + ([("size", str(question.size))] if question.size != DEFAULT_SIZE else [])


def batch_list(request: ReaderRequest, scope: Scope, service_id: str) -> HttpResponse:
    """All batches of one task."""
    form = BatchFilter(request.GET)
    good = form.is_valid()
    asked = form.cleaned_data if good else {"page": 1, "size": DEFAULT_SIZE}
    page, size = asked["page"], asked["size"]
    found = call_data.batches(scope=scope, service_id=service_id, page=page, size=size)
    moments = Moments(timezone.now())
    path = reverse("take_call_data", args=[scope.vdn.pk, service_id])
    address = ListAddress(path, (), size, page)
    return answer(
        request,
        page="tasks/batches.html",
        fragment="tasks/_batches.html",
        context={
            "task": task_facts(scope, service_id),
            "batches": [columns.batch_line(each, moments) for each in found.rows],
            "total_text": count(found.total),
            "total": found.total,
            "pager": pager(address, total=found.total, shown=len(found.rows)),
            "notice": notice(form, address.at(page=1)),
            "refused": not good,
            "zone_text": moments.zone_text,
        },
        status=200 if good else 422,
    )


def _exports(
    scope: Scope, service_id: str, question: call_data.RowQuestion
) -> list[dict[str, str]]:
    pairs = (("q", question.text), ("batch", str(question.batch_id or "")))
    query = ListAddress(
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


def task_facts(scope: Scope, service_id: str) -> dict[str, str]:
    """A task by name, and the addresses of its pages. Nobody is asked."""
    name = tasks.name_of(scope=scope, service_id=service_id)
    return {
        "id": service_id,
        "name": name,
        "title": name or service_id,
        "url": reverse("task", args=[scope.vdn.pk, service_id]),
        "list_url": reverse("tasks", args=[scope.vdn.pk]),
        "batches_url": reverse("take_call_data", args=[scope.vdn.pk, service_id]),
    }
