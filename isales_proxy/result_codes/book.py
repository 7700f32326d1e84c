"""The OBS result codes of a VDN in words, from memory.

A process reads the table and the admins' notes once and again only when a version that the VDN
carries has moved, so that a page of rows looks all its codes up without a query.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from isales_proxy.models import CodeNote, ResultCode, Vdn
from isales_proxy.result_codes import guide
from isales_proxy.result_codes.guide import TEXTS, Explanation


@dataclass(frozen=True)
class CodeMeaning:
    """One code in the vendor's words. Times are aware UTC; `gone_at` is when the vendor dropped it.

    `explained` is what it means in plain words.
    """

    code: str
    text_en: str
    text_zh: str
    first_seen: datetime
    last_seen: datetime
    gone_at: datetime | None
    explained: Explanation

    def text(self, language: str) -> str:
        """The words in the reader's language, else in the other one."""
        if language.startswith("zh"):
            return self.text_zh or self.text_en
        return self.text_en or self.text_zh


@dataclass(frozen=True)
class CodeBook:
    """All codes of one VDN and when they were read (aware UTC; None: never yet).

    `notes` has what admins say of codes, of those that the table lacks too.
    """

    vdn_id: int
    version: int
    notes_version: int
    read_at: datetime | None
    codes: Mapping[str, CodeMeaning] = field(default_factory=dict)
    notes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def get(self, code: str | None) -> CodeMeaning | None:
        """The meaning of `code`, or None where the table does not know it."""
        return self.codes.get(code) if code else None

    def explain(self, code: str | None) -> Explanation:
        """`code` in plain words, known to the table or not; all empty where nobody wrote any."""
        return _explained(code, self.notes) if code else guide.NOTHING


_books: dict[int, CodeBook] = {}
_lock = threading.Lock()


def get_book(vdn: Vdn) -> CodeBook:
    """The book of this VDN as of the versions that `vdn` carries; queries only if one is new."""
    wanted = (vdn.codes_version, vdn.notes_version, vdn.codes_read_at)
    book = _books.get(vdn.pk)
    if book is not None and (book.version, book.notes_version, book.read_at) == wanted:
        return book
    notes = _notes(vdn) if vdn.notes_version else {}
    codes = {
        row.code: CodeMeaning(
            row.code,
            row.text_en,
            row.text_zh,
            row.first_seen,
            row.last_seen,
            row.gone_at,
            _explained(row.code, notes),
        )
        for row in ResultCode.objects.filter(vdn=vdn)
    }
    book = CodeBook(vdn.pk, *wanted, codes, notes)
    with _lock:
        _books[vdn.pk] = book
    return book


def clear_memory() -> None:
    """Drop what this process remembers; the next look reads the database."""
    with _lock:
        _books.clear()


def _notes(vdn: Vdn) -> dict[str, dict[str, str]]:
    return {
        note.code: {name: getattr(note, name) for name in TEXTS}
        for note in CodeNote.objects.filter(vdn=vdn)
    }


def _explained(code: str, notes: Mapping[str, Mapping[str, str]]) -> Explanation:
    ours = guide.get_shipped(code)
    note = notes.get(code)
    return ours if note is None else ours.noted(note)
