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
from .envelopes import Content, Dialect, P, read_object
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
class ObsPayload(Content):
    """The rows as the vendor sent them; a flat answer is one row."""

    rows: tuple[object, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenPayload(Content):
    """A token and its lifetime; seconds that are missing or no lifetime are ``None``."""

    value: str = field(repr=False)
    seconds: float | None
    refresh_value: str = field(default="", repr=False)
    refresh_seconds: float | None = None


class _ObsDialect(Dialect[P]):
    """The ``result`` of every OBS interface, and where the pages leave open how it fails."""

    def check(self, answer: Mapping[str, Any]) -> str:
        result = answer.get("result")
        if result is None or (isinstance(result, str) and not result.strip()):
            raise BadAnswer("The answer holds no result.")
        if isinstance(result, str) and result.strip() == "0":
            return "result text"
        if isinstance(result, int | float) and not isinstance(result, bool) and result == 0:
            return "result number"
        raise Refused(code=redaction.code(result), vendor_sentence=self.read_sentence(answer))

    def read_sentence(self, answer: Mapping[str, Any]) -> str:
        sentences = (redaction.sentence(answer.get(name)) for name in _SENTENCES)
        return next(filter(None, sentences), "")


@dataclass(frozen=True, slots=True)
class ObsEnvelope(_ObsDialect[ObsPayload]):
    """``result``, and ``resultData`` where the interface answers with any."""

    holds_data: bool = True

    def decode(self, body: bytes) -> ObsPayload:
        answer = read_object(body)
        shape = self.check(answer)
        if not self.holds_data:
            return ObsPayload((), shape=shape)
        if "resultData" not in answer:
            raise BadAnswer("The answer holds no data.")
        rows, found = _rows(answer["resultData"])
        return ObsPayload(rows, shape=f"{shape}, {found}")


class AppTokenEnvelope(_ObsDialect[TokenPayload]):
    """The answer of ``tokenByAkSk``."""

    def decode(self, body: bytes) -> TokenPayload:
        answer = read_object(body)
        return TokenPayload(
            _token(answer.get("AccessToken")), _seconds(answer.get("Expires")), shape="AccessToken"
        )


class LogInEnvelope(_ObsDialect[TokenPayload]):
    """The answer of the OBS log-in and of its refresh."""

    def decode(self, body: bytes) -> TokenPayload:
        answer = read_object(body)
        try:
            shape = self.check(answer)
        except BadAnswer:
            # The page of the log-in promises no ``result``: there a token says enough.
            shape = "no result"
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
