"""Typed answers. The vendor's spelling of every field lives here and nowhere else.

Vendor pages: "Querying the List of Reserved Outbound Call Tasks" (18 fields), "Querying OBS
Outbound Call Result Codes" (2 fields), "Interface for Obtaining Outbound Call Tasks" (1 field) and
"Interface for Reading Outbound Call Data" (7 fields, two of them spelt in two ways).

Real answers differ from the pages: numbers and booleans as strings, null, missing and unknown
fields. Values that cannot be read become ``None`` and are reported as drift, by name only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from .errors import BadAnswer
from .redaction import field_name
from .values import (
    EPOCH,
    MAX_TEXT,
    TIMES_MS,
    Code,
    Data,
    Flag,
    Moment,
    Numbers,
    Text,
    clean_json,
    make_storable,
    read_text,
)

Drift = tuple[tuple[str, str], ...]
"""Pairs of (vendor's field name, kind)."""

SUCCESS_CODES = frozenset({"00000", "0"})
"""Values of ``failCode`` of a call that succeeded; any other is a failure."""

_MAX_UNKNOWN_NAMES = 20
_SHORT = 64
# Documented JSON type by Python type; text for all others.
_JSON_TYPES: Mapping[Any, type] = {datetime | None: int, bool | None: bool, tuple[str, ...]: list}


class Record(BaseModel):
    """Base of all rows: frozen, parsed by the vendor's names; ``model_extra`` has unknown fields.

    The repr shows no values, since they are personal.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    documented: ClassVar[dict[str, tuple[str, type]]]
    """The vendor's name of each field → ours, and its documented JSON type."""
    spellings: ClassVar[Mapping[str, str]] = {}
    """Alternative spelling → the vendor's name."""
    optional: ClassVar[frozenset[str]] = frozenset()
    """The vendor's names of fields that a row may leave out."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        cls.documented = {
            info.alias or name: (name, _JSON_TYPES.get(info.annotation, str))
            for name, info in cls.model_fields.items()
        }

    @classmethod
    def vendor_names(cls) -> dict[str, str]:
        """Our name → the vendor's name, in the documented order."""
        return {ours: theirs for theirs, (ours, _) in cls.documented.items()}

    @classmethod
    def parse(cls, row: object) -> tuple[Self, Drift]:
        """Parse one row of an answer. Raises `BadAnswer` if it is not an object."""
        if not isinstance(row, dict):
            raise BadAnswer("A row of the answer is not an object.")
        row = cls._normalise_names(row)
        known = row
        unknown = [name for name in row if name not in cls.documented]
        if unknown:
            # Known names take precedence over unknown ones that equal them after cleaning.
            known = {make_storable(str(name)): clean_json(row[name]) for name in unknown} | {
                name: value for name, value in row.items() if name in cls.documented
            }
        record = cls.model_validate(known)

        drift = [(field_name(str(name)), "unknown") for name in unknown[:_MAX_UNKNOWN_NAMES]]
        values = record.__dict__
        for theirs, (ours, kind) in cls.documented.items():
            if values[ours] and type(row.get(theirs)) is kind:
                # As documented, like most fields of most rows.
                continue
            if theirs not in row:
                if theirs not in cls.optional:
                    drift.append((theirs, "missing"))
                continue
            value = row[theirs]
            if _is_blank(value) or (value == [] and kind is list):
                continue
            if values[ours] in (None, "", ()):
                drift.append((theirs, "unreadable"))
            elif type(value) is not kind:
                drift.append((theirs, "retyped"))
        return record, tuple(drift)

    @classmethod
    def _normalise_names(cls, row: dict[str, Any]) -> dict[str, Any]:
        """Rename alternative spellings, unless the field has a value under the vendor's name."""
        if not cls.spellings:
            return row
        named = dict(row)
        for other, name in cls.spellings.items():
            if other in named and _is_blank(named.get(name)):
                named[name] = named.pop(other)
        return named

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

    # Set once the reservation was called.
    optional = frozenset(
        {"beginTime", "endTime", "callFlag", "callerNo", "failCode", "result", "busiResult"}
    )

    @classmethod
    def parse(cls, row: object) -> tuple[Self, Drift]:
        """Parse one row of ``appoint/list``. Raises `BadAnswer` if it is not an object."""
        values = _read_documented(row) if type(row) is dict else None
        if values is None:
            return super().parse(row)
        return create_reservation(cls, values), ()


class ResultCode(Record):
    """One OBS result code. ``code`` is ``""`` if it is missing or cannot be read."""

    code: Code = Field("", alias="obsCode")
    description: Text = Field(None, alias="obsCodeDesc")


class OutboundTask(Record):
    """One outbound task that is being executed, identified by its keyword."""

    service_id: Text = Field(None, alias="serviceId")

    spellings = {"seviceId": "serviceId"}


class CallDatum(Record):
    """One row of call data. Every field may be empty."""

    version: Text = Field(None, alias="version")
    service_id: Text = Field(None, alias="seviceId")
    unique_id: Text = Field(None, alias="uniqueId")
    phone_numbers: Numbers = Field((), alias="phoneNumber")
    call_data: Data = Field(None, alias="callData")
    caller_number: Text = Field(None, alias="callerNumber")
    ie_data: Text = Field(None, alias="ieData")

    spellings = {"serviceId": "seviceId", "uiqueId": "uniqueId"}
    # The vendor's example leaves the version out.
    optional = frozenset({"version", "callData", "callerNumber", "ieData"})

    @classmethod
    def parse(cls, row: object) -> tuple[Self, Drift]:
        """Parse one row of ``callnos``; a row that is not an object becomes an empty record."""
        if not isinstance(row, dict):
            # An error would lose the other rows, which the vendor hands out only once.
            return cls(), (("taskData", "unreadable"),)
        return super().parse(row)


V = TypeVar("V", bound=Reservation)


def create_reservation(kind: type[V], values: dict[str, Any]) -> V:
    """Create a record from all its values, by our names, without validation."""
    record = kind.__new__(kind)
    set_slot = object.__setattr__
    set_slot(record, "__dict__", values)
    set_slot(record, "__pydantic_fields_set__", _RESERVATION_NAMES)
    set_slot(record, "__pydantic_extra__", {})
    set_slot(record, "__pydantic_private__", None)
    return record


_RESERVATION_NAMES = set(Reservation.model_fields)
_NOTHING: Mapping[str, Any] = dict.fromkeys(Reservation.model_fields)
_TEXT_TYPES = frozenset({str, type(None)})
# Vendor's and our names of the fields of each documented type.
_TEXT_PAIRS, _TIMES, _FLAGS = (
    tuple(
        (theirs, ours)
        for theirs, (ours, kind) in Reservation.documented.items()
        if kind is documented
    )
    for documented in (str, int, bool)
)
_TEXTS, _OUR_TEXTS = zip(*_TEXT_PAIRS, strict=True)
# Names, tasks and codes are the same in many rows.
_read_short_text = lru_cache(maxsize=4096)(read_text)


def _read_documented(row: dict[str, Any]) -> dict[str, Any] | None:
    """Read a row that is as documented, like nearly all; ``None`` for other rows."""
    if not _are_documented(tuple(row)):
        return None
    get = row.get
    texts: list[Any] = list(map(get, _TEXTS))
    if not _TEXT_TYPES.issuperset(map(type, texts)):
        return None
    sent = "".join(filter(None, texts))
    if sent.isascii() and sent.isprintable() and len(sent) < MAX_TEXT:
        # Like most rows: only blanks are to be removed.
        texts = [text.strip() or None if text else None for text in texts]
    else:
        for place, text in enumerate(texts):
            if not text:
                texts[place] = None
            elif len(text) > _SHORT:
                texts[place] = read_text(text)
            elif text.isascii() and text.isprintable():
                texts[place] = text.strip() or None
            else:
                texts[place] = _read_short_text(text)
    values = dict(_NOTHING)
    values.update(zip(_OUR_TEXTS, texts, strict=True))
    for theirs, ours in _TIMES:
        value = get(theirs)
        if type(value) is int:
            if value not in TIMES_MS:
                return None
            values[ours] = EPOCH + timedelta(milliseconds=value)
        elif value is not None:
            return None
    for theirs, ours in _FLAGS:
        value = get(theirs)
        if type(value) is bool:
            values[ours] = value
        elif value is not None:
            return None
    return values


@lru_cache(maxsize=256)
def _are_documented(names: tuple[str, ...]) -> bool:
    """Return True if no required field is missing and no field is unknown."""
    documented = Reservation.documented.keys()
    return documented - Reservation.optional <= set(names) <= documented


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
