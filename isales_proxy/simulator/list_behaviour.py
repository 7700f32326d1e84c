"""Behaviour of the simulated `appoint/list`: what its documents leave open, and its faults.

A behaviour lasts until it is changed; a fault of one call is scripted in `faults`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from isales_proxy.simulator.parameters import PARAMETER_ERROR, ParameterError
from isales_proxy.simulator.reservations import Row

Order = Literal["near", "appointId", "appointTime", "createTime", "random"]
Column = Literal["appointTime", "createTime"]

_SECOND: Final = 1000
_END_OF_TIME: Final = 1 << 60


@dataclass(slots=True, kw_only=True)
class ListBehaviour:
    """The behaviour of the list of one simulator; every field may be set while it runs."""

    # `near`: due half an hour ago or later, soonest first, then the older ones, newest first. By a
    # column: empty values first (`appointTime`: last). `random`: another order for each call.
    order: Order = "near"
    reverse: bool = False

    # The column that `beginTime` and `endTime` test; a row without a value is in no range. Whether
    # a row exactly at an end is in, and of what whole seconds are compared.
    range_column: Column = "appointTime"
    begin_inclusive: bool = True
    end_inclusive: bool = True
    cut_milliseconds: Literal["none", "rows", "bounds", "both"] = "none"

    max_limit: int = 100  # a larger `limit` is refused
    page_cap: int | None = None  # more rows are cut off silently; the offset stays as asked
    ignore_offset: bool = False  # each page is the first
    # Where offset + limit exceeds it, there are no rows (but their total), or a refusal.
    depth_cap: int | None = None
    depth_cap_refused: bool = False

    # `low` or `high` by one; the true one as a string; -1; the rows of this page; always the same.
    total: Literal["true", "low", "high", "text", "negative", "page"] | int = "true"
    # The first row of a page comes twice: as one more, or in the place of the last one.
    duplicates: Literal["none", "added", "instead"] = "none"
    # `calledNo` finds rows that hold it or are equal, none at all, all, or is refused.
    number_filter: Literal["partial", "exact", "none", "ignored", "refused"] = "partial"
    only_agents: Collection[str] | None = None  # the key may see rows of these accounts alone
    empty: bool = False  # success, but no rows and a total of 0

    clock_offset_ms: int = 0  # how far the vendor's clock is ahead of ours

    def check(self, wanted: Mapping[str, Any]) -> None:
        """Raise ParameterError for a filter or a depth that this vendor refuses."""
        if "calledNo" in wanted and self.number_filter == "refused":
            raise ParameterError(PARAMETER_ERROR, "calledNo: the filter is not supported.")
        if self._is_too_deep(wanted) and self.depth_cap_refused:
            raise ParameterError(PARAMETER_ERROR, f"offset: no rows beyond {self.depth_cap}.")

    def range_of(self, wanted: Mapping[str, Any]) -> tuple[int, int]:
        """Return the times that are in, as `low <= ms < high`; without a range any, and none."""
        if not wanted.keys() & {"beginTime", "endTime"}:
            return -_END_OF_TIME, _END_OF_TIME
        step = _SECOND if self.cut_milliseconds in ("rows", "both") else 1
        cut = _SECOND if self.cut_milliseconds in ("bounds", "both") else 1
        low, high = 0, _END_OF_TIME
        if "beginTime" in wanted:
            begin = wanted["beginTime"] // cut * cut
            low = -(-begin // step) * step if self.begin_inclusive else (begin // step + 1) * step
        if "endTime" in wanted:
            end = wanted["endTime"] // cut * cut
            high = (end // step + 1) * step if self.end_inclusive else -(-end // step) * step
        return low, high

    def finds(self, wanted: str, number: str) -> bool:
        """Tell whether the filter `calledNo` finds a row with this number."""
        found = {"partial": wanted in number, "exact": wanted == number, "ignored": True}
        return found.get(self.number_filter, False)

    def page_of(self, found: list[Row], wanted: Mapping[str, Any]) -> list[Row]:
        """Return the page that is answered of all rows found."""
        if self.empty or self._is_too_deep(wanted):
            return []
        offset = 0 if self.ignore_offset else wanted["offset"]
        page = found[offset : offset + min(wanted["limit"], self.page_cap or wanted["limit"])]
        if page and self.duplicates == "added":
            return [page[0], *page]
        if page and self.duplicates == "instead":
            return [*page[:-1], page[0]]
        return page

    def total_of(self, found: int, page: int) -> int | str:
        """Return the `totalCount` of an answer with `page` of `found` rows."""
        totals: dict[str | int, int | str] = {
            "true": found,
            "low": max(0, found - 1),
            "high": found + 1,
            "text": str(found),
            "negative": -1,
            "page": page,
        }
        return 0 if self.empty else totals.get(self.total, self.total)

    def _is_too_deep(self, wanted: Mapping[str, Any]) -> bool:
        return self.depth_cap is not None and wanted["offset"] + wanted["limit"] > self.depth_cap
