"""Strict reading of the bodies of the OBS interfaces, each field in the type its page declares.

Basis: tables 1 and 2 of "Interface for Obtaining Outbound Call Tasks" (strings), "Interface for
Reading Outbound Call Data" (integers) and "Interface for Writing back Intermediate Results"
(both), and of the pages that hand out tokens. What is refused here is answered HTTP 400.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from isales_proxy.simulator.parameters import (
    EMPTY,
    INVALID_CHARACTERS,
    PARAMETER_ERROR,
    TOO_LONG,
    WRONG_TYPE,
    WRONG_VALUE,
    ParameterError,
    decode_body,
    read_integer,
    read_text,
    refuse_unknown,
)
from isales_proxy.simulator.server import Request

MAX_TOKEN_SECONDS: Final = 3600

_JSON: Final = re.compile(r"application/json(\s*;\s*charset=\"?utf-8\"?)?", re.IGNORECASE)
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_SERVICE: Final = re.compile(r"[0-9A-Za-z_-]+")
_PRINTABLE: Final = re.compile(r"[^\x00-\x1f\x7f]*")
_NUMBER: Final = re.compile(r"[0-9+*#]*")
_CODE: Final = re.compile(r"[0-9A-Za-z_-]*")

_HIGHEST_CC: Final = 65_535
_HIGHEST_VDN: Final = 9999

# Optional fields of `push/midresult` that are strings: what they may consist of, and how long.
_RESULT_TEXTS: Final = {
    "status": (_CODE, 16),
    "phoneNumber": (_NUMBER, 32),
    "failCode": (_CODE, 16),
    "asrResult": (_PRINTABLE, 64),
    "fetchTime": (_PRINTABLE, 64),
    "writeStartTime": (_PRINTABLE, 64),
    "endCallTime": (_PRINTABLE, 64),
    "callId": (_PRINTABLE, 128),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a business call belongs: call centre and VDN."""

    cc_id: int
    vdn: int


@dataclass(frozen=True, slots=True)
class CallDataRequest:
    """A checked `callnos` body."""

    place: Place
    service_id: int | str
    count: int


@dataclass(frozen=True, slots=True)
class WriteBack:
    """A checked `push/midresult` body, and the body itself."""

    place: Place
    unique_id: str
    service_id: str
    body: dict[str, object]


def check_json(
    request: Request, query: list[tuple[str, str]], *, required: bool = True
) -> dict[str, object]:
    """The request body as a JSON object; `{}` for one that is missing and not `required`."""
    if query:
        raise ParameterError(PARAMETER_ERROR, "query: no parameter is expected.")
    content_type = request.headers.get("content-type")
    # The pages call the header optional; a value that is given has to be right.
    if content_type is not None and not _JSON.fullmatch(content_type):
        raise ParameterError(PARAMETER_ERROR, "Content-Type: the value is application/json.")
    if not request.body and not required:
        return {}
    return decode_body(request.body)


def read_tasks_request(body: Mapping[str, object]) -> Place:
    """Check a `tasks` body, in which both numbers are strings."""
    refuse_unknown(body, ("subCCNo", "vdnId"))
    return Place(
        _decimal(body, "subCCNo", _HIGHEST_CC),
        _decimal(body, "vdnId", _HIGHEST_VDN),
    )


def read_call_data_request(body: Mapping[str, object], *, max_batch: int) -> CallDataRequest:
    """Check a `callnos` body, in which all four are integers."""
    refuse_unknown(body, ("subCCNo", "vdnId", "serviceId", "batchCount"))
    place = _place(body)
    service_id = body.get("serviceId")
    if isinstance(service_id, str) and service_id and not _DECIMAL.fullmatch(service_id):
        # As an integer such an ID would lose its zeros, or could not be written at all.
        read_text(service_id, "serviceId", _SERVICE, 64)
    else:
        service_id = read_integer(body, "serviceId", low=0, high=10**18 - 1)
    return CallDataRequest(
        place, service_id, read_integer(body, "batchCount", low=1, high=max_batch)
    )


