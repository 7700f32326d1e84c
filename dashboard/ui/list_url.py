"""Addresses of lists: the query as a query string, and links that change one part of it."""

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

_VIEW: Final = ("source", "tab", "as_of")
_FILTERS: Final = (
    *("task", "begin", "end", "range"),
    *("q", "state", "code", "category", "type", "status"),
)
_VENDOR_FILTERS: Final = frozenset({"called_no", "agent", "task", "begin", "end", "range"})

# As `reverse` quotes.
_PATH_SAFE: Final = "/~:@!$&'()*+,;="
_PATH_PART = re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True)
class ListUrl:
    """Path and parameters of a list, as the reader wrote them."""

    path: str
    filters: tuple[tuple[str, str], ...]
    size: int
    page: int
    sort: str = ""
    """Column key, with `-` before it for descending order; "" is the list's own order."""
    view: tuple[tuple[str, str], ...] = ()
    """Where the list comes from: source and tab, which stay when filters are cleared, and its
    time."""
    cursor: tuple[tuple[str, str], ...] = ()
    """Parameters that place the page where no page number does."""

    @classmethod
    def from_form(cls, path: str, form: ReservationFilter) -> ListUrl:
        """Create from a form, without invalid, empty and default values."""
        form.is_valid()
        found: dict[str, Any] = form.cleaned_data
        agents = [("agent", account) for account in found.get("agent", ())]
        filters = [*form.list_parameters("called_no"), *agents, *form.list_parameters(*_FILTERS)]
        return cls(
            path,
            tuple(filters),
            found.get("size", DEFAULT_SIZE),
            found.get("page", 1),
            found.get("sort", ""),
            view=tuple(form.list_parameters("tab", "source", "as_of")),
            cursor=tuple(form.list_parameters("after", "before", "jump")),
        )

    @classmethod
    def from_filter(cls, path: str, form: forms.Form, names: Iterable[str] = ()) -> ListUrl:
        """Create from the filter of an ordinary list, with its parameters of these names, without
        invalid, empty and default values."""
        form.is_valid()
        found = form.cleaned_data
        filters = tuple((name, text) for name in names for text in _list_texts(found.get(name)))
        size, page = found.get("size", DEFAULT_SIZE), found.get("page", 1)
        return cls(path, filters, size, page, found.get("sort", ""))

    def query(self, *, page: int | None = None, size: int | None = None) -> str:
        """Return the query string, optionally with another page or size."""
        # A pager asks a dozen times; what is added is numbers and a key.
        paging = self._list_paging(page or self.page, size or self.size)
        parts = [f"{name}={value}" for name, value in paging]
        if self.filters or self.view:
            parts.insert(0, _encode_filters((*self.filters, *self.view)))
        if self.cursor and page is None and size is None:
            parts.append(_encode(list(self.cursor)))
        return "&".join(parts)

    def at(self, *, page: int | None = None, size: int | None = None) -> str:
        """Return the address, optionally with another page or size."""
        return with_query(self.path, self.query(page=page, size=size))

    def beside(self, name: str, source: str = "") -> str:
        """Return the address of all rows of this question at `name` under the path of the list.

        `source` is "" for the one of the address.
        """
        pinned = [("source", source)] if source else []
        view = [pair for pair in self.view if not source or pair[0] != "source"]
        pairs = [*self.filters, *view, *pinned, *([("sort", self.sort)] if self.sort else [])]
        return with_query(f"{self.path}{name}", _encode(pairs))

    def sorted_by(self, sort: str) -> str:
        """Return the first page in another order."""
        return replace(self, sort=sort, cursor=()).at(page=1)

    def viewed(self, **view: str) -> str:
        """Return the first page with other values of `view`; "" removes one."""
        pairs = {**dict(self.view), **view}
        kept = tuple((name, pairs[name]) for name in _VIEW if pairs.get(name))
        return replace(self, view=kept).at(page=1)

    def placed(self, page: int, name: str, cursor: str) -> str:
        """Return the page beside a row, `page` being its number or 1 for an unknown one."""
        return replace(self, page=page, cursor=((name, cursor),)).at()

    def from_vendor(self) -> str:
        """Return the same question to the vendor, without what it cannot answer."""
        kept = tuple(pair for pair in self.filters if pair[0] in _VENDOR_FILTERS)
        vendor = replace(self, filters=kept, sort="", view=(("source", "live"),))
        return vendor.at(page=1)

    def without(self, name: str, value: str | None = None) -> str:
        """Return the first page without one filter, or without all filters of that name; the time
        of the list is one."""
        kept = [pair for pair in self.filters if pair[0] != name or value not in {None, pair[1]}]
        places = (*self.view, *(pair for pair in self.cursor if pair[0] == "jump"))
        view = [pair for pair in places if pair[0] != name]
        return with_query(self.path, _encode([*kept, *view, *self._list_paging(1, self.size)]))

    def ranged(self, name: str) -> str:
        """Return the first page with another named time range."""
        kept = [pair for pair in self.filters if pair[0] not in {"begin", "end", "range"}]
        pairs = [*kept, ("range", name), *self.view, *self._list_paging(1, self.size)]
        return with_query(self.path, _encode(pairs))

    def cleared(self) -> str:
        """Return the first page without filters, as it is now."""
        view = [pair for pair in self.view if pair[0] != "as_of"]
        return with_query(self.path, _encode([*view, *self._list_paging(1, self.size)]))

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
    """Join more than MANY_AGENTS agents into one parameter, since every link repeats them."""
    agents = [value for name, value in pairs if name == "agent"]
    if len(agents) <= MANY_AGENTS:
        return pairs
    others = [pair for pair in pairs if pair[0] != "agent"]
    return [*others, ("agent", ",".join(agents))]


def _list_texts(value: Any) -> list[str]:
    """Format a value of a filter, or each of several, as an address carries it."""
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
    """Return the address `name` of a reservation; "" for an ID that a path cannot hold."""
    if not appoint_id or not _PATH_PART.fullmatch(appoint_id) or appoint_id in {".", ".."}:
        return ""
    before, after = _split_reservation_url(name, vdn_id)
    return f"{before}{quote(appoint_id, safe=_PATH_SAFE)}{after}"


def create_url_builder(name: str, vdn_id: int, query: str) -> Callable[[Reservation], str]:
    """Create the function that gives the address `name` of a row, with this query."""
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
    """Return the address around the ID, since `reverse` would cost a page one call per row."""
    before, _mark, after = reverse(name, args=[vdn_id, "0-0"]).partition("0-0")
    return before, after


def with_query(path: str, query: str) -> str:
    """Join path and query; the path alone if either is empty."""
    return f"{path}?{query}" if path and query else path
