"""Rows that a reading missed: guarded against faults, asked for by number, called gone only then.

A reading of one leaf cannot tell a row that is gone from one that was moved to another time. One
answer to its number can, since it holds the row wherever it is; else two rounds over everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db.models import F

from isales_proxy.client.errors import BadAnswer, Refused
from isales_proxy.client.queries import CALLED_NUMBER, ReservationQuery
from isales_proxy.mirror import guard
from isales_proxy.mirror.list_facts import AskList, ListFacts, count_distinct
from isales_proxy.mirror.readings import (
    LeafAnswer,
    ReadingOutcome,
    apply_reading,
    get_position_field,
)
from isales_proxy.models.mirror import MirrorRow, MirrorState, Phase

APART: Final = timedelta(seconds=30)
"""Between two rounds that must both miss a row whose number cannot be asked for."""
_TALLY_SPAN: Final = timedelta(hours=1)
_PROVEN: Final = timedelta(hours=1)
_UNPROVEN: Final = timedelta(minutes=10)
_TRIALS: Final = 3
_LATER: Final = timedelta(minutes=10)
_RECHECKED: Final = 10


class Absences:
    """Verdicts on missing rows of one VDN, for one leader.

    `wanted_round` is the time from which a round over everything is needed to judge the rest.
    """

    def __init__(
        self, vdn_id: int, epoch: int, ask: AskList, clock: Callable[[], datetime]
    ) -> None:
        self.wanted_round: datetime | None = None
        self._vdn_id, self._epoch = vdn_id, epoch
        self._ask, self._clock = ask, clock
        # Rows missed within the last hour, and when.
        self._tally: dict[int, datetime] = {}
        # By kind of number: whether the vendor finds rows by such a number, and since when.
        self._finds: dict[str, tuple[bool, datetime]] = {}

    def judge(self, outcome: ReadingOutcome, facts: ListFacts) -> None:
        """Judge the rows that a leaf's reading missed. Raises ISalesError."""
        rows = outcome.missing
        if not rows:
            return
        state = MirrorState.objects.get(pk=self._vdn_id)
        now = self._clock()
        self._settle([row for row in rows if guard.is_confirmed(state, row)], now)
        new = [row for row in rows if not row.unconfirmed]
        self._tally = {
            key: at for key, at in self._tally.items() if timedelta() <= now - at < _TALLY_SPAN
        }
        self._tally.update(dict.fromkeys((row.pk for row in new), now))
        if not new:
            return
        if self._is_guarded(len(rows), outcome.core_rows, facts):
            self.hold(new)
            return
        self._ask_for(new, facts)

    def recheck_open(self, before: datetime, facts: ListFacts) -> None:
        """Ask for the open rows due before the mirrored time, which no leaf holds: by number, the
        longest unseen ones. Raises ISalesError."""
        late = {f"{get_position_field(facts.column)}__lt": before}
        rows = MirrorRow.objects.for_vdn(self._vdn_id).filter(phase=Phase.OPEN, **late)
        found = list(rows.order_by("missed_at", "observed_at")[:_RECHECKED])
        if found:
            # Seen again they are missed no longer; else their number has the last word.
            MirrorRow.objects.filter(pk__in=[row.pk for row in found]).update(
                missed_at=self._clock(), gone_after=F("observed_at")
            )
            self._ask_for(found, facts)

    def judge_round(
        self,
        missing: dict[int, datetime],
        *,
        began: datetime,
        total: int | None,
        state: MirrorState,
    ) -> None:
        """Judge the rows that a complete round missed, with the times since when. `total` is the
        vendor's number of rows after the round; None where totals are wrong. `state` counts the
        round."""
        rows = MirrorRow.objects.for_vdn(self._vdn_id).present().filter(pk__in=missing)
        found = [row for row in rows if row.missed_at is not None]
        now = self._clock()
        is_released = guard.is_released(state, now)
        held = [row for row in found if row.unconfirmed]
        self._settle([row for row in held if is_released or guard.is_confirmed(state, row)], began)
        rest = [row for row in found if not row.unconfirmed]
        if not rest:
            return
        present = MirrorRow.objects.for_vdn(self._vdn_id).present().count()
        if guard.is_too_many_of_round(len(self._tally), present):
            self.hold(rest)
            return
        twice = [row for row in rest if row.missed_at and row.missed_at <= began - APART]
        # Were more rows there than are known, a row that is looked for might be one of them.
        if total is None or total <= present - len(rest):
            self._settle(twice, began)
            rest = [row for row in rest if row not in twice]
        if rest:
            # Those missed twice already wait for a list that stands still.
            new = any(row.missed_at and row.missed_at > began - APART for row in rest)
            self._want_round(now if new else now + _LATER)

    def hold(self, rows: Iterable[MirrorRow]) -> None:
        """Hold rows back as unconfirmed."""
        guard.hold_rows(
            vdn_id=self._vdn_id,
            epoch=self._epoch,
            row_ids=[row.pk for row in rows],
            now=self._clock(),
        )

    def _is_guarded(self, missing: int, rows_of_leaf: int, facts: ListFacts) -> bool:
        """Tell whether so much is missing at once that the answer itself is to be doubted."""
        if guard.is_too_many_of_leaf(missing, rows_of_leaf):
            return True
        present = MirrorRow.objects.for_vdn(self._vdn_id).present().count()
        if guard.is_too_many_of_round(len(self._tally), present):
            return True
        if facts.totals_wrong:
            return False
        total = self._ask(ReservationQuery(size=1)).total
        return guard.is_too_many_of_all(present - total, present)

    def _ask_for(self, rows: Sequence[MirrorRow], facts: ListFacts) -> None:
        numbers = Counter(row.called_no for row in rows)
        for number in numbers:
            same = [row for row in rows if row.called_no == number]
            can_ask = number is not None and CALLED_NUMBER.fullmatch(number)
            if not (can_ask and self._ask_by_number(number or "", same, facts)):
                self._want_round(self._clock())

    def _ask_by_number(self, number: str, rows: Sequence[MirrorRow], facts: ListFacts) -> bool:
        """Ask for a number over all times; False where the answer cannot tell."""
        t0 = self._clock()
        try:
            page = self._ask(ReservationQuery(called_no=number, size=facts.page_cap))
        except (Refused, BadAnswer):
            return False
        fits = all(number in (row.called_no or "") for row in page.items)
        whole = len(page.items) == page.total < facts.page_cap and count_distinct(page) == len(
            page.items
        )
        now = self._clock()
        answer = LeafAnswer(page.items, page.total, complete=False)
        outcome = apply_reading(
            vdn_id=self._vdn_id, epoch=self._epoch, leaf=None, answer=answer, t0=t0, now=now
        )
        rows = [row for row in rows if row.key not in outcome.answered]
        if outcome.fenced or not rows:
            return True
        if not whole or not fits or facts.totals_wrong:
            return False
        if not any(row.called_no == number for row in page.items) and not self._finds_like(
            number, facts
        ):
            return False
        self._settle(rows, t0)
        return True

    def _finds_like(self, number: str, facts: ListFacts) -> bool:
        """Tell whether the vendor finds a living row by such a number, by asking for others."""
        kind = _get_kind(number)
        now = self._clock()
        known = self._finds.get(kind)
        if known is not None:
            span = _PROVEN if known[0] else _UNPROVEN
            if timedelta() <= now - known[1] < span:
                return known[0]
        rows = MirrorRow.objects.for_vdn(self._vdn_id).present().filter(missed_at=None)
        rows = rows.exclude(called_no=None).exclude(called_no=number)
        others = [
            other or ""
            for other in rows.order_by("-observed_at").values_list("called_no", flat=True)[:200]
            if _get_kind(other or "") == kind and CALLED_NUMBER.fullmatch(other or "")
        ]
        for other in dict.fromkeys(others[:_TRIALS]):
            try:
                page = self._ask(ReservationQuery(called_no=other, size=facts.page_cap))
            except (Refused, BadAnswer):
                break
            if any(row.called_no == other for row in page.items):
                self._finds[kind] = True, now
                return True
        self._finds[kind] = False, now
        return False

    def _settle(self, rows: Sequence[MirrorRow], t0: datetime) -> None:
        if rows:
            guard.settle_gone(
                vdn_id=self._vdn_id,
                epoch=self._epoch,
                row_ids=[row.pk for row in rows],
                t0=t0,
                now=self._clock(),
            )
            guard.end_guard(vdn_id=self._vdn_id)

    def _want_round(self, missed_at: datetime) -> None:
        self.wanted_round = self.wanted_round or missed_at + APART


def _get_kind(number: str) -> str:
    """Return what a vendor's filter may treat differently: a plus, zeros before, other signs."""
    plain = number.lstrip("+")
    zeros = len(plain) - len(plain.lstrip("0"))
    signs = "*" if set(plain) & set("*#") else ""
    return f"{'+' if number.startswith('+') else ''}{min(zeros, 2)}{signs}"
