"""Data of an event: plain JSON that every database gives back alike, and no number.

Callers hand over masked texts. What people type (a reason) may hold a number all the same, and is
masked here; what holds one elsewhere is a mistake of ours: refused where `AUDIT_STRICT` is set (in
tests), masked otherwise. What is taken for a number says `client.number_rules`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final

from django.conf import settings

from isales_proxy.client import number_rules

# Names of facts that hold numbers of things, not of people; these may be long.
_IDS: Final = frozenset(
    {"agent_account", "batch", "code", "ids", "key", "reservation", "result_code", "session",
     "task", "token", "username", "write_back"}
)  # fmt: skip


class ContainsNumber(ValueError):
    """Text of the audit that looks like a number; the message names the field only."""


def mask_numbers(text: str) -> str:
    """Return what somebody typed, without the numbers in it."""
    return number_rules.mask(text, number_rules.TYPED)


def clean_line(text: str, longest: int) -> str:
    """Return what every database can hold of it, at most so many characters."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")[:longest]


def clean_subject(text: str, number: str) -> str:
    """Return the subject (an ID or a name, which may be long) without the number itself."""
    told = re.sub(r"\D", "", number)
    whole = re.compile(rf"(?<!\d){told}(?!\d)")
    # A short one may well be that of a task, too.
    if len(told) < number_rules.WRITTEN.fewest or not whole.search(text):
        return text
    _refuse("subject")
    return whole.sub(number_rules.keep_last_two(told), text)


def clean_detail(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return the detail as JSON that every database gives back alike."""
    return {clean_line(str(key), 100): _convert(value, str(key)) for key, value in detail.items()}


def _convert(value: Any, name: str) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return clean_detail(value)
    if isinstance(value, list | tuple):
        return [_convert(each, name) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(str(_convert(each, name)) for each in value)
    text = str(value)
    if (
        name not in _IDS
        and not name.endswith("_id")
        and number_rules.contains_number(text, number_rules.WRITTEN)
    ):
        _refuse(name)
        text = number_rules.mask(text, number_rules.WRITTEN)
    return clean_line(text, len(text))


def _refuse(name: str) -> None:
    if getattr(settings, "AUDIT_STRICT", False):
        raise ContainsNumber(f"{name} holds what looks like a number")
