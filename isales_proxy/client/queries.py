"""Queries: frozen inputs with bounds, so that a bad question never reaches the vendor.

Vendor pages: "Querying the List of Reserved Outbound Call Tasks", "Querying OBS Outbound Call
Result Codes" and "Interface for Reading Outbound Call Data"; a write-back is an
`IntermediateResult`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from .bounds import (
    MAX_CC_ID,
    MAX_TEXT,
    MAX_VDN,
    MIN_CC_ID,
    MIN_VDN,
    InvalidQuery,
    check_cc_id,
    check_moment,
    check_number,
    check_text,
    check_vdn,
)
from .intermediate_result import IntermediateResult

__all__ = [
    "CALLED_NUMBER",
    "LOCALES",
    "MAX_AGENTS",
    "MAX_BATCH",
    "MAX_CC_ID",
    "MAX_CODE_PAGE_SIZE",
    "MAX_PAGE",
    "MAX_PAGE_SIZE",
    "MAX_TEXT",
    "MAX_VDN",
    "MIN_CC_ID",
    "MIN_VDN",
    "CallDataQuery",
    "IntermediateResult",
    "InvalidQuery",
    "Locale",
    "ReservationQuery",
    "ResultCodeQuery",
    "check_cc_id",
    "check_vdn",
]

MAX_PAGE = 100_000
MAX_PAGE_SIZE = 1_000
MAX_CODE_PAGE_SIZE = 50
MAX_AGENTS = 100
MAX_BATCH = 500

Locale = Literal["zh_CN", "en_US"]
LOCALES: tuple[Locale, ...] = ("zh_CN", "en_US")

CALLED_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
"""What can be asked for as a called number, whole or in part."""

# A leading zero would be lost in a number.
_WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


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
        check_number("page", self.page, 1, MAX_PAGE)
        check_number("size", self.size, 1, MAX_CODE_PAGE_SIZE)
        if self.locale is not None and self.locale not in LOCALES:
            raise InvalidQuery("locale", "must be zh_CN or en_US")

    def to_query(self) -> list[tuple[str, str]]:
        """The URL parameters, raw, in the order in which they are sent."""
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
        """The request body in the vendor's spelling; a task's keyword is a number where it can."""
        plain = _WHOLE_NUMBER.fullmatch(self.service_id) is not None
        return {
            "subCCNo": self.cc_id,
            "vdnId": check_vdn(vdn),
            "serviceId": int(self.service_id) if plain else self.service_id,
            "batchCount": self.batch_count,
        }


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
