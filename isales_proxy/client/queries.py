"""What may be asked: frozen inputs with bounds, so that a bad question never reaches the vendor.

Vendor pages: "Querying the List of Reserved Outbound Call Tasks" and "Querying OBS Outbound Call
Result Codes".
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

MAX_PAGE = 100_000
MAX_PAGE_SIZE = 1_000
MAX_CODE_PAGE_SIZE = 50
MAX_AGENTS = 100
MAX_TEXT = 64
MIN_VDN, MAX_VDN = 1, 9_999

Locale = Literal["zh_CN", "en_US"]
LOCALES: tuple[Locale, ...] = ("zh_CN", "en_US")

CALLED_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
"""What can be asked for as a called number, whole or in part."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class InvalidQuery(ValueError):
    """A question outside the bounds. It was not sent.

    ``field`` is the attribute at fault, ``reason`` an English phrase; neither repeats the value.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationQuery:
    """One page of reserved calls.

    Empty text, an empty tuple and ``None`` mean "any". ``begin`` and ``end`` are aware datetimes;
    they travel as whole UTC milliseconds. ``page`` counts from 1, ``size`` is in rows.
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
        _check_text("called_no", self.called_no)
        _check_text("task_id", self.task_id)
        if not isinstance(self.agents, tuple):
            raise InvalidQuery("agents", "must be a tuple of accounts")
        if len(self.agents) > MAX_AGENTS:
            raise InvalidQuery("agents", f"at most {MAX_AGENTS} accounts")
        for account in self.agents:
            _check_text("agents", account)
            if not account.strip():
                raise InvalidQuery("agents", "an account must not be blank")
        _check_moment("begin", self.begin)
        _check_moment("end", self.end)
        if self.begin is not None and self.end is not None and self.begin > self.end:
            raise InvalidQuery("begin", "must not be after the end")
        _check_number("page", self.page, 1, MAX_PAGE)
        _check_number("size", self.size, 1, MAX_PAGE_SIZE)

    @property
    def offset(self) -> int:
        """Records before this page, as the vendor defines it: size × (page − 1)."""
        return self.size * (self.page - 1)

    def to_body(self) -> dict[str, Any]:
        """The request body in the vendor's spelling, holding only what was given."""
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
        """Stable text, equal for questions that the vendor must answer alike; for caches."""
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
        _check_number("page", self.page, 1, MAX_PAGE)
        _check_number("size", self.size, 1, MAX_CODE_PAGE_SIZE)
        if self.locale is not None and self.locale not in LOCALES:
            raise InvalidQuery("locale", "must be zh_CN or en_US")

    def to_query(self) -> list[tuple[str, str]]:
        """The URL parameters, raw, in the order in which they are sent."""
        return [("pageSize", str(self.size)), ("pageNum", str(self.page))]


def check_vdn(vdn: int) -> int:
    """``vdn`` itself when it is a VDN id (1 to 9999); raises `InvalidQuery` otherwise."""
    _check_number("vdn", vdn, MIN_VDN, MAX_VDN)
    return vdn


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidQuery(name, "must be text")
    if len(value) > MAX_TEXT:
        raise InvalidQuery(name, f"at most {MAX_TEXT} characters")
    # Cc are control characters, Cs lone surrogates, which cannot be sent as UTF-8.
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise InvalidQuery(name, "must not hold control characters")


def _check_number(name: str, value: object, lowest: int, highest: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidQuery(name, "must be a whole number")
    if not lowest <= value <= highest:
        raise InvalidQuery(name, f"must be from {lowest} to {highest}")


def _check_moment(name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, datetime):
        raise InvalidQuery(name, "must be a date and time")
    if value.utcoffset() is None:
        raise InvalidQuery(name, "must carry its time zone")


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
