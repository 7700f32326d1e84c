"""Masking of phone numbers for people without the right to see them: pure functions, applied by
the services.

`client.number_rules.SHOWN` decides what is a number in a text and what stays readable of it. The
row's own numbers are masked as well, however short.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

from isales_proxy.client import number_rules
from isales_proxy.client.records import Reservation, create_reservation
from isales_proxy.privacy.field_policies import RESERVATION, Content
from isales_proxy.privacy.phone_numbers import get_digits

_FEWEST_OF_AN_OWN: Final = 4
# A code of fewer digits is part of one number in a thousand by chance.
_FEWEST_OF_A_PART: Final = 5
# Characters of a text whose numerals are counted once.
_SHORT: Final = 64
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
    """Mask the content of a field that holds a number; only digits and a plus can stay of it."""
    if text.isascii() and (bare := text.removeprefix("+")).isdigit():
        return ("+" if text.startswith("+") else "") + number_rules.keep_ends(bare)
    if not text.strip():
        return text
    characters = [character for character in text if character.isalnum()]
    if not characters or not all(character.isdecimal() for character in characters):
        return number_rules.MASK * min(
            max(len(characters), _FEWEST_OF_AN_OWN), number_rules.MAX_MASK_LENGTH
        )
    plus = "+" if text.lstrip().startswith(("+", "＋")) else ""
    return plus + number_rules.keep_ends(characters)


def mask_text(text: str, own: OwnNumbers = ()) -> str:
    """Mask every number in a text, those in `own` included."""
    if len(text) <= _SHORT and _count_numerals(text) < _FEWEST_OF_AN_OWN:
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
    """Yield where a JSON text holds a customer ID: a letter and no more digits than a code."""
    if '"' not in text:
        return
    for found in _CUSTOMER_ID.finditer(text):
        if not _reveals_own(number_rules.list_numerals(found["id"]), own):
            yield found.span("id")


def mask_code(code: str, own: OwnNumbers = ()) -> str:
    """Mask a code only if it is longer than vendor codes are, or part of an own number."""
    if code.isascii() and len(code) < _FEWEST_OF_A_PART:
        return code
    if code.isascii() and code.isdigit() and len(code) <= number_rules.MAX_CODE_DIGITS:
        for each in own:
            if each in code or code in each:
                return _mask_runs(code, own)
        return code
    numerals = number_rules.list_numerals(code)
    if len(numerals) > number_rules.MAX_CODE_DIGITS or (
        len(numerals) >= _FEWEST_OF_A_PART and _reveals_own(numerals, own)
    ):
        return _mask_runs(code, own)
    return code


def mask_value(value: Any, own: OwnNumbers = ()) -> Any:
    """Mask a JSON value: every string, key and figure in it like a text."""
    return _change_texts(value, lambda text: mask_text(text, own))


def mask_fields(
    fields: Mapping[str, Any], policies: Mapping[str, Content], own: OwnNumbers = ()
) -> dict[str, Any]:
    """Mask a JSON object of the vendor's, each field by its policy; unlisted ones like a text."""
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

    The fields that a subclass adds hold no texts and stay.
    """
    masked = row.__dict__.copy()
    own = get_own_numbers((masked["called_no"], masked["caller_no"]))
    for name in _NUMBERS:
        if number := masked[name]:
            masked[name] = mask_number(number)
    for name in _CODES:
        code = masked[name]
        if code and (len(code) >= _FEWEST_OF_A_PART or not code.isascii()):
            masked[name] = mask_code(code, own)
    for name in _TEXTS:
        text = masked[name]
        if text and (len(text) > _SHORT or _count_numerals(text) >= _FEWEST_OF_AN_OWN):
            masked[name] = mask_text(text, own)
    return create_reservation(type(row), masked)


def remove_number(value: Any, digits: str) -> Any:
    """Return a JSON value or bytes without one number, given by its ASCII digits, in texts, keys
    and figures; nothing of it stays readable. Up to two other characters may part its digits."""
    pattern = _compile_number(digits)
    if isinstance(value, bytes):
        # Latin-1 gives each byte a character of its own.
        return pattern.sub("***", value.decode("latin-1")).encode("latin-1")
    return _change_texts(value, lambda text: pattern.sub(_REMOVED, text))


def _change_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return a JSON value with every string, key and figure in it changed as a text."""
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
    """Return a text without the numbers for whose digits `is_wanted` is True: for numbers that are
    not known, where `remove_number` takes out one that is."""
    for run in reversed([*_NUMBER_RUN.finditer(text)]):
        parts = [part.span() for part in _DIGITS.finditer(text, *run.span())]
        end = len(parts)
        while end:
            # The parts that end here and make a number, the most of them first.
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
    """Return the digits of a row's numbers, without those too short to mask by."""
    found: OwnNumbers = ()
    for each in numbers:
        if each and len(digits := get_digits(str(each))) >= _FEWEST_OF_AN_OWN:
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
    """Count the numerals of a short text; names, tasks and codes come again and again."""
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
    """Return True if numerals contain one of the row's own numbers, or are a part of one."""
    digits = get_digits("".join(numerals))
    may_be_part = len(digits) >= _FEWEST_OF_AN_OWN
    return any(each in digits or (may_be_part and digits in each) for each in own)
