"""Delivery with errors of our own: no result is lost, sent twice or logged."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import OperationalError, connection

from isales_proxy.models import User, Vdn, WriteBack, WriteBackState
from isales_proxy.simulator import PUSH_MID_RESULT, Simulator
from isales_proxy.vendor import gateway
from tests.privacy.test_privacy import lines_formatter
from tests.support.outbox import Outbox, scope_of

WAITING, DELIVERED = WriteBackState.WAITING, WriteBackState.DELIVERED


@pytest.fixture
def outbox(vendor: Simulator, people: dict[str, User]) -> Outbox:
    return Outbox(scope_of(people["supervisor"]))


def state(row: WriteBack) -> str:
    row.refresh_from_db()
    return str(row.state)


def test_unexpected_error_does_not_stop_other_deliveries(
    outbox: Outbox, vendor: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, other = outbox.write("a"), outbox.write("b")
    break_once(monkeypatch)
    run = outbox.deliver()
    assert (run.postponed, run.delivered) == (1, 1)
    assert (state(row), state(other)) == (WAITING, DELIVERED)
    assert row.journal.get().problem == "RuntimeError"


def test_acknowledgement_survives_a_short_database_error(outbox: Outbox, vendor: Simulator) -> None:
    row = outbox.write()
    ended = iter([True])

    def blink(execute: Any, sql: str, *rest: Any) -> Any:
        late = sql.startswith("UPDATE") and vendor.write_backs.filter("u-1")
        if late and next(ended, False):
            raise OperationalError("the connection was lost")
        return execute(sql, *rest)

    with connection.execute_wrapper(blink):
        outbox.deliver()
    assert next(ended, None) is None
    assert state(row) == DELIVERED
    assert outbox.outcomes(row) == ["ok"]
    assert len(vendor.write_backs.filter("u-1")) == 1


def test_logs_contain_no_personal_data(
    outbox: Outbox,
    vendor: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    vendor.faults.add("garbage", operation=PUSH_MID_RESULT)
    break_once(monkeypatch, "cannot send 15800000001 of unique-4711")
    with caplog.at_level(logging.DEBUG):
        outbox.write("unique-4711", phone_number="15800000001")
        for _ in range(3):
            outbox.deliver()
            outbox.later(minutes=1)
    logged = "\n".join(lines_formatter().format(record) for record in caplog.records)
    assert "write_back_error" in logged
    assert "write_back_sent" in logged
    assert "15800000001" not in logged
    assert "unique-4711" not in logged


def break_once(monkeypatch: pytest.MonkeyPatch, words: str = "") -> None:
    """Let the next delivery raise an unexpected error."""
    real, faults = gateway.get_client, iter([RuntimeError(words)])

    def client(vdn: Vdn) -> Any:
        for fault in faults:
            raise fault
        return real(vdn)

    monkeypatch.setattr(gateway, "get_client", client)
