"""Call data: of one task, of one batch, as a file; and the form by which it is taken."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.home.forms import CallDataRequestForm
from dashboard.outbound import columns
from dashboard.outbound.list_context import render_batch, render_batches, render_task, unstored_page
from dashboard.ui import exports, form_drafts
from dashboard.ui.htmx import SeeOther, make_private
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.times import TimeFormatter
from isales_proxy import access
from isales_proxy.access import Permission, Scope
from isales_proxy.accounts import form_drafts as form_services
from isales_proxy.models import CallDataBatch
from isales_proxy.number_access.services import DailySearchLimitExceeded
from isales_proxy.outbound import services as call_data
from isales_proxy.outbound import tasks
from isales_proxy.outbound.forms import CallDataFilter

_FILE: Final = "call-data"


@require_safe
@vdn_page(Permission.SEE_OUTBOUND)
def task(request: ReaderRequest, scope: Scope, service_id: str) -> HttpResponse:
    """`/vdn/<id>/tasks/<service ID>/`: what was taken of one task, and the form to take more.

    Takes nothing. CC-iSales is asked only whether it lists a task that was not seen before.
    """
    _must_be_a_task(service_id)
    away = None
    if form_drafts.FORM in request.GET:
        away = form_drafts.redirect_to_outcome(
            request, form_drafts.open_form(request, request.path)
        )
    return away or render_task(request, scope, service_id)


@require_http_methods(["GET", "HEAD", "POST"])
@vdn_page(Permission.SEE_OUTBOUND, post=Permission.TAKE_CALL_DATA)
def take_call_data(request: ReaderRequest, scope: Scope, service_id: str) -> HttpResponse:
    """Take call data by POST, then go to the batch; a GET only lists the batches."""
    _must_be_a_task(service_id)
    if request.method != "POST":
        return render_batches(request, scope, service_id)
    address = reverse("task", args=[scope.vdn.pk, service_id])
    left = form_drafts.discard_if_asked(request, leave=address, address=address)
    if left is not None:
        return left
    form = CallDataRequestForm(request.POST)
    key = form_drafts.get_posted_key(request)
    if not form.is_valid():
        return form_drafts.save_and_redirect(request, key=key, address=address)
    try:
        taking = call_data.request_call_data(
            scope=scope,
            service_id=service_id,
            batch_count=form.cleaned_data["batch_count"],
            key=str(form.cleaned_data["key"]),
            reason=form.cleaned_data["reason"],
        )
    except call_data.NoRoom:
        notice = _("Our disk has no room for the answer. CC-iSales was not asked.")
        return form_drafts.save_and_redirect(
            request, key=key, address=address, notice=notice, status=507
        )
    if taking.lost:
        # What can be stored nowhere stands in this one answer to the POST.
        return unstored_page(request, scope, taking)
    if taking.repeated:
        messages.warning(
            request,
            _("This form had been sent before, so nothing was asked for now. This is its batch."),
        )
    address = _batch_url(scope, taking.batch)
    form_services.finish(user=request.user, key=key, outcome=address)
    return SeeOther(address)


@require_safe
@vdn_page(Permission.SEE_OUTBOUND)
def batch(request: ReaderRequest, scope: Scope, service_id: str, batch_id: int) -> HttpResponse:
    """One batch: how it went, what to look up, and its rows."""
    return render_batch(request, scope, _batch(scope, service_id, batch_id))


@require_safe
@vdn_page(Permission.SEE_OUTBOUND)
def export(request: ReaderRequest, scope: Scope, service_id: str, kind: str) -> HttpResponseBase:
    """All rows of the filter as a file, named without any number."""
    _must_be_a_task(service_id)
    form = CallDataFilter(request.GET)
    if not form.is_valid():
        return render_task(request, scope, service_id)
    question = form.question(service_id=service_id)
    try:
        found = call_data.export_rows(scope=scope, question=question, kind=kind)
    except DailySearchLimitExceeded:
        # The page says so where its rows would be.
        return render_task(request, scope, service_id)
    moments = TimeFormatter(timezone.now())
    table = exports.ExportTable(
        name=_FILE,
        headings=columns.get_export_headings(moments),
        rows=columns.build_export_rows(found.rows, tasks.get_known_tasks(scope=scope), moments),
        total=found.total,
    )
    file = exports.render_file(request, kind, table)
    return render_task(request, scope, service_id) if file is None else file


@require_safe
@vdn_page(Permission.SEE_RAW_ANSWERS)
def raw_answer(
    request: ReaderRequest,  # noqa: ARG001 - Django's signature
    scope: Scope,
    service_id: str,
    batch_id: int,
) -> HttpResponse:
    """The answer that could not be read, byte for byte."""
    _batch(scope, service_id, batch_id)
    try:
        body = call_data.get_raw_answer(scope=scope, batch_id=batch_id)
    except access.VdnNotFound:
        raise Http404 from None
    response = HttpResponse(body, content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="answer.txt"'
    return make_private(response)


def _batch(scope: Scope, service_id: str, batch_id: int) -> CallDataBatch:
    try:
        found = call_data.get_batch(scope=scope, batch_id=batch_id)
    except access.VdnNotFound:
        raise Http404 from None
    if found.service_id != service_id:
        raise Http404
    return found


def _batch_url(scope: Scope, found: CallDataBatch) -> str:
    return reverse("call_data_batch", args=[scope.vdn.pk, found.service_id, found.pk])


def _must_be_a_task(service_id: str) -> None:
    """Any ID of a plausible form has a page: what was taken outlives the vendor's list."""
    if not tasks.is_task_id(service_id):
        raise Http404
