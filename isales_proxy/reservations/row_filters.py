"""Conditions of the mirror's rows and versions: scope, filters, states and tabs.

`status.get_status` is the rule of the states; the bounds here are the same in SQL.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When

from isales_proxy.access import Permission, Scope
from isales_proxy.mirror.row_keys import pack_digits
from isales_proxy.models import (
    CountedBy,
    MirrorAgent,
    MirrorBusinessResult,
    MirrorCount,
    MirrorName,
    MirrorRow,
    MirrorTask,
    MirrorVersion,
)
from isales_proxy.models.mirror import Phase
from isales_proxy.privacy import masking
from isales_proxy.privacy.phone_numbers import SearchedNumber
from isales_proxy.reservations.query import MOST_NUMBERS, ListQuery, Tab, get_days
from isales_proxy.reservations.status import (
    AUTOMATIC,
    DIALLED_EARLIER,
    SOON,
    ReservationState,
)
from isales_proxy.result_codes import book as code_book

Model = type[MirrorRow] | type[MirrorVersion]

_TICK: Final = timedelta(microseconds=1)

PRESENT_PHASES: Final = tuple(phase for phase in Phase if phase is not Phase.GONE)
_OPEN: Final = Q(phase=Phase.OPEN)
_PHASES: Final = {
    ReservationState.CALLED: Phase.CALLED,
    ReservationState.FAILED: Phase.FAILED,
    ReservationState.ANSWERED: Phase.ANSWERED,
    ReservationState.GONE: Phase.GONE,
}


@dataclass(frozen=True)
class Moment:
    """The time of a page (aware UTC), the grace of its VDN, and the reader's day."""

    now: datetime
    late_grace: timedelta
    day_begin: datetime
    day_end: datetime

    @classmethod
    def create(cls, scope: Scope, now: datetime) -> Moment:
        """Create from `now` (aware) and the person's time zone."""
        return cls(now, scope.vdn.late_grace, *get_days(now, scope.zone, 0, 1))

    @property
    def soon_until(self) -> datetime:
        """The due time until which an open row may be due soon."""
        return self.now + SOON + DIALLED_EARLIER

    @property
    def late_before(self) -> datetime:
        """The due time before which an open row is overdue."""
        return self.now - self.late_grace


@dataclass(frozen=True)
class Span:
    """A range of due times [low, high), aware; None for no bound."""

    low: datetime | None = None
    high: datetime | None = None

    @classmethod
    def create(cls, begin: datetime | None, end: datetime | None) -> Span:
        """Create the range of a query, which includes both bounds."""
        return cls(begin, end + _TICK if end else None)

    def limit(self, low: datetime | None, high: datetime | None) -> Span:
        """Return the intersection with another range."""
        lows = [each for each in (self.low, low) if each is not None]
        highs = [each for each in (self.high, high) if each is not None]
        return Span(max(lows, default=None), min(highs, default=None))


@dataclass(frozen=True)
class RowFilter:
    """The rows or versions that match a person's query in all tabs.

    `few`: the rows were found already, and `where` has their IDs. `counters` selects the rows of
    `MirrorCount` whose sum is the number of rows; None without such counters. `span` is the range
    of due times, maybe without bounds, that counters of hours can count, those of `call_type` if it
    is given; None if other conditions limit the rows. `empty`: nothing can match.
    """

    model: Model
    vdn_id: int
    where: Q
    few: bool = False
    counters: Q | None = None
    span: Span | None = None
    call_type: str = ""
    empty: bool = False

    @property
    def is_one_value(self) -> bool:
        """True if one value of one column limits the rows of a VDN, so that an index sorts them."""
        limits = [each for each in self.where.children if each != ("vdn", self.vdn_id)]
        return len(limits) == 1 and isinstance(limits[0], tuple) and "__" not in limits[0][0]

    def select(self) -> QuerySet[Any]:
        """Return the rows, unordered."""
        found = self.model._default_manager.filter(self.where)  # noqa: SLF001
        return found.none() if self.empty else found


def select_present_rows(scope: Scope) -> QuerySet[MirrorRow]:
    """Select the rows of the scope as they are now, with agent and task: for an agent their own,
    of the gone ones those last theirs."""
    found = MirrorRow.objects.for_vdn(scope.vdn).select_related("agent", "task")
    if scope.can(Permission.SEE_ALL_AGENTS):
        return found
    return found.filter(agent__account=scope.agent_account) if scope.agent_account else found.none()


