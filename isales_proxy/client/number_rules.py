"""Rules that recognise phone numbers in text and say how much of each stays readable.

A phone number looks like any long run of digits, so each rule guesses, and errs on the side that
suits its readers. Numerals of every script count; a letter between two numerals separates them.
Vendor codes are not text and have their own limit.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

MASK: Final = "•"
MAX_CODE_DIGITS: Final = 8
"""Largest number of digits of a documented code; most phone numbers have more."""

_HIDDEN: Final = MASK * 3
_LONG: Final = 11
_HEAD, _TAIL, _SHORT_TAIL = 3, 4, 3
_MAX_HIDDEN_LENGTH: Final = 4
_LAST: Final = 2
MAX_MASK_LENGTH: Final = 12
"""Longest mask in characters, so that it does not tell how long the number is."""

_MAX_CACHED_KINDS: Final = 20_000
_INVISIBLE: Final = frozenset({"Mn", "Me", "Cf"})
_DAY: Final = re.compile(r"\d{4}-\d\d?-\d\d?(?: \d\d?)?", re.ASCII)
_WORD_CHARACTER: Final = re.compile(r"\w", re.ASCII)


def hide_all(digits: Sequence[str]) -> str:  # noqa: ARG001 – the signature of `Rule.keep`
    """Hide everything, including the length."""
    return _HIDDEN


def keep_last_two(digits: Sequence[str]) -> str:
    """Keep the last two digits, which distinguish most numbers."""
    tail = digits[-_LAST:]
    return _HIDDEN + ("".join(tail) if all(digit.isdecimal() for digit in tail) else "")


def keep_ends(digits: Sequence[str]) -> str:
    """Keep the first three and last four of eleven digits or more, about half of fewer, none of
    up to four. Numerals that stand for more than one digit are hidden.
    """
    count, joined = len(digits), "".join(digits)
    if count <= _MAX_HIDDEN_LENGTH or not joined.isdecimal():
        return MASK * min(count, MAX_MASK_LENGTH)
    head, tail = _HEAD, _TAIL
    if count < _LONG:
        tail = min(_SHORT_TAIL, count // 2)
        head = count // 2 - tail
    hidden = min(count - head - tail, MAX_MASK_LENGTH)
    return f"{joined[:head]}{MASK * hidden}{joined[count - tail :]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Definition of a number in text: a run of at least ``min_numerals`` numerals.

    ``keep`` masks it. Between two numerals of a run there are at most ``max_gap`` visible
    characters, none of them in ``separators``. A run that matches ``exempt`` is no number; with
    ``outside_words`` neither is a run within a word.
    """

    min_numerals: int
    keep: Callable[[Sequence[str]], str]
    max_gap: float = math.inf
    separators: str = ""
    exempt: re.Pattern[str] | None = None
    outside_words: bool = False


# Vendor messages, logs and metric labels go to systems that we do not control. Important figures
# have fields of their own there, so short numbers are hidden, too. A gap of at most one character
# keeps a message about bounds ("1 to 50, 100") readable.
LOGGED: Final = Rule(min_numerals=5, keep=hide_all, max_gap=1)

# Texts of a row for people without the right to see numbers, who may try to find them out: no
# character separates numerals. The row's own numbers are hidden however short, so other runs of
# five may stay. The ends are kept, so that people recognise a number that they know.
SHOWN: Final = Rule(min_numerals=6, keep=keep_ends)

# Reasons typed by people: auditors need the days, times and short references in them. The audit
# finds numbers by fingerprint, so two digits are enough.
TYPED: Final = Rule(min_numerals=7, keep=keep_last_two, max_gap=2, separators=":", exempt=_DAY)

# Audit facts written by our code: they contain many times and fingerprints, and a number that gets
# in by mistake is in one piece.
WRITTEN: Final = Rule(min_numerals=7, keep=keep_last_two, max_gap=0, outside_words=True)


def mask(text: str, rule: Rule, is_number: Callable[[list[str]], bool] | None = None) -> str:
    """Return ``text`` with every number in it masked by the rule.

    ``is_number`` decides about runs that are too short for the rule, by their numerals.
    """
    parts: list[str] = []
    kept = 0
    for start, end in _find_runs(text, rule):
        numerals = list_numerals(text[start:end])
        if len(numerals) >= rule.min_numerals or (is_number is not None and is_number(numerals)):
            parts += [text[kept:start], rule.keep(numerals)]
            kept = end
    return "".join([*parts, text[kept:]])


def contains_number(text: str, rule: Rule) -> bool:
    return any(
        len(list_numerals(text[start:end])) >= rule.min_numerals
        for start, end in _find_runs(text, rule)
    )


def list_numerals(text: str) -> list[str]:
    """List the numerals as displayed: a circled 21 and the fraction ¼ are two each."""
    seen = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return [character for character in seen if character.isnumeric()]


def _find_runs(text: str, rule: Rule) -> Iterator[tuple[int, int]]:
    """Yield start and end of each run of numerals, including letters used as numerals."""
    kinds, runs = _compile_scanner(rule.max_gap, rule.separators)
    for run in runs.finditer(text.translate(kinds)):
        if _may_be_number(text, *run.span(), rule):
            yield run.span()


class _CharacterKinds(dict[int, str]):
    """Cache of code point → kind: numeral (n), separator (a), invisible (u) or other (s)."""

    def __init__(self, separators: str) -> None:
        super().__init__()
        self.separators = separators

    def __missing__(self, point: int) -> str:
        if len(self) >= _MAX_CACHED_KINDS:
            self.clear()
        self[point] = kind = _classify(chr(point), self.separators)
        return kind


def _classify(character: str, separators: str) -> str:
    if character.isnumeric():
        return "n"
    if character.isalpha() or character in separators:
        return "a"
    return "u" if unicodedata.category(character) in _INVISIBLE else "s"


@cache
def _compile_scanner(max_gap: float, separators: str) -> tuple[_CharacterKinds, re.Pattern[str]]:
    between = "[nus]*n" if math.isinf(max_gap) else f"u*(?:su*){{0,{int(max_gap)}}}n"
    pattern = f"n(?:{between}){'?' if math.isinf(max_gap) else '*'}"
    return _CharacterKinds(separators), re.compile(pattern)


def _may_be_number(text: str, start: int, end: int, rule: Rule) -> bool:
    if rule.exempt is not None and rule.exempt.fullmatch(text, start, end):
        return False
    around = text[max(start - 1, 0) : start] + text[end : end + 1]
    return not (rule.outside_words and _WORD_CHARACTER.search(around))
