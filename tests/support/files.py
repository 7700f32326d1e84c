"""Readers of the files that lists are exported to, and of the tables that they must equal."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - of the numbers that are times in a workbook
_FIRST_TIME = 30_000.0


def read_csv(content: bytes) -> list[list[str]]:
    """Return the rows of a CSV file, the headings first."""
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def read_workbook(content: bytes) -> list[list[str]]:
    """Return the first sheet as CSV would have it; its counts are below 30,000."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314
    assert not sheet.findall(".//{*}f"), "a cell is a formula"
    return [[_read_cell(cell) for cell in row] for row in sheet.findall(".//{*}row")]


def _read_cell(cell: Any) -> str:
    if cell.get("t") == "inlineStr":
        text = "".join(part.text or "" for part in cell.iter() if part.tag.endswith("}t"))
        return re.sub(r"_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), text)
    number = float(cell.findtext("{*}v"))
    if number < _FIRST_TIME:
        return str(int(number))
    return str(_EPOCH + timedelta(seconds=round(number * 86_400)))


@dataclass
class ShownRow:
    """A row of a table: the text of each cell with its tooltips."""

    cells: list[str] = field(default_factory=list)


class _Table(HTMLParser):
    """Reads the rows of the first table whose `<table>` has the class."""

    def __init__(self, css: str) -> None:
        super().__init__()
        self.rows: list[ShownRow] = []
        self._css = css
        self._inside = self._cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "table" and not self.rows:
            self._inside = self._css in found.get("class", "").split()
        if not self._inside:
            return
        if tag == "tr" and found.get("class") != "datum-more":
            self.rows.append(ShownRow())
        if tag == "td":
            self._cell = "colspan" not in found
            if self._cell:
                self.rows[-1].cells.append("")
        if self._cell and "title" in found:
            self._add(found["title"])
        elif self._cell:
            self._add("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self._cell = False
        if tag == "table":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside and self._cell:
            self.rows[-1].cells[-1] += data

    def _add(self, text: str) -> None:
        # What stands apart on the page must not become one word.
        self.rows[-1].cells[-1] += f" {text} "


def read_table(text: str, css: str, section: str = "") -> list[list[str]]:
    """Return the cells of each row of the first table with this class, in one line each; of the
    first after the element with the ID `section`."""
    parser = _Table(css)
    parser.feed(text[text.index(f'id="{section}"') :] if section else text)
    return [[" ".join(cell.split()) for cell in row.cells] for row in parser.rows if row.cells]
