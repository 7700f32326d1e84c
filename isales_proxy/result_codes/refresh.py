"""Reading the vendor's code table: all pages, in both languages, one reader of a VDN at a time.

Follows "Querying OBS Outbound Call Result Codes".
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from django.core.cache import cache

from isales_proxy.client.errors import IncompleteSweep, TimedOut
from isales_proxy.client.page import Page, iter_pages
from isales_proxy.client.queries import LOCALES, Locale, ResultCodeQuery
from isales_proxy.client.records import ResultCode as VendorCode
from isales_proxy.core import locks
from isales_proxy.core.settings import get_isales_settings
from isales_proxy.models import Vdn
from isales_proxy.result_codes.tables import MAX_CODE_LENGTH, CodeText, Table
from isales_proxy.vendor import gateway

PAGE_ROWS: Final = 50
WITHIN_SECONDS: Final = 150.0
_TURN_SECONDS: Final = 180

Progress = Callable[[int, int], None]
_Placed = tuple[tuple[str, int], VendorCode]


@contextmanager
def fetch_table(
    vdn: Vdn, *, within: float = WITHIN_SECONDS, progress: Progress | None = None
) -> Iterator[Table]:
    """The vendor's whole table as it stands now; until the end nobody else reads a newer one.

    `within` bounds the reading in seconds; `progress` is told (codes read, codes expected). Raises
    ISalesError when the vendor fails, IncompleteSweep for a table without a code,
    `turns.AlreadyRunning` while somebody else reads.
    """

    def tell(read: int, expected: int) -> None:
        cache.set(_progress_key(vdn), (read, expected), _TURN_SECONDS)
        if progress is not None:
            progress(read, expected)

    with locks.hold_lock(f"codes:turn:{vdn.pk}", seconds=_TURN_SECONDS):
        try:
            texts = _read_all(vdn, tell, within)
        finally:
            cache.delete(_progress_key(vdn))
        yield {
            code: CodeText(words.get("zh_CN", ""), words.get("en_US", ""))
            for code, words in texts.items()
        }


def get_progress(vdn: Vdn) -> tuple[int, int]:
    """(codes read, codes expected) of a reading under way; (0, 0) where there is none."""
    read, expected = cache.get(_progress_key(vdn), (0, 0))
    return read, expected


def _progress_key(vdn: Vdn) -> str:
    return f"codes:progress:{vdn.pk}"


def _read_all(vdn: Vdn, tell: Progress, within: float) -> dict[str, dict[str, str]]:
    """Code → locale → words."""
    give_up = time.monotonic() + within
    texts: dict[str, dict[str, str]] = {}
    read = 0

    for locale in LOCALES:

        def fetch(number: int, locale: Locale = locale) -> Page[_Placed]:
            nonlocal read
            left = give_up - time.monotonic()
            if left <= 0:
                raise TimedOut("The code table took too long to read.")
            page = gateway.get_client(vdn).list_result_codes(
                vdn=vdn.pk,
                query=ResultCodeQuery(page=number, size=PAGE_ROWS, locale=locale),
                deadline=left if left < get_isales_settings().deadline else None,
            )
            read += len(page.items)
            tell(read, page.total * len(LOCALES))
            placed = tuple(_placed(page.items, number))
            return Page(items=placed, total=page.total, page=page.page, size=page.size)

        for _where, item in iter_pages(fetch, key=_place):
            code = item.code.replace("\x00", "")[:MAX_CODE_LENGTH]
            if code:
                # PostgreSQL stores no NUL.
                words = (item.description or "").replace("\x00", "")
                texts.setdefault(code, {})[locale] = words
    if not texts:
        raise IncompleteSweep("The vendor lists no result code at all.")
    return texts


def _place(placed: _Placed) -> tuple[str, int]:
    return placed[0]


def _placed(items: Iterable[VendorCode], page: int) -> Iterator[_Placed]:
    """Each row with what makes it one of its own in a sweep.

    That is its code; one that comes twice on a page counts twice, and one without a code counts as
    the row that it is: the vendor's total counts them too.
    """
    seen: Counter[str] = Counter()
    for place, item in enumerate(items):
        seen[item.code] += 1
        yield (item.code, seen[item.code]) if item.code else ("", page * PAGE_ROWS + place), item
