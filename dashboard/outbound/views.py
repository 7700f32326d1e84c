"""Pages and files of outbound tasks and their call data, and requests for more."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.outbound import columns
from dashboard.outbound.columns import TASK_COLUMNS, TaskRow
from dashboard.outbound.list_context import (
    render_batch,
    render_batches,
    render_task,
    render_unstored,
)
from dashboard.ui import form_drafts
from dashboard.ui.htmx import SeeOther, make_private
from dashboard.ui.list_context import (
    EmptyState,
    Link,
    ListContext,
    describe_provenance,
    explain_bad_filter,
    explain_no_match,
    render_list,
)
from dashboard.ui.list_page import SORT, ListPage, add_sort_field, get_order
from dashboard.ui.list_url import ListUrl, with_query
from dashboard.ui.local_lists import LocalFormatter, render_export, sort_rows
from dashboard.ui.parameters import has_bad_field
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.accounts import form_drafts as form_services
from isales_proxy.client.errors import ISalesError
from isales_proxy.core.form_fields import PageFilter
from isales_proxy.core.input_cleaning import clean_text
from isales_proxy.models import CallDataBatch
from isales_proxy.number_access.services import DailySearchLimitExceeded
from isales_proxy.outbound import call_data, queries, tasks
from isales_proxy.outbound.forms import CallDataFilter, CallDataRequestForm, TaskFilter
from isales_proxy.outbound.tasks import TaskList


@require_safe
@vdn_page(Permission.SEE_OUTBOUND)
def task_list(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/tasks/`: all tasks with their figures, searchable by name and ID."""
    return _render_tasks(request, scope)


@require_safe
@vdn_page(Permission.SEE_OUTBOUND, Permission.EXPORT)
def export_tasks(request: ReaderRequest, scope: Scope, kind: str) -> HttpResponseBase:
    """`/vdn/<id>/tasks/export.<kind>`: the tasks that match; the page if CC-iSales is away."""
    form, found, problem = _find_tasks(request, scope)
    if problem or not form.is_valid():
        return _render_tasks(request, scope)
    rows = _sort_tasks(scope, form, found)
    file = render_export(
        request,
        kind,
        columns=TASK_COLUMNS,
        rows=rows,
        formatter=columns.OutboundFormatter(scope),
        name="tasks",
        total=len(rows),
        form=form,
        scope=scope,
    )
    if file is None:
        return SeeOther(reverse("tasks", args=[scope.vdn.pk]))
    queries.record_task_export(
        scope=scope, kind=kind, rows=len(rows), searched=bool(form.cleaned_data["q"])
    )
    return file


def _find_tasks(
    request: ReaderRequest, scope: Scope
) -> tuple[TaskFilter, TaskList | None, problems.Problem | None]:
    form = add_sort_field(TaskFilter(request.GET), TASK_COLUMNS)
    try:
        found = tasks.list_tasks(scope=scope)
    except ISalesError as error:
        return form, None, problems.describe(error)
    return form, found, problems.describe(found.error) if found.error is not None else None


def _list_task_rows(scope: Scope, found: TaskList | None) -> list[TaskRow]:
    return columns.build_task_rows(
        found.rows if found else None,
        queries.get_figures(scope=scope),
        tasks.get_known_tasks(scope=scope),
    )


def _sort_tasks(scope: Scope, form: TaskFilter, found: TaskList | None) -> list[TaskRow]:
    """List the tasks that match a valid search, in its order."""
    wanted = clean_text(form.cleaned_data["q"]).casefold()
    rows = [row for row in _list_task_rows(scope, found) if _matches(row, wanted)]
    return sort_rows(rows, TASK_COLUMNS, form.cleaned_data[SORT])


