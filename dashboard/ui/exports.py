"""Rows as a file: CSV or XLSX, in which a number stays the text that it is.

Nothing in a file is ever a formula, a link or a rounded number, and nothing is cut: what a format
cannot hold is refused. A CSV file is read by the separator of the reader's country, or line by
line: whatever can begin a cell then is guarded by an apostrophe, numbers with a plus too (take the
apostrophe away, or use XLSX, where a number stays as it is). The number of rows is told in the
header `X-Row-Count`.
"""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final

import xlsxwriter
from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _

from dashboard.ui.htmx import make_private

Row = Sequence[str]

_BOM: Final = "\ufeff"
_FORMULA: Final = "=+@\uff0b\uff1d\uff0d\uff20-"
# Where a cell can begin: quotes vanish when a file is read, and blanks are passed over.
_BEGINNING: Final = re.compile(rf'(^|[,;"])(\s*)(?=[{_FORMULA}])')
_LINE_BREAK: Final = re.compile(r"\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NUMBERS: Final = re.compile(r"\+?[0-9]+(?:; \+?[0-9]+)*", re.ASCII)
_MOST_XLSX_ROWS: Final = 1_048_576
_LONGEST_XLSX_TEXT: Final = 32_767
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class TooManyRows(ValueError):
    """The format has no room for these rows; another one has."""


@dataclass(frozen=True)
class ExportTable:
    """What is written: a file name without its ending and without any number, a heading for each
    column, and the rows, of which there are `total`."""

    name: str
    headings: Row
    rows: Iterable[Row]
    total: int


def render_csv(table: ExportTable) -> HttpResponseBase:
    """UTF-8 with a mark by which Excel knows it; streamed."""
    response = StreamingHttpResponse(_lines(table), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{table.name}.csv"'
    return _counted(response, table)


def render_xlsx(table: ExportTable) -> HttpResponseBase:
    """A workbook of one sheet in which every cell is text. Raises CannotHold."""
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
    return _counted(response, table)


WRITERS: Final[dict[str, Callable[[ExportTable], HttpResponseBase]]] = {
    "csv": render_csv,
    "xlsx": render_xlsx,
}


def escape_formula(text: str) -> str:
    """Guard a cell of a CSV file: no part of it is a formula, by whatever separator it is read.

    A line break becomes "↵" and any other control character a blank, since a row is one line.
    """
    flat = _CONTROL.sub(" ", _LINE_BREAK.sub("↵", text))
    guarded = _BEGINNING.sub(r"\1\2'", flat)
    # Behind a semicolon the closing quote would open a cell that begins with the end of the line.
    return f"{guarded} " if guarded.endswith(";") else guarded


def render_file(request: HttpRequest, kind: str, table: ExportTable) -> HttpResponseBase | None:
    """The table in the format `kind`; None, said to the person, where that has no room for it."""
    try:
        return WRITERS[kind](table)
    except TooManyRows:
        text = _("A spreadsheet has no room for these rows: export them as CSV, or filter them.")
        messages.error(request, text)
        return None


class _Line:
    """What a csv writer writes to: it hands each line back."""

    def write(self, line: str) -> str:
        return line


def _lines(table: ExportTable) -> Iterator[str]:
    writer = csv.writer(_Line())
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
        # What Excel itself does for an apostrophe that is typed: text, also after it was edited.
        text_only = workbook.add_format({"quote_prefix": True})
        sheet.freeze_panes(1, 0)
        for place, row in enumerate(_all(table)):
            for column, text in enumerate(row):
                if _NUMBERS.fullmatch(text):
                    sheet.write_string(place, column, text, text_only)
                    continue
                guarded = _guarded(text)
                if len(guarded) > _LONGEST_XLSX_TEXT:
                    raise TooManyRows
                sheet.write_string(place, column, guarded)


def _guarded(text: str) -> str:
    """Guard a cell of a workbook, which may be saved as CSV later; its line breaks stay."""
    start = text.lstrip()
    harmful = start[:1] in set(_FORMULA) if start else False
    return f"'{text}" if harmful or _CONTROL.match(text) else text


def _all(table: ExportTable) -> Iterator[Row]:
    yield table.headings
    yield from table.rows


def _counted(response: HttpResponseBase, table: ExportTable) -> HttpResponseBase:
    response.headers["X-Row-Count"] = str(table.total)
    return make_private(response)
