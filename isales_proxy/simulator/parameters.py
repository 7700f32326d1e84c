"""Strict reading of request parameters, each field in the type that its vendor page declares.

Stricter than any vendor is likely to be: what the documents do not allow is refused with the
vendor's generic error codes, so that a careless client is found out here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from isales_proxy.simulator.signature import Request

PARAMETER_ERROR: Final = "0200001"
EMPTY: Final = "02000001"
INVALID_CHARACTERS: Final = "02000002"
TOO_LONG: Final = "02000003"
WRONG_TYPE: Final = "02000006"
WRONG_VALUE: Final = "02000007"
CONVERSION: Final = "02000008"
COMBINATION: Final = "02000009"
TOO_MANY: Final = "02000011"

MAX_VDN: Final = 9999

_MAX_CC: Final = 65_535
_CAMPAIGN_TYPE: Final = "application/json; charset=UTF-8"
_OBS_TYPE: Final = re.compile(r"application/json(\s*;\s*charset=\"?utf-8\"?)?", re.IGNORECASE)
_TYPE_NAMES: Final = {int: "integer", str: "string", list: "array"}
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_ID: Final = re.compile(r"[0-9A-Za-z_-]*")
_NUMBER: Final = re.compile(r"[0-9+*#]*")
_PRINTABLE: Final = re.compile(r"[^\x00-\x1f\x7f]*")


class ParameterError(Exception):
    """A request that no page allows: error code and a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


@dataclass(frozen=True, slots=True)
class Field:
    """Type and bounds of a field; `high` bounds a number, or the length of a text or array.

    A `blank` text may be empty; everything else has a value when it is given. A `named` integer may
    be text where a number could not stand for it.
    """

    kind: type
    high: int
    low: int = 1
    pattern: re.Pattern[str] = _PRINTABLE
    required: bool = False
    blank: bool = False
    named: bool = False


Fields = Mapping[str, Field]

_ACCOUNT: Final = Field(str, 64, pattern=re.compile(r"[^\x00-\x1f\x7f<>\"'&;\\]*"))
_MILLISECONDS: Final = Field(int, 253_402_300_799_999, low=0)
_RESERVATION_FILTER: Final = {
    "offset": Field(int, 2**31 - 1, low=0, required=True),
    "calledNo": Field(str, 32, pattern=_NUMBER),
    "userAccountList": Field(list, 100),
    "beginTime": _MILLISECONDS,
    "endTime": _MILLISECONDS,
    "taskId": Field(str, 64, pattern=_ID),
}
_PLACE: Final = {
    "subCCNo": Field(int, _MAX_CC, required=True),
    "vdnId": Field(int, MAX_VDN, required=True),
}
_NAMED_TASK: Final = Field(str, 64, pattern=_ID, required=True)
_TEXT: Final = Field(str, 64, blank=True)
_SECRET: Final = Field(str, 256, required=True)
_TASKS: Final = dict.fromkeys(_PLACE, Field(str, 18, pattern=_DECIMAL, required=True))
CALL_DATA: Final = {
    **_PLACE,
    "serviceId": Field(int, 10**18 - 1, low=0, required=True, named=True),
    "batchCount": Field(int, 1000, required=True),
}
WRITE_BACK: Final = {
    **_PLACE,
    "uniqueId": Field(str, 64, pattern=_ID, required=True),
    "serviceId": _NAMED_TASK,
    "deviceType": Field(int, 9999, low=0),
    "status": Field(str, 16, pattern=_ID, blank=True),
    "phoneNumber": Field(str, 32, pattern=_NUMBER, blank=True),
    "failCode": Field(str, 16, pattern=_ID, blank=True),
    "asrResult": _TEXT,
    "fetchTime": _TEXT,
    "writeStartTime": _TEXT,
    "endCallTime": _TEXT,
    "callId": Field(str, 128, blank=True),
}
APP_KEYS: Final = {"app_key": _SECRET, "app_secret": _SECRET}
LOG_IN: Final = {"user": _SECRET, "passwd": _SECRET}
REFRESH: Final = {"refreshToken": Field(str, 4096, required=True)}


def read_reservation_filter(request: Request, max_limit: int) -> dict[str, Any]:
    """Check an `appoint/list` request and return its fields."""
    _check_campaign_type(request)
    return check_reservation_filter(_decode_body(request), max_limit)


def check_reservation_filter(body: Mapping[str, object], max_limit: int) -> dict[str, Any]:
    """Check the fields of an `appoint/list` body and return those that are given."""
    fields = {**_RESERVATION_FILTER, "limit": Field(int, max_limit, required=True)}
    wanted = _read_fields(body, fields)
    if wanted["offset"] % wanted["limit"]:
        raise ParameterError(COMBINATION, "offset: must be limit x (page - 1).")
    if wanted.get("beginTime", 0) > wanted.get("endTime", _MILLISECONDS.high):
        raise ParameterError(COMBINATION, "beginTime: must not be later than endTime.")
    return wanted