def create_filter(scope: Scope, query: ListQuery, moment: Moment | None = None) -> RowFilter:
    """Create the filter of a query within the person's scope, with up to five small SQL queries.

    `moment` is required for a query with a state.
    """
    model: Model = MirrorRow if query.as_of is None else MirrorVersion
    where, counters = Q(), _Counters()
    if query.as_of is not None:
        where &= Q(known_from__lte=query.as_of, known_until__gt=query.as_of)
        counters.refuse()
    agents = _find_agents(scope, query)
    tasks = _find_tasks(scope, query)
    if agents is not None:
        where &= _match_any("agent", agents)
        counters.limit(CountedBy.NAMES, _match_any("agent_key", agents))
    if tasks is not None:
        where &= _match_any("task", tasks)
        counters.limit(CountedBy.NAMES, _match_any("task_key", tasks))
    named = _find_named(scope, query.text, query.as_of) if query.text else None
    if named is not None:
        by_agent, by_task, results = named
        where &= _match_columns(agent=by_agent, task=by_task, business=results)
        if results and (by_agent or by_task):
            counters.refuse()
        elif results:
            counters.limit(CountedBy.BUSINESS, _match_any("value", [str(pk) for pk in results]))
        else:
            counters.limit(CountedBy.NAMES, _match_columns(agent_key=by_agent, task_key=by_task))
    if query.begin is not None:
        where &= Q(appoint_time__gte=query.begin)
    if query.end is not None:
        where &= Q(appoint_time__lte=query.end)
    if query.call_type:
        where &= Q(call_type=query.call_type)
        counters.limit(CountedBy.TYPE, Q(value=query.call_type))
    codes = _find_codes(scope, query)
    if codes is not None:
        where &= _match_any("fail_code", codes)
        counters.limit(CountedBy.CODE, _match_any("value", codes))
    if query.state:
        assert moment is not None  # noqa: S101 - see the docstring
        where &= match_state(ReservationState(query.state), moment)
        counters.refuse()
    few, empty = False, () in {agents, tasks, codes} or (named is not None and not any(named))
    if query.called_no:
        number = _match_number(scope, query.called_no, past=query.as_of is not None)
        if isinstance(number, list):
            few, empty = True, empty or not number
            where &= Q(pk__in=number)
        else:
            where &= number
        counters.refuse()
    if not few:
        # The IDs are of this VDN; with the condition SQLite would not search by them.
        where &= Q(vdn=scope.vdn.pk)
    found, is_limited = counters.match(), query.begin is not None or query.end is not None
    return RowFilter(
        model,
        scope.vdn.pk,
        where,
        few,
        counters=None if is_limited else found,
        span=Span.create(query.begin, query.end) if counters.have_hours else None,
        call_type=query.call_type,
        empty=empty,
    )


@dataclass
class _Counters:
    """The counters that can count the rows of a filter, all of one kind."""

    kind: CountedBy = CountedBy.ALL
    where: Q | None = field(default_factory=Q)

    def limit(self, kind: CountedBy, condition: Q) -> None:
        """Add a condition that counters of this kind support."""
        if self.where is None or self.kind not in {CountedBy.ALL, kind}:
            self.refuse()
        else:
            self.kind, self.where = kind, self.where & condition

    def refuse(self) -> None:
        """Add a condition that no counter supports."""
        self.where = None

    @property
    def have_hours(self) -> bool:
        """True if at most a type limits the rows, for which there are counters of hours."""
        return self.where is not None and self.kind in {CountedBy.ALL, CountedBy.TYPE}

    def match(self) -> Q | None:
        """Return the condition of the counters; None if no counters can be used."""
        return None if self.where is None else Q(counted_by=self.kind) & self.where


def _match_any(name: str, values: Sequence[object]) -> Q:
    return Q(**{name: values[0]}) if len(values) == 1 else Q(**{f"{name}__in": values})


def _match_columns(**values: Sequence[object]) -> Q:
    """Match rows with one of the values in any of the columns; those without values are ignored."""
    found = Q()
    for name, keys in values.items():
        found |= _match_any(name, keys) if keys else Q()
    return found


def _find_agents(scope: Scope, query: ListQuery) -> tuple[int, ...] | None:
    accounts = query.agents
    if not scope.can(Permission.SEE_ALL_AGENTS):
        own = scope.agent_account
        if not own or (accounts and own not in accounts):
            return ()
        accounts = (own,)
    if not accounts:
        return None
    found = MirrorAgent.objects.filter(vdn=scope.vdn, account__in=accounts)
    return tuple(found.order_by("pk").values_list("pk", flat=True))


