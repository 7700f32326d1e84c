"""Cleaning of foreign text for screens, logs and labels; numbers are masked by `LOGGED`."""

from __future__ import annotations

import re
import unicodedata

from . import number_rules

MAX_SENTENCE = 300
UNPRINTABLE = "(unprintable)"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}")
_CODE = re.compile(r"[A-Za-z0-9_.\-]{1,20}")
_CONTROL_OR_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def mask_numbers(text: str) -> str:
    """Replace every run of five or more digits by ``•••``."""
    return number_rules.mask(text, number_rules.LOGGED)


def sentence(value: object) -> str:
    """Return foreign text as one line of at most 300 characters, without control characters and
    long numbers; ``""`` for anything but text."""
    if not isinstance(value, str):
        return ""
    # Cut first, so that masking does not process megabytes.
    line = _CONTROL_OR_BLANK.sub(" ", value[: 4 * MAX_SENTENCE])
    # Cf: invisible and direction-changing characters; Cs: lone surrogates.
    line = "".join(c for c in line if unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
    return mask_numbers(line).strip()[:MAX_SENTENCE]


def code(value: object) -> str:
    """Return a code of up to 20 plain characters, 8 of them digits, else ``(unprintable)``."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    few = sum(character.isdigit() for character in text) <= number_rules.MAX_CODE_DIGITS
    return text if _CODE.fullmatch(text) and few else UNPRINTABLE


def field_name(name: str) -> str:
    """Return a field name that is safe in logs and metric labels, else ``(unprintable)``."""
    if _NAME.fullmatch(name) and not number_rules.contains_number(name, number_rules.LOGGED):
        return name
    return UNPRINTABLE
