"""Bounds of every query, and the error that says which value is out of bounds."""

from __future__ import annotations

import unicodedata
from datetime import datetime

MAX_TEXT = 64
MIN_VDN, MAX_VDN = 1, 9_999
MIN_CC_ID, MAX_CC_ID = 1, 65_535


class InvalidQuery(ValueError):
    """A question outside the bounds. It was not sent.

    ``field`` is the attribute at fault, ``reason`` an English phrase; neither repeats the value.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


def check_vdn(vdn: int) -> int:
    """``vdn`` itself when it is a VDN id (1 to 9999); raises `InvalidQuery` otherwise."""
    check_number("vdn", vdn, MIN_VDN, MAX_VDN)
    return vdn


def check_cc_id(cc_id: int) -> int:
    """``cc_id`` itself when it is a call center's (1 to 65535); raises `InvalidQuery` otherwise."""
    check_number("cc_id", cc_id, MIN_CC_ID, MAX_CC_ID)
    return cc_id


def check_text(name: str, value: object, *, required: bool = False, most: int = MAX_TEXT) -> None:
    """Text of at most ``most`` characters on one line; when ``required``, not blank."""
    if not isinstance(value, str):
        raise InvalidQuery(name, "must be text")
    if len(value) > most:
        raise InvalidQuery(name, f"at most {most} characters")
    # Cc are control characters, Cs lone surrogates, which cannot be sent as UTF-8.
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise InvalidQuery(name, "must not hold control characters")
    if required and not value.strip():
        raise InvalidQuery(name, "must not be blank")


def check_number(name: str, value: object, lowest: int, highest: int) -> None:
    """A whole number within its bounds, both included."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidQuery(name, "must be a whole number")
    if not lowest <= value <= highest:
        raise InvalidQuery(name, f"must be from {lowest} to {highest}")


def check_moment(name: str, value: object) -> None:
    """An aware datetime, or ``None``."""
    if value is None:
        return
    if not isinstance(value, datetime):
        raise InvalidQuery(name, "must be a date and time")
    if value.utcoffset() is None:
        raise InvalidQuery(name, "must carry its time zone")
