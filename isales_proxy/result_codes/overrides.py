"""What admins of a VDN say of a code in place of what we ship."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F

from isales_proxy.access import NotYours, Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, CodeNote, Vdn
from isales_proxy.result_codes import guide, occurrences
from isales_proxy.result_codes import services as result_codes
from isales_proxy.result_codes.book import CodeMeaning
from isales_proxy.result_codes.guide import TEXTS, Explanation


@dataclass(frozen=True)
class CodeStory:
    """All about one code. `row` is None for one that the table lacks."""

    code: str
    row: CodeMeaning | None
    explained: Explanation
    shipped: Explanation
    seen: int
    note: CodeNote | None


def story(*, scope: Scope, code: str) -> CodeStory:
    """What there is about a code of the table, of the reference, or of a row that was seen.

    Raises NotYours where there is nothing.
    """
    book = result_codes.book(scope.vdn)
    row, shipped = book.get(code), guide.shipped(code)
    seen = occurrences.counts(scope.vdn, code).get(code, 0)
    note = CodeNote.objects.filter(vdn=scope.vdn, code=code).first() if book.notes else None
    if row is None and note is None and not seen and shipped == guide.NOTHING:
        raise NotYours
    return CodeStory(code, row, book.explain(code), shipped, seen, note)


def change(*, scope: Scope, code: str, texts: Mapping[str, str]) -> None:
    """Say these `TEXTS` of a code; an empty one, or one that is ours, leaves ours standing.

    Without any of its own the note goes. Raises NotAllowed, and NotYours like `story`.
    """
    scope.require(Permission.EDIT_RESULT_CODES)
    story(scope=scope, code=code)
    shipped = guide.shipped(code).texts()
    own = {name: texts[name] if texts[name] != shipped[name] else "" for name in TEXTS}
    with transaction.atomic():
        Vdn.objects.select_for_update().get(pk=scope.vdn.pk)
        note = CodeNote.objects.filter(vdn=scope.vdn, code=code).first()
        before = _said(note)
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


def remove(*, scope: Scope, code: str) -> None:
    """Back to what we ship. Raises like `change`."""
    change(scope=scope, code=code, texts=dict.fromkeys(TEXTS, ""))


def _said(note: CodeNote | None) -> dict[str, str] | None:
    return None if note is None else {name: getattr(note, name) for name in TEXTS}
