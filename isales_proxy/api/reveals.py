"""`/api/v1/vdns/<id>/reservations/<ID>/reveal/`: the numbers of one reservation."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from pydantic import Field
from rest_framework.request import Request

from isales_proxy import access
from isales_proxy.access import Permission
from isales_proxy.api import schema
from isales_proxy.api.base import PersonalView, RequestBody, ResponseBody, TextField
from isales_proxy.api.errors import invalid_value, list_messages
from isales_proxy.api.permissions import WRITES
from isales_proxy.problems import respond
from isales_proxy.reveals import services as reveals
from isales_proxy.reveals.forms import RevealForm
from isales_proxy.reveals.services import LONGEST_REASON, SECONDS, SHORTEST_REASON


class RevealRequest(RequestBody):
    """Reason for revealing a number."""

    reason = TextField(
        min_length=SHORTEST_REASON, max_length=LONGEST_REASON, help_text="Kept by the audit."
    )


class RevealedNumbers(ResponseBody):
    """The unmasked numbers of one reservation."""

    called_no: str | None = Field(description="The number to call.", examples=["15800000001"])
    caller_no: str | None = Field(description="The number that calls.")
    seconds: int = Field(
        description="For how long it may be shown to a person.", examples=[SECONDS]
    )


class ReservationReveal(PersonalView):
    """`vdns/<id>/reservations/<ID>/reveal/`"""

    needs = WRITES

    @schema.operation(
        operation_id="reservation_reveal",
        summary="Have the numbers of a reservation shown",
        permission=Permission.REVEAL_NUMBERS,
        description="For who may not see numbers but may have one shown. Each is audited with its "
        "reason and counts towards the person's budget of the day in the VDN's time zone; what "
        "cannot be audited is not shown. A reservation is found by its ID once a list has shown "
        "it.",
        request=RevealRequest,
        responses={
            200: RevealedNumbers,
            403: "You see numbers anyway, or may have none shown, or the CSRF token does not fit.",
            404: "No such VDN or reservation, or none of yours.",
            422: "The reason is missing, too short or too long.",
            429: "The budget of the day is spent, or too many requests; see `Retry-After`.",
            **schema.VENDOR_FAILS,
        },
        examples=[
            schema.request_example("a reason", reason="Calling the customer back"),
            schema.problem_example(
                429,
                "Too Many Requests",
                "You have reached today's limit for showing numbers. No number is shown.",
                retry_after=3600,
            ),
            schema.UNAVAILABLE_EXAMPLE,
        ],
    )
    def post(self, request: Request, vdn_id: int, appoint_id: str) -> Any:
        """Reveal the numbers of a reservation: audited, and limited per day."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        form = RevealForm(RevealRequest.parse(request))
        if not form.is_valid():
            raise invalid_value(list_messages(form.errors))
        reason = form.cleaned_data["reason"]
        try:
            found = reveals.reveal_reservation(scope=scope, appoint_id=appoint_id, reason=reason)
        except reveals.BudgetSpent as error:
            return respond(
                429,
                _("You have reached today's limit for showing numbers. No number is shown."),
                headers={"Retry-After": str(error.seconds)},
                retry_after=error.seconds,
            )
        except reveals.NotAudited:
            return respond(503, _("The audit cannot be written now, so no number is shown."))
        return RevealedNumbers(
            called_no=found.called[0] if found.called else None,
            caller_no=found.caller or None,
            seconds=found.seconds,
        ).respond()
