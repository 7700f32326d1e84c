"""Texts for result codes: categories, results of a refresh, differences of two tables."""

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
from isales_proxy.result_codes.book import CodeBook, Explanation
from isales_proxy.result_codes.history import CodeChange, CodeText, Kind, RefreshReport

KINDS: Final[dict[Kind, tuple[str | Promise, str]]] = {
    "added": (gettext_lazy("Added"), "answered"),
    "removed": (gettext_lazy("No longer listed"), "failed"),
    "reworded": (gettext_lazy("Reworded"), "soon"),
}
_ORIGINS: Final = {
    RefreshKind.PERSON: gettext_lazy("Manual"),
    RefreshKind.SCHEDULE: gettext_lazy("Scheduled"),
    RefreshKind.NEED: gettext_lazy("On first use"),
    RefreshKind.ROLL_BACK: gettext_lazy("Rolled back"),
}
# Parts of the product as they are named in the history.
_SYSTEM: Final[dict[str, str | Promise]] = {
    "first need": gettext_lazy("first reader"),
    "unknown code seen": gettext_lazy("unknown code seen"),
    "daily job": gettext_lazy("daily job"),
    "command": gettext_lazy("command line"),
    "system": gettext_lazy("the system"),
}
_PEOPLE: Final = (RefreshKind.PERSON, RefreshKind.ROLL_BACK)
# Path parts that are no codes.
_RESERVED: Final = frozenset(
    {".", "..", "export.csv", "export.xlsx", "history", "progress", "refresh"}
)
_PATH_PART: Final = re.compile(r"[^/\\\x00-\x1f\x7f]{1,32}")


@dataclass(frozen=True)
class ChangeRow:
    """One change as a row; each side is the text in the reader's language and in the other one."""

    code: str
    kind: str
    kind_text: str
    tone: str
    before: tuple[str, str]
    after: tuple[str, str]


def get_category_label(raw: str) -> str:
    """Return the label of a `CodeCategory`; "" for none."""
    return str(CodeCategory(raw).label) if raw in CodeCategory.values else ""


def summarise(report: RefreshReport) -> str:
    """Summarise a refresh: `118 kept, 2 added, 1 reworded`."""
    parts = [
        _("%s kept") % format_count(report.kept),
        _("%s added") % format_count(report.added),
        _("%s reworded") % format_count(report.reworded),
    ]
    if report.removed:
        parts.append(_("%s no longer listed") % format_count(report.removed))
    return _(", ").join(parts)


def build_change_rows(changes: Iterable[CodeChange], language: str) -> list[ChangeRow]:
    """Build rows in the order added, removed, reworded, each by code."""
    order = list(KINDS)
    found = sorted(changes, key=lambda change: (order.index(change.kind), change.code))
    return [_build_row(change, language) for change in found]


def get_origin_label(row: CodeRefresh) -> str:
    """Return the kind of a change of the table."""
    return str(_ORIGINS[RefreshKind(row.kind)])


def describe_actor(row: CodeRefresh) -> str:
    """Return the person, or the part of the system, that made this change."""
    return row.by if row.kind in _PEOPLE else str(_SYSTEM.get(row.by, row.by))


def explain(explanation: Explanation, language: str) -> dict[str, Any]:
    """Return meaning and next step of a code in the reader's language."""
    return {
        "category": get_category_label(explanation.category),
        "meaning": explanation.meaning(language),
        "step": explanation.step(language),
        "edited": explanation.edited,
    }


def build_panel_section(
    vdn_id: int, book: CodeBook, code: str | None, language: str
) -> dict[str, Any] | None:
    """Build the section of a reservation's panel on its call result; None without a text."""
    text = explain(book.explain(code), language)
    if not code or not (text["meaning"] or text["step"]):
        return None
    return text | {"code": code, "url": get_code_url(vdn_id, code)}


def get_code_url(vdn_id: int, code: str, name: str = "result_code") -> str:
    """Return the address `name` of one code; "" for a code that no path can hold."""
    if code in _RESERVED or not _PATH_PART.fullmatch(code):
        return ""
    return reverse(name, args=[vdn_id, code])


def _build_row(change: CodeChange, language: str) -> ChangeRow:
    text, tone = KINDS[change.kind]
    return ChangeRow(
        code=change.code,
        kind=change.kind,
        kind_text=str(text),
        tone=tone,
        before=_order_languages(change.before, language),
        after=_order_languages(change.after, language),
    )


def _order_languages(text: CodeText | None, language: str) -> tuple[str, str]:
    if text is None:
        return "", ""
    return (text.zh, text.en) if language.startswith("zh") else (text.en, text.zh)
