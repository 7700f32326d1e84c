"""Lists of our own rows: sorting in memory, the bound of sorting in the database, badges, files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, Final

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dashboard.ui import exports
from dashboard.ui.columns import Column, F, R, build_export
from dashboard.ui.list_page import get_order
from dashboard.ui.times import TimeFormatter

MOST_SORTED: Final = 20_000
"""Rows of a table up to which it is sorted by columns without an index."""


@dataclass
class LocalFormatter:
    """The facts that all rows of a page share: the times alone."""

    times: TimeFormatter = field(default_factory=lambda: TimeFormatter(timezone.now()))


def sort_rows(rows: Iterable[R], columns: Sequence[Column[R, F]], sort: str) -> list[R]:
    """Sort rows in memory by the attribute that the column of a valid `sort` names.

    Rows without a value are last in either direction; equal ones keep their order.
    """
    found = list(rows)
    order = get_order(columns, sort)
    if not order:
        return found
    get = attrgetter(order[0].removeprefix("-"))
    present = [row for row in found if get(row) not in {None, ""}]
    present.sort(key=lambda row: _fold(get(row)), reverse=order[0].startswith("-"))
    return present + [row for row in found if get(row) in {None, ""}]


def without_sort(columns: Sequence[Column[R, F]], keys: Iterable[str]) -> tuple[Column[R, F], ...]:
    """Return the columns; those with these keys cannot be sorted by."""
    refused = frozenset(keys)
    return tuple(
        replace(column, sort="") if column.key in refused else column for column in columns
    )


def render_badge(text: object, tone: str, title: str = "") -> SafeString:
    """Render a badge that follows the text of a cell."""
    if title:
        return format_html(' <span class="tone {}" title="{}">{}</span>', tone, title, text)
    return format_html(' <span class="tone {}">{}</span>', tone, text)


def render_export(
    request: HttpRequest,
    kind: str,
    *,
    columns: Sequence[Column[R, F]],
    rows: Iterable[R],
    formatter: F,
    name: str,
    total: int,
) -> HttpResponseBase | None:
    """Render rows as a file; None, with an error message, if the format cannot hold them."""
    table = build_export(columns, rows, formatter, name=name, total=total)
    return exports.render_file(request, kind, table)


def _fold(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value
