"""The reservations list, its side panel, and other reservations of a number."""

from __future__ import annotations

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
from dashboard.reservations.export_file import create_file_response
from dashboard.reservations.panel import build_content, create_panel, create_related
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

_FRAGMENT: Final = "reservations/fragment.jinja"


@dataclass
class _List:
    """The list that an address requests: its filter and source, then its page or the problem.

    `chosen` is None where the filter, or later the search, was refused.
    """

    request: ReaderRequest
    scope: Scope
    now: datetime
    form: ReservationFilter
    chosen: ChosenSource | None = None
    page: ReservationPage | None = None
    problem: Problem | None = None

    def choose_source(self, *, drops: bool) -> None:
        """Choose the source if the filter is valid, or add the error to it.

        With `drops` a VDN without a complete list is shown without the requested tab and order.
        """
        if not self.form.is_valid():
            return
        try:
            self.chosen = self._choose()
        except SourceRefused as refused:
            if drops and self.form.drop(refused):
                self.chosen = self._choose()
            else:
                self.form.refuse(refused)

    def _choose(self) -> ChosenSource:
        query = self.form.query()
        return reservations.choose_source(scope=self.scope, query=query, now=self.now)

    def fetch(self) -> _List:
        """Fetch the page, or describe the problem; returns the list."""
        if self.chosen is None:
            return self
        try:
            self.page = page = reservations.list_page(
                scope=self.scope, query=self.form.query(), now=self.now, chosen=self.chosen
            )
        except DailySearchLimitExceeded as error:
            self.chosen, self.problem = None, problems.describe_search_limit(error)
            return self
        except ISalesError as error:
            self.problem = problems.describe(error)
            return self
        if page.error is not None:
            self.problem = problems.describe(page.error)
        if page.mirror is not None and self.chosen.seen is None:
            # Only the first look is recorded here; later ones by a button, so that a reload keeps
            # the marks of new rows.
            revision = page.mirror.counts.revision
            optional_write(
                lambda: reservations.mark_seen(scope=self.scope, revision=revision),
                "look_not_recorded",
            )
        return self

    @property
    def status(self) -> int:
        """The HTTP status."""
        if self.problem is not None:
            return self.problem.status
        return 422 if self.chosen is None else 200

    def build_context(self) -> dict[str, Any]:
        """Build the context of the list's templates."""
        found = list_context.create_context(
            self.scope,
            self.form,
            self.now,
            chosen=self.chosen,
            found=self.page,
            problem=self.problem,
        )
        if found.bar is not None and found.bar.changed_text:
            found.csrf_token = get_token(self.request)
        return {
            "form": self.form,
            "list": found,
            # Lazy since fragments do not show them.
            "options": SimpleLazyObject(lambda: list_context.list_options(self.scope)),
            "panel": None,
        }

    def render(self, context: dict[str, Any], fragment: str = _FRAGMENT) -> HttpResponse:
        """Render the list, or a fragment of it."""
        return render_page_or_fragment(
            self.request,
            page="reservations/list.html",
            fragment=fragment,
            context=context,
            status=self.status,
            problem=self.problem,
        )


def _open_list(request: ReaderRequest, scope: Scope, *, drops: bool = True) -> _List:
    """Return the list of an address with its source; see `_List.choose_source`."""
    now = timezone.now()
    found = _List(request, scope, now, ReservationFilter(request.GET, scope=scope, now=now))
    found.choose_source(drops=drops)
    return found


