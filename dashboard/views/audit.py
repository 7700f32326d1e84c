"""The audit of a VDN: searched by those who may, and as a file."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from dashboard import exports
from dashboard.audit import boards, verification
from dashboard.audit.forms import VerifyForm
from dashboard.htmx import answer, wants_fragment
from dashboard.moments import Moments
from dashboard.paging import count
from dashboard.permissions import vdn_page
from dashboard.readers import ReaderRequest
from dashboard.responses import SeeOther
from isales_proxy.access import Permission, Scope
from isales_proxy.audit_filter import AuditFilter
from isales_proxy.services import problems
from isales_proxy.services.audit import reading
from isales_proxy.services.numbers.budgets import SearchesSpent

_FILE: Final = "audit"
# Of what is no anchor, this much goes into the address of the page that says so.
_MOST_TYPED: Final = 200


@require_safe
@vdn_page(Permission.SEE_AUDIT)
def audit_list(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/audit/`: one page of events, or its fragment.

    An address with a called number is left at once for one with its fingerprint.
    """
    form = AuditFilter(request.GET)
    try:
        searched = _searched(scope, form)
    except SearchesSpent as error:
        return _refused(request, scope, form, error)
    if searched and not wants_fragment(request):
        return redirect(boards.AuditAddress.of(scope, form).at())
    response = _page(request, scope, form)
    if searched:
        response.headers["HX-Push-Url"] = boards.AuditAddress.of(scope, form).at()
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@vdn_page(Permission.SEE_AUDIT)
def audit_verify(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/audit/verify/`: the last result; a POST verifies anew, an anchor too."""
    address = reverse("audit_verify", args=[scope.vdn.pk])
    sent = request.method == "POST"
    form = VerifyForm(request.POST if sent else request.GET or None)
    if sent and not form.is_valid():
        typed = request.POST.get("anchor", "")[:_MOST_TYPED]
        return SeeOther(f"{address}?{urlencode({'anchor': typed})}")
    if sent:
        anchor = form.cleaned_data["anchor"]
        found = reading.verify(scope=scope, anchor=anchor)
        verification.keep(request.session, found, now=timezone.now(), anchored=bool(anchor))
        return SeeOther(address)
    moments = Moments(timezone.now())
    context = {
        "form": form,
        "vdn_id": scope.vdn.pk,
        "result": verification.shown(request.session, moments),
        "zone_text": moments.zone_text,
    }
    return render(request, "audit/verify.html", context, status=422 if form.errors else 200)


@require_safe
@vdn_page(Permission.SEE_AUDIT)
def audit_export(request: ReaderRequest, scope: Scope, kind: str) -> HttpResponseBase:
    """All events of the filter as a file."""
    form = AuditFilter(request.GET)
    if not form.is_valid():
        return _page(request, scope, form)
    try:
        _searched(scope, form)
    except SearchesSpent as error:
        return _refused(request, scope, form, error)
    try:
        found = reading.export(scope=scope, query=form.query().whole, kind=kind)
    except reading.TooMany as refused:
        messages.error(
            request,
            _("%(total)s events are too many for one file, which holds %(most)s: filter them.")
            % {"total": count(refused.total), "most": count(reading.MOST_EXPORTED)},
        )
        return _page(request, scope, form, status=422)
    moments = Moments(timezone.now())
    table = exports.Table(
        name=_FILE,
        headings=boards.export_headings(moments),
        rows=boards.export_rows(found.events, moments),
        total=found.total,
    )
    file = exports.as_file(request, kind, table)
    return _page(request, scope, form, status=422) if file is None else file


def _searched(scope: Scope, form: AuditFilter) -> bool:
    """Whether the form asks for a called number, which is then told. Raises SearchesSpent."""
    number = form.cleaned_data["number"] if form.is_valid() else ""
    if number:
        reading.note_search(scope=scope, number=number)
    return bool(number)


def _refused(
    request: ReaderRequest, scope: Scope, form: AuditFilter, error: SearchesSpent
) -> HttpResponse:
    # Its fingerprint in the links of the page would be as good as the number.
    form.forget_number()
    board = boards.blank(scope, form, timezone.now(), reading.state(scope=scope))
    board.limit = problems.searches_spent(error)
    return _answer(request, scope, form, board, board.limit.status)


def _page(
    request: ReaderRequest, scope: Scope, form: AuditFilter, *, status: int = 200
) -> HttpResponse:
    now = timezone.now()
    head = reading.state(scope=scope)
    if form.is_valid():
        found = reading.find(scope=scope, query=form.query())
        board = boards.filled(scope, form, found, now, head)
    else:
        board, status = boards.blank(scope, form, now, head), 422
    return _answer(request, scope, form, board, status)


def _answer(
    request: ReaderRequest, scope: Scope, form: AuditFilter, board: boards.AuditBoard, status: int
) -> HttpResponse:
    return answer(
        request,
        page="audit/list.html",
        fragment="audit/_fragment.html",
        context={"form": form, "board": board, "people": reading.people(scope=scope)},
        status=status,
        problem=board.limit,
    )
