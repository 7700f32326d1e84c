"""Pager of a list: links to first, neighbouring and last page, page sizes, go to page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from django.conf import settings
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from dashboard.ui.jinja2 import render_fragment
from dashboard.ui.list_url import ListUrl, join_agents
from isales_proxy.client.queries import MAX_PAGE

SIZES: Final = (10, 25, 50, 100)
_NEIGHBOURS: Final = 1


class PageLink(NamedTuple):
    """A link to a page; number 0 is a gap between page numbers."""

    number: int
    text: str = ""
    label: str = ""
    url: str = ""
    current: bool = False


class SizeLink(NamedTuple):
    """A link to the first page with another page size."""

    size: int
    label: str
    url: str
    current: bool


@dataclass(frozen=True)
class Pager:
    """Context of `components/pager.jinja`. The address of a page that does not exist is ""."""

    text: str
    page: int
    pages: int
    items: list[PageLink]
    prev_url: str
    next_url: str
    first_url: str
    sizes: list[SizeLink]
    goto_action: str
    goto_hidden: list[tuple[str, str]]

    @property
    def markup(self) -> SafeString:
        """Render the pager."""
        return render_fragment("components/pager.jinja", pager=self)


def build_pager(address: ListUrl, *, total: int, shown: int) -> Pager:
    """Build the pager of a list of `total` rows with `shown` rows on the page of `address`."""
    page, size, language = address.page, address.size, get_language()
    pages = min(max(1, -(-total // size)), MAX_PAGE)
    first_row = (page - 1) * size + 1
    return Pager(
        text=_("%(first)s–%(last)s of %(total)s")
        % {
            "first": _format_count(language, first_row),
            "last": _format_count(language, first_row + shown - 1),
            "total": _format_count(language, total),
        }
        if shown
        else "",
        page=page,
        pages=pages,
        items=_list_items(address, pages, language),
        prev_url=address.get_url(page=min(page - 1, pages)) if page > 1 else "",
        next_url=address.get_url(page=page + 1) if page < pages else "",
        first_url=address.get_url(page=1) if page > 1 else "",
        sizes=[
            SizeLink(
                each, _label_size(language, each), address.get_url(page=1, size=each), each == size
            )
            for each in sorted({*SIZES, size})
            if each <= settings.ISALES.max_page_size
        ],
        goto_action=address.path,
        goto_hidden=[
            *join_agents(list(address.filters)),
            *address.view,
            ("size", str(size)),
            *([("sort", address.sort)] if address.sort else []),
        ],
    )


def _list_items(address: ListUrl, pages: int, language: str | None) -> list[PageLink]:
    neighbours = range(address.page - _NEIGHBOURS, address.page + _NEIGHBOURS + 1)
    items: list[PageLink] = []
    previous = 0
    for page in sorted({1, pages, *(page for page in neighbours if 1 <= page <= pages)}):
        if page - previous > 1:
            items.append(PageLink(0))
        text, label = _format_count(language, page), _label_page(language, page)
        items.append(PageLink(page, text, label, address.get_url(page=page), page == address.page))
        previous = page
    return items


def format_count(number: int) -> str:
    """Format a number with the separators of the user's language."""
    return _format_count(get_language(), number)


@lru_cache(maxsize=4096)
def _format_count(_language: str | None, number: int) -> str:
    return number_format(number, use_l10n=True, force_grouping=True)


@lru_cache(maxsize=4096)
def _label_page(language: str | None, number: int) -> str:
    return _("Page %(page)s") % {"page": _format_count(language, number)}


@lru_cache(maxsize=256)
def _label_size(_language: str | None, size: int) -> str:
    return _("%(size)s per page") % {"size": size}
