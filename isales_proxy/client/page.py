"""One page of a list, and reading all pages with a check for completeness."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .errors import IncompleteSweep

T = TypeVar("T")

MAX_SWEEP_PAGES = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows of one page; ``total`` counts the rows of all pages, ``page`` counts from 1.

    ``digest`` is a hash of the rows as sent; "" if it was not computed.
    """

    items: tuple[T, ...]
    total: int
    page: int
    size: int
    digest: str = ""

    @property
    def pages(self) -> int:
        """Return the number of pages of this size that ``total`` rows fill; at least 1."""
        return max(1, -(-self.total // self.size))


def iter_pages(
    fetch: Callable[[int], Page[T]],
    key: Callable[[T], Hashable],
    *,
    max_pages: int = MAX_SWEEP_PAGES,
) -> tuple[T, ...]:
    """Read all rows of a list page by page, each ``key`` once, in order of arrival.

    ``fetch`` takes the page number. The sweep ends when as many distinct keys were read as the
    total says. Rows may move between pages meanwhile, so every inconsistency raises
    `IncompleteSweep`: a changed total, a page before the end that is empty or has no new rows, more
    keys than the total, more than ``max_pages`` pages. Errors of ``fetch`` pass through.
    """
    found: dict[Hashable, T] = {}
    total: int | None = None
    for number in range(1, max_pages + 1):
        page = fetch(number)
        if total is None:
            total = page.total
        elif page.total != total:
            raise IncompleteSweep("The list changed its total while it was read.")
        known = len(found)
        for item in page.items:
            found.setdefault(key(item), item)
        if len(found) > total:
            raise IncompleteSweep("The list holds more rows than its total says.")
        if len(found) == total:
            return tuple(found.values())
        if not page.items:
            raise IncompleteSweep("The list ended before its total was reached.")
        if len(found) == known:
            raise IncompleteSweep("A page of the list repeated what earlier pages held.")
    raise IncompleteSweep("The list has more pages than may be read.")
