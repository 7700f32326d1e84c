"""One page of a list: visible columns, rows, pager, links that sort and export."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

from django import forms
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from markupsafe import escape

from dashboard.ui.columns import NOTHING, Cell, Column, F, R
from dashboard.ui.exports import WRITERS
from dashboard.ui.jinja2 import render_fragment
from dashboard.ui.list_url import ListUrl
from dashboard.ui.paging import Pager, build_pager, format_count
from isales_proxy.core.form_fields import SortField

FilterForm = TypeVar("FilterForm", bound=forms.Form)

SORT: Final = "sort"
"""Query parameter: the key of a column, with `-` before it for descending order."""


@dataclass(slots=True)
class RowView:
    """One row: DOM ID, address of its panel or "", attributes of its `<tr>`, and cells.

    `more` is the markup of a further table row that belongs to it.
    """

    id: str
    url: str
    attributes: tuple[tuple[str, str], ...]
    cells: list[Cell]
    more: SafeString | None = None


class Heading(NamedTuple):
    """Heading of a column. `url` sorts by it, "" where the list cannot be sorted by it; `order` is
    the value of `aria-sort`, "" where the list is not sorted by it; `note` why it cannot be."""

    key: str
    text: str
    css: str
    url: str = ""
    order: str = ""
    note: str = ""


@dataclass
class ListPage(Generic[R, F]):
    """Context of `lists/table.jinja` and of the pager. `address` is that of the shown page."""

    columns: tuple[Column[R, F], ...]
    address: ListUrl
    title: str
    css: str = ""
    order_note: str = ""
    """Why the list cannot be sorted."""
    order: str | None = None
    """The order in force, where it is not that of the address."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Column key → why the list cannot be sorted by it, where it can by others."""
    headings: list[Heading] = field(init=False)
    rows: list[RowView] = field(default_factory=list)
    total: int | None = None
    pager: Pager | None = None

    def __post_init__(self) -> None:
        order = self.address.sort if self.order is None else self.order
        language = get_language()
        self.headings = [
            _build_heading(column, column.get_heading(language), self, order)
            for column in self.columns
        ]

    @property
    def total_text(self) -> str:
        """The number of rows of all pages, or "" while it is not known."""
        return "" if self.total is None else format_count(self.total)

    def fill(
        self,
        rows: Sequence[R],
        formatter: F,
        *,
        total: int,
        get_id: Callable[[R], str],
        get_url: Callable[[R], str] | None = None,
        get_attributes: Callable[[R], tuple[tuple[str, str], ...]] | None = None,
        get_more: Callable[[R], SafeString] | None = None,
    ) -> Pager:
        """Build the rows and return the pager.

        `total` counts the rows of all pages; `get_id` returns a row's DOM ID, "" for one without.
        """
        cells = zip(*(column.build_cells(rows, formatter) for column in self.columns), strict=True)
        self.rows = [
            RowView(
                get_id(row) or f"row-{position}",
                get_url(row) if get_url else "",
                get_attributes(row) if get_attributes else (),
                list(of_row),
                get_more(row) if get_more else None,
            )
            for position, (row, of_row) in enumerate(zip(rows, cells, strict=True))
        ]
        self.total = total
        self.pager = build_pager(self.address, total=total, shown=len(rows))
        return self.pager

    @property
    def table(self) -> SafeString:
        """The markup of the table."""
        return render_fragment("lists/table.jinja", page=self, rows=_render_rows(self.rows))

    def list_exports(self, source: str = "") -> list[dict[str, str]]:
        """List the files of this question: label and address, with its filters and its order, from
        that source."""
        return [
            {"label": kind.upper(), "url": self.address.beside(f"export.{kind}", source)}
            for kind in WRITERS
        ]


def add_sort_field(form: FilterForm, columns: Sequence[Column[Any, Any]]) -> FilterForm:
    """Add the parameter `sort` to a filter form that is not validated yet; returns the form."""
    form.fields[SORT] = SortField(column.key for column in columns if column.sort)
    unbound: Any = form
    unbound.fieldless = (*getattr(form, "fieldless", ()), SORT)
    return form


def get_order(columns: Sequence[Column[Any, Any]], sort: str) -> tuple[str, ...]:
    """Return the expressions of `order_by` for a valid `sort`, the ID last; () for ""."""
    key = sort.removeprefix("-")
    found = next((column.sort for column in columns if column.sort and column.key == key), "")
    if not found:
        return ()
    sign = "-" if sort.startswith("-") else ""
    return f"{sign}{found}", f"{sign}pk"


# Escaping costs a microsecond, and few texts need it.
_find_special = re.compile("[&<>\"']").search


def _render_rows(rows: Iterable[RowView]) -> SafeString:
    """Render the rows of a table. In Python, since a list makes 450 cells at a time."""
    parts = []
    for row in rows:
        parts.append(f'<tr id="{row.id if not _find_special(row.id) else escape(row.id)}"')
        for name, value in row.attributes:
            parts.append(f' {name}="{value if not _find_special(value) else escape(value)}"')
        parts.append(">")
        for cell in row.cells:
            markup = cell.markup
            if not markup:
                markup = _render_cell(cell, row.url)
                if not cell.link and cell.html is None:
                    cell.markup = markup
            parts.append(markup)
        parts.append(f"</tr>{row.more}\n" if row.more else "</tr>\n")
    return mark_safe("".join(parts))  # noqa: S308 - escaped here


# The rows of a page have their query in common.
_escape_query = lru_cache(maxsize=200)(escape)


def _render_cell(cell: Cell, url: str = "") -> str:
    """Render one cell of a row with its panel at `url`. Whatever is not `html` is escaped."""
    texts: Sequence[str] = (
        *(cell.field, cell.main, cell.label, cell.title, cell.code, cell.tone),
        *(cell.sub, cell.sub_field, cell.sub_title, cell.url),
    )
    if _find_special("".join(texts)):
        texts = [escape(text) for text in texts]
    field, main, label, title, code, tone, sub, sub_field, sub_title, address = texts
    if cell.html is not None:
        main = escape(cell.html)
    elif cell.link and url:
        path, mark, query = url.partition("?")
        path = escape(path) if _find_special(path) else path
        main = f'<a href="{path}{mark}{_escape_query(query)}" data-panel-link>{main}</a>'
    elif address:
        main = f'<a href="{address}">{main}</a>'
    elif tone:
        main = f'<span class="tone {tone}">{main}</span>'
    else:
        main = "" if cell.main == NOTHING and not sub else main
        main = f"<b>{code}</b> {main}" if code else main
    if label:
        label = f' data-label="{label}"'
    if title:
        title = f' title="{title}"'
    if sub:
        field_of_sub = f' data-field="{sub_field}"' if sub_field else ""
        title_of_sub = f' title="{sub_title}"' if sub_title else ""
        sub = f"<small{field_of_sub}{title_of_sub}>{sub}</small>"
    return f'<td data-field="{field}"{label}{title}>{main}{sub}</td>'


def _build_heading(
    column: Column[Any, Any], text: str, page: ListPage[Any, Any], in_force: str
) -> Heading:
    address = page.address
    if not column.sort:
        return Heading(column.key, text, column.css, note=page.notes.get(column.key, ""))
    descending = f"-{column.key}"
    order = {column.key: "ascending", descending: "descending"}.get(in_force, "")
    # A second click reverses the order.
    url = address.sorted_by(descending if order == "ascending" else column.key)
    return Heading(column.key, text, column.css, url, order)
