"""Pages of write-backs: the list, one write-back with its journal, and the form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.ui import form_drafts
from dashboard.ui.form_drafts import OpenForm
from dashboard.ui.htmx import (
    SeeOther,
    is_typing,
    keep_address,
    make_private,
    render_page_or_fragment,
    wants_fragment,
)
from dashboard.ui.list_context import render_list
from dashboard.ui.list_page import SORT, add_sort_field, get_order
from dashboard.ui.local_lists import render_export
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.row_formatting import CodeFormatter
from dashboard.ui.times import TimeFormatter
from dashboard.write_backs import columns, form_fields, labels, list_context
from dashboard.write_backs.columns import Columns
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.accounts import form_drafts as form_services
from isales_proxy.client.errors import ISalesError
from isales_proxy.models import WriteBack, WriteBackState
from isales_proxy.number_access.services import DailySearchLimitExceeded
from isales_proxy.outbound import tasks
from isales_proxy.problems import Problem
from isales_proxy.result_codes import services as result_codes
from isales_proxy.vendor import vendor_times
from isales_proxy.write_backs import prefill, queries
from isales_proxy.write_backs import services as write_backs
from isales_proxy.write_backs.fields import TIMES
from isales_proxy.write_backs.forms import (
    LONGEST_RESERVATION,
    LONGEST_SOURCE,
    WriteBackFilter,
    WriteBackForm,
)
from isales_proxy.write_backs.prefill import NumberSource, Prefill
from isales_proxy.write_backs.services import WrongState

_LONGEST_NUMBER = 18


@require_safe
@vdn_page(Permission.SEE_OUTBOUND)
def write_back_list(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/write-backs/`: one page of the list, or its fragment."""
    return _render_list(request, scope, *_create_filter(request, scope))


@require_safe
@vdn_page(Permission.SEE_OUTBOUND, Permission.EXPORT)
def export(request: ReaderRequest, scope: Scope, kind: str) -> HttpResponseBase:
    """`/vdn/<id>/write-backs/export.<kind>`: all rows that match, in the order of the page."""
    form, shown = _create_filter(request, scope)
    if not form.is_valid():
        return _render_list(request, scope, form, shown)
    query = form.query(order=get_order(shown, form.cleaned_data[SORT]))
    try:
        rows, total = queries.export(scope=scope, query=query, kind=kind)
    except DailySearchLimitExceeded:
        # The page explains the limit.
        return _render_list(request, scope, form, shown)
    file = render_export(
        request,
        kind,
        columns=shown,
        rows=rows,
        formatter=columns.WriteBackFormatter(scope, timezone.now()),
        name="write-backs",
        total=total,
        form=form,
        scope=scope,
    )
    return file or SeeOther(reverse("write_backs", args=[scope.vdn.pk]))


def _create_filter(request: ReaderRequest, scope: Scope) -> tuple[WriteBackFilter, Columns]:
    """Create the filter, and the columns that it may sort by."""
    shown = columns.list_columns(scope)
    return add_sort_field(WriteBackFilter(request.GET), shown), shown


def _render_list(
    request: ReaderRequest, scope: Scope, form: WriteBackFilter, shown: Columns
) -> HttpResponse:
    listing = _build_context(request, scope, form, shown)
    task = form.cleaned_data.get("task", "")
    keeps_rows = bool(
        task
        and listing.status == 200
        and is_typing(request)
        and not queries.has_task(scope=scope, text=task)
    )
    if not keeps_rows:
        return render_list(request, listing)
    form.add_error("task", _("No write-back has a task “%(text)s”.") % {"text": task})
    return keep_address(
        render_list(request, listing, fragment="write_backs/_kept.html", status=200)
    )


def _build_context(
    request: ReaderRequest, scope: Scope, form: WriteBackFilter, shown: Columns
) -> list_context.WriteBackListContext:
    now = timezone.now()
    if not form.is_valid():
        return list_context.create_context(scope, form, shown, now)
    kept = form.cleaned_data["shown"] if wants_fragment(request) else ()
    newer = None
    query = form.query(order=get_order(shown, form.cleaned_data[SORT]))
    try:
        if kept:
            found, newer = queries.list_shown(scope=scope, query=query, shown=kept)
        else:
            found = queries.list_page(scope=scope, query=query)
    except DailySearchLimitExceeded as error:
        listing = list_context.create_context(scope, form, shown, now)
        listing.problem = problems.describe_search_limit(error)
        return listing
    return list_context.fill_context(scope, form, shown, found, now, newer=newer)


