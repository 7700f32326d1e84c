"""The circuit breaker: its states, and concurrent calls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from isales_proxy.client.breaker import Breaker, State
from isales_proxy.client.client import Client
from isales_proxy.client.errors import CircuitOpen, ISalesError, Unreachable
from isales_proxy.client.queries import ReservationQuery, ResultCodeQuery
from tests.support.stub_vendor import StubVendor, envelope, hold, reply

from .conftest import MakeClient, Notes, Time

QUERY = ReservationQuery()


class Bench:
    """A breaker (3 failures, 5 s) with its clock and a record of its changes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.changes: list[State] = []
        self.breaker = Breaker(
            clock=lambda: self.now, threshold=3, cooldown=5.0, on_change=self.changes.append
        )

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.record_failure(self.breaker.acquire())


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_consecutive_failures_open_the_breaker(bench: Bench) -> None:
    bench.fail(2)
    assert bench.breaker.state is State.CLOSED
    bench.fail()
    assert bench.breaker.state is State.OPEN
    bench.now = 2.0
    with pytest.raises(CircuitOpen) as caught:
        bench.breaker.acquire()
    assert caught.value.retry_after == 3.0
    assert not caught.value.retryable


def test_success_resets_the_failure_count_and_neutral_end_does_not(bench: Bench) -> None:
    bench.fail(2)
    bench.breaker.record_success(bench.breaker.acquire())
    bench.fail(2)
    bench.breaker.record_neutral(bench.breaker.acquire())
    assert bench.breaker.state is State.CLOSED
    bench.fail()
    assert bench.breaker.state is State.OPEN


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (Breaker.record_success, State.CLOSED),
        (Breaker.record_neutral, State.CLOSED),
        (Breaker.record_failure, State.OPEN),
    ],
)
def test_result_of_the_probe_decides_the_next_state(
    bench: Bench, end: Callable[..., None], state: State
) -> None:
    bench.fail(3)
    bench.now = 5.0
    ticket = bench.breaker.acquire()
    assert ticket.probe
    end(bench.breaker, ticket)
    assert bench.breaker.state is state
    assert bench.changes == [State.OPEN, State.HALF_OPEN, state]


def test_one_failed_probe_reopens_the_breaker_for_a_whole_cooldown(bench: Bench) -> None:
    bench.fail(3)
    bench.now = 5.0
    bench.fail()
    bench.now = 9.9
    with pytest.raises(CircuitOpen):
        bench.breaker.acquire()
    bench.now = 10.0
    assert bench.breaker.acquire().probe


def test_failure_count_is_zero_after_a_successful_probe(bench: Bench) -> None:
    bench.fail(3)
    bench.now = 5.0
    bench.breaker.record_neutral(bench.breaker.acquire())
    bench.fail(2)
    assert bench.breaker.state is State.CLOSED


def test_abandoned_probe_lets_the_next_call_probe(bench: Bench) -> None:
    bench.fail(3)
    bench.now = 5.0
    bench.breaker.release(bench.breaker.acquire())
    assert bench.breaker.acquire().probe


def test_late_result_of_a_call_from_an_earlier_state_is_ignored(bench: Bench) -> None:
    late = [bench.breaker.acquire() for _ in range(4)]
    bench.fail(3)
    bench.breaker.record_success(late[0])
    bench.breaker.record_failure(late[1])
    assert bench.breaker.state is State.OPEN
    bench.now = 5.0
    probe = bench.breaker.acquire()
    bench.breaker.record_success(late[2])
    bench.breaker.release(late[3])
    assert bench.breaker.state is State.HALF_OPEN
    bench.breaker.record_success(probe)
    assert bench.breaker.state is State.CLOSED


def test_only_one_of_sixteen_threads_gets_the_probe(bench: Bench) -> None:
    bench.fail(3)
    bench.now = 5.0
    barrier = threading.Barrier(16)

    def knock(_: int) -> bool:
        barrier.wait(10)
        try:
            return bench.breaker.acquire().probe
        except CircuitOpen:
            return False

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(knock, range(16))) == [False] * 15 + [True]


def test_parallel_calls_are_not_serialised(make_client: MakeClient, stub: StubVendor) -> None:
    """All calls are answered together, so serialised calls would time out."""
    client = make_client(attempts=1, real_time=True)
    all_inside = threading.Barrier(8)
    answer = reply(envelope([], 0))

    def together(sock: object, received: object) -> bool:
        all_inside.wait(10)
        return answer(sock, received)  # type: ignore[arg-type]

    stub.default = together
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda _: client.list_reservations(vdn=88, query=QUERY), range(8)))
    assert [page.total for page in pages] == [0] * 8


def test_half_open_breaker_sends_one_call_to_the_vendor(
    make_client: MakeClient, stub: StubVendor, notes: Notes, time: Time
) -> None:
    client = make_client(attempts=1, breaker_threshold=2)
    stub.script(reply(status=500), reply(status=500))
    for _ in range(2):
        with pytest.raises(Unreachable):
            client.list_reservations(vdn=88, query=QUERY)
    with pytest.raises(CircuitOpen) as caught:
        client.list_reservations(vdn=88, query=QUERY)
    assert caught.value.operation == "list_reservations"
    assert caught.value.retry_after == 5.0
    assert len(stub.received) == 2

    time.passed += 5.0
    release = threading.Event()
    stub.default = hold(release, reply(envelope([], 0)))
    others_done = threading.Semaphore(0)

    def call(_: int) -> str:
        try:
            client.list_reservations(vdn=88, query=QUERY)
        except CircuitOpen:
            others_done.release()
            return "refused"
        return "answered"

    with ThreadPoolExecutor(16) as pool:
        running = pool.map(call, range(16))
        for _ in range(15):
            assert others_done.acquire(timeout=10)
        release.set()
        assert sorted(running) == ["answered"] + ["refused"] * 15
    assert len(stub.received) == 3
    assert [state for _, state in notes.states] == ["open", "half_open", "closed"]


def test_each_operation_has_its_own_breaker(make_client: MakeClient, stub: StubVendor) -> None:
    client = make_client(attempts=1, breaker_threshold=1)
    stub.script(reply(status=503))
    with pytest.raises(Unreachable):
        client.list_reservations(vdn=88, query=QUERY)
    stub.script(reply(envelope([], 0, field="obsCodes")))
    assert client.list_result_codes(vdn=88, query=ResultCodeQuery()).total == 0


def test_answers_other_than_server_failures_do_not_open_the_breaker(
    client: Client, stub: StubVendor
) -> None:
    for step in (reply(status=429), reply(status=401), reply(status=404), reply(b"<html>")) * 3:
        stub.script(*[step] * 3)
        with pytest.raises(ISalesError) as caught:
            client.list_reservations(vdn=88, query=QUERY)
        assert not isinstance(caught.value, Unreachable)
        stub._steps.clear()


def test_exception_of_our_own_releases_the_probe(
    make_client: MakeClient, stub: StubVendor, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(attempts=1, breaker_threshold=1)
    stub.script(reply(status=500))
    with pytest.raises(Unreachable):
        client.list_reservations(vdn=88, query=QUERY)
    time.passed += 5.0
    with monkeypatch.context() as patch:
        patch.setattr(client, "_clock", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            client.list_reservations(vdn=88, query=QUERY)
    assert client.list_reservations(vdn=88, query=QUERY).total == 0