@require_safe
@vdn_page(Permission.SEE_RESERVATIONS)
def reservation_list(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/reservations/`: one page of the list, or its fragment."""
    is_repeatable = wants_fragment(request) and not is_typing(request)
    # Every search for a number must be counted.
    if (
        is_repeatable
        and "called_no" not in request.GET
        and (rendered := find_rendered_fragment(request, scope)) is not None
    ):
        return rendered
    found = _open_list(request, scope)
    is_repeatable = is_repeatable and not found.form.is_ambiguous()
    if is_repeatable and (answer := list_context.describe_mirror(found.form, found.chosen)):
        return render_repeatable_fragment(
            request,
            scope,
            fragment=_FRAGMENT,
            answer=answer,
            build=lambda: found.fetch().build_context(),
        )
    found.fetch()
    if (
        is_repeatable
        and found.problem is None
        and found.page is not None
        and (answer := list_context.describe_answer(found.page))
    ):
        return render_repeatable_fragment(
            request, scope, fragment=_FRAGMENT, answer=answer, build=found.build_context
        )
    context = found.build_context()
    if is_typing(request) and _has_only_unknown_names(context):
        return keep_address(found.render(context, "reservations/filters_only.jinja"))
    response = found.render(context)
    if wants_fragment(request) and found.form.is_ambiguous():
        # A name could mean another agent later, a time without an offset another moment.
        response.headers["HX-Push-Url"] = context["list"].refresh_url
    return response


@require_safe
@vdn_page(Permission.SEE_RESERVATIONS, Permission.EXPORT)
def export(request: ReaderRequest, scope: Scope, kind: str) -> HttpResponseBase:
    """Send all rows of the list as a file: at once, or over `MOST_AT_ONCE` rows by a job.

    A list that could not be read completely is answered by a page with the reason.
    """
    found = _open_list(request, scope, drops=False)
    if found.chosen is not None:
        query, bom = found.form.query(), request.GET.get("bom") != "0"
        result = create_file_response(scope, query, kind, bom=bom)
        if not isinstance(result, Problem):
            return result
        found.problem = result
    return found.render(found.build_context())


@require_safe
@vdn_page(Permission.SEE_RESERVATIONS)
def reservation(request: ReaderRequest, scope: Scope, appoint_id: str) -> HttpResponse:
    """One reservation in the side panel; as a page it stands beside its list."""
    found = None if wants_fragment(request) else _open_list(request, scope).fetch()
    context = found.build_context() if found else {}
    context["panel"], status, problem = _fetch_panel(request, scope, appoint_id)
    return render_page_or_fragment(
        request,
        page="reservations/list.html",
        fragment="reservations/_panel.html",
        context=context,
        status=max(status, found.status) if found else status,
        problem=(found and found.problem) or problem,
    )


@require_safe
@vdn_page(Permission.SEE_RESERVATIONS)
def related(request: ReaderRequest, scope: Scope, appoint_id: str) -> HttpResponse:
    """Other reservations of the same called number, for the side panel; as a page, a list."""
    query = _get_query(request, scope)
    context: dict[str, Any] = {"problem": None}
    try:
        found = reservations.list_related(scope=scope, appoint_id=appoint_id, query=query)
    except ISalesError as error:
        context["problem"] = problems.describe(error)
    else:
        if found is None:
            raise Http404
        context["related"] = create_related(scope, found)
        if not wants_fragment(request):
            list_url = context["related"]["list_url"]
            return redirect(list_url or reverse("reservations", args=[scope.vdn.pk]))
    problem = context["problem"]
    return render_page_or_fragment(
        request,
        page="reservations/_related.html",
        fragment="reservations/_related.html",
        context=context,
        status=problem.status if problem else 200,
        problem=problem,
    )


def _has_only_unknown_names(context: dict[str, Any]) -> bool:
    """Return True if the only errors are agents or a task that do not exist.

    Adds errors for names without rows in CC-iSales.
    """
    form: ReservationFilter = context["form"]
    if form.is_valid():
        for name, text in context["list"].unknown.items():
            form.add_error(name, _("CC-iSales has no rows for “%(text)s”.") % {"text": text})
    return bool(form.errors) and form.errors.keys() <= {"agent", "task"}


@require_POST
@vdn_page(Permission.SEE_RESERVATIONS)
def mark_seen(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/reservations/seen/`: record up to which revision the person has seen the list."""
    form = SeenForm(request.POST)
    if form.is_valid():
        reservations.mark_seen(scope=scope, revision=form.cleaned_data["revision"])
    back = form.cleaned_data.get("query") or ""
    return SeeOther(with_query(reverse("reservations", args=[scope.vdn.pk]), back))


def _get_query(request: ReaderRequest, scope: Scope) -> ReservationQuery:
    """Return the list's query, or a plain one if it is invalid: the row is found by its ID."""
    form = ReservationFilter(request.GET, scope=scope)
    return form.query() if form.is_valid() else ReservationQuery()


def _fetch_panel(
    request: ReaderRequest, scope: Scope, appoint_id: str
) -> tuple[dict[str, Any], int, Problem | None]:
    """Return context, status and problem of the side panel."""
    query = _get_query(request, scope)
    as_of = query.as_of if isinstance(query, ListQuery) else None
    panel = create_panel(scope, appoint_id, request.GET.urlencode(), as_of)
    try:
        found = reservations.get(scope=scope, appoint_id=appoint_id, query=query)
    except ISalesError as error:
        problem = problems.describe(error)
    else:
        if found is None:
            return panel | {"missing": True}, 404, None
        entries = get_history(scope=scope, appoint_id=appoint_id, as_of=as_of)
        panel["content"] = build_content(scope, found, request.GET.urlencode(), entries, as_of)
        if found.error is None:
            return panel, 200, None
        problem = problems.describe(found.error)
    return panel | {"problem": problem}, problem.status, problem
