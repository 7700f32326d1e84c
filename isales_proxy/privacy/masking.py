"""Masking of phone numbers for people without the right to see them.

`client.number_rules.SHOWN` defines what is a number in a text and how much of it stays readable.
The row's own numbers are masked as well, however short.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

from isales_proxy.client import number_rules
from isales_proxy.client.records import SUCCESS_CODES, Reservation, create_reservation
from isales_proxy.privacy.field_policies import RESERVATION, Content
from isales_proxy.privacy.phone_numbers import get_digits

_MIN_OWN_DIGITS: Final = 4
# Shorter codes are part of a number by chance too often.
_MIN_PART_DIGITS: Final = 5
# Longest text for which the number of numerals is cached.
_MAX_CACHED_LENGTH: Final = 64
_CUSTOMER_ID: Final = re.compile(
    r'"(?:customer|cust)(?:[ _-]?(?:id|no))?"\s*:\s*"(?P<id>[a-z]{1,4}[-_]?[0-9]{1,8})"',
    re.ASCII | re.IGNORECASE,
)

_REMOVED: Final = number_rules.MASK * 3
_BETWEEN: Final = r"[ ().\-]{0,2}"
_DIGITS: Final = re.compile(r"[0-9]+")
_NUMBER_RUN: Final = re.compile(rf"[0-9]+(?:{_BETWEEN}[0-9]+)*")
_MOST_DIGITS: Final = 32

R = TypeVar("R", bound=Reservation)
OwnNumbers = tuple[str, ...]
"""The digits of a row's own numbers."""


def mask_number(text: str) -> str:
    """Mask the content of a number field; at most digits and a plus stay readable."""
    if text.isascii() and (bare := text.removeprefix("+")).isdigit():
        return ("+" if text.startswith("+") else "") + number_rules.keep_ends(bare)
    if not text.strip():
        return text
    characters = [character for character in text if character.isalnum()]
    if not characters or not all(character.isdecimal() for character in characters):
        return number_rules.MASK * min(
            max(len(characters), _MIN_OWN_DIGITS), number_rules.MAX_MASK_LENGTH
        )
    plus = "+" if text.lstrip().startswith(("+", "＋")) else ""
    return plus + number_rules.keep_ends(characters)


def mask_text(text: str, own: OwnNumbers = ()) -> str:
    """Mask every number in a text, those in `own` included."""
    if len(text) <= _MAX_CACHED_LENGTH and _count_numerals(text) < _MIN_OWN_DIGITS:
        return text
    parts: list[str] = []
    kept = 0
    for start, end in _find_customer_ids(text, own):
        parts += [_mask_runs(text[kept:start], own), text[start:end]]
        kept = end
    return "".join([*parts, _mask_runs(text[kept:], own)])


def _mask_runs(text: str, own: OwnNumbers) -> str:
    return number_rules.mask(text, number_rules.SHOWN, lambda found: _reveals_own(found, own))


def _find_customer_ids(text: str, own: OwnNumbers) -> Iterator[tuple[int, int]]:
    """Yield the positions of customer IDs in a JSON text: letters and few digits."""
    if '"' not in text:
        return
    for found in _CUSTOMER_ID.finditer(text):
        if not _reveals_own(number_rules.list_numerals(found["id"]), own):
            yield found.span("id")


def mask_code(code: str, own: OwnNumbers = ()) -> str:
    """Mask a code only if it is longer than vendor codes are, or part of an own number.

    The code of success stays readable, since the state of the row tells it: many numbers contain
    its zeros, and a masked one would look like a failure.
    """
    if code in SUCCESS_CODES or (code.isascii() and len(code) < _MIN_PART_DIGITS):
        return code
    if code.isascii() and code.isdigit() and len(code) <= number_rules.MAX_CODE_DIGITS:
        for each in own:
            if each in code or code in each:
                return _mask_runs(code, own)
        return code
    numerals = number_rules.list_numerals(code)
    if len(numerals) > number_rules.MAX_CODE_DIGITS or (
        len(numerals) >= _MIN_PART_DIGITS and _reveals_own(numerals, own)
    ):
        return _mask_runs(code, own)
    return code


def mask_value(value: Any, own: OwnNumbers = ()) -> Any:
    """Mask a JSON value: every string, key and number in it like a text."""
    return _change_texts(value, lambda text: mask_text(text, own))


def mask_fields(
    fields: Mapping[str, Any], policies: Mapping[str, Content], own: OwnNumbers = ()
) -> dict[str, Any]:
    """Mask a JSON object of the vendor, each field by its policy; other fields like a text."""
    own = own or tuple(
        digits
        for name, value in fields.items()
        if policies.get(name) is Content.NUMBER
        for digits in get_own_numbers(_list_leaves(value))
    )
    return {
        name if name in policies else mask_text(str(name), own): _mask_field(
            value, policies.get(name), own
        )
        for name, value in fields.items()
    }


