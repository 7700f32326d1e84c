"""The OBS result codes of a VDN with their explanations, from memory.

A process reads the table and the overrides again only when the versions in the VDN's row have
changed, so that the codes of a page are looked up without a query. The built-in explanations are in
`data/code-guide.csv`.
"""

from __future__ import annotations

import csv
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final

from isales_proxy.models import CodeNote, ResultCode, Vdn


@dataclass(frozen=True)
class Explanation:
    """Meaning of one code and next step. `category` is a `CodeCategory` or "".

    `edited` when an admin of the VDN has overridden something.
    """

    category: str = ""
    meaning_en: str = ""
    meaning_zh: str = ""
    step_en: str = ""
    step_zh: str = ""
    edited: bool = field(default=False, kw_only=True)

    def meaning(self, language: str) -> str:
        """Return the meaning in the reader's language, else in the other one."""
        return _choose_language(self.meaning_zh, self.meaning_en, language)

    def step(self, language: str) -> str:
        """Return the next step in the reader's language, else in the other one."""
        return _choose_language(self.step_zh, self.step_en, language)


TEXTS: Final = tuple(field.name for field in fields(Explanation) if field.name != "edited")
NOTHING: Final = Explanation()
_LENGTH: Final = 5  # digits of an OBS result code


def get_texts(source: Explanation | CodeNote) -> dict[str, str]:
    """Return category, meanings and steps by field name."""
    return {name: getattr(source, name) for name in TEXTS}


def get_shipped(code: str) -> Explanation:
    """Return the built-in explanation of `code`; all empty for an unknown code."""
    return _load_guide().get(code, NOTHING)


def list_codes() -> frozenset[str]:
    """List the codes that have a built-in explanation."""
    return frozenset(_load_guide())


def list_spellings(code: str) -> tuple[str, ...]:
    """List the spellings of a code: a number is the same with and without leading zeros."""
    if not _is_number(code):
        return (code,)
    return tuple(dict.fromkeys((code, code.zfill(_LENGTH), code.lstrip("0") or "0")))


def _is_number(code: str) -> bool:
    return code.isascii() and code.isdigit() and len(code) <= _LENGTH


@cache
def _load_guide() -> Mapping[str, Explanation]:
    text = files("isales_proxy").joinpath("data/code-guide.csv").read_text("utf-8")
    return {
        row["code"]: Explanation(*(row[name] for name in TEXTS))
        for row in csv.DictReader(text.splitlines())
    }


def _choose_language(zh: str, en: str, language: str) -> str:
    return (zh or en) if language.startswith("zh") else (en or zh)


@dataclass(frozen=True)
class CodeMeaning:
    """One code: the vendor's texts and our explanation.

    Times are aware UTC, None for a code that the table lacks; `gone_at` is when the vendor stopped
    listing it.
    """

    code: str
    text_en: str
    text_zh: str
    first_seen: datetime | None
    last_seen: datetime | None
    gone_at: datetime | None
    explained: Explanation

    def text(self, language: str) -> str:
        """Return the vendor's text in the reader's language, else in the other one."""
        return _choose_language(self.text_zh, self.text_en, language)


@dataclass(frozen=True)
class CodeBook:
    """All codes of one VDN and when they were read (aware UTC; None: never yet).

    `notes` has the texts of overrides, also of codes that the table lacks.
    """

    version: int
    notes_version: int
    read_at: datetime | None
    codes: Mapping[str, CodeMeaning] = field(default_factory=dict)
    notes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def get(self, code: str | None) -> CodeMeaning | None:
        """Return the meaning of `code`, or None where the table lacks it."""
        return self.codes.get(code) if code else None

    def explain(self, code: str | None) -> Explanation:
        """Explain `code`, whether or not the table has it; all empty without an explanation.

        Missing leading zeros are added.
        """
        if not code:
            return NOTHING
        spellings = (code, code.zfill(_LENGTH)) if _is_number(code) else (code,)
        found = (_explain(each, self.notes) for each in spellings)
        return next((each for each in found if each != NOTHING), NOTHING)

    def create_unlisted(self, code: str) -> CodeMeaning:
        """Create the meaning of a code that the table lacks."""
        return CodeMeaning(code, "", "", None, None, None, self.explain(code))


_books: dict[int, CodeBook] = {}
_lock = threading.Lock()


def get_book(vdn: Vdn) -> CodeBook:
    """Return the book of the versions that `vdn` carries; queries only if one is new."""
    wanted = (vdn.codes_version, vdn.notes_version, vdn.codes_read_at)
    book = _books.get(vdn.pk)
    if book is not None and (book.version, book.notes_version, book.read_at) == wanted:
        return book
    overrides = CodeNote.objects.filter(vdn=vdn) if vdn.notes_version else ()
    notes = {note.code: get_texts(note) for note in overrides}
    columns = [field.name for field in fields(CodeMeaning) if field.name != "explained"]
    codes = {
        row["code"]: CodeMeaning(**row, explained=_explain(row["code"], notes))
        for row in ResultCode.objects.filter(vdn=vdn).values(*columns)
    }
    book = CodeBook(*wanted, codes, notes)
    with _lock:
        _books[vdn.pk] = book
    return book


def clear_memory() -> None:
    """Forget all books of this process."""
    with _lock:
        _books.clear()


def _explain(code: str, notes: Mapping[str, Mapping[str, str]]) -> Explanation:
    """Explain a code by the built-in texts, replaced by the non-empty ones of an override."""
    shipped, note = get_shipped(code), notes.get(code)
    if note is None:
        return shipped
    return replace(shipped, **{name: text for name, text in note.items() if text}, edited=True)
