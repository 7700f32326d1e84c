"""The address is the state: the list's question as a query string, and that string changed by one
thing (another page, one filter less).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse

from isales_proxy.core.form_fields import DEFAULT_SIZE
from isales_proxy.reservations.forms import ReservationFilter

Pairs = list[tuple[str, str]]

MANY_AGENTS: Final = 8

_PATH_PART = re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True)
class ListUrl:
    """The path of a list and the parameters of the question, as the reader wrote them."""

    path: str
    filters: tuple[tuple[str, str], ...]
    size: int
    page: int

    @classmethod
    def of(cls, path: str, form: ReservationFilter) -> ListUrl:
        """From a form, of which what is bad, empty or a default is left out."""
        form.is_valid()
        found: dict[str, Any] = form.cleaned_data
        filters: Pairs = []
        if found.get("called_no"):
            filters.append(("called_no", found["called_no"]))
        filters += [("agent", account) for account in found.get("agent", ())]
        if found.get("task"):
            filters.append(("task", found["task"]))
        filters += [
            (name, str(form.data[name]).strip()) for name in ("begin", "end") if found.get(name)
        ]
        return cls(path, tuple(filters), found.get("size", DEFAULT_SIZE), found.get("page", 1))

    def query(self, *, page: int | None = None, size: int | None = None) -> str:
        """The query string of this question, on another page or with another size."""
        return _encoded([*self.filters, *self._view(page or self.page, size or self.size)])

    def at(self, *, page: int | None = None, size: int | None = None) -> str:
        """The address of another page, or of the first page of another size."""
        return with_query(self.path, self.query(page=page, size=size))

    def without(self, name: str, value: str | None = None) -> str:
        """The address without one filter, or without all of that name, on its first page."""
        kept = [pair for pair in self.filters if pair[0] != name or value not in {None, pair[1]}]
        return with_query(self.path, _encoded([*kept, *self._view(1, self.size)]))

    def ranged(self, begin: str, end: str) -> str:
        """The address with another time range, on its first page."""
        kept = [pair for pair in self.filters if pair[0] not in {"begin", "end"}]
        pairs = [*kept, ("begin", begin), ("end", end), *self._view(1, self.size)]
        return with_query(self.path, _encoded(pairs))

    def cleared(self) -> str:
        """The address without any filter."""
        return with_query(self.path, _encoded(self._view(1, self.size)))

    def _view(self, page: int, size: int) -> Pairs:
        pairs: Pairs = []
        if page != 1:
            pairs.append(("page", str(page)))
        if size != DEFAULT_SIZE:
            pairs.append(("size", str(size)))
        return pairs


def join_agents(pairs: Pairs) -> Pairs:
    """Parameters with many agents put into one: every link of a page repeats them."""
    agents = [value for name, value in pairs if name == "agent"]
    if len(agents) <= MANY_AGENTS:
        return pairs
    others = [pair for pair in pairs if pair[0] != "agent"]
    return [*others, ("agent", ",".join(agents))]


def _encoded(pairs: Pairs) -> str:
    return urlencode(join_agents(pairs), safe=",")


def get_reservation_url(name: str, vdn_id: int, appoint_id: str | None) -> str:
    """The address `name` of one reservation; "" for an ID that no path can hold."""
    if not appoint_id or not _PATH_PART.fullmatch(appoint_id) or appoint_id in {".", ".."}:
        return ""
    return reverse(name, args=[vdn_id, appoint_id])


def with_query(path: str, query: str) -> str:
    """A path with its query, where there are both."""
    return f"{path}?{query}" if path and query else path
