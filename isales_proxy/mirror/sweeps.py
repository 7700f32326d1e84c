"""The sweeper: reads the leaves of a VDN that are due, and makes rounds over everything. It runs in
a loop of its own beside the background jobs; by a lease in the database one at a time leads.
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
from isales_proxy.mirror import names
from isales_proxy.mirror.changes import lock_state
from isales_proxy.mirror.intervals import HOURLY, update_intervals
from isales_proxy.mirror.leadership import Leadership
from isales_proxy.mirror.leaves import LeafReader, cut_leaf, find_cuts
from isales_proxy.mirror.list_facts import (
    MARGIN,
    FetchPage,
    ListFacts,
    get_range_time,
    get_time_field,
)
from isales_proxy.mirror.missing_rows import MissingRows
from isales_proxy.mirror.readings import LeafAnswer, apply_reading
from isales_proxy.mirror.round_reasons import RoundReason
from isales_proxy.mirror.rounds import Rounds, get_floor
from isales_proxy.mirror.row_keys import compute_fingerprint, shorten_key
from isales_proxy.models import Vdn
from isales_proxy.models.mirror import LeafKind, MirrorLeaf, MirrorRow, MirrorState
from isales_proxy.vendor import gateway
from isales_proxy.vendor.call_budget import MirrorBudget, get_calls_per_minute

log = structlog.get_logger("isales")

RETRY_LEADING_S: Final = 2.0
_MAX_IDLE_S: Final = 1.0
_UPDATE_INTERVALS_S: Final = 30.0
_MAX_PAUSE_S: Final = 30.0
_BATCH: Final = 8
_MAX_TIMES: Final = 5000
# Share of a page above which a leaf is cut before it has more rows than a page.
_FULL: Final = 0.9
_AVERAGED_CALLS: Final = 40


class NotLeading(Exception):
    """Another process leads, or this one was asked to stop."""


def pause(seconds: float) -> bool:
    """Sleep; there is no request to stop."""
    time.sleep(seconds)
    return False


@dataclass
class Clocks:
    """Clocks of a sweeper: `now` in aware UTC, `monotonic` in seconds. `wait` sleeps for seconds
    and tells whether to stop. `rng` returns 0 to 1 and spreads what is repeated."""

    now: Callable[[], datetime] = timezone.now
    monotonic: Callable[[], float] = time.monotonic
    wait: Callable[[float], bool] = pause
    rng: Callable[[], float] = random.random


class Sweeper:
    """Keeps the mirror of one VDN up to date, in one thread. `fetch` is for tests."""

    def __init__(
        self, vdn: Vdn, *, fetch: FetchPage | None = None, clocks: Clocks | None = None
    ) -> None:
        self.vdn = vdn
        self.clocks = clocks or Clocks()
        clock, monotonic = self.clocks.now, self.clocks.monotonic
        self.leadership = Leadership(vdn.pk, clock=clock, monotonic=monotonic)
        self._budget = MirrorBudget(vdn.pk, clock=clock, monotonic=monotonic, wait=self.clocks.wait)
        self._fetch_from_vendor = fetch or self._list_reservations
        # The epoch for which `rounds`, `reader` and `missing` were made; None while not leading.
        self._epoch: int | None = None
        self._paused_until = 0.0
        self._failures = 0
        self._intervals_updated_at: float | None = None
        self._rechecked_at = -float(HOURLY)
        self._calls, self._waited_s = 0, 0.0
        self._seconds_per_call = 0.0

    def step(self) -> float:
        """Do what is due next; return the seconds after which to call it again.

        Does not raise for a vendor that fails or a database that is busy.
        """
        try:
            return self._step()
        except NotLeading:
            pass
        except DatabaseError as error:
            log.warning("mirror_not_written", vdn=self.vdn.pk, error=type(error).__name__)
        # A restored database may lack names that were seen written.
        names.clear_memory()
        self.leadership.epoch = self._epoch = None
        return RETRY_LEADING_S

    @property
    def is_in_round(self) -> bool:
        """Tell whether a round over everything runs under this leader."""
        return self._epoch is not None and self.rounds.running is not None

    def close(self) -> None:
        """Stop leading, so that another process can at once."""
        self._budget.flush()
        self.leadership.release()

    def _step(self) -> float:
        if not self.leadership.keep() or self.leadership.epoch is None:
            raise NotLeading
        if self._epoch != self.leadership.epoch:
            self._take_over(self.leadership.epoch)
        if (left := self._paused_until - self.clocks.monotonic()) > 0:
            return min(left, _MAX_IDLE_S)
        try:
            return self._work()
        except ISalesError as error:
            self._handle_failure(error)
        return 0.0

    def _take_over(self, epoch: int) -> None:
        """Begin to lead with nothing of the former leader in memory."""
        names.clear_memory()
        state = MirrorState.objects.get(pk=self.vdn.pk)
        facts = ListFacts(
            column=state.column,
            page_cap=state.page_cap or ListFacts.page_cap,
            number_match=state.number_match,
            totals_wrong=state.totals_wrong,
        )
        fetch, clock = self._fetch_within_budget, self.clocks.now
        self.reader = LeafReader(fetch, facts, clock, self._list_accounts)
        self.missing = MissingRows(self.vdn.pk, epoch, fetch, clock)
        self.rounds = Rounds(self.vdn.pk, epoch, fetch, clock)
        self._epoch = epoch
        self._intervals_updated_at = None
        self._paused_until = 0.0
        self._failures = 0

    def _work(self) -> float:
        """Begin or continue a round, or read a batch of due leaves; return the seconds to wait."""
        now, rounds = self.clocks.now(), self.rounds
        if rounds.running is None or rounds.needs_facts:
            state = MirrorState.objects.get(pk=self.vdn.pk)
            if rounds.is_due(state, self.vdn.zone, now, self.missing.wanted_round):
                rounds.begin(now)
                self.missing.wanted_round = None
                return 0.0
            if rounds.needs_facts:
                self.reader.facts = rounds.find_facts(state, self.reader.facts)
                self._intervals_updated_at = None
                return 0.0
        self._do_periodic_work()
        leaves = self._list_due(now)
        began, calls, waited_s = self.clocks.monotonic(), self._calls, self._waited_s
        for leaf in leaves:
            self._read(leaf)
        if leaves:
            busy_s = self.clocks.monotonic() - began - (self._waited_s - waited_s)
            self._update_seconds_per_call(busy_s, self._calls - calls)
            self._failures = 0
            rounds.count_success()
        has_read = rounds.running is not None and rounds.has_read_leaves()
        if has_read:
            rounds.finish(self.reader.facts, self.missing, gateway.get_clock_offset(self.vdn))
            if rounds.running is None:
                self._intervals_updated_at = None
        if leaves or has_read:
            return 0.0
        next_due = self._select_leaves().order_by("due_at").values_list("due_at", flat=True).first()
        if next_due is None:
            return _MAX_IDLE_S
        return min(max((next_due - self.clocks.now()).total_seconds(), 0.01), _MAX_IDLE_S)

    def _do_periodic_work(self) -> None:
        """Update the intervals of all leaves, and each hour recheck rows that no leaf covers."""
        monotonic, now, facts = self.clocks.monotonic(), self.clocks.now(), self.reader.facts
        updated_at = self._intervals_updated_at
        if updated_at is not None and 0 <= monotonic - updated_at < _UPDATE_INTERVALS_S:
            return
        update_intervals(self.vdn, facts, self._get_calls_per_minute(), now)
        self._intervals_updated_at = monotonic
        if self.rounds.running is None and not 0 <= monotonic - self._rechecked_at < HOURLY:
            self._rechecked_at = monotonic
            if facts.by_time:
                self.missing.recheck_open(get_floor(now), facts)

    def _select_leaves(self) -> QuerySet[MirrorLeaf]:
        """Select the leaves that are read one by one."""
        return MirrorLeaf.objects.filter(vdn=self.vdn).exclude(kind=LeafKind.UNDATED)

    def _list_due(self, now: datetime) -> list[MirrorLeaf]:
        """List the leaves to read next. Where a whole batch is due, half of them are those of
        the shortest intervals, which would take all of few calls; the others are those due longest
        or, while a round runs, leaves that it has not read."""
        due = self._select_leaves().filter(due_at__lte=now)
        leaves = list(due.order_by("interval", "due_at")[:_BATCH])
        if len(leaves) < _BATCH:
            return leaves
        half = leaves[: _BATCH // 2]
        others = due.exclude(pk__in=[leaf.pk for leaf in half]).order_by("due_at")
        if self.rounds.running is not None:
            others = others.filter(self.rounds.is_unread)
        rest = list(others[: _BATCH - len(half)])
        return [*half, *rest] if rest else leaves

    def _update_seconds_per_call(self, busy_s: float, calls: int) -> None:
        """Update the mean time of a call and its processing, over some dozens of calls."""
        if calls and busy_s >= 0:
            share = min(calls / _AVERAGED_CALLS, 1.0)
            self._seconds_per_call += share * (busy_s / calls - self._seconds_per_call)

    def _get_calls_per_minute(self) -> float:
        """Return the calls that the budget allows, or fewer if vendor or machine are slower."""
        allowed = float(get_calls_per_minute())
        return min(allowed, 60 / self._seconds_per_call) if self._seconds_per_call > 0 else allowed

    def _read(self, leaf: MirrorLeaf) -> None:
        """Read one leaf and apply the answer. Raises NotLeading, ISalesError and DatabaseError."""
        facts = self.reader.facts
        try:
            answer = self.reader.read(leaf)
        except CircuitOpen:
            raise
        except ISalesError as error:
            self._postpone(leaf, error.outcome)
            raise
        if self.reader.facts != facts:
            self.rounds.store_facts(self.reader.facts)
        spread = 0.95 + 0.1 * self.clocks.rng()
        leaf.due_at = self.clocks.now() + timedelta(seconds=leaf.interval * spread)
        self._apply(leaf, answer)
        if answer.complete:
            if len(answer.rows) > _FULL * facts.page_cap:
                self._cut(leaf, answer)
        elif answer.reason != RoundReason.CROWDED_PART or not self._cut(leaf, answer):
            self._postpone(leaf, answer.reason, answer.retry_after)

    def _apply(self, leaf: MirrorLeaf, answer: LeafAnswer) -> None:
        outcome = apply_reading(
            vdn_id=self.vdn.pk,
            epoch=self._get_epoch(),
            leaf=leaf,
            answer=answer,
            now=self.clocks.now(),
        )
        if outcome.fenced:
            raise NotLeading
        if outcome.applied and answer.complete:
            leaf.as_of, leaf.complete, leaf.rows = answer.sent_at, True, len(answer.rows)
        if self.rounds.running is not None:
            self.rounds.running.add(leaf, answer, outcome, self.reader.facts.column)
        self.missing.judge(outcome, self.reader.facts)

    def _cut(self, leaf: MirrorLeaf, answer: LeafAnswer) -> bool:
        """Cut a leaf with too many rows by their known times; False if it cannot be cut."""
        if leaf.begin is None:
            return False
        name = get_time_field(self.reader.facts.column)
        stored = self._select_rows(leaf.begin, leaf.end)
        times = list(stored.order_by(name).values_list(name, flat=True)[:_MAX_TIMES])
        cuts = find_cuts(leaf, answer.total, self.reader.facts.page_cap, times)
        if not cuts:
            return False
        now = self.clocks.now()
        with transaction.atomic():
            if lock_state(self.vdn.pk, self._get_epoch()) is None:
                raise NotLeading
            if MirrorLeaf.objects.filter(pk=leaf.pk).delete()[0]:
                is_partial = leaf.as_of is None or answer.total > len(answer.rows)
                due_at = now if is_partial else leaf.due_at
                MirrorLeaf.objects.bulk_create(cut_leaf(leaf, cuts, due_at))
        return True

    def _select_rows(self, begin: datetime | None, end: datetime | None) -> QuerySet[MirrorRow]:
        """Select the rows of the mirror in [begin, end) of the time that ranges filter by."""
        name = get_time_field(self.reader.facts.column)
        inside = {f"{name}__gte": begin, f"{name}__lt": end}
        return MirrorRow.objects.for_vdn(self.vdn).present().filter(**inside)

    def _list_accounts(self, leaf: MirrorLeaf) -> list[str]:
        """List the agents of the rows that the mirror has where a leaf's query looks."""
        if leaf.begin is None or leaf.end is None:
            return []
        rows = self._select_rows(leaf.begin - MARGIN, leaf.end + 2 * MARGIN)
        found = rows.exclude(agent=None).order_by("agent")
        return list(found.values_list("agent__account", flat=True).distinct())

    def _postpone(self, leaf: MirrorLeaf, reason: str, delay: timedelta | None = None) -> None:
        """Postpone a leaf by `delay`, or else longer with each failure."""
        leaf.failures += 1
        if delay is None:
            delay = timedelta(seconds=self._get_pause_s(leaf.failures))
        if self.rounds.running is not None:
            self.rounds.running.reasons[leaf.pk] = reason
        MirrorLeaf.objects.filter(pk=leaf.pk).update(
            due_at=self.clocks.now() + delay, failures=leaf.failures
        )

    def _handle_failure(self, error: ISalesError) -> None:
        """Make no call for a moment, which is longer with each failure in a row."""
        self._failures += 1
        log.info("mirror_not_read", vdn=self.vdn.pk, outcome=error.outcome)
        self.rounds.count_failure(error.outcome)
        pause_s = max(self._get_pause_s(self._failures), error.retry_after or 0.0)
        self._paused_until = self.clocks.monotonic() + pause_s

    def _get_pause_s(self, failures: int) -> float:
        """Return a pause after failures, spread at random."""
        return float(min(2.0 ** min(failures, 6), _MAX_PAUSE_S) * (0.5 + self.clocks.rng()))

    def _get_epoch(self) -> int:
        if self._epoch is None:
            raise NotLeading
        return self._epoch

    def _fetch_within_budget(self, query: ReservationQuery) -> Page[Reservation]:
        """Fetch a page within the budget. Raises NotLeading and ISalesError."""
        began = self.clocks.monotonic()
        is_allowed = self._budget.take()
        self._waited_s += self.clocks.monotonic() - began
        self._calls += 1
        if not is_allowed or not self.leadership.keep() or self.leadership.epoch != self._epoch:
            raise NotLeading
        return self._fetch_from_vendor(query)

    def _list_reservations(self, query: ReservationQuery) -> Page[Reservation]:
        return gateway.get_client(self.vdn).list_reservations(vdn=self.vdn.pk, query=query)


