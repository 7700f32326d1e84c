"""Exports of rows as CSV or XLSX, in which every cell is text.

No cell is a formula, a link or a rounded number, and nothing is truncated: rows that a format
cannot hold raise TooManyRows. Programs read a CSV file with different separators, or line by line,
so an apostrophe escapes every possible start of a formula, also the plus of a number; XLSX keeps
such numbers unchanged. The header `X-Row-Count` has the number of rows.
"""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import IO, Final

import xlsxwriter
from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _

from dashboard.ui.htmx import make_private

Row = Sequence[str]

_BOM: Final = "\ufeff"
_FORMULA: Final = "=+@\uff0b\uff1d\uff0d\uff20-"
# A cell can begin after a separator or quote; spreadsheets skip blanks before a formula.
_CELL_START: Final = re.compile(rf'(^|[,;"])(\s*)(?=[{_FORMULA}])')
_LINE_BREAK: Final = re.compile(r"\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NUMBERS: Final = re.compile(r"\+?[0-9]+(?:; \+?[0-9]+)*", re.ASCII)
_MOST_XLSX_ROWS: Final = 1_048_576
_LONGEST_XLSX_TEXT: Final = 32_767
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class TooManyRows(ValueError):
    """The format cannot hold these rows or the length of a text."""


@dataclass(frozen=True)
class ExportTable:
    """Content of an export: file name without suffix and without any called number, one heading
    per column, and `total` rows."""

    name: str
    headings: Row
    rows: Iterable[Row]
    total: int


def render_csv(table: ExportTable) -> HttpResponseBase:
    """Stream UTF-8 with a byte order mark, by which Excel recognises it."""
    response = StreamingHttpResponse(_iterate_lines(table), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{table.name}.csv"'
    return _add_row_count(response, table)


def render_xlsx(table: ExportTable) -> HttpResponseBase:
    """Render a workbook of one sheet. Raises TooManyRows over 1,048,575 rows or 32,767 characters
    in a cell."""
    if table.total >= _MOST_XLSX_ROWS:
        raise TooManyRows
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    try:
        _write_workbook(file, table)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    response = FileResponse(
        file, as_attachment=True, filename=f"{table.name}.xlsx", content_type=_XLSX
    )
    return _add_row_count(response, table)


WRITERS: Final[dict[str, Callable[[ExportTable], HttpResponseBase]]] = {
    "csv": render_csv,
    "xlsx": render_xlsx,
}


def escape_formula(text: str) -> str:
    """Escape a cell of a CSV file, so that no separator makes a formula of a part of it.

    A line break becomes "↵" and any other control character a blank, since a row is one line.
    """
    flat = _CONTROL.sub(" ", _LINE_BREAK.sub("↵", text))
    escaped = _CELL_START.sub(r"\1\2'", flat)
    # After a semicolon the closing quote would begin a cell that includes the end of the line.
    return f"{escaped} " if escaped.endswith(";") else escaped


def render_file(request: HttpRequest, kind: str, table: ExportTable) -> HttpResponseBase | None:
    """Render the table as `kind` (csv, xlsx); None, with an error message, if it does not fit."""
    try:
        return WRITERS[kind](table)
    except TooManyRows:
        text = _("A spreadsheet has no room for these rows: export them as CSV, or filter them.")
        messages.error(request, text)
        return None


class _Echo:
    """File object for csv.writer whose `write` returns the line, so that it can be streamed."""

    def write(self, line: str) -> str:
        return line


def _iterate_lines(table: ExportTable) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield _BOM + writer.writerow([escape_formula(text) for text in table.headings])
    for row in table.rows:
        yield writer.writerow([escape_formula(text) for text in row])


def _write_workbook(file: IO[bytes], table: ExportTable) -> None:
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_numbers": False,
        "strings_to_urls": False,
    }
    with xlsxwriter.Workbook(file, options) as workbook:
        sheet = workbook.add_worksheet()
        # Excel sets quote_prefix for a typed apostrophe: the cell stays text when it is edited.
        text_only = workbook.add_format({"quote_prefix": True})
        sheet.freeze_panes(1, 0)
        for place, row in enumerate(chain([table.headings], table.rows)):
            for column, text in enumerate(row):
                if _NUMBERS.fullmatch(text):
                    sheet.write_string(place, column, text, text_only)
                    continue
                escaped = _escape_sheet_cell(text)
                if len(escaped) > _LONGEST_XLSX_TEXT:
                    raise TooManyRows
                sheet.write_string(place, column, escaped)


def _escape_sheet_cell(text: str) -> str:
    """Escape a cell of a workbook, which may be saved as CSV later; line breaks stay."""
    start = text.lstrip()
    harmful = start[:1] in set(_FORMULA) if start else False
    return f"'{text}" if harmful or _CONTROL.match(text) else text


def _add_row_count(response: HttpResponseBase, table: ExportTable) -> HttpResponseBase:
    response.headers["X-Row-Count"] = str(table.total)
    return make_private(response)
