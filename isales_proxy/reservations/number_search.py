"""Finding by a whole number for those who may not see numbers.

The vendor also answers a part of a number. Who could ask for parts and count the matches would find
a number digit by digit; so we look through the matches and keep those of exactly that number.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from isales_proxy.access import Scope
from isales_proxy.client.errors import IncompleteSweep
from isales_proxy.client.page import Page, iter_pages
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.core.response_cache import CachedResponse
from isales_proxy.core.settings import get_isales_settings
from isales_proxy.privacy import masking
from isales_proxy.privacy.searched_numbers import SearchedNumber
from isales_proxy.reservations import live as whole_reservations
from isales_proxy.reservations.live import ReservationPage

_MOST_PAGES: Final = 5
_ROWS_A_PAGE: Final = 100


def fetch_page(*, scope: Scope, query: ReservationQuery) -> ReservationPage:
    """One page of the rows of exactly this number, and how many of them there are.

    With `cut_short` the matches were too many to look through all of them, or moved meanwhile.
    Raises ISalesError like `whole_reservations.page`.
    """
    size = min(_ROWS_A_PAGE, get_isales_settings().max_page_size)
    asked = whole_reservations.narrow_to_scope(scope, replace(query, page=1, size=size))
    shown = replace(query, size=min(query.size, get_isales_settings().max_page_size))
    if asked is None or not SearchedNumber.parse(query.called_no).is_complete:
        return ReservationPage((), 0, shown, None, "none")
    answers: list[CachedResponse[Page[Reservation]]] = []

    def fetch(number: int) -> Page[Reservation]:
        answers.append(whole_reservations.fetch(scope, replace(asked, page=number)))
        return answers[-1].value

    cut_short = False
    try:
        iter_pages(fetch, lambda row: row.appoint_id or id(row), max_pages=_MOST_PAGES)
    except IncompleteSweep:
        cut_short = True
    rows, complete = whole_reservations.filter_visible(scope, _equal(answers, query.called_no))
    first = shown.offset
    stale = next((each for each in answers if each.source == "stale"), None)
    live = any(each.source == "live" for each in answers)
    return ReservationPage(
        rows=rows[first : first + shown.size],
        total=len(rows),
        query=shown,
        as_of=min((each.as_of for each in answers), default=None),
        source="stale" if stale else "live" if live else "cache",
        complete=complete and not cut_short,
        error=stale.error if stale else None,
        cut_short=cut_short,
    )


def _equal(
    answers: list[CachedResponse[Page[Reservation]]], number: str
) -> tuple[Reservation, ...]:
    """Each row of that number once, in the vendor's order."""
    wanted = masking.get_digits(number)
    found = {
        row.appoint_id or str(id(row)): row
        for answer in answers
        for row in answer.value.items
        if masking.get_digits(row.called_no or "") == wanted
    }
    return tuple(found.values())
