"""Built-in explanations: one for each code of the reference, in both languages."""

from __future__ import annotations

import csv
from importlib.resources import files

from isales_proxy.models import CodeCategory, CodeNote
from isales_proxy.result_codes import book
from tests.support.cases import cases

SIDES = {
    "success": CodeCategory.SUCCESS,
    "user-side release": CodeCategory.CUSTOMER,
    "normal platform release": CodeCategory.PLATFORM,
    "insufficient system resources": CodeCategory.PLATFORM,
    "system exception": CodeCategory.PLATFORM,
}
# Of these the vendor published no meaning.
WITHOUT_A_SIDE = {"01119", "01153", "01169"}


def read_table(name: str) -> list[dict[str, str]]:
    text = files("isales_proxy").joinpath(f"data/{name}").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


REFERENCE = read_table("obs-result-codes.csv")


def test_exactly_the_documented_codes_are_explained() -> None:
    explained = {row["code"] for row in read_table("code-guide.csv")}
    assert explained == {row["code"] for row in REFERENCE}


@cases("row", REFERENCE)
def test_explanation_has_category_meaning_and_step_in_both_languages(row: dict[str, str]) -> None:
    found = book.get_shipped(row["code"])
    if row["code"] in WITHOUT_A_SIDE:
        assert found.category == ""
    else:
        assert found.category in CodeCategory.values
    for side in filter(None, row["category"].split(" | ")):
        assert found.category == SIDES[side]
    assert len(book.get_texts(found)) > 1
    for name, text in book.get_texts(found).items():
        if name == "category":
            continue
        assert text.endswith("。" if name.endswith("_zh") else ".")
        longest = CodeNote._meta.get_field(name).max_length
        assert longest is not None
        assert len(text) <= longest
        assert any("\u4e00" <= character <= "\u9fff" for character in text) == name.endswith("_zh")


def test_undocumented_code_has_no_explanation() -> None:
    assert book.get_shipped("90001") == book.NOTHING
