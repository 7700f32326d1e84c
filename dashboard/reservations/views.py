"""The reservations list, its side panel, and other reservations of a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.http import Http404, HttpResponse, HttpResponseBase
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.reservations import list_context
from dashboard.reservations.export_file import RefusedFile, create_file_response
from dashboard.reservations.list_context import ReservationListContext
from dashboard.reservations.panel import create_panel, create_related, fill_panel, fill_related
from dashboard.ui.htmx import (
    SeeOther,
    find_rendered_fragment,
    is_typing,
    keep_address,
    render_page_or_fragment,
    render_repeatable_fragment,
    wants_fragment,
)
from dashboard.ui.list_url import with_query
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.core.database import optional_write
from isales_proxy.number_access.services import DailySearchLimitExceeded
from isales_proxy.problems import Problem
from isales_proxy.reservations import services as reservations
from isales_proxy.reservations.forms import ReservationFilter, SeenForm
from isales_proxy.reservations.history import get_history
from isales_proxy.reservations.pages import ReservationPage
from isales_proxy.reservations.query import ListQuery, SourceRefused
from isales_proxy.reservations.services import ChosenSource

_LIST: Final = "reservations/list.html"
_FRAGMENT: Final = "reservations/fragment.jinja"


@require_safe
@vdn_page(Permission.SEE_RESERVATIONS)
def reservation_list(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/reservations/`: one page of the list, or its fragment."""
    is_repeatable = wants_fragment(request) and not is_typing(request)
    # Each search for a number is counted.
    if (
        is_repeatable
        and "called_no" not in request.GET
        and (rendered := find_rendered_fragment(request, scope)) is not None
    ):
        return rendered
    now = timezone.now()
    form, chosen = _open_list(request, scope, now, drops=True)
    # The revision of the mirror decides without the rows.
    if (
        is_repeatable
        and chosen is not None
        and chosen.from_mirror
        and chosen.coverage is not None
        and not form.is_ambiguous()
        and not form.cleaned_data["called_no"]
    ):
        return render_repeatable_fragment(
            request,
            scope,
            fragment=_FRAGMENT,
            answered=list_context.describe_mirror(chosen, chosen.coverage),
            build=lambda: _fetch_list(request, scope, form, chosen, now).build_context(),
        )
    answer = _fetch_list(request, scope, form, chosen, now)
    if (
        is_repeatable
        and answer.page is not None
        and answer.page.as_of is not None
        and answer.page.mirror is None
        and answer.problem is None
        and not answer.form.is_ambiguous()
    ):
        return render_repeatable_fragment(
            request,
            scope,
            fragment=_FRAGMENT,
            answered=list_context.describe_answer(answer.page, answer.page.as_of),
            build=answer.build_context,
        )
    context, status, problem = answer.build_context(), answer.status, answer.problem
    keeps_rows = is_typing(request) and _has_only_unknown_names(context)
    response = render_page_or_fragment(
        request,
        page=_LIST,
        fragment="reservations/kept.jinja" if keeps_rows else _FRAGMENT,
        context=context,
        status=status,
        problem=problem,
    )
    if keeps_rows:
        return keep_address(response)
    if wants_fragment(request) and context["form"].is_ambiguous():
        # A name in an address could mean another agent later, a time without offset another one.
        response.headers["HX-Push-Url"] = context["list"].refresh_url
    return response


@require_safe
@vdn_page(Permission.SEE_RESERVATIONS, Permission.EXPORT)
def export(request: ReaderRequest, scope: Scope, kind: str) -> HttpResponseBase:
    """Send all rows of the list as a file: at once, or over `MOST_AT_ONCE` rows by a job.

    A list that could not be read as a whole is answered by a page that tells why.
    """
    now = timezone.now()
    form, chosen = _open_list(request, scope, now)
    found, status, problem = list_context.create_context(scope, form, now), 422, None
    if chosen is not None:
        try:
            return create_file_response(
                scope, form.query(), kind, bom=request.GET.get("bom") != "0"
            )
        except RefusedFile as refused:
            problem, status = refused.problem, refused.problem.status
            found = list_context.create_failed_context(scope, form, now, problem, chosen.coverage)
    return render_page_or_fragment(
        request,
        page=_LIST,
        fragment=_FRAGMENT,
        context={
            "form": form,
            "list": found,
            "options": list_context.list_options(scope),
            "panel": None,
        },
        status=status,
        problem=problem,
    )


@require_safe
@vdn_page(Permission.SEE_RESERVATIONS)
def reservation(request: ReaderRequest, scope: Scope, appoint_id: str) -> HttpResponse:
    """One reservation in the side panel; as a page it stands beside its list."""
    fragment = wants_fragment(request)
    answer = None
    if not fragment:
        now = timezone.now()
        answer = _fetch_list(request, scope, *_open_list(request, scope, now, drops=True), now)
    context = answer.build_context() if answer else {}
    status, problem = (answer.status, answer.problem) if answer else (200, None)
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


