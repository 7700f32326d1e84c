"""Retries of calls."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from isales_proxy.client.client import Client
from isales_proxy.client.errors import (
    BadAnswer,
    CredentialsRefused,
    ISalesError,
    Misdirected,
    Refused,
    Throttled,
    TimedOut,
    Unreachable,
)
from isales_proxy.client.operations import LIST_RESERVATIONS, OPERATIONS
from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.client.transport.response_body import read_retry_after
from isales_proxy.client.transport.transport import RetryPolicy
from tests.support.cases import cases
from tests.support.stub_vendor import Step, StubVendor, raw, reply, reset

from .conftest import NOW, MakeClient, Notes, Time

QUERY = ReservationQuery()


def call(client: Client, deadline: float | None = None) -> Page[Reservation]:
    return client.list_reservations(vdn=88, query=QUERY, deadline=deadline)


@cases(
    "fault",
    [
        reply(status=500),
        reply(status=502),
        reply(status=503),
        reply(status=429),
        reset(),
        raw(b""),
        reset(b"HTTP/1.1 200 X\r\nContent-Length: 50\r\n\r\n{"),
    ],
)
def test_transient_failure_is_tried_again(
    make_client: MakeClient, stub: StubVendor, notes: Notes, time: Time, fault: Step
) -> None:
    stub.script(fault, fault)
    assert call(make_client()).total == 0
    assert len(stub.received) == 3
    assert [attempt for _, _, attempt, _ in notes.calls] == [1, 2, 3]
    assert len(set(notes.request_ids)) == 1
    # Doubling, and with our chance of a half exactly the middle of the range.
    assert time.sleeps == [0.1, 0.2]


@cases(
    ("fault", "error"),
    [
        (reply(status=401), CredentialsRefused),
        (reply(status=403), CredentialsRefused),
        (reply(status=400), Misdirected),
        (reply(status=404), Misdirected),
        (reply({"resultCode": "0200001"}), Refused),
        (reply(b"<html>"), BadAnswer),
        (reply(b"null"), BadAnswer),
        (reply(b""), BadAnswer),
        (reply(b"", status=204), BadAnswer),
        (raw(b"HTTP/1.1 200 X\r\nContent-Length: 500\r\n\r\n{"), BadAnswer),
        (raw(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"), BadAnswer),
        (raw(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{"), BadAnswer),
        (raw(b"HTTP/1.1 200 X\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"), BadAnswer),
        (raw(b"\x00\x01garbage\r\n\r\n"), BadAnswer),
        (raw(b"HTTP/1.1 abc\r\n\r\n"), BadAnswer),
        (raw(b"HTTP/1.1 200 X\r\n" + b"A: b\r\n" * 200 + b"\r\n{}"), BadAnswer),
        (raw(b"HTTP/1.1 200 X\r\nA: " + b"b" * 100_000 + b"\r\n\r\n{}"), BadAnswer),
        (reply(b"", status=302, headers={"Location": "/"}), Unreachable),
    ],
)
def test_permanent_failure_is_not_tried_again(
    make_client: MakeClient, stub: StubVendor, notes: Notes, fault: Step, error: type[ISalesError]
) -> None:
    stub.script(fault)
    with pytest.raises(error) as caught:
        call(make_client())
    assert type(caught.value) is error
    assert not caught.value.retryable
    assert notes.outcomes == [error.outcome]
    assert len(stub.received) == 1


def test_error_of_the_last_attempt_is_raised(
    client: Client, stub: StubVendor, notes: Notes
) -> None:
    stub.default = reply(status=500)
    with pytest.raises(Unreachable) as caught:
        call(client)
    error = caught.value
    assert len(stub.received) == 3
    assert (error.operation, error.http_status) == ("list_reservations", 500)
    assert error.request_id == notes.request_ids[0]


def test_unrepeatable_operation_is_tried_once(client: Client, stub: StubVendor) -> None:
    stub.default = reply(status=503)
    once = dataclasses.replace(LIST_RESERVATIONS, repeatable=False)
    with pytest.raises(Unreachable):
        client.call(once, vdn=88, body={})
    assert len(stub.received) == 1


def test_operations_that_change_vendor_data_are_not_repeatable() -> None:
    assert {operation.name for operation in OPERATIONS if not operation.repeatable} == {
        "read_call_data",
        "push_mid_result",
    }


def test_refused_connection_is_tried_again(
    make_client: MakeClient, time: Time, notes: Notes
) -> None:
    with StubVendor() as gone:
        address = gone.base_url
    with pytest.raises(Unreachable) as caught:
        call(make_client(base_url=address))
    assert caught.value.retryable
    assert notes.outcomes == ["unreachable"] * 3


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_obeyed(
    client: Client, stub: StubVendor, time: Time, status: int
) -> None:
    stub.script(reply(status=status, headers={"Retry-After": "3"}))
    call(client)
    assert time.sleeps == [3.0]


def test_retry_after_as_a_date_is_obeyed(client: Client, stub: StubVendor, time: Time) -> None:
    date = format_datetime(NOW + timedelta(seconds=4), usegmt=True)
    stub.script(reply(status=429, headers={"Retry-After": date}))
    call(client)
    assert time.sleeps == [4.0]


@pytest.mark.parametrize(
    ("asked", "deadline", "settings"),
    [("6", 15.0, {}), ("3", 3.0, {}), ("3", 2.0, {}), ("9", 60.0, {"max_retry_wait": 8.0})],
    ids=["longer than we wait", "just the deadline", "beyond the deadline", "setting"],
)
def test_wait_longer_than_allowed_is_not_begun(
    make_client: MakeClient,
    stub: StubVendor,
    time: Time,
    asked: str,
    deadline: float,
    settings: dict[str, float],
) -> None:
    stub.script(reply(status=429, headers={"Retry-After": asked}))
    with pytest.raises(Throttled) as caught:
        call(make_client(**settings), deadline)
    assert caught.value.retry_after == float(asked)
    assert time.sleeps == []
    assert len(stub.received) == 1


def test_wait_beyond_the_deadline_is_not_begun(
    client: Client, stub: StubVendor, time: Time
) -> None:
    stub.default = reply(status=500)
    with pytest.raises(Unreachable):
        call(client, 0.25)
    assert time.sleeps == [0.1]


def test_no_attempt_follows_once_the_breaker_opens(
    make_client: MakeClient, stub: StubVendor, time: Time
) -> None:
    stub.default = reply(status=500)
    with pytest.raises(Unreachable) as caught:
        call(make_client(breaker_threshold=2))
    assert caught.value.http_status == 500
    assert time.sleeps == [0.1]
    assert len(stub.received) == 2


@pytest.mark.parametrize("deadline", [0.0, -1.0])
def test_call_with_no_time_left_is_not_sent(
    client: Client, stub: StubVendor, deadline: float
) -> None:
    with pytest.raises(TimedOut):
        call(client, deadline)
    assert stub.received == []


@cases(
    ("header", "seconds"),
    [
        ("0", 0.0),
        (" 7 ", 7.0),
        ("Sun, 01 Jun 2025 08:00:30 GMT", 30.0),
        ("Sun, 01 Jun 2025 10:00:30 +0200", 30.0),
        ("Sun, 01 Jun 2025 08:00:30 -0000", 30.0),
        ("Sun, 01 Jun 2025 07:00:00 GMT", 0.0),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 30, None),
        ("soon", None),
        ("Sun, 99 Jun 2025 08:00:30 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_header_is_read_as_seconds_or_date(
    header: str | None, seconds: float | None
) -> None:
    assert read_retry_after(header, datetime(2025, 6, 1, 8, 0, tzinfo=UTC)) == seconds


@cases(("chance", "first"), [(0.0, 0.05), (1.0, 0.15)])
def test_wait_is_randomised_by_half_and_bounded(chance: float, first: float) -> None:
    policy = RetryPolicy(left=lambda: 9.0, allowed=lambda: True, rng=lambda: chance, longest=5.0)
    waits = []
    for _ in range(7):
        assert policy(Unreachable()) == 0.0
        waits.append(policy.wait)
    assert waits[0] == pytest.approx(first)
    assert waits == sorted(waits)
    assert max(waits) <= 5.0


def test_foreign_exceptions_are_not_retried() -> None:
    policy = RetryPolicy(left=lambda: 9.0, allowed=lambda: True, rng=lambda: 0.5, longest=5.0)
    assert policy(ValueError()) is False
