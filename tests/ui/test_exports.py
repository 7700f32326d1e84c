"""Files of lists: no cell is a formula, whatever separator the file is read with."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard.ui import exports
from isales_proxy.models import User
from tests.support.audit_page import PATH
from tests.support.cases import cases

SEPARATORS = (",", ";", "\t")
LEADS = re.compile(r"[=+\-@\x00-\x1f\x7f-\x9f]")
FORMULA = "x;=cmd|' /C calc'!A0;y"
ALPHABET = "=+-@,;\t\n\r\" '|a1\x00\x0b\x85\u2028\u00a0＝"
AWKWARD = st.text(alphabet=st.sampled_from(ALPHABET), max_size=12)
ROWS = st.lists(st.lists(AWKWARD | st.text(max_size=8), min_size=3, max_size=3), max_size=4)


def file_of(rows: Sequence[Sequence[str]]) -> str:
    answer: Any = exports.render(exports.ExportTable("x", ["a", "b", "c"], rows, len(rows)), "csv")
    content: bytes = b"".join(answer)
    return content.decode("utf-8-sig")


def cells(text: str) -> Iterator[str]:
    """Yield every possible cell: for each separator, of the whole file and of each line alone."""
    for separator in SEPARATORS:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            yield from row
        for line in text.splitlines():
            yield from (cell for row in csv.reader([line], delimiter=separator) for cell in row)
            yield from line.split(separator)
    yield from text.splitlines()


@given(ROWS)
@example([[FORMULA, 'a";"=x', 'b","-x']])
@example([["a\n=x", "a\r\n\t+x", "a\u2028@x"]])
@example([["+8613800001234", "+1; +2", '""=x']])
@example([["a,;", "a;", 'a;"'], ["=1", "b", "c,;"]])
@example([["x; =1", "x,\u00a0=1", "\t=1"]])
def test_no_cell_begins_like_a_formula(rows: list[list[str]]) -> None:
    found = list(cells(file_of(rows)))
    assert found
    for cell in found:
        assert not LEADS.match(cell.lstrip(" \u00a0")), repr(cell)


@given(st.text(alphabet="abc 0123456789.:–李", max_size=20))
def test_harmless_text_is_unchanged(text: str) -> None:
    assert exports.escape_formula(text) == text


@cases(
    ("text", "cell"),
    [
        ("+8613800001234", "'+8613800001234"),
        ("+6591234567; 0012345", "'+6591234567; 0012345"),
        ("-5", "'-5"),
        ("2026-11-29", "2026-11-29"),
        ("a=b", "a=b"),
        ("two\r\nlines", "two↵lines"),
    ],
)
def test_only_an_apostrophe_or_line_sign_is_added(text: str, cell: str) -> None:
    assert exports.escape_formula(text) == cell


@cases("text", ["=1+1", "+cmd", "-2+3", "@SUM(1)", "\t=1", "\n=1", "  =1"])
def test_formula_in_a_workbook_cell_is_escaped(text: str) -> None:
    (cell,) = workbook([[text]])
    assert cell == f"'{text}"


def test_number_in_a_workbook_is_unchanged() -> None:
    assert workbook([["+8613800001234"], ["0012345"]]) == ["+8613800001234", "0012345"]


def workbook(rows: list[list[str]]) -> list[str]:
    answer: Any = exports.render(exports.ExportTable("x", ["a"], rows, len(rows)), "xlsx")
    content = answer.getvalue()
    answer.file_to_stream.close()
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314
        assert not [each for each in sheet.iter() if each.tag.endswith("}f")]
        texts = [each.text or "" for each in sheet.iter() if each.tag.endswith("}t")]
    return [unescaped(text) for text in texts][1:]


def unescaped(text: str) -> str:
    """Decode `_x0009_` as spreadsheets do."""
    return re.sub(r"_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), text)


@pytest.mark.django_db
@pytest.mark.parametrize("separator", SEPARATORS)
def test_user_name_typed_at_log_in_is_no_formula_in_the_audit_file(
    people: dict[str, User], as_role: Any, separator: str
) -> None:
    Client().post("/accounts/login/", {"login": FORMULA, "password": "wrong"})
    text = as_role("auditor").get(f"{PATH}export.csv").getvalue().decode("utf-8-sig")
    found = [cell for row in csv.reader(io.StringIO(text), delimiter=separator) for cell in row]
    assert not [cell for cell in found if LEADS.match(cell)]
