"""Result codes in the reader's words: categories, what a refresh did, and how two tables differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.ui.paging import format_count
from isales_proxy.models import CodeRefresh, RefreshKind
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


@dataclass(frozen=True)
class ChangeRow:
    """One change, ready to lay out; each side is the reader's language and the other one."""

    code: str
    kind: str
    kind_text: str
    tone: str
    before: tuple[str, str]
    after: tuple[str, str]


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
