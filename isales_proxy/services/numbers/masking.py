"""Numbers made unreadable for those who may not see them. Pure functions; the services apply them.

A number keeps its first three and last four digits where it has eleven or more, and about half of
them where it has fewer; one of up to four digits keeps none. In a text, digits without a letter
between them belong together, whatever script they are of and whatever stands between: six of them
are taken for a number. So is each of the row's own numbers, however short.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from isales_proxy.client.records import Reservation
from isales_proxy.services.numbers.fields import RESERVATION, Holds

MASK: Final = "•"
FEWEST_OF_A_NUMBER: Final = 6
"""Digits of a run in a text from which on it is taken for a number."""

_LONG: Final = 11
_HEAD, _TAIL, _SHORT_TAIL = 3, 4, 3
_HIDES_ALL_UP_TO: Final = 4
_MOST_MASKS: Final = 12
# The documented codes have up to eight; a number that somebody can be called at mostly has more.
_MOST_CODE_DIGITS: Final = 8
_FEWEST_OF_AN_OWN: Final = 4

Own = tuple[str, ...]
"""The digits of the row's own numbers."""


def number(text: str) -> str:
    """What a field that holds a number shows. Nothing but digits and a plus is ever left of it."""
    if not text.strip():
        return text
    characters = [character for character in text if character.isalnum()]
    if not characters or not all(character.isdecimal() for character in characters):
        return MASK * min(max(len(characters), _HIDES_ALL_UP_TO), _MOST_MASKS)
    return ("+" if text.lstrip().startswith(("+", "＋")) else "") + _shown(characters)


def text(text: str, own: Own = ()) -> str:
    """A text in which every number is masked; `own` are further ones, as digits."""
    fewest = min([FEWEST_OF_A_NUMBER, *map(len, own)])
    if len(_figures(text)) < fewest:
        return text
    parts: list[str] = []
    kept = 0
    for start, end in _runs(text):
        digits = _figures(text[start:end])
        if len(digits) >= FEWEST_OF_A_NUMBER or _holds_own(digits, own):
            parts += [text[kept:start], _shown(digits)]
            kept = end
    return "".join([*parts, text[kept:]])


def code(text_: str, own: Own = ()) -> str:
    """A code as it is, unless it has more digits than a code has, or is a number of the row's."""
    digits = _figures(text_)
    if len(digits) > _MOST_CODE_DIGITS or (
        len(digits) >= FEWEST_OF_A_NUMBER and _holds_own(digits, own)
    ):
        return text(text_, own)
    return text_


def value(found: Any, own: Own = ()) -> Any:
    """Any JSON, every text, name and figure in it like a text."""
    match found:
        case str():
            return text(found, own)
        case bool() | None:
            return found
        case int() | float():
            masked = text(str(found), own)
            return found if masked == str(found) else masked
        case dict():
            return {text(str(name), own): value(inner, own) for name, inner in found.items()}
        case list() | tuple():
            return [value(inner, own) for inner in found]
    return MASK


def fields(found: Mapping[str, Any], table: Mapping[str, Holds], own: Own = ()) -> dict[str, Any]:
    """A JSON object of the vendor's, each field as `table` says; one not named there is text."""
    own = own or tuple(
        digits
        for name, inner in found.items()
        if table.get(name) is Holds.NUMBER
        for digits in own_numbers(_leaves(inner))
    )
    return {
        name if name in table else text(str(name), own): _field(inner, table.get(name), own)
        for name, inner in found.items()
    }


def reservation(row: Reservation) -> Reservation:
    """The row as those see it who may not see numbers; without the vendor's unknown fields."""
    own = own_numbers((row.called_no, row.caller_no))
    shown: dict[str, Any] = {}
    for field in RESERVATION:
        found = getattr(row, field.name)
        shown[field.name] = (
            _BY_KIND[field.holds](found, own) if found and field.holds in _BY_KIND else found
        )
    return Reservation.model_construct(**shown)


def _figures(text: str) -> list[str]:
    """The figures that a reader sees: a circled 21 and a quarter are two each."""
    seen = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return [character for character in seen if character.isnumeric()]


def own_numbers(numbers: Iterable[object]) -> Own:
    """The digits of a row's numbers, of those that are long enough to be told from a figure."""
    found = (digits_of(str(each or "")) for each in numbers)
    return tuple(digits for digits in found if len(digits) >= _FEWEST_OF_AN_OWN)


def digits_of(text: str) -> str:
    """The digits of a number alone, as 0 to 9, by which two spellings of it are the same."""
    return "".join(str(unicodedata.decimal(each)) for each in text if each.isdecimal())


_BY_KIND: Final[Mapping[Holds, Callable[[str, Own], str]]] = {
    Holds.NUMBER: lambda found, _own: number(found),
    Holds.TEXT: text,
    Holds.CODE: code,
}


def _field(found: Any, holds: Holds | None, own: Own) -> Any:
    if holds in {Holds.ID, Holds.TIME, Holds.FLAG} and isinstance(found, str | int):
        return found
    if holds is Holds.CODE and isinstance(found, str | int) and not isinstance(found, bool):
        masked = code(str(found), own)
        return found if masked == str(found) else masked
    if holds is Holds.NUMBER:
        return _numbers(found)
    return value(found, own)


def _numbers(found: Any) -> Any:
    """All that stands where a number belongs, in whatever shape it came."""
    match found:
        case None | "":
            return found
        case list():
            return [_numbers(inner) for inner in found]
        case dict():
            return {text(str(name)): _numbers(inner) for name, inner in found.items()}
    return number(str(found))


def _leaves(found: Any) -> list[Any]:
    if isinstance(found, list):
        return [leaf for inner in found for leaf in _leaves(inner)]
    if isinstance(found, dict):
        return [leaf for inner in found.values() for leaf in _leaves(inner)]
    return [found]


def _runs(text: str) -> Iterable[tuple[int, int]]:
    """Where digits stand that no letter parts: from the first to behind the last of them.

    Some scripts write figures with letters; those are figures here.
    """
    start = end = -1
    for place, character in enumerate(text):
        if character.isnumeric():
            start = place if start < 0 else start
            end = place + 1
        elif start >= 0 and character.isalpha():
            yield start, end
            start = -1
    if start >= 0:
        yield start, end


def _shown(digits: list[str]) -> str:
    """A few digits at both ends. Of figures that stand for more than one digit none is shown."""
    count = len(digits)
    if count <= _HIDES_ALL_UP_TO or not all(digit.isdecimal() for digit in digits):
        return MASK * min(count, _MOST_MASKS)
    head, tail = _HEAD, _TAIL
    if count < _LONG:
        tail = min(_SHORT_TAIL, count // 2)
        head = count // 2 - tail
    hidden = min(count - head - tail, _MOST_MASKS)
    return "".join([*digits[:head], MASK * hidden, *digits[count - tail :]])


def _holds_own(digits: list[str], own: Own) -> bool:
    told = digits_of("".join(digits))
    return any(each in told for each in own)
