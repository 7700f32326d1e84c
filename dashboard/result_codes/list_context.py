"""Context and export of the code table: rows found by a filter, and their texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from dashboard.result_codes.forms import STATES, CodeFilter
from dashboard.ui.code_labels import get_category_label, get_code_url
from dashboard.ui.list_url import with_query
from dashboard.ui.paging import format_count
from dashboard.ui.times import TimeFormatter, format_zone
from isales_proxy.access import Permission, Scope
from isales_proxy.core.input_cleaning import clean_text
from isales_proxy.models import CodeCategory, CodeRefresh
from isales_proxy.result_codes.book import CodeBook, CodeMeaning, Explanation

HEADINGS: Final[tuple[str | Promise, ...]] = (
    gettext_lazy("Code"),
    gettext_lazy("State"),
    gettext_lazy("Category"),
    gettext_lazy("CC-iSales says, in English"),
    gettext_lazy("CC-iSales says, in Chinese"),
    gettext_lazy("Meaning, in English"),
    gettext_lazy("Next step, in English"),
    gettext_lazy("Meaning, in Chinese"),
    gettext_lazy("Next step, in Chinese"),
    gettext_lazy("Edited by an admin"),
    gettext_lazy("Seen in 7 days"),
    gettext_lazy("First listed"),
    gettext_lazy("Last listed"),
    gettext_lazy("Gone since"),
)


@dataclass(frozen=True)
class CodeRow:
    """One code of the table, or a code that occurred or has an override but is not in the table."""

    code: str
    row: CodeMeaning | None
    explained: Explanation
    seen: int

    @property
    def state(self) -> str:
        """State of the code: known, gone or unknown."""
        if self.row is None:
            return "unknown"
        return "known" if self.row.gone_at is None else "gone"

    def contains(self, wanted: str) -> bool:
        """Tell whether a text, cleaned and casefolded, occurs in it in either language."""
        vendor = (self.row.text_en, self.row.text_zh) if self.row else ()
        ours = (get_category_label(self.explained.category), *self.explained.texts().values())
        return any(wanted in clean_text(text).casefold() for text in (self.code, *vendor, *ours))


def build_rows(book: CodeBook, seen: dict[str, int]) -> list[CodeRow]:
    """Build the rows: codes that the table lacks, the most frequent first, then the table."""
    lacking = (seen.keys() | book.notes.keys()) - book.codes.keys()
    unknown = [CodeRow(code, None, book.explain(code), seen.get(code, 0)) for code in lacking]
    unknown.sort(key=lambda line: (-line.seen, line.code))
    listed = [
        CodeRow(row.code, row, row.explained, seen.get(row.code, 0)) for row in book.codes.values()
    ]
    return unknown + listed


def filter_rows(rows: Iterable[CodeRow], form: CodeFilter) -> list[CodeRow]:
    """Return the rows that match the filter; none for an invalid filter."""
    if not form.is_valid():
        return []
    wanted = clean_text(form.cleaned_data["q"]).casefold()
    category, state = form.cleaned_data["category"], form.cleaned_data["state"]
    return [
        line
        for line in rows
        if (not wanted or line.contains(wanted))
        and (not category or line.explained.category == category)
        and (not state or state == line.state or (state == "edited" and line.explained.edited))
    ]


def create_context(
    scope: Scope, book: CodeBook, form: CodeFilter, rows: list[CodeRow], held: CodeRefresh | None
) -> dict[str, Any]:
    """Create the context of the page and its fragment."""
    moments = TimeFormatter(timezone.now())
    language = get_language() or "en"
    query = urlencode(form.asked()) if form.is_valid() else ""
    here = [scope.vdn.pk]
    return {
        "book": summarise_book(book),
        "form": form,
        "rows": [_row(scope, line, language, moments) for line in rows],
        "shown": len(rows),
        "filtered": bool(query) or not form.is_valid(),
        "zh_first": language.startswith("zh"),
        "categories": CodeCategory.choices,
        "states": STATES,
        "csv_url": with_query(reverse("result_codes_csv", args=here), query),
        "xlsx_url": with_query(reverse("result_codes_xlsx", args=here), query),
        "held": describe_hold(held, moments),
        "refresh": {
            "can": scope.can(Permission.REFRESH_RESULT_CODES),
            "url": reverse("result_codes_refresh", args=here),
            "progress_url": reverse("result_codes_progress", args=here),
        },
    }


def summarise_book(book: CodeBook) -> dict[str, Any]:
    """Return the number of codes and when they were read."""
    return {
        "as_of_text": TimeFormatter(timezone.now()).short(book.read_at),
        "as_of_iso": book.read_at.isoformat() if book.read_at else "",
        "count": sum(row.gone_at is None for row in book.codes.values()),
        "empty": not book.codes,
    }


def describe_hold(held: CodeRefresh | None, moments: TimeFormatter) -> str:
    """Describe the roll-back that keeps the vendor's table out; "" where none does."""
    if held is None:
        return ""
    return _(
        "Rolled back by %(by)s, %(at)s. Scheduled refreshes keep this table until CC-iSales lists "
        "another one or an admin refreshes it."
    ) % {"by": held.by, "at": moments.short(held.at)}


def get_export_headings(now: datetime) -> list[str]:
    """Return the column headings of a file; those of times name the zone."""
    zone = format_zone(now, timezone.get_current_timezone())
    times = len(HEADINGS) - 3
    return [
        f"{text} · {zone}" if place >= times else str(text) for place, text in enumerate(HEADINGS)
    ]


def build_export_rows(rows: Iterable[CodeRow], now: datetime) -> Iterator[list[str]]:
    """Build the rows of a file, all text."""
    moments = TimeFormatter(now)
    states = {key: str(text) for key, text in STATES}
    for line in rows:
        row, said = line.row, line.explained
        times = (row.first_seen, row.last_seen, row.gone_at) if row else (None, None, None)
        yield [
            line.code,
            states[line.state],
            get_category_label(said.category),
            row.text_en if row else "",
            row.text_zh if row else "",
            said.meaning_en,
            said.step_en,
            said.meaning_zh,
            said.step_zh,
            _("Yes") if said.edited else _("No"),
            str(line.seen),
            *(moments.stamp(time) if time else "" for time in times),
        ]


def _row(scope: Scope, line: CodeRow, language: str, moments: TimeFormatter) -> dict[str, Any]:
    row = line.row
    zh_first = language.startswith("zh")
    return {
        "code": line.code,
        "url": get_code_url(scope.vdn.pk, line.code),
        "state": line.state,
        "category": get_category_label(line.explained.category),
        "text": row.text(language) if row else "",
        "other": (row.text_en if zh_first else row.text_zh) if row else "",
        "meaning": line.explained.meaning(language),
        "step": line.explained.step(language),
        "edited": line.explained.edited,
        "seen": format_count(line.seen) if line.seen else "",
        "last_seen": moments.short(row.last_seen) if row else "",
        "gone": moments.short(row.gone_at) if row else "",
    }
