"""One page of a list: headings, rows, pager, links to files."""

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
"""Query parameter: key of a column, with `-` before it for descending order."""


@dataclass(slots=True)
class RowView:
    """One row: DOM ID, address of its panel or "", attributes of its `<tr>`, and cells.

    `more` is the markup of a second table row that belongs to it.
    """

    id: str
    url: str
    attributes: tuple[tuple[str, str], ...]
    cells: list[Cell]
    more: SafeString | None = None


class Heading(NamedTuple):
    """Heading of a column. `url` sorts by it; "" if that is impossible, and `note` tells why.
    `order` is the value of `aria-sort`; "" if the list is not sorted by it."""

    key: str
    text: str
    css: str
    url: str = ""
    order: str = ""
    note: str = ""


@dataclass
class ListPage(Generic[R, F]):
    """Context of `lists/table.jinja` and of the pager; `address` is that of the page."""

    columns: tuple[Column[R, F], ...]
    address: ListUrl
    title: str
    css: str = ""
    order_note: str = ""
    """The reason why the list cannot be sorted."""
    order: str | None = None
    """The actual order; None for that of the address."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Column key → the reason why the list cannot be sorted by it."""
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
        """Format the number of rows of all pages; "" if it is unknown."""
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

        `total` is the number of rows of all pages; `get_id` returns the DOM ID of a row or "".
        """
        cells = zip(*(column.build_cells(rows, formatter) for column in self.columns), strict=True)
        self.rows = [
            RowView(
                get_id(row) or f"row-{position}",
                get_url(row) if get_url else "",
                get_attributes(row) if get_attributes else (),
                list(row_cells),
                get_more(row) if get_more else None,
            )
            for position, (row, row_cells) in enumerate(zip(rows, cells, strict=True))
        ]
        self.total = total
        self.pager = build_pager(self.address, total=total, shown=len(rows))
        return self.pager

    @property
    def table(self) -> SafeString:
        """Render the table."""
        return render_fragment("lists/table.jinja", page=self, rows=_render_rows(self.rows))

    def list_exports(self, source: str = "") -> list[dict[str, str]]:
        """List label and address of the files of this list, with its filters and order, from
        `source` or that of the list."""
        return [
            {"label": kind.upper(), "url": self.address.get_file_url(f"export.{kind}", source)}
            for kind in WRITERS
        ]


def add_sort_field(form: FilterForm, columns: Sequence[Column[Any, Any]]) -> FilterForm:
    """Add the parameter `sort` to a form that is not validated yet; return the form."""
    form.fields[SORT] = SortField(column.key for column in columns if column.sort)
    unbound: Any = form
    unbound.fieldless = (*getattr(form, "fieldless", ()), SORT)
    return form


def get_order(columns: Sequence[Column[Any, Any]], sort: str) -> tuple[str, ...]:
    """Return the expressions of `order_by` for a valid `sort`, the primary key last; () for ""."""
    key = sort.removeprefix("-")
    found = next((column.sort for column in columns if column.sort and column.key == key), "")
    if not found:
        return ()
    sign = "-" if sort.startswith("-") else ""
    return f"{sign}{found}", f"{sign}pk"


# `escape` takes a microsecond, and few texts need it.
_find_special = re.compile("[&<>\"']").search


def _render_rows(rows: Iterable[RowView]) -> SafeString:
    """Render the rows of a table. A list has 450 cells, for which a template would be slow."""
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


# All rows of a page have the same query.
_escape_query = lru_cache(maxsize=200)(escape)


def _render_cell(cell: Cell, url: str = "") -> str:
    """Render one cell of a row whose panel is at `url`. All texts but `html` are escaped."""
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
        sub_attributes = f' data-field="{sub_field}"' if sub_field else ""
        sub_attributes += f' title="{sub_title}"' if sub_title else ""
        sub = f"<small{sub_attributes}>{sub}</small>"
    return f'<td data-field="{field}"{label}{title}>{main}{sub}</td>'


def _build_heading(
    column: Column[Any, Any], text: str, page: ListPage[Any, Any], current_order: str
) -> Heading:
    address = page.address
    if not column.sort:
        return Heading(column.key, text, column.css, note=page.notes.get(column.key, ""))
    descending = f"-{column.key}"
    order = {column.key: "ascending", descending: "descending"}.get(current_order, "")
    # A second click reverses the order.
    url = address.get_sorted_url(descending if order == "ascending" else column.key)
    return Heading(column.key, text, column.css, url, order)
