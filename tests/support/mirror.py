"""A mirror filled without a vendor, by one complete reading of made rows; and a sweeper with a
simulated vendor without HTTP and a manual clock.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from isales_proxy.client.operations import LIST_RESERVATIONS
from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.mirror.list_facts import FIRST_TIME, LAST_TIME
from isales_proxy.mirror.missing_rows import mark_gone
from isales_proxy.mirror.readings import LeafAnswer, ReadingOutcome, apply_reading
from isales_proxy.mirror.sweeps import Clocks, Sweeper, request_whole_round
from isales_proxy.models import Vdn
from isales_proxy.models.mirror import ROW_FIELDS, LeafKind, MirrorLeaf, MirrorRow, MirrorState
from isales_proxy.simulator import ListBehaviour, Simulator
from isales_proxy.simulator.messages import Request
from isales_proxy.simulator.operations import OPERATIONS, perform

INTERVAL = 60  # seconds
AT = datetime(2026, 3, 4, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def to_ms(time: datetime) -> int:
    """Return a time as the vendor sends it, in milliseconds since 1970."""
    return round(time.timestamp() * 1000)


def make_row(number: int, **fields: Any) -> dict[str, Any]:
    """Make an uncalled reservation in the vendor's spelling, due `number` minutes after `AT`."""
    return {
        "appointId": f"{number:030d}",
        "callType": "1",
        "appointTime": to_ms(AT + number * MINUTE),
        "calledNo": f"6666{number:04d}",
        "taskId": "11",
        "taskName": "Renewals",
        "taskStatus": "2",
        "timeout": False,
        "userAccount": "116",
        "userName": "Wei",
        "createTime": to_ms(AT - timedelta(days=2) - number * MINUTE),
        **fields,
    }


def mirror_rows(
    vdn: Vdn | int, vendor_rows: list[Mapping[str, Any]], *, at: datetime | None = None
) -> ReadingOutcome:
    """Read a whole list into the mirror, and mark it complete at `at` (default: now).

    Another call, with a later `at`, is a later reading: rows missing then are gone. Returns the
    outcome of the reading of all rows with a time.
    """
    now = at or timezone.now()
    vdn_id = vdn.pk if isinstance(vdn, Vdn) else vdn
    state, _new = MirrorState.objects.get_or_create(pk=vdn_id, defaults={"column": "appointTime"})
    records = [Reservation.parse(row)[0] for row in vendor_rows]
    dated = [row for row in records if row.appoint_time is not None]
    undated = [row for row in records if row.appoint_time is None]
    outcome = _read(state, LeafKind.TIME, (FIRST_TIME, LAST_TIME), dated, now)
    others = _read(state, LeafKind.UNDATED, (None, None), undated, now)
    mark_gone(vdn_id, state.epoch, (*outcome.missing, *others.missing), now, now)
    MirrorState.objects.filter(pk=vdn_id).update(
        round_began_at=now,
        round_ended_at=now,
        round_complete=True,
        round_reason="",
        rows_read=len(records),
        rows_expected=len(records),
        counted_at=now,
        count_total=len(records),
        count_before=0,
        count_within=len(dated),
        count_after=0,
        count_undated=len(undated),
    )
    return outcome


def _read(
    state: MirrorState,
    kind: LeafKind,
    bounds: tuple[datetime | None, datetime | None],
    records: list[Reservation],
    now: datetime,
) -> ReadingOutcome:
    begin, end = bounds
    leaf, _new = MirrorLeaf.objects.get_or_create(
        vdn_id=state.pk,
        kind=kind,
        begin=begin,
        end=end,
        defaults={"due_at": now, "interval": INTERVAL},
    )
    leaf.due_at = now + timedelta(seconds=INTERVAL)
    answer = LeafAnswer(tuple(records), now, complete=True)
    return apply_reading(vdn_id=state.pk, epoch=state.epoch, leaf=leaf, answer=answer, now=now)


