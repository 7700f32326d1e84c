"""Typed answers. The vendor's spelling of every field lives here and nowhere else.

Vendor pages: "Querying the List of Reserved Outbound Call Tasks" (18 fields) and "Querying OBS
Outbound Call Result Codes" (2 fields).

What really arrives differs from the pages: numbers as strings, booleans as strings, null, missing
and unknown fields. Reading never fails because of a value; what cannot be read becomes ``None``
and is reported as drift, by name only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from .errors import BadAnswer
from .redact import field_name

DriftKind = Literal["unknown", "missing", "unreadable", "retyped"]
Drift = tuple[tuple[str, str], ...]
"""Pairs of (vendor's field name, kind)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MOMENT = datetime(1971, 1, 1, tzinfo=UTC)
_LAST_MOMENT = datetime(9998, 12, 31, tzinfo=UTC)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.0*)?")
_MAX_TEXT = 10_000
_MAX_EXTRA_DEPTH = 8
_MAX_UNKNOWN_NAMES = 20
_TRUE = frozenset({"true", "1", "yes", "y"})
_FALSE = frozenset({"false", "0", "no", "n"})


def read_text(value: object) -> str | None:
    """Text as sent, outer blanks removed; numbers as their digits; blank and unreadable: ``None``.

    Codes keep their leading zeros, since text is never taken for a number.
    """
    if isinstance(value, str):
        return _storable(value)[:_MAX_TEXT].strip() or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() < 256 else None
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return None


def read_flag(value: object) -> bool | None:
    """true/false, also as text or number; anything else is ``None``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        return True if word in _TRUE else False if word in _FALSE else None
    if isinstance(value, int | float):
        return True if value == 1 else False if value == 0 else None
    return None


def read_moment(value: object) -> datetime | None:
    """Milliseconds since 1970, as number or text, as an aware UTC datetime; else ``None``.

    So do 0 and the far ends of the calendar: they stand for "never", and no zone could show them.
    """
    if isinstance(value, str):
        text = value.strip()
        if not _WHOLE_NUMBER.fullmatch(text):
            return None
        value = int(text.partition(".")[0])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        moment = _EPOCH + timedelta(milliseconds=value)
    except (OverflowError, ValueError):
        return None
    return moment if _FIRST_MOMENT <= moment <= _LAST_MOMENT else None


Text = Annotated[str | None, BeforeValidator(read_text)]
Code = Annotated[str, BeforeValidator(lambda value: read_text(value) or "")]
Flag = Annotated[bool | None, BeforeValidator(read_flag)]
Moment = Annotated[datetime | None, BeforeValidator(read_moment)]


class Record(BaseModel):
    """What all answers share: frozen, read by the vendor's names, unknown fields kept.

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


def parse_reservation(row: object) -> tuple[Reservation, Drift]:
    """One row of ``appoint/list``. Raises `BadAnswer` when it is not an object."""
    return _parse(Reservation, _RESERVATION, row)


def parse_result_code(row: object) -> tuple[ResultCode, Drift]:
    """One row of ``queryOBSResultCode``. Raises `BadAnswer` when it is not an object."""
    return _parse(ResultCode, _RESULT_CODE, row)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the vendor page says about a record; every field not named here is text."""

    fields: Mapping[str, str]  # the vendor's name → ours
    numbers: frozenset[str] = frozenset()
    booleans: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()  # a sound row may leave these out

    def documents(self, name: str, value: object) -> bool:
        """Whether ``value`` has the JSON type that the page gives to the field."""
        if isinstance(value, bool):
            return name in self.booleans
        if isinstance(value, int):
            return name in self.numbers
        return isinstance(value, str) and name not in self.numbers and name not in self.booleans


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

R = TypeVar("R", bound=Record)


def _parse(kind: type[R], shape: _Shape, row: object) -> tuple[R, Drift]:
    if not isinstance(row, dict):
        raise BadAnswer("A row of the answer is not an object.")
    known = {name: value for name, value in row.items() if name in shape.fields}
    unknown = [name for name in row if name not in shape.fields]
    if unknown:
        # Known names win, also over unknown ones that only become alike by cleaning.
        known = {_storable(str(name)): _plain(row[name]) for name in unknown} | known
    record = kind.model_validate(known)

    drift = [(field_name(str(name)), "unknown") for name in unknown[:_MAX_UNKNOWN_NAMES]]
    for theirs, ours in shape.fields.items():
        if theirs not in row:
            if theirs not in shape.optional:
                drift.append((theirs, "missing"))
            continue
        value = row[theirs]
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        if getattr(record, ours) in (None, ""):
            drift.append((theirs, "unreadable"))
        elif not shape.documents(theirs, value):
            drift.append((theirs, "retyped"))
    return record, tuple(drift)


def _plain(value: object, depth: int = 0) -> Any:
    """An unknown field's value, fit to be stored; what is nested too deep is dropped."""
    if isinstance(value, str):
        return _storable(value)[:_MAX_TEXT]
    if depth >= _MAX_EXTRA_DEPTH and isinstance(value, dict | list):
        return None
    if isinstance(value, dict):
        return {_storable(str(name)): _plain(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, depth + 1) for inner in value]
    return value


def _storable(text: str) -> str:
    """Without what a UTF-8 page or a database refuses: halves of character pairs, NUL."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
