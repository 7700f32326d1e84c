"""Lists of rows from our own tables or from memory: order, common columns, badges, exports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from dashboard.ui import exports
from dashboard.ui.columns import Cell, Column, ExportColumn, F, R, build_export, export_attribute
from dashboard.ui.list_page import SORT, get_order
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.privacy import masking

MAX_SORTED_ROWS: Final = 20_000
"""Rows of a table up to which it can be sorted by columns without an index."""
# Fields that a file does not describe as filters: they choose a page, or hold a called number.
_NOT_DESCRIBED: Final = frozenset({"page", "size", "shown", "number", SORT})


@dataclass
class LocalFormatter:
    """Formatter of rows that need nothing but times."""

    times: TimeFormatter = field(default_factory=lambda: TimeFormatter(timezone.now()))


def sort_rows(rows: Iterable[R], columns: Sequence[Column[R, F]], sort: str) -> list[R]:
    """Sort rows in memory by the attribute of the column that a valid `sort` names.

    Rows without a value are last in both directions; equal rows keep their order.
    """
    unsorted = list(rows)
    order = get_order(columns, sort)
    if not order:
        return unsorted
    get = attrgetter(order[0].removeprefix("-"))
    with_value = [row for row in unsorted if get(row) not in {None, ""}]
    with_value.sort(key=lambda row: _fold(get(row)), reverse=order[0].startswith("-"))
    return with_value + [row for row in unsorted if get(row) in {None, ""}]


def without_sort(columns: Sequence[Column[R, F]], keys: Iterable[str]) -> tuple[Column[R, F], ...]:
    """Return the columns, where those with these keys cannot be sorted by."""
    unsortable = frozenset(keys)
    return tuple(
        replace(column, sort="") if column.key in unsortable else column for column in columns
    )


def text_column(
    key: str, heading: str | Promise, get_text: Callable[[R], object], *, sort: str
) -> Column[R, F]:
    """Create a column of texts without markup."""

    def build(row: R, _formatter: F) -> Cell:
        return Cell(key, str(get_text(row)), label=str(heading))

    return Column(key, heading, f"c-{key}", build, sort=sort)


def time_column(
    key: str,
    heading: str | Promise,
    attribute: str,
    *,
    field: str = "",
    get_sub: Callable[[R], str] = lambda _row: "",
    exports: tuple[ExportColumn[R, F], ...] = (),
) -> Column[R, F]:
    """Create a sortable column of the times of an attribute; None is shown as “never”.

    `field` names the cell if not `key`. In a file the columns `exports` follow the time.
    """
    get: Callable[[R], datetime | None] = attrgetter(attribute)

    def build(row: R, formatter: F) -> Cell:
        moment, times = get(row), formatter.times
        if moment is None:
            return Cell(field or key, _("never"), label=str(heading))
        return Cell(
            field or key,
            times.short(moment),
            label=str(heading),
            title=times.exact(moment),
            sub=get_sub(row),
        )

    time = export_attribute(heading, attribute, zoned=True)
    return Column(key, heading, f"c-{key}", build, exports=(time, *exports), sort=attribute)


def render_badge(text: object, tone: str, title: str = "") -> SafeString:
    """Render a badge after the text of a cell."""
    if title:
        return format_html(' <span class="tone {}" title="{}">{}</span>', tone, title, text)
    return format_html(' <span class="tone {}">{}</span>', tone, text)


def render_export(
    request: ReaderRequest,
    kind: str,
    *,
    columns: Sequence[Column[R, F]],
    rows: Iterable[R],
    formatter: F,
    name: str,
    total: int,
    form: forms.Form,
    scope: Scope | None = None,
    about: Sequence[tuple[str, str]] = (),
) -> HttpResponseBase | None:
    """Render rows as a file; None, with an error message, if the format cannot hold them.

    `about` are facts of the file beside those of `build_export`; `form` is valid.
    """
    table = build_export(
        columns,
        rows,
        formatter,
        name=name,
        total=total,
        scope=scope,
        filters=_describe_filter(form, scope, formatter.times),
        by=request.user.get_username(),
        about=about,
        bom=request.GET.get("bom") != "0",
    )
    try:
        return exports.render(table, kind)
    except exports.TooManyRows:
        messages.error(request, exports.explain_too_many_rows())
        return None


def _describe_filter(form: forms.Form, scope: Scope | None, times: TimeFormatter) -> str:
    """Describe a filter in the active language; fields without a label only move the page."""
    texts = []
    for name, field_ in form.fields.items():
        value = form.cleaned_data.get(name)
        if name in _NOT_DESCRIBED or not field_.label or not value:
            continue
        values = value if isinstance(value, (list, tuple)) else (value,)
        shown = [_format_choice(field_, each, times) for each in values]
        if isinstance(value, str) and scope and not scope.can(Permission.SEE_NUMBERS):
            shown = [masking.mask_text(text) for text in shown]
        texts.append(f"{field_.label} {', '.join(shown)}")
    return " · ".join(texts)


def _format_choice(field: forms.Field, value: Any, times: TimeFormatter) -> str:
    if isinstance(value, datetime):
        return times.stamp(value)
    return str(dict(getattr(field, "choices", ())).get(value, value))


def _fold(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value
