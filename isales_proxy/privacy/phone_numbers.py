"""Phone numbers as people search for them: cleaning, completeness, spellings."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final

from isales_proxy.core.input_cleaning import clean_number

_NO_DIGITS: Final = re.compile(r"[^0-9]+")

FEWEST_DIGITS: Final = 7
"""Minimum digits of a complete number. Without SEE_NUMBERS only complete numbers are searched."""


def get_digits(text: str) -> str:
    """Return the decimal digits of any script in a text as ASCII."""
    if text.isascii():
        return text if text.isdigit() else _NO_DIGITS.sub("", text)
    return "".join(str(unicodedata.decimal(each)) for each in text if each.isdecimal())


@dataclass(frozen=True, slots=True)
class SearchedNumber:
    """A number that a person searches for: `text` without separators, and its ASCII `digits`."""

    text: str = field(repr=False)
    digits: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> SearchedNumber:
        """Parse typed or pasted text, which may contain no number."""
        cleaned = clean_number(text)
        return cls(cleaned, get_digits(cleaned))

    @property
    def is_complete(self) -> bool:
        """True for at least `FEWEST_DIGITS` digits and nothing else but a leading plus."""
        return len(self.digits) >= FEWEST_DIGITS and self.text.removeprefix("+") == self.digits

    @property
    def spellings(self) -> tuple[str, str]:
        """The number without and with a leading plus, both of which are searched in our tables.

        CC-iSales is sent `text` as typed: whether it ignores the plus is not documented.
        """
        bare = self.text.removeprefix("+")
        return bare, f"+{bare}"
