"""Lenient parsing of single values: what cannot be read becomes ``None`` or an empty tuple."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MOMENT = datetime(1971, 1, 1, tzinfo=UTC)
_LAST_MOMENT = datetime(9998, 12, 31, tzinfo=UTC)
TIMES_MS = range(
    (_FIRST_MOMENT - EPOCH) // timedelta(milliseconds=1),
    (_LAST_MOMENT - EPOCH) // timedelta(milliseconds=1) + 1,
)
"""The milliseconds since 1970 that are read as a time."""
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.0*)?")
_BETWEEN_NUMBERS = re.compile(r"[,;|，；、\r\n\t]")
MAX_TEXT = 10_000
_MAX_NUMBERS = 100
_MAX_EXTRA_DEPTH = 8
_TRUE = frozenset({"true", "1", "yes", "y"})
_FALSE = frozenset({"false", "0", "no", "n"})


def read_text(value: object) -> str | None:
    """Return text without outer blanks, or a number as text; ``None`` for blank and other values.

    Codes keep their leading zeros, since text is never converted to a number.
    """
    if isinstance(value, str):
        return make_storable(value)[:MAX_TEXT].strip() or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() < 256 else None
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return None


def read_flag(value: object) -> bool | None:
    """Read a boolean, also from text or a number; ``None`` for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        text = value.strip().lower()
        return True if text in _TRUE else False if text in _FALSE else None
    if isinstance(value, int | float):
        return True if value == 1 else False if value == 0 else None
    return None


def read_moment(value: object) -> datetime | None:
    """Convert milliseconds since 1970, as a number or text, to an aware UTC datetime.

    ``None`` for anything else, and for 0 and times at the ends of the calendar, which mean "never"
    and cannot be converted to every zone.
    """
    if isinstance(value, str):
        text = value.strip()
        if not _WHOLE_NUMBER.fullmatch(text):
            return None
        value = int(text.partition(".")[0])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        moment = EPOCH + timedelta(milliseconds=value)
    except (OverflowError, ValueError):
        return None
    return moment if _FIRST_MOMENT <= moment <= _LAST_MOMENT else None


def read_data(value: object) -> str | None:
    """Read text like `read_text`; an object or a list as its JSON."""
    if isinstance(value, dict | list):
        value = json.dumps(clean_json(value), ensure_ascii=False, separators=(",", ":"))
    return read_text(value)


def read_numbers(value: object) -> tuple[str, ...]:
    """Read phone numbers from a list, from text with one or several, or from a number."""
    if isinstance(value, str):
        parts: list[object] = [*_BETWEEN_NUMBERS.split(value[:MAX_TEXT])]
    elif isinstance(value, list | tuple):
        parts = list(value[:_MAX_NUMBERS])
    else:
        parts = [value]
    texts = (read_text(part) for part in parts if not isinstance(part, bool))
    return tuple(text for text in texts if text)[:_MAX_NUMBERS]


Text = Annotated[str | None, BeforeValidator(read_text)]
Code = Annotated[str, BeforeValidator(lambda value: read_text(value) or "")]
Flag = Annotated[bool | None, BeforeValidator(read_flag)]
Moment = Annotated[datetime | None, BeforeValidator(read_moment)]
Data = Annotated[str | None, BeforeValidator(read_data)]
Numbers = Annotated[tuple[str, ...], BeforeValidator(read_numbers)]


def clean_json(value: object, depth: int = 0) -> Any:
    """Return an undocumented field's value, fit for storage; deep nesting is cut off."""
    if isinstance(value, str):
        return make_storable(value)[:MAX_TEXT]
    if depth >= _MAX_EXTRA_DEPTH and isinstance(value, dict | list):
        return None
    if isinstance(value, dict):
        return {
            make_storable(str(name)): clean_json(inner, depth + 1) for name, inner in value.items()
        }
    if isinstance(value, list):
        return [clean_json(inner, depth + 1) for inner in value]
    return value


def make_storable(text: str) -> str:
    """Remove what neither UTF-8 nor a database can hold: lone surrogates and NUL."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
