"""Typed answers. The vendor's spelling of every field lives here and nowhere else.

Vendor pages: "Querying the List of Reserved Outbound Call Tasks" (18 fields), "Querying OBS
Outbound Call Result Codes" (2 fields), "Interface for Obtaining Outbound Call Tasks" (1 field) and
"Interface for Reading Outbound Call Data" (7 fields, two of them spelt in two ways).

What really arrives differs from the pages: numbers as strings, booleans as strings, null, missing
and unknown fields. Reading never fails because of a value; what cannot be read becomes ``None``
and is reported as drift, by name only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from .errors import BadAnswer
from .ie_data import IeData, parse_ie_data
from .redaction import field_name
from .values import Code, Data, Flag, Moment, Numbers, Text, plain, storable

Drift = tuple[tuple[str, str], ...]
"""Pairs of (vendor's field name, kind)."""

_MAX_UNKNOWN_NAMES = 20


class Record(BaseModel):
    """Base of all answers: frozen, read by the vendor's names, unknown fields kept.

    The unknown fields are in ``model_extra``. The repr shows no values, since they are personal.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    @classmethod
    def vendor_names(cls) -> dict[str, str]:
        """Our name → the vendor's name, in the documented order."""
        return {name: info.alias or name for name, info in cls.model_fields.items()}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__


class Reservation(Record):
    """One reserved call. Times are aware UTC; every field may be ``None``."""

    appoint_id: Text = Field(None, alias="appointId")
    call_type: Text = Field(None, alias="callType")
    appoint_time: Moment = Field(None, alias="appointTime")
    called_no: Text = Field(None, alias="calledNo")
    task_id: Text = Field(None, alias="taskId")
    task_name: Text = Field(None, alias="taskName")
    task_status: Text = Field(None, alias="taskStatus")
    timeout: Flag = Field(None, alias="timeout")
    user_account: Text = Field(None, alias="userAccount")
    user_name: Text = Field(None, alias="userName")
    begin_time: Moment = Field(None, alias="beginTime")
    end_time: Moment = Field(None, alias="endTime")
    call_flag: Text = Field(None, alias="callFlag")
    caller_no: Text = Field(None, alias="callerNo")
    fail_code: Text = Field(None, alias="failCode")
    result: Text = Field(None, alias="result")
    busi_result: Text = Field(None, alias="busiResult")
    create_time: Moment = Field(None, alias="createTime")


class ResultCode(Record):
    """One OBS result code. ``code`` is ``""`` when the vendor sent none that can be read."""

    code: Code = Field("", alias="obsCode")
    description: Text = Field(None, alias="obsCodeDesc")


class OutboundTask(Record):
    """One outbound task that the dialler may work on; named by its keyword alone."""

    service_id: Text = Field(None, alias="serviceId")


class CallDatum(Record):
    """One row of call data, handed out to be dialled. Every field may be empty."""

    version: Text = Field(None, alias="version")
    service_id: Text = Field(None, alias="seviceId")
    unique_id: Text = Field(None, alias="uniqueId")
    phone_numbers: Numbers = Field((), alias="phoneNumber")
    call_data: Data = Field(None, alias="callData")
    caller_number: Text = Field(None, alias="callerNumber")
    ie_data: Text = Field(None, alias="ieData")

    @property
    def ie(self) -> IeData:
        """``ie_data`` in its parts."""
        return parse_ie_data(self.ie_data or "")


def parse_reservation(row: object) -> tuple[Reservation, Drift]:
    """One row of ``appoint/list``. Raises `BadAnswer` when it is not an object."""
    return _parse(Reservation, _RESERVATION, row)


def parse_result_code(row: object) -> tuple[ResultCode, Drift]:
    """One row of ``queryOBSResultCode``. Raises `BadAnswer` when it is not an object."""
    return _parse(ResultCode, _RESULT_CODE, row)


def parse_outbound_task(row: object) -> tuple[OutboundTask, Drift]:
    """One row of ``tasks``. Raises `BadAnswer` when it is not an object."""
    return _parse(OutboundTask, _OUTBOUND_TASK, row)


def parse_call_datum(row: object) -> tuple[CallDatum, Drift]:
    """One row of ``callnos``. One that is no object has nothing that can be read."""
    if not isinstance(row, dict):
        # The rows beside it are handed out only once, so nothing may make them unreadable.
        return CallDatum(), (("taskData", "unreadable"),)
    return _parse(CallDatum, _CALL_DATUM, row)


@dataclass(frozen=True, slots=True)
class _Shape:
    """The vendor page's description of a record; every field not named here is text."""

    fields: Mapping[str, str]  # the vendor's name → ours
    numbers: frozenset[str] = frozenset()
    booleans: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    spellings: Mapping[str, str] = field(default_factory=dict)  # another one of the page → ours
    optional: frozenset[str] = frozenset()  # a sound row may leave these out
    types: Mapping[str, type] = field(init=False)  # the vendor's name → Python's type

    def __post_init__(self) -> None:
        kinds = ((self.numbers, int), (self.booleans, bool), (self.lists, list))
        types = {name: kind for names, kind in kinds for name in names}
        object.__setattr__(self, "types", {name: types.get(name, str) for name in self.fields})

    def documents(self, name: str, value: object) -> bool:
        """Tell whether ``value`` has the JSON type that the page gives to the field."""
        return type(value) is self.types[name]

    def respelt(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The row under one spelling. The one that holds something wins, first the table's."""
        if not self.spellings:
            return row
        named = dict(row)
        for other, name in self.spellings.items():
            if other in named and _blank(named.get(name)):
                named[name] = named.pop(other)
        return named


_RESERVATION = _Shape(
    fields={theirs: ours for ours, theirs in Reservation.vendor_names().items()},
    numbers=frozenset({"appointTime", "beginTime", "endTime", "createTime"}),
    booleans=frozenset({"timeout"}),
    # A reservation that was not called yet has no outcome.
    optional=frozenset(
        {"beginTime", "endTime", "callFlag", "callerNo", "failCode", "result", "busiResult"}
    ),
)
_RESULT_CODE = _Shape(fields={theirs: ours for ours, theirs in ResultCode.vendor_names().items()})
_OUTBOUND_TASK = _Shape(
    fields={theirs: ours for ours, theirs in OutboundTask.vendor_names().items()},
    spellings={"seviceId": "serviceId"},
)
_CALL_DATUM = _Shape(
    fields={theirs: ours for ours, theirs in CallDatum.vendor_names().items()},
    lists=frozenset({"phoneNumber"}),
    spellings={"serviceId": "seviceId", "uiqueId": "uniqueId"},
    # The vendor's example leaves the version out.
    optional=frozenset({"version", "callData", "callerNumber", "ieData"}),
)

R = TypeVar("R", bound=Record)


def _parse(kind: type[R], shape: _Shape, row: object) -> tuple[R, Drift]:
    if not isinstance(row, dict):
        raise BadAnswer("A row of the answer is not an object.")
    row = shape.respelt(row)
    known = row
    unknown = [name for name in row if name not in shape.fields]
    if unknown:
        # Known names win, also over unknown ones that only become alike by cleaning.
        known = {storable(str(name)): plain(row[name]) for name in unknown} | {
            name: value for name, value in row.items() if name in shape.fields
        }
    record = kind.model_validate(known)

    drift = [(field_name(str(name)), "unknown") for name in unknown[:_MAX_UNKNOWN_NAMES]]
    values = record.__dict__
    for theirs, ours in shape.fields.items():
        if values[ours] and shape.documents(theirs, row.get(theirs)):
            # Read, and of the documented type: most fields of most rows.
            continue
        if theirs not in row:
            if theirs not in shape.optional:
                drift.append((theirs, "missing"))
            continue
        value = row[theirs]
        if _blank(value) or (value == [] and theirs in shape.lists):
            continue
        if values[ours] in (None, "", ()):
            drift.append((theirs, "unreadable"))
        elif not shape.documents(theirs, value):
            drift.append((theirs, "retyped"))
    return record, tuple(drift)


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
