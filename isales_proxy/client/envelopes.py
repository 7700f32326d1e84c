"""Formats of answers: bytes → rows and total, a token, or an error.

Vendor pages: as in `operations`. On the C2 interfaces ``resultCode`` and ``returnCode`` say the
same thing; one of them may be missing, and an answer is good only if every code in it says success.
On the OBS interfaces and the token calls ``result`` is declared a string and is a number in the
examples; the tables put the fields straight into ``resultData``, the examples into a list
``taskData`` below it. Both are read.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, TypeVar

from . import redaction
from .errors import BadAnswer, Refused

SUCCESS = "0200000"
TOTAL = "totalCount"

# (code field, text field) in order of precedence.
_CODES = (("resultCode", "resultDesc"), ("returnCode", "returnDesc"))
_COUNT = re.compile(r"[0-9]{1,12}")

MAX_LIFETIME = 24 * 60 * 60
"""Longest plausible lifetime in seconds; a larger number is a time, or in milliseconds."""

# The pages name no field for the error message; these names are common.
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
class Content:
    """Contents of an envelope. ``shape`` describes the envelope found, without any value."""

    shape: str = field(default="", compare=False, kw_only=True)


P = TypeVar("P", bound=Content)


class Dialect(ABC, Generic[P]):
    """Format in which an interface wraps its answers."""

    @abstractmethod
    def decode(self, body: bytes) -> P:
        """Decode an answer. Raises `BadAnswer` or `Refused`, neither with any part of ``body``."""

    @abstractmethod
    def check(self, answer: Mapping[str, Any]) -> str:
        """Return the code fields found, in words. Raises `Refused` for a code other than success,
        and `BadAnswer` without a code."""

    def read_sentence(self, answer: Mapping[str, Any]) -> str:  # noqa: ARG002 – for the OBS dialects
        """Return the vendor's message in a failure without a code."""
        return ""

    def read_refusal(self, body: bytes) -> tuple[str | None, str]:
        """Return code and message in the body of a failure, as far as it has any."""
        try:
            answer = read_object(body)
        except BadAnswer:
            return None, ""
        try:
            self.check(answer)
        except Refused as refused:
            return refused.code, refused.vendor_sentence
        except BadAnswer:
            # The HTTP status already says that it failed.
            return None, self.read_sentence(answer)
        return None, ""


@dataclass(frozen=True, slots=True)
class Payload(Content):
    """The rows as the vendor sent them under ``name``, and its total over all pages."""

    rows: tuple[object, ...] = field(repr=False)
    total: int
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Envelope(Dialect[Payload]):
    """Format of the campaign interfaces: rows under the name ``rows``, and their total."""

    rows: str

    def decode(self, body: bytes) -> Payload:
        answer = read_object(body)
        shape = self.check(answer)
        rows = answer.get(self.rows)
        if not isinstance(rows, list):
            raise BadAnswer("The answer holds no list of records.")
        return Payload(tuple(rows), _count(answer.get(TOTAL)), self.rows, shape=shape)

    def check(self, answer: Mapping[str, Any]) -> str:
        found = []
        for name, code, text in _present_codes(answer):
            if not _is_success(code):
                raise Refused(code=redaction.code(code), vendor_sentence=redaction.sentence(text))
            found.append(name)
        if not found:
            raise BadAnswer("The answer holds no result code.")
        return "+".join(found)


@dataclass(frozen=True, slots=True)
class ObsPayload(Content):
    """The rows as the vendor sent them; a flat answer is one row."""

    rows: tuple[object, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenPayload(Content):
    """A token and its lifetime in seconds; ``None`` if missing or implausible."""

    value: str = field(repr=False)
    seconds: float | None
    refresh_value: str = field(default="", repr=False)
    refresh_seconds: float | None = None


class _ObsDialect(Dialect[P]):
    """The ``result`` of every OBS interface, and messages of failures."""

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
    """``result`` and, with ``holds_data``, ``resultData``."""

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
            # The page of the log-in documents no ``result``; a token is enough.
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


def read_object(body: bytes) -> Mapping[str, Any]:
    """Parse a JSON object in UTF-8, with or without a byte order mark. Raises `BadAnswer`."""
    message = "The answer is not valid JSON."
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        pass
    else:
        if isinstance(value, dict):
            return value
        message = "The answer is not a JSON object."
    # Raised here, since the exceptions caught above hold the body and must not be its context.
    raise BadAnswer(message)


def _present_codes(answer: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    """Yield name, code and text of the code fields that are neither null nor blank."""
    for code_field, text_field in _CODES:
        code = answer.get(code_field)
        if code is not None and not (isinstance(code, str) and not code.strip()):
            yield code_field, code, answer.get(text_field)


def _is_success(code: object) -> bool:
    if isinstance(code, bool):
        return False
    if isinstance(code, int):
        # A number loses its leading zero.
        return code == int(SUCCESS)
    return isinstance(code, str) and code.strip() == SUCCESS


def _count(value: object) -> int:
    if isinstance(value, str) and _COUNT.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12:
        return value
    raise BadAnswer("The answer holds no total that can be read.")


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def read_rows_leniently(body: bytes) -> tuple[object, ...]:
    """Return the rows of an answer, whatever its ``result``; none if it cannot be read."""
    try:
        return _rows(read_object(body).get("resultData"))[0]
    except BadAnswer:
        return ()


def _rows(data: object) -> tuple[tuple[object, ...], str]:
    """Return the rows of ``resultData``, and a description of its structure."""
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
