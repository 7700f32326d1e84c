"""The reservations of one simulated VDN: what a row shows when, and which rows a filter finds.

Order. The vendor documents none. First come the rows due from half an hour before the start of
the simulator on, soonest first, then the older ones, newest first: so the first page of a demo
shows what is late and what is near. It is stable while the simulator runs, since neither the start
nor an `appointTime` ever changes.

Life. What a row shows is a pure function of the row and of the time asked for: each row
knows from the start when it will be called and how that ends, so that rows become called
as time passes and the same instant always shows the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from isales_proxy.simulator.cast import OUTCOMES, Agent, Outcome, Task
from isales_proxy.simulator.oddities import ODDITIES, RawRow

SECOND: Final = 1000
NEAR_MS: Final = 30 * 60 * SECOND


@dataclass(frozen=True, slots=True)
class Row:
    """One reservation and its fate. Times in ms since 1970 UTC; `start_ms` None: never called."""

    appoint_id: str
    call_type: str
    appoint_ms: int
    created_ms: int
    called_no: str
    task: Task
    agent: Agent | None
    caller_no: str
    start_ms: int | None
    end_ms: int
    outcome: Outcome
    busi_result: str | None
    oddity: str = ""
    given: RawRow | None = field(default=None, compare=False)

    @property
    def account(self) -> str:
        """The account that the row is found by; empty when it has no agent."""
        return self.agent.account if self.agent else ""

    def shown_at(self, now_ms: int) -> RawRow:
        """The row in the vendor's spelling as it stands at `now_ms`; a new dict each time."""
        if self.given is not None:
            return dict(self.given)
        started = self.start_ms is not None and now_ms >= self.start_ms
        ended = started and now_ms >= self.end_ms
        row: RawRow = {
            "appointId": self.appoint_id,
            "callType": self.call_type,
            "appointTime": self.appoint_ms,
            "calledNo": self.called_no,
            "taskId": self.task.task_id,
            "taskName": self.task.name,
            "taskStatus": self.task.status,
            "timeout": not started and now_ms > self.appoint_ms,
            "userAccount": self.agent.account if self.agent else None,
            "userName": self.agent.name if self.agent else None,
            "beginTime": self.start_ms if started else None,
            "endTime": self.end_ms if ended else None,
            "callFlag": "2" if ended else "1" if started else "0",
            "callerNo": self.caller_no if started else None,
            "failCode": self.outcome.fail_code if ended else None,
            "result": self.outcome.result if ended else None,
            "busiResult": self.busi_result if ended else None,
            "createTime": self.created_ms // SECOND * SECOND,
        }
        if self.oddity:
            ODDITIES[self.oddity](row)
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The filters of `appoint/list`; both ends of the time range belong to it (ms, UTC)."""

    called_no: str | None = None
    accounts: frozenset[str] | None = None
    begin_ms: int | None = None
    end_ms: int | None = None
    task_id: str | None = None


class Dataset:
    """The rows of one VDN. Reading is thread-safe; the row list is replaced, never changed."""

    def __init__(
        self, rows: Iterable[Row], *, anchor_ms: int = 0, exact_number: bool = False
    ) -> None:
        self._exact_number = exact_number
        self._near_ms = anchor_ms - NEAR_MS
        self._rows = self._ordered(rows)

    def _ordered(self, rows: Iterable[Row]) -> tuple[Row, ...]:
        newest_first = sorted(rows, key=lambda row: (row.appoint_ms, row.appoint_id), reverse=True)
        near = [row for row in newest_first if row.appoint_ms >= self._near_ms]
        return (*reversed(near), *newest_first[len(near) :])

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows in the order in which they are answered."""
        return self._rows

    def add(self, raw_rows: Iterable[Mapping[str, object]]) -> None:
        """Put rows in the vendor's spelling among the others; they are answered as given."""
        self._rows = self._ordered([*self._rows, *(row_as_given(raw) for raw in raw_rows)])

    def select(self, wanted: Filter) -> Sequence[Row]:
        """The rows that pass every filter given, in order."""
        found: Sequence[Row] = self._rows
        if wanted.begin_ms is not None:
            begin_ms = wanted.begin_ms
            found = [row for row in found if row.appoint_ms >= begin_ms]
        if wanted.end_ms is not None:
            end_ms = wanted.end_ms
            found = [row for row in found if row.appoint_ms <= end_ms]
        if wanted.task_id is not None:
            found = [row for row in found if row.task.task_id == wanted.task_id]
        if wanted.accounts is not None:
            accounts = wanted.accounts
            found = [row for row in found if row.account in accounts]
        if wanted.called_no is not None:
            number = wanted.called_no
            if self._exact_number:
                found = [row for row in found if row.called_no == number]
            else:
                found = [row for row in found if number in row.called_no]
        return found


def to_ms(moment: datetime) -> int:
    """A moment in the vendor's milliseconds since 1970, UTC."""
    return int(moment.timestamp() * 1000)


def row_as_given(raw: Mapping[str, object]) -> Row:
    """A row that is answered exactly as `raw`; the filters read the fields of it they need."""

    def text(name: str) -> str:
        value = raw.get(name)
        return "" if value is None else str(value)

    def ms(name: str) -> int:
        value = text(name).partition(".")[0]
        return int(value) if value.isascii() and value.isdigit() else 0

    return Row(
        appoint_id=text("appointId"),
        call_type=text("callType"),
        appoint_ms=ms("appointTime"),
        created_ms=ms("createTime"),
        called_no=text("calledNo"),
        task=Task(text("taskId"), text("taskName"), text("taskStatus")),
        agent=Agent(text("userAccount"), text("userName")),
        caller_no=text("callerNo"),
        start_ms=None,
        end_ms=0,
        outcome=OUTCOMES[0],
        busi_result=None,
        given=dict(raw),
    )
