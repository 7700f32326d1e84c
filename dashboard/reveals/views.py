"""Reveals: a POST with a reason shows a masked number for a short time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from dashboard.ui.htmx import render_page_or_fragment, wants_fragment
from dashboard.ui.list_url import with_query
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.reveal_control import (
    RevealControl,
    create_datum_control,
    create_reservation_control,
    create_write_back_control,
)
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.reservations.forms import ReservationFilter
from isales_proxy.reveals import services as reveals
from isales_proxy.reveals.forms import RevealForm
from isales_proxy.reveals.services import Revealed


@require_POST
@vdn_page(Permission.REVEAL_NUMBERS)
def reservation(request: ReaderRequest, scope: Scope, appoint_id: str) -> HttpResponse:
    """Reveal the numbers of a reservation."""
    query = request.GET.urlencode()
    control = create_reservation_control(scope, appoint_id, query)
    back = with_query(reverse("reservation", args=[scope.vdn.pk, appoint_id]), query)

    def reveal(reason: str) -> Revealed:
        form = ReservationFilter(request.GET, scope=scope)
        return reveals.reveal_reservation(
            scope=scope,
            appoint_id=appoint_id,
            reason=reason,
            query=form.query() if form.is_valid() else ReservationQuery(),
        )

    return _respond(request, control, back, reveal)


@require_POST
@vdn_page(Permission.REVEAL_NUMBERS, Permission.SEE_OUTBOUND)
def datum(request: ReaderRequest, scope: Scope, datum_id: int) -> HttpResponse:
    """Reveal the numbers of a row of call data."""
    return _respond(
        request,
        create_datum_control(scope, datum_id),
        reverse("tasks", args=[scope.vdn.pk]),
        lambda reason: reveals.reveal_datum(scope=scope, datum_id=datum_id, reason=reason),
    )


@require_POST
@vdn_page(Permission.REVEAL_NUMBERS, Permission.SEE_OUTBOUND)
def write_back(request: ReaderRequest, scope: Scope, pk: int) -> HttpResponse:
    """Reveal the number of a write-back."""
    return _respond(
        request,
        create_write_back_control(scope, pk),
        reverse("write_back", args=[scope.vdn.pk, pk]),
        lambda reason: reveals.reveal_write_back(scope=scope, pk=pk, reason=reason),
    )


def _respond(
    request: ReaderRequest, control: RevealControl, back: str, reveal: Callable[[str], Revealed]
) -> HttpResponse:
    form = RevealForm(request.POST)
    control.reason = request.POST.get("reason", "")[: reveals.LONGEST_REASON]
    headers: dict[str, str] = {}
    status, problem = 200, None
    if not form.is_valid():
        control.error, status = " ".join(map(str, form.errors["reason"])), 422
    else:
        try:
            _show(control, reveal(form.cleaned_data["reason"]))
        except reveals.BudgetSpent as error:
            control.notice, status = _format_spent(error.limit), 429
            headers["Retry-After"] = str(error.seconds)
        except reveals.NotAudited:
            control.notice = _("The audit cannot be written now, so no number is shown.")
            status = 503
        except ISalesError as error:
            problem = problems.describe(error)
            control.notice, status = problem.title, problem.status
    if control.numbers and not wants_fragment(request):
        # Without JavaScript this header makes the browser leave the page with the number.
        headers["Refresh"] = f"{control.seconds};url={back}"
    context: dict[str, Any] = {"control": control, "back": back, "alone": True}
    response = render_page_or_fragment(
        request,
        page="reveals/page.html",
        fragment="reveals/_control.html",
        context=context,
        status=status,
        problem=problem,
    )
    for name, value in headers.items():
        response.headers[name] = value
    return response


def _show(control: RevealControl, revealed: Revealed) -> None:
    control.numbers = [(_("Called number"), number) for number in revealed.called]
    if revealed.caller:
        control.numbers.append((_("Calling number"), revealed.caller))
    control.seconds, control.reason = revealed.seconds, ""
    control.left = ngettext(
        "%(left)s reveal left today.",
        "%(left)s reveals left today.",
        revealed.left,
    ) % {"left": revealed.left}


def _format_spent(limit: int) -> str:
    return ngettext(
        "You have used your %(limit)s reveal of today. No number is shown.",
        "You have used your %(limit)s reveals of today. No number is shown.",
        limit,
    ) % {"limit": limit}
