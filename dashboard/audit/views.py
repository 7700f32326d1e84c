"""Audit pages of a VDN: the list, its export, and the verification of the chain."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.audit import list_context
from dashboard.audit.columns import AUDIT_COLUMNS, EventFormatter
from dashboard.ui.htmx import SeeOther, wants_fragment
from dashboard.ui.list_context import render_list
from dashboard.ui.list_page import add_sort_field
from dashboard.ui.local_lists import render_export
from dashboard.ui.paging import format_count
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.times import TimeFormatter
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.audit import queries
from isales_proxy.audit.forms import AuditFilter, VerifyForm
from isales_proxy.audit.verify import Verdict
from isales_proxy.number_access import services as number_access
from isales_proxy.number_access.services import DailySearchLimitExceeded

# Characters of an invalid anchor that are kept in the address of the page that refuses it.
_MOST_TYPED: Final = 200
# In the session: the result of its last verification.
_RESULT_KEY: Final = "audit_verification"


@require_safe
@vdn_page(Permission.SEE_AUDIT)
def audit_list(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/audit/`: one page of events, or its fragment.

    An address with a called number redirects to one with its fingerprint.
    """
    form = _create_filter(request)
    try:
        searched = _record_search(scope, form)
    except DailySearchLimitExceeded as error:
        return _render_search_limit(request, scope, form, error)
    if searched and not wants_fragment(request):
        return redirect(list_context.build_url(scope, form).get_url())
    response = _render_list(request, scope, form)
    if searched:
        response.headers["HX-Push-Url"] = list_context.build_url(scope, form).get_url()
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@vdn_page(Permission.SEE_AUDIT)
def audit_verify(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/audit/verify/`: the last result; a POST verifies, with an anchor if given."""
    address = reverse("audit_verify", args=[scope.vdn.pk])
    if request.method == "POST":
        form = VerifyForm(request.POST)
        if not form.is_valid():
            typed = request.POST.get("anchor", "")[:_MOST_TYPED]
            return SeeOther(f"{address}?{urlencode({'anchor': typed})}")
        anchor = form.cleaned_data["anchor"]
        found = queries.verify(scope=scope, anchor=anchor)
        _store_result(request.session, found, has_anchor=bool(anchor))
        return SeeOther(address)
    form = VerifyForm(request.GET or None)
    times = TimeFormatter(timezone.now())
    context = {
        "form": form,
        "vdn_id": scope.vdn.pk,
        "result": _create_result_context(request.session, times),
        "zone_text": times.zone_text,
    }
    return render(request, "audit/verify.html", context, status=422 if form.errors else 200)


def _store_result(session: SessionBase, found: Verdict, *, has_anchor: bool) -> None:
    """Store the result of a verification until the next one."""
    session[_RESULT_KEY] = {
        "at": timezone.now().isoformat(),
        "count": found.count,
        "first_at": found.first_at.isoformat() if found.first_at else "",
        "last_at": found.last_at.isoformat() if found.last_at else "",
        "anchor": found.anchor,
        "problem": found.short,
        "anchored": has_anchor,
    }


def _create_result_context(session: SessionBase, times: TimeFormatter) -> dict[str, Any] | None:
    """Return the last result for the template; None if nothing was verified in this session."""
    stored = session.get(_RESULT_KEY)
    if not isinstance(stored, dict):
        return None
    at, first, last = (
        times.exact(datetime.fromisoformat(stored[name])) if stored[name] else "–"
        for name in ("at", "first_at", "last_at")
    )
    return {
        "problem": list_context.describe_fault(stored["problem"]),
        "anchored": stored["anchored"] and not stored["problem"],
        "at": at,
        "anchor": stored["anchor"],
        "facts": [
            ("events", _("Events"), format_count(stored["count"])),
            ("from", _("From"), first),
            ("to", _("To"), last),
        ],
    }


@require_safe
@vdn_page(Permission.SEE_AUDIT, Permission.EXPORT)
def audit_export(request: ReaderRequest, scope: Scope, kind: str) -> HttpResponseBase:
    """Export all events of the filter."""
    form = _create_filter(request)
    if not form.is_valid():
        return _render_list(request, scope, form)
    try:
        _record_search(scope, form)
    except DailySearchLimitExceeded as error:
        return _render_search_limit(request, scope, form, error)
    try:
        events, total = queries.export(scope=scope, query=form.query(), kind=kind)
    except queries.TooManyEvents as refused:
        messages.error(
            request,
            _("%(total)s events are too many for one file, which holds %(most)s: filter them.")
            % {"total": format_count(refused.total), "most": format_count(queries.MOST_EXPORTED)},
        )
        return _render_list(request, scope, form, status=422)
    file = render_export(
        request,
        kind,
        columns=AUDIT_COLUMNS,
        rows=events,
        formatter=EventFormatter(scope.vdn.pk, TimeFormatter(timezone.now())),
        name="audit",
        total=total,
        form=form,
        scope=scope,
    )
    return _render_list(request, scope, form, status=422) if file is None else file


def _create_filter(request: ReaderRequest) -> AuditFilter:
    return add_sort_field(AuditFilter(request.GET), AUDIT_COLUMNS)


def _record_search(scope: Scope, form: AuditFilter) -> bool:
    """Record a search by called number; return whether there is one. Raises
    DailySearchLimitExceeded."""
    number = form.cleaned_data["number"] if form.is_valid() else ""
    if number:
        number_access.record_audit_search(scope=scope, number=number)
    return bool(number)


def _render_search_limit(
    request: ReaderRequest, scope: Scope, form: AuditFilter, error: DailySearchLimitExceeded
) -> HttpResponse:
    # With its fingerprint in the links of the page the number could still be searched for.
    form.forget_number()
    listing = list_context.create_context(scope, form, timezone.now())
    listing.problem = problems.describe_search_limit(error)
    return render_list(request, listing)


def _render_list(
    request: ReaderRequest, scope: Scope, form: AuditFilter, *, status: int | None = None
) -> HttpResponse:
    now = timezone.now()
    if not form.is_valid():
        return render_list(request, list_context.create_context(scope, form, now))
    found = queries.list_events(scope=scope, query=form.query())
    return render_list(request, list_context.fill_context(scope, form, found, now), status=status)
