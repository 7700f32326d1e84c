"""Rows that a reading missed: asked for by number, and only then marked as gone; or, where many are
missing at once, held back as unconfirmed by the mass guard.

A reading of one leaf cannot tell a row that is gone from one that was moved to another time. The
answer to a query by its number can, since it has the row wherever it is; else two rounds over
everything. An answer that lacks many rows is more often a fault of the vendor, or a key with fewer
rights, than many deleted reservations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import F, Q

from isales_proxy.client.errors import BadAnswer, Refused
from isales_proxy.client.queries import CALLED_NUMBER, ReservationQuery
from isales_proxy.mirror.changes import write_revision
from isales_proxy.mirror.list_facts import FetchPage, ListFacts, count_distinct, get_time_field
from isales_proxy.mirror.readings import LeafAnswer, ReadingOutcome, apply_reading
from isales_proxy.models.mirror import MirrorRow, MirrorState, Phase

MIN_ROUND_DISTANCE: Final = timedelta(seconds=30)
"""Between two rounds that must both miss a row whose number cannot be asked for."""
GUARD_ROUNDS: Final = 3
_MIN_GUARD_SPAN: Final = timedelta(minutes=30)
"""Complete rounds that agree, and over how long, until unconfirmed rows are gone."""
# Keys in one statement; databases limit their number.
_BATCH: Final = 10_000
_NO_GUARD: Final[dict[str, Any]] = {
    "guard_since": None,
    "guard_rows": 0,
    "guard_rounds": 0,
    "guard_confirmed_at": None,
}
_MAX_OF_LEAF: Final = (10, 0.3)
_MAX_OF_ALL: Final = (50, 0.05)
"""Rows, and their share, whichever is more, that may be missing without the guard."""
_RECENT: Final = timedelta(hours=1)
_FOUND_VALID: Final = timedelta(hours=1)
_NOT_FOUND_VALID: Final = timedelta(minutes=10)
_MAX_TRIALS: Final = 3
_RETRY_ROUND: Final = timedelta(minutes=10)
_MAX_RECHECKED: Final = 10


class MissingRows:
    """Decisions on the missing rows of one VDN, for one leader.

    `wanted_round` is the time from which a round over everything is needed to decide on the rest.
    """

    def __init__(
        self, vdn_id: int, epoch: int, fetch: FetchPage, clock: Callable[[], datetime]
    ) -> None:
        self.wanted_round: datetime | None = None
        self._vdn_id, self._epoch = vdn_id, epoch
        self._fetch, self._clock = fetch, clock
        # When rows were missed within the last hour, by primary key.
        self._recent: dict[int, datetime] = {}
        # By kind of number: whether the vendor finds rows by such a number, and since when.
        self._finds: dict[str, tuple[bool, datetime]] = {}

    def judge(self, outcome: ReadingOutcome, facts: ListFacts) -> None:
        """Decide on the rows that a leaf's reading missed. Raises ISalesError."""
        rows = outcome.missing
        if not rows:
            return
        state = MirrorState.objects.get(pk=self._vdn_id)
        now = self._clock()
        self._mark_gone([row for row in rows if _is_confirmed(state, row)], now)
        new = [row for row in rows if not row.unconfirmed]
        self._recent = {
            key: at for key, at in self._recent.items() if timedelta() <= now - at < _RECENT
        }
        self._recent.update(dict.fromkeys((row.pk for row in new), now))
        if not new:
            return
        if self._are_too_many(len(rows), outcome.stored_rows, facts):
            self._mark_unconfirmed(new)
            return
        self._find_by_number(new, facts)

    def recheck_open(self, before: datetime, facts: ListFacts) -> None:
        """Query open rows due before the mirrored time, which no leaf covers, by number: first
        those that were not seen for longest. Raises ISalesError."""
        rows = MirrorRow.objects.for_vdn(self._vdn_id).filter(
            phase=Phase.OPEN, **{f"{get_time_field(facts.column)}__lt": before}
        )
        found = list(rows.order_by("missed_at", "observed_at")[:_MAX_RECHECKED])
        if found:
            # An answer that has them clears that; else the query by number decides.
            MirrorRow.objects.filter(pk__in=[row.pk for row in found]).update(
                missed_at=self._clock(), gone_after=F("observed_at")
            )
            self._find_by_number(found, facts)

    def judge_round(self, missing: set[int], *, began: datetime, total: int | None) -> None:
        """Decide on the rows that a complete round missed. `total` is the vendor's number of rows
        after the round; None where totals are wrong."""
        self._count_round()
        self._judge_round(missing, began, total)
        self._end_guard()
        # The rows confirmed before the round are gone; rows unconfirmed since need another one.
        MirrorState.objects.filter(pk=self._vdn_id, guard_confirmed_at__lt=began).update(
            guard_confirmed_at=None
        )

    def _judge_round(self, missing: set[int], began: datetime, total: int | None) -> None:
        state = MirrorState.objects.get(pk=self._vdn_id)
        rows = MirrorRow.objects.for_vdn(self._vdn_id).present().filter(pk__in=missing)
        found = [row for row in rows if row.missed_at is not None]
        now = self._clock()
        is_released = (
            state.guard_since is not None
            and state.guard_rounds >= GUARD_ROUNDS
            and now - state.guard_since >= _MIN_GUARD_SPAN
        )
        unconfirmed = [row for row in found if row.unconfirmed]
        self._mark_gone(
            [row for row in unconfirmed if is_released or _is_confirmed(state, row)], began
        )
        rest = [row for row in found if not row.unconfirmed]
        if not rest:
            return
        present = self._count_present()
        if _exceeds(_MAX_OF_ALL, self._count_recent(), present):
            self._mark_unconfirmed(rest)
            return
        before = began - MIN_ROUND_DISTANCE
        twice = [row for row in rest if row.missed_at and row.missed_at <= before]
        # If the vendor has more rows than are known, one of them may be a missing row.
        if total is None or total <= present - len(rest):
            self._mark_gone(twice, began)
            rest = [row for row in rest if row not in twice]
        if rest:
            # Rows missed twice already wait until the list stops changing.
            has_new = any(row.missed_at and row.missed_at > before for row in rest)
            self._want_round(now if has_new else now + _RETRY_ROUND)

    def _count_round(self) -> None:
        """Count a complete round for or against the unconfirmed rows. Rounds agree while the same
        number of rows is missing."""
        unconfirmed = count_unconfirmed(self._vdn_id)
        states = MirrorState.objects.filter(pk=self._vdn_id, guard_since__isnull=False)
        if not unconfirmed:
            states.update(**_NO_GUARD)
            return
        states.exclude(guard_rows=unconfirmed).update(
            guard_rows=unconfirmed, guard_rounds=0, guard_since=self._clock()
        )
        states.filter(guard_rows=unconfirmed).update(guard_rounds=F("guard_rounds") + 1)

    def _end_guard(self) -> None:
        """End the guard if no row is unconfirmed any more."""
        if not count_unconfirmed(self._vdn_id):
            states = MirrorState.objects.filter(pk=self._vdn_id, guard_since__isnull=False)
            states.update(**_NO_GUARD)

    def _are_too_many(self, missing: int, rows_of_leaf: int, facts: ListFacts) -> bool:
        """Tell whether so many rows are missing at once that the answer itself is in doubt."""
        if _exceeds(_MAX_OF_LEAF, missing, rows_of_leaf):
            return True
        present = self._count_present()
        if _exceeds(_MAX_OF_ALL, self._count_recent(), present):
            return True
        if facts.totals_wrong:
            return False
        lacking = present - self._fetch(ReservationQuery(size=1)).total
        return _exceeds(_MAX_OF_LEAF, lacking, present) or _exceeds(_MAX_OF_ALL, lacking, present)

    def _count_recent(self) -> int:
        """Count the rows missed within the last hour and not found since."""
        rows = MirrorRow.objects.filter(Q(phase=Phase.GONE) | Q(missed_at__isnull=False))
        keys = list(self._recent)
        parts = (keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH))
        return sum(rows.filter(pk__in=part).count() for part in parts)

    def _count_present(self) -> int:
        return MirrorRow.objects.for_vdn(self._vdn_id).present().count()

    def _find_by_number(self, rows: Sequence[MirrorRow], facts: ListFacts) -> None:
        """Query each called number of the rows; want a round where that decides nothing."""
        for number in dict.fromkeys(row.called_no for row in rows):
            same = [row for row in rows if row.called_no == number]
            can_query = number is not None and CALLED_NUMBER.fullmatch(number)
            if not (can_query and self._query_number(number or "", same, facts)):
                self._want_round(self._clock())

    def _query_number(self, number: str, rows: Sequence[MirrorRow], facts: ListFacts) -> bool:
        """Query a number over all times, and mark the rows that the answer lacks as gone; False if
        the answer does not prove that."""
        sent_at = self._clock()
        try:
            page = self._fetch(ReservationQuery(called_no=number, size=facts.page_cap))
        except (Refused, BadAnswer):
            return False
        outcome = apply_reading(
            vdn_id=self._vdn_id,
            epoch=self._epoch,
            leaf=None,
            answer=LeafAnswer(page.items, sent_at, complete=False),
            now=self._clock(),
        )
        rows = [row for row in rows if row.key not in outcome.answered]
        if outcome.fenced or not rows:
            return True
        is_filtered = all(number in (row.called_no or "") for row in page.items)
        is_whole = len(page.items) == page.total == count_distinct(page) < facts.page_cap
        if not is_whole or not is_filtered or facts.totals_wrong:
            return False
        is_proven = any(row.called_no == number for row in page.items)
        if not is_proven and not self._finds_such_numbers(number, facts):
            return False
        self._mark_gone(rows, sent_at)
        return True

    def _finds_such_numbers(self, number: str, facts: ListFacts) -> bool:
        """Tell whether the vendor finds present rows by such a number, by querying others."""
        kind = _get_kind(number)
        now = self._clock()
        known = self._finds.get(kind)
        if known is not None:
            valid = _FOUND_VALID if known[0] else _NOT_FOUND_VALID
            if timedelta() <= now - known[1] < valid:
                return known[0]
        rows = MirrorRow.objects.for_vdn(self._vdn_id).present().filter(missed_at=None)
        rows = rows.exclude(called_no=None).exclude(called_no=number)
        others = [
            other or ""
            for other in rows.order_by("-observed_at").values_list("called_no", flat=True)[:200]
            if _get_kind(other or "") == kind and CALLED_NUMBER.fullmatch(other or "")
        ]
        for other in dict.fromkeys(others[:_MAX_TRIALS]):
            try:
                page = self._fetch(ReservationQuery(called_no=other, size=facts.page_cap))
            except (Refused, BadAnswer):
                break
            if any(row.called_no == other for row in page.items):
                self._finds[kind] = True, now
                return True
        self._finds[kind] = False, now
        return False

    def _mark_gone(self, rows: Sequence[MirrorRow], sent_before: datetime) -> None:
        if rows:
            mark_gone(self._vdn_id, self._epoch, rows, sent_before, self._clock())
            self._end_guard()

    def _mark_unconfirmed(self, rows: Iterable[MirrorRow]) -> None:
        """Mark missed rows as unconfirmed: they stay in the list with that word."""
        now = self._clock()
        with write_revision(self._vdn_id, self._epoch, now) as writes:
            if writes is None:
                return
            new = [row for row in _select_missed(self._vdn_id, rows) if not row.unconfirmed]
            if not new:
                return
            for row in new:
                writes.mark_unconfirmed(row)
            state = MirrorState.objects.filter(pk=self._vdn_id)
            state.filter(guard_since=None).update(guard_since=now, guard_confirmed_at=None)
            unconfirmed = count_unconfirmed(self._vdn_id) + len(new)
            state.update(guard_rows=unconfirmed, guard_rounds=0)

    def _want_round(self, missed_at: datetime) -> None:
        self.wanted_round = self.wanted_round or missed_at + MIN_ROUND_DISTANCE


