"""Columns of the code table, its rows, and their formatter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from dashboard.result_codes.forms import STATES, CodeFilter
from dashboard.ui.code_labels import get_category_label, get_code_url
from dashboard.ui.columns import NOTHING, Cell, Column, ExportColumn, export_attribute
from dashboard.ui.local_lists import render_badge
from dashboard.ui.paging import format_count
from dashboard.ui.times import TimeFormatter
from isales_proxy.core.input_cleaning import clean_text
from isales_proxy.result_codes.book import CodeBook, CodeMeaning, Explanation, get_texts


@dataclass(frozen=True)
class CodeRow:
    """One code of the table, or a code that occurred or has an override but is not in the table.

    `language` is the reader's.
    """

    code: str
    row: CodeMeaning | None
    explained: Explanation
    seen: int
    language: str = "en"

    @property
    def state(self) -> str:
        """State of the code: known, gone or unknown."""
        if self.row is None:
            return "unknown"
        return "known" if self.row.gone_at is None else "gone"

    @property
    def text(self) -> str:
        """The vendor's text in the reader's language, else in the other one."""
        return self.row.text(self.language) if self.row else ""

    @property
    def meaning(self) -> str:
        """Our explanation, likewise."""
        return self.explained.meaning(self.language)

    @property
    def category(self) -> str:
        """The label of the category."""
        return get_category_label(self.explained.category)

    @property
    def last_seen(self) -> datetime | None:
        """Return when the vendor listed it last."""
        return self.row.last_seen if self.row else None

    def contains(self, wanted: str) -> bool:
        """Tell whether a text, cleaned and casefolded, occurs in it in either language."""
        vendor = (self.row.text_en, self.row.text_zh) if self.row else ()
        ours = (self.category, *get_texts(self.explained).values())
        return any(wanted in clean_text(text).casefold() for text in (self.code, *vendor, *ours))


class CodeRowFormatter:
    """The facts that all rows of a page share."""

    def __init__(self, vdn_id: int) -> None:
        self.vdn_id = vdn_id
        self.times = TimeFormatter(timezone.now())
        self.zh_first = (get_language() or "en").startswith("zh")
        self.states = {key: str(text) for key, text in STATES}


def build_rows(book: CodeBook, seen: dict[str, int]) -> list[CodeRow]:
    """Build the rows: codes that the table lacks, the most frequent first, then the table."""
    language = get_language() or "en"
    lacking = (seen.keys() | book.notes.keys()) - book.codes.keys()
    unknown = [
        CodeRow(code, None, book.explain(code), seen.get(code, 0), language) for code in lacking
    ]
    unknown.sort(key=lambda line: (-line.seen, line.code))
    listed = [
        CodeRow(row.code, row, row.explained, seen.get(row.code, 0), language)
        for row in book.codes.values()
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


def _build_code(line: CodeRow, formatter: CodeRowFormatter) -> Cell:
    url = get_code_url(formatter.vdn_id, line.code)
    return Cell("code", line.code, url=url) if url else Cell("code", code=line.code)


def _build_text(line: CodeRow, formatter: CodeRowFormatter) -> Cell:
    badge = other = ""
    if line.row is None:
        badge = render_badge(_("unknown code"), "unknown")
    else:
        other = line.row.text_en if formatter.zh_first else line.row.text_zh
        if line.row.gone_at:
            gone = formatter.times.short(line.row.gone_at)
            badge = render_badge(_("no longer listed"), "failed", gone)
    language = "en" if formatter.zh_first else "zh-Hans"
    small = (
        format_html('<small lang="{}">{}</small>', language, other)
        if other and other != line.text
        else ""
    )
    return Cell("text", html=format_html("{}{}{}", line.text, badge, small))


def _build_meaning(line: CodeRow, _formatter: CodeRowFormatter) -> Cell:
    step = line.explained.step(line.language)
    badge = render_badge(_("edited"), "soon") if line.explained.edited else ""
    small = format_html("<small>{}</small>", step) if step else ""
    return Cell("meaning", html=format_html("{}{}{}", line.meaning, badge, small))


def _build_seen(line: CodeRow, _formatter: CodeRowFormatter) -> Cell:
    count = format_count(line.seen) if line.seen else NOTHING
    return Cell("seen_7d", count, label=_("Seen in 7 days"))


CODE_COLUMNS: Final[tuple[Column[CodeRow, CodeRowFormatter], ...]] = (
    Column(
        "code",
        gettext_lazy("Code"),
        "c-code",
        _build_code,
        exports=(
            export_attribute(gettext_lazy("Code"), "code"),
            ExportColumn(gettext_lazy("State"), lambda line, each: each.states[line.state]),
        ),
        sort="code",
        hideable=False,
    ),
    Column(
        "says",
        gettext_lazy("CC-iSales says"),
        "c-words",
        _build_text,
        exports=(
            ExportColumn(
                gettext_lazy("CC-iSales says, in English"),
                lambda line, _: line.row.text_en if line.row else "",
            ),
            ExportColumn(
                gettext_lazy("CC-iSales says, in Chinese"),
                lambda line, _: line.row.text_zh if line.row else "",
            ),
        ),
        sort="text",
    ),
    Column(
        "meaning",
        gettext_lazy("What it means, and what to do"),
        "c-means",
        _build_meaning,
        exports=(
            export_attribute(gettext_lazy("Meaning, in English"), "explained.meaning_en"),
            export_attribute(gettext_lazy("Next step, in English"), "explained.step_en"),
            export_attribute(gettext_lazy("Meaning, in Chinese"), "explained.meaning_zh"),
            export_attribute(gettext_lazy("Next step, in Chinese"), "explained.step_zh"),
            ExportColumn(
                gettext_lazy("Edited by an admin"),
                lambda line, _each: _("Yes") if line.explained.edited else _("No"),
            ),
        ),
        sort="meaning",
    ),
    Column(
        "category",
        gettext_lazy("Category"),
        "c-category",
        lambda line, _: Cell("category", line.category or NOTHING),
        sort="category",
    ),
    Column(
        "seen",
        gettext_lazy("Seen in 7 days"),
        "c-count",
        _build_seen,
        exports=(export_attribute(gettext_lazy("Seen in 7 days"), "seen"),),
        sort="seen",
    ),
    Column(
        "listed",
        gettext_lazy("Last listed"),
        "c-seen",
        lambda line, each: Cell("last_seen", each.times.short(line.last_seen) or NOTHING),
        exports=(
            ExportColumn(
                gettext_lazy("First listed"),
                lambda line, _: line.row.first_seen if line.row else None,
                zoned=True,
            ),
            export_attribute(gettext_lazy("Last listed"), "last_seen", zoned=True),
            ExportColumn(
                gettext_lazy("Gone since"),
                lambda line, _: line.row.gone_at if line.row else None,
                zoned=True,
            ),
        ),
        sort="last_seen",
    ),
)
