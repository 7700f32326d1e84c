"""Strict reading of request parameters, with the vendor's generic error codes.

Basis: tables 5 and 6 of "Querying OBS Outbound Call Result Codes" and "Querying the List
of Reserved Outbound Call Tasks". Stricter than any vendor is likely to be: what the
documents do not allow is refused, so that a careless client is found out here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, cast

from isales_proxy.simulator.data import Filter

CONTENT_TYPE: Final = "application/json; charset=UTF-8"
MAX_AGENTS: Final = 100

PARAMETER_ERROR: Final = "0200001"
EMPTY: Final = "02000001"
INVALID_CHARACTERS: Final = "02000002"
TOO_LONG: Final = "02000003"
WRONG_TYPE: Final = "02000006"
WRONG_VALUE: Final = "02000007"
CONVERSION: Final = "02000008"
COMBINATION: Final = "02000009"
TOO_MANY: Final = "02000011"

_LAST_MS: Final = 253_402_300_799_999
_NUMBER: Final = re.compile(r"[0-9+*#]+")
_TASK: Final = re.compile(r"[0-9A-Za-z_-]+")
_ACCOUNT: Final = re.compile(r"[^\x00-\x1f\x7f<>\"'&;\\]+")
_BODY_FIELDS: Final = frozenset(
    {"calledNo", "userAccountList", "beginTime", "endTime", "taskId", "offset", "limit"}
)


class ParameterError(Exception):
    """A request that is answered with a business error: `code` and a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A checked `appoint/list` request; `offset` and `limit` in rows."""

    wanted: Filter
    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class CodesRequest:
    """A checked `queryOBSResultCode` request; pages count from 1."""

    page: int
    size: int
    locale: str


def check_content_type(value: str | None) -> None:
    """Demand the one documented value, letter for letter."""
    if value != CONTENT_TYPE:
        raise ParameterError(
            PARAMETER_ERROR, f"Content-Type: the value is fixed to {CONTENT_TYPE}."
        )


def check_vdn(text: str, known: frozenset[int]) -> int:
    """The VDN ID of the path, 1 to 9999 and known here."""
    if not (text.isascii() and text.isdigit()):
        raise ParameterError(WRONG_TYPE, "vdnId: incorrect parameter type, integer expected.")
    if len(text) > 9 or str(int(text)) != text or not 1 <= int(text) <= 9999:
        raise ParameterError(WRONG_VALUE, "vdnId: the value ranges from 1 to 9999.")
    if int(text) not in known:
        raise ParameterError(PARAMETER_ERROR, "vdnId: the VDN does not exist.")
    return int(text)


def decode_body(body: bytes) -> dict[str, object]:
    """The request body as a JSON object."""
    if not body:
        raise ParameterError(EMPTY, "request body: empty parameter.")
    try:
        parsed = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ParameterError(
            CONVERSION, "request body: parameter conversion error, not UTF-8 JSON."
        ) from None
    if not isinstance(parsed, dict):
        raise ParameterError(WRONG_TYPE, "request body: incorrect parameter type.")
    return cast("dict[str, object]", parsed)


def _no_constant(name: str) -> object:
    raise ValueError(name)


def read_list_request(body: Mapping[str, object], *, max_limit: int) -> ListRequest:
    """Check every field of an `appoint/list` body, or raise ParameterError."""
    refuse_unknown(body, _BODY_FIELDS)
    limit = read_integer(body, "limit", low=1, high=max_limit)
    offset = read_integer(body, "offset", low=0, high=2**31 - 1)
    if offset % limit:
        raise ParameterError(COMBINATION, "offset: must be limit x (page - 1).")
    begin_ms = _time(body, "beginTime")
    end_ms = _time(body, "endTime")
    if begin_ms is not None and end_ms is not None and begin_ms > end_ms:
        raise ParameterError(COMBINATION, "beginTime: must not be later than endTime.")
    wanted = Filter(
        called_no=_text(body, "calledNo", _NUMBER, 32),
        accounts=_accounts(body),
        begin_ms=begin_ms,
        end_ms=end_ms,
        task_id=_text(body, "taskId", _TASK, 64),
    )
    return ListRequest(wanted, offset, limit)


def read_codes_request(query: list[tuple[str, str]], locale: str | None) -> CodesRequest:
    """Check the query and the `locale` header of `queryOBSResultCode`, or raise."""
    given: dict[str, str] = {}
    for name, value in query:
        if name not in ("pageSize", "pageNum"):
            raise ParameterError(PARAMETER_ERROR, f"{name[:40]}: unknown parameter.")
        if name in given:
            raise ParameterError(PARAMETER_ERROR, f"{name}: given more than once.")
        given[name] = value
    if locale not in (None, "zh_CN", "en_US"):
        raise ParameterError(WRONG_VALUE, "locale: the value is zh_CN or en_US.")
    return CodesRequest(
        page=_query_integer(given, "pageNum", high=2**31 - 1),
        size=_query_integer(given, "pageSize", high=50),
        locale=locale or "zh_CN",
    )


def refuse_unknown(body: Mapping[str, object], known: Collection[str]) -> None:
    """Refuse a body that holds a field which no page knows."""
    for name in body:
        if name not in known:
            raise ParameterError(PARAMETER_ERROR, f"{name[:40]}: unknown parameter.")


def is_present(body: Mapping[str, object], name: str, *, required: bool) -> bool:
    """Whether a field was given; one that is required, or given without a value, is refused."""
    if name not in body and not required:
        return False
    if body.get(name) is None or body[name] in ("", []):
        raise ParameterError(EMPTY, f"{name}: empty parameter.")
    return True


def _whole(body: Mapping[str, object], name: str) -> int:
    value = body[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ParameterError(WRONG_TYPE, f"{name}: incorrect parameter type, integer expected.")
    return value


def read_integer(body: Mapping[str, object], name: str, *, low: int, high: int) -> int:
    """A required whole number from `low` to `high`."""
    is_present(body, name, required=True)
    value = _whole(body, name)
    if not low <= value <= high:
        raise ParameterError(WRONG_VALUE, f"{name}: the value ranges from {low} to {high}.")
    return value


def _time(body: Mapping[str, object], name: str) -> int | None:
    if not is_present(body, name, required=False):
        return None
    value = _whole(body, name)
    if not 0 <= value <= _LAST_MS:
        raise ParameterError(WRONG_VALUE, f"{name}: milliseconds since 1970 expected.")
    return value


def _text(
    body: Mapping[str, object], name: str, pattern: re.Pattern[str], longest: int
) -> str | None:
    if not is_present(body, name, required=False):
        return None
    return read_text(body[name], name, pattern, longest)


def read_text(value: object, name: str, pattern: re.Pattern[str], longest: int) -> str:
    """A text that is not empty, of the characters of `pattern` alone."""
    if not isinstance(value, str):
        raise ParameterError(WRONG_TYPE, f"{name}: incorrect parameter type, string expected.")
    if not value:
        raise ParameterError(EMPTY, f"{name}: empty parameter.")
    if len(value) > longest:
        raise ParameterError(TOO_LONG, f"{name}: the length cannot exceed {longest}.")
    if not pattern.fullmatch(value):
        raise ParameterError(INVALID_CHARACTERS, f"{name}: contains invalid characters.")
    return value


def _accounts(body: Mapping[str, object]) -> frozenset[str] | None:
    name = "userAccountList"
    if not is_present(body, name, required=False):
        return None
    values = body[name]
    if not isinstance(values, list):
        raise ParameterError(WRONG_TYPE, f"{name}: incorrect parameter type, array expected.")
    if len(values) > MAX_AGENTS:
        raise ParameterError(TOO_MANY, f"{name}: no more than {MAX_AGENTS} values.")
    return frozenset(read_text(value, name, _ACCOUNT, 64) for value in values)


def _query_integer(given: Mapping[str, str], name: str, *, high: int) -> int:
    text = given.get(name, "")
    if not text:
        raise ParameterError(EMPTY, f"{name}: empty parameter.")
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise ParameterError(WRONG_TYPE, f"{name}: incorrect parameter type, integer expected.")
    if not 1 <= int(text) <= high:
        raise ParameterError(WRONG_VALUE, f"{name}: the value ranges from 1 to {high}.")
    return int(text)
