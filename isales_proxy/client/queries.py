"""Queries and write-backs: validated, frozen inputs, so that an invalid one is never sent.

Vendor pages: "Querying the List of Reserved Outbound Call Tasks", "Querying OBS Outbound Call
Result Codes", "Interface for Reading Outbound Call Data" and "Interface for Writing back
Intermediate Results". The last one does not specify the format of its three times, so they are
texts here.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal, Self

MAX_TEXT = 64
MIN_VDN, MAX_VDN = 1, 9_999
MIN_CC_ID, MAX_CC_ID = 1, 65_535
MAX_PAGE = 100_000
MAX_PAGE_SIZE = 1_000
MAX_CODE_PAGE_SIZE = 50
MAX_AGENTS = 100
MAX_BATCH = 500
MAX_DEVICE_TYPE = 9_999
MAX_UNIQUE_ID = 128

Locale = Literal["zh_CN", "en_US"]
LOCALES: tuple[Locale, ...] = ("zh_CN", "en_US")

CALLED_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
"""A called number to search for, whole or in part."""

# Without leading zeros, which a JSON number would lose.
_WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class InvalidQuery(ValueError):
    """An input is out of bounds; nothing was sent.

    ``field`` is the invalid attribute, ``reason`` an English phrase; neither contains the value.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


def check_vdn(vdn: int) -> int:
    """Return a valid VDN ID (1 to 9999); raise `InvalidQuery` otherwise."""
    check_number("vdn", vdn, MIN_VDN, MAX_VDN)
    return vdn


def check_cc_id(cc_id: int) -> int:
    """Return a valid call centre ID (1 to 65535); raise `InvalidQuery` otherwise."""
    check_number("cc_id", cc_id, MIN_CC_ID, MAX_CC_ID)
    return cc_id


def check_text(name: str, value: object, *, required: bool = False, most: int = MAX_TEXT) -> None:
    """Raise `InvalidQuery` unless this is one line of at most ``most`` characters."""
    if not isinstance(value, str):
        raise InvalidQuery(name, "must be text")
    if len(value) > most:
        raise InvalidQuery(name, f"at most {most} characters")
    # Cc are control characters, Cs lone surrogates, which cannot be sent as UTF-8.
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise InvalidQuery(name, "must not hold control characters")
    if required and not value.strip():
        raise InvalidQuery(name, "must not be blank")