def mark_gone(
    vdn_id: int, epoch: int, rows: Iterable[MirrorRow], sent_before: datetime, now: datetime
) -> None:
    """Mark missed rows as gone, unless an answer to a query sent after `sent_before` has them."""
    with write_revision(vdn_id, epoch, now) as writes:
        if writes is None:
            return
        for row in _select_missed(vdn_id, rows):
            if not sent_before < row.observed_at <= now:
                writes.remove(row, after=row.gone_after, by=now)


def _select_missed(vdn_id: int, rows: Iterable[MirrorRow]) -> Iterable[MirrorRow]:
    """Read rows anew, those that are still missed."""
    present = MirrorRow.objects.for_vdn(vdn_id).present().exclude(missed_at=None)
    return present.filter(pk__in=[row.pk for row in rows])


def count_unconfirmed(vdn_id: int) -> int:
    """Count the rows that the guard holds back."""
    return MirrorRow.objects.for_vdn(vdn_id).present().filter(unconfirmed=True).count()


def confirm_unconfirmed(vdn_id: int, now: datetime) -> bool:
    """Confirm that the rows unconfirmed now are gone: they go at their next reading that misses
    them. Return False if there is none, or if they are confirmed already. The caller checks the
    permission and records the audit."""
    states = MirrorState.objects.filter(pk=vdn_id, guard_since__isnull=False)
    return bool(states.filter(guard_confirmed_at=None).update(guard_confirmed_at=now))


def _is_confirmed(state: MirrorState, row: MirrorRow) -> bool:
    """Tell whether a row was unconfirmed when somebody confirmed that those are gone."""
    if not row.unconfirmed or row.missed_at is None or state.guard_confirmed_at is None:
        return False
    return row.missed_at <= state.guard_confirmed_at


def _exceeds(limit: tuple[int, float], missing: int, rows: int) -> bool:
    count, share = limit
    return missing > max(count, rows * share)


def _get_kind(number: str) -> str:
    """Return what a vendor's filter may treat differently: a plus, zeros before, other signs."""
    plain = number.lstrip("+")
    zeros = len(plain) - len(plain.lstrip("0"))
    signs = "*" if set(plain) & set("*#") else ""
    return f"{'+' if number.startswith('+') else ''}{min(zeros, 2)}{signs}"
