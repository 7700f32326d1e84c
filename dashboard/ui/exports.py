"""Exports of rows as CSV or XLSX, in which no text is a formula, a link or a rounded number.

Nothing is truncated: rows that a format cannot hold raise TooManyRows. Programs read a CSV file
with different separators, or line by line, so an apostrophe escapes every possible start of a
formula, also the plus of a number; texts are quoted, and only counts are not. XLSX has typed cells:
times of the reader's zone, counts, and texts, among them phone numbers, codes and IDs. The facts of
an export (VDN, filter, zone, rows, person) are a sheet of their own in XLSX. In CSV a comment would
be a row to most programs, so they are in the headers `X-Row-Count` and `X-Export-Facts`.
"""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import IO, Any, Final
from urllib.parse import quote

import xlsxwriter
from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _

from dashboard.ui.htmx import make_private
from dashboard.ui.times import TimeFormatter

ExportValue = str | int | datetime | None
Row = Sequence[ExportValue]

_BOM: Final = "\ufeff"
_FORMULA: Final = "=+@\uff0b\uff1d\uff0d\uff20-"
# A cell can begin after a separator or quote; spreadsheets skip blanks before a formula.
_CELL_START: Final = re.compile(rf'(^|[,;"])(\s*)(?=[{_FORMULA}])')
_LINE_BREAK: Final = re.compile(r"\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Text without any of these needs no escape, and most texts have none.
_UNSAFE: Final = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{_FORMULA}]|;$")
_NUMBERS: Final = re.compile(r"\+?[0-9]+(?:; \+?[0-9]+)*", re.ASCII)
_MOST_XLSX_ROWS: Final = 1_048_576
_LONGEST_XLSX_TEXT: Final = 32_767
# A spreadsheet rounds larger numbers, and knows no time before 1900.
_MOST_XLSX_INTEGER: Final = 10**15
_FIRST_XLSX_YEAR: Final = 1901
_XLSX_TIME: Final = "yyyy-mm-dd hh:mm:ss"
_WIDTHS: Final = (8, 60)  # characters
_CONTENT_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class TooManyRows(ValueError):
    """The format cannot hold these rows or the length of a text."""


@dataclass(frozen=True)
class ExportTable:
    """Content of an export: file name without suffix and without any called number, one heading
    per column, and `total` rows.

    `times` formats the times among the values. `facts` are pairs of label and text about the file.
    `bom` puts a byte order mark before a CSV file, by which Excel recognises UTF-8.
    """

    name: str
    headings: Sequence[str]
    rows: Iterable[Row]
    total: int
    times: TimeFormatter | None = None
    facts: Sequence[tuple[str, str]] = ()
    bom: bool = True

    def format_time(self, value: datetime) -> str:
        """Return a time as files contain it."""
        return self.times.stamp(value) if self.times else value.isoformat(sep=" ")


def write_csv(table: ExportTable, file: IO[bytes]) -> None:
    """Write UTF-8 into a file, line by line."""
    for line in _iterate_lines(table):
        file.write(line.encode())