@dataclass(frozen=True)
class RoundResult:
    """Result of a whole round: the number of rows, and why it is not complete, "" if it is."""

    rows: int
    reason: str


def run_whole_round(vdn: Vdn, *, clocks: Clocks | None = None) -> RoundResult:
    """Make one whole round and return its result. If another process leads, request the round from
    it and wait for its end."""
    clocks = clocks or Clocks()
    sweeper = Sweeper(vdn, clocks=clocks)
    requested_at = clocks.now()
    request_whole_round(vdn)
    try:
        while True:
            pause_s = sweeper.step()
            state = MirrorState.objects.get(pk=vdn.pk)
            began, ended = state.round_began_at, state.round_ended_at
            if not state.enabled:
                return RoundResult(0, RoundReason.SWITCHED_OFF)
            if began and ended and requested_at <= began < ended and not state.round_requested:
                return RoundResult(state.rows_read, state.round_reason)
            if clocks.wait(pause_s):
                return RoundResult(state.rows_read, RoundReason.INTERRUPTED)
    finally:
        sweeper.close()


def request_whole_round(vdn: Vdn) -> None:
    """Request a round over everything, after one that runs already, from the process that leads."""
    MirrorState.objects.get_or_create(pk=vdn.pk)
    MirrorState.objects.filter(pk=vdn.pk).update(round_requested=True)


