"""Rules that recognise phone numbers in text and say how much of each stays readable.

A phone number cannot be told from another long run of digits, so each rule guesses and errs to the
side that its readers need. Numerals of every script count; a letter between two of them always
separates them. Vendor codes are no text and have a bound of their own.
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
MOST_IN_A_CODE: Final = 8
"""Most digits of a documented code; phone numbers mostly have more."""

_HIDDEN: Final = MASK * 3
_LONG: Final = 11
_HEAD, _TAIL, _SHORT_TAIL = 3, 4, 3
_HIDES_ALL_UP_TO: Final = 4
_LAST: Final = 2
MOST_MASKS: Final = 12
"""Longest mask in characters, so that it does not tell how long the number is."""

_MOST_KINDS: Final = 20_000
_UNSEEN: Final = frozenset({"Mn", "Me", "Cf"})
_DAY: Final = re.compile(r"\d{4}-\d\d?-\d\d?(?: \d\d?)?", re.ASCII)
_OF_A_WORD: Final = re.compile(r"\w", re.ASCII)


def hide_all(digits: Sequence[str]) -> str:  # noqa: ARG001 – the signature of `Rule.keep`
    """Keep nothing, not even the length."""
    return _HIDDEN


def keep_last_two(digits: Sequence[str]) -> str:
    """Keep the last two digits, by which two numbers can mostly be told apart."""
    tail = digits[-_LAST:]
    return _HIDDEN + ("".join(tail) if all(digit.isdecimal() for digit in tail) else "")


def keep_ends(digits: Sequence[str]) -> str:
    """Keep the first three and last four of eleven digits or more, about half of fewer, none of
    four. Nothing is kept of numerals that stand for more than one digit.
    """
    count, joined = len(digits), "".join(digits)
    if count <= _HIDES_ALL_UP_TO or not joined.isdecimal():
        return MASK * min(count, MOST_MASKS)
    head, tail = _HEAD, _TAIL
    if count < _LONG:
        tail = min(_SHORT_TAIL, count // 2)
        head = count // 2 - tail
    hidden = min(count - head - tail, MOST_MASKS)
    return f"{joined[:head]}{MASK * hidden}{joined[count - tail :]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Definition of a number in text: a run of at least ``fewest`` numerals, masked by ``keep``.

    ``apart`` is how many visible characters may stand between two numerals of one run; those in
    ``separators`` never may. A run that matches ``spared`` is no number. With ``bare`` a run inside
    a word is none.
    """

    fewest: int
    keep: Callable[[Sequence[str]], str]
    apart: float = math.inf
    separators: str = ""
    spared: re.Pattern[str] | None = None
    bare: bool = False


# Vendor sentences, logs and metric labels go to systems that we do not control, and every figure
# that matters there has a field of its own: short numbers are hidden too, completely. At most one
# character apart, so that a sentence about bounds ("1 to 50, 100") stays readable.
LOGGED: Final = Rule(fewest=5, keep=hide_all, apart=1)

# Texts of a row for people without the right to see numbers, who may try to get at them: no
# character separates numerals. The row's own numbers are known and hidden however short, so runs of
# five may stay. The ends are kept, by which people recognise a number that they have at hand.
SHOWN: Final = Rule(fewest=6, keep=keep_ends)

# Reasons typed by people: an auditor needs days, times and short references in them, and there is
# no cause to hide a number there. The audit finds numbers by fingerprint; two digits are enough.
TYPED: Final = Rule(fewest=7, keep=keep_last_two, apart=2, separators=":", spared=_DAY)

# Audit facts that our code writes: they are full of times and fingerprints, and a number that got
# in by mistake stands in one piece.
WRITTEN: Final = Rule(fewest=7, keep=keep_last_two, apart=0, bare=True)


def mask(text: str, rule: Rule, is_number: Callable[[list[str]], bool] | None = None) -> str:
    """Return ``text`` with every number in it masked by the rule.

    ``is_number`` gets the numerals of a run that is too short for the rule and decides about it.
    """
    parts: list[str] = []
    kept = 0
    for start, end in _find_runs(text, rule):
        numerals = list_numerals(text[start:end])
        if len(numerals) >= rule.fewest or (is_number is not None and is_number(numerals)):
            parts += [text[kept:start], rule.keep(numerals)]
            kept = end
    return "".join([*parts, text[kept:]])


def contains_number(text: str, rule: Rule) -> bool:
    """Return True if the rule finds a number in the text."""
    return any(
        len(list_numerals(text[start:end])) >= rule.fewest for start, end in _find_runs(text, rule)
    )


def list_numerals(text: str) -> list[str]:
    """List the numerals that a reader sees: a circled 21 and a quarter are two each."""
    seen = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return [character for character in seen if character.isnumeric()]


def _find_runs(text: str, rule: Rule) -> Iterator[tuple[int, int]]:
    """Yield start and end of each run of numerals. Letters that some scripts count with are
    numerals here.
    """
    kinds, runs = _compile_scanner(rule.apart, rule.separators)
    for run in runs.finditer(text.translate(kinds)):
        if _may_be_number(text, *run.span(), rule):
            yield run.span()


class _CharacterKinds(dict[int, str]):
    """Code point → kind: numeral (n), separator (a), invisible (u) or other (s).

    Each is classified once, so that long texts cost little.
    """

    def __init__(self, separators: str) -> None:
        super().__init__()
        self.separators = separators

    def __missing__(self, point: int) -> str:
        if len(self) >= _MOST_KINDS:
            self.clear()
        self[point] = kind = _classify(chr(point), self.separators)
        return kind


def _classify(character: str, separators: str) -> str:
    if character.isnumeric():
        return "n"
    if character.isalpha() or character in separators:
        return "a"
    return "u" if unicodedata.category(character) in _UNSEEN else "s"


@cache
def _compile_scanner(apart: float, separators: str) -> tuple[_CharacterKinds, re.Pattern[str]]:
    between = "[nus]*n" if math.isinf(apart) else f"u*(?:su*){{0,{int(apart)}}}n"
    pattern = f"n(?:{between}){'?' if math.isinf(apart) else '*'}"
    return _CharacterKinds(separators), re.compile(pattern)


def _may_be_number(text: str, start: int, end: int, rule: Rule) -> bool:
    if rule.spared is not None and rule.spared.fullmatch(text, start, end):
        return False
    around = text[max(start - 1, 0) : start] + text[end : end + 1]
    return not (rule.bare and _OF_A_WORD.search(around))
