"""Tokens: obtained, used, renewed before they expire, refused, shared."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest

from isales_proxy.client.client import Client
from isales_proxy.client.config import ObsAuth, ObsConfig
from isales_proxy.client.errors import (
    BadAnswer,
    CredentialsRefused,
    ISalesError,
    TokenEnded,
    Unreachable,
)
from isales_proxy.client.queries import CallDataQuery, IntermediateResult, ReservationQuery
from isales_proxy.client.tokens import MemoryTokenStore, Token, TokenState
from tests.support.stub_vendor import Received, Step, StubVendor, reply, reset
from tests.support.stub_vendor import obs as obs_answer

from .conftest import APP_KEY, APP_SECRET, NOW, OBS, MakeClient, Notes, Time, app_token, tokens_used

STATIC = ObsConfig(auth=ObsAuth.STATIC, token="fixed")
RESULT = IntermediateResult(vdn=88, cc_id=1, unique_id="u", service_id="1")
REFUSED = [reply(status=401), reply(status=403)]


@pytest.fixture(autouse=True)
def _answered(stub: StubVendor) -> None:
    stub.default = reply(obs_answer({"taskData": []}))


def send_request(client: Client) -> None:
    client.list_outbound_tasks(vdn=88, cc_id=1)


# In time


def test_token_serves_many_calls_and_is_renewed_a_minute_before_its_end(
    obs: Client, stub: StubVendor, time: Time
) -> None:
    for passed in (0.0, 1800.0, 3539.0, 3540.0, 3541.0):
        time.passed = passed
        send_request(obs)
    assert tokens_used(stub) == ["token-1", "token-1", "token-1", "token-2", "token-2"]


def test_short_lived_token_is_renewed_when_a_fifth_is_left(
    make_client: MakeClient, stub: StubVendor, time: Time
) -> None:
    stub.at("tokenByAkSk", app_token("token-1", Expires=10), app_token("token-2", Expires="10"))
    client = make_client(obs=OBS)
    for passed in (0.0, 7.9, 8.0):
        time.passed = passed
        send_request(client)
    assert tokens_used(stub) == ["token-1", "token-1", "token-2"]


@pytest.mark.parametrize("expires", [None, "", "soon", 0, 3_600_000])
def test_unreadable_lifetime_is_replaced_by_the_requested_one(
    make_client: MakeClient, stub: StubVendor, expires: object
) -> None:
    stub.at("tokenByAkSk", app_token(Expires=expires))
    client = make_client(obs=ObsConfig(key=APP_KEY, secret=APP_SECRET, token_seconds=600))
    send_request(client)
    assert client.token_state() == TokenState(NOW, NOW + timedelta(seconds=600))


def test_lifetime_counts_from_before_the_request(obs: Client, stub: StubVendor, time: Time) -> None:
    """The lifetime counts from before the request."""

    def slow(sock: socket.socket, received: Received) -> bool:
        time.passed += 7
        return app_token()(sock, received)

    stub.at("tokenByAkSk", slow)
    send_request(obs)
    assert obs.token_state() == TokenState(NOW, NOW + timedelta(hours=1))


def test_valid_token_is_used_after_a_failed_early_renewal(
    obs: Client, stub: StubVendor, time: Time
) -> None:
    send_request(obs)
    stub.at("tokenByAkSk", reply(status=503))
    time.passed = 3550.0
    send_request(obs)
    assert tokens_used(stub) == ["token-1", "token-1"]
    time.passed = 3601.0
    with pytest.raises(Unreachable) as caught:
        send_request(obs)
    assert caught.value.operation == "fetch_token"
    assert not caught.value.maybe_sent
    assert len(tokens_used(stub)) == 2


def test_token_state_is_read_without_a_call(obs: Client, stub: StubVendor) -> None:
    assert obs.token_state() is None
    assert stub.connections == 0
    send_request(obs)
    assert obs.token_state() == TokenState(NOW, NOW + timedelta(hours=1))


# Refused


@pytest.mark.parametrize("step", REFUSED, ids=["401", "403"])
def test_refused_token_is_renewed_and_the_read_repeated(
    obs: Client, stub: StubVendor, time: Time, notes: Notes, step: Step
) -> None:
    stub.at("business/tasks", step, reply(obs_answer([])))
    send_request(obs)
    assert tokens_used(stub) == ["token-1", "token-2"]
    assert time.sleeps == []
    attempts = [(outcome, number) for name, outcome, number, _ in notes.calls if "list" in name]
    assert attempts == [("credentials_refused", 1), ("ok", 2)]


@pytest.mark.parametrize("step", REFUSED, ids=["401", "403"])
def test_token_that_stays_refused_is_renewed_once(
    obs: Client, stub: StubVendor, step: Step
) -> None:
    stub.at("business/tasks", step)
    with pytest.raises(CredentialsRefused, match="token") as caught:
        send_request(obs)
    assert tokens_used(stub) == ["token-1", "token-2"]
    assert len(stub.sent_to("tokenByAkSk")) == 2
    assert caught.value.operation == "list_outbound_tasks"
    assert caught.value.maybe_sent


@pytest.mark.parametrize("step", REFUSED, ids=["401", "403"])
def test_unrepeatable_call_with_a_refused_token_only_renews_the_token(
    obs: Client, stub: StubVendor, step: Step
) -> None:
    stub.at("midresult", step, reply(obs_answer()))
    with pytest.raises(CredentialsRefused):
        obs.push_mid_result(result=RESULT)
    assert tokens_used(stub, "midresult") == ["token-1"]
    assert len(stub.sent_to("tokenByAkSk")) == 2
    obs.push_mid_result(result=RESULT)
    assert tokens_used(stub, "midresult") == ["token-1", "token-2"]
    assert len(stub.sent_to("tokenByAkSk")) == 2


def test_refusal_of_a_token_that_worked_before_is_token_ended(
    obs: Client, stub: StubVendor
) -> None:
    """The keys are right: a retry works, and the error says so."""
    stub.at("midresult", reply(obs_answer()), reply(status=401), reply(status=401))
    obs.push_mid_result(result=RESULT)
    with pytest.raises(TokenEnded) as caught:
        obs.push_mid_result(result=RESULT)
    assert (caught.value.operation, caught.value.http_status) == ("push_mid_result", 401)
    assert caught.value.maybe_sent
    # The new one is refused as well: that is no matter of its end.
    with pytest.raises(CredentialsRefused) as again:
        obs.push_mid_result(result=RESULT)
    assert not isinstance(again.value, TokenEnded)


def test_refusal_of_an_old_token_from_the_store_is_token_ended(
    make_client: MakeClient, stub: StubVendor, time: Time
) -> None:
    stub.at("tokenByAkSk", app_token("token-1"), app_token("token-2"))
    store = MemoryTokenStore()
    send_request(make_client(obs=OBS, store=store))
    time.passed = 100.0
    stub.at("callnos", reply(status=401))
    with pytest.raises(TokenEnded):
        make_client(obs=OBS, store=store).read_call_data(
            vdn=88,
            query=CallDataQuery(cc_id=1, service_id="1", batch_count=1),
            on_received=lambda _received: None,
        )


@pytest.mark.parametrize("status", [401, 403])
def test_refusal_of_a_new_token_is_not_token_ended(
    obs: Client, stub: StubVendor, status: int
) -> None:
    stub.at("midresult", reply(status=status))
    with pytest.raises(CredentialsRefused) as caught:
        obs.push_mid_result(result=RESULT)
    assert not isinstance(caught.value, TokenEnded)


def test_clock_set_back_prolongs_no_token(obs: Client, stub: StubVendor, time: Time) -> None:
    time.passed = 7200.0
    send_request(obs)
    time.passed = 3600.0
    send_request(obs)
    assert tokens_used(stub) == ["token-1", "token-2"]


def test_failed_renewal_does_not_hide_the_refusal_of_an_unrepeatable_call(
    obs: Client, stub: StubVendor
) -> None:
    stub.at("tokenByAkSk", app_token(), reset())
    stub.at("midresult", reply(status=401))
    with pytest.raises(CredentialsRefused) as caught:
        obs.push_mid_result(result=RESULT)
    assert (caught.value.operation, caught.value.http_status) == ("push_mid_result", 401)


def test_repetition_after_a_renewal_is_beyond_the_ordinary_attempts(
    obs: Client, stub: StubVendor
) -> None:
    down = reply(status=503)
    stub.at("business/tasks", down, down, reply(status=401), reply(obs_answer([])))
    send_request(obs)
    assert tokens_used(stub) == ["token-1"] * 3 + ["token-2"]
    stub.at("business/tasks", down, down, reply(status=401), down)
    with pytest.raises(Unreachable):
        send_request(obs)
    assert tokens_used(stub)[4:] == ["token-2"] * 3 + ["token-3"]


def test_static_token_is_never_renewed(make_client: MakeClient, stub: StubVendor) -> None:
    client = make_client(obs=STATIC)
    send_request(client)
    stub.at("business/tasks", reply(status=401))
    with pytest.raises(CredentialsRefused):
        send_request(client)
    assert tokens_used(stub) == ["fixed", "fixed"]
    assert {sent.target for sent in stub.received} == {stub.received[0].target}
    assert client.token_state() is None


def test_refused_c2_call_is_not_repeated(obs: Client, stub: StubVendor) -> None:
    stub.at("appoint/list", reply(status=401))
    with pytest.raises(CredentialsRefused, match="access key"):
        obs.list_reservations(vdn=88, query=ReservationQuery())
    assert len(stub.received) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refused_token_call_is_an_error_of_credentials(
    obs: Client, stub: StubVendor, status: int
) -> None:
    """Else a write-back would look as if the vendor had refused its content."""
    stub.at("tokenByAkSk", reply({"result": "5", "resultDesc": "no such app"}, status=status))
    with pytest.raises(CredentialsRefused, match="no token") as caught:
        obs.push_mid_result(result=RESULT)
    assert (caught.value.operation, caught.value.http_status) == ("fetch_token", status)
    assert caught.value.request_id
    assert not caught.value.maybe_sent
    assert len(stub.received) == 1


@pytest.mark.parametrize(
    ("step", "kind", "calls"),
    [(reply(status=503), Unreachable, 3), (reply({}), BadAnswer, 1), (reply(b"{"), BadAnswer, 1)],
)
def test_failed_token_call_fails_the_call_and_opens_only_its_own_circuit(
    obs: Client, stub: StubVendor, notes: Notes, step: Step, kind: type[ISalesError], calls: int
) -> None:
    stub.at("tokenByAkSk", step)
    for _ in range(3):
        with pytest.raises(kind):
            send_request(obs)
    # Its own circuit opened on the way, that of the tasks never heard of it.
    assert tokens_used(stub) == []
    assert {name for name, _, _, _ in notes.calls} == {"fetch_token"}
    assert {name for name, _ in notes.states} <= {"fetch_token"}
    assert len(stub.received) <= 3 * calls


# The store


def test_token_stored_by_another_process_is_used(make_client: MakeClient, stub: StubVendor) -> None:
    store = MemoryTokenStore()
    store.write(Token("left-there", NOW, NOW + timedelta(hours=1)))
    client = make_client(obs=OBS, store=store)
    assert client.token_state() == TokenState(NOW, NOW + timedelta(hours=1))
    send_request(client)
    assert tokens_used(stub) == ["left-there"]
    assert stub.sent_to("tokenByAkSk") == []


def test_new_token_is_stored_for_other_clients(make_client: MakeClient, stub: StubVendor) -> None:
    stub.at("tokenByAkSk", app_token("token-1"), app_token("token-2"))
    store = MemoryTokenStore()
    first, second = (make_client(obs=OBS, store=store) for _ in range(2))
    send_request(first)
    send_request(second)
    # The vendor forgets the token: one of the two renews it, the other finds it in the store.
    ok = reply(obs_answer([]))
    stub.at("business/tasks", reply(status=401), ok, reply(status=401), ok)
    send_request(first)
    send_request(second)
    assert tokens_used(stub)[2:] == ["token-1", "token-2", "token-1", "token-2"]
    assert len(stub.sent_to("tokenByAkSk")) == 2


def test_only_one_lock_is_granted_until_it_expires() -> None:
    now = [0.0]
    store = MemoryTokenStore(monotonic=lambda: now[0])
    assert store.try_lock(5)
    assert not store.try_lock(5)
    now[0] = 5.0
    assert store.try_lock(5)
    store.unlock()
    store.unlock()
    assert store.try_lock(5)
