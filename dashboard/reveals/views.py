"""One masked number shown for a short while: by POST, for a reason, as a fragment or a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpResponse
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
from isales_proxy.access import Permission, Scope, VdnNotFound
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.reservations.forms import ReservationFilter
from isales_proxy.reveals import services as reveals
from isales_proxy.reveals.forms import RevealForm
from isales_proxy.reveals.services import Revealed


@require_POST
@vdn_page(Permission.REVEAL_NUMBERS)
def reservation(request: ReaderRequest, scope: Scope, appoint_id: str) -> HttpResponse:
    """The numbers of a reservation."""
    query = request.GET.urlencode()
    control = create_reservation_control(scope, appoint_id, query)
    back = with_query(reverse("reservation", args=[scope.vdn.pk, appoint_id]), query)

    def deed(reason: str) -> Revealed:
        form = ReservationFilter(request.GET, scope=scope)
        return reveals.reveal_reservation(
            scope=scope,
            appoint_id=appoint_id,
            reason=reason,
            query=form.query() if form.is_valid() else ReservationQuery(),
        )

    return _answer(request, control, back, deed)


@require_POST
@vdn_page(Permission.REVEAL_NUMBERS, Permission.SEE_OUTBOUND)
def datum(request: ReaderRequest, scope: Scope, datum_id: int) -> HttpResponse:
    """The numbers of a row of call data."""
    return _answer(
        request,
        create_datum_control(scope, datum_id),
        reverse("tasks", args=[scope.vdn.pk]),
        lambda reason: reveals.reveal_datum(scope=scope, datum_id=datum_id, reason=reason),
    )


@require_POST
@vdn_page(Permission.REVEAL_NUMBERS, Permission.SEE_OUTBOUND)
def write_back(request: ReaderRequest, scope: Scope, pk: int) -> HttpResponse:
    """The number of a write-back."""
    return _answer(
        request,
        create_write_back_control(scope, pk),
        reverse("write_back", args=[scope.vdn.pk, pk]),
        lambda reason: reveals.reveal_write_back(scope=scope, pk=pk, reason=reason),
    )


def _answer(
    request: ReaderRequest, control: RevealControl, back: str, deed: Callable[[str], Revealed]
) -> HttpResponse:
    form = RevealForm(request.POST)
    control.reason = request.POST.get("reason", "")[: reveals.LONGEST_REASON]
    headers: dict[str, str] = {}
    status, problem = 200, None
    if not form.is_valid():
        control.error, status = " ".join(str(text) for text in form.errors["reason"]), 422
    else:
        try:
            _show(control, deed(form.cleaned_data["reason"]))
        except VdnNotFound:
            raise Http404 from None
        except reveals.BudgetSpent as error:
            control.notice, status = _spent(error.limit), 429
            headers["Retry-After"] = str(error.seconds)
        except reveals.NotAudited:
            control.notice = _("The audit cannot be written now, so no number is shown.")
            status = 503
        except ISalesError as error:
            problem = problems.describe(error)
            control.notice, status = problem.title, problem.status
    if control.numbers and not wants_fragment(request):
        # Without JavaScript the browser itself leaves the number behind.
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
        "%(left)s more number can be shown to you today.",
        "%(left)s more numbers can be shown to you today.",
        revealed.left,
    ) % {"left": revealed.left}


def _spent(limit: int) -> str:
    return ngettext(
        "You have had %(limit)s number shown today, which is as many as one may. Nothing is shown.",
        "You have had %(limit)s numbers shown today, which is as many as one may. "
        "Nothing is shown.",
        limit,
    ) % {"limit": limit}
