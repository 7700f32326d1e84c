"""The response cache: identical queries share one call, in memory and on Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache import caches

from isales_proxy.client.errors import BadAnswer, Refused, TimedOut, Unreachable
from isales_proxy.core.response_cache import ResponseCache
from tests.support.services import redis_cache

PEOPLE = 12


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: Any, settings: Any) -> None:
    if request.param == "redis":
        redis_cache(settings)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def answers(store: None, clock: Clock) -> ResponseCache[str]:
    return ResponseCache("test", keep=3600, clock=clock)


def counted(value: str = "rows") -> tuple[Callable[[float], str], list[int]]:
    calls: list[int] = []

    def fetch(_left: float) -> str:
        calls.append(1)
        return value

    return fetch, calls


def test_fresh_response_serves_identical_queries(answers: ResponseCache[str], clock: Clock) -> None:
    fetch, calls = counted()
    assert answers.get_or_fetch("q", fetch, fresh=3, max_wait_s=5).source == "live"
    clock.now += 2.9
    assert answers.get_or_fetch("q", fetch, fresh=3, max_wait_s=5).source == "cache"
    clock.now += 0.2
    assert answers.get_or_fetch("q", fetch, fresh=3, max_wait_s=5).source == "live"
    assert len(calls) == 2


def test_different_queries_do_not_share_a_response(answers: ResponseCache[str]) -> None:
    fetch, calls = counted()
    answers.get_or_fetch("q", fetch, fresh=3, max_wait_s=5)
    answers.get_or_fetch("r", fetch, fresh=3, max_wait_s=5)
    assert len(calls) == 2


def test_simultaneous_queries_cost_one_call(answers: ResponseCache[str]) -> None:
    asked, go = threading.Barrier(PEOPLE + 1), threading.Event()
    calls: list[int] = []

    def fetch(_left: float) -> str:
        calls.append(1)
        go.wait(10)
        return "rows"

    def read_rows(_number: int) -> str:
        asked.wait(10)
        return answers.get_or_fetch("q", fetch, fresh=3, max_wait_s=10).value

    with ThreadPoolExecutor(PEOPLE) as pool:
        waiting = pool.map(read_rows, range(PEOPLE))
        asked.wait(10)
        go.set()
        assert list(waiting) == ["rows"] * PEOPLE
    assert len(calls) == 1


@pytest.mark.redis
def test_processes_with_one_cache_share_the_call(
    settings: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two caches stand for two processes: they share Redis and nothing else. The first answer comes
    when the second process has not found one and takes its turn."""
    redis_cache(settings)
    began, go = threading.Event(), threading.Event()
    calls: list[str] = []

    def slow(_left: float) -> str:
        calls.append("first")
        began.set()
        go.wait(10)
        return "rows"

    def never(_left: float) -> str:
        calls.append("second")
        return "other rows"

    one, two = (ResponseCache[str]("test", keep=60, clock=clock) for _ in range(2))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(one.get_or_fetch, "q", slow, fresh=3, max_wait_s=10)
        assert began.wait(10)
        backend = type(caches["answers"])
        take_turn = backend.add

        def take_turn_late(*args: Any, **kwargs: Any) -> bool:
            go.set()
            first.result(10)
            return bool(take_turn(*args, **kwargs))

        monkeypatch.setattr(backend, "add", take_turn_late)
        second = pool.submit(two.get_or_fetch, "q", never, fresh=3, max_wait_s=10)
        assert first.result(10).value == second.result(10).value == "rows"
    assert calls == ["first"]


@pytest.mark.parametrize("error", [Unreachable, TimedOut])
def test_last_response_is_used_while_the_vendor_is_away(
    answers: ResponseCache[str], clock: Clock, error: type[Exception]
) -> None:
    fetch, _calls = counted()
    first = answers.get_or_fetch("q", fetch, fresh=3, max_wait_s=5)

    def fail(_left: float) -> str:
        raise error

    clock.now += 600
    found = answers.get_or_fetch("q", fail, fresh=3, max_wait_s=5)
    assert (found.value, found.source) == ("rows", "stale")
    assert found.as_of == first.as_of
    assert isinstance(found.error, error)


@pytest.mark.parametrize("error", [BadAnswer, Refused])
def test_vendor_errors_are_not_replaced_by_old_responses(
    answers: ResponseCache[str], clock: Clock, error: type[Exception]
) -> None:
    fetch, _calls = counted()
    answers.get_or_fetch("q", fetch, fresh=3, max_wait_s=5)

    def fail(_left: float) -> str:
        raise error

    clock.now += 600
    with pytest.raises(error):
        answers.get_or_fetch("q", fail, fresh=3, max_wait_s=5)


class Watched(ResponseCache[str]):
    """Tells when somebody begins to wait for another's call."""

    def __init__(self) -> None:
        super().__init__("test", keep=3600)
        self.waits = threading.Event()

    def _follow(self, *args: Any) -> Any:
        self.waits.set()
        return super()._follow(*args)


def test_waiting_readers_get_the_error_of_the_shared_call(store: None) -> None:
    answers, began = Watched(), threading.Event()

    def fail(_left: float) -> str:
        began.set()
        assert answers.waits.wait(10)
        raise Unreachable

    never, calls = counted()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(answers.get_or_fetch, "q", fail, fresh=3, max_wait_s=10)
        assert began.wait(10)
        second = pool.submit(answers.get_or_fetch, "q", never, fresh=3, max_wait_s=10)
        for asked in (first, second):
            with pytest.raises(Unreachable):
                asked.result(10)
    assert calls == []


def test_reader_with_more_time_fetches_after_the_leader_timed_out(
    store: None,
) -> None:
    answers, began = Watched(), threading.Event()

    def hurried(_left: float) -> str:
        began.set()
        assert answers.waits.wait(10)
        raise TimedOut

    calls: list[int] = []

    def fetch(_left: float) -> str:
        calls.append(1)
        # Before this answer is stored: the first reader would be served by it.
        with pytest.raises(TimedOut):
            first.result(10)
        return "rows"

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(answers.get_or_fetch, "q", hurried, fresh=3, max_wait_s=4)
        assert began.wait(10)
        second = pool.submit(answers.get_or_fetch, "q", fetch, fresh=3, max_wait_s=15)
        assert second.result(10).value == "rows"
    assert len(calls) == 1


def test_waiting_ends_after_max_wait_s(store: None) -> None:
    answers, began, go = Watched(), threading.Event(), threading.Event()

    def slow(_left: float) -> str:
        began.set()
        go.wait(10)
        return "rows"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(answers.get_or_fetch, "q", slow, fresh=3, max_wait_s=10)
        assert began.wait(10)
        with pytest.raises(TimedOut):
            answers.get_or_fetch("q", slow, fresh=3, max_wait_s=0.01)
        go.set()
        assert first.result(10).value == "rows"


def test_failure_is_not_cached(answers: ResponseCache[str]) -> None:
    def fail(_left: float) -> str:
        raise Unreachable

    with pytest.raises(Unreachable):
        answers.get_or_fetch("q", fail, fresh=3, max_wait_s=5)
    fetch, _calls = counted()
    assert answers.get_or_fetch("q", fetch, fresh=3, max_wait_s=5).value == "rows"
