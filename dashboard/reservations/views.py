"""The reservations list, its side panel, and a number's other reservations."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from dashboard.reservations import columns, list_context
from dashboard.reservations.panel import panel_fields
from dashboard.result_codes import labels
from dashboard.ui.htmx import render_page_or_fragment, wants_fragment
from dashboard.ui.list_url import ListUrl, get_reservation_url, with_query
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.reveal_control import create_reservation_control
from dashboard.write_backs.labels import TONES
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.models import WriteBackState
from isales_proxy.number_access.budgets import DailySearchLimitExceeded
from isales_proxy.problems import Problem
from isales_proxy.reservations import services as reservations
from isales_proxy.reservations.forms import ReservationFilter
from isales_proxy.write_backs import queries as outbox

LIST = "reservations/list.html"
TYPING = "X-Callboard-Typing"


@require_safe
@vdn_page(Permission.SEE_RESERVATIONS)
def reservation_list(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/reservations/`: one page of the list, or its fragment."""
    context, status, problem = _list(request, scope)
    keeps_rows = TYPING in request.headers and wants_fragment(request) and _finds_nobody(context)
    response = render_page_or_fragment(
        request,
        page=LIST,
        fragment="reservations/_kept.html" if keeps_rows else "reservations/_fragment.html",
        context=context,
        status=status,
        problem=problem,
    )
    if keeps_rows:
        # The rows that stay are those of the address that stays.
        response.headers["HX-Push-Url"] = "false"
    elif wants_fragment(request) and context["form"].named():
        # A name in an address would mean another agent some day.
        response.headers["HX-Push-Url"] = context["board"].refresh_url
    return response


def _finds_nobody(context: dict[str, Any]) -> bool:
    """Whether an agent or a task was typed that there is not, and nothing else is wrong; said at
    the field."""
    form: ReservationFilter = context["form"]
    if form.is_valid():
        for name, text in context["board"].unknown.items():
            form.add_error(name, _("CC-iSales has no rows of “%(text)s”.") % {"text": text})
    return bool(form.errors) and form.errors.keys() <= {"agent", "task"}


@require_safe
@vdn_page(Permission.SEE_RESERVATIONS)
def reservation(request: ReaderRequest, scope: Scope, appoint_id: str) -> HttpResponse:
    """One reservation in the side panel; as a page it stands beside its list."""
    fragment = wants_fragment(request)
    context, status, problem = ({}, 200, None) if fragment else _list(request, scope)
    context["panel"], panel_status, panel_problem = _panel(request, scope, appoint_id)
    return render_page_or_fragment(
        request,
        page=LIST,
        fragment="reservations/_panel.html",
        context=context,
        status=max(status, panel_status),
        problem=problem or panel_problem,
    )


@require_safe
@vdn_page(Permission.SEE_RESERVATIONS)
def related(request: ReaderRequest, scope: Scope, appoint_id: str) -> HttpResponse:
    """Other reservations of the same called number, for the side panel; as a page, a list."""
    related_part: dict[str, Any] = {
        "rows": [],
        "problem": None,
        "truncated": False,
        "list_url": "",
        "reached": None,
    }
    problem = None
    try:
        found = reservations.list_related(
            scope=scope, appoint_id=appoint_id, query=_query(request, scope)
        )
        if found is None:
            raise Http404
        list_url = _number_url(scope, found.number)
        if not wants_fragment(request):
            return redirect(list_url or reverse("reservations", args=[scope.vdn.pk]))
    except ISalesError as error:
        problem = related_part["problem"] = problems.describe(error)
    else:
        read = list_context.create_row_formatter(scope)
        related_part |= {
            "rows": [_related_row(scope, row, read) for row in found.others.rows],
            "truncated": found.others.total > found.others.query.size,
            "list_url": list_url,
            "reached": _reached(scope, found.reached, read) if found.reached else None,
        }
    return render_page_or_fragment(
        request,
        page="reservations/_related.html",
        fragment="reservations/_related.html",
        context={"related": related_part},
        status=problem.status if problem else 200,
        problem=problem,
    )


def _list(request: ReaderRequest, scope: Scope) -> tuple[dict[str, Any], int, Problem | None]:
    """Context, status and problem of the list that this address asks for."""
    now = timezone.now()
    form = ReservationFilter(request.GET, scope=scope)
    status, problem = 200, None
    if not form.is_valid():
        board, status = list_context.create_context(scope, form, now), 422
    else:
        try:
            found = reservations.list_page(scope=scope, query=form.query())
        except DailySearchLimitExceeded as error:
            problem = problems.describe_search_limit(error)
            board, status = (
                list_context.create_refused_context(scope, form, now, problem),
                problem.status,
            )
        except ISalesError as error:
            problem = problems.describe(error)
            board, status = (
                list_context.create_failed_context(scope, form, now, problem),
                problem.status,
            )
        else:
            if found.error is not None:
                problem = problems.describe(found.error)
                status = problem.status
            if found.source == "live":
                now = timezone.now()
            board = list_context.fill_context(scope, form, now, found, problem)
    context = {
        "form": form,
        "board": board,
        "options": list_context.list_options(scope),
        "panel": None,
    }
    return context, status, problem


