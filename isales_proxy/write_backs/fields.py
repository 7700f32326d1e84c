"""The fields of a write-back, declared once: forms, API, labels and masking are made from here.

The vendor's spelling, the order of the request and its bounds are those of the client's
`IntermediateResult`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from isales_proxy.client.queries import MAX_TEXT, IntermediateResult
from isales_proxy.core.form_fields import LONGEST_NUMBER
from isales_proxy.models import Vdn
from isales_proxy.privacy.field_policies import Content
from isales_proxy.vendor.vendor_times import format_time

FAILED, SUCCEEDED = "5", "6"
# The vendor lists no values for this interface; its call results elsewhere have these two.
STATUSES: Final[Mapping[str, str | Promise]] = {FAILED: _("failed"), SUCCEEDED: _("succeeded")}
# The values of the vendor's campaigns.
DEVICE_TYPES: Final[Mapping[str, str | Promise]] = {
    "1": _("Intelligent IVR"),
    "2": _("Predictive, skill queue"),
    "3": _("Automatic IVR"),
    "5": _("Preview, skill queue"),
    "6": _("Preempted, skill queue"),
}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a write-back.

    `length` is in characters. Of `choices` a text may also be another; the device type may not.
    `help` is for the API's schema, in English.
    """

    name: str
    label: str | Promise
    content: Content
    length: int = MAX_TEXT
    required: bool = False
    choices: Mapping[str, str | Promise] = field(default_factory=dict)
    help: str = ""

    @property
    def vendor_name(self) -> str:
        """The vendor's spelling."""
        return IntermediateResult.vendor_names()[self.name]

    @property
    def personal(self) -> bool:
        """True when the field may hold somebody's number."""
        return self.content in {Content.NUMBER, Content.TEXT}


FIELDS: Final = (
    Field(
        name="unique_id",
        label=_("Unique ID"),
        content=Content.ID,
        length=128,
        required=True,
        help="Unique ID of the row of call data.",
    ),
    Field(
        name="service_id",
        label=_("Task"),
        content=Content.ID,
        required=True,
        help="ID of the outbound task.",
    ),
    Field(
        name="fail_code",
        label=_("Result code"),
        content=Content.CODE,
        length=32,
        help="An OBS result code of the VDN's table, leading zeros kept.",
    ),
    Field(
        name="status",
        label=_("Status"),
        content=Content.CODE,
        length=32,
        choices=STATUSES,
        help="The vendor leaves the values open; call results elsewhere have 5 failed, 6 "
        "succeeded.",
    ),
    Field(
        name="device_type",
        label=_("Device type"),
        content=Content.CODE,
        choices=DEVICE_TYPES,
        help="1 intelligent IVR, 2 predictive, 3 automatic IVR, 5 preview, 6 preempted.",
    ),
    Field(
        name="phone_number",
        label=_("Called number"),
        content=Content.NUMBER,
        length=LONGEST_NUMBER,
    ),
    Field(name="asr_result", label=_("Detected cause (ASR)"), content=Content.TEXT),
    Field(
        name="fetch_time",
        label=_("Data fetched at"),
        content=Content.TIME,
        help="When the call data was obtained.",
    ),
    Field(
        name="write_start_time",
        label=_("Call began"),
        content=Content.TIME,
        help="When the call began.",
    ),
    Field(
        name="end_call_time",
        label=_("Call ended"),
        content=Content.TIME,
        help="When the call ended.",
    ),
    Field(name="call_id", label=_("Call ID"), content=Content.ID),
)
"""What a person or a program gives, in the order of errors and of the API; the VDN gives the rest."""

BY_NAME: Final[Mapping[str, Field]] = {each.name: each for each in FIELDS}
BY_VENDOR_NAME: Final[Mapping[str, Field]] = {each.vendor_name: each for each in FIELDS}
TIMES: Final = tuple(each.name for each in FIELDS if each.content is Content.TIME)
POLICIES: Final[Mapping[str, Content]] = dict.fromkeys(
    IntermediateResult.vendor_names().values(), Content.CODE
) | {each.vendor_name: each.content for each in FIELDS}
"""The vendor's name → its content, for masking a request."""


def create_result(vdn: Vdn, values: Mapping[str, Any]) -> IntermediateResult:
    """Make the vendor's request from values by field name; times are aware datetimes or None.

    Times are written in the format and zone of the settings. Raises InvalidQuery.
    """
    given = {
        name: format_time(value, vdn) if name in TIMES else value for name, value in values.items()
    }
    return IntermediateResult(vdn=vdn.pk, cc_id=vdn.cc_id, **given)
