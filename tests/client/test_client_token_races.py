"""Many threads and processes need a token at once: the vendor is called once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from isales_proxy.client.client import Client
from isales_proxy.client.errors import BadAnswer, CredentialsRefused, ISalesError, TimedOut
from isales_proxy.client.tokens import MemoryTokenStore, Token, TokenSource
from tests.support.stub_vendor import Received, StubVendor, reply
from tests.support.stub_vendor import obs as obs_answer

from .conftest import NOW, OBS, MakeClient, Time, app_token

THREADS = 16
LATER = NOW + timedelta(hours=1)


def send_request(client: Client) -> None:
    client.list_outbound_tasks(vdn=88, cc_id=1)


def all_at_once(clients: list[Client]) -> None:
    """Each client's call from a thread of its own, released together."""
    barrier = threading.Barrier(len(clients))

    def work(client: Client) -> None:
        barrier.wait(10)
        send_request(client)

    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(work, clients))


@pytest.fixture(autouse=True)
def _answered(stub: StubVendor) -> None:
    stub.default = reply(obs_answer([]))
    stub.at("tokenByAkSk", *(app_token(f"token-{number}") for number in range(1, 9)))


def test_sixteen_threads_that_start_together_cause_one_token_call(
    make_client: MakeClient, stub: StubVendor
) -> None:
    all_at_once([make_client(real_time=True, obs=OBS)] * THREADS)
    assert len(stub.sent_to("tokenByAkSk")) == 1
    assert len(stub.sent_to("business/tasks")) == THREADS


def test_sixteen_threads_with_an_expiring_token_cause_one_token_call(
    make_client: MakeClient, stub: StubVendor, time: Time
) -> None:
    client = make_client(real_time=True, obs=OBS)
    send_request(client)
    time.passed = 3541.0
    all_at_once([client] * THREADS)
    assert len(stub.sent_to("tokenByAkSk")) == 2
    renewed = {sent.header("Authorization") for sent in stub.sent_to("business/tasks")[1:]}
    assert renewed == {"Bearer token-2"}


def test_sixteen_threads_with_a_refused_token_cause_one_token_call(
    make_client: MakeClient, stub: StubVendor
) -> None:
    def only_the_second(sock: Any, received: Received) -> bool:
        good = received.header("Authorization") == "Bearer token-2"
        return (reply(obs_answer([])) if good else reply(status=401))(sock, received)

    stub.at("business/tasks", only_the_second)
    all_at_once([make_client(real_time=True, obs=OBS)] * THREADS)
    assert len(stub.sent_to("tokenByAkSk")) == 2


def test_clients_that_share_a_store_cause_one_token_call(
    make_client: MakeClient, stub: StubVendor
) -> None:
    store = MemoryTokenStore()
    clients = [make_client(real_time=True, obs=OBS, store=store) for _ in range(4)]
    all_at_once(clients * 4)
    assert len(stub.sent_to("tokenByAkSk")) == 1
    assert len(stub.sent_to("business/tasks")) == THREADS


# The source by itself, where the moment of each step can be chosen.


class Waiters:
    """Threads that need a token while another thread obtains one."""

    def __init__(self, count: int) -> None:
        self.go_on = threading.Event()
        self.calls = 0
        self.tokens: list[Token] = []
        self.errors: list[ISalesError] = []
        self._asking = threading.Event()
        self._waiting = threading.Semaphore(0)
        self._count = count

    def obtain(self, fail: ISalesError | None) -> Token:
        """Obtain a token in the first thread, until all others wait."""
        self.calls += 1
        self._asking.set()
        assert self.go_on.wait(10)
        if fail is not None and self.calls == 1:
            raise fail
        return Token("new", NOW, LATER)

    def run(self, source: TokenSource) -> None:
        threads = [threading.Thread(target=self._work, args=(source,)) for _ in range(self._count)]
        threads[0].start()
        assert self._asking.wait(10)
        while self._waiting.acquire(blocking=False):
            pass  # those were the first thread's
        for thread in threads[1:]:
            thread.start()
        for _ in threads[1:]:
            # A thread asks for its time left just before it waits.
            assert self._waiting.acquire(timeout=10)
        self.go_on.set()
        for thread in threads:
            thread.join(10)

    def _work(self, source: TokenSource) -> None:
        try:
            self.tokens.append(source.get_token(self._left))
        except ISalesError as error:
            self.errors.append(error)

    def _left(self) -> float:
        self._waiting.release()
        return 10.0


Obtain = Callable[[Token | None, Callable[[], float]], Token]