def _query(request: ReaderRequest, scope: Scope) -> ReservationQuery:
    """The list's question if it is a good one, else any page: the row is asked for by its ID."""
    form = ReservationFilter(request.GET, scope=scope)
    return form.query() if form.is_valid() else ReservationQuery()


def _panel(
    request: ReaderRequest, scope: Scope, appoint_id: str
) -> tuple[dict[str, Any], int, Problem | None]:
    here = reverse("reservation", args=[scope.vdn.pk, appoint_id])
    query = request.GET.urlencode()
    panel: dict[str, Any] = {
        "id": appoint_id,
        "called_no": "",
        "state": "unknown",
        "state_text": "",
        "when_text": "",
        "dial_text": "",
        "content": None,
        "write_backs": [],
        "said": None,
        "as_of_text": "",
        "missing": False,
        "reveal": None,
        "problem": None,
        "close_url": with_query(reverse("reservations", args=[scope.vdn.pk]), query),
        "related_url": with_query(
            reverse("reservation_related", args=[scope.vdn.pk, appoint_id]), query
        ),
        "url": with_query(here, query),
    }
    try:
        found = reservations.get(scope=scope, appoint_id=appoint_id, query=_query(request, scope))
    except ISalesError as error:
        panel["problem"] = problem = problems.describe(error)
        return panel, problem.status, problem
    if found is None:
        panel["missing"] = True
        return panel, 404, None
    read = list_context.create_row_formatter(scope)
    stand = read.standing(found.row)
    early = stand.dial_at is not None and stand.dial_at != found.row.appoint_time
    panel |= {
        "called_no": found.row.called_no or "",
        "state": stand.state.value,
        "state_text": read.states[stand.state],
        "when_text": read.when(found.row, stand),
        "dial_text": _("Automatic: dialled from %s, five minutes early.")
        % read.moments.short(stand.dial_at)
        if early
        else "",
        "content": panel_fields(found.row, read, masked=not scope.can(Permission.SEE_NUMBERS)),
        "write_backs": _write_backs(scope, appoint_id, read),
        "said": labels.build_panel_section(
            scope.vdn.pk, read.book, found.row.fail_code, read.language
        ),
        "as_of_text": read.moments.clock(found.as_of),
        "reveal": create_reservation_control(scope, appoint_id, query)
        if scope.can(Permission.REVEAL_NUMBERS) and (found.row.called_no or found.row.caller_no)
        else None,
    }
    if found.error is not None:
        panel["problem"] = problem = problems.describe(found.error)
        return panel, problem.status, problem
    return panel, 200, None


def _related_row(scope: Scope, row: Reservation, read: columns.RowFormatter) -> dict[str, str]:
    stand = read.standing(row)
    return {
        "url": get_reservation_url("reservation", scope.vdn.pk, row.appoint_id),
        "due": read.moments.short(row.appoint_time) or columns.NOTHING,
        "agent": row.user_name or row.user_account or columns.NOTHING,
        "state": stand.state.value,
        "state_text": read.states[stand.state],
        "code": row.fail_code or "",
        "result": read.code(row.fail_code) if row.fail_code else "",
    }


def _reached(scope: Scope, row: Reservation, read: columns.RowFormatter) -> dict[str, str]:
    at = read.moments.short(row.begin_time or row.appoint_time)
    return {
        "url": get_reservation_url("reservation", scope.vdn.pk, row.appoint_id),
        "text": _("Already reached %(at)s by %(agent)s.")
        % {"at": at, "agent": row.user_name or row.user_account or columns.NOTHING},
    }


def _write_backs(scope: Scope, appoint_id: str, read: columns.RowFormatter) -> list[dict[str, str]]:
    """The results written back for this reservation, for who may see them."""
    if not scope.can(Permission.SEE_OUTBOUND):
        return []
    return [
        {
            "url": reverse("write_back", args=[scope.vdn.pk, row.pk]),
            "written": read.moments.short(row.created_at),
            "tone": TONES[row.state],
            "state_text": str(WriteBackState(row.state).label),
            "by": row.created_by_name,
            "code": row.fail_code,
            "result": read.code(row.fail_code) if row.fail_code else "",
        }
        for row in outbox.of_reservation(scope=scope, appoint_id=appoint_id)
    ]


def _number_url(scope: Scope, number: str) -> str:
    asked = QueryDict(mutable=True)
    asked["called_no"] = number
    form = ReservationFilter(asked, scope=scope)
    path = reverse("reservations", args=[scope.vdn.pk])
    return ListUrl.from_form(path, form).at() if number and form.is_valid() else ""
