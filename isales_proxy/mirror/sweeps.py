"""The sweeper: reads the leaves of a VDN that are due, and rounds over everything. One at a time
leads, by a lease in the database; it is a loop of its own beside the background jobs.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from isales_proxy.client.errors import CircuitOpen, ISalesError
from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.core.database import optional_write
from isales_proxy.mirror import names, tiers
from isales_proxy.mirror.absences import Absences
from isales_proxy.mirror.guard import confirm_guard
from isales_proxy.mirror.leadership import Leadership
from isales_proxy.mirror.leaves import (
    LeafReader,
    TooMany,
    Whole,
    cut_leaf,
    find_cuts,
)
from isales_proxy.mirror.list_facts import MARGIN, AskList, ListFacts
from isales_proxy.mirror.readings import (
    LeafAnswer,
    apply_reading,
    get_position_field,
    lock_state,
)
from isales_proxy.mirror.round_reasons import RoundReason
from isales_proxy.mirror.row_keys import compute_fingerprint, shorten_key
from isales_proxy.mirror.sweep_rounds import SweepRounds, get_floor
from isales_proxy.models import Vdn
from isales_proxy.models.mirror import LeafKind, MirrorLeaf, MirrorRow, MirrorState
from isales_proxy.vendor import gateway
from isales_proxy.vendor.call_budget import MirrorBudget

__all__ = [
    "Clocks",
    "Sweeper",
    "compare_live_page",
    "confirm_guard",
    "request_whole_round",
    "run_whole_round",
]

log = structlog.get_logger("isales")

NOT_LEADING: Final = 2.0
_IDLE: Final = 1.0
_RETIER: Final = 30.0
_BATCH: Final = 8
_MOST_PAUSE: Final = 30.0
_MOST_TIMES: Final = 5000
_CROWDED: Final = 0.9
_MEAN_OVER: Final = 40  # calls


class NotLeading(Exception):
    """Another sweeper leads, or the end was asked for."""


def pause(seconds: float) -> bool:
    """Pause; nobody asks for the end."""
    time.sleep(seconds)
    return False


@dataclass
class Clocks:
    """Clocks of a sweeper: ours (aware UTC), a monotonic one in seconds, and a pause in seconds
    that tells whether the end was asked for. `rng` spreads what is repeated, 0 to 1."""

    now: Callable[[], datetime] = timezone.now
    monotonic: Callable[[], float] = time.monotonic
    wait: Callable[[float], bool] = pause
    rng: Callable[[], float] = random.random


class Sweeper:
    """Keeps the mirror of one VDN. Made anew for each thread; `ask` is for tests."""

    def __init__(
        self, vdn: Vdn, *, ask: AskList | None = None, clocks: Clocks | None = None
    ) -> None:
        self.vdn = vdn
        self.clocks = clocks or Clocks()
        clock, monotonic = self.clocks.now, self.clocks.monotonic
        self.leadership = Leadership(vdn.pk, clock=clock, monotonic=monotonic)
        self._budget = MirrorBudget(vdn.pk, clock=clock, monotonic=monotonic, wait=self.clocks.wait)
        self._ask_vendor = ask or self._list_reservations
        self._paused_until = 0.0
        self._failures = 0
        self._led: int | None = None
        self._retiered_at: float | None = None
        self._rechecked_at = -float(tiers.HOURLY)
        self._calls, self._waited = 0, 0.0
        self._seconds_a_call = 0.0

    def step(self) -> float:
        """Do what is due next, and return after how many seconds to come again.

        Never raises for a vendor that fails or a database that is busy.
        """
        try:
            return self._step()
        except NotLeading:
            self._lose()
            return NOT_LEADING
        except DatabaseError as error:
            log.warning("mirror_not_written", vdn=self.vdn.pk, error=type(error).__name__)
            self._lose()
            return NOT_LEADING

    @property
    def is_in_round(self) -> bool:
        """Tell whether a round over everything runs under this leader."""
        return self._led is not None and self.rounds.log is not None

    def close(self) -> None:
        """End leading, so that another one can at once."""
        self._budget.flush()
        self.leadership.release()

    def _lose(self) -> None:
        # A restored database may lack names that were seen written.
        names.clear_memory()
        self.leadership.drop()
        self._led = None

    def _step(self) -> float:
        if not self.leadership.keep():
            self._lose()
            return NOT_LEADING
        epoch = self.leadership.epoch
        assert epoch is not None  # noqa: S101 - `keep` has just said so
        if self._led != epoch:
            self._take_over(epoch)
        if (left := self._paused_until - self.clocks.monotonic()) > 0:
            return min(left, _IDLE)
        try:
            return self._work()
        except ISalesError as error:
            self._fail(error)
        return 0.0

    def _work(self) -> float:
        now = self.clocks.now()
        if self.rounds.log is None or self.rounds.needs_facts:
            state = MirrorState.objects.get(pk=self.vdn.pk)
            if self.rounds.is_wanted(state, now, self.absences.wanted_round):
                self.rounds.begin(now)
                self.absences.wanted_round = None
                return 0.0
            if self.rounds.needs_facts:
                self.reader.facts = self.rounds.learn(state, self.reader.facts)
                self._retiered_at = None
                return 0.0
        self._retier_sometimes()
        leaves = self._list_due(now)
        began, calls, waited = self.clocks.monotonic(), self._calls, self._waited
        for leaf in leaves:
            self._read(leaf)
        if leaves:
            busy = self.clocks.monotonic() - began - (self._waited - waited)
            self._note_pace(busy, self._calls - calls)
            self._failures = 0
            self.rounds.succeed()
        is_read = self.rounds.log is not None and self.rounds.is_read()
        if is_read:
            self.rounds.finish(self.reader.facts, self.absences, gateway.get_clock_offset(self.vdn))
            if self.rounds.log is None:
                self._retiered_at = None
        if leaves or is_read:
            return 0.0
        coming = MirrorLeaf.objects.filter(vdn=self.vdn).exclude(kind=LeafKind.UNDATED)
        first = coming.order_by("due_at").values_list("due_at", flat=True).first()
        if first is None:
            return _IDLE
        return min(max((first - self.clocks.now()).total_seconds(), 0.01), _IDLE)

    def _list_due(self, now: datetime) -> list[MirrorLeaf]:
        """List what to read next. While a round runs, half of it is what the round has not read:
        in a large list what is near would else take all calls, and the round would not end."""
        due = MirrorLeaf.objects.filter(vdn=self.vdn, due_at__lte=now)
        due = due.exclude(kind=LeafKind.UNDATED)
        leaves = list(due.order_by("interval", "due_at")[:_BATCH])
        if self.rounds.log is not None and len(leaves) == _BATCH:
            half = leaves[: _BATCH // 2]
            others = due.filter(self.rounds.is_unread).exclude(pk__in=[leaf.pk for leaf in half])
            unread = list(others.order_by("due_at")[: _BATCH - len(half)])
            leaves = [*half, *unread] if unread else leaves
        return leaves

    def _note_pace(self, busy: float, calls: int) -> None:
        """Take note of how long a call takes with what it brings, in seconds: a mean over some
        dozens of calls."""
        if calls and busy >= 0:
            share = min(calls / _MEAN_OVER, 1.0)
            self._seconds_a_call += share * (busy / calls - self._seconds_a_call)

    def _get_calls_per_minute(self) -> float:
        """Return what the budget allows, or what a slow vendor or machine leaves of it."""
        allowed = float(self._budget.per_minute)
        return min(allowed, 60 / self._seconds_a_call) if self._seconds_a_call > 0 else allowed

    def _take_over(self, epoch: int) -> None:
        """Begin to lead: what the former leader had in memory is made anew."""
        names.clear_memory()
        state = MirrorState.objects.get(pk=self.vdn.pk)
        facts = ListFacts(
            column=state.column,
            page_cap=state.page_cap or ListFacts.page_cap,
            number_match=state.number_match,
            totals_wrong=state.totals_wrong,
        )
        clock = self.clocks.now
        self.reader = LeafReader(self._ask_within_budget, facts, clock, self._list_accounts)
        self.absences = Absences(self.vdn.pk, epoch, self._ask_within_budget, clock)
        self.rounds = SweepRounds(self.vdn, epoch, self._ask_within_budget, clock)
        self._led = epoch
        self._retiered_at = None
        self._paused_until = 0.0
        self._failures = 0

    def _read(self, leaf: MirrorLeaf) -> None:
        """Read one leaf and apply it. Raises NotLeading, ISalesError and DatabaseError."""
        facts = self.reader.facts
        try:
            reading = self.reader.read(leaf)
        except CircuitOpen:
            raise
        except ISalesError as error:
            self._postpone(leaf, error.outcome)
            raise
        if self.reader.facts != facts:
            self.rounds.store_facts(self.reader.facts)
        now = self.clocks.now()
        spread = 0.95 + 0.1 * self.clocks.rng()
        leaf.due_at = now + timedelta(seconds=leaf.interval * spread)
        if isinstance(reading, Whole):
            self._apply(leaf, reading.answer, reading.t0)
            if len(reading.answer.rows) > _CROWDED * facts.page_cap:
                self._cut(leaf, len(reading.answer.rows), reading.answer.rows)
            return
        self._apply(leaf, LeafAnswer(reading.rows, 0, complete=False), reading.t0)
        if isinstance(reading, TooMany):
            if not self._cut(leaf, reading.total, reading.rows):
                self._postpone(leaf, RoundReason.CROWDED_PART)
        else:
            self._postpone(leaf, reading.reason, reading.again_after)

    def _apply(self, leaf: MirrorLeaf, answer: LeafAnswer, t0: datetime) -> None:
        outcome = apply_reading(
            vdn_id=self.vdn.pk,
            epoch=self._epoch,
            leaf=leaf,
            answer=answer,
            t0=t0,
            now=self.clocks.now(),
        )
        if outcome.fenced:
            raise NotLeading
        if outcome.applied and answer.complete:
            leaf.as_of, leaf.complete, leaf.rows = t0, True, len(answer.rows)
        if self.rounds.log is not None:
            self.rounds.log.note(leaf, answer, outcome, t0, self.reader.facts.column)
        self.absences.judge(outcome, self.reader.facts)

    def _cut(self, leaf: MirrorLeaf, total: int, rows: tuple[Reservation, ...]) -> bool:
        """Cut a leaf by what is known of its rows; False where that cannot be done."""
        if leaf.begin is None:
            return False
        name = get_position_field(self.reader.facts.column)
        stored = self._select_rows(leaf.begin, leaf.end)
        times = list(stored.order_by(name).values_list(name, flat=True)[:_MOST_TIMES])
        cuts = find_cuts(leaf, total, self.reader.facts.page_cap, times)
        if not cuts:
            return False
        now = self.clocks.now()
        with transaction.atomic():
            if lock_state(self.vdn.pk, self._epoch) is None:
                raise NotLeading
            if MirrorLeaf.objects.filter(pk=leaf.pk).delete()[0]:
                due = now if leaf.as_of is None or total > len(rows) else leaf.due_at
                MirrorLeaf.objects.bulk_create(cut_leaf(leaf, cuts, due))
        return True

    def _select_rows(self, begin: datetime | None, end: datetime | None) -> QuerySet[MirrorRow]:
        """Select the rows that the mirror has in [begin, end) of the time that ranges test."""
        name = get_position_field(self.reader.facts.column)
        inside = {f"{name}__gte": begin, f"{name}__lt": end}
        return MirrorRow.objects.for_vdn(self.vdn).present().filter(**inside)

    def _list_accounts(self, leaf: MirrorLeaf) -> list[str]:
        """List the agents of the rows that the mirror has where a leaf asks."""
        if leaf.begin is None or leaf.end is None:
            return []
        asked = self._select_rows(leaf.begin - MARGIN, leaf.end + 2 * MARGIN)
        found = asked.exclude(agent=None).order_by("agent")
        return list(found.values_list("agent__account", flat=True).distinct())

    def _postpone(self, leaf: MirrorLeaf, reason: str, after: timedelta | None = None) -> None:
        """Put a leaf off: for `after`, else longer with each failure, spread at random."""
        if after is None:
            leaf.failures += 1
            seconds = min(2.0 ** min(leaf.failures, 6), _MOST_PAUSE) * (0.5 + self.clocks.rng())
            after = timedelta(seconds=seconds)
        else:
            leaf.failures += 1
        if self.rounds.log is not None:
            self.rounds.log.reasons[leaf.pk] = reason
        MirrorLeaf.objects.filter(pk=leaf.pk).update(
            due_at=self.clocks.now() + after, failures=leaf.failures
        )

    def _retier_sometimes(self) -> None:
        monotonic = self.clocks.monotonic()
        if self._retiered_at is not None and 0 <= monotonic - self._retiered_at < _RETIER:
            return
        self.rounds.retier(self._get_calls_per_minute(), self.reader.facts)
        self._retiered_at = monotonic
        if self.rounds.log is None and not 0 <= monotonic - self._rechecked_at < tiers.HOURLY:
            self._rechecked_at = monotonic
            facts = self.reader.facts
            if facts.by_time:
                self.absences.recheck_open(get_floor(self.clocks.now()), facts)

    def _fail(self, error: ISalesError) -> None:
        """Leave the vendor alone for a moment, longer with each failure in a row."""
        self._failures += 1
        log.info("mirror_not_read", vdn=self.vdn.pk, outcome=error.outcome)
        if self.rounds.log is not None:
            self.rounds.fail(error.outcome)
        seconds = min(2.0 ** min(self._failures, 6), _MOST_PAUSE) * (0.5 + self.clocks.rng())
        self._pause(max(seconds, error.retry_after or 0.0))

    def _pause(self, seconds: float) -> None:
        self._paused_until = self.clocks.monotonic() + seconds

    @property
    def _epoch(self) -> int:
        if self._led is None:
            raise NotLeading
        return self._led

    def _ask_within_budget(self, query: ReservationQuery) -> Page[Reservation]:
        """Ask the vendor within the budget. Raises NotLeading and ISalesError."""
        began = self.clocks.monotonic()
        is_free = self._budget.take()
        self._waited += self.clocks.monotonic() - began
        self._calls += 1
        if not is_free or not self.leadership.keep():
            raise NotLeading
        if self.leadership.epoch != self._led:
            raise NotLeading
        return self._ask_vendor(query)

    def _list_reservations(self, query: ReservationQuery) -> Page[Reservation]:
        client = gateway.get_client(self.vdn)
        return client.list_reservations(vdn=self.vdn.pk, query=query)


@dataclass(frozen=True)
class RoundResult:
    """Result of a whole round: how many rows there are, and why it is not complete."""

    complete: bool
    rows: int
    reason: str


def run_whole_round(vdn: Vdn, *, clocks: Clocks | None = None) -> RoundResult:
    """Make one whole round and return its result. Where another process leads, it is asked to, and
    its end is waited for."""
    clocks = clocks or Clocks()
    sweeper = Sweeper(vdn, clocks=clocks)
    asked_at = clocks.now()
    request_whole_round(vdn)
    try:
        while True:
            seconds = sweeper.step()
            state = MirrorState.objects.get(pk=vdn.pk)
            began, ended = state.round_began_at, state.round_ended_at
            if not state.enabled:
                return RoundResult(False, 0, RoundReason.SWITCHED_OFF)
            if began and ended and asked_at <= began < ended and not state.round_requested:
                return RoundResult(state.round_complete, state.rows_read, state.round_reason)
            if clocks.wait(seconds):
                return RoundResult(False, state.rows_read, RoundReason.INTERRUPTED)
    finally:
        sweeper.close()


def request_whole_round(vdn: Vdn | int) -> None:
    """Ask whoever leads for a round over everything, after one that runs already."""
    vdn_id = vdn.pk if isinstance(vdn, Vdn) else vdn
    MirrorState.objects.get_or_create(pk=vdn_id)
    MirrorState.objects.filter(pk=vdn_id).update(round_requested=True)


def compare_live_page(
    vdn: Vdn, _query: ReservationQuery, page: Page[Reservation], as_of: datetime
) -> None:
    """Compare a page that was read live with the mirror, in passing: count how many rows agree, and
    have the leaf of one that does not read at once. Never fails; without a mirror it does nothing.
    """
    state = MirrorState.objects.filter(pk=vdn.pk, enabled=True).first()
    if state is None or state.round_ended_at is None:
        return
    answered = {
        shorten_key(row.appoint_id): row for row in page.items if row.appoint_id is not None
    }
    rows = MirrorRow.objects.for_vdn(vdn).present().filter(key__in=answered)
    stored = {key: bytes(found) for key, found in rows.values_list("key", "fingerprint")}
    differing = [
        row for key, row in answered.items() if stored.get(key) != compute_fingerprint(row)
    ]
    agreed = len(answered) - len(differing)

    def write() -> None:
        locked = MirrorState.objects.select_for_update().get(pk=vdn.pk)
        locked.add_comparison(as_of, len(answered), agreed)
        locked.save(update_fields=["comparisons"])
        name = get_position_field(state.column)
        for moment in {getattr(row, name) for row in differing} - {None}:
            leaves = MirrorLeaf.objects.filter(vdn=vdn, begin__lte=moment, end__gt=moment)
            leaves.filter(due_at__gt=as_of).update(due_at=as_of)

    if answered:
        optional_write(write, "live_page_not_compared", vdn=vdn.pk)
