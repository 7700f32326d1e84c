"""Result codes in the reader's words: categories, what a refresh did, and how two tables differ."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.ui.paging import format_count
from isales_proxy.models import CodeCategory, CodeRefresh, RefreshKind
from isales_proxy.result_codes.book import CodeBook
from isales_proxy.result_codes.guide import Explanation
from isales_proxy.result_codes.tables import CodeChange, CodeText, Kind, RefreshReport

KINDS: Final[dict[Kind, tuple[str | Promise, str]]] = {
    "added": (gettext_lazy("Added"), "answered"),
    "removed": (gettext_lazy("No longer listed"), "failed"),
    "reworded": (gettext_lazy("Reworded"), "soon"),
}
# What the product itself goes by in the history.
_SYSTEM: Final[dict[str, str | Promise]] = {
    "first need": gettext_lazy("first reader"),
    "unknown code seen": gettext_lazy("unknown code seen"),
    "daily job": gettext_lazy("daily job"),
    "command": gettext_lazy("command line"),
    "system": gettext_lazy("the system"),
}
_PEOPLE: Final = (RefreshKind.PERSON, RefreshKind.ROLL_BACK)
# What stands in the place of a code in an address.
_TAKEN: Final = frozenset(
    {".", "..", "export.csv", "export.xlsx", "history", "progress", "refresh"}
)
_PATH_PART: Final = re.compile(r"[^/\\\x00-\x1f\x7f]{1,32}")


@dataclass(frozen=True)
class ChangeRow:
    """One change, ready to lay out; each side is the reader's language and the other one."""

    code: str
    kind: str
    kind_text: str
    tone: str
    before: tuple[str, str]
    after: tuple[str, str]


def get_category_label(raw: str) -> str:
    """A `CodeCategory` in the reader's language; "" stays ""."""
    return str(CodeCategory(raw).label) if raw in CodeCategory.values else ""


def summarise(report: RefreshReport) -> str:
    """`118 kept, 2 added, 1 reworded`, and what the vendor no longer lists."""
    parts = [
        _("%s kept") % format_count(report.kept),
        _("%s added") % format_count(report.added),
        _("%s reworded") % format_count(report.reworded),
    ]
    if report.removed:
        parts.append(_("%s no longer listed") % format_count(report.removed))
    return _(", ").join(parts)


def build_change_rows(changes: Iterable[CodeChange], language: str) -> list[ChangeRow]:
    """Changes in the order added, removed, reworded, each by code."""
    order = list(KINDS)
    found = sorted(changes, key=lambda change: (order.index(change.kind), change.code))
    return [_line(change, language) for change in found]


def describe_actor(row: CodeRefresh) -> str:
    """Who or what brought this change about."""
    return row.by if row.kind in _PEOPLE else str(_SYSTEM.get(row.by, row.by))


def explain(explanation: Explanation, language: str) -> dict[str, Any]:
    """Meaning and next step of a code in the reader's language, for a panel."""
    return {
        "category": get_category_label(explanation.category),
        "meaning": explanation.meaning(language),
        "step": explanation.step(language),
        "edited": explanation.edited,
    }


def build_panel_section(
    vdn_id: int, book: CodeBook, code: str | None, language: str
) -> dict[str, Any] | None:
    """What a reservation's panel says of its call result; None where there is nothing to say."""
    said = explain(book.explain(code), language)
    if not code or not (said["meaning"] or said["step"]):
        return None
    return said | {"code": code, "url": get_code_url(vdn_id, code)}


def get_code_url(vdn_id: int, code: str, name: str = "result_code") -> str:
    """The address `name` of one code; "" for a code that no path can hold."""
    if code in _TAKEN or not _PATH_PART.fullmatch(code):
        return ""
    return reverse(name, args=[vdn_id, code])


def _line(change: CodeChange, language: str) -> ChangeRow:
    text, tone = KINDS[change.kind]
    return ChangeRow(
        code=change.code,
        kind=change.kind,
        kind_text=str(text),
        tone=tone,
        before=_sides(change.before, language),
        after=_sides(change.after, language),
    )


def _sides(words: CodeText | None, language: str) -> tuple[str, str]:
    if words is None:
        return "", ""
    return (words.zh, words.en) if language.startswith("zh") else (words.en, words.zh)
