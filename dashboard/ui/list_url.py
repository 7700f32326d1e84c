"""Addresses of lists: query strings, and addresses that differ in one part."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final
from urllib.parse import quote, urlencode

from django import forms
from django.urls import reverse

from isales_proxy.client.records import Reservation
from isales_proxy.core.form_fields import DEFAULT_SIZE, format_local_time
from isales_proxy.reservations.forms import ReservationFilter

Pairs = list[tuple[str, str]]

MANY_AGENTS: Final = 8

_VIEW: Final = ("tab", "source", "as_of")
_CURSOR: Final = ("after", "before", "jump")
# First in an address, with one parameter for each agent.
_FIRST_FILTERS: Final = ("called_no", "agent")
_FILTERS: Final = tuple(
    name
    for name in ReservationFilter.base_fields
    if name not in {"page", "size", "sort", *_VIEW, *_CURSOR, *_FIRST_FILTERS}
)
_VENDOR_FILTERS: Final = frozenset({"called_no", "agent", "task", "begin", "end", "range"})

# As `reverse` quotes.
_PATH_SAFE: Final = "/~:@!$&'()*+,;="
_PATH_PART = re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True)
class ListUrl:
    """Path and parameters of a list; the methods return addresses as texts."""

    path: str
    filters: tuple[tuple[str, str], ...]
    size: int
    page: int
    sort: str = ""
    """Column key, with `-` before it for descending order; "" is the list's own order."""
    view: tuple[tuple[str, str], ...] = ()
    """Source and tab, which stay when filters are cleared, and the time of the list."""
    cursor: tuple[tuple[str, str], ...] = ()
    """Parameters that determine the page instead of its number."""

    @classmethod
    def from_form(cls, path: str, form: ReservationFilter) -> ListUrl:
        """Create from the filter of the reservations, like `from_filter`."""
        address = cls.from_filter(path, form, _FIRST_FILTERS)
        return replace(
            address,
            filters=(*address.filters, *form.list_parameters(*_FILTERS)),
            view=tuple(form.list_parameters(*_VIEW)),
            cursor=tuple(form.list_parameters(*_CURSOR)),
        )

    @classmethod
    def from_filter(cls, path: str, form: forms.Form, names: Iterable[str] = ()) -> ListUrl:
        """Create from a filter: page, size, order, and the parameters with these names, without
        invalid, empty and default values."""
        form.is_valid()
        found = form.cleaned_data
        filters = tuple((name, text) for name in names for text in _list_texts(found.get(name)))
        size, page = found.get("size", DEFAULT_SIZE), found.get("page", 1)
        return cls(path, filters, size, page, found.get("sort", ""))

    def query(self, *, page: int | None = None, size: int | None = None) -> str:
        """Return the query string, optionally with another page or size."""
        # Without `urlencode`, since a pager has a dozen links: these values are numbers and a key.
        paging = self._list_paging(page or self.page, size or self.size)
        parts = [f"{name}={value}" for name, value in paging]
        if self.filters or self.view:
            parts.insert(0, _encode_filters((*self.filters, *self.view)))
        if self.cursor and page is None and size is None:
            parts.append(_encode(list(self.cursor)))
        return "&".join(parts)

    def get_url(self, *, page: int | None = None, size: int | None = None) -> str:
        """Return the address, optionally with another page or size."""
        return with_query(self.path, self.query(page=page, size=size))

    def get_file_url(self, name: str, source: str = "") -> str:
        """Return the address of a file of all rows, `name` under the path of the list.

        Its source is that of the list unless `source` is given.
        """
        pinned = [("source", source)] if source else []
        view = [pair for pair in self.view if not source or pair[0] != "source"]
        pairs = [*self.filters, *view, *pinned, *([("sort", self.sort)] if self.sort else [])]
        return with_query(f"{self.path}{name}", _encode(pairs))

    def get_sorted_url(self, sort: str) -> str:
        """Return the first page in another order."""
        return replace(self, sort=sort, cursor=()).get_url(page=1)

    def get_view_url(self, **view: str) -> str:
        """Return the first page with other values in `view`; "" removes one."""
        pairs = {**dict(self.view), **view}
        kept = tuple((name, pairs[name]) for name in _VIEW if pairs.get(name))
        return replace(self, view=kept).get_url(page=1)

    def get_cursor_url(self, page: int, name: str, cursor: str) -> str:
        """Return the page next to a row; `page` is its number, or 1 if it is unknown."""
        return replace(self, page=page, cursor=((name, cursor),)).get_url()

    def get_live_url(self) -> str:
        """Return the live list with the filters that the vendor supports."""
        kept = tuple(pair for pair in self.filters if pair[0] in _VENDOR_FILTERS)
        vendor = replace(self, filters=kept, sort="", view=(("source", "live"),))
        return vendor.get_url(page=1)

    def get_url_without(self, name: str, value: str | None = None) -> str:
        """Return the first page without one filter, or without all filters with this name. The time
        of the list (`as_of`) counts as a filter."""
        kept = [pair for pair in self.filters if pair[0] != name or value not in {None, pair[1]}]
        view = (*self.view, *(pair for pair in self.cursor if pair[0] == "jump"))
        return self._get_first_page([*kept, *(pair for pair in view if pair[0] != name)])

    def get_range_url(self, name: str) -> str:
        """Return the first page with another named time range."""
        kept = [pair for pair in self.filters if pair[0] not in {"begin", "end", "range"}]
        return self._get_first_page([*kept, ("range", name), *self.view])

    def get_cleared_url(self) -> str:
        """Return the first page of the present list without filters."""
        return self._get_first_page([pair for pair in self.view if pair[0] != "as_of"])

    def _get_first_page(self, pairs: Pairs) -> str:
        return with_query(self.path, _encode([*pairs, *self._list_paging(1, self.size)]))

    def _list_paging(self, page: int, size: int) -> Pairs:
        pairs: Pairs = []
        if page != 1:
            pairs.append(("page", str(page)))
        if size != DEFAULT_SIZE:
            pairs.append(("size", str(size)))
        if self.sort:
            pairs.append(("sort", self.sort))
        return pairs


