"""The reservations of one simulated VDN: a store that changes, and which rows a filter finds."""

from __future__ import annotations

import random
import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from isales_proxy.simulator.list_behaviour import Column, ListBehaviour
from isales_proxy.simulator.reservations import RawRow, Row

RowKey = int | str
"""A row's key as `add` returned it, or an `appointId` (then all rows that have it)."""

NEAR_MS: Final = 30 * 60 * 1000

_INDEXED: Final = ("appointId", "calledNo", "userAccount", "taskId")
_SORTED_SHARE: Final = 8


class Dataset:
    """The rows of one VDN. Thread-safe: a change is whole, a selection is one snapshot.

    Times are ms since 1970 UTC. Every method that takes a `RowKey` raises KeyError when no such
    row is there. `anchor_ms` is the moment around which the order `near` turns.
    """

    def __init__(self, rows: Iterable[Row] = (), *, anchor_ms: int) -> None:
        self._near_ms = anchor_ms - NEAR_MS
        self._lock = threading.RLock()
        self._random = random.Random(anchor_ms)  # noqa: S311  (an order of rows)
        self._added = 0
        self._rows: dict[int, Row] = {}
        self._removed: dict[int, Row] = {}
        # Field → value → keys of the rows that have it, in the order in which they came.
        self._with: dict[str, dict[str, dict[int, None]]] = {name: {} for name in _INDEXED}
        # Column or order → sorted entries, the key of the row last; made when first asked for.
        self._by_time: dict[str, list[tuple[int, int]]] = {}
        self._ordered: dict[str, list[tuple[Any, ...]]] = {}
        self._orders: dict[str, list[int]] = {}  # the keys alone, until the next change
        for row in rows:
            self._put(row)

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows in the order `near`."""
        return tuple(self.select({}))

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, appoint_id: str) -> bool:
        return appoint_id in self._with["appointId"]

    def shown(self, now_ms: int) -> list[RawRow]:
        """Return all rows in the vendor's spelling at `now_ms`: what a copy must equal."""
        with self._lock:
            rows = list(self._rows.values())
        return [row.shown_at(now_ms) for row in rows]

    def add(self, raw_rows: Iterable[Mapping[str, object]]) -> list[int]:
        """Add rows in the vendor's spelling, which are answered as given; return their keys."""
        return self.add_rows(Row.given(fields) for fields in raw_rows)

    def add_rows(self, rows: Iterable[Row]) -> list[int]:
        """Add rows that have a plan of their own; return their keys."""
        with self._lock:
            return [self._put(row) for row in rows]

    def change(
        self, key: RowKey, fields: Mapping[str, object], *, drop: Collection[str] = ()
    ) -> None:
        """Set `fields` of a row, and take those of `drop` out of its answers.

        A generated row goes on as planned in all other fields.
        """
        self._replace(key, lambda row: row.changed(fields, drop))

    def move(self, key: RowKey, appoint_ms: int | None, *, now_ms: int | None = None) -> None:
        """Give a row another time, or none. A planned call after `now_ms` moves along."""
        self._replace(key, lambda row: row.moved(appoint_ms, now_ms))

    def hand_over(self, key: RowKey, account: str | None, name: str | None) -> None:
        """Give a row to another agent, or to none."""
        self.change(key, {"userAccount": account, "userName": name})

    def plan_call(self, key: RowKey, start_ms: int | None, end_ms: int = 0) -> None:
        """Let a generated row be called from `start_ms` to `end_ms`, with the result drawn for it.

        Without a start it is never called.
        """
        self._replace(key, lambda row: row.planned(start_ms, end_ms))

    def begin(self, key: RowKey, begin_ms: int) -> None:
        """Let the call of a row begin."""
        self.change(key, {"beginTime": begin_ms, "callFlag": "1", "timeout": False})

    def finish(
        self,
        key: RowKey,
        begin_ms: int,
        end_ms: int,
        *,
        fail_code: str = "00000",
        **fields: object,
    ) -> None:
        """Let the call of a row end with a result; `fields` are further ones, as `busiResult`."""
        ended = {"beginTime": begin_ms, "endTime": end_ms, "failCode": fail_code, "result": None}
        rest = {"busiResult": None, "callFlag": "2", "timeout": False, **fields}
        self.change(key, {**ended, **rest})

    def remove(self, key: RowKey, *, keep: bool = True) -> None:
        """Take a row out; with `keep` it can be put back."""
        with self._lock:
            for found in self._find(key):
                row = self._take(found)
                if keep:
                    self._removed[found] = row

    def put_back(self, key: RowKey) -> None:
        """Put a removed row back as it was."""
        with self._lock:
            removed = self._removed.items()
            found = [k for k, row in removed if key in (k, row.text("appointId"))]
            if not found:
                raise KeyError(key)
            for one in found:
                self._insert(one, self._removed.pop(one))

    def rename_task(self, task_id: str, name: str | None) -> int:
        """Set the `taskName` of all rows of a task; return how many there are."""
        return self.change_where("taskId", task_id, {"taskName": name})

    def change_where(self, field: str, value: str, fields: Mapping[str, object]) -> int:
        """Set `fields` of all rows whose `field` has a value; return how many there are."""
        with self._lock:
            found = [key for key, row in self._rows.items() if row.text(field) == value]
            for key in found:
                self.change(key, fields)
            return len(found)

    def select(
        self, wanted: Mapping[str, Any], behaviour: ListBehaviour | None = None
    ) -> list[Row]:
        """Return the rows that pass every filter of an `appoint/list` body, in order."""
        with self._lock:
            return [self._rows[key] for key in self._find_keys(wanted, behaviour)]

    def select_page(
        self, wanted: Mapping[str, Any], behaviour: ListBehaviour
    ) -> tuple[list[Row], int]:
        """Return the page of `select` that is answered, and how many rows `select` finds."""
        with self._lock:
            found = self._find_keys(wanted, behaviour)
            return [self._rows[key] for key in behaviour.page_of(found, wanted)], len(found)

    def _find_keys(
        self, wanted: Mapping[str, Any], behaviour: ListBehaviour | None
    ) -> Sequence[int]:
        behaviour = behaviour or ListBehaviour()
        order, bounds = behaviour.order, behaviour.range_of(wanted)
        filters = self._filter(wanted, behaviour)
        if bounds is not None:
            times = self._times(behaviour.range_column)
            low, high = (bisect_left(times, (bound, -1)) for bound in bounds)
            found = [key for _, key in times[low:high]]
        elif filters:
            smallest = min(filters, key=len)
            found = list(smallest)
        else:
            found = list(self._rows) if order == "random" else self._in_order(order)
        for keys in filters:
            found = [key for key in found if key in keys]
        if order == "random":
            self._random.shuffle(found)
        elif bounds is not None or filters:
            found = self._sort(found, order)
        return found[::-1] if behaviour.reverse else found

    def _filter(self, wanted: Mapping[str, Any], behaviour: ListBehaviour) -> list[set[int]]:
        """Return, for each filter but the range, the keys that pass."""
        accounts = [wanted.get("userAccountList"), behaviour.only_agents]
        filters = [self._keys_with("userAccount", given) for given in accounts if given is not None]
        if "taskId" in wanted:
            filters.append(self._keys_with("taskId", [wanted["taskId"]]))
        number, mode = wanted.get("calledNo"), behaviour.number_filter
        if number and mode != "ignored":
            numbers = self._with["calledNo"] if mode == "partial" else (number,)
            held = [one for one in numbers if number in one] if mode != "none" else []
            filters.append(self._keys_with("calledNo", held))
        return filters

    def _keys_with(self, field: str, values: Iterable[str]) -> set[int]:
        known = self._with[field]
        return set().union(*(known[value] for value in set(values) if value in known))

    def _sort(self, found: list[int], order: str) -> list[int]:
        # Most of the rows: to pick them out of the sorted ones is faster than to sort.
        if len(found) * _SORTED_SHARE > len(self._rows):
            wanted = set(found)
            return [key for key in self._in_order(order) if key in wanted]
        rows = self._rows
        return sorted(found, key=lambda key: self._order_entry(order, rows[key], key))

    def _in_order(self, order: str) -> list[int]:
        if order not in self._orders:
            self._orders[order] = [entry[-1] for entry in self._entries(order)]
        return self._orders[order]

    def _times(self, column: Column) -> list[tuple[int, int]]:
        if column not in self._by_time:
            stamped = ((row.ms_of(column), key) for key, row in self._rows.items())
            self._by_time[column] = sorted((ms, key) for ms, key in stamped if ms is not None)
        return self._by_time[column]

    def _entries(self, order: str) -> list[tuple[Any, ...]]:
        if order not in self._ordered:
            items = self._rows.items()
            self._ordered[order] = sorted(self._order_entry(order, row, key) for key, row in items)
        return self._ordered[order]

    def _order_entry(self, order: str, row: Row, key: int) -> tuple[Any, ...]:
        appoint_id = row.text("appointId")
        if order == "appointId":
            return appoint_id, key
        if order == "createTime":
            return row.created_ms or 0, appoint_id, key
        if order == "appointTime":
            shown_ms = row.ms_of("appointTime")
            return shown_ms is None, shown_ms or 0, appoint_id, key
        ms = row.appoint_ms
        # The first page of a demo shows what is late and what is near.
        past = ms is None or ms < self._near_ms
        return past, -(ms or 0) if past else ms, appoint_id, key

    def _put(self, row: Row) -> int:
        self._added += 1
        self._insert(self._added, row)
        return self._added

    def _insert(self, key: int, row: Row) -> None:
        self._rows[key] = row
        self._orders.clear()
        for field, known in self._with.items():
            known.setdefault(row.text(field), {})[key] = None
        for column, times in self._by_time.items():
            if (ms := row.ms_of(column)) is not None:
                insort(times, (ms, key))
        for order, entries in self._ordered.items():
            insort(entries, self._order_entry(order, row, key))

    def _take(self, key: int) -> Row:
        row = self._rows.pop(key)
        self._orders.clear()
        for field, known in self._with.items():
            keys = known[row.text(field)]
            del keys[key]
            if not keys:
                del known[row.text(field)]
        for column, times in self._by_time.items():
            if (ms := row.ms_of(column)) is not None:
                del times[bisect_left(times, (ms, key))]
        for order, entries in self._ordered.items():
            del entries[bisect_left(entries, self._order_entry(order, row, key))]
        return row

    def _find(self, key: RowKey) -> list[int]:
        known = [key] if isinstance(key, int) else list(self._with["appointId"].get(key, ()))
        if not known or known[0] not in self._rows:
            raise KeyError(key)
        return known

    def _replace(self, key: RowKey, change: Callable[[Row], Row]) -> None:
        with self._lock:
            for found in self._find(key):
                self._insert(found, change(self._take(found)))
