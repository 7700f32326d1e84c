"""Making foreign text safe to show, to log, and to use as a label.

Called numbers, accounts and keys are the secrets here. What looks like a number is masked by the
rule `number_rules.LOGGED`.
"""

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
    """``text`` with every run of five or more digits replaced by ``•••``."""
    return number_rules.mask(text, number_rules.LOGGED)


def sentence(value: object) -> str:
    """Foreign text as one line: no control characters, no long numbers, at most 300 characters.

    Anything but text gives ``""``.
    """
    if not isinstance(value, str):
        return ""
    # Cut first, generously: the masks below should not run over megabytes.
    line = _CONTROL_OR_BLANK.sub(" ", value[: 4 * MAX_SENTENCE])
    # Cf holds invisible and direction-changing characters, Cs the halves of broken pairs.
    line = "".join(c for c in line if unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
    return mask_numbers(line).strip()[:MAX_SENTENCE]


def code(value: object) -> str:
    """A vendor code of up to 20 plain characters, 8 of them digits, or ``(unprintable)``."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    few = sum(character.isdigit() for character in text) <= number_rules.MOST_IN_A_CODE
    return text if _CODE.fullmatch(text) and few else UNPRINTABLE


def field_name(name: str) -> str:
    """A field name fit for a log or a metric label, or ``(unprintable)``."""
    if _NAME.fullmatch(name) and not number_rules.contains_number(name, number_rules.LOGGED):
        return name
    return UNPRINTABLE