def join_agents(pairs: Pairs) -> Pairs:
    """Join more than MANY_AGENTS agents into one parameter, which shortens every link."""
    agents = [value for name, value in pairs if name == "agent"]
    if len(agents) <= MANY_AGENTS:
        return pairs
    others = [pair for pair in pairs if pair[0] != "agent"]
    return [*others, ("agent", ",".join(agents))]


def _list_texts(value: Any) -> list[str]:
    """Format the value of a filter, or each of its values, for an address."""
    values = dict.fromkeys(value if isinstance(value, list | tuple) else (value,))
    return [
        format_local_time(each) if isinstance(each, datetime) else str(each)
        for each in values
        if each
    ]


def _encode(pairs: Pairs) -> str:
    return urlencode(join_agents(pairs), safe=",")


@lru_cache(maxsize=200)
def _encode_filters(filters: tuple[tuple[str, str], ...]) -> str:
    return _encode(list(filters))


def get_reservation_url(name: str, vdn_id: int, appoint_id: str | None) -> str:
    """Return the address `name` of a reservation; "" for an ID that cannot be a path segment."""
    if not appoint_id or not _PATH_PART.fullmatch(appoint_id) or appoint_id in {".", ".."}:
        return ""
    before, after = _split_reservation_url(name, vdn_id)
    return f"{before}{quote(appoint_id, safe=_PATH_SAFE)}{after}"


def create_url_builder(name: str, vdn_id: int, query: str) -> Callable[[Reservation], str]:
    """Create the function that returns the address `name` of a row, with this query."""
    before, after = _split_reservation_url(name, vdn_id)
    end = f"{after}?{query}" if query else after

    def build(row: Reservation) -> str:
        ident = row.appoint_id
        if ident and ident.isascii() and ident.isalnum():
            return f"{before}{ident}{end}"
        return with_query(get_reservation_url(name, vdn_id, ident), query)

    return build


@cache
def _split_reservation_url(name: str, vdn_id: int) -> tuple[str, str]:
    """Return the parts of the address around the ID: `reverse` for each row would be slow."""
    before, _mark, after = reverse(name, args=[vdn_id, "0-0"]).partition("0-0")
    return before, after


def with_query(path: str, query: str) -> str:
    """Join path and query; the path alone if either is empty."""
    return f"{path}?{query}" if path and query else path
