"""The fields of a write-back, from which forms, API, labels and masking are made.

The client's `IntermediateResult` has the vendor's names, their order and bounds.
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

_LONGEST_CODE: Final = 32
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


@dataclass(frozen=True)
class Field:
    """One field of a write-back.

    `length` is in characters. Values other than `choices` are allowed, except for the device type.
    `help` is for the API's schema, in English.
    """

    name: str
    label: str | Promise
    content: Content
    help: str = ""
    length: int = field(default=MAX_TEXT, kw_only=True)
    required: bool = field(default=False, kw_only=True)
    choices: Mapping[str, str | Promise] = field(default_factory=dict, kw_only=True)

    @property
    def vendor_name(self) -> str:
        """The vendor's name of the field."""
        return IntermediateResult.vendor_names()[self.name]


FIELDS: Final = (
    Field(
        "unique_id",
        _("Unique ID"),
        Content.ID,
        "Unique ID of the row of call data.",
        length=128,
        required=True,
    ),
    Field("service_id", _("Task"), Content.ID, "ID of the outbound task.", required=True),
    Field(
        "fail_code",
        _("Result code"),
        Content.CODE,
        "An OBS result code of the VDN's table, leading zeros kept.",
        length=_LONGEST_CODE,
    ),
    Field(
        "status",
        _("Status"),
        Content.CODE,
        "Usually 5 (failed) or 6 (succeeded); the vendor's documents list no values.",
        length=_LONGEST_CODE,
        choices=STATUSES,
    ),
    Field(
        "device_type",
        _("Device type"),
        Content.CODE,
        "1 intelligent IVR, 2 predictive, 3 automatic IVR, 5 preview, 6 preempted.",
        choices=DEVICE_TYPES,
    ),
    Field("phone_number", _("Called number"), Content.NUMBER, length=LONGEST_NUMBER),
    Field("asr_result", _("Detected cause (ASR)"), Content.TEXT),
    Field("fetch_time", _("Data fetched at"), Content.TIME, "When the call data was fetched."),
    Field("write_start_time", _("Call began"), Content.TIME, "When the call began."),
    Field("end_call_time", _("Call ended"), Content.TIME, "When the call ended."),
    Field("call_id", _("Call ID"), Content.ID),
)
"""The fields that are entered, in the API's order; the VDN gives the others."""

BY_NAME: Final[Mapping[str, Field]] = {each.name: each for each in FIELDS}
BY_VENDOR_NAME: Final[Mapping[str, Field]] = {each.vendor_name: each for each in FIELDS}
TIMES: Final = tuple(each.name for each in FIELDS if each.content is Content.TIME)
POLICIES: Final[Mapping[str, Content]] = dict.fromkeys(
    IntermediateResult.vendor_names().values(), Content.CODE
) | {each.vendor_name: each.content for each in FIELDS}
"""The content of each field by the vendor's name, for masking a request."""


def create_result(vdn: Vdn, values: Mapping[str, Any]) -> IntermediateResult:
    """Create the vendor's request from values by field name; times are aware datetimes or None.

    Times are formatted as the settings say. Raises InvalidQuery.
    """
    given: dict[str, Any] = {
        name: format_time(value, vdn) if name in TIMES else value for name, value in values.items()
    }
    return IntermediateResult(vdn=vdn.pk, cc_id=vdn.cc_id, **given)
