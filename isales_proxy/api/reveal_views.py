"""`/api/v1/…/reservations/<ID>/reveal/`: one masked number shown, for a reason."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from isales_proxy import access
from isales_proxy.access import Permission
from isales_proxy.api import reveal_documents as documents
from isales_proxy.api.errors import by_field, invalid_value, json_object, no_such_fields, problem
from isales_proxy.api.permissions import WRITES, Permits
from isales_proxy.api.views import PersonalView
from isales_proxy.reveals import services as reveals
from isales_proxy.reveals.forms import RevealForm


class ReservationReveal(PersonalView):
    """`vdns/<id>/reservations/<ID>/reveal/`"""

    needs = WRITES
    permits: ClassVar[Permits] = {"POST": Permission.REVEAL_NUMBERS}

    @documents.reveal
    def post(self, request: Request, vdn_id: int, appoint_id: str) -> Any:
        """The numbers of a reservation; audited, and so many a day."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        reason = _reason(request.data)
        try:
            found = reveals.reveal_reservation(scope=scope, appoint_id=appoint_id, reason=reason)
        except reveals.BudgetSpent as error:
            return problem(
                429,
                _("You have had as many numbers shown today as one may. Nothing is shown."),
                headers={"Retry-After": str(error.seconds)},
                retry_after=error.seconds,
            )
        except reveals.NotAudited:
            return problem(503, _("The audit cannot be written now, so no number is shown."))
        return Response(
            {
                "called_no": found.called[0] if found.called else None,
                "caller_no": found.caller or None,
                "seconds": found.seconds,
            }
        )


def _reason(data: Any) -> str:
    """The reason. Raises InvalidQuestion for anything else."""
    given = json_object(data)
    errors = no_such_fields(given.keys() - RevealForm.base_fields)
    reason = given.get("reason", "")
    if not isinstance(reason, str):
        errors["reason"] = [_("Send this as text.")]
    form = RevealForm({"reason": reason})
    if errors or not form.is_valid():
        raise invalid_value(errors or by_field(form.errors))
    return str(form.cleaned_data["reason"])
