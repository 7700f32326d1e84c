"""Exports of rows as CSV or XLSX, in which no text becomes a formula, a link or a rounded number.

Nothing is truncated: rows that a format cannot hold raise TooManyRows. Programs read a CSV file
with different separators, or line by line, so an apostrophe escapes every possible start of a
formula, also the plus of a number; all values but counts are quoted. XLSX has typed cells: times
in the user's zone, counts, and texts, which include phone numbers, codes and IDs. The facts of an
export (VDN, filter, zone, rows, user) are a sheet of their own in XLSX. In CSV most programs would
read a comment as a row, so they are in the headers `X-Row-Count` and `X-Export-Facts`.
"""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import IO, Any, Final
from urllib.parse import quote

import xlsxwriter
from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.ui.htmx import make_private
from dashboard.ui.times import TimeFormatter

ExportValue = str | int | datetime | None
Row = Sequence[ExportValue]

_BOM: Final = "\ufeff"
_FORMULA: Final = "=+@\uff0b\uff1d\uff0d\uff20-"
# A cell may begin after a separator or quote; spreadsheets skip blanks before a formula.
_CELL_START: Final = re.compile(rf'(^|[,;"])(\s*)(?=[{_FORMULA}])')
_LINE_BREAK: Final = re.compile(r"\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Text without any of these needs no escape, and most texts have none.
_UNSAFE: Final = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{_FORMULA}]|;$")
_NUMBERS: Final = re.compile(r"\+?[0-9]+(?:; \+?[0-9]+)*", re.ASCII)
_MAX_XLSX_ROWS: Final = 1_048_576
_MAX_XLSX_TEXT: Final = 32_767
# Spreadsheets round larger numbers, and have no times before 1900.
_MAX_XLSX_INTEGER: Final = 10**15
_MIN_XLSX_YEAR: Final = 1901
_XLSX_TIME: Final = "yyyy-mm-dd hh:mm:ss"
# Of columns, in characters.
_MIN_WIDTH, _MAX_WIDTH = 8, 60
_CONTENT_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class TooManyRows(ValueError):
    """A format cannot hold so many rows, or so long a text."""


@dataclass(frozen=True)
class ExportTable:
    """Content of an export: file name without suffix and called numbers, one heading per column,
    and `total` rows.

    `facts` are pairs of label and text about the file. `bom` adds a byte order mark to a CSV file,
    by which Excel recognises UTF-8.
    """

    name: str
    headings: Sequence[str]
    rows: Iterable[Row]
    total: int
    times: TimeFormatter = field(default_factory=lambda: TimeFormatter(timezone.now()))
    facts: Sequence[tuple[str, str]] = ()
    bom: bool = True


def write_csv(table: ExportTable, file: IO[bytes]) -> None:
    """Write CSV in UTF-8, line by line."""
    for line in _iterate_lines(table):
        file.write(line.encode())


def write_xlsx(table: ExportTable, file: IO[bytes]) -> None:
    """Write a workbook. Raises TooManyRows over 1,048,575 rows or 32,767 characters in a cell."""
    if table.total >= _MAX_XLSX_ROWS:
        raise TooManyRows
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_numbers": False,
        "strings_to_urls": False,
    }
    with xlsxwriter.Workbook(file, options) as workbook:
        _write_rows(workbook, table)
        if table.facts:
            sheet = workbook.add_worksheet(_("About this file"))
            sheet.set_column(0, 1, _MAX_WIDTH // 2)
            for row, fact in enumerate(table.facts):
                for column, text in enumerate(fact):
                    sheet.write_string(row, column, _escape_sheet_cell(text))


WRITERS: Final[dict[str, Callable[[ExportTable, IO[bytes]], None]]] = {
    "csv": write_csv,
    "xlsx": write_xlsx,
}


def render(table: ExportTable, kind: str) -> HttpResponseBase:
    """Render the table as a download, csv or xlsx. CSV is streamed, so that it starts with the
    first rows. Raises TooManyRows for a workbook like `write_xlsx`."""
    if kind == "csv":
        lines = (line.encode() for line in _iterate_lines(table))
        response = StreamingHttpResponse(lines, content_type=_CONTENT_TYPES["csv"])
        response.headers["Content-Disposition"] = f'attachment; filename="{table.name}.csv"'
        return _add_facts(response, table.total, table.facts)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    try:
        write_xlsx(table, file)
    except BaseException:
        file.close()
        raise
    return send_file(file, f"{table.name}.xlsx", rows=table.total, facts=table.facts)


def send_file(
    file: IO[bytes], name: str, *, rows: int, facts: Sequence[tuple[str, str]] = ()
) -> HttpResponseBase:
    """Send a complete file as a download; `name` has a suffix. The response closes the file."""
    file.seek(0)
    content_type = _CONTENT_TYPES[name.rpartition(".")[2]]
    response = FileResponse(file, as_attachment=True, filename=name, content_type=content_type)
    return _add_facts(response, rows, facts)


def explain_too_many_rows() -> str:
    """Return the message for TooManyRows."""
    return _("There are too many rows for a spreadsheet: export them as CSV, or filter them.")


def escape_formula(text: str) -> str:
    """Escape a cell of a CSV file, so that no part of it is a formula by any separator.

    A line break becomes "↵" and any other control character a blank, so that a row is one line.
    """
    if _UNSAFE.search(text) is None:
        return text
    flat = _CONTROL.sub(" ", _LINE_BREAK.sub("↵", text))
    escaped = _CELL_START.sub(r"\1\2'", flat)
    # Otherwise the closing quote after a semicolon would begin a cell with the end of the line.
    return f"{escaped} " if escaped.endswith(";") else escaped


class _Echo:
    """File object that makes `csv.writer.writerow` return the line, to stream it."""

    def write(self, line: str) -> str:
        return line


def _iterate_lines(table: ExportTable) -> Iterator[str]:
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_NONNUMERIC)
    yield _BOM * table.bom + writer.writerow([escape_formula(text) for text in table.headings])
    for row in table.rows:
        yield writer.writerow([_format_value(value, table) for value in row])


