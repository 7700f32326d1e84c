"""Acknowledgements are stored although the database fails for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection

from isales_proxy.models import User, WriteBackState
from isales_proxy.simulator import PUSH_MID_RESULT, Simulator
from isales_proxy.write_backs import leases
from tests.support.outbox import Outbox, scope_of


@pytest.fixture
def outbox(vendor: Simulator, people: dict[str, User]) -> Outbox:
    return Outbox(scope_of(people["supervisor"]))


class Ailing:
    """Let the database refuse to store results of attempts, `times` times."""

    def __init__(self, times: int, error: type[Exception] = OperationalError) -> None:
        self.left = times
        self.error = error

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        ending = sql.startswith('UPDATE "isales_proxy_writebackattempt"') and "http_status" in sql
        if self.left and ending:
            self.left -= 1
            raise self.error("the connection is lost")
        return execute(sql, params, many, context)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_acknowledged_result_is_not_sent_again(
    outbox: Outbox, vendor: Simulator, error: type[Exception]
) -> None:
    row = outbox.write()
    waits: list[float] = []
    with connection.execute_wrapper(Ailing(3, error)):
        assert outbox.deliver(sleep=waits.append).delivered == 1
    row.refresh_from_db()
    assert row.state == WriteBackState.DELIVERED
    assert outbox.outcomes(row) == ["ok"]
    assert len(waits) == 3
    outbox.later(hours=1)
    outbox.deliver()
    assert len(vendor.write_backs) == 1


def test_refusal_survives_a_short_database_error(outbox: Outbox, vendor: Simulator) -> None:
    vendor.faults.add("business", operation=PUSH_MID_RESULT, code="1017", desc="No such task.")
    row = outbox.write()
    with connection.execute_wrapper(Ailing(1)):
        assert outbox.deliver(sleep=lambda _: None).refused == 1
    row.refresh_from_db()
    assert (row.state, row.problem) == (WriteBackState.REFUSED, "No such task.")


def test_long_database_outage_ends_the_worker_and_loses_nothing(
    outbox: Outbox, vendor: Simulator
) -> None:
    row = outbox.write()
    waits: list[float] = []
    with connection.execute_wrapper(Ailing(1000)), pytest.raises(OperationalError):
        outbox.deliver(sleep=waits.append)
    assert 60 <= sum(waits) <= 180
    outbox.later(hours=1)
    outbox.deliver("another")
    row.refresh_from_db()
    assert row.state == WriteBackState.DELIVERED
    assert outbox.outcomes(row) == ["ok"]
    assert len(vendor.write_backs) == 1


def test_refusal_survives_a_long_database_outage(outbox: Outbox, vendor: Simulator) -> None:
    vendor.faults.add("business", operation=PUSH_MID_RESULT, code="1017", desc="No such task.")
    row = outbox.write()
    with connection.execute_wrapper(Ailing(1000)), pytest.raises(OperationalError):
        outbox.deliver(sleep=lambda _: None)
    outbox.deliver("another")
    row.refresh_from_db()
    assert (row.state, row.problem) == (WriteBackState.REFUSED, "No such task.")
    assert outbox.outcomes(row) == ["refused"]


def test_file_of_another_database_stays_on_disk(outbox: Outbox, vendor: Simulator) -> None:
    """Two installations may share a folder by mistake."""
    row = outbox.write()
    with connection.execute_wrapper(Ailing(1000)), pytest.raises(OperationalError):
        outbox.deliver(sleep=lambda _: None)
    key, row.key = row.key, "f" * 64
    row.save(update_fields=["key"])
    assert leases.recover() == 0
    row.key = key
    row.save(update_fields=["key"])
    assert leases.recover() == 1
    row.refresh_from_db()
    assert row.state == WriteBackState.DELIVERED
