"""Overrides: texts of an admin in place of the built-in explanation of a code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F

from isales_proxy.access import Permission, Scope, VdnNotFound
from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, CodeNote, Vdn
from isales_proxy.result_codes import occurrences
from isales_proxy.result_codes import services as result_codes
from isales_proxy.result_codes.book import (
    NOTHING,
    TEXTS,
    CodeMeaning,
    Explanation,
    get_shipped,
    get_texts,
)


@dataclass(frozen=True)
class CodeDetail:
    """One code with its explanation. `row` is None for a code that the table lacks."""

    code: str
    row: CodeMeaning | None
    explained: Explanation
    shipped: Explanation
    seen: int
    note: CodeNote | None


def get_detail(*, scope: Scope, code: str) -> CodeDetail:
    """Return a code of the table, of the built-in guide, or of a row. Raises VdnNotFound."""
    book = result_codes.get_book(scope.vdn)
    row, shipped = book.get(code), get_shipped(code)
    seen = occurrences.count_recent(scope.vdn, code).get(code, 0)
    note = scope.vdn.code_notes.filter(code=code).first() if book.notes else None
    if row is None and note is None and not seen and shipped == NOTHING:
        raise VdnNotFound
    return CodeDetail(code, row, book.explain(code), shipped, seen, note)


def set_override(*, scope: Scope, code: str, texts: Mapping[str, str]) -> None:
    """Override the texts of a code; texts that are empty or equal the built-in ones do not count.

    An override without texts is deleted. Raises PermissionMissing and VdnNotFound.
    """
    scope.require(Permission.EDIT_RESULT_CODES)
    get_detail(scope=scope, code=code)
    shipped = get_texts(get_shipped(code))
    own = {name: texts[name] if texts[name] != shipped[name] else "" for name in TEXTS}
    with transaction.atomic():
        Vdn.objects.select_for_update().get(pk=scope.vdn.pk)
        note = scope.vdn.code_notes.filter(code=code).first()
        before = get_texts(note) if note else None
        if own == (before or dict.fromkeys(TEXTS, "")):
            return
        if any(own.values()):
            note = note or CodeNote(vdn=scope.vdn, code=code)
            for name, text in own.items():
                setattr(note, name, text)
            note.changed_by = scope.username
            note.save()
        elif note is not None:
            note.delete()
        Vdn.objects.filter(pk=scope.vdn.pk).update(notes_version=F("notes_version") + 1)
        audit.record(
            AuditAction.CODE_NOTE_CHANGED,
            by=scope,
            subject=code,
            before=before,
            after=own if any(own.values()) else None,
        )
    scope.vdn.refresh_from_db(fields=["notes_version"])


def remove_override(*, scope: Scope, code: str) -> None:
    """Restore the built-in texts. Raises like `set_override`."""
    set_override(scope=scope, code=code, texts=dict.fromkeys(TEXTS, ""))