def _render_tasks(request: ReaderRequest, scope: Scope) -> HttpResponse:
    form, found, problem = _find_tasks(request, scope)
    good = form.is_valid()
    address = ListUrl.from_filter(reverse("tasks", args=[scope.vdn.pk]), form, ("q",))
    page = ListPage(TASK_COLUMNS, address, _("Outbound tasks"), css="tasks")
    rows = _sort_tasks(scope, form, found) if good else []
    formatter = columns.OutboundFormatter(scope)
    page.fill(
        rows,
        formatter,
        total=len(rows),
        get_id=lambda row: f"t-{row.service_id}",
        get_attributes=lambda row: (("data-service-id", row.service_id),),
    )
    count = ngettext("%(counter)s task", "%(counter)s tasks", len(rows)) % {"counter": len(rows)}
    listing = ListContext(
        page=page,
        form=form,
        title=_("Tasks"),
        heading=page.title,
        styles=("css/outbound.css",),
        total_text=page.total_text,
        provenance=describe_provenance(found, formatter.times),
        refresh_url=with_query(address.path, request.GET.urlencode()),
        clear_url=address.path,
        problem=problem,
        rows_text=count,
        none_text=count,
    )
    if not good:
        listing.empty = explain_bad_filter(address.path) if has_bad_field(form) else None
    elif not rows:
        is_known = bool(address.filters and _list_task_rows(scope, found))
        listing.empty = _explain_no_tasks(address, is_known=is_known, failed=problem is not None)
    return render_list(request, listing)


def _explain_no_tasks(address: ListUrl, *, is_known: bool, failed: bool) -> EmptyState:
    """Explain why no task is shown; `is_known` when there are tasks that do not match."""
    if is_known:
        title = _("No task matches “%(q)s”") % dict(address.filters)
        return explain_no_match(title, Link(address.path, _("Show all tasks")))
    if failed:
        text = _("There is no earlier list to show instead.")
        return EmptyState("failed", icon="cloud-off", title=_("No tasks to show"), texts=[text])
    text = _("CC-iSales lists none for this VDN.")
    title = _("There are no outbound tasks")
    return EmptyState("none", icon="phone-off", title=title, texts=[text])


@require_safe
@vdn_page(Permission.SEE_OUTBOUND)
def task(request: ReaderRequest, scope: Scope, service_id: str) -> HttpResponse:
    """`/vdn/<id>/tasks/<service ID>/`: call data of one task, and the form to take more.

    CC-iSales is called only to check that it lists a task that was not seen before.
    """
    _require_task_id(service_id)
    outcome = None
    if form_drafts.FORM in request.GET:
        outcome = form_drafts.redirect_to_outcome(
            request, form_drafts.open_form(request, request.path)
        )
    return outcome or render_task(request, scope, service_id)


@require_http_methods(["GET", "HEAD", "POST"])
@vdn_page(Permission.SEE_OUTBOUND, post=Permission.TAKE_CALL_DATA)
def take_call_data(request: ReaderRequest, scope: Scope, service_id: str) -> HttpResponse:
    """Take call data by POST and redirect to the batch; a GET redirects to the list of batches."""
    _require_task_id(service_id)
    if request.method != "POST":
        path = reverse("batches", args=[scope.vdn.pk, service_id])
        return HttpResponseRedirect(with_query(path, request.GET.urlencode()))
    address = reverse("task", args=[scope.vdn.pk, service_id])
    discarded = form_drafts.discard_if_asked(request, leave=address, address=address)
    if discarded is not None:
        return discarded
    form = CallDataRequestForm(request.POST)
    key = form_drafts.get_posted_key(request)
    if not form.is_valid():
        return form_drafts.save_and_redirect(request, key=key, address=address)
    try:
        result = call_data.request_call_data(
            scope=scope,
            service_id=service_id,
            batch_count=form.cleaned_data["batch_count"],
            key=str(form.cleaned_data["key"]),
            reason=form.cleaned_data["reason"],
        )
    except call_data.NoDiskSpace:
        notice = _("There is no disk space for the answer. CC-iSales was not contacted.")
        return form_drafts.save_and_redirect(
            request, key=key, address=address, notice=notice, status=507
        )
    if result.lost:
        # Rows that could not be stored are shown in this response only.
        return render_unstored(request, scope, result)
    if result.repeated:
        messages.warning(
            request,
            _("This form was already sent, so nothing was requested now. This is its batch."),
        )
    address = _get_batch_url(scope, result.batch)
    form_services.finish(user=request.user, key=key, outcome=address)
    return SeeOther(address)