def compare_live_page(vdn: Vdn, page: Page[Reservation], as_of: datetime) -> None:
    """Compare a page that was read live with the mirror: count the rows that agree, and make the
    leaves of the others due. Does not fail; does nothing before the first round has ended."""
    state = MirrorState.objects.filter(pk=vdn.pk, enabled=True).first()
    if state is None or state.round_ended_at is None:
        return
    live = {shorten_key(row.appoint_id): row for row in page.items if row.appoint_id is not None}
    rows = MirrorRow.objects.for_vdn(vdn).present().filter(key__in=live)
    stored = {key: bytes(found) for key, found in rows.values_list("key", "fingerprint")}
    differing = [row for key, row in live.items() if stored.get(key) != compute_fingerprint(row)]

    def write() -> None:
        locked = MirrorState.objects.select_for_update().get(pk=vdn.pk)
        locked.add_comparison(as_of, len(live), len(live) - len(differing))
        locked.save(update_fields=["comparisons"])
        for at in {get_range_time(row, state.column) for row in differing} - {None}:
            leaves = MirrorLeaf.objects.filter(vdn=vdn, begin__lte=at, end__gt=at)
            leaves.filter(due_at__gt=as_of).update(due_at=as_of)

    if live:
        optional_write(write, "live_page_not_compared", vdn=vdn.pk)
