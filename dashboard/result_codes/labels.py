"""Texts about changes of the code table: their origin, summary and differences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.ui.paging import format_count
from isales_proxy.models import CodeRefresh, RefreshKind
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
# Part of the product, as stored in the history → label.
_SYSTEM: Final[dict[str, str | Promise]] = {
    "first need": gettext_lazy("first use"),
    "unknown code seen": gettext_lazy("unknown code seen"),
    "daily job": gettext_lazy("daily job"),
    "command": gettext_lazy("system"),
    "system": gettext_lazy("system"),
}
_PEOPLE: Final = (RefreshKind.PERSON, RefreshKind.ROLL_BACK)


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


def build_change_rows(changes: Iterable[CodeChange], language: str) -> list[dict[str, Any]]:
    """Build rows in the order added, removed, reworded, each by code.

    Each side is the text in the reader's language and in the other one.
    """
    order = list(KINDS)
    return [
        {
            "code": change.code,
            "kind": change.kind,
            "kind_text": str(KINDS[change.kind][0]),
            "tone": KINDS[change.kind][1],
            "before": _order_languages(change.before, language),
            "after": _order_languages(change.after, language),
        }
        for change in sorted(changes, key=lambda each: (order.index(each.kind), each.code))
    ]


def get_origin_label(row: CodeRefresh) -> str:
    """Return why the table was changed."""
    return str(_ORIGINS[RefreshKind(row.kind)])


def describe_actor(row: CodeRefresh) -> str:
    """Return the person or the part of the product that changed the table."""
    return row.by if row.kind in _PEOPLE else str(_SYSTEM.get(row.by, row.by))


def _order_languages(text: CodeText | None, language: str) -> tuple[str, str]:
    if text is None:
        return "", ""
    return (text.zh, text.en) if language.startswith("zh") else (text.en, text.zh)
