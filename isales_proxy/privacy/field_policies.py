"""What each field of the vendor's holds: its label, its help, and whether it is personal.

The one table for masking, for the side panel, for the JSON API and its schema, and for exports. The
vendor's spelling of the reservations is in `client.records`; that of the other two shapes is here,
because rows of theirs are kept as they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from isales_proxy.client.records import Reservation


class Holds(StrEnum):
    """The kinds of content, which masking tells apart."""

    ID = "id"  # the vendor's or ours: stays, since rows are found by it
    CODE = "code"  # a few letters and digits: stays while it is no longer than that
    TIME = "time"
    FLAG = "flag"
    NUMBER = "number"  # somebody can be called at it
    TEXT = "text"  # typed by people or made by systems: may hold a number anywhere


@dataclass(frozen=True)
class Field:
    """One field of a reservation. `copied` is whether the panel offers to copy it."""

    name: str
    vendor_name: str
    holds: Holds
    label: str | Promise
    help: str
    copied: bool = False

    @property
    def personal(self) -> bool:
        """Whether it may tell somebody's number."""
        return self.holds in {Holds.NUMBER, Holds.TEXT}


_VENDOR_NAMES: Final = Reservation.vendor_names()


def _field(
    name: str, holds: Holds, label: str | Promise, text: str, *, copied: bool = False
) -> Field:
    return Field(name, _VENDOR_NAMES[name], holds, label, text, copied)


RESERVATION: Final = (
    _field("appoint_id", Holds.ID, _("Reservation ID"), "ID of the reservation.", copied=True),
    _field(
        "call_type",
        Holds.CODE,
        _("Type"),
        "1 manual, 2 automatic (dialled five minutes before its time).",
    ),
    _field("appoint_time", Holds.TIME, _("Due"), "When the call is due."),
    _field("called_no", Holds.NUMBER, _("Called number"), "The number to call.", copied=True),
    _field("task_id", Holds.ID, _("Task ID"), "ID of the outbound task.", copied=True),
    _field("task_name", Holds.TEXT, _("Task"), "Its name."),
    _field("task_status", Holds.CODE, _("Task status"), "Its status, as the vendor tells it."),
    _field(
        "timeout",
        Holds.FLAG,
        _("Expired in CC-iSales"),
        "The vendor's own mark: has it expired.",
    ),
    _field("user_account", Holds.ID, _("Agent account"), "Account of the agent.", copied=True),
    _field("user_name", Holds.TEXT, _("Agent"), "Name of the agent."),
    _field("begin_time", Holds.TIME, _("Call began"), "Beginning of the call."),
    _field("end_time", Holds.TIME, _("Call ended"), "End of the call."),
    _field("call_flag", Holds.CODE, _("Status code"), "The vendor's flag of the call."),
    _field("caller_no", Holds.NUMBER, _("Calling number"), "The number that calls.", copied=True),
    _field("fail_code", Holds.CODE, _("Call result"), "OBS result code, leading zeros kept."),
    _field("result", Holds.CODE, _("Cause"), "Result of the call."),
    _field("busi_result", Holds.TEXT, _("Business result"), "Business result."),
    _field("create_time", Holds.TIME, _("Created"), "When it was reserved."),
)
"""The eighteen documented fields, in the vendor's order."""

RESERVATION_FIELDS: Final[Mapping[str, Field]] = {field.name: field for field in RESERVATION}

CALL_DATUM: Final[Mapping[str, Holds]] = {
    "version": Holds.CODE,
    "seviceId": Holds.ID,
    "serviceId": Holds.ID,
    "uniqueId": Holds.ID,
    "uiqueId": Holds.ID,
    "phoneNumber": Holds.NUMBER,
    "callData": Holds.TEXT,
    "callerNumber": Holds.NUMBER,
    "ieData": Holds.TEXT,
}
"""A row of call data as it came; what is not named here is text."""

MID_RESULT: Final[Mapping[str, Holds]] = {
    "subCCNo": Holds.CODE,
    "vdnId": Holds.CODE,
    "uniqueId": Holds.ID,
    "serviceId": Holds.ID,
    "status": Holds.CODE,
    "deviceType": Holds.CODE,
    "phoneNumber": Holds.NUMBER,
    "failCode": Holds.CODE,
    "asrResult": Holds.TEXT,
    "fetchTime": Holds.TIME,
    "writeStartTime": Holds.TIME,
    "endCallTime": Holds.TIME,
    "callId": Holds.ID,
}
"""The request of a write-back; what is not named here is text."""