@require_safe
@vdn_page(Permission.SEE_OUTBOUND)
def batch_list(request: ReaderRequest, scope: Scope, service_id: str) -> HttpResponse:
    """`/vdn/<id>/tasks/<service ID>/batches/`: all requests for call data of one task."""
    _require_task_id(service_id)
    return render_batches(request, scope, service_id)


@require_safe
@vdn_page(Permission.SEE_OUTBOUND, Permission.EXPORT)
def export_batches(
    request: ReaderRequest, scope: Scope, service_id: str, kind: str
) -> HttpResponseBase:
    """`/vdn/<id>/tasks/<service ID>/batches/export.<kind>`: all batches, in the page's order."""
    _require_task_id(service_id)
    shown = columns.list_batch_columns(scope)
    form = add_sort_field(PageFilter(request.GET), shown)
    if not form.is_valid():
        return render_batches(request, scope, service_id)
    rows, total = queries.export_batches(
        scope=scope,
        service_id=service_id,
        kind=kind,
        order=get_order(shown, form.cleaned_data[SORT]),
    )
    file = render_export(
        request,
        kind,
        columns=shown,
        rows=rows,
        formatter=LocalFormatter(),
        name="batches",
        total=total,
        form=form,
        scope=scope,
        about=[(_("Task ID"), service_id)],
    )
    return file or SeeOther(reverse("batches", args=[scope.vdn.pk, service_id]))


@require_safe
@vdn_page(Permission.SEE_OUTBOUND)
def batch(request: ReaderRequest, scope: Scope, service_id: str, batch_id: int) -> HttpResponse:
    """One batch: its state, what to check, and its rows."""
    return render_batch(request, scope, _get_batch_or_404(scope, service_id, batch_id))


@require_safe
@vdn_page(Permission.SEE_OUTBOUND, Permission.EXPORT)
def export(request: ReaderRequest, scope: Scope, service_id: str, kind: str) -> HttpResponseBase:
    """`/vdn/<id>/tasks/<service ID>/call-data/export.<kind>`: all rows that match the filter."""
    _require_task_id(service_id)
    shown = columns.list_datum_columns(scope)
    form = add_sort_field(CallDataFilter(request.GET), shown)
    if not form.is_valid():
        return render_task(request, scope, service_id)
    query = form.query(service_id=service_id, order=get_order(shown, form.cleaned_data[SORT]))
    try:
        rows, total = queries.export_rows(scope=scope, query=query, kind=kind)
    except DailySearchLimitExceeded:
        # The page explains the limit.
        return render_task(request, scope, service_id)
    file = render_export(
        request,
        kind,
        columns=shown,
        rows=rows,
        formatter=columns.OutboundFormatter(scope),
        name="call-data",
        total=total,
        form=form,
        scope=scope,
        about=[(_("Task ID"), service_id)],
    )
    return render_task(request, scope, service_id) if file is None else file


@require_safe
@vdn_page(Permission.SEE_RAW_ANSWERS)
def raw_answer(
    request: ReaderRequest,  # noqa: ARG001 - Django's signature
    scope: Scope,
    service_id: str,
    batch_id: int,
) -> HttpResponse:
    """Send an answer that could not be parsed, byte for byte."""
    _get_batch_or_404(scope, service_id, batch_id)
    body = queries.get_raw_answer(scope=scope, batch_id=batch_id)
    response = HttpResponse(body, content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="answer.txt"'
    return make_private(response)


def _get_batch_or_404(scope: Scope, service_id: str, batch_id: int) -> CallDataBatch:
    found = queries.get_batch(scope=scope, batch_id=batch_id)
    if found.service_id != service_id:
        raise Http404
    return found


def _get_batch_url(scope: Scope, found: CallDataBatch) -> str:
    return reverse("call_data_batch", args=[scope.vdn.pk, found.service_id, found.pk])


def _require_task_id(service_id: str) -> None:
    """Raise Http404 for text that is no task ID. Tasks that the vendor does not list any more still
    have a page, since their call data stays."""
    if not tasks.is_task_id(service_id):
        raise Http404


def _matches(row: TaskRow, wanted: str) -> bool:
    return any(wanted in clean_text(text).casefold() for text in (row.name, row.service_id))