class ManualClock:
    """Clocks of a sweeper that move only by `advance` and `wait`."""

    def __init__(self, now: datetime) -> None:
        self.now, self.monotonic = now, 1000.0
        self.clocks = Clocks(
            now=lambda: self.now,
            monotonic=lambda: self.monotonic,
            wait=self.wait,
            rng=lambda: 0.5,
        )

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        self.monotonic += seconds

    def wait(self, seconds: float) -> bool:
        """Let time pass; there is no request to stop."""
        self.advance(seconds)
        return False


class SweptVendor:
    """A simulated vendor without HTTP, and sweepers of its list.

    Each call takes `CALL_SECONDS` of the clock. `before_call` is called before each answer; an
    exception from it replaces the answer.
    """

    CALL_SECONDS = 0.1

    def __init__(self, vdn: Vdn, now: datetime, **behaviour: Any) -> None:
        self.vdn, self.clock = vdn, ManualClock(now)
        self.simulator = Simulator(
            rows=0,
            vdns=(vdn.pk,),
            now=lambda: self.clock.now,
            behaviour=ListBehaviour(**behaviour),
        )
        self.data = self.simulator.dataset(vdn.pk)
        self.calls = 0
        self.before_call: Callable[[ReservationQuery], object] = lambda _query: None
        self.sweeper = self.create_sweeper()

    def create_sweeper(self) -> Sweeper:
        """Make another sweeper of the same list and clock."""
        return Sweeper(self.vdn, fetch=self.list_reservations, clocks=self.clock.clocks)

    def list_reservations(self, query: ReservationQuery) -> Page[Reservation]:
        """Answer as the client does. Raises ISalesError."""
        self.calls += 1
        self.clock.advance(self.CALL_SECONDS / 2)
        self.before_call(query)
        path = LIST_RESERVATIONS.path_for(vdn=self.vdn.pk)
        headers = {"content-type": LIST_RESERVATIONS.content_type}
        body = json.dumps(query.to_body()).encode()
        request = Request("POST", path, (), headers, body)
        answer = perform(self.simulator, OPERATIONS[request.interface], request)
        payload = LIST_RESERVATIONS.envelope.decode(answer.body)
        self.clock.advance(self.CALL_SECONDS / 2)
        items = tuple(Reservation.parse(row)[0] for row in payload.rows)
        return Page(items=items, total=payload.total, page=query.page, size=query.size)

    def run(self, seconds: float, sweeper: Sweeper | None = None) -> None:
        """Let a sweeper work for some seconds of the clock."""
        end = self.clock.monotonic + seconds
        while self.clock.monotonic < end:
            self.clock.advance((sweeper or self.sweeper).step())

    def run_round(self, sweeper: Sweeper | None = None, *, limit: float = 3600) -> MirrorState:
        """Let a sweeper make a whole round, and return the state after it."""
        self.clock.advance(1)
        began = self.clock.now
        request_whole_round(self.vdn)
        end = self.clock.monotonic + limit
        runner = sweeper or self.sweeper
        while self.clock.monotonic < end:
            self.clock.advance(runner.step())
            if runner.is_in_round:
                continue
            state = MirrorState.objects.get(pk=self.vdn.pk)
            ended = state.round_ended_at
            if ended and state.round_began_at and ended > state.round_began_at >= began:
                return state
        raise AssertionError("the round has not ended")

    def compare(self) -> tuple[set[str], set[str]]:
        """Return rows that the mirror lacks or has wrong, and rows that only the mirror has."""
        now_ms = round(self.clock.now.timestamp() * 1000)
        listed = Counter(_describe(Reservation.parse(row)[0]) for row in self.data.shown(now_ms))
        rows = MirrorRow.objects.for_vdn(self.vdn).present().select_related("agent", "task")
        shown = Counter(_describe_row(row) for row in rows)
        return set(listed - shown), set(shown - listed)


def _describe(record: Reservation) -> str:
    values = [getattr(record, name) for name in ROW_FIELDS]
    return repr([*values, record.user_account, record.task_id])


def _describe_row(row: MirrorRow) -> str:
    values = [getattr(row, name) for name in ROW_FIELDS]
    return repr([*values, row.agent and row.agent.account, row.task and row.task.task_id])