def write_xlsx(table: ExportTable, file: IO[bytes]) -> None:
    """Write a workbook into a file. Raises TooManyRows over 1,048,575 rows or 32,767 characters in
    a cell."""
    if table.total >= _MOST_XLSX_ROWS:
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
            sheet.set_column(0, 1, _WIDTHS[1] // 2)
            for place, fact in enumerate(table.facts):
                for column, text in enumerate(fact):
                    sheet.write_string(place, column, _escape_sheet_cell(text))


WRITERS: Final[dict[str, Callable[[ExportTable, IO[bytes]], None]]] = {
    "csv": write_csv,
    "xlsx": write_xlsx,
}


def render_csv(table: ExportTable) -> HttpResponseBase:
    """Stream UTF-8, without waiting for the last row."""
    response = StreamingHttpResponse(
        (line.encode() for line in _iterate_lines(table)), content_type=_CONTENT_TYPES["csv"]
    )
    response.headers["Content-Disposition"] = f'attachment; filename="{table.name}.csv"'
    return _add_facts(response, table.total, table.facts)


def render_xlsx(table: ExportTable) -> HttpResponseBase:
    """Render a workbook. Raises TooManyRows like `write_xlsx`."""
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
    """Send a whole file as a download of this name with suffix; the response closes it."""
    file.seek(0)
    content_type = _CONTENT_TYPES[name.rpartition(".")[2]]
    response = FileResponse(file, as_attachment=True, filename=name, content_type=content_type)
    return _add_facts(response, rows, facts)


def render_file(request: HttpRequest, kind: str, table: ExportTable) -> HttpResponseBase | None:
    """Render the table as `kind` (csv, xlsx); None, with an error message, if it does not fit."""
    try:
        return render_csv(table) if kind == "csv" else render_xlsx(table)
    except TooManyRows:
        messages.error(request, explain_too_many_rows())
        return None


def explain_too_many_rows() -> str:
    """Return the message for rows that do not fit into a workbook."""
    return _("There are too many rows for a spreadsheet: export them as CSV, or filter them.")


def escape_formula(text: str) -> str:
    """Escape a cell of a CSV file, so that no separator makes a formula of a part of it.

    A line break becomes "↵" and any other control character a blank, since a row is one line.
    """
    if _UNSAFE.search(text) is None:
        return text
    flat = _CONTROL.sub(" ", _LINE_BREAK.sub("↵", text))
    escaped = _CELL_START.sub(r"\1\2'", flat)
    # After a semicolon the closing quote would begin a cell that includes the end of the line.
    return f"{escaped} " if escaped.endswith(";") else escaped


class _Echo:
    """File object for csv.writer whose `write` returns the line, so that it can be streamed."""

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
        return table.format_time(value)
    # A negative count would begin like a formula.
    return value if value >= 0 else escape_formula(str(value))


def _write_rows(workbook: Any, table: ExportTable) -> None:
    sheet = workbook.add_worksheet(_("Rows"))
    # Excel sets quote_prefix for a typed apostrophe: the cell stays text when it is edited.
    formats = {
        "text": workbook.add_format({"quote_prefix": True}),
        "time": workbook.add_format({"num_format": _XLSX_TIME}),
        "heading": workbook.add_format({"bold": True}),
    }
    sheet.freeze_panes(1, 0)
    widths = [_WIDTHS[0]] * len(table.headings)
    last = 0
    for place, row in enumerate(chain([table.headings], table.rows)):
        last = place
        for column, value in enumerate(row):
            length = _write_cell(sheet, place, column, value, table, formats)
            if length > widths[column]:
                widths[column] = length
    for column, width in enumerate(widths):
        # Room for the arrow of the filter.
        sheet.set_column(column, column, min(width + 3, _WIDTHS[1]))
    sheet.autofilter(0, 0, last, max(len(widths) - 1, 0))


def _write_cell(
    sheet: Any,
    place: int,
    column: int,
    value: ExportValue,
    table: ExportTable,
    formats: dict[str, Any],
) -> int:
    """Write one cell; return its width in characters."""
    if isinstance(value, int) and abs(value) < _MOST_XLSX_INTEGER:
        sheet.write_number(place, column, value)
        return len(str(value))
    if isinstance(value, datetime):
        local = table.times.local(value) if table.times else value.replace(tzinfo=None)
        text = table.format_time(value)
        # The text of a time that occurs twice tells which of the two it is.
        if local.year >= _FIRST_XLSX_YEAR and len(text) <= len(_XLSX_TIME):
            sheet.write_datetime(place, column, local, formats["time"])
            return len(_XLSX_TIME)
    else:
        text = "" if value is None else str(value)
    if _NUMBERS.fullmatch(text):
        sheet.write_string(place, column, text, formats["text"])
        return len(text)
    escaped = _escape_sheet_cell(text)
    if len(escaped) > _LONGEST_XLSX_TEXT:
        raise TooManyRows
    sheet.write_string(place, column, escaped, None if place else formats["heading"])
    return len(escaped)


def _escape_sheet_cell(text: str) -> str:
    """Escape a cell of a workbook, which may be saved as CSV later; line breaks stay."""
    start = text.lstrip()
    harmful = start[:1] in set(_FORMULA) if start else False
    return f"'{text}" if harmful or _CONTROL.match(text) else text


def _add_facts(
    response: HttpResponseBase, rows: int, facts: Sequence[tuple[str, str]]
) -> HttpResponseBase:
    response.headers["X-Row-Count"] = str(rows)
    if facts:
        text = "; ".join(f"{label}: {value}" for label, value in facts)
        response.headers["X-Export-Facts"] = quote(text, safe=" :;,.()+-_/")
    return make_private(response)
