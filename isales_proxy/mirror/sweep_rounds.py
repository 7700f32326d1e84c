"""Rounds over everything: what they learn, rows without a time, the identity of counts, and how
often each leaf is read afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.mirror import guard, tiers
from isales_proxy.mirror.absences import Absences
from isales_proxy.mirror.leaves import merge_leaves, plan_leaves
from isales_proxy.mirror.list_facts import (
    APPOINT_TIME,
    CREATE_TIME,
    AskList,
    ListFacts,
    learn_facts,
)
from isales_proxy.mirror.readings import (
    FIRST_TIME,
    LeafAnswer,
    ReadingOutcome,
    apply_reading,
    lock_state,
)
from isales_proxy.mirror.round_reasons import RoundReason, build_reason
from isales_proxy.mirror.undated import UndatedSearch, pick_undated
from isales_proxy.models import Vdn
from isales_proxy.models.mirror import (
    LeafKind,
    MirrorAgent,
    MirrorLeaf,
    MirrorRow,
    MirrorState,
    Phase,
)

log = structlog.get_logger("isales")

_LEAST_DAYS: Final = 31
GIVEN_UP: Final = 4
"""Failures of a leaf, or of the vendor in a row, after which a round ends without it."""
_GUARDED: Final = timedelta(minutes=10)
_COSTLY: Final = timedelta(hours=1)
_OVERDUE_DAYS: Final = timedelta(days=30)
_MOST_OVERDUE: Final = 5000
_DAY: Final = timedelta(days=1)
_MOST_AGENTS: Final = 200
# For rows without a time, before what is near is read again: a search that finds them at the ends
# of the list is not interrupted, so that little changes meanwhile.
_QUESTIONS: Final = 20
# Of a search that may be repeated before an hour is over.
_FEW_QUESTIONS: Final = 150
_LONGEST_PAUSE: Final = timedelta(minutes=2)


@dataclass
class RoundLog:
    """Record of one round so far: rows without a time that ranges answered, the search for the
    others, and whether all were read, None until they are applied; rows that were missed and since
    when; why leaves could not be read."""

    began: datetime
    undated: dict[object, Reservation] = field(default_factory=dict)
    missing: dict[int, datetime] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    search: UndatedSearch | None = None
    is_undated_read: bool | None = None

    def note(
        self,
        leaf: MirrorLeaf,
        answer: LeafAnswer,
        outcome: ReadingOutcome,
        t0: datetime,
        column: str,
    ) -> None:
        """Take note of a reading."""
        self.undated |= pick_undated(answer.rows, column)
        self.missing.update({missed.pk: missed.missed_at or t0 for missed in outcome.missing})
        if answer.complete:
            self.reasons.pop(leaf.pk, None)


def get_floor(now: datetime) -> datetime:
    """Return the time before which reservations are counted only: where retention deletes closed
    ones, which a reading would bring back."""
    days = max(settings.RETENTION.mirror_row_days, _LEAST_DAYS)
    floor = now - timedelta(days=days) + _DAY
    return floor.replace(minute=0, second=0, microsecond=0)


class SweepRounds:
    """Rounds of one VDN under one leader."""

    def __init__(self, vdn: Vdn, epoch: int, ask: AskList, clock: Callable[[], datetime]) -> None:
        self.log: RoundLog | None = None
        self.needs_facts = False
        self._vdn, self._epoch = vdn, epoch
        self._ask, self._clock = ask, clock
        self._failures = 0
        self._shown_at = clock()

    def is_wanted(self, state: MirrorState, now: datetime, wanted_at: datetime | None) -> bool:
        """Tell whether a round is to begin: none was, it is night, somebody or something asks."""
        if self.log is not None:
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
            # To look in vain for rows without a time takes as many calls as the list has pages.
            is_costly = state.round_reason == RoundReason.UNDATED_UNREAD
            if now - ended >= (_COSTLY if is_costly else _GUARDED):
                return True
        return tiers.get_next_night(began, self._vdn.zone) <= now

    def begin(self, now: datetime) -> None:
        """Begin a round: every leaf is due."""
        self.log = RoundLog(now)
        self.needs_facts = True
        self._failures = 0
        self._update(round_began_at=now, round_requested=False)
        leaves = MirrorLeaf.objects.filter(vdn=self._vdn)
        floor = get_floor(now)
        leaves.filter(end__lte=floor).delete()
        leaves.filter(begin__lt=floor).update(begin=floor)
        leaves.exclude(kind=LeafKind.UNDATED).update(due_at=now, failures=0)

    def learn(self, state: MirrorState, known: ListFacts) -> ListFacts:
        """Learn what the list does, and see that there are leaves for it. Raises ISalesError."""
        facts = learn_facts(self._ask, known, settings.ISALES.max_page_size)
        total = self._ask(ReservationQuery(size=1)).total
        self._ensure_leaves(state, facts)
        self.store_facts(facts)
        self._update(rows_expected=None if facts.totals_wrong else total)
        self.needs_facts = False
        return facts

    def store_facts(self, facts: ListFacts) -> None:
        """Store what was found of the list."""
        self._update(
            column=facts.column,
            page_cap=facts.page_cap,
            number_match=facts.number_match,
            totals_wrong=facts.totals_wrong,
        )

    def fail(self, reason: str) -> None:
        """Count a failure of the vendor, `reason` being its outcome; a round ends incomplete after
        a few without a success."""
        self._failures += 1
        if self._failures >= GIVEN_UP and self.log is not None:
            self._end(reason)

    def succeed(self) -> None:
        """Take note that leaves were read, and show how far the round is, once a second."""
        self._failures = 0
        now = self._clock()
        if self.log is None or timedelta() <= now - self._shown_at < timedelta(seconds=1):
            return
        self._shown_at = now
        read = MirrorLeaf.objects.filter(vdn=self._vdn, as_of__gte=self.log.began)
        rows = read.aggregate(rows=Sum("rows"))["rows"] or 0
        self._update(rows_read=min(rows, self._count_rows()))

    @property
    def is_unread(self) -> Q:
        """Condition of the leaves that the running round has not read whole."""
        assert self.log is not None  # noqa: S101 - only asked for while a round runs
        return Q(as_of=None) | Q(as_of__lt=self.log.began) | Q(complete=False)

    def is_read(self) -> bool:
        """Tell whether every leaf was read in this round, but those that fail again and again."""
        return not self._list_unread().filter(failures__lt=GIVEN_UP).exists()

    def finish(self, facts: ListFacts, absences: Absences, offset: timedelta | None) -> None:
        """Read what has no place in time, account for everybody, and judge who was missed by the
        round: by some questions at a time, to be called until the round has ended. `offset` of the
        vendor's clock is stored. Raises ISalesError: then it is to be called again."""
        running = self.log
        assert running is not None  # noqa: S101 - only a round that runs is finished
        if facts.by_time and not self._search_undated(running, facts):
            return
        unread = self._list_unread()
        reason = ""
        if count := unread.count():
            why = next(
                (running.reasons[leaf.pk] for leaf in unread if leaf.pk in running.reasons), ""
            )
            reason = build_reason(RoundReason.PARTS_UNREAD, count, why)
        if running.search is not None and not self._apply_undated(running, facts, absences):
            soon = running.search.changed and running.search.asked <= _FEW_QUESTIONS
            reason = reason or (RoundReason.UNDATED_CHANGED if soon else RoundReason.UNDATED_UNREAD)
        if not reason:
            total = None if facts.totals_wrong else self._ask(ReservationQuery(size=1)).total
            absences.judge_round(
                running.missing, began=running.began, total=total, state=self._update_guard()
            )
            guard.end_guard(vdn_id=self._vdn.pk)
            guard.end_confirmation(vdn_id=self._vdn.pk, before=running.began)
        self._merge(facts)
        if offset is not None:
            self._update(vendor_offset_ms=round(offset.total_seconds() * 1000))
        self._end(reason)

    def retier(self, calls_per_minute: float, facts: ListFacts) -> None:
        """Set how often each leaf is read, by the present time."""
        now = self._clock()
        leaves = list(MirrorLeaf.objects.filter(vdn=self._vdn).exclude(kind=LeafKind.UNDATED))
        overdue = self._list_overdue(now) if facts.column != CREATE_TIME else []
        zone = self._vdn.zone
        wanted = [tiers.get_interval(leaf, now, zone, overdue) for leaf in leaves]
        changed = []
        for leaf, interval in zip(
            leaves, tiers.stretch_intervals(wanted, calls_per_minute), strict=True
        ):
            before = leaf.interval, leaf.due_at, leaf.as_of
            leaf.interval = interval
            if leaf.as_of is not None and leaf.as_of > now:
                # The clock was set back: that time says nothing.
                leaf.as_of = None
            if not leaf.failures:
                due = now if leaf.as_of is None else leaf.as_of + timedelta(seconds=interval)
                leaf.due_at = min(leaf.due_at, max(due, now))
            elif leaf.due_at > now + _LONGEST_PAUSE:
                leaf.due_at = now
            if before != (leaf.interval, leaf.due_at, leaf.as_of):
                changed.append(leaf)
        MirrorLeaf.objects.bulk_update(changed, ["interval", "due_at", "as_of"], batch_size=500)

    def _list_overdue(self, now: datetime) -> list[datetime]:
        rows = MirrorRow.objects.for_vdn(self._vdn).filter(
            phase=Phase.OPEN,
            appoint_time__gte=now - _OVERDUE_DAYS,
            appoint_time__lt=now - self._vdn.late_grace,
        )
        times = rows.order_by("-appoint_time").values_list("appoint_time", flat=True)
        return [time for time in reversed(times[:_MOST_OVERDUE]) if time is not None]

    def _ensure_leaves(self, state: MirrorState, facts: ListFacts) -> None:
        """Make the leaves of an empty mirror, or of another column than before."""
        now = self._clock()
        leaves = MirrorLeaf.objects.filter(vdn=self._vdn)
        with transaction.atomic():
            if lock_state(self._vdn.pk, self._epoch) is None:
                return
            if facts.by_time:
                other = facts.column != state.column and {facts.column, state.column} - {
                    "",
                    APPOINT_TIME,
                }
                if other or not leaves.filter(kind=LeafKind.TIME).exists():
                    leaves.delete()
                    MirrorLeaf.objects.bulk_create(plan_leaves(self._vdn.pk, now, get_floor(now)))
                return
            leaves.exclude(kind=LeafKind.AGENT).delete()
            accounts = MirrorAgent.objects.filter(vdn=self._vdn).values_list("account", flat=True)
            known = set(leaves.values_list("agent", flat=True))
            new = sorted({"", *accounts[:_MOST_AGENTS]} - known)
            MirrorLeaf.objects.bulk_create(
                MirrorLeaf(vdn=self._vdn, kind=LeafKind.AGENT, agent=account, due_at=now)
                for account in new
            )

    def _list_unread(self) -> QuerySet[MirrorLeaf]:
        unread = MirrorLeaf.objects.filter(self.is_unread, vdn=self._vdn)
        return unread.exclude(kind=LeafKind.UNDATED)

    def _search_undated(self, running: RoundLog, facts: ListFacts) -> bool:
        """Go on searching the rows without a time; True once that is over."""
        if running.search is None:
            first = MirrorLeaf.objects.filter(vdn=self._vdn, kind=LeafKind.TIME).order_by("begin")
            begin = first.values_list("begin", flat=True).first() or FIRST_TIME
            running.search = UndatedSearch(facts, begin, running.undated)
        search = running.search
        for _question in range(_QUESTIONS):
            if search.complete is not None or search.step(self._ask):
                break
        else:
            return False
        counted = search.identity
        if counted is None:
            self._update(counted_at=None)
            return True
        self._update(
            counted_at=self._clock(),
            count_total=counted.total,
            count_before=counted.before,
            count_within=counted.within,
            count_after=0,
            count_undated=counted.undated,
        )
        return True

    def _apply_undated(self, running: RoundLog, facts: ListFacts, absences: Absences) -> bool:
        """Apply the rows without a time that were found, once; tell whether that is all of them."""
        if running.is_undated_read is not None:
            return running.is_undated_read
        search = running.search
        leaf = MirrorLeaf.objects.filter(vdn=self._vdn, kind=LeafKind.UNDATED).first()
        if search is None or leaf is None:
            return False
        complete = bool(search.complete)
        leaf.due_at, leaf.interval = running.began + _DAY, tiers.NIGHTLY
        answer = LeafAnswer(tuple(search.rows.values()), len(search.rows), complete=complete)
        outcome = apply_reading(
            vdn_id=self._vdn.pk,
            epoch=self._epoch,
            leaf=leaf,
            answer=answer,
            t0=running.began,
            now=self._clock(),
        )
        running.note(leaf, answer, outcome, running.began, facts.column)
        running.is_undated_read = complete and outcome.applied
        absences.judge(outcome, facts)
        return running.is_undated_read

    def _update_guard(self) -> MirrorState:
        guard.count_round(vdn_id=self._vdn.pk, now=self._clock())
        return MirrorState.objects.get(pk=self._vdn.pk)

    def _merge(self, facts: ListFacts) -> None:
        """Make one leaf of neighbours with few rows."""
        leaves = MirrorLeaf.objects.filter(vdn=self._vdn, kind=LeafKind.TIME, failures=0)
        groups = merge_leaves([leaf for leaf in leaves if leaf.as_of], facts.page_cap)
        if not groups:
            return
        with transaction.atomic():
            if lock_state(self._vdn.pk, self._epoch) is None:
                return
            for group in groups:
                first = group[0]
                MirrorLeaf.objects.filter(pk__in=[leaf.pk for leaf in group[1:]]).delete()
                MirrorLeaf.objects.filter(pk=first.pk).update(
                    end=group[-1].end,
                    as_of=min(leaf.as_of for leaf in group if leaf.as_of),
                    rows=sum(leaf.rows for leaf in group),
                    due_at=min(leaf.due_at for leaf in group),
                )

    def _end(self, reason: str) -> None:
        held = guard.count_held(self._vdn.pk)
        if held and not reason:
            reason = build_reason(RoundReason.UNCONFIRMED, held)
        self._update(
            round_ended_at=self._clock(),
            round_complete=not reason,
            round_reason=reason[:200],
            rows_read=self._count_rows(),
        )
        self.log = None
        self.needs_facts = False
        log.info("mirror_round_ended", vdn=self._vdn.pk, complete=not reason, reason=reason)

    def _count_rows(self) -> int:
        return MirrorRow.objects.for_vdn(self._vdn).present().count()

    def _update(self, **values: Any) -> None:
        """Write to the state while we lead; another leader's is left alone."""
        MirrorState.objects.filter(pk=self._vdn.pk, epoch=self._epoch).update(**values)
