"""HTTP messages: requests, strict validation of their parameters, answers, refusals.

The validation is stricter than a real vendor's: each field must have the documented type, and
everything undocumented is refused with the vendor's generic error codes, to find faults of clients.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from isales_proxy.client import auth

PARAMETER_ERROR: Final = "0200001"
WRONG_VALUE: Final = "02000007"
COMBINATION: Final = "02000009"
_EMPTY: Final = "02000001"
_WRONG_TYPE: Final = "02000006"

# Type → its name, and code and text of the refusal of a value out of bounds.
_TYPES: Final[dict[type, tuple[str, str, str]]] = {
    int: ("integer", WRONG_VALUE, "the value ranges from {0.low} to {0.high}."),
    str: ("string", "02000003", "the length cannot exceed {0.high}."),
    list: ("array", "02000011", "no more than {0.high} values."),
}
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_PRINTABLE: Final = re.compile(r"[^\x00-\x1f\x7f]*")
_VDN: Final = re.compile(r"(?<=/campaigns/)[^/]*")
_BEARER: Final = re.compile(r"Bearer (\S+)")


class Request(auth.Request):
    """One HTTP request. Path, query pairs and body are raw, header names are lower case."""

    __slots__ = ()

    @property
    def vdn(self) -> str:
        """Return the `vdnId` of a campaign's path; empty text for other paths."""
        match = _VDN.search(self.path)
        return match[0] if match else ""

    @property
    def interface(self) -> str:
        """Return the path as documented, with `{vdnId}`."""
        return _VDN.sub("{vdnId}", self.path)

    def json(self) -> Any:
        """Parse the body; None if it is not JSON."""
        try:
            return json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError):
            return None

    def bearer_token(self, header: str) -> str:
        """Return the token of a header `Bearer <token>`; empty text for any other value."""
        match = _BEARER.fullmatch(self.headers.get(header, ""))
        return match[1] if match else ""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "application/json;charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()
    declared: bool = True  # with Content-Length; else the body ends with the connection


def json_answer(payload: Mapping[str, object], status: int = 200) -> Answer:
    return Answer(status, json.dumps(payload, ensure_ascii=False).encode())


UNAUTHORIZED: Final = Answer(401, b"Unauthorized", "text/plain; charset=UTF-8")


class Refusal(Exception):
    """The request is refused in the vendor's envelope, with an error code and a message.

    `status` is the HTTP status of the OBS interfaces; the campaign interfaces answer 200.
    """

    def __init__(self, code: str, sentence: str, *, status: int = 400) -> None:
        super().__init__(sentence)
        self.code, self.sentence, self.status = code, sentence, status


@dataclass(frozen=True, slots=True)
class Field:
    """Type and bounds of a field: of the number, or of the length of the text or array.

    Given fields must not be empty, except `blank` texts. `item` is the type of the values of an
    array, `alternative` that of a text that is not a number.
    """

    kind: type
    high: int
    low: int = 0
    pattern: re.Pattern[str] = _PRINTABLE
    required: bool = False
    blank: bool = False
    item: Field | None = None
    alternative: Field | None = None


def read_body(request: Request, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Validate the fields of a JSON body and return the given ones."""
    if request.query:
        raise Refusal(PARAMETER_ERROR, "query: no parameter is expected.")
    if not request.body:
        raise Refusal(_EMPTY, "request body: empty parameter.")
    body = request.json()
    if not isinstance(body, dict):
        raise Refusal("02000008", "request body: parameter conversion error, no JSON object.")
    return _read_fields(body, fields)


def read_query(request: Request, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Validate the numbers of a query string, each given once, and return the given ones."""
    if request.body:
        raise Refusal(PARAMETER_ERROR, "request body: none is expected.")
    if len(dict(request.query)) < len(request.query):
        raise Refusal(PARAMETER_ERROR, "query: a parameter is repeated.")
    return _read_fields({name: _to_number(text) for name, text in request.query}, fields)


def read_number(name: str, text: str, high: int) -> int:
    """Parse text as a whole number from 1 to `high` without leading zeros."""
    return int(_read_value(name, _to_number(text), Field(int, high, low=1)))


def _to_number(text: str) -> int | str:
    return int(text) if _DECIMAL.fullmatch(text) else text


def _read_fields(given: Mapping[str, object], fields: Mapping[str, Field]) -> dict[str, Any]:
    for name in given:
        if name not in fields:
            raise Refusal(PARAMETER_ERROR, f"{name[:40]}: unknown parameter.")
    return {
        name: _read_value(name, given.get(name), field)
        for name, field in fields.items()
        if name in given or field.required
    }


def _read_value(name: str, given: object, field: Field) -> Any:
    value: Any = given
    if not field.blank and value in (None, "", []):
        raise Refusal(_EMPTY, f"{name}: empty parameter.")
    if field.alternative and isinstance(value, str) and not _DECIMAL.fullmatch(value):
        field = field.alternative
    expected, code, sentence = _TYPES[field.kind]
    # Not isinstance: true is no integer here.
    if type(given) is not field.kind:
        raise Refusal(_WRONG_TYPE, f"{name}: incorrect parameter type, {expected} expected.")
    if not field.low <= (value if field.kind is int else len(value)) <= field.high:
        raise Refusal(code, f"{name}: {sentence.format(field)}")
    if field.kind is str and not field.pattern.fullmatch(value):
        raise Refusal("02000002", f"{name}: contains invalid characters.")
    if field.item:
        for part in value:
            _read_value(name, part, field.item)
    return value
