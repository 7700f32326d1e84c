"""The OBS result codes of a VDN in words, from memory.

A process reads the table once and again only when `Vdn.codes_version` has moved, so that a page of
rows looks all its codes up without a query.
"""

from __future__ import annotations

import csv
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.resources import files

from isales_proxy.models import ResultCode, Vdn


@dataclass(frozen=True)
class CodeMeaning:
    """One code in words. Times are aware UTC; `gone_at` is when the vendor dropped it."""

    code: str
    text_en: str
    text_zh: str
    category: str
    first_seen: datetime
    last_seen: datetime
    gone_at: datetime | None = None

    def text(self, language: str) -> str:
        """The words in the reader's language, else in the other one."""
        if language.startswith("zh"):
            return self.text_zh or self.text_en
        return self.text_en or self.text_zh


@dataclass(frozen=True)
class CodeBook:
    """All codes of one VDN and when they were read (aware UTC; None: never yet)."""

    vdn_id: int
    version: int
    read_at: datetime | None
    codes: Mapping[str, CodeMeaning] = field(default_factory=dict)

    def get(self, code: str | None) -> CodeMeaning | None:
        """The meaning of `code`, or None where the table does not know it."""
        return self.codes.get(code) if code else None


_books: dict[int, CodeBook] = {}
_lock = threading.Lock()


def of(vdn: Vdn) -> CodeBook:
    """The book of this VDN as of the version that `vdn` carries; a query only if that is new."""
    book = _books.get(vdn.pk)
    if book is not None and (book.version, book.read_at) == (vdn.codes_version, vdn.codes_read_at):
        return book
    codes = {
        row.code: CodeMeaning(
            row.code,
            row.text_en,
            row.text_zh,
            row.category,
            row.first_seen,
            row.last_seen,
            row.gone_at,
        )
        for row in ResultCode.objects.filter(vdn=vdn)
    }
    book = CodeBook(vdn.pk, vdn.codes_version, vdn.codes_read_at, codes)
    with _lock:
        _books[vdn.pk] = book
    return book


@cache
def reference_categories() -> Mapping[str, str]:
    """Code → category, for the codes whose category the vendor's callback table gives."""
    text = files("isales_proxy").joinpath("data/obs-result-codes.csv").read_text("utf-8")
    return {
        row["code"]: row["category"] for row in csv.DictReader(text.splitlines()) if row["category"]
    }


def forget() -> None:
    """Drop what this process remembers; the next look reads the database."""
    with _lock:
        _books.clear()