def read_write_back(body: Mapping[str, object]) -> WriteBack:
    """Check a `push/midresult` body."""
    refuse_unknown(
        body,
        ("subCCNo", "vdnId", "uniqueId", "serviceId", "deviceType", *_RESULT_TEXTS),
    )
    place = _place(body)
    unique_id = read_text(_required(body, "uniqueId"), "uniqueId", _SERVICE, 64)
    service_id = read_text(_required(body, "serviceId"), "serviceId", _SERVICE, 64)
    if "deviceType" in body:
        read_integer(body, "deviceType", low=0, high=9999)
    for name, (pattern, longest) in _RESULT_TEXTS.items():
        if name in body:
            _optional_text(body[name], name, pattern, longest)
    return WriteBack(place, unique_id, service_id, dict(body))


def read_app_keys(body: Mapping[str, object]) -> tuple[str, str]:
    """`app_key` and `app_secret` of `tokenByAkSk`."""
    return _two_texts(body, "app_key", "app_secret")


def read_log_in(body: Mapping[str, object]) -> tuple[str, str]:
    """`user` and `passwd` of `obs/auth/login`."""
    return _two_texts(body, "user", "passwd")


def read_refresh(body: Mapping[str, object]) -> str:
    """`refreshToken` of `obs/auth/refresh`."""
    refuse_unknown(body, ("refreshToken",))
    return read_text(_required(body, "refreshToken"), "refreshToken", _PRINTABLE, 4096)


def read_seconds(value: str | None, default: int) -> int:
    """The header `X-Token-Expire`: whole seconds, up to an hour."""
    if value is None:
        return default
    if not _DECIMAL.fullmatch(value) or not 1 <= int(value) <= MAX_TOKEN_SECONDS:
        raise ParameterError(
            WRONG_VALUE, f"X-Token-Expire: the value ranges from 1 to {MAX_TOKEN_SECONDS}."
        )
    return int(value)


def _place(body: Mapping[str, object]) -> Place:
    return Place(
        read_integer(body, "subCCNo", low=1, high=_HIGHEST_CC),
        read_integer(body, "vdnId", low=1, high=_HIGHEST_VDN),
    )


def _two_texts(body: Mapping[str, object], first: str, second: str) -> tuple[str, str]:
    refuse_unknown(body, (first, second))
    return (
        read_text(_required(body, first), first, _PRINTABLE, 256),
        read_text(_required(body, second), second, _PRINTABLE, 256),
    )


def _required(body: Mapping[str, object], name: str) -> object:
    if body.get(name) is None:
        raise ParameterError(EMPTY, f"{name}: empty parameter.")
    return body[name]


def _decimal(body: Mapping[str, object], name: str, high: int) -> int:
    text = _required(body, name)
    if not isinstance(text, str):
        raise ParameterError(WRONG_TYPE, f"{name}: incorrect parameter type, string expected.")
    if not text:
        raise ParameterError(EMPTY, f"{name}: empty parameter.")
    if not _DECIMAL.fullmatch(text):
        raise ParameterError(INVALID_CHARACTERS, f"{name}: contains invalid characters.")
    if not 1 <= int(text) <= high:
        raise ParameterError(WRONG_VALUE, f"{name}: the value ranges from 1 to {high}.")
    return int(text)


def _optional_text(value: object, name: str, pattern: re.Pattern[str], longest: int) -> None:
    if not isinstance(value, str):
        raise ParameterError(WRONG_TYPE, f"{name}: incorrect parameter type, string expected.")
    if len(value) > longest:
        raise ParameterError(TOO_LONG, f"{name}: the length cannot exceed {longest}.")
    if not pattern.fullmatch(value):
        raise ParameterError(INVALID_CHARACTERS, f"{name}: contains invalid characters.")
