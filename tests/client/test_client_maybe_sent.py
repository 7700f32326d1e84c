"""`maybe_sent` is false only where the request certainly did not reach the vendor."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isales_proxy.client.client import Client
from isales_proxy.client.config import ObsAuth, ObsConfig
from isales_proxy.client.errors import (
    BadAnswer,
    CircuitOpen,
    CredentialsRefused,
    ISalesError,
    Misdirected,
    Refused,
    TimedOut,
    Unreachable,
)
from isales_proxy.client.observer import Attempt, Observer
from isales_proxy.client.operations import OPERATIONS, PUSH_MID_RESULT, READ_CALL_DATA
from isales_proxy.client.queries import CallDataQuery, IntermediateResult
from tests.support.cases import cases
from tests.support.stub_vendor import Received, Step, StubVendor, hold, raw, reply, reset
from tests.support.stub_vendor import obs as obs_answer

from .conftest import OBS, MakeClient, Time, app_token

RESULT = IntermediateResult(vdn=88, cc_id=1, unique_id="u", service_id="1")
STATIC = ObsConfig(auth=ObsAuth.STATIC, token="fixed")
TLS = Path(__file__).parents[1] / "support" / "tls"


def push(client: Client, deadline: float | None = None) -> ISalesError:
    """The error of a write-back."""
    with pytest.raises(ISalesError) as caught:
        client.push_mid_result(result=RESULT, deadline=deadline)
    return caught.value


@cases(
    ("step", "kind"),
    [
        (raw(b""), Unreachable),
        (reset(), Unreachable),
        (reset(b"HTTP/1.1 200 X\r\n"), Unreachable),
        (raw(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{"), BadAnswer),
        (raw(b"garbage\r\n\r\n"), BadAnswer),
        (reply(b"<html>"), BadAnswer),
        (reply(b"", status=302), Unreachable),
        (reply(b"", status=401), CredentialsRefused),
        (reply(b"", status=404), Misdirected),
        (reply(b"", status=500), Unreachable),
        (reply(obs_answer(result=3)), Refused),
    ],
)
def test_failure_after_sending_is_maybe_sent(
    make_client: MakeClient, stub: StubVendor, step: Step, kind: type[ISalesError]
) -> None:
    stub.script(step)
    error = push(make_client(obs=STATIC))
    assert type(error) is kind
    assert error.maybe_sent


def test_timeout_waiting_for_the_answer_is_maybe_sent(
    make_client: MakeClient, stub: StubVendor
) -> None:
    stub.script(hold(stub.done, reply(obs_answer())))
    error = push(make_client(obs=STATIC, real_time=True, read_timeout=0.05))
    assert isinstance(error, TimedOut)
    assert error.maybe_sent


class IdleReset:
    """A vendor behind a firewall that resets kept connections."""

    def __init__(self, then: Step) -> None:
        self.then = then
        self.used: set[int] = set()

    def __call__(self, sock: socket.socket, received: Received) -> bool:
        if received.connection in self.used:
            return reset()(sock, received)
        self.used.add(received.connection)
        return self.then(sock, received)


CALLS: dict[str, Callable[[Client], Any]] = {
    PUSH_MID_RESULT.name: lambda client: client.push_mid_result(result=RESULT),
    READ_CALL_DATA.name: lambda client: client.read_call_data(
        vdn=88,
        query=CallDataQuery(cc_id=1, service_id="1", batch_count=1),
        on_received=lambda _received: None,
    ),
}


@pytest.mark.parametrize("name", [op.name for op in OPERATIONS if not op.repeatable])
def test_unrepeatable_call_does_not_reuse_a_reset_connection(
    make_client: MakeClient, stub: StubVendor, name: str
) -> None:
    client = make_client(obs=STATIC)
    stub.default = IdleReset(reply(obs_answer({"taskData": [], "tasks": []})))
    for _ in range(3):
        CALLS[name](client)
    sent = stub.received
    assert len(sent) == 3
    assert len({received.connection for received in sent}) == 3


def test_unrepeatable_call_does_not_reuse_the_connection_of_another_call(
    make_client: MakeClient, stub: StubVendor
) -> None:
    client = make_client(obs=OBS)
    stub.at("tokenByAkSk", app_token())
    stub.at("business/tasks", IdleReset(reply(obs_answer([]))))
    stub.at("push/midresult", IdleReset(reply(obs_answer())))
    client.list_outbound_tasks(vdn=88, cc_id=1)
    client.push_mid_result(result=RESULT)
    (pushed,) = stub.sent_to("push/midresult")
    assert pushed.connection not in {sent.connection for sent in stub.sent_to("business/tasks")}


def test_refused_connection_is_not_maybe_sent(make_client: MakeClient) -> None:
    with StubVendor() as gone:
        address = gone.base_url
    error = push(make_client(obs=STATIC, base_url=address))
    assert type(error) is Unreachable
    assert not error.maybe_sent


def test_unknown_host_name_is_not_maybe_sent(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror("no such name")

    client = make_client(obs=STATIC)
    monkeypatch.setattr("socket.getaddrinfo", unknown)
    error = push(client)
    assert type(error) is Unreachable
    assert not error.maybe_sent


def test_connect_timeout_is_not_maybe_sent(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> None:
        raise TimeoutError

    client = make_client(obs=STATIC)
    monkeypatch.setattr("socket.socket.connect", slow)
    assert not push(client).maybe_sent


def test_untrusted_certificate_is_not_maybe_sent(make_client: MakeClient) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "server.pem", TLS / "server.key")
    with StubVendor(tls=context) as secure:
        error = push(make_client(obs=STATIC, base_url=secure.base_url))
        assert secure.received == []
    assert type(error) is Unreachable
    assert not error.maybe_sent


def test_tls_connection_that_ends_after_the_request_is_maybe_sent(make_client: MakeClient) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "server.pem", TLS / "server.key")
    with StubVendor(tls=context) as secure:
        secure.default = raw(b"")
        client = make_client(obs=STATIC, base_url=secure.base_url, ca_bundle=str(TLS / "ca.pem"))
        assert push(client).maybe_sent
        assert len(secure.received) == 1


def test_open_circuit_is_not_maybe_sent(make_client: MakeClient, stub: StubVendor) -> None:
    stub.default = reply(status=503)
    client = make_client(obs=STATIC, breaker_threshold=1)
    assert push(client).maybe_sent
    error = push(client)
    assert isinstance(error, CircuitOpen)
    assert not error.maybe_sent


@pytest.mark.parametrize("obs", [STATIC, OBS], ids=["static", "app"])
def test_deadline_spent_before_the_call_is_not_maybe_sent(
    make_client: MakeClient, stub: StubVendor, obs: ObsConfig
) -> None:
    error = push(make_client(obs=obs), deadline=0.0)
    assert isinstance(error, TimedOut)
    assert not error.maybe_sent
    assert stub.connections == 0


def test_deadline_spent_on_the_token_call_is_not_maybe_sent(
    make_client: MakeClient, stub: StubVendor, time: Time
) -> None:
    def slow(sock: socket.socket, received: Received) -> bool:
        time.passed += 20
        return app_token()(sock, received)

    stub.at("tokenByAkSk", slow)
    error = push(make_client(obs=OBS))
    assert isinstance(error, TimedOut)
    assert not error.maybe_sent
    assert stub.sent_to("midresult") == []


@cases(
    "step",
    [
        reset(),
        raw(b""),
        raw(b"garbage\r\n\r\n"),
        reply(b"<html>"),
        reply(status=401),
        reply(status=404),
        reply(status=429),
        reply(status=500),
        reply(b"", status=302),
    ],
)
def test_failed_token_call_is_not_maybe_sent(
    make_client: MakeClient, stub: StubVendor, step: Step
) -> None:
    stub.at("tokenByAkSk", step)
    error = push(make_client(obs=OBS))
    assert error.operation == "fetch_token"
    assert not error.maybe_sent
    assert stub.sent_to("midresult") == []


def test_call_is_maybe_sent_if_one_of_its_attempts_was(
    make_client: MakeClient, stub: StubVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that was sent before its retry failed to connect may have arrived."""
    client = make_client(obs=STATIC)

    def nobody(*_: object) -> None:
        raise ConnectionRefusedError

    def last(sock: socket.socket, received: Received) -> bool:
        monkeypatch.setattr("socket.socket.connect", nobody)
        return raw(b"")(sock, received)

    stub.script(last)
    with pytest.raises(Unreachable) as caught:
        client.list_outbound_tasks(vdn=88, cc_id=1)
    assert len(stub.received) == 1
    assert caught.value.maybe_sent


def test_read_whose_token_renewal_failed_is_maybe_sent(obs: Client, stub: StubVendor) -> None:
    stub.at("tokenByAkSk", app_token(), reply(status=500))
    stub.at("business/tasks", reply(status=401))
    with pytest.raises(Unreachable) as caught:
        obs.list_outbound_tasks(vdn=88, cc_id=1)
    assert caught.value.operation == "fetch_token"
    assert caught.value.maybe_sent


@cases(("said", "expected"), [(None, True), (True, True), (False, False)])
def test_errors_are_maybe_sent_by_default(said: bool | None, expected: bool) -> None:
    everything: list[Any] = [ISalesError, Unreachable, TimedOut, Refused, BadAnswer]
    for kind in everything:
        assert kind(maybe_sent=said).maybe_sent is expected
    assert CircuitOpen().maybe_sent is False


def test_observer_accepts_every_event() -> None:
    silent = Observer()
    assert silent.answered("x", date=None, shape="y") is None  # type: ignore[func-returns-value]
    attempt = Attempt("x", "ok", 0.1, 1, "r", 200)
    assert silent.called(attempt) is None  # type: ignore[func-returns-value]
