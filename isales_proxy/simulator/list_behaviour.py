"""Behaviour of the simulated `appoint/list`: what its documents leave open, and its faults.

A behaviour lasts until it is changed; a fault of one call is scripted in `faults`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from isales_proxy.simulator.parameters import PARAMETER_ERROR, ParameterError

T = TypeVar("T")

Order = Literal["near", "appointId", "appointTime", "createTime", "random"]
Column = Literal["appointTime", "createTime"]

_SECOND: Final = 1000
_END_OF_TIME: Final = 1 << 60


@dataclass(slots=True, kw_only=True)
class ListBehaviour:
    """The behaviour of the list of one simulator; every field may be set while it runs.

    Order
        `order`: `near` is due half an hour ago or later, soonest first, then the older ones, newest
        first; by a column, empty values first (`appointTime`: last); `random` is another order
        for each call. `reverse` turns any of them round.
    Range of time
        `range_column`: the column that `beginTime` and `endTime` test; a row without a value is in
        no range. `begin_inclusive`, `end_inclusive`: whether a row exactly at an end is in.
        `cut_milliseconds`: whole seconds are compared: of the `rows`, of the `bounds`, of `both`.
    Pages
        `page_cap`: most rows of a page; more are cut off silently (the offset stays as asked) or,
        with `page_cap_refused`, refused. `ignore_offset`: each page is the first.
        `depth_cap`: where offset + limit exceeds it, the answer has no rows, its total stays; or
        with `depth_cap_refused` it is refused.
    Totals
        `total`: `true`; `low` or `high` by `total_error`; `text` (the true one as a string);
        `negative` (-1); `page` (rows of this page); an integer is answered always, frozen.
    Rows
        `duplicates`: `added` answers the first row of a page twice; `instead` puts it also in the
        place of the last one, which is missing then.
        `number_filter`: `calledNo` finds rows that hold it (`partial`) or are equal (`exact`), none
        at all (`none`), all (`ignored`), or is refused (`refused`).
        `only_agents`: the key may see rows of these accounts alone. `empty`: success, but no rows
        and a total of 0 (the other fields of totals do not apply).
    Clock
        `clock_offset_ms`: how far the vendor's clock is ahead of ours, in ms.
    """

    order: Order = "near"
    reverse: bool = False
    range_column: Column = "appointTime"
    begin_inclusive: bool = True
    end_inclusive: bool = True
    cut_milliseconds: Literal["none", "rows", "bounds", "both"] = "none"
    page_cap: int | None = None
    page_cap_refused: bool = False
    ignore_offset: bool = False
    depth_cap: int | None = None
    depth_cap_refused: bool = False
    total: Literal["true", "low", "high", "text", "negative", "page"] | int = "true"
    total_error: int = 1
    duplicates: Literal["none", "added", "instead"] = "none"
    number_filter: Literal["partial", "exact", "none", "ignored", "refused"] = "partial"
    only_agents: Collection[str] | None = None
    empty: bool = False
    clock_offset_ms: int = 0

    def limit_of_pages(self, documented: int) -> int:
        """Return the largest `limit` that is accepted."""
        refused = self.page_cap is not None and self.page_cap_refused
        return min(documented, self.page_cap or documented) if refused else documented

    def check(self, wanted: Mapping[str, Any]) -> None:
        """Raise ParameterError for a filter or a depth that this vendor refuses."""
        if "calledNo" in wanted and self.number_filter == "refused":
            raise ParameterError(PARAMETER_ERROR, "calledNo: the filter is not supported.")
        if self._is_too_deep(wanted) and self.depth_cap_refused:
            raise ParameterError(PARAMETER_ERROR, f"offset: no rows beyond {self.depth_cap}.")

    def range_of(self, wanted: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return the times that are in, as `low <= ms < high`; None without a range."""
        if not wanted.keys() & {"beginTime", "endTime"}:
            return None
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

    def page_of(self, found: Sequence[T], wanted: Mapping[str, Any]) -> Sequence[T]:
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
        if self.empty:
            return 0
        match self.total:
            case int(frozen):
                return frozen
            case "low":
                return max(0, found - self.total_error)
            case "high":
                return found + self.total_error
            case "text":
                return str(found)
            case "negative":
                return -1
            case "page":
                return page
        return found

    def _is_too_deep(self, wanted: Mapping[str, Any]) -> bool:
        return self.depth_cap is not None and wanted["offset"] + wanted["limit"] > self.depth_cap