def _find_tasks(scope: Scope, query: ListQuery) -> tuple[int, ...] | None:
    if not query.task_id and not query.task_status:
        return None
    found = MirrorTask.objects.filter(vdn=scope.vdn).order_by("pk")
    if query.task_id:
        found = found.filter(task_id=query.task_id)
    if not query.task_status:
        return tuple(found.values_list("pk", flat=True))
    if query.as_of is None:
        found = found.filter(status=query.task_status)
        return tuple(found.values_list("pk", flat=True))
    then = {name.task_id: name.status for name in _select_names(scope, "task", query.as_of)}
    present = found.values_list("pk", "status")
    return tuple(pk for pk, status in present if then.get(pk, status) == query.task_status)


def _find_named(
    scope: Scope, text: str, as_of: datetime | None
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the IDs of the agents and tasks with this part of a name at that time, and of the
    business results with this part of a text, all as masked for the person."""
    agents = MirrorAgent.objects.filter(vdn=scope.vdn).order_by("pk")
    tasks = MirrorTask.objects.filter(vdn=scope.vdn).order_by("pk")
    results = MirrorBusinessResult.objects.filter(vdn=scope.vdn).order_by("pk")
    then: dict[str, dict[int, str]] = {"agent": {}, "task": {}}
    if as_of is not None:
        for kind, names in then.items():
            found = _select_names(scope, kind, as_of)
            names |= {getattr(name, f"{kind}_id"): name.name for name in found}
    # Without an ID, since the whole unmasked text, which may contain a number, must not match.
    texts = ((pk, "", name) for pk, name in results.values_list("pk", "text"))
    return (
        _match_names(scope, text, agents.values_list("pk", "account", "name"), then["agent"]),
        _match_names(scope, text, tasks.values_list("pk", "task_id", "name"), then["task"]),
        _match_names(scope, text, texts, {}),
    )


def _select_names(scope: Scope, kind: str, as_of: datetime) -> QuerySet[MirrorName]:
    """Select the names of agents or tasks as known at `as_of`, the latest last."""
    return MirrorName.objects.filter(
        known_from__lte=as_of, known_until__gt=as_of, **{f"{kind}__vdn": scope.vdn}
    ).order_by("known_from", "pk")


def _match_names(
    scope: Scope, text: str, rows: Iterable[tuple[int, str, str]], then: Mapping[int, str]
) -> tuple[int, ...]:
    """Match IDs and names; `then` has the names that were different at the time of the list."""
    hidden = not scope.can(Permission.SEE_NUMBERS)
    wanted = text.casefold()

    def is_named(name: str) -> bool:
        return wanted in (masking.mask_text(name) if hidden else name).casefold()

    return tuple(
        pk for pk, ident, name in rows if is_named(then.get(pk, name)) or wanted == ident.casefold()
    )


def _find_codes(scope: Scope, query: ListQuery) -> tuple[str, ...] | None:
    """Return the codes that match `codes` and `category`, in all their spellings; None if both are
    empty."""
    if not query.codes and not query.category:
        return None
    requested = {each for code in query.codes for each in code_book.list_spellings(code)}
    found = requested
    if query.category:
        book = code_book.get_book(scope.vdn)
        known = {*book.codes, *book.notes, *code_book.list_codes()}
        spelt = {each for code in known | requested for each in code_book.list_spellings(code)}
        found = {code for code in spelt if book.explain(code).category == query.category}
        if query.codes:
            found &= requested
    return _keep_occurring(scope, found) if query.as_of is None else tuple(sorted(found))


def _keep_occurring(scope: Scope, codes: Collection[str]) -> tuple[str, ...]:
    """Drop the codes that no row has: a single code is read in the order of an index, while a query
    plan for many is slow."""
    counted = MirrorCount.objects.filter(
        vdn=scope.vdn, counted_by=CountedBy.CODE, value__in=codes, rows__gt=0
    )
    return tuple(sorted(set(counted.values_list("value", flat=True))))


def _match_number(scope: Scope, text: str, *, past: bool) -> Q | list[int]:
    """Return the IDs of the rows with a number; a condition for the past or if there are too many.

    With SEE_NUMBERS a number that is not found whole is a part with which numbers begin or end. The
    rows are searched for once, in the indexes of numbers, instead of by each count.
    """
    number = SearchedNumber.parse(text)
    whole = _match_whole(number)
    sees_numbers = scope.can(Permission.SEE_NUMBERS)
    if not number.is_complete and not sees_numbers:
        return []
    if past:
        return whole if number.is_complete else _match_past_part(number)
    found = _find_rows(scope, whole) if number.is_complete else []
    if len(found) > MOST_NUMBERS:
        return whole
    if not found and sees_numbers:
        found = _find_part(scope, number)
    return found


def is_vague_number(scope: Scope, query: ListQuery) -> bool:
    """Tell whether more than `MOST_NUMBERS` rows have a number that begins or ends with a
    searched part."""
    if not query.called_no or query.as_of is not None or not scope.can(Permission.SEE_NUMBERS):
        return False
    number = SearchedNumber.parse(query.called_no)
    if number.is_complete and _find_rows(scope, _match_whole(number)):
        return False
    return len(_find_part(scope, number)) > MOST_NUMBERS


def _match_whole(number: SearchedNumber) -> Q:
    return Q(called_no__in=sorted({*number.spellings, number.text}))


def _find_part(scope: Scope, number: SearchedNumber) -> list[int]:
    """Find the IDs of the rows whose number begins or ends with these digits; see `_find_rows`."""
    if not number.digits:
        return []
    (low, high), (last, next_one) = map(pack_digits, (number.digits, number.digits[::-1]))
    begins = _find_rows(scope, Q(number_begin__gte=low, number_begin__lt=high))
    ends = _find_rows(scope, Q(number_end__gte=last, number_end__lt=next_one))
    return sorted({*begins, *ends})


def _match_past_part(number: SearchedNumber) -> Q:
    found = Q(called_no__endswith=number.text)
    for spelling in number.spellings:
        found |= Q(called_no__startswith=spelling)
    return found


def _find_rows(scope: Scope, condition: Q) -> list[int]:
    """Find the IDs of the rows that match, at most `MOST_NUMBERS` + 1."""
    ids = MirrorRow.objects.filter(condition, vdn=scope.vdn.pk).order_by()
    return list(ids.values_list("pk", flat=True)[: MOST_NUMBERS + 1])


def match_tab(tab: Tab, moment: Moment) -> Q:
    """Return the condition of a tab."""
    if tab is Tab.ALL:
        return Q()
    if tab is Tab.OPEN:
        return _OPEN
    if tab is Tab.TODAY:
        in_day = Q(appoint_time__gte=moment.day_begin, appoint_time__lt=moment.day_end)
        return in_day & Q(phase__in=PRESENT_PHASES)
    state = ReservationState.ANSWERED if tab is Tab.DONE else ReservationState(tab.value)
    return match_state(state, moment)


def match_not_late(moment: Moment) -> Q:
    """Return the condition of open rows with a time that are not overdue."""
    return _OPEN & Q(appoint_time__gte=moment.late_before)


def match_state(state: ReservationState, moment: Moment) -> Q:
    """Return the condition of a state."""
    if state in _PHASES:
        return Q(phase=_PHASES[state])
    if state is ReservationState.UNDATED:
        return _OPEN & Q(appoint_time=None)
    if state is ReservationState.OVERDUE:
        return _OPEN & Q(appoint_time__lt=moment.late_before)
    dialled_until, soon_until = moment.now + DIALLED_EARLIER, moment.now + SOON
    is_automatic = Q(call_type=AUTOMATIC)
    if state is ReservationState.LATER:
        manual = ~is_automatic & Q(appoint_time__gt=soon_until)
        return _OPEN & (manual | (is_automatic & Q(appoint_time__gt=moment.soon_until)))
    if state is ReservationState.DIALLING:
        return match_not_late(moment) & is_automatic & Q(appoint_time__lte=dialled_until)
    manual = ~is_automatic & Q(appoint_time__lte=soon_until)
    automatic = is_automatic & Q(appoint_time__gt=dialled_until)
    soon = Q(appoint_time__lte=moment.soon_until) & (manual | automatic)
    return match_not_late(moment) & soon


def rank_states(moment: Moment) -> Case:
    """Return the expression that sorts by state, the most urgent first, then the closed ones."""
    states = [state for state in ReservationState if state is not ReservationState.GONE]
    return Case(
        *(When(match_state(state, moment), then=Value(rank)) for rank, state in enumerate(states)),
        default=Value(len(states)),
        output_field=IntegerField(),
    )
