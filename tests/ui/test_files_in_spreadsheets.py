"""Files in a spreadsheet: numbers are unchanged, and no cell is a formula."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import pytest

from dashboard.ui import exports
from dashboard.ui.exports import WRITERS, ExportTable, escape_formula

OFFICE: Final = shutil.which("soffice")
NUMBERS: Final = ["+8613800001234", "0012345", "6591234567", "21713676089219765504", "1e5"]
FORMULAS: Final = ["=1+1", "+1+1", "-1+1", "@SUM(1)", "x;=1+1", "=HYPERLINK(1)", "\t=1+1"]
# Comma, quote, UTF-8, from line 1; quoted cells are text, other ones may be numbers.
AS_CSV: Final = "--infilter=CSV:44,34,76,1,,0,true,false"
_TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT: Final = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_OFFICE: Final = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"


def write(kind: str, folder: Path) -> Path:
    rows = [[text, 7] for text in (*NUMBERS, *FORMULAS)]
    path = folder / f"list.{kind}"
    with path.open("wb") as file:
        WRITERS[kind](ExportTable("list", ["Text", "Count"], rows, len(rows)), file)
    return path


def test_numbers_are_quoted_in_csv_and_counts_are_not(tmp_path: Path) -> None:
    _headings, *lines = write("csv", tmp_path).read_text("utf-8-sig").splitlines()
    written = [f'"{escape_formula(text)}",7' for text in (*NUMBERS, *FORMULAS)]
    assert lines == written


def test_texts_of_a_workbook_are_typed_as_text(tmp_path: Path) -> None:
    with zipfile.ZipFile(write("xlsx", tmp_path)) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314
        parts = book.namelist()
    assert not sheet.findall(".//{*}f")
    assert not [part for part in parts if "externalLink" in part or "vba" in part]
    cells = [list(row) for row in sheet.findall(".//{*}row")[1:]]
    assert {(text.get("t"), count.get("t")) for text, count in cells} == {("inlineStr", None)}
    assert ["".join(text.itertext()) for text, _count in cells][: len(NUMBERS)] == NUMBERS


@pytest.mark.skipif(OFFICE is None, reason="no soffice on this machine")
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_libreoffice_keeps_numbers_and_finds_no_formula(kind: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path)
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    options = [AS_CSV] if kind == "csv" else []
    subprocess.run(
        [str(OFFICE), profile, "--headless", *options, "--convert-to", "fods", path.name],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=120,
    )
    tree = ElementTree.parse(tmp_path / "list.fods")  # noqa: S314 - written just now
    cells = list(tree.iter(f"{_TABLE}table-cell"))
    assert not [cell for cell in cells if cell.get(f"{_TABLE}formula")]
    # Between its paragraphs a cell has the blanks of the file.
    texts = {
        "\n".join("".join(line.itertext()) for line in cell.iter(f"{_TEXT}p"))
        for cell in cells
        if cell.get(f"{_OFFICE}value-type") == "string"
    }
    plain = [escape_formula(text) if kind == "csv" else text for text in NUMBERS]
    assert set(plain) <= texts
    # An apostrophe stands before each formula; a workbook has no separators within a cell.
    begun = [text for text in texts if text.startswith(tuple("=+-@\t"))]
    assert set(begun) <= set(NUMBERS)
    assert kind == "xlsx" or not texts & set(FORMULAS)
    assert exports.escape_formula(FORMULAS[0]) in texts
