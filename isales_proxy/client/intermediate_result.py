"""An intermediate result to be written back.

Vendor page: "Interface for Writing back Intermediate Results". The page leaves open how its three
times are written, so they are ready text here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from .bounds import InvalidQuery, check_cc_id, check_number, check_text, check_vdn

MAX_DEVICE_TYPE = 9_999
MAX_UNIQUE_ID = 128

# Ours → the vendor's, in the documented order.
_NAMES = {
    "cc_id": "subCCNo",
    "vdn": "vdnId",
    "unique_id": "uniqueId",
    "service_id": "serviceId",
    "status": "status",
    "device_type": "deviceType",
    "phone_number": "phoneNumber",
    "fail_code": "failCode",
    "asr_result": "asrResult",
    "fetch_time": "fetchTime",
    "write_start_time": "writeStartTime",
    "end_call_time": "endCallTime",
    "call_id": "callId",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IntermediateResult:
    """The result of one call, for the row of call data named by ``unique_id``.

    Empty text and ``None`` are left out of the request. Raises `InvalidQuery` when a value is out
    of bounds; the repr shows nothing that tells the customer.
    """

    vdn: int
    cc_id: int
    unique_id: str = field(repr=False)
    service_id: str
    status: str = ""
    device_type: int | None = None
    phone_number: str = field(default="", repr=False)
    fail_code: str = ""
    asr_result: str = ""
    fetch_time: str = ""
    write_start_time: str = ""
    end_call_time: str = ""
    call_id: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        check_vdn(self.vdn)
        check_cc_id(self.cc_id)
        if self.device_type is not None:
            check_number("device_type", self.device_type, 0, MAX_DEVICE_TYPE)
        check_text("unique_id", self.unique_id, required=True, most=MAX_UNIQUE_ID)
        check_text("service_id", self.service_id, required=True)
        for name in _NAMES:
            if name not in {"vdn", "cc_id", "device_type", "unique_id", "service_id"}:
                check_text(name, getattr(self, name))

    def to_body(self) -> dict[str, Any]:
        """The request body in the vendor's spelling, holding only what was given."""
        given = {theirs: getattr(self, ours) for ours, theirs in _NAMES.items()}
        return {name: value for name, value in given.items() if value not in (None, "")}

    @classmethod
    def vendor_names(cls) -> Mapping[str, str]:
        """Field → the vendor's spelling, in the documented order."""
        return _NAMES

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Return what `to_body` was made from. Raises `InvalidQuery` when it cannot have been."""
        ours = {theirs: name for name, theirs in _NAMES.items()}
        if any(name not in ours for name in body):
            raise InvalidQuery("body", "must hold the documented fields alone")
        given = {ours[name]: value for name, value in body.items()}
        for name in ("vdn", "cc_id", "unique_id", "service_id"):
            if name not in given:
                raise InvalidQuery(name, "is missing")
        return cls(**given)
