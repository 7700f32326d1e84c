"""What we ship about the OBS result codes of the reference: side, meaning, and next step."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from typing import Final


@dataclass(frozen=True)
class Explanation:
    """What one code means in plain words. `category` is a `CodeCategory` or "" where none is known.

    `edited` tells that an admin of the VDN had a hand in it.
    """

    category: str = ""
    meaning_en: str = ""
    meaning_zh: str = ""
    step_en: str = ""
    step_zh: str = ""
    edited: bool = False

    def meaning(self, language: str) -> str:
        """The meaning in the reader's language, else in the other one."""
        return _first(self.meaning_zh, self.meaning_en, language)

    def step(self, language: str) -> str:
        """The next step, likewise."""
        return _first(self.step_zh, self.step_en, language)

    def texts(self) -> dict[str, str]:
        """Category, meanings and steps by their names."""
        return {name: getattr(self, name) for name in TEXTS}

    def noted(self, texts: Mapping[str, str]) -> Explanation:
        """This with an admin's words in place of ours where there are any."""
        return replace(self, **{name: text for name, text in texts.items() if text}, edited=True)


TEXTS: Final = tuple(field.name for field in fields(Explanation) if field.name != "edited")
NOTHING: Final = Explanation()


def get_shipped(code: str) -> Explanation:
    """What we ship about `code`; all empty for one that the reference does not know."""
    return _guide().get(code, NOTHING)


def list_codes() -> frozenset[str]:
    """The codes that we ship something about."""
    return frozenset(_guide())


@cache
def _guide() -> Mapping[str, Explanation]:
    text = files("isales_proxy").joinpath("data/code-guide.csv").read_text("utf-8")
    return {
        row["code"]: Explanation(
            row["category"], row["meaning_en"], row["meaning_zh"], row["step_en"], row["step_zh"]
        )
        for row in csv.DictReader(text.splitlines())
    }


def _first(zh: str, en: str, language: str) -> str:
    return (zh or en) if language.startswith("zh") else (en or zh)