def check_number(name: str, value: object, lowest: int, highest: int) -> None:
    """Raise `InvalidQuery` unless this is a whole number within the bounds, both included."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidQuery(name, "must be a whole number")
    if not lowest <= value <= highest:
        raise InvalidQuery(name, f"must be from {lowest} to {highest}")


def check_moment(name: str, value: object) -> None:
    """Raise `InvalidQuery` unless this is an aware datetime or ``None``."""
    if value is None:
        return
    if not isinstance(value, datetime):
        raise InvalidQuery(name, "must be a date and time")
    if value.utcoffset() is None:
        raise InvalidQuery(name, "must carry its time zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationQuery:
    """One page of reserved calls.

    Empty text, an empty tuple and ``None`` mean "any". ``begin`` and ``end`` are aware datetimes,
    sent as whole milliseconds. ``page`` counts from 1, ``size`` is in rows.
    Raises `InvalidQuery` when a value is out of bounds.
    """

    # Numbers and accounts are personal data, and a repr ends up in logs.
    called_no: str = field(default="", repr=False)
    agents: tuple[str, ...] = field(default=(), repr=False)
    begin: datetime | None = None
    end: datetime | None = None
    task_id: str = ""
    page: int = 1
    size: int = 25

    def __post_init__(self) -> None:
        check_text("called_no", self.called_no)
        check_text("task_id", self.task_id)
        if not isinstance(self.agents, tuple):
            raise InvalidQuery("agents", "must be a tuple of accounts")
        if len(self.agents) > MAX_AGENTS:
            raise InvalidQuery("agents", f"at most {MAX_AGENTS} accounts")
        for account in self.agents:
            check_text("agents", account)
            if not account.strip():
                raise InvalidQuery("agents", "an account must not be blank")
        check_moment("begin", self.begin)
        check_moment("end", self.end)
        if self.begin is not None and self.end is not None and self.begin > self.end:
            raise InvalidQuery("begin", "must not be after the end")
        check_number("page", self.page, 1, MAX_PAGE)
        check_number("size", self.size, 1, MAX_PAGE_SIZE)

    @property
    def offset(self) -> int:
        """Records before this page, as the vendor defines it: size × (page − 1)."""
        return self.size * (self.page - 1)

    def to_body(self) -> dict[str, Any]:
        """Build the request body, with the given fields only."""
        body: dict[str, Any] = {"offset": self.offset, "limit": self.size}
        if self.called_no:
            body["calledNo"] = self.called_no
        if self.agents:
            body["userAccountList"] = list(self.agents)
        if self.begin is not None:
            body["beginTime"] = _milliseconds(self.begin)
        if self.end is not None:
            body["endTime"] = _milliseconds(self.end)
        if self.task_id:
            body["taskId"] = self.task_id
        return body

    def key(self) -> str:
        """Return a cache key: the same text for equivalent queries."""
        body = self.to_body()
        if self.agents:
            body["userAccountList"] = sorted(set(self.agents))
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultCodeQuery:
    """One page of the result codes. ``locale`` chooses the language of the descriptions.

    ``page`` counts from 1, ``size`` is in rows (1 to 50). Raises `InvalidQuery` when out of bounds.
    """

    page: int = 1
    size: int = MAX_CODE_PAGE_SIZE
    locale: Locale | None = None

    def __post_init__(self) -> None:
        check_number("page", self.page, 1, MAX_PAGE)
        check_number("size", self.size, 1, MAX_CODE_PAGE_SIZE)
        if self.locale is not None and self.locale not in LOCALES:
            raise InvalidQuery("locale", "must be zh_CN or en_US")

    def to_query(self) -> list[tuple[str, str]]:
        """Return the URL parameters, not encoded, in the order in which they are sent."""
        return [("pageSize", str(self.size)), ("pageNum", str(self.page))]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDataQuery:
    """A batch of call data of one outbound task, at most ``batch_count`` rows (1 to 500).

    Raises `InvalidQuery` when a value is out of bounds.
    """

    cc_id: int
    service_id: str
    batch_count: int

    def __post_init__(self) -> None:
        check_cc_id(self.cc_id)
        check_text("service_id", self.service_id, required=True)
        check_number("batch_count", self.batch_count, 1, MAX_BATCH)

    def to_body(self, *, vdn: int) -> dict[str, Any]:
        """Build the request body; the keyword of a task is sent as a number if it is one."""
        plain = _WHOLE_NUMBER.fullmatch(self.service_id) is not None
        return {
            "subCCNo": self.cc_id,
            "vdnId": check_vdn(vdn),
            "serviceId": int(self.service_id) if plain else self.service_id,
            "batchCount": self.batch_count,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class IntermediateResult:
    """The result of one call, for the row of call data named by ``unique_id``.

    Each field is sent under its ``name``, in the documented order. Empty text and ``None`` are left
    out of the request. Raises `InvalidQuery` when a value is out of bounds. The repr shows no
    personal data.
    """

    cc_id: int = field(metadata={"name": "subCCNo"})
    vdn: int = field(metadata={"name": "vdnId"})
    unique_id: str = field(repr=False, metadata={"name": "uniqueId"})
    service_id: str = field(metadata={"name": "serviceId"})
    status: str = field(default="", metadata={"name": "status"})
    device_type: int | None = field(default=None, metadata={"name": "deviceType"})
    phone_number: str = field(default="", repr=False, metadata={"name": "phoneNumber"})
    fail_code: str = field(default="", metadata={"name": "failCode"})
    asr_result: str = field(default="", metadata={"name": "asrResult"})
    fetch_time: str = field(default="", metadata={"name": "fetchTime"})
    write_start_time: str = field(default="", metadata={"name": "writeStartTime"})
    end_call_time: str = field(default="", metadata={"name": "endCallTime"})
    call_id: str = field(default="", repr=False, metadata={"name": "callId"})

    def __post_init__(self) -> None:
        check_vdn(self.vdn)
        check_cc_id(self.cc_id)
        if self.device_type is not None:
            check_number("device_type", self.device_type, 0, MAX_DEVICE_TYPE)
        check_text("unique_id", self.unique_id, required=True, most=MAX_UNIQUE_ID)
        check_text("service_id", self.service_id, required=True)
        for each in fields(self):
            if each.default == "":
                check_text(each.name, getattr(self, each.name))

    def to_body(self) -> dict[str, Any]:
        """Build the request body, with the given fields only."""
        given = {theirs: getattr(self, ours) for ours, theirs in self.vendor_names().items()}
        return {name: value for name, value in given.items() if value not in (None, "")}

    @classmethod
    @cache
    def vendor_names(cls) -> Mapping[str, str]:
        """Field → the vendor's spelling, in the documented order."""
        return {each.name: each.metadata["name"] for each in fields(cls)}

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Convert the result of `to_body` back. Raises `InvalidQuery` for any other body."""
        ours = {theirs: name for name, theirs in cls.vendor_names().items()}
        if any(name not in ours for name in body):
            raise InvalidQuery("body", "must hold the documented fields alone")
        given = {ours[name]: value for name, value in body.items()}
        for name in ("vdn", "cc_id", "unique_id", "service_id"):
            if name not in given:
                raise InvalidQuery(name, "is missing")
        return cls(**given)


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
