"""`/api/v1/vdns/<id>/reservations/<ID>/history/`: changes of one reservation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from pydantic import Field
from rest_framework.request import Request

from isales_proxy import access
from isales_proxy.access import Permission
from isales_proxy.api import schema
from isales_proxy.api.base import PersonalView, ResponseBody, require_nothing
from isales_proxy.api.reservations import VendorFields
from isales_proxy.models import ChangeKind
from isales_proxy.problems import respond
from isales_proxy.reservations import services as reservations
from isales_proxy.reservations.mirrored import MirroredReservation

_BEGIN, _END = "2025-05-31T06:02:10Z", "2025-05-31T06:03:10Z"


class ReservationChange(ResponseBody):
    """One change, which happened later than `after` and not later than `by`."""

    change: ChangeKind = Field(description="What changed.", examples=[ChangeKind.MOVED])
    after: datetime | None = Field(
        description="null: the start is unknown, as of the first look.", examples=[_BEGIN]
    )
    by: datetime = Field(examples=[_END])
    fields: tuple[str, ...] = Field(
        description="The fields whose change this is.", examples=[["appoint_time"]]
    )
    before: VendorFields | None = Field(
        description="The reservation before. null: it is not known, or was another agent's and you "
        "see your own alone."
    )
    contents: VendorFields | None = Field(
        validation_alias="row",
        description="The reservation since. null: it is another agent's and you see your own "
        "alone.",
    )


class ReservationHistory(ResponseBody):
    """A reservation and its changes, the oldest first."""

    reservation: VendorFields = Field(description="As it is now, or was when it went.")
    as_of: datetime = Field(description="When it was last read.", examples=[_END])
    gone: bool = Field(description="CC-iSales no longer lists it.", examples=[False])
    gone_after: datetime | None = Field(description="It went later than this.", examples=[None])
    gone_by: datetime | None = Field(description="And not later than this.", examples=[None])
    unconfirmed: bool = Field(
        description="The last reading missed it, with too many others for it to be called gone.",
        examples=[False],
    )
    results: tuple[ReservationChange, ...]


class ReservationHistoryView(PersonalView):
    """`vdns/<id>/reservations/<ID>/history/`"""

    @schema.operation(
        operation_id="reservation_history",
        summary="History of a reservation",
        permission=Permission.SEE_RESERVATIONS,
        description="What the mirror saw of a reservation: created, moved, handed over, its "
        "result, gone, returned, each with the interval in which it happened. Earlier versions are "
        "kept for a time that the operator sets. A reservation that is not in the mirror, which "
        "CC-iSales is asked for, has no history.",
        responses={
            200: ReservationHistory,
            404: "No such VDN or reservation, or none of yours.",
            **schema.VENDOR_FAILS,
        },
        examples=[schema.UNAVAILABLE_EXAMPLE],
    )
    def get(self, request: Request, vdn_id: int, appoint_id: str) -> Any:
        """Return the history of a reservation; a view of its number is audited."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        require_nothing(request)
        result = reservations.get_with_history(scope=scope, appoint_id=appoint_id)
        if result is None:
            return respond(404, _("There is no such reservation, or it is not yours."))
        found, entries = result
        row = found.row
        mirrored = row if isinstance(row, MirroredReservation) else None
        gone = mirrored if mirrored is not None and mirrored.gone else None
        return ReservationHistory(
            reservation=VendorFields.model_validate(row),
            as_of=found.as_of,
            gone=gone is not None,
            gone_after=gone.gone_after if gone else None,
            gone_by=gone.gone_by if gone else None,
            unconfirmed=mirrored is not None and mirrored.unconfirmed,
            results=tuple(ReservationChange.build(entry) for entry in entries),
        ).respond()
