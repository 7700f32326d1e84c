"""The answer dialect of the C2 interfaces: bytes → rows and total, or the right error.

Vendor pages: as in `operations`. ``resultCode`` and ``returnCode`` say the same thing; one of them
may be missing. An answer is good only if every code in it says success. The dialects of the OBS
interfaces and of the tokens are in `obs_envelopes`.
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

# (code field, text field) in the order in which they are believed.
_CODES = (("resultCode", "resultDesc"), ("returnCode", "returnDesc"))
_COUNT = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Content:
    """Contents of an envelope. ``shape`` is the envelope as found, in a few plain words and without
    any value."""

    shape: str = field(default="", compare=False, kw_only=True)


P = TypeVar("P", bound=Content)


class Dialect(ABC, Generic[P]):
    """Way in which an interface wraps its answers."""

    @abstractmethod
    def decode(self, body: bytes) -> P:
        """Raises `BadAnswer` or `Refused`, neither of which holds any of ``body``."""

    @abstractmethod
    def check(self, answer: Mapping[str, Any]) -> str:
        """The codes found, in words. Raises `Refused` for one that is not success, `BadAnswer`
        without any."""

    def read_sentence(self, answer: Mapping[str, Any]) -> str:  # noqa: ARG002 – for the OBS dialects
        """The vendor's sentence of a failure without a code."""
        return ""

    def refusal(self, body: bytes) -> tuple[str | None, str]:
        """Code and sentence out of the body of a failure, as far as it holds any."""
        try:
            answer = read_object(body)
        except BadAnswer:
            return None, ""
        try:
            self.check(answer)
        except Refused as refused:
            return refused.code, refused.vendor_sentence
        except BadAnswer:
            # Who fails by status need not say so a second time.
            return None, self.read_sentence(answer)
        return None, ""


@dataclass(frozen=True, slots=True)
class Payload(Content):
    """The rows as the vendor sent them, and its total over all pages.

    ``names`` are the vendor's names of the two.
    """

    rows: tuple[object, ...] = field(repr=False)
    total: int
    names: tuple[str, str] = field(default=("", ""), compare=False)


@dataclass(frozen=True, slots=True)
class Envelope(Dialect[Payload]):
    """Names under which an interface puts its rows and their total."""

    rows: str
    total: str = "totalCount"

    def decode(self, body: bytes) -> Payload:
        answer = read_object(body)
        shape = self.check(answer)
        rows = answer.get(self.rows)
        if not isinstance(rows, list):
            raise BadAnswer("The answer holds no list of records.")
        total = _count(answer.get(self.total))
        return Payload(tuple(rows), total, names=(self.rows, self.total), shape=shape)

    def check(self, answer: Mapping[str, Any]) -> str:
        found = []
        for name, code, text in _present_codes(answer):
            if not _is_success(code):
                raise Refused(code=redaction.code(code), vendor_sentence=redaction.sentence(text))
            found.append(name)
        if not found:
            raise BadAnswer("The answer holds no result code.")
        return "+".join(found)


def read_object(body: bytes) -> Mapping[str, Any]:
    """Strict UTF-8 JSON whose top is an object, a byte order mark tolerated; else `BadAnswer`."""
    complaint = "The answer is not valid JSON."
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        pass
    else:
        if isinstance(value, dict):
            return value
        complaint = "The answer is not a JSON object."
    # Raised out here since both exceptions above carry the whole body, also as a context.
    raise BadAnswer(complaint)


def _present_codes(answer: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    """Name, code and text of the code fields that say anything; null and blank say nothing."""
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
