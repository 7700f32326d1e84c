"""Field policies: content, label and help text of each vendor field, and whether it is personal.

The one table for masking, side panel, JSON API, its schema, and exports. `client.records` maps the
vendor's spelling of reservations; rows of the other two shapes are stored as received, so their
spelling is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from isales_proxy.client.records import Reservation


class Content(StrEnum):
    """Kinds of content that are masked differently."""

    ID = "id"  # kept, since rows are found by it
    CODE = "code"  # a few letters and digits: kept unless it is longer
    TIME = "time"
    FLAG = "flag"
    NUMBER = "number"  # a phone number
    TEXT = "text"  # may contain a number anywhere


@dataclass(frozen=True)
class Field:
    """One field of a reservation. With `copied` the side panel offers to copy it."""

    name: str
    vendor_name: str
    holds: Content
    label: str | Promise
    help: str
    copied: bool = False

    @property
    def personal(self) -> bool:
        """True if it may contain a phone number."""
        return self.holds in {Content.NUMBER, Content.TEXT}


_VENDOR_NAMES: Final = Reservation.vendor_names()


def _field(
    name: str, holds: Content, label: str | Promise, text: str, *, copied: bool = False
) -> Field:
    return Field(name, _VENDOR_NAMES[name], holds, label, text, copied)


RESERVATION: Final = (
    _field("appoint_id", Content.ID, _("Reservation ID"), "ID of the reservation.", copied=True),
    _field(
        "call_type",
        Content.CODE,
        _("Type"),
        "1 manual, 2 automatic (dialled five minutes before its time).",
    ),
    _field("appoint_time", Content.TIME, _("Due"), "When the call is due."),
    _field("called_no", Content.NUMBER, _("Called number"), "The number to call.", copied=True),
    _field("task_id", Content.ID, _("Task ID"), "ID of the outbound task.", copied=True),
    _field("task_name", Content.TEXT, _("Task"), "Its name."),
    _field("task_status", Content.CODE, _("Task status"), "Its status, as the vendor tells it."),
    _field(
        "timeout",
        Content.FLAG,
        _("Expired in CC-iSales"),
        "The vendor's own mark: has it expired.",
    ),
    _field("user_account", Content.ID, _("Agent account"), "Account of the agent.", copied=True),
    _field("user_name", Content.TEXT, _("Agent"), "Name of the agent."),
    _field("begin_time", Content.TIME, _("Call began"), "Beginning of the call."),
    _field("end_time", Content.TIME, _("Call ended"), "End of the call."),
    _field("call_flag", Content.CODE, _("Status code"), "The vendor's flag of the call."),
    _field("caller_no", Content.NUMBER, _("Calling number"), "The number that calls.", copied=True),
    _field("fail_code", Content.CODE, _("Call result"), "OBS result code, leading zeros kept."),
    _field("result", Content.CODE, _("Cause"), "Result of the call."),
    _field("busi_result", Content.TEXT, _("Business result"), "Business result."),
    _field("create_time", Content.TIME, _("Created"), "When it was reserved."),
)
"""The eighteen documented fields, in the vendor's order."""

RESERVATION_FIELDS: Final[Mapping[str, Field]] = {field.name: field for field in RESERVATION}

CALL_DATUM: Final[Mapping[str, Content]] = {
    "version": Content.CODE,
    "seviceId": Content.ID,
    "serviceId": Content.ID,
    "uniqueId": Content.ID,
    "uiqueId": Content.ID,
    "phoneNumber": Content.NUMBER,
    "callData": Content.TEXT,
    "callerNumber": Content.NUMBER,
    "ieData": Content.TEXT,
}
"""A row of call data as received; unlisted fields are text."""

MID_RESULT: Final[Mapping[str, Content]] = {
    "subCCNo": Content.CODE,
    "vdnId": Content.CODE,
    "uniqueId": Content.ID,
    "serviceId": Content.ID,
    "status": Content.CODE,
    "deviceType": Content.CODE,
    "phoneNumber": Content.NUMBER,
    "failCode": Content.CODE,
    "asrResult": Content.TEXT,
    "fetchTime": Content.TIME,
    "writeStartTime": Content.TIME,
    "endCallTime": Content.TIME,
    "callId": Content.ID,
}
"""The request body of a write-back; unlisted fields are text."""
