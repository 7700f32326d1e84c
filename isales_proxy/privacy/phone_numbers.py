"""What is taken for somebody's number in a text, and what is left of it: the rules of all maskers.

Nobody can tell a called number from another long run of digits, so each rule guesses, and errs to
that side which its readers need. Figures of every script count; a letter between two of them always
parts them. Codes of the vendor's are no texts, and have a bound of their own.
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
"""The documented codes have up to so many; a number that somebody can be called at mostly more."""

_HIDDEN: Final = MASK * 3
_LONG: Final = 11
_HEAD, _TAIL, _SHORT_TAIL = 3, 4, 3
_HIDES_ALL_UP_TO: Final = 4
_LAST: Final = 2
MOST_MASKS: Final = 12
"""No mask is longer, so that it does not tell how long the number is."""

_MOST_KINDS: Final = 20_000
_UNSEEN: Final = frozenset({"Mn", "Me", "Cf"})
_DAY: Final = re.compile(r"\d{4}-\d\d?-\d\d?(?: \d\d?)?", re.ASCII)
_OF_A_WORD: Final = re.compile(r"\w", re.ASCII)


def hide_all(digits: Sequence[str]) -> str:  # noqa: ARG001 – as all that say what is left
    """Nothing is left, not even how long it was."""
    return _HIDDEN


def keep_last_two(digits: Sequence[str]) -> str:
    """Two digits at the end, by which two numbers are mostly told apart."""
    tail = digits[-_LAST:]
    return _HIDDEN + ("".join(tail) if all(digit.isdecimal() for digit in tail) else "")


def keep_ends(digits: Sequence[str]) -> str:
    """The first three and last four of eleven digits or more, about half of fewer, none of four.

    Of figures that stand for more than one digit none is left.
    """
    count = len(digits)
    if count <= _HIDES_ALL_UP_TO or not all(digit.isdecimal() for digit in digits):
        return MASK * min(count, MOST_MASKS)
    head, tail = _HEAD, _TAIL
    if count < _LONG:
        tail = min(_SHORT_TAIL, count // 2)
        head = count // 2 - tail
    hidden = min(count - head - tail, MOST_MASKS)
    return "".join([*digits[:head], MASK * hidden, *digits[count - tail :]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """From how many figures on a run of them is a number, and what is left of it.

    ``apart`` is how many signs may stand between two figures of one run, those that nobody sees not
    counted; the signs of ``parting`` never may. ``spared`` runs are no numbers. A ``bare`` one is
    no part of a word.
    """

    fewest: int
    left: Callable[[Sequence[str]], str]
    apart: float = math.inf
    parting: str = ""
    spared: re.Pattern[str] | None = None
    bare: bool = False


# The vendor's sentences, logs and labels: they go to places that we do not govern, and every figure
# that matters there has a field of its own. So short numbers are hidden too, as a whole. Signs are
# few, for a sentence about bounds ("1 to 50, 100") is to stay.
LOGGED: Final = Rule(fewest=5, left=hide_all, apart=1)

# Texts of a row for who may not see numbers, and may try to get at them: no sign parts figures. The
# row's own numbers are known and hidden however short, so that what has five figures may stay. The
# ends are left, by which people recognise a number that they have in front of them.
SHOWN: Final = Rule(fewest=6, left=keep_ends)

# What people type as a reason: an auditor needs its days, times and short references, and nobody
# types there to hide a number. The audit finds numbers by fingerprint; two digits are enough.
TYPED: Final = Rule(fewest=7, left=keep_last_two, apart=2, parting=":", spared=_DAY)

# Facts of the audit, which we write ourselves: there times and fingerprints are many, and a number
# that slipped in by a mistake of ours stands in one piece.
WRITTEN: Final = Rule(fewest=7, left=keep_last_two, apart=0, bare=True)


def mask(text: str, rule: Rule, also: Callable[[list[str]], bool] | None = None) -> str:
    """``text`` with all but what the rule leaves of every number in it hidden.

    ``also`` is told the figures of a run that is too short, and says whether it is a number still.
    """
    parts: list[str] = []
    kept = 0
    for start, end in _runs(text, rule):
        figures = get_digits(text[start:end])
        if len(figures) >= rule.fewest or (also is not None and also(figures)):
            parts += [text[kept:start], rule.left(figures)]
            kept = end
    return "".join([*parts, text[kept:]])


def contains_number(text: str, rule: Rule) -> bool:
    """Whether there is a number in it."""
    return any(len(get_digits(text[start:end])) >= rule.fewest for start, end in _runs(text, rule))


def get_digits(text: str) -> list[str]:
    """The figures that a reader sees: a circled 21 and a quarter are two each."""
    seen = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return [character for character in seen if character.isnumeric()]


def _runs(text: str, rule: Rule) -> Iterator[tuple[int, int]]:
    """Where figures stand that belong together: from the first to behind the last of them.

    Some scripts write figures with letters; those are figures here.
    """
    kinds, runs = _scanner(rule.apart, rule.parting)
    for run in runs.finditer(text.translate(kinds)):
        if _counts(text, *run.span(), rule):
            yield run.span()


class _Kinds(dict[int, str]):
    """Code point → kind of character: a figure (n), one that parts figures (a), one that nobody
    sees (u), or a sign (s). Each is looked up once, so that long texts cost little."""

    def __init__(self, parting: str) -> None:
        super().__init__()
        self.parting = parting

    def __missing__(self, point: int) -> str:
        if len(self) >= _MOST_KINDS:
            self.clear()
        self[point] = kind = _kind(chr(point), self.parting)
        return kind


def _kind(character: str, parting: str) -> str:
    if character.isnumeric():
        return "n"
    if character.isalpha() or character in parting:
        return "a"
    return "u" if unicodedata.category(character) in _UNSEEN else "s"


@cache
def _scanner(apart: float, parting: str) -> tuple[_Kinds, re.Pattern[str]]:
    between = "[nus]*n" if math.isinf(apart) else f"u*(?:su*){{0,{int(apart)}}}n"
    return _Kinds(parting), re.compile(f"n(?:{between}){'?' if math.isinf(apart) else '*'}")


def _counts(text: str, start: int, end: int, rule: Rule) -> bool:
    if rule.spared is not None and rule.spared.fullmatch(text, start, end):
        return False
    around = text[max(start - 1, 0) : start] + text[end : end + 1]
    return not (rule.bare and _OF_A_WORD.search(around))
