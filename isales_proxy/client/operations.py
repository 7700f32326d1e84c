"""The table of vendor interfaces: what there is to know about each call, in one place.

The HTTP method says nothing about repeatability: reads are POST here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from .envelopes import Envelope

_CAMPAIGNS = "/rest/isales/v1/openapi/campaigns/{vdn}"

# Eight digits are generic; seven digits mean something else on every interface.
_GENERIC_MEANINGS = {
    "02000001": "A parameter is empty.",
    "02000002": "A parameter holds invalid characters.",
    "02000003": "A parameter is too long.",
    "02000004": "A parameter is too short.",
    "02000005": "The length of a parameter is out of range.",
    "02000006": "A parameter has the wrong type.",
    "02000007": "A parameter has a wrong value.",
    "02000008": "A parameter cannot be converted.",
    "02000009": "The parameters do not go together.",
    "02000010": "Hour and minute must be given together.",
    "02000011": "There are too many parameters.",
}


class AuthScheme(StrEnum):
    """How a request proves who sends it."""

    C2 = "c2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One vendor interface.

    Timeouts and deadline are in seconds and ``max_bytes`` bounds the answer; ``None`` means the
    client's setting. ``meanings`` translates this interface's error codes into English.
    """

    name: str
    method: str
    path: str
    auth: AuthScheme
    envelope: Envelope
    repeatable: bool
    vendor_page: str
    connect_timeout: float | None = None
    read_timeout: float | None = None
    deadline: float | None = None
    max_bytes: int | None = None
    meanings: Mapping[str, str] = field(default_factory=dict, repr=False)

    def path_for(self, *, vdn: int) -> str:
        """The path of the request, made of unreserved characters and ``/`` alone."""
        return self.path.format(vdn=int(vdn))


LIST_RESERVATIONS = Operation(
    name="list_reservations",
    method="POST",
    path=_CAMPAIGNS + "/appoint/list",
    auth=AuthScheme.C2,
    envelope=Envelope(rows="data"),
    repeatable=True,
    vendor_page="Querying the List of Reserved Outbound Call Tasks",
    meanings=MappingProxyType(
        {
            **_GENERIC_MEANINGS,
            "0200001": "A parameter is wrong; the vendor's own sentence says which.",
            "0200006": "The vendor's database failed.",
        }
    ),
)

LIST_RESULT_CODES = Operation(
    name="list_result_codes",
    method="GET",
    path=_CAMPAIGNS + "/queryOBSResultCode",
    auth=AuthScheme.C2,
    envelope=Envelope(rows="obsCodes"),
    repeatable=True,
    vendor_page="Querying OBS Outbound Call Result Codes",
    meanings=MappingProxyType(
        {
            **_GENERIC_MEANINGS,
            "0200001": "A parameter is wrong; the vendor's own sentence says which.",
        }
    ),
)

OPERATIONS: tuple[Operation, ...] = (LIST_RESERVATIONS, LIST_RESULT_CODES)
