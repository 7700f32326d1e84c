"""Columns of lists. One tuple of columns defines the table, its order and its export.

A cell has formatted texts. The formatter, which is created once per page, has the facts that all
rows share: time zone, language, code table.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from dashboard.ui.exports import ExportTable, ExportValue
from dashboard.ui.paging import format_count
from dashboard.ui.times import TimeFormatter, format_zone
from isales_proxy.access import Permission, Scope

NOTHING = "—"
"""Text of a cell without content."""


class Formatter(Protocol):
    """Facts that all rows of a page share, at least the times."""

    times: TimeFormatter


R = TypeVar("R")
F = TypeVar("F", bound=Formatter)


@dataclass(slots=True)
class Cell:
    """One cell: `code` in bold before `main`, and `sub` on a second line.

    `field` and `sub_field` are the vendor's names. `main` is a badge with a `tone`, a link with a
    `url`, and a link to the panel of the row with `link`. `title` is a tooltip. `label` repeats the
    heading for layouts without columns. `html` is markup instead of `main` and `code`.
    """

    field: str
    main: str = NOTHING
    label: str = ""
    code: str = ""
    sub: str = ""
    sub_field: str = ""
    sub_title: str = ""
    tone: str = ""
    link: bool = False
    url: str = ""
    title: str = ""
    html: SafeString | None = None
    markup: str = ""
    """Set when the cell is rendered for the first time, unless it links to its row."""

    def export(self) -> str:
        """Join the texts of the cell; "" for an empty one."""
        main = "" if self.main == NOTHING else self.main
        texts = (f"{self.code} {main}".strip(), self.sub)
        return " · ".join(text for text in texts if text)


make_repeated_cell = lru_cache(maxsize=4096)(Cell)
"""Create a cell that other rows and pages may share: one object, which is rendered once.

For texts that repeat, not for the number of a row.
"""


@dataclass(frozen=True)
class ExportColumn(Generic[R, F]):
    """One column of a file. `zoned` adds the time zone to its heading."""

    heading: str | Promise
    value: Callable[[R, F], ExportValue]
    zoned: bool = False


def export_attribute(
    heading: str | Promise, name: str, *, zoned: bool = False
) -> ExportColumn[Any, Any]:
    """Create a column of a file from an attribute of the rows, `name` (which may be dotted)."""
    get = attrgetter(name)
    return ExportColumn(heading, lambda row, _formatter: get(row), zoned)


@dataclass(frozen=True)
class Column(Generic[R, F]):
    """One column of a list.

    `key` is its name in addresses, `css` its width class. `exports` are its columns in a file: by
    default one with the texts of the cell, () for none. `sort` is an expression for `order_by`; ""
    if the list cannot be sorted by it. Users without `permission` do not see the column. `reads`
    returns the values of a row that the cell depends on; rows with equal values share one cell.
    """

    key: str
    heading: str | Promise
    css: str
    cell: Callable[[R, F], Cell]
    exports: tuple[ExportColumn[R, F], ...] | None = None
    sort: str = ""
    permission: Permission | None = None
    hideable: bool = True
    reads: Callable[[R], Hashable] | None = None
    _headings: dict[str | None, str] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def get_heading(self, language: str | None) -> str:
        """Return the heading in `language`, which must be the active one. It is translated once."""
        text = self._headings.get(language)
        if text is None:
            text = self._headings[language] = str(self.heading)
        return text

    def build_cells(self, rows: Sequence[R], formatter: F) -> list[Cell]:
        """Build the cell of each row of a page."""
        build, reads = self.cell, self.reads
        if reads is None:
            return [build(row, formatter) for row in rows]
        built: dict[Hashable, Cell] = {}
        cells = []
        for row, read in zip(rows, map(reads, rows), strict=True):
            cell = built.get(read)
            if cell is None:
                cell = built[read] = build(row, formatter)
            cells.append(cell)
        return cells

    def list_exports(self) -> tuple[ExportColumn[R, F], ...]:
        """List the columns of a file."""
        if self.exports is not None:
            return self.exports
        return (
            ExportColumn(self.heading, lambda row, formatter: self.cell(row, formatter).export()),
        )


def filter_columns(
    columns: Sequence[Column[R, F]], scope: Scope, hidden: Iterable[str] = ()
) -> tuple[Column[R, F], ...]:
    """Return the columns that this user may see, without those in `hidden` (keys)."""
    keys = frozenset(hidden)
    return tuple(
        column
        for column in columns
        if (column.permission is None or scope.can(column.permission))
        and not (column.hideable and column.key in keys)
    )


def build_export(
    columns: Sequence[Column[R, F]],
    rows: Iterable[R],
    formatter: F,
    *,
    name: str,
    total: int,
    scope: Scope | None,
    filters: str,
    by: str,
    about: Sequence[tuple[str, str]] = (),
    source: str = "",
    bom: bool = True,
) -> ExportTable:
    """Build the file of these columns with `total` rows; see `ExportTable`.

    Its name is `name` with VDN, time and its offset from UTC, rows; never a called number. Its
    facts are its VDN, `about`, `filters`, zone, time, `source`, rows and the user `by`.
    """
    parts = [part for column in columns for part in column.list_exports()]
    times, zone = formatter.times, formatter.times.zone
    vdn = f"-vdn-{scope.vdn.pk}" if scope else ""
    return ExportTable(
        name=f"{name}{vdn}-{times.now.astimezone(zone):%Y%m%d-%H%M%S-UTC%z}-{total}-rows",
        headings=[
            f"{part.heading} ({zone})" if part.zoned else str(part.heading) for part in parts
        ],
        rows=([part.value(row, formatter) for part in parts] for row in rows),
        total=total,
        times=times,
        facts=[
            *([(_("VDN"), f"{scope.vdn.pk} {scope.vdn.name}")] if scope else ()),
            *about,
            (_("Filter"), filters or _("No filters")),
            (_("Time zone"), format_zone(times.now, zone)),
            (_("As of"), times.stamp(times.now)),
            *([(_("Source"), source)] if source else ()),
            (_("Rows"), format_count(total)),
            (_("Exported by"), by),
        ],
        bom=bom,
    )
