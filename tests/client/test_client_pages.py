"""Pages, and the checks when reading all of them."""

from __future__ import annotations

import pytest

from isales_proxy.client.errors import BadAnswer, IncompleteSweep
from isales_proxy.client.page import Page, iter_pages
from tests.support.cases import cases


class Source:
    """Returns the given pages, then empty ones."""

    def __init__(self, *pages: str, totals: tuple[int, ...] | int) -> None:
        self.pages = pages
        self.totals = totals
        self.asked: list[int] = []

    def fetch(self, number: int) -> Page[str]:
        self.asked.append(number)
        items = tuple(self.pages[number - 1]) if number <= len(self.pages) else ()
        total = self.totals if isinstance(self.totals, int) else self.totals[number - 1]
        return Page(items=items, total=total, page=number, size=2)


def sweep(source: Source, max_pages: int = 10) -> str:
    return "".join(iter_pages(source.fetch, str.lower, max_pages=max_pages))


def test_reading_ends_with_the_page_that_completes_the_total() -> None:
    source = Source("ab", "cd", "e", totals=5)
    assert sweep(source) == "abcde"
    assert source.asked == [1, 2, 3]


def test_empty_list_needs_one_call() -> None:
    source = Source(totals=0)
    assert sweep(source) == ""
    assert source.asked == [1]


def test_repeated_key_counts_once_and_the_first_row_stays() -> None:
    assert sweep(Source("ab", "Bc", totals=3)) == "abc"


@cases(
    ("source", "asked"),
    [
        (Source("ab", "cd", totals=(4, 5)), [1, 2]),
        (Source("ab", "", "cd", totals=4), [1, 2]),
        (Source("", "ab", totals=2), [1]),
        (Source("ab", "ab", "cd", totals=4), [1, 2]),
        (Source("ab", "bc", totals=4), [1, 2, 3]),
        (Source("abc", totals=2), [1]),
        (Source("ab", totals=0), [1]),
        (Source(*"abcdefghijkl", totals=12), list(range(1, 11))),
    ],
)
def test_inconsistent_pages_raise_an_error(source: Source, asked: list[int]) -> None:
    with pytest.raises(IncompleteSweep) as caught:
        sweep(source)
    assert source.asked == asked
    assert isinstance(caught.value, BadAnswer)


def test_errors_of_a_page_are_propagated() -> None:
    def fetch(number: int) -> Page[str]:
        raise BadAnswer("x")

    with pytest.raises(BadAnswer, match="x"):
        iter_pages(fetch, str)


@cases(("total", "pages"), [(0, 1), (1, 1), (25, 1), (26, 2), (120, 5)])
def test_number_of_pages_is_rounded_up_and_at_least_one(total: int, pages: int) -> None:
    assert Page(items=(), total=total, page=1, size=25).pages == pages