def mask_reservation(row: R) -> R:
    """Copy a reservation with its numbers masked, without the vendor's undocumented fields.

    Fields that a subclass adds are copied, since they contain no texts.
    """
    masked = row.__dict__.copy()
    own = get_own_numbers((masked["called_no"], masked["caller_no"]))
    for name in _NUMBERS:
        if number := masked[name]:
            masked[name] = mask_number(number)
    for name in _CODES:
        code = masked[name]
        if code and (len(code) >= _MIN_PART_DIGITS or not code.isascii()):
            masked[name] = mask_code(code, own)
    for name in _TEXTS:
        text = masked[name]
        if text and (len(text) > _MAX_CACHED_LENGTH or _count_numerals(text) >= _MIN_OWN_DIGITS):
            masked[name] = mask_text(text, own)
    return create_reservation(type(row), masked)


def remove_number(value: Any, digits: str) -> Any:
    """Remove a number, given by its ASCII digits, from the texts, keys and numbers of a JSON value,
    or from bytes. Between two digits there may be up to two separators."""
    pattern = _compile_number(digits)
    if isinstance(value, bytes):
        # Latin-1 maps each byte to one character.
        return pattern.sub("***", value.decode("latin-1")).encode("latin-1")
    return _change_texts(value, lambda text: pattern.sub(_REMOVED, text))


def _change_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Apply `change` to every string, key and number of a JSON value."""
    match value:
        case str():
            return change(value)
        case bool() | None:
            return value
        case int() | float():
            changed = change(str(value))
            return value if changed == str(value) else changed
        case dict():
            return {change(str(name)): _change_texts(part, change) for name, part in value.items()}
        case list() | tuple():
            return [_change_texts(part, change) for part in value]
    return number_rules.MASK


def replace_numbers(text: str, is_wanted: Callable[[str], bool]) -> str:
    """Remove the numbers for whose digits `is_wanted` returns True."""
    for run in reversed([*_NUMBER_RUN.finditer(text)]):
        parts = [part.span() for part in _DIGITS.finditer(text, *run.span())]
        end = len(parts)
        while end:
            # Find the longest sequence of parts ending here that is such a number.
            digits = ""
            starts = {}
            for position in range(end - 1, -1, -1):
                digits = text[slice(*parts[position])] + digits
                if len(digits) > _MOST_DIGITS:
                    break
                starts[position] = digits
            begin = next((each for each in reversed(starts) if is_wanted(starts[each])), None)
            if begin is not None:
                text = text[: parts[begin][0]] + _REMOVED + text[parts[end - 1][1] :]
            end = end - 1 if begin is None else begin
    return text


def get_own_numbers(numbers: Iterable[object]) -> OwnNumbers:
    """Return the digits of a row's numbers, except very short ones."""
    found: OwnNumbers = ()
    for each in numbers:
        if each and len(digits := get_digits(str(each))) >= _MIN_OWN_DIGITS:
            found += (digits,)
    return found


@lru_cache(maxsize=8)
def _compile_number(digits: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\d){_BETWEEN.join(digits)}(?!\d)", re.ASCII)


_NUMBERS, _CODES, _TEXTS = (
    tuple(field.name for field in RESERVATION if field.holds is content)
    for content in (Content.NUMBER, Content.CODE, Content.TEXT)
)


@lru_cache(maxsize=4096)
def _count_numerals(text: str) -> int:
    """Count the numerals of a short text; cached, since names, tasks and codes repeat."""
    return len(number_rules.list_numerals(text))


def _mask_field(value: Any, content: Content | None, own: OwnNumbers) -> Any:
    if content in {Content.ID, Content.TIME, Content.FLAG} and isinstance(value, str | int):
        return value
    if content is Content.CODE and isinstance(value, str | int) and not isinstance(value, bool):
        masked = mask_code(str(value), own)
        return value if masked == str(value) else masked
    if content is Content.NUMBER:
        return _mask_numbers(value)
    return mask_value(value, own)


def _mask_numbers(value: Any) -> Any:
    """Mask the content of a number field, whatever its shape."""
    match value:
        case None | "":
            return value
        case list():
            return [_mask_numbers(inner) for inner in value]
        case dict():
            return {mask_text(str(name)): _mask_numbers(inner) for name, inner in value.items()}
    return mask_number(str(value))


def _list_leaves(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _list_leaves(inner)]
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _list_leaves(inner)]
    return [value]


def _reveals_own(numerals: list[str], own: OwnNumbers) -> bool:
    """Return True if the numerals contain one of the row's numbers, or are part of one."""
    digits = get_digits("".join(numerals))
    may_be_part = len(digits) >= _MIN_OWN_DIGITS
    return any(each in digits or (may_be_part and digits in each) for each in own)
