"""Field policies: content, label and help text of each vendor field, and whether it is personal.

The table for masking, side panel, JSON API, its schema, and exports. Rows of call data and of
write-backs are stored as received, so they are listed here by the vendor's spelling.
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
    """Kinds of content, which are masked differently."""

    ID = "id"  # not masked, since rows are found by it
    CODE = "code"  # masked only if longer than a code
    TIME = "time"
    FLAG = "flag"
    NUMBER = "number"  # a phone number
    TEXT = "text"  # may contain a number anywhere


@dataclass(frozen=True)
class Field:
    """One field of a reservation. `copied`: the side panel has a button to copy it."""

    name: str
    holds: Content
    label: str | Promise
    help: str
    copied: bool = False

    @property
    def vendor_name(self) -> str:
        return _VENDOR_NAMES[self.name]

    @property
    def personal(self) -> bool:
        """True if it may contain a phone number."""
        return self.holds in {Content.NUMBER, Content.TEXT}


_VENDOR_NAMES: Final = Reservation.vendor_names()

RESERVATION: Final = (
    Field("appoint_id", Content.ID, _("Reservation ID"), "ID of the reservation.", copied=True),
    Field(
        "call_type",
        Content.CODE,
        _("Type"),
        "1 manual, 2 automatic (dialled five minutes before its time).",
    ),
    Field("appoint_time", Content.TIME, _("Due"), "When the call is due."),
    Field("called_no", Content.NUMBER, _("Called number"), "The number to call.", copied=True),
    Field("task_id", Content.ID, _("Task ID"), "ID of the outbound task.", copied=True),
    Field("task_name", Content.TEXT, _("Task"), "Its name."),
    Field("task_status", Content.CODE, _("Task status"), "Its status, as the vendor tells it."),
    Field(
        "timeout",
        Content.FLAG,
        _("Expired in CC-iSales"),
        "The vendor's own mark: has it expired.",
    ),
    Field("user_account", Content.ID, _("Agent account"), "Account of the agent.", copied=True),
    Field("user_name", Content.TEXT, _("Agent"), "Name of the agent."),
    Field("begin_time", Content.TIME, _("Call began"), "Beginning of the call."),
    Field("end_time", Content.TIME, _("Call ended"), "End of the call."),
    Field("call_flag", Content.CODE, _("Status code"), "The vendor's flag of the call."),
    Field("caller_no", Content.NUMBER, _("Calling number"), "The number that calls.", copied=True),
    Field("fail_code", Content.CODE, _("Call result"), "OBS result code, leading zeros kept."),
    Field("result", Content.CODE, _("Cause"), "Result of the call."),
    Field("busi_result", Content.TEXT, _("Business result"), "Business result."),
    Field("create_time", Content.TIME, _("Created"), "When it was reserved."),
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
"""A row of call data as received; other fields are text."""
