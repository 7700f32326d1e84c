"""The reservations list, its side panel, and other reservations of a number."""

from __future__ import annotations

from typing import Any, Final

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from dashboard.reservations import list_context
from dashboard.reservations.panel import create_panel, create_related, fill_panel, fill_related
from dashboard.ui.htmx import render_page_or_fragment, wants_fragment
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.number_access.services import DailySearchLimitExceeded
from isales_proxy.problems import Problem
from isales_proxy.reservations import services as reservations
from isales_proxy.reservations.forms import ReservationFilter

_LIST: Final = "reservations/list.html"
# Sent by the filters while somebody types.
_TYPING_HEADER: Final = "X-Callboard-Typing"


@require_safe
@vdn_page(Permission.SEE_RESERVATIONS)
def reservation_list(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/reservations/`: one page of the list, or its fragment."""
    context, status, problem = _fetch_list(request, scope)
    keeps_rows = (
        _TYPING_HEADER in request.headers
        and wants_fragment(request)
        and _has_only_unknown_names(context)
    )
    response = render_page_or_fragment(
        request,
        page=_LIST,
        fragment="reservations/_kept.html" if keeps_rows else "reservations/_fragment.html",
        context=context,
        status=status,
        problem=problem,
    )
    if keeps_rows:
        # The rows that stay belong to the address that stays.
        response.headers["HX-Push-Url"] = "false"
    elif wants_fragment(request) and context["form"].is_ambiguous():
        # A name in an address could mean another agent later, a time without offset another one.
        response.headers["HX-Push-Url"] = context["list"].refresh_url
    return response


@require_safe
@vdn_page(Permission.SEE_RESERVATIONS)
def reservation(request: ReaderRequest, scope: Scope, appoint_id: str) -> HttpResponse:
    """One reservation in the side panel; as a page it stands beside its list."""
    fragment = wants_fragment(request)
    context, status, problem = ({}, 200, None) if fragment else _fetch_list(request, scope)
    context["panel"], panel_status, panel_problem = _fetch_panel(request, scope, appoint_id)
    return render_page_or_fragment(
        request,
        page=_LIST,
        fragment="reservations/_panel.html",
        context=context,
        status=max(status, panel_status),
        problem=problem or panel_problem,
    )


@require_safe
@vdn_page(Permission.SEE_RESERVATIONS)
def related(request: ReaderRequest, scope: Scope, appoint_id: str) -> HttpResponse:
    """Other reservations of the same called number, for the side panel; as a page, a list."""
    context, problem = create_related(), None
    try:
        found = reservations.list_related(
            scope=scope, appoint_id=appoint_id, query=_get_query(request, scope)
        )
    except ISalesError as error:
        problem = context["problem"] = problems.describe(error)
    else:
        if found is None:
            raise Http404
        context = fill_related(scope, found)
        if not wants_fragment(request):
            return redirect(context["list_url"] or reverse("reservations", args=[scope.vdn.pk]))
    return render_page_or_fragment(
        request,
        page="reservations/_related.html",
        fragment="reservations/_related.html",
        context={"related": context},
        status=problem.status if problem else 200,
        problem=problem,
    )


def _has_only_unknown_names(context: dict[str, Any]) -> bool:
    """Return True if the only errors are an agent or a task that does not exist.

    Adds the errors of names that CC-iSales has no rows of.
    """
    form: ReservationFilter = context["form"]
    if form.is_valid():
        for name, text in context["list"].unknown.items():
            form.add_error(name, _("CC-iSales has no rows for “%(text)s”.") % {"text": text})
    return bool(form.errors) and form.errors.keys() <= {"agent", "task"}


def _fetch_list(request: ReaderRequest, scope: Scope) -> tuple[dict[str, Any], int, Problem | None]:
    """Return context, status and problem of the list that this address asks for."""
    now = timezone.now()
    form = ReservationFilter(request.GET, scope=scope, now=now)
    status, problem = 200, None
    if not form.is_valid():
        found, status = list_context.create_context(scope, form, now), 422
    else:
        try:
            page = reservations.list_page(scope=scope, query=form.query())
        except DailySearchLimitExceeded as error:
            problem = problems.describe_search_limit(error)
            found = list_context.create_refused_context(scope, form, now, problem)
        except ISalesError as error:
            problem = problems.describe(error)
            found = list_context.create_failed_context(scope, form, now, problem)
        else:
            problem = problems.describe(page.error) if page.error is not None else None
            if page.source == "live":
                now = timezone.now()
            found = list_context.fill_context(scope, form, now, page, problem)
        status = problem.status if problem else 200
    context = {
        "form": form,
        "list": found,
        "options": list_context.list_options(scope),
        "panel": None,
    }
    return context, status, problem


def _get_query(request: ReaderRequest, scope: Scope) -> ReservationQuery:
    """Return the list's query, or any page if it is invalid: the row is found by its ID."""
    form = ReservationFilter(request.GET, scope=scope)
    return form.query() if form.is_valid() else ReservationQuery()


def _fetch_panel(
    request: ReaderRequest, scope: Scope, appoint_id: str
) -> tuple[dict[str, Any], int, Problem | None]:
    """Return context, status and problem of the side panel."""
    query = request.GET.urlencode()
    panel = create_panel(scope, appoint_id, query)
    problem = None
    try:
        found = reservations.get(
            scope=scope, appoint_id=appoint_id, query=_get_query(request, scope)
        )
    except ISalesError as error:
        problem = problems.describe(error)
    else:
        if found is None:
            return panel | {"missing": True}, 404, None
        panel = fill_panel(scope, found, query)
        problem = problems.describe(found.error) if found.error is not None else None
    return panel | {"problem": problem}, problem.status if problem else 200, problem