def _format_value(value: ExportValue, table: ExportTable) -> str | int:
    if isinstance(value, str):
        return escape_formula(value)
    if value is None:
        return ""
    if isinstance(value, datetime):
        return table.times.stamp(value)
    # A negative number begins like a formula.
    return value if value >= 0 else escape_formula(str(value))


def _write_rows(workbook: Any, table: ExportTable) -> None:
    sheet = workbook.add_worksheet(_("Rows"))
    # `quote_prefix` is Excel's mark of a typed apostrophe: an edited cell remains a text.
    formats = {
        "text": workbook.add_format({"quote_prefix": True}),
        "time": workbook.add_format({"num_format": _XLSX_TIME}),
        "heading": workbook.add_format({"bold": True}),
    }
    sheet.freeze_panes(1, 0)
    widths = [_MIN_WIDTH] * len(table.headings)
    row = 0
    for row, values in enumerate(chain([table.headings], table.rows)):
        for column, value in enumerate(values):
            length = _write_cell(sheet, row, column, value, table, formats)
            if length > widths[column]:
                widths[column] = length
    for column, width in enumerate(widths):
        # Room for the arrow of the filter.
        sheet.set_column(column, column, min(width + 3, _MAX_WIDTH))
    sheet.autofilter(0, 0, row, max(len(widths) - 1, 0))


def _write_cell(
    sheet: Any,
    row: int,
    column: int,
    value: ExportValue,
    table: ExportTable,
    formats: dict[str, Any],
) -> int:
    """Write one cell; return its width in characters."""
    if isinstance(value, int) and abs(value) < _MAX_XLSX_INTEGER:
        sheet.write_number(row, column, value)
        return len(str(value))
    if isinstance(value, datetime):
        # Spreadsheets round up to the next second; the list and CSV show the second that began.
        local = table.times.local(value).replace(microsecond=0)
        text = table.times.stamp(value)
        # A time that occurs twice is a text with its offset.
        if local.year >= _MIN_XLSX_YEAR and len(text) <= len(_XLSX_TIME):
            sheet.write_datetime(row, column, local, formats["time"])
            return len(_XLSX_TIME)
    else:
        text = "" if value is None else str(value)
    if _NUMBERS.fullmatch(text):
        sheet.write_string(row, column, text, formats["text"])
        return len(text)
    escaped = _escape_sheet_cell(text)
    if len(escaped) > _MAX_XLSX_TEXT:
        raise TooManyRows
    sheet.write_string(row, column, escaped, None if row else formats["heading"])
    return len(escaped)


def _escape_sheet_cell(text: str) -> str:
    """Escape a cell of a workbook, which may be saved as CSV later; line breaks stay."""
    is_formula = text.lstrip().startswith(tuple(_FORMULA))
    return f"'{text}" if is_formula or _CONTROL.match(text) else text


def _add_facts(
    response: HttpResponseBase, rows: int, facts: Sequence[tuple[str, str]]
) -> HttpResponseBase:
    response.headers["X-Row-Count"] = str(rows)
    if facts:
        text = "; ".join(f"{label}: {value}" for label, value in facts)
        response.headers["X-Export-Facts"] = quote(text, safe=" :;,.()+-_/")
    return make_private(response)
