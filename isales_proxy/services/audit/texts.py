"""What may stand in an event: plain JSON that every database gives back alike, and no number.

Callers hand over masked texts. What people type (a reason) may hold a number all the same, and is
masked here; what holds one elsewhere is a mistake of ours: refused where `AUDIT_STRICT` is set (in
tests), masked otherwise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final

from django.conf import settings

_KEPT: Final = 2
_FEWEST: Final = 7
# Seven digits or more, perhaps parted as people write numbers; a colon parts times.
_WRITTEN: Final = re.compile(r"\+?\d(?:(?:[^\w:]|_){0,2}\d){6,}")
_DAY: Final = re.compile(r"\d{4}-\d\d?-\d\d?(?: \d\d?)?", re.ASCII)
# The same in one piece, and no part of a word such as a fingerprint.
_RUN: Final = re.compile(r"(?<![0-9A-Za-z_])\+?\d{7,}(?![0-9A-Za-z_])")
# Names of facts that hold numbers of things, not of people; these may be long.
_IDS: Final = frozenset(
    {"agent_account", "batch", "code", "ids", "key", "reservation", "result_code", "session",
     "task", "token", "username", "write_back"}
)  # fmt: skip


class HoldsNumber(ValueError):
    """A text of the audit holds what looks like somebody's number; the message says where alone."""


def masked(text: str) -> str:
    """`text` with all but the last two digits of every number in it hidden, days left alone."""

    def hide(match: re.Match[str]) -> str:
        found = match[0]
        if _DAY.fullmatch(found):
            return found
        return "•••" + re.sub(r"\D", "", found)[-_KEPT:]

    return _WRITTEN.sub(hide, text)


def line(text: str, longest: int) -> str:
    """What every database can hold of it, at most so many characters."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")[:longest]


def subject(text: str, number: str) -> str:
    """The subject is an ID or a name, both of which may be long; never the number itself."""
    digits = re.sub(r"\D", "", number)
    whole = re.compile(rf"(?<!\d){digits}(?!\d)")
    # A short one may well be that of a task, too.
    if len(digits) < _FEWEST or not whole.search(text):
        return text
    _refuse("subject")
    return whole.sub("•••" + digits[-_KEPT:], text)


def facts(detail: Mapping[str, Any]) -> dict[str, Any]:
    """The detail as JSON that comes back as it went in."""
    return {line(str(key), 100): _plain(value, str(key)) for key, value in detail.items()}


def _plain(value: Any, name: str) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return facts(value)
    if isinstance(value, list | tuple):
        return [_plain(each, name) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(str(_plain(each, name)) for each in value)
    text = str(value)
    if name not in _IDS and not name.endswith("_id") and _RUN.search(text):
        _refuse(name)
        text = _RUN.sub(lambda match: "•••" + match[0][-_KEPT:], text)
    return line(text, len(text))


def _refuse(name: str) -> None:
    if getattr(settings, "AUDIT_STRICT", False):
        raise HoldsNumber(f"{name} holds what looks like a number")