@require_POST
@vdn_page(Permission.SEE_RESERVATIONS)
def mark_seen(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/reservations/seen/`: the person has seen the complete list as of a revision."""
    form = SeenForm(request.POST)
    if form.is_valid():
        reservations.mark_seen(scope=scope, revision=form.cleaned_data["revision"])
    back = form.cleaned_data.get("query") or ""
    return SeeOther(with_query(reverse("reservations", args=[scope.vdn.pk]), back))


@dataclass
class _ListAnswer:
    """The list that an address asks for, and the answer; `build_list` makes its context."""

    request: ReaderRequest
    scope: Scope
    form: ReservationFilter
    build_list: Callable[[], ReservationListContext]
    status: int = 200
    problem: Problem | None = None
    page: ReservationPage | None = None

    def build_context(self) -> dict[str, Any]:
        """Return the context of the list's templates."""
        found = self.build_list()
        if found.bar is not None and found.bar.changed_text:
            found.csrf_token = get_token(self.request)
        return {
            "form": self.form,
            "list": found,
            # A fragment shows none.
            "options": SimpleLazyObject(lambda: list_context.list_options(self.scope)),
            "panel": None,
        }


def _open_list(
    request: ReaderRequest, scope: Scope, now: datetime, *, drops: bool = False
) -> tuple[ReservationFilter, ChosenSource | None]:
    """Return the filter of this address and its source; None where the filter is not valid.

    With `drops` a VDN without a complete list is shown without the part and the order asked for.
    """
    form = ReservationFilter(request.GET, scope=scope, now=now)
    if not form.is_valid():
        return form, None
    try:
        return form, reservations.choose_source(scope=scope, query=form.query(), now=now)
    except SourceRefused as refused:
        if drops and form.drop(refused):
            return form, reservations.choose_source(scope=scope, query=form.query(), now=now)
        form.refuse(refused)
        return form, None


def _fetch_list(
    request: ReaderRequest,
    scope: Scope,
    form: ReservationFilter,
    chosen: ChosenSource | None,
    now: datetime,
) -> _ListAnswer:
    """Fetch the list that a filter asks for from the chosen source."""
    if chosen is None:
        return _ListAnswer(
            request, scope, form, lambda: list_context.create_context(scope, form, now), 422
        )
    try:
        page = reservations.list_page(scope=scope, query=form.query(), now=now, chosen=chosen)
    except DailySearchLimitExceeded as error:
        limit = problems.describe_search_limit(error)
        return _ListAnswer(
            request,
            scope,
            form,
            lambda: list_context.create_refused_context(scope, form, now, limit),
            limit.status,
            limit,
        )
    except ISalesError as error:
        failure = problems.describe(error)
        return _ListAnswer(
            request,
            scope,
            form,
            lambda: list_context.create_failed_context(scope, form, now, failure, chosen.coverage),
            failure.status,
            failure,
        )
    if page.mirror is not None and chosen.seen is None:
        # The first look; later ones are told by the person, so that a reload takes no mark away.
        revision = page.mirror.counts.revision
        optional_write(
            lambda: reservations.mark_seen(scope=scope, revision=revision), "look_not_recorded"
        )
    problem = problems.describe(page.error) if page.error is not None else None
    shown_at = timezone.now() if page.source == "live" else now
    return _ListAnswer(
        request,
        scope,
        form,
        lambda: list_context.fill_context(scope, form, shown_at, page, problem),
        problem.status if problem else 200,
        problem,
        page,
    )


def _get_query(request: ReaderRequest, scope: Scope) -> ReservationQuery:
    """Return the list's query, or any page if it is invalid: the row is found by its ID."""
    form = ReservationFilter(request.GET, scope=scope)
    return form.query() if form.is_valid() else ReservationQuery()


def _fetch_panel(
    request: ReaderRequest, scope: Scope, appoint_id: str
) -> tuple[dict[str, Any], int, Problem | None]:
    """Return context, status and problem of the side panel."""
    query = request.GET.urlencode()
    asked = _get_query(request, scope)
    as_of = asked.as_of if isinstance(asked, ListQuery) else None
    panel = create_panel(scope, appoint_id, query, as_of)
    problem = None
    try:
        found = reservations.get(scope=scope, appoint_id=appoint_id, query=asked)
    except ISalesError as error:
        problem = problems.describe(error)
    else:
        if found is None:
            return panel | {"missing": True}, 404, None
        entries = get_history(scope=scope, appoint_id=appoint_id, as_of=as_of)
        panel = fill_panel(scope, found, query, entries, as_of)
        problem = problems.describe(found.error) if found.error is not None else None
    return panel | {"problem": problem}, problem.status if problem else 200, problem
