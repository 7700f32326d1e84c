"""Columns and rows of the code table, and columns of its history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from dashboard.result_codes import labels
from dashboard.result_codes.forms import STATES, CodeFilter
from dashboard.ui.code_labels import get_category_label, get_code_url
from dashboard.ui.columns import NOTHING, Cell, Column, ExportColumn, export_attribute
from dashboard.ui.local_lists import LocalFormatter, render_badge
from dashboard.ui.paging import format_count
from dashboard.ui.times import TimeFormatter
from isales_proxy.core.input_cleaning import clean_text
from isales_proxy.models import CodeRefresh
from isales_proxy.result_codes.book import CodeBook, CodeMeaning, get_texts


@dataclass(frozen=True)
class CodeRow:
    """One code of the table, or a code that occurred or has an override but is not in the table.

    `seen` counts the reservations with it in the last days; `language` is the reader's.
    """

    row: CodeMeaning
    seen: int
    language: str

    @property
    def text(self) -> str:
        """The vendor's text in the reader's language, else in the other one."""
        return self.row.text(self.language)

    @property
    def meaning(self) -> str:
        """Our explanation in the reader's language, else in the other one."""
        return self.row.explained.meaning(self.language)

    @property
    def category(self) -> str:
        """The label of the category."""
        return get_category_label(self.row.explained.category)

    def contains(self, wanted: str) -> bool:
        """Tell whether a text, cleaned and casefolded, occurs in the row in either language."""
        row = self.row
        ours = (self.category, *get_texts(row.explained).values())
        texts = (row.code, row.text_en, row.text_zh, *ours)
        return any(wanted in clean_text(text).casefold() for text in texts)


def get_state(row: CodeMeaning | None) -> str:
    """Return the state of a code: known, gone or unknown (without a row, or never listed)."""
    if row is None or row.first_seen is None:
        return "unknown"
    return "known" if row.gone_at is None else "gone"


class CodeRowFormatter:
    """Facts that all rows of a page share."""

    def __init__(self, vdn_id: int) -> None:
        self.vdn_id = vdn_id
        self.times = TimeFormatter(timezone.now())
        self.states = {key: str(text) for key, text in STATES}


def build_rows(book: CodeBook, seen: dict[str, int]) -> list[CodeRow]:
    """Build the rows: codes that the table lacks, the most frequent first, then the table."""
    language = get_language() or "en"
    lacking = (seen.keys() | book.notes.keys()) - book.codes.keys()
    unknown = [book.create_unlisted(code) for code in lacking]
    unknown.sort(key=lambda row: (-seen.get(row.code, 0), row.code))
    return [
        CodeRow(row, seen.get(row.code, 0), language) for row in [*unknown, *book.codes.values()]
    ]


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
        and (not category or line.row.explained.category == category)
        and (
            not state
            or state == get_state(line.row)
            or (state == "edited" and line.row.explained.edited)
        )
    ]


def _build_code(line: CodeRow, formatter: CodeRowFormatter) -> Cell:
    code = line.row.code
    url = get_code_url(formatter.vdn_id, code)
    return Cell("code", code, url=url) if url else Cell("code", code=code)


def _build_text(line: CodeRow, formatter: CodeRowFormatter) -> Cell:
    row = line.row
    badge = small = ""
    if row.first_seen is None:
        badge = render_badge(_("unknown code"), "unknown")
    elif row.gone_at:
        badge = render_badge(_("no longer listed"), "failed", formatter.times.short(row.gone_at))
    zh_first = line.language.startswith("zh")
    other, language = (row.text_en, "en") if zh_first else (row.text_zh, "zh-Hans")
    if other and other != line.text:
        small = format_html('<small lang="{}">{}</small>', language, other)
    return Cell("text", html=format_html("{}{}{}", line.text, badge, small))


def _build_meaning(line: CodeRow, _formatter: CodeRowFormatter) -> Cell:
    explained = line.row.explained
    step = explained.step(line.language)
    badge = render_badge(_("edited"), "soon") if explained.edited else ""
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
            export_attribute(gettext_lazy("Code"), "row.code"),
            ExportColumn(
                gettext_lazy("State"), lambda line, each: each.states[get_state(line.row)]
            ),
        ),
        sort="row.code",
        hideable=False,
    ),
    Column(
        "says",
        gettext_lazy("CC-iSales says"),
        "c-words",
        _build_text,
        exports=(
            export_attribute(gettext_lazy("CC-iSales says, in English"), "row.text_en"),
            export_attribute(gettext_lazy("CC-iSales says, in Chinese"), "row.text_zh"),
        ),
        sort="text",
    ),
    Column(
        "meaning",
        gettext_lazy("What it means, and what to do"),
        "c-means",
        _build_meaning,
        exports=(
            export_attribute(gettext_lazy("Meaning, in English"), "row.explained.meaning_en"),
            export_attribute(gettext_lazy("Next step, in English"), "row.explained.step_en"),
            export_attribute(gettext_lazy("Meaning, in Chinese"), "row.explained.meaning_zh"),
            export_attribute(gettext_lazy("Next step, in Chinese"), "row.explained.step_zh"),
            ExportColumn(
                gettext_lazy("Edited by an admin"),
                lambda line, _each: _("Yes") if line.row.explained.edited else _("No"),
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
        lambda line, each: Cell("last_seen", each.times.short(line.row.last_seen) or NOTHING),
        exports=(
            export_attribute(gettext_lazy("First listed"), "row.first_seen", zoned=True),
            export_attribute(gettext_lazy("Last listed"), "row.last_seen", zoned=True),
            export_attribute(gettext_lazy("Gone since"), "row.gone_at", zoned=True),
        ),
        sort="row.last_seen",
    ),
)


def _build_at(row: CodeRefresh, formatter: LocalFormatter) -> Cell:
    times = formatter.times
    url = reverse("result_codes_entry", args=[row.vdn_id, row.pk])
    link = format_html(
        '<a href="{}" title="{}">{}</a>', url, times.exact(row.at), times.short(row.at)
    )
    return Cell("at", html=link)


def _create_count_column(attribute: str, heading: Promise) -> Column[CodeRefresh, LocalFormatter]:
    def build(row: CodeRefresh, _formatter: LocalFormatter) -> Cell:
        count = getattr(row, attribute)
        return Cell(attribute, format_count(count) if count else NOTHING, label=str(heading))

    return Column(attribute, heading, "h-few", build)


HISTORY_COLUMNS: Final[tuple[Column[CodeRefresh, LocalFormatter], ...]] = (
    Column("at", gettext_lazy("When"), "h-when", _build_at),
    Column(
        "kind",
        gettext_lazy("Why"),
        "",
        lambda row, _each: Cell("kind", labels.get_origin_label(row)),
    ),
    Column(
        "by",
        gettext_lazy("Who"),
        "",
        lambda row, _each: Cell("by", labels.describe_actor(row), label=_("Who")),
    ),
    _create_count_column("added", gettext_lazy("Added")),
    _create_count_column("reworded", gettext_lazy("Reworded")),
    _create_count_column("removed", gettext_lazy("No longer listed")),
)
