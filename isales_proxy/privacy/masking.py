"""Numbers made unreadable for those who may not see them. Pure functions; the services apply them.

What is a number in a text, and what is left of it, says the rule `client.digits.SHOWN`. Each of the
row's own numbers is one too, however short.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from isales_proxy.client.records import Reservation
from isales_proxy.privacy import phone_numbers
from isales_proxy.privacy.field_policies import RESERVATION, Content

_FEWEST_OF_AN_OWN: Final = 4
# A code of fewer figures is a part of one number in a thousand by chance alone.
_FEWEST_OF_A_PART: Final = 5
_CUSTOMER_ID: Final = re.compile(
    r'"(?:customer|cust)(?:[ _-]?(?:id|no))?"\s*:\s*"(?P<id>[a-z]{1,4}[-_]?[0-9]{1,8})"',
    re.ASCII | re.IGNORECASE,
)

Own = tuple[str, ...]
"""The digits of the row's own numbers."""


def mask_number(text: str) -> str:
    """What a field that holds a number shows. Nothing but digits and a plus is ever left of it."""
    if not text.strip():
        return text
    characters = [character for character in text if character.isalnum()]
    if not characters or not all(character.isdecimal() for character in characters):
        return phone_numbers.MASK * min(
            max(len(characters), _FEWEST_OF_AN_OWN), phone_numbers.MOST_MASKS
        )
    return ("+" if text.lstrip().startswith(("+", "＋")) else "") + phone_numbers.keep_ends(
        characters
    )


def mask_text(text: str, own: Own = ()) -> str:
    """A text in which every number is masked; `own` are further ones, as digits."""
    parts: list[str] = []
    kept = 0
    for start, end in _customer_ids(text, own):
        parts += [_masked(text[kept:start], own), text[start:end]]
        kept = end
    return "".join([*parts, _masked(text[kept:], own)])


def _masked(text: str, own: Own) -> str:
    return phone_numbers.mask(text, phone_numbers.SHOWN, lambda figures: _tells_own(figures, own))


def _customer_ids(text: str, own: Own) -> Iterator[tuple[int, int]]:
    """Where a JSON text holds the ID of a customer: a letter, and no more figures than a code."""
    if '"' not in text:
        return
    for found in _CUSTOMER_ID.finditer(text):
        if not _tells_own(phone_numbers.get_digits(found["id"]), own):
            yield found.span("id")


def mask_code(text_: str, own: Own = ()) -> str:
    """A code as it is, unless it has more digits than a code has, or is a number of the row's."""
    figures = phone_numbers.get_digits(text_)
    if len(figures) > phone_numbers.MOST_IN_A_CODE or (
        len(figures) >= _FEWEST_OF_A_PART and _tells_own(figures, own)
    ):
        return phone_numbers.mask(text_, phone_numbers.SHOWN, lambda found: _tells_own(found, own))
    return text_


def mask_value(found: Any, own: Own = ()) -> Any:
    """Any JSON, every text, name and figure in it like a text."""
    match found:
        case str():
            return mask_text(found, own)
        case bool() | None:
            return found
        case int() | float():
            masked = mask_text(str(found), own)
            return found if masked == str(found) else masked
        case dict():
            return {
                mask_text(str(name), own): mask_value(inner, own) for name, inner in found.items()
            }
        case list() | tuple():
            return [mask_value(inner, own) for inner in found]
    return phone_numbers.MASK


def mask_fields(
    found: Mapping[str, Any], table: Mapping[str, Content], own: Own = ()
) -> dict[str, Any]:
    """A JSON object of the vendor's, each field as `table` says; one not named there is text."""
    own = own or tuple(
        told
        for name, inner in found.items()
        if table.get(name) is Content.NUMBER
        for told in get_own_numbers(_leaves(inner))
    )
    return {
        name if name in table else mask_text(str(name), own): _field(inner, table.get(name), own)
        for name, inner in found.items()
    }


def mask_reservation(row: Reservation) -> Reservation:
    """The row as those see it who may not see numbers; without the vendor's unknown fields."""
    own = get_own_numbers((row.called_no, row.caller_no))
    shown: dict[str, Any] = {}
    for field in RESERVATION:
        found = getattr(row, field.name)
        shown[field.name] = (
            _BY_KIND[field.holds](found, own) if found and field.holds in _BY_KIND else found
        )
    return Reservation.model_construct(**shown)


def get_own_numbers(numbers: Iterable[object]) -> Own:
    """The digits of a row's numbers, of those that are long enough to be told from a figure."""
    found = (get_digits(str(each or "")) for each in numbers)
    return tuple(told for told in found if len(told) >= _FEWEST_OF_AN_OWN)


def get_digits(text: str) -> str:
    """The digits of a number alone, as 0 to 9, by which two spellings of it are the same."""
    return "".join(str(unicodedata.decimal(each)) for each in text if each.isdecimal())


_BY_KIND: Final[Mapping[Content, Callable[[str, Own], str]]] = {
    Content.NUMBER: lambda found, _own: mask_number(found),
    Content.TEXT: mask_text,
    Content.CODE: mask_code,
}


def _field(found: Any, holds: Content | None, own: Own) -> Any:
    if holds in {Content.ID, Content.TIME, Content.FLAG} and isinstance(found, str | int):
        return found
    if holds is Content.CODE and isinstance(found, str | int) and not isinstance(found, bool):
        masked = mask_code(str(found), own)
        return found if masked == str(found) else masked
    if holds is Content.NUMBER:
        return _numbers(found)
    return mask_value(found, own)


def _numbers(found: Any) -> Any:
    """All that stands where a number belongs, in whatever shape it came."""
    match found:
        case None | "":
            return found
        case list():
            return [_numbers(inner) for inner in found]
        case dict():
            return {mask_text(str(name)): _numbers(inner) for name, inner in found.items()}
    return mask_number(str(found))


def _leaves(found: Any) -> list[Any]:
    if isinstance(found, list):
        return [leaf for inner in found for leaf in _leaves(inner)]
    if isinstance(found, dict):
        return [leaf for inner in found.values() for leaf in _leaves(inner)]
    return [found]


def _tells_own(figures: list[str], own: Own) -> bool:
    """Whether figures hold one of the row's own numbers, or are a part of one."""
    told = get_digits("".join(figures))
    is_part = len(told) >= _FEWEST_OF_AN_OWN
    return any(each in told or (is_part and told in each) for each in own)
