"""Helpers for tests of write-backs: a scope, a result, and an outbox with a manual clock."""

from __future__ import annotations

import html
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from isales_proxy import access
from isales_proxy.access import Scope
from isales_proxy.client.queries import IntermediateResult
from isales_proxy.models import User, WriteBack
from isales_proxy.simulator import Simulator
from isales_proxy.write_backs import leases
from isales_proxy.write_backs import services as write_backs
from isales_proxy.write_backs.delivery import DeliveryRun, DeliveryWorker, Pauses
from isales_proxy.write_backs.fields import create_result
from isales_proxy.write_backs.leases import Lease, LeaseWatch

TASK = "1106025109"


def scope_of(user: User, vdn: int = 88) -> Scope:
    return access.enter(user=user, vdn_id=vdn)


def create(scope: Scope, unique_id: str = "u-1", **more: Any) -> IntermediateResult:
    """Make a result with the values of a form (times are aware)."""
    return create_result(scope.vdn, {"unique_id": unique_id, "service_id": TASK, **more})


class Outbox:
    """The outbox of one person, and a worker that delivers it, under one clock."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.now = datetime(2025, 5, 31, 6, 30, tzinfo=UTC)
        self.pauses = Pauses()
        self.watch = LeaseWatch()
        self.elapsed = 0.0

    def clock(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.elapsed

    def later(self, **span: float) -> None:
        """Let time pass on both clocks."""
        self.now += timedelta(**span)
        self.elapsed += timedelta(**span).total_seconds()

    def step(self, **span: float) -> None:
        """Set the wall clock, while no time passes on the monotonic clock."""
        self.now += timedelta(**span)

    def write(self, unique_id: str = "u-1", **more: Any) -> WriteBack:
        queued = write_backs.queue_once(
            scope=self.scope,
            result=create(self.scope, unique_id, **more),
            key=uuid.uuid4().hex,
            clock=self.clock,
        )
        return queued.row

    def deliver(
        self, worker: str = "one", stopped: Callable[[], bool] = lambda: False, **more: Any
    ) -> DeliveryRun:
        one = DeliveryWorker(
            name=worker,
            clock=self.clock,
            monotonic=self.monotonic,
            jitter=lambda: 0.5,
            pauses=self.pauses,
            watch=self.watch,
            **more,
        )
        return one.deliver_due(stopped)

    def take(self, worker: str = "one", seconds: float = 9) -> Lease | None:
        """Lease the first due write-back."""
        return leases.acquire(
            worker=worker,
            clock=self.clock,
            monotonic=self.monotonic,
            length=timedelta(seconds=seconds),
            watch=self.watch,
        )

    def retry(self, row: WriteBack) -> WriteBack:
        return write_backs.retry(scope=self.scope, pk=row.pk, clock=self.clock)

    def cancel(self, row: WriteBack) -> WriteBack:
        return write_backs.cancel(scope=self.scope, pk=row.pk, clock=self.clock)

    def outcomes(self, row: WriteBack) -> list[str]:
        return [attempt.outcome for attempt in row.journal.all()]


def text_of(answer: Any) -> str:
    """The body of a response with entities resolved."""
    return html.unescape(answer.content.decode())


def outbox_of(people: dict[str, User]) -> Outbox:
    """The supervisor's outbox with the clock at the present time."""
    outbox = Outbox(scope_of(people["supervisor"]))
    outbox.now = timezone.now()
    return outbox


def reserve(vendor: Simulator) -> None:
    """Add reservation 911 to the simulator."""
    vendor.add_rows(
        88,
        [
            {
                "appointId": "911",
                "calledNo": "990022",
                "taskId": TASK,
                "failCode": "00604",
                "beginTime": 1748673000000,
                "endTime": 1748673012000,
            }
        ],
    )
