"""A query to the mirror's tables: counts of tabs, order and slices of rows.

A page, its total and the counts of the tabs have the same revision and time. The order is (value is
NULL, value, ID), of texts by code points, so that all databases agree.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import (
    DateTimeField,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
)
from django.db.models.expressions import OrderBy
from django.db.models.functions import Coalesce, Collate, NullIf

from isales_proxy.access import Permission, Scope
from isales_proxy.core.database import fetch_rows, take_snapshot
from isales_proxy.models import MirrorName, MirrorState, MirrorVersion
from isales_proxy.models.mirror import ROW_FIELDS
from isales_proxy.reservations.mirrored import (
    PHASE,
    REVISION,
    ROW_FACTS,
    SORTED_BY,
    MirroredReservation,
    build_page_statement,
    build_reservation,
    to_reservation,
)
from isales_proxy.reservations.pages import ListChanged, TabCounts
from isales_proxy.reservations.query import (
    DEEPEST_OFFSET,
    HIDDEN_SORTS,
    MAX_SORTED_ROWS,
    SORT_KEYS,
    Cursor,
    ListQuery,
    Tab,
)
from isales_proxy.reservations.row_filters import Moment, create_filter, match_tab, rank_states
from isales_proxy.reservations.tab_counts import (
    count_in_statement,
    count_rows,
    read_revision,
    share_counts,
)

_ATTEMPTS: Final = 3
_CHUNK: Final = 1_000  # rows
_BLANK: Final = Value("", output_field=TextField())
_URGENT: Final = "urgent"
_MOST_SPARSE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Order:
    """An order: its key and direction, and the requested key if that was refused."""

    key: str
    descending: bool = False
    refused: str = ""

    def reverse(self) -> Order:
        """Return the opposite order."""
        return replace(self, descending=not self.descending)

    @property
    def text(self) -> str:
        """The order as a parameter; "" for the order by urgency of an agent's list."""
        return "" if self.key == _URGENT else f"-{self.key}" if self.descending else self.key


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A row, its place in the order of the due time, and the values that it is sorted by."""

    row: MirroredReservation
    cursor: Cursor
    rank: int
    value: Any

    def get_sort_key(self) -> tuple[Any, ...]:
        """Return the key that orders rows of one rank, all with a value or all without."""
        return (self.cursor.row_id,) if self.value is None else (0, self.value, self.cursor.row_id)


class MirrorReader:
    """One query of one person at one time: its filter, tab and order."""

    def __init__(
        self, scope: Scope, query: ListQuery, now: datetime, seen: int | None = None
    ) -> None:
        self.scope = scope
        self.query = query
        self.moment = Moment.create(scope, query.as_of or now)
        self.filter = create_filter(scope, query, self.moment)
        self.is_agents_own = not scope.can(Permission.SEE_ALL_AGENTS)
        self.tab = query.tab or (Tab.ALL if self.is_agents_own else Tab.OPEN)
        self.seen = seen
        self._changed: int | None = None
        self._sparse = False
        self.has_more: bool | None = None
        """True if more rows follow a page that begins at a cursor; None for a numbered page."""
        self.id_name = "pk" if query.as_of is None else "row_id"

    def read_consistently(self, revision: int) -> tuple[TabCounts, list[FoundRow]]:
        """Read counts and rows of the same revision, in a snapshot if it keeps changing."""
        for _attempt in range(_ATTEMPTS):
            counts = self.count(revision)
            self.moment = replace(self.moment, now=counts.now)
            self._expect_changes(counts.revision)
            rows, revisions = self._read_rows(counts.get(self.tab))
            revisions = revisions or {read_revision(self.scope.vdn.pk)}
            is_same = self.query.as_of is not None or revisions == {counts.revision}
            if is_same and self._is_whole(len(rows), counts.get(self.tab)):
                return counts, rows
            revision = max(revisions)
        with take_snapshot():
            counts = count_rows(self.filter, self.moment)
            self._expect_changes(counts.revision)
            rows, _revisions = self._read_rows(counts.get(self.tab))
        return counts, rows

    def _expect_changes(self, revision: int) -> None:
        """Have changed rows counted with the page, unless the person has seen this revision."""
        self._changed = 0 if self.seen is None or self.seen >= revision else None

    def _is_whole(self, found: int, total: int) -> bool:
        """Tell whether a page has as many rows as it must have of `total`.

        A statement without rows returns no revision, which may have been another one.
        """
        query = self.query
        if query.after is not None or query.before is not None or query.jump is not None:
            return True
        return found == min(query.size, max(total - query.offset, 0))

    def count(self, revision: int) -> TabCounts:
        """Count the rows of every tab, or return the cached counts of the same revision."""
        return share_counts(self.filter, self.moment, revision)

    def count_changed(self) -> int:
        """Count the rows of all tabs that changed after the revision that the person has seen."""
        if self.seen is None or self.query.as_of is not None or self.filter.empty:
            return 0
        if self._changed is None:
            self._changed = self._select_changed().count()
        return self._changed

    def _select_changed(self) -> QuerySet[Any]:
        return self.filter.select().filter(revision__gt=self.seen)

    def list_sortable(self, total: int) -> frozenset[str]:
        """List the keys of the columns by which `total` rows can be sorted."""
        if total > MAX_SORTED_ROWS:
            return frozenset({"due"})
        hidden = frozenset() if self.scope.can(Permission.SEE_NUMBERS) else HIDDEN_SORTS
        return frozenset(SORT_KEYS) - hidden

    def choose_order(self, total: int) -> Order:
        """Return the requested order if `total` rows allow it, else that of the tab."""
        key = self.query.sort.removeprefix("-")
        if key and key in self.list_sortable(total):
            return Order(key, self.query.sort.startswith("-"))
        if self.is_agents_own and self.tab is Tab.ALL:
            return Order(_URGENT, refused=key)
        latest_first = self.tab in {Tab.FAILED, Tab.DONE, Tab.GONE, Tab.ALL}
        return Order("due", descending=latest_first, refused=key)

    def _read_rows(self, total: int) -> tuple[list[FoundRow], set[int]]:
        """Read the rows of the page, and the revisions as of which the statements read them."""
        query, order = self.query, self.choose_order(total)
        if self.filter.empty:
            return [], set()
        is_sorted = self.filter.is_one_value and self.tab not in {Tab.ALL, Tab.TODAY}
        is_rare = self.filter.span is None or bool(self.filter.call_type)
        self._sparse = is_rare and not is_sorted and total <= _MOST_SPARSE
        if order.key != "due":
            value = None if order.key == _URGENT else self._express(order.key)
            ordered = self._sort(order)
            return self._fetch(ordered[query.offset : query.offset + query.size], order, value)
        if query.before is not None:
            segments = (
                segment.filter(self._match_beyond(query.before, not order.descending, nulls))
                for segment, nulls in self._split(order.descending, backwards=True)
            )
            rows, revisions = self._read_beyond(segments, order.reverse())
            return rows[::-1], revisions
        if query.after is not None or query.jump is not None:
            start = query.after or Cursor(query.jump, -1 if not order.descending else 2**63 - 1)
            segments = (
                segment.filter(self._match_beyond(start, order.descending, nulls))
                for segment, nulls in self._split(order.descending)
            )
            return self._read_beyond(segments, order)
        left = total - query.offset
        if query.offset > DEEPEST_OFFSET and 0 < left < query.offset:
            # The end of the list is nearer.
            size = min(query.size, left)
            segments = (each for each, _ in self._split(order.descending, backwards=True))
            rows, revisions = self._read_segments(segments, left - size, size, order.reverse())
            return rows[::-1], revisions
        segments = (each for each, _ in self._split(order.descending))
        return self._read_segments(segments, query.offset, min(query.size, max(left, 0)), order)

    def _read_beyond(
        self, segments: Iterable[QuerySet[Any]], order: Order
    ) -> tuple[list[FoundRow], set[int]]:
        """Read a page at a cursor, and one row more to know whether another page follows."""
        size = self.query.size
        rows, revisions = self._read_segments(segments, 0, size + 1, order)
        self.has_more = len(rows) > size
        return rows[:size], revisions

    def _select(self) -> QuerySet[Any]:
        return self.filter.select().filter(match_tab(self.tab, self.moment))

    def _split(
        self, descending: bool, *, backwards: bool = False
    ) -> Iterator[tuple[QuerySet[Any], bool]]:
        """Yield the rows with a time and those without one, each in the order of an index."""
        sign = "-" if descending != backwards else ""
        rows, due = self._select(), f"{sign}appoint_time"
        if self._sparse and connection.vendor == "sqlite":
            # SQLite does not know that a value is rare and prefers an index that sorts: by that of
            # times it would read the rows of all agents.
            rows = rows.annotate(unindexed=_hide_from_index(F("appoint_time")))
            due = f"{sign}unindexed"
        for is_undated in (True, False) if backwards else (False, True):
            order = [f"{sign}{self.id_name}"] if is_undated else [due, f"{sign}{self.id_name}"]
            yield rows.filter(appoint_time__isnull=is_undated).order_by(*order), is_undated

    def _match_beyond(self, cursor: Cursor, descending: bool, nulls: bool) -> Q:
        """Match the rows that follow a cursor in a segment, in that direction."""
        sign = "lt" if descending else "gt"
        by_id = Q(**{f"{self.id_name}__{sign}": cursor.row_id})
        if cursor.due is None:
            # Rows without a time are last in both orders of the list.
            return by_id if nulls else Q() if self._reads_backwards else Q(pk__in=())
        if nulls:
            return Q(pk__in=()) if self._reads_backwards else Q()
        later = Q(**{f"appoint_time__{sign}": cursor.due})
        return Q(**{f"appoint_time__{sign}e": cursor.due}) & (later | by_id)

    @property
    def _reads_backwards(self) -> bool:
        return self.query.before is not None

    def _read_segments(
        self, segments: Iterable[QuerySet[Any]], offset: int, size: int, order: Order
    ) -> tuple[list[FoundRow], set[int]]:
        """Read a slice of consecutive segments."""
        found: list[FoundRow] = []
        revisions: set[int] = set()
        passed: QuerySet[Any] | None = None
        for segment in segments:
            if passed is not None:
                offset = 0 if found or not offset else max(offset - passed.count(), 0)
            missing = size - len(found)
            rows, seen = self._fetch(segment[offset : offset + missing], order)
            found += rows
            revisions |= seen
            if len(found) >= size:
                break
            passed = segment
        return found, revisions

    def _sort(self, order: Order) -> QuerySet[Any]:
        """Return all rows in an order that has no index."""
        rows, id_order = self._select(), f"{'-' if order.descending else ''}{self.id_name}"
        if order.key == _URGENT:
            return rows.order_by("phase", _order_nulls_last("appoint_time"), id_order)
        rows = rows.annotate(sort_value=self._express(order.key))
        ordered: QuerySet[Any] = rows.order_by(
            _order_nulls_last("sort_value", order.descending), id_order
        )
        return ordered

    def _express(self, key: str) -> Any:
        """Return the expression of a column's value."""
        plain = {"number": "called_no", "type": "call_type", "result": "fail_code"}
        if key == "call":
            return rank_states(self.moment)
        if key == "agent":
            return _collate(Coalesce(NullIf(self._name("agent"), _BLANK), F("agent__account")))
        if key == "task":
            return _collate(Coalesce(NullIf(self._name("task"), _BLANK), F("task__task_id")))
        if key == "task-status":
            return _collate(NullIf(self._name("task", "status"), _BLANK))
        return _collate(F(plain.get(key, "busi_result")))

    def _name(self, kind: str, field: str = "name") -> Any:
        """Return the expression of an agent's or a task's name at the time of the list."""
        present = F(f"{kind}__{field}")
        if self.query.as_of is None:
            return present
        then = MirrorName.objects.filter(
            known_from__lte=self.query.as_of,
            known_until__gt=self.query.as_of,
            **{kind: OuterRef(kind)},
        ).order_by("-known_from", "-pk")
        return Coalesce(Subquery(then.values(field)[:1]), present, output_field=TextField())

    def _fetch(
        self, rows: QuerySet[Any], order: Order, value: Any = None
    ) -> tuple[list[FoundRow], set[int]]:
        """Read a slice of rows, and the revisions of the mirror as of which they were read.

        A subquery selects the slice by IDs, so that the rows before it are neither joined nor
        sorted with all their columns.
        """
        ids = rows.values("pk")
        if value is None and self.query.as_of is None:
            read: Iterable[Sequence[Any]] = self._read_present(ids)
        else:
            sliced = self.filter.model._default_manager.filter(pk__in=ids)  # noqa: SLF001
            sorted_by = F("appoint_time") if value is None else value
            read = self._list_values(sliced, sorted_by=sorted_by, mirror_revision=self._revision)
        found, revisions = [], set()
        for values in read:
            row = build_reservation(values)
            revisions.add(values[REVISION])
            rank = values[PHASE] if order.key == _URGENT else 0
            cursor = Cursor(row.appoint_time, values[0])
            found.append(FoundRow(row, cursor, rank, values[SORTED_BY]))
        # In the order of the database: by code points, rows without a value last.
        found.sort(key=FoundRow.get_sort_key, reverse=order.descending)
        found.sort(key=lambda each: (each.rank, each.value is None))
        return found, revisions

    def _read_present(self, ids: QuerySet[Any]) -> list[Sequence[Any]]:
        """Read rows sorted by their time, like `_list_values` but by raw SQL, which also counts the
        changed rows."""
        changed: tuple[str, tuple[Any, ...]] = "0", ()
        try:
            found = ids.query.sql_with_params()
            if self._changed is None:
                changed = count_in_statement(self._select_changed()).query.sql_with_params()
        except EmptyResultSet:
            return []
        statement, times = build_page_statement(connection.vendor)
        sql = statement.format(changed=changed[0], ids=found[0])
        rows = fetch_rows(sql, (self.scope.vdn.pk, *changed[1], *found[1]), times)
        if rows and self._changed is None:
            self._changed = rows[0][-1]
        return rows

    @property
    def _revision(self) -> Subquery:
        """The expression of the mirror's present revision."""
        state = MirrorState.objects.filter(vdn=self.scope.vdn.pk)
        return Subquery(state.values("revision")[:1])

    def _list_values(self, rows: QuerySet[Any], **more: Any) -> QuerySet[Any]:
        names = {
            "shown_agent": self._name("agent"),
            "shown_task": self._name("task"),
            "shown_status": self._name("task", "status"),
        }
        facts = (
            ROW_FACTS
            if self.query.as_of is None
            else ("row__gone_after", "row__gone_by", "revision", "row__first_revision")
        )
        found: QuerySet[Any] = rows.annotate(**names, **more).values_list(
            *(self.id_name, *ROW_FIELDS, "phase", "unconfirmed", *facts),
            *("agent__account", "task__task_id", *names, *more),
        )
        return found

    def find(self, key: str) -> MirroredReservation | None:
        """Return the row with this key in any tab, as it was at the time of the list."""
        name = "key" if self.query.as_of is None else "row__key"
        rows = self.filter.select().filter(**{name: key})
        return next((build_reservation(values) for values in self._list_values(rows)), None)

    def list_ids(self) -> tuple[array[int], int]:
        """List the IDs of all rows in order, with the revision as of which they were read."""
        counts = self.count(read_revision(self.scope.vdn.pk))
        total = counts.get(self.tab)
        order = self.choose_order(total)
        ids = array("q")
        seen = counts.revision
        if self.filter.empty:
            return ids, seen
        if order.key == "due":
            sign = "-" if order.descending else ""
            by_due_time = _order_nulls_last("appoint_time", order.descending)
            ordered = self._select().order_by(by_due_time, f"{sign}{self.id_name}")
        else:
            ordered = self._sort(order)
        for pk, seen in (  # noqa: B007
            ordered.annotate(mirror_revision=self._revision)
            .values_list("pk", "mirror_revision")
            .iterator(_CHUNK)
        ):
            ids.append(pk)
        return ids, seen

    def iterate(self, ids: array[int], revision: int) -> Iterator[tuple[MirroredReservation, ...]]:
        """Yield the rows with these IDs in order, each as it was at `revision`."""
        for start in range(0, len(ids), _CHUNK):
            wanted = list(ids[start : start + _CHUNK])
            rows = self.filter.model._default_manager.filter(pk__in=wanted)  # noqa: SLF001
            found = {
                values[-1]: build_reservation(values)
                for values in self._list_values(rows, own_id=F("pk"))
            }
            if self.query.as_of is None:
                changed = [pk for pk, row in found.items() if row.revision > revision]
                found |= _read_versions(changed, revision)
            try:
                yield tuple(found[pk] for pk in wanted)
            except KeyError:
                raise ListChanged from None


def _read_versions(row_ids: list[int], revision: int) -> dict[int, MirroredReservation]:
    """Read rows that changed after `revision` as they were then."""
    if not row_ids:
        return {}
    versions = (
        MirrorVersion.objects.filter(row__in=row_ids, revision__lte=revision)
        .select_related("agent", "task")
        .order_by("row", "revision", "pk")
    )
    return {version.row_id: to_reservation(version) for version in versions}


def _order_nulls_last(name: str, descending: bool = False) -> OrderBy:
    return OrderBy(F(name), descending=descending, nulls_last=True)


def _hide_from_index(value: Any) -> Func:
    return Func(value, template="+%(expressions)s", output_field=DateTimeField())


def _collate(value: Any) -> Any:
    """Compare texts by code points, which is SQLite's default."""
    return Collate(value, "C") if connection.vendor == "postgresql" else value