def read_codes_request(request: Request) -> tuple[int, int, str]:
    """Check a `queryOBSResultCode` request and return page (from 1), size and locale."""
    _check_campaign_type(request)
    if request.body:
        raise ParameterError(PARAMETER_ERROR, "request body: none is expected.")
    given = dict(request.query)
    if len(given) < len(request.query) or not given.keys() <= {"pageSize", "pageNum"}:
        raise ParameterError(PARAMETER_ERROR, "query: pageSize and pageNum are expected.")
    locale = request.headers.get("locale", "zh_CN")
    if locale not in ("zh_CN", "en_US"):
        raise ParameterError(WRONG_VALUE, "locale: the value is zh_CN or en_US.")
    page = read_number(given.get("pageNum", ""), "pageNum", 2**31 - 1)
    return page, read_number(given.get("pageSize", ""), "pageSize", 50), locale


def read_body(request: Request, fields: Fields, *, optional: bool = False) -> dict[str, Any]:
    """Check the JSON body of an OBS or token call; an `optional` one may be missing."""
    # The pages call the header optional; a value that is given has to be right.
    if not _OBS_TYPE.fullmatch(request.headers.get("content-type", "application/json")):
        raise ParameterError(PARAMETER_ERROR, "Content-Type: the value is application/json.")
    if optional and not request.body and not request.query:
        return {}
    return _read_fields(_decode_body(request), fields)


def read_tasks_request(request: Request) -> tuple[int, int]:
    """Check a `tasks` body, in which both numbers are strings; return call center and VDN."""
    body = read_body(request, _TASKS)
    vdn = read_number(body["vdnId"], "vdnId", MAX_VDN)
    return read_number(body["subCCNo"], "subCCNo", _MAX_CC), vdn


def read_number(text: str, name: str, high: int) -> int:
    """Read a whole number from 1 to `high` without leading zeros out of a path, query or header."""
    if not text:
        raise ParameterError(EMPTY, f"{name}: empty parameter.")
    if not re.fullmatch("-?[0-9]+", text):
        raise ParameterError(WRONG_TYPE, f"{name}: incorrect parameter type, integer expected.")
    if not _DECIMAL.fullmatch(text) or not 1 <= int(text) <= high:
        raise ParameterError(WRONG_VALUE, f"{name}: the value ranges from 1 to {high}.")
    return int(text)


def _check_campaign_type(request: Request) -> None:
    if request.headers.get("content-type") != _CAMPAIGN_TYPE:
        sentence = f"Content-Type: the value is fixed to {_CAMPAIGN_TYPE}."
        raise ParameterError(PARAMETER_ERROR, sentence)


def _decode_body(request: Request) -> dict[str, object]:
    if request.query:
        raise ParameterError(PARAMETER_ERROR, "query: no parameter is expected.")
    if not request.body:
        raise ParameterError(EMPTY, "request body: empty parameter.")
    parsed = request.json()
    if isinstance(parsed, dict):
        return parsed
    raise ParameterError(CONVERSION, "request body: parameter conversion error, no JSON object.")


def _read_fields(body: Mapping[str, object], fields: Fields) -> dict[str, Any]:
    for name in body:
        if name not in fields:
            raise ParameterError(PARAMETER_ERROR, f"{name[:40]}: unknown parameter.")
    return {
        name: _read_value(name, body.get(name), field)
        for name, field in fields.items()
        if name in body or field.required
    }


def _read_value(name: str, given: object, field: Field) -> object:
    value: Any = given
    if not field.blank and value in (None, "", []):
        raise ParameterError(EMPTY, f"{name}: empty parameter.")
    if field.named and isinstance(value, str) and not _DECIMAL.fullmatch(value):
        field = _NAMED_TASK
    # Not isinstance: true is no integer here.
    if type(given) is not field.kind:
        expected = _TYPE_NAMES[field.kind]
        raise ParameterError(WRONG_TYPE, f"{name}: incorrect parameter type, {expected} expected.")
    if field.kind is int:
        if not field.low <= value <= field.high:
            bounds = f"from {field.low} to {field.high}"
            raise ParameterError(WRONG_VALUE, f"{name}: the value ranges {bounds}.")
    elif field.kind is list:
        if len(value) > field.high:
            raise ParameterError(TOO_MANY, f"{name}: no more than {field.high} values.")
        for account in value:
            _read_value(name, account, _ACCOUNT)
    elif len(value) > field.high:
        raise ParameterError(TOO_LONG, f"{name}: the length cannot exceed {field.high}.")
    elif not field.pattern.fullmatch(value):
        raise ParameterError(INVALID_CHARACTERS, f"{name}: contains invalid characters.")
    return value