@require_safe
@vdn_page(Permission.SEE_OUTBOUND)
def write_back(request: ReaderRequest, scope: Scope, pk: int) -> HttpResponse:
    """`/vdn/<id>/write-backs/<pk>/`: the request, its state, and all attempts."""
    found = queries.get(scope=scope, pk=pk)
    return render_page_or_fragment(
        request,
        page="write_backs/detail.html",
        fragment="write_backs/_detail.html",
        context={"detail": list_context.build_detail(scope, found, timezone.now())},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@vdn_page(Permission.WRITE_BACK)
def write_back_new(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/write-backs/new/`: the form, with errors if it was refused, or its review.

    A POST stores a confirmed result; otherwise it saves the draft and redirects to the form.
    """
    if request.method != "POST":
        open_form = form_drafts.open_form(request)
        return form_drafts.redirect_to_outcome(request, open_form) or _render_open_form(
            request, scope, open_form
        )
    outbox_url = reverse("write_backs", args=[scope.vdn.pk])
    discarded = form_drafts.discard_if_asked(request, leave=request.POST.get("back") or outbox_url)
    if discarded is not None:
        return discarded
    key = form_drafts.get_posted_key(request)
    form = _create_form(scope, request.POST)
    if not form.is_valid() or "change" in request.POST:
        return form_drafts.save_and_redirect(request, key=key)
    if "confirm" not in request.POST or key != request.POST.get(form_drafts.KEY):
        return form_drafts.save_and_redirect(request, key=key, review=True)
    try:
        queued = write_backs.queue_once(
            scope=scope,
            result=form.result(),
            key=key,
            appoint_id=form.cleaned_data["reservation"],
            number_of=form.cleaned_data["number_of"],
        )
    except WrongState as error:
        return form_drafts.save_and_redirect(request, key=key, notice=error.sentence, status=409)
    url = _get_url(scope, queued.row.pk)
    form_services.finish(user=request.user, key=key, outcome=url)
    return SeeOther(url)


def _render_open_form(request: ReaderRequest, scope: Scope, open_form: OpenForm) -> HttpResponse:
    """Render the form of this address, or its review."""
    form = _create_form(scope, open_form.data)
    draft, problem = _find_prefill(request, scope, open_form)
    if open_form.data is None:
        return _render_form(request, scope, form, open_form, draft=draft, problem=problem)
    status = open_form.status
    if open_form.judged and not form.is_valid():
        status = 422
    elif form_drafts.REVIEW in request.GET and form.is_valid():
        try:
            return _render_review(request, scope, form, open_form)
        except WrongState as error:
            open_form = replace(open_form, notice=error.sentence)
            status = 409
    return _render_form(request, scope, form, open_form, draft=draft, status=status)


@require_POST
@vdn_page(Permission.WRITE_BACK)
def retry(request: ReaderRequest, scope: Scope, pk: int) -> HttpResponse:
    """Queue an undelivered write-back again."""
    return _change(request, scope, pk, write_backs.retry)


@require_POST
@vdn_page(Permission.WRITE_BACK)
def cancel(request: ReaderRequest, scope: Scope, pk: int) -> HttpResponse:
    """Cancel a waiting write-back."""
    return _change(request, scope, pk, write_backs.cancel)


def _change(
    request: ReaderRequest, scope: Scope, pk: int, action: Callable[..., WriteBack]
) -> HttpResponse:
    try:
        action(scope=scope, pk=pk)
    except WrongState as error:
        messages.error(request, error.sentence)
    return SeeOther(_get_url(scope, pk))


def _get_url(scope: Scope, pk: int) -> str:
    return reverse("write_back", args=[scope.vdn.pk, pk])


def _create_form(scope: Scope, data: Any) -> WriteBackForm:
    return WriteBackForm(
        data,
        scope=scope,
        book=result_codes.get_book(scope.vdn),
        now=timezone.now(),
        tasks=tasks.get_known_tasks(scope=scope),
    )


def _find_prefill(
    request: ReaderRequest, scope: Scope, open_form: OpenForm
) -> tuple[Prefill, Problem | None]:
    """Return the prefill, and the problem that prevented it.

    For an edited form the prefill only has suggestions. Raises Http404 for an unknown source.
    """
    typed = open_form.data
    datum = request.GET.get("datum", "")
    if datum:
        number = int(datum) if datum.isdecimal() and len(datum) <= _LONGEST_NUMBER else 0
        found = prefill.prefill_from_datum(scope=scope, pk=number)
        if found is None and typed is None:
            raise Http404
        return found or Prefill(), None
    reservation = request.GET.get("reservation", "")
    if typed is not None:
        reservation = typed.get("reservation", "")[:LONGEST_RESERVATION]
    if not reservation:
        return Prefill(sources=_list_sources(scope, typed)), None
    try:
        found = prefill.prefill_from_reservation(scope=scope, appoint_id=reservation)
    except ISalesError as error:
        problem = problems.describe(error)
        kept = reservation if typed is not None else ""
        return Prefill(appoint_id=kept, sources=_list_sources(scope, typed)), problem
    if found is None and typed is None:
        raise Http404
    return found or Prefill(appoint_id=reservation, sources=_list_sources(scope, typed)), None


def _list_sources(scope: Scope, typed: QueryDict | None) -> tuple[NumberSource, ...]:
    key = typed.get("number_of", "")[:LONGEST_SOURCE] if typed is not None else ""
    return prefill.list_number_sources(scope=scope, key=key)


def _render_form(
    request: ReaderRequest,
    scope: Scope,
    form: WriteBackForm,
    open_form: OpenForm,
    *,
    draft: Prefill,
    problem: Problem | None = None,
    status: int = 200,
) -> HttpResponse:
    # A time that occurs twice and has no offset yet cannot be shown in another zone.
    zone = form.zone() if form.lacks_offset() else timezone.get_current_timezone()
    with timezone.override(zone):
        groups = form_fields.build_groups(
            form,
            draft,
            language=get_language() or "en",
            names=tasks.get_known_tasks(scope=scope),
            show_errors=open_form.judged,
        )
    views = [view for group in groups for view in (*group.fields, *group.rare)]
    if open_form.data is not None:
        back = open_form.data.get("back", "")
    else:
        back = form_drafts.get_previous_address(request)
    context = {
        "vdn_id": scope.vdn.pk,
        "form": open_form,
        "groups": groups,
        "bad": sum(bool(view.errors) for view in views),
        "reservation": draft.appoint_id,
        "back": back,
        "problem": problem,
        "zone": str(zone),
        "zone_text": TimeFormatter(timezone.now(), zone).zone_text,
    }
    status = problem.status if problem else status
    return make_private(render(request, "write_backs/form.html", context, status=status))


def _render_review(
    request: ReaderRequest, scope: Scope, form: WriteBackForm, open_form: OpenForm
) -> HttpResponse:
    result = form.result()
    body = write_backs.preview(scope=scope, result=result, number_of=form.cleaned_data["number_of"])
    earlier = queries.list_states(scope=scope, unique_id=result.unique_id)
    typed = open_form.data or QueryDict()
    context = {
        "vdn_id": scope.vdn.pk,
        "form": open_form,
        "facts": labels.list_details(
            body, scope.vdn, CodeFormatter(scope), tasks.get_known_tasks(scope=scope)
        ),
        "json": labels.format_json(body),
        "given": [
            *form_fields.list_given_values(form),
            *((name, typed.get(name, "")) for name in ("zone", "back")),
        ],
        "contradicts": form.contradicts(),
        "ambiguous": any(
            vendor_times.is_ambiguous(form.cleaned_data[name], scope.vdn) for name in TIMES
        ),
        "waiting": earlier.count(WriteBackState.WAITING),
        "delivered": WriteBackState.DELIVERED in earlier,
        "zone_text": TimeFormatter(timezone.now()).zone_text,
    }
    return make_private(render(request, "write_backs/preview.html", context))
