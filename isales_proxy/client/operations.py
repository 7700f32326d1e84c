"""The table of vendor interfaces and the properties of each.

The HTTP method says nothing about repeatability: reads are POST here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic

from .config import Endpoint
from .envelopes import AppTokenEnvelope, Dialect, Envelope, LogInEnvelope, ObsEnvelope, P

_CAMPAIGNS = "/rest/isales/v1/openapi/campaigns/{vdn}"
_OBS = "/rest/isales/v1/openapi/obs"
_JSON_UTF8 = "application/json; charset=UTF-8"

# Codes of eight digits are generic; those of seven, except the first one here, depend on the
# interface.
_MEANINGS = {
    "0200001": "A parameter is wrong; the message from CC-iSales says which.",
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
    """Authentication of a request."""

    C2 = "c2"
    BEARER = "bearer"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[P]):
    """One vendor interface, whose answers hold a ``P``.

    ``repeatable``: one call may send its request more than once. ``slow``: the long timeout holds,
    since an answer that comes too late is lost for good. ``max_bytes`` bounds the answer; ``None``
    means the client's setting.
    ``meanings`` translates this interface's error codes into English.
    """

    name: str
    vendor_page: str
    path: str
    envelope: Dialect[P]
    repeatable: bool
    method: str = "POST"
    endpoint: Endpoint = Endpoint.OBS
    auth: AuthScheme = AuthScheme.BEARER
    content_type: str = "application/json"
    slow: bool = False
    max_bytes: int | None = None
    meanings: Mapping[str, str] = field(default_factory=dict, repr=False)

    def path_for(self, *, vdn: int | None = None) -> str:
        """Return the path of the request: unreserved characters and ``/`` only."""
        return self.path.format_map({} if vdn is None else {"vdn": int(vdn)})


LIST_RESERVATIONS = Operation(
    name="list_reservations",
    vendor_page="Querying the List of Reserved Outbound Call Tasks",
    path=_CAMPAIGNS + "/appoint/list",
    envelope=Envelope(rows="data"),
    repeatable=True,
    endpoint=Endpoint.CAMPAIGNS,
    auth=AuthScheme.C2,
    content_type=_JSON_UTF8,
    meanings=_MEANINGS | {"0200006": "The CC-iSales database failed."},
)

LIST_RESULT_CODES = Operation(
    name="list_result_codes",
    vendor_page="Querying OBS Outbound Call Result Codes",
    path=_CAMPAIGNS + "/queryOBSResultCode",
    envelope=Envelope(rows="obsCodes"),
    repeatable=True,
    method="GET",
    endpoint=Endpoint.CAMPAIGNS,
    auth=AuthScheme.C2,
    content_type=_JSON_UTF8,
    meanings=_MEANINGS,
)

LIST_OUTBOUND_TASKS = Operation(
    name="list_outbound_tasks",
    vendor_page="Interface for Obtaining Outbound Call Tasks",
    path=_OBS + "/business/tasks",
    envelope=ObsEnvelope(),
    repeatable=True,
)

READ_CALL_DATA = Operation(
    name="read_call_data",
    vendor_page="Interface for Reading Outbound Call Data",
    path=_OBS + "/business/callnos",
    envelope=ObsEnvelope(),
    # Reading may use the numbers up: the request is sent once, and the answer is waited for.
    repeatable=False,
    slow=True,
    max_bytes=32 * 1024 * 1024,
)

PUSH_MID_RESULT = Operation(
    name="push_mid_result",
    vendor_page="Interface for Writing back Intermediate Results",
    path=_OBS + "/business/push/midresult",
    envelope=ObsEnvelope(holds_data=False),
    # The vendor updates by uniqueId, so it could be repeated; the outbox does that, with a journal.
    repeatable=False,
)

FETCH_TOKEN = Operation(
    name="fetch_token",
    vendor_page="C1 System Configuration Interface Authentication",
    path="",  # the address is a setting as a whole
    envelope=AppTokenEnvelope(),
    repeatable=True,
    endpoint=Endpoint.TOKEN,
    auth=AuthScheme.OPEN,
)

LOG_IN = Operation(
    name="log_in",
    vendor_page="OBS log-in",
    path=_OBS + "/auth/login",
    envelope=LogInEnvelope(),
    repeatable=True,
    auth=AuthScheme.OPEN,
)

REFRESH_TOKEN = Operation(
    name="refresh_token",
    vendor_page="OBS token refresh",
    path=_OBS + "/auth/refresh",
    envelope=LogInEnvelope(),
    repeatable=True,
    auth=AuthScheme.OPEN,
)

OPERATIONS: tuple[Operation[Any], ...] = (
    LIST_RESERVATIONS,
    LIST_RESULT_CODES,
    LIST_OUTBOUND_TASKS,
    READ_CALL_DATA,
    PUSH_MID_RESULT,
    FETCH_TOKEN,
    LOG_IN,
    REFRESH_TOKEN,
)
