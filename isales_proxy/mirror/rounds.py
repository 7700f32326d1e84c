"""Rounds: every leaf once, the rows without a time, the counts of the whole list, and a decision on
the rows that the round missed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.mirror.changes import lock_state
from isales_proxy.mirror.intervals import NIGHTLY, get_next_night
from isales_proxy.mirror.leaves import group_small_leaves, plan_leaves
from isales_proxy.mirror.list_facts import (
    APPOINT_TIME,
    FIRST_TIME,
    FetchPage,
    ListFacts,
    find_facts,
)
from isales_proxy.mirror.missing_rows import MissingRows, count_unconfirmed
from isales_proxy.mirror.readings import LeafAnswer, ReadingOutcome, apply_reading
from isales_proxy.mirror.round_reasons import RoundReason, build_reason
from isales_proxy.mirror.undated import UndatedSearch, select_undated
from isales_proxy.models.mirror import (
    LeafKind,
    MirrorAgent,
    MirrorLeaf,
    MirrorRow,
    MirrorState,
)

log = structlog.get_logger("isales")

MAX_FAILURES: Final = 4
"""Failures of a leaf, or of the vendor in a row, after which a round ends without it."""
_MIN_DAYS: Final = 31
_RETRY_AFTER: Final = timedelta(minutes=10)
_RETRY_COSTLY_AFTER: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_MAX_AGENTS: Final = 200
# Queries for rows without a time, before due leaves are read again: a search that finds them at the
# ends of the list is not interrupted, so that little changes meanwhile.
_QUERIES_AT_ONCE: Final = 20
# Of a search that may be repeated within the hour.
_FEW_QUERIES: Final = 150


@dataclass
class RunningRound:
    """A round so far: rows without a time that ranges returned; rows missed, by primary key; why
    leaves could not be read; the search for the other rows without a time, and whether it found
    all of them, None until they are applied."""

    began: datetime
    undated: dict[object, Reservation] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)
    reasons: dict[int, str] = field(default_factory=dict)
    search: UndatedSearch | None = None
    is_undated_read: bool | None = None

    def add(
        self, leaf: MirrorLeaf, answer: LeafAnswer, outcome: ReadingOutcome, column: str
    ) -> None:
        """Add a reading."""
        self.undated |= select_undated(answer.rows, column)
        self.missing.update(row.pk for row in outcome.missing)
        if answer.complete:
            self.reasons.pop(leaf.pk, None)


def get_floor(now: datetime) -> datetime:
    """Return the time before which reservations are only counted: retention deletes closed ones
    there, and a reading would bring them back."""
    days = max(settings.RETENTION.mirror_row_days, _MIN_DAYS)
    floor = now - timedelta(days=days) + _DAY
    return floor.replace(minute=0, second=0, microsecond=0)


class Rounds:
    """Rounds of one VDN under one leader. `running` is None between rounds; `needs_facts` tells
    that the running one has not found the facts of the list yet."""

    def __init__(
        self, vdn_id: int, epoch: int, fetch: FetchPage, clock: Callable[[], datetime]
    ) -> None:
        self.running: RunningRound | None = None
        self.needs_facts = False
        self._vdn_id, self._epoch = vdn_id, epoch
        self._fetch, self._clock = fetch, clock
        self._failures = 0
        self._shown_at = clock()

    def is_due(
        self, state: MirrorState, zone: ZoneInfo, now: datetime, wanted_at: datetime | None
    ) -> bool:
        """Tell whether a round has to begin: it is night in `zone`, or the last one failed or never
        ended, or a person asked for it, or missing rows need it from `wanted_at` on."""
        if self.running is not None:
            return False
        began, ended = state.round_began_at, state.round_ended_at
        if state.round_requested or began is None or ended is None or ended < began:
            return True
        if wanted_at is not None and now >= wanted_at:
            return True
        confirmed = state.guard_confirmed_at
        if confirmed is not None and began < confirmed:
            return True
        if state.guard_since is not None or not state.round_complete:
            # A vain search for rows without a time takes as many calls as the list has pages.
            is_costly = state.round_reason == RoundReason.UNDATED_UNREAD
            if now - ended >= (_RETRY_COSTLY_AFTER if is_costly else _RETRY_AFTER):
                return True
        return get_next_night(began, zone) <= now

    def begin(self, now: datetime) -> None:
        """Begin a round: every leaf is due."""
        self.running = RunningRound(now)
        self.needs_facts = True
        self._failures = 0
        self._update(round_began_at=now, round_requested=False)
        leaves = MirrorLeaf.objects.filter(vdn=self._vdn_id)
        floor = get_floor(now)
        leaves.filter(end__lte=floor).delete()
        leaves.filter(begin__lt=floor).update(begin=floor)
        leaves.exclude(kind=LeafKind.UNDATED).update(due_at=now, failures=0)

    def find_facts(self, state: MirrorState, known: ListFacts) -> ListFacts:
        """Find the facts of the list, and make the leaves that they need. Raises ISalesError."""
        facts = find_facts(self._fetch, known, settings.ISALES.max_page_size)
        total = self._fetch(ReservationQuery(size=1)).total
        self._ensure_leaves(state, facts)
        self.store_facts(facts)
        self._update(rows_expected=None if facts.totals_wrong else total)
        self.needs_facts = False
        return facts

    def store_facts(self, facts: ListFacts) -> None:
        """Store the facts of the list."""
        self._update(**vars(facts))

    def count_failure(self, outcome: str) -> None:
        """Count a failure of the vendor; after some in a row a running round ends incomplete."""
        self._failures += 1
        if self._failures >= MAX_FAILURES and self.running is not None:
            self._end(outcome)

    def count_success(self) -> None:
        """End the row of failures, and store how many rows were read, once a second."""
        self._failures = 0
        now = self._clock()
        if self.running is None or timedelta() <= now - self._shown_at < timedelta(seconds=1):
            return
        self._shown_at = now
        read = MirrorLeaf.objects.filter(vdn=self._vdn_id, as_of__gte=self.running.began)
        rows = read.aggregate(rows=Sum("rows"))["rows"] or 0
        self._update(rows_read=min(rows, self._count_rows()))

    @property
    def is_unread(self) -> Q:
        """Condition of the leaves that the running round has not read whole."""
        assert self.running is not None  # noqa: S101 - only used while a round runs
        return Q(as_of=None) | Q(as_of__lt=self.running.began) | Q(complete=False)

    def has_read_leaves(self) -> bool:
        """Tell whether every leaf was read in this round, except those that keep failing."""
        return not self._select_unread().filter(failures__lt=MAX_FAILURES).exists()

    def finish(self, facts: ListFacts, missing: MissingRows, offset: timedelta | None) -> None:
        """Read the rows without a time, count the whole list, decide on missing rows, and end the
        round. Makes some queries at a time: call it until the round has ended, also after an error.
        `offset` of the vendor's clock is stored. Raises ISalesError."""
        running = self.running
        assert running is not None  # noqa: S101 - only a running round is finished
        if facts.by_time and not self._search_undated(running, facts):
            return
        unread = self._select_unread()
        reason = ""
        if count := unread.count():
            causes = (running.reasons[leaf.pk] for leaf in unread if leaf.pk in running.reasons)
            reason = build_reason(RoundReason.PARTS_UNREAD, count, next(causes, ""))
        if running.search is not None and not self._apply_undated(running, facts, missing):
            soon = running.search.changed and running.search.queries <= _FEW_QUERIES
            reason = reason or (RoundReason.UNDATED_CHANGED if soon else RoundReason.UNDATED_UNREAD)
        if not reason:
            total = None if facts.totals_wrong else self._fetch(ReservationQuery(size=1)).total
            missing.judge_round(running.missing, began=running.began, total=total)
        self._merge_leaves(facts)
        if offset is not None:
            self._update(vendor_offset_ms=round(offset.total_seconds() * 1000))
        self._end(reason)

    def _ensure_leaves(self, state: MirrorState, facts: ListFacts) -> None:
        """Make the leaves of an empty mirror, or of one whose ranges filter by another time."""
        now = self._clock()
        leaves = MirrorLeaf.objects.filter(vdn=self._vdn_id)
        with transaction.atomic():
            if lock_state(self._vdn_id, self._epoch) is None:
                return
            if facts.by_time:
                other = {facts.column, state.column} - {"", APPOINT_TIME}
                is_other = facts.column != state.column and other
                if is_other or not leaves.filter(kind=LeafKind.TIME).exists():
                    leaves.delete()
                    MirrorLeaf.objects.bulk_create(plan_leaves(self._vdn_id, now, get_floor(now)))
                return
            leaves.exclude(kind=LeafKind.AGENT).delete()
            accounts = MirrorAgent.objects.filter(vdn=self._vdn_id).values_list(
                "account", flat=True
            )
            known = set(leaves.values_list("agent", flat=True))
            MirrorLeaf.objects.bulk_create(
                MirrorLeaf(vdn_id=self._vdn_id, kind=LeafKind.AGENT, agent=account, due_at=now)
                for account in sorted({"", *accounts[:_MAX_AGENTS]} - known)
            )

    def _select_unread(self) -> QuerySet[MirrorLeaf]:
        unread = MirrorLeaf.objects.filter(self.is_unread, vdn=self._vdn_id)
        return unread.exclude(kind=LeafKind.UNDATED)

    def _search_undated(self, running: RunningRound, facts: ListFacts) -> bool:
        """Continue the search for rows without a time; return whether it is over."""
        if running.search is None:
            first = MirrorLeaf.objects.filter(vdn=self._vdn_id, kind=LeafKind.TIME).order_by(
                "begin"
            )
            begin = first.values_list("begin", flat=True).first() or FIRST_TIME
            running.search = UndatedSearch(facts, begin, running.undated)
        search = running.search
        for _query in range(_QUERIES_AT_ONCE):
            if search.complete is not None or search.step(self._fetch):
                break
        else:
            return False
        counts = search.counts
        if counts is None:
            self._update(counted_at=None)
        else:
            self._update(
                counted_at=self._clock(),
                count_total=counts.total,
                count_before=counts.before,
                count_within=counts.within,
                count_after=0,
                count_undated=counts.undated,
            )
        return True

    def _apply_undated(self, running: RunningRound, facts: ListFacts, missing: MissingRows) -> bool:
        """Apply the rows without a time, once; return whether all of them were found."""
        if running.is_undated_read is not None:
            return running.is_undated_read
        search = running.search
        leaf = MirrorLeaf.objects.filter(vdn=self._vdn_id, kind=LeafKind.UNDATED).first()
        if search is None or leaf is None:
            return False
        leaf.due_at, leaf.interval = running.began + _DAY, NIGHTLY
        rows, complete = tuple(search.rows.values()), bool(search.complete)
        answer = LeafAnswer(rows, running.began, complete)
        outcome = apply_reading(
            vdn_id=self._vdn_id, epoch=self._epoch, leaf=leaf, answer=answer, now=self._clock()
        )
        running.add(leaf, answer, outcome, facts.column)
        running.is_undated_read = complete and outcome.applied
        missing.judge(outcome, facts)
        return running.is_undated_read

    def _merge_leaves(self, facts: ListFacts) -> None:
        """Merge neighbours with few rows into one leaf."""
        leaves = MirrorLeaf.objects.filter(vdn=self._vdn_id, kind=LeafKind.TIME, failures=0)
        groups = group_small_leaves([leaf for leaf in leaves if leaf.as_of], facts.page_cap)
        if not groups:
            return
        with transaction.atomic():
            if lock_state(self._vdn_id, self._epoch) is None:
                return
            for group in groups:
                MirrorLeaf.objects.filter(pk__in=[leaf.pk for leaf in group[1:]]).delete()
                MirrorLeaf.objects.filter(pk=group[0].pk).update(
                    end=group[-1].end,
                    as_of=min(leaf.as_of for leaf in group if leaf.as_of),
                    rows=sum(leaf.rows for leaf in group),
                    due_at=min(leaf.due_at for leaf in group),
                )

    def _end(self, reason: str) -> None:
        """End the round; it is complete if there is no reason and no unconfirmed row."""
        unconfirmed = count_unconfirmed(self._vdn_id)
        if unconfirmed and not reason:
            reason = build_reason(RoundReason.UNCONFIRMED, unconfirmed)
        self._update(
            round_ended_at=self._clock(),
            round_complete=not reason,
            round_reason=reason[:200],
            rows_read=self._count_rows(),
        )
        self.running = None
        self.needs_facts = False
        log.info("mirror_round_ended", vdn=self._vdn_id, complete=not reason, reason=reason)

    def _count_rows(self) -> int:
        return MirrorRow.objects.for_vdn(self._vdn_id).present().count()

    def _update(self, **values: Any) -> None:
        """Write to the state, unless another process leads."""
        MirrorState.objects.filter(pk=self._vdn_id, epoch=self._epoch).update(**values)
