"""The answer dialects of the OBS interfaces and of the token calls.

Vendor pages: the three OBS pages named in `operations`, "C1", and the OBS log-in. ``result`` is
declared a string and is a number in the examples; the tables put the fields straight into
``resultData``, the examples into a list ``taskData`` below it. Both are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import redaction
from .envelopes import read_object
from .errors import BadAnswer, Refused

MAX_LIFETIME = 24 * 60 * 60
"""A longer one, in seconds, is no lifetime but a moment, or counted in milliseconds."""

# The pages name no field for the vendor's sentence; these are those that others use.
_SENTENCES = (
    "resultDesc",
    "returnDesc",
    "resultMsg",
    "resultMessage",
    "message",
    "msg",
    "error_msg",
    "error",
)
_LIST = "taskData"
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.0*)?")
_NOT_IN_A_TOKEN = re.compile(r"[^\x21-\x7e]")
_MAX_TOKEN = 8_192


@dataclass(frozen=True, slots=True)
class ObsPayload:
    """The rows as the vendor sent them; a flat answer is one row."""

    rows: tuple[object, ...] = field(repr=False)
    shape: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ObsEnvelope:
    """``result``, and ``resultData`` where the interface answers with any."""

    holds_data: bool = True

    def decode(self, body: bytes) -> ObsPayload:
        """Raises `BadAnswer` or `Refused`, neither of which holds any of ``body``."""
        answer = read_object(body)
        shape = _check_result(answer)
        if not self.holds_data:
            return ObsPayload((), shape)
        if "resultData" not in answer:
            raise BadAnswer("The answer holds no data.")
        rows, found = _rows(answer["resultData"])
        return ObsPayload(rows, f"{shape}, {found}")

    def refusal(self, body: bytes) -> tuple[str | None, str]:
        """Code and sentence out of the body of a failure, as far as it holds any."""
        return _refusal(body)


@dataclass(frozen=True, slots=True)
class TokenPayload:
    """A token and its lifetime; seconds that are missing or no lifetime are ``None``."""

    value: str = field(repr=False)
    seconds: float | None
    refresh_value: str = field(default="", repr=False)
    refresh_seconds: float | None = None
    shape: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class AppTokenEnvelope:
    """The answer of ``tokenByAkSk``."""

    def decode(self, body: bytes) -> TokenPayload:
        """Raises `BadAnswer`, which holds nothing of ``body``."""
        answer = read_object(body)
        return TokenPayload(
            _token(answer.get("AccessToken")), _seconds(answer.get("Expires")), shape="AccessToken"
        )

    def refusal(self, body: bytes) -> tuple[str | None, str]:
        """Code and sentence out of the body of a failure, as far as it holds any."""
        return _refusal(body)


@dataclass(frozen=True, slots=True)
class LogInEnvelope:
    """The answer of the OBS log-in and of its refresh."""

    def decode(self, body: bytes) -> TokenPayload:
        """Raises `BadAnswer` or `Refused`, neither of which holds any of ``body``."""
        answer = read_object(body)
        shape = _log_in_result(answer)
        data = answer.get("resultData")
        if not isinstance(data, dict):
            raise BadAnswer("The answer holds no token.")
        refresh = data.get("refreshToken")
        return TokenPayload(
            _token(data.get("token")),
            _seconds(data.get("tokenExpirationTime")),
            _token(refresh) if refresh else "",
            _seconds(data.get("refreshExpirationTime")),
            shape=f"{shape}, token",
        )

    def refusal(self, body: bytes) -> tuple[str | None, str]:
        """Code and sentence out of the body of a failure, as far as it holds any."""
        return _refusal(body)


def _check_result(answer: Mapping[str, Any]) -> str:
    """The kind of ``result`` in words. Raises `Refused` unless it is 0, `BadAnswer` without one."""
    result = answer.get("result")
    if result is None or (isinstance(result, str) and not result.strip()):
        raise BadAnswer("The answer holds no result.")
    if isinstance(result, str) and result.strip() == "0":
        return "result text"
    if isinstance(result, int | float) and not isinstance(result, bool) and result == 0:
        return "result number"
    raise Refused(code=redaction.code(result), vendor_sentence=_sentence(answer))


def _log_in_result(answer: Mapping[str, Any]) -> str:
    """Likewise, but the page of the log-in promises no ``result``: there a token says enough."""
    try:
        return _check_result(answer)
    except BadAnswer:
        return "no result"


def _sentence(answer: Mapping[str, Any]) -> str:
    sentences = (redaction.sentence(answer.get(name)) for name in _SENTENCES)
    return next(filter(None, sentences), "")


def _refusal(body: bytes) -> tuple[str | None, str]:
    try:
        answer = read_object(body)
    except BadAnswer:
        return None, ""
    try:
        _check_result(answer)
    except Refused as refused:
        return refused.code, refused.vendor_sentence
    except BadAnswer:
        # Who fails by status need not say so a second time.
        return None, _sentence(answer)
    return None, ""


def read_rows_leniently(body: bytes) -> tuple[object, ...]:
    """The rows of any answer that can be read so far, whatever its ``result`` says of them."""
    try:
        return _rows(read_object(body).get("resultData"))[0]
    except BadAnswer:
        return ()


def _rows(data: object) -> tuple[tuple[object, ...], str]:
    """The rows of ``resultData``, and in words how they came."""
    if data is None or data == {}:
        return (), "empty"
    if isinstance(data, list):
        return tuple(data), "list"
    if not isinstance(data, dict):
        raise BadAnswer("The answer holds no data that can be read.")
    if _LIST not in data:
        return (data,), "flat"
    inner = data[_LIST]
    if inner is None:
        return (), f"{_LIST} empty"
    if isinstance(inner, list):
        return tuple(inner), f"{_LIST} list"
    if isinstance(inner, dict):
        return ((inner,) if inner else ()), f"{_LIST} object"
    raise BadAnswer("The answer holds no data that can be read.")


def _token(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > _MAX_TOKEN or _NOT_IN_A_TOKEN.search(text):
        raise BadAnswer("The answer holds no token that can be sent.")
    return text


def _seconds(value: object) -> float | None:
    if isinstance(value, str) and _SECONDS.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= MAX_LIFETIME else None