def source(
    obtain: Obtain,
    store: MemoryTokenStore | None = None,
    sleep: Callable[[float], None] | None = None,
) -> TokenSource:
    return TokenSource(
        store or MemoryTokenStore(),
        obtain=obtain,
        clock=lambda: NOW,
        sleep=sleep or (lambda _: pytest.fail("nobody else has the turn")),
    )


def never(last: Token | None, left: Callable[[], float]) -> Token:
    pytest.fail("there is no need to ask the vendor")


def test_threads_waiting_for_a_renewal_get_its_token() -> None:
    waiters = Waiters(4)
    waiters.run(source(lambda *_: waiters.obtain(None)))
    assert [token.value for token in waiters.tokens] == ["new"] * 4
    assert waiters.calls == 1


def test_threads_waiting_for_a_failed_renewal_fail_without_another_call() -> None:
    """Repeated refusals could lock the keys."""
    waiters = Waiters(4)
    failure = CredentialsRefused("No.", operation="fetch_token", http_status=401, maybe_sent=False)
    waiters.run(source(lambda *_: waiters.obtain(failure)))
    assert waiters.calls == 1
    assert {(str(error), error.maybe_sent) for error in waiters.errors} == {(str(failure), False)}
    # Each thread raises one of its own, with its own traceback.
    assert len({id(error) for error in waiters.errors}) == 4


def test_threads_waiting_for_a_timed_out_renewal_try_again() -> None:
    waiters = Waiters(4)
    waiters.run(source(lambda *_: waiters.obtain(TimedOut())))
    assert waiters.calls == 2
    assert [token.value for token in waiters.tokens] == ["new"] * 3
    assert [type(error) for error in waiters.errors] == [TimedOut]


def test_earlier_failed_renewal_does_not_fail_a_later_one() -> None:
    answers: list[Token | ISalesError] = [BadAnswer(), Token("new", NOW, LATER)]

    def obtain(last: Token | None, left: Callable[[], float]) -> Token:
        answer = answers.pop(0)
        if isinstance(answer, ISalesError):
            raise answer
        return answer

    store = MemoryTokenStore()
    tokens = source(obtain, store)
    with pytest.raises(BadAnswer):
        tokens.get_token(lambda: 10.0)
    assert store.try_lock(1)
    store.unlock()
    assert tokens.get_token(lambda: 10.0).value == "new"


def test_wait_for_another_thread_ends_with_the_time_of_the_call() -> None:
    asking, go_on = threading.Event(), threading.Event()

    def obtain(last: Token | None, left: Callable[[], float]) -> Token:
        asking.set()
        assert go_on.wait(10)
        return Token("new", NOW, LATER)

    tokens = source(obtain)
    thread = threading.Thread(target=tokens.get_token, args=(lambda: 10.0,))
    thread.start()
    assert asking.wait(10)
    with pytest.raises(TimedOut) as caught:
        tokens.get_token(lambda: 0.0)
    go_on.set()
    thread.join(10)
    assert not caught.value.maybe_sent
    assert tokens.get_token(lambda: 0.0).value == "new"


def test_wait_for_another_process_ends_with_the_time_of_the_call(time: Time) -> None:
    store = MemoryTokenStore()
    assert store.try_lock(60)
    with pytest.raises(TimedOut) as caught:
        source(never, store, time.sleep).get_token(lambda: 0.2 - time.passed)
    assert not caught.value.maybe_sent
    assert time.passed == pytest.approx(0.2)


def test_wait_for_another_process_ends_with_its_token() -> None:
    store = MemoryTokenStore()
    assert store.try_lock(60)
    tokens = source(never, store, lambda _: store.write(Token("theirs", NOW, LATER)))
    assert tokens.get_token(lambda: 10.0).value == "theirs"


def test_lock_of_a_dead_process_expires(time: Time) -> None:
    store = MemoryTokenStore(time.monotonic)
    assert store.try_lock(3)
    tokens = source(lambda *_: Token("ours", NOW, LATER), store, time.sleep)
    assert tokens.get_token(lambda: 10.0 - time.passed).value == "ours"
    assert time.passed == pytest.approx(3.0, abs=0.1)


def test_expired_token_is_passed_on_for_its_refresh() -> None:
    store = MemoryTokenStore()
    old = Token("old", NOW - timedelta(hours=1), NOW, "refresh", LATER)
    store.write(old)
    seen: list[Token | None] = []

    def obtain(last: Token | None, left: Callable[[], float]) -> Token:
        seen.append(last)
        return Token("new", NOW, LATER)

    assert source(obtain, store).get_token(lambda: 10.0).value == "new"
    assert seen == [old]
    assert store.read() == Token("new", NOW, LATER)
