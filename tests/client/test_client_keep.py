"""Call data: the answer is passed on before it is decoded, and never requested twice."""

from __future__ import annotations

import dataclasses
import gzip
import json
import threading
from typing import Any

import pytest

from isales_proxy.client import client as client_module
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
from isales_proxy.client.operations import READ_CALL_DATA
from isales_proxy.client.queries import CallDataQuery, IntermediateResult
from isales_proxy.client.transport import Received
from tests.support.cases import cases
from tests.support.stub_vendor import Step, StubVendor, drip, hold, raw, reply, reset
from tests.support.stub_vendor import obs as obs_answer

from .conftest import OBS, MakeClient, Notes, app_token

QUERY = CallDataQuery(cc_id=1, service_id="1", batch_count=500)
RESULT = IntermediateResult(vdn=88, cc_id=1, unique_id="u", service_id="1")
GOOD = json.dumps(obs_answer({"taskData": [{"seviceId": "1", "uiqueId": "u"}]})).encode()
HEAD = b"HTTP/1.1 200 X\r\nContent-Length: 500\r\n\r\n"
HEAD_OF_GOOD = b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % len(GOOD)
CHUNKED = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"


class Recorder:
    """Records its arguments."""

    def __init__(self) -> None:
        self.kept: list[Received] = []

    def __call__(self, received: Received) -> None:
        self.kept.append(received)


def read(client: Client, recorder: Recorder, deadline: float | None = None) -> tuple[Any, ...]:
    return client.read_call_data(vdn=88, query=QUERY, on_received=recorder, deadline=deadline)


@cases(
    ("step", "error", "status", "body", "complete"),
    [
        (reply(GOOD), None, 200, GOOD, True),
        (reply(obs_answer(result=4)), Refused, 200, b'{"result": 4}', True),
        (reply(b"<html>"), BadAnswer, 200, b"<html>", True),
        (reply(b""), BadAnswer, 200, b"", True),
        (reply(b"", status=204), BadAnswer, 204, b"", True),
        (reply(b"\xff\x00"), BadAnswer, 200, b"\xff\x00", True),
        (reply(gzip.compress(GOOD, mtime=0)), BadAnswer, 200, gzip.compress(GOOD, mtime=0), True),
        (raw(HEAD + GOOD), BadAnswer, 200, GOOD, False),
        (reset(HEAD + GOOD), Unreachable, 200, None, False),
        (raw(CHUNKED + b"5\r\nabcde\r\n9\r\nfgh"), BadAnswer, 200, b"abcdefgh", False),
        (raw(CHUNKED + b"5\r\nabcde\r\nzz\r\n"), BadAnswer, 200, b"abcde", False),
        (reply(GOOD, status=500), Unreachable, 500, GOOD, True),
        (reply(b'{"result": 9}', status=500), Refused, 500, b'{"result": 9}', True),
        (reply(b"gone", status=503), Unreachable, 503, b"gone", True),
        (reply(b"no", status=401), CredentialsRefused, 401, b"no", True),
        (reply(b"no", status=403), CredentialsRefused, 403, b"no", True),
        (reply(b"slow", status=429), Throttled, 429, b"slow", True),
        (reply(b"what", status=404), Misdirected, 404, b"what", True),
        (reply(b"there", status=302, headers={"Location": "/"}), Unreachable, 302, b"there", True),
        (raw(b"\x00garbage\r\n\r\n" + GOOD), BadAnswer, 0, b"\x00garbage\r\n\r\n" + GOOD, False),
        (raw(b"HTTP/1.1 20"), BadAnswer, 0, b"HTTP/1.1 20", False),
    ],
)
def test_received_bytes_are_kept_and_call_data_is_requested_once(
    make_client: MakeClient,
    stub: StubVendor,
    notes: Notes,
    step: Step,
    error: type[ISalesError] | None,
    status: int,
    body: bytes | None,
    complete: bool,
) -> None:
    stub.at("tokenByAkSk", app_token("token-1"), app_token("token-2"))
    stub.at("callnos", step)
    recorder = Recorder()
    raised: ISalesError | None = None
    try:
        read(make_client(obs=OBS), recorder)
    except ISalesError as caught:
        raised = caught
    assert type(raised) is (error or type(None))
    (received,) = recorder.kept
    assert (received.status, received.complete) == (status, complete)
    if body is not None:  # a reset may overtake what was sent before it
        assert received.body == body
    # The token call came before it, and after a 401 another one.
    assert received.request_id == notes.request_ids[1]
    assert len(stub.sent_to("callnos")) == 1
    assert len(stub.sent_to("tokenByAkSk")) == (2 if status in {401, 403} else 1)


@pytest.mark.parametrize(
    ("sent", "came"),
    [
        (HEAD + b"abc", b"abc"),
        (CHUNKED + b"5\r\nabcde\r\n5\r\nfgh", b"abcdefgh"),
    ],
    ids=["length", "chunks"],
)
def test_bytes_received_before_the_timeout_are_kept(
    make_client: MakeClient, stub: StubVendor, sent: bytes, came: bytes
) -> None:
    stub.at("tokenByAkSk", app_token())
    stub.at("callnos", drip(sent, [b""] * 9999, stub.done))
    recorder = Recorder()
    with pytest.raises(TimedOut) as caught:
        read(make_client(real_time=True, read_timeout=0.5, slow_timeout=0.5, obs=OBS), recorder)
    assert [(each.body, each.complete) for each in recorder.kept] == [(came, False)]
    assert caught.value.maybe_sent
    assert len(stub.sent_to("callnos")) == 1


@pytest.mark.parametrize("declared", [True, False])
def test_bytes_read_of_a_too_large_answer_are_kept(
    obs: Client, stub: StubVendor, monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    assert READ_CALL_DATA.max_bytes == 32 * 1024 * 1024
    # A small bound stands in for the true one.
    monkeypatch.setattr(client_module, "READ_CALL_DATA", _with_bound(100_000), raising=True)
    body = bytes(range(250)) * 1000
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    stub.at("callnos", raw(b"HTTP/1.1 200 X\r\n" + (length if declared else b"\r\n") + body))
    recorder = Recorder()
    with pytest.raises(BadAnswer, match="larger"):
        read(obs, recorder)
    (received,) = recorder.kept
    assert not received.complete
    assert len(received.body) > 100_000
    assert body.startswith(received.body)


def _with_bound(limit: int) -> Any:
    return dataclasses.replace(READ_CALL_DATA, max_bytes=limit)


@pytest.mark.parametrize("step", [raw(b""), reset()], ids=["end", "reset"])
def test_nothing_is_kept_when_the_connection_ends_without_an_answer(
    obs: Client, stub: StubVendor, step: Step
) -> None:
    stub.at("callnos", step)
    recorder = Recorder()
    with pytest.raises(Unreachable) as caught:
        read(obs, recorder)
    assert recorder.kept == []
    assert caught.value.maybe_sent
    assert len(stub.sent_to("callnos")) == 1


def test_nothing_is_kept_when_no_answer_comes_in_time(
    make_client: MakeClient, stub: StubVendor
) -> None:
    stub.at("tokenByAkSk", app_token())
    stub.at("callnos", hold(stub.done, reply(GOOD)))
    recorder = Recorder()
    with pytest.raises(TimedOut) as caught:
        read(make_client(real_time=True, read_timeout=0.1, slow_timeout=0.1, obs=OBS), recorder)
    assert recorder.kept == []
    assert caught.value.maybe_sent
    assert len(stub.sent_to("callnos")) == 1


def test_exception_raised_by_keep_is_propagated(obs: Client, stub: StubVendor) -> None:
    class DiskFull(Exception):
        pass

    def keep(_: Received) -> None:
        raise DiskFull

    stub.at("callnos", reply(b"<html>"))
    with pytest.raises(DiskFull):
        obs.read_call_data(vdn=88, query=QUERY, on_received=keep)
    assert len(stub.sent_to("callnos")) == 1


def test_answer_is_kept_before_it_is_decoded(obs: Client, stub: StubVendor, notes: Notes) -> None:
    stub.at("callnos", reply(GOOD))
    seen: list[int] = []

    def keep(_: Received) -> None:
        # The token was answered by now, the call data are not yet judged.
        seen.append(len(notes.answers))

    assert len(obs.read_call_data(vdn=88, query=QUERY, on_received=keep)) == 1
    assert seen == [1]
    assert [operation for operation, _, _ in notes.answers] == ["fetch_token", "read_call_data"]


def test_repr_of_a_received_answer_contains_no_byte_of_its_body() -> None:
    received = Received(200, b"6581234567", complete=True, request_id="r")
    assert "6581234567" not in repr(received)


FAULTS = [
    reset(),
    raw(b""),
    reply(status=500),
    reply(status=502),
    reply(status=503, headers={"Retry-After": "1"}),
    reply(status=429, headers={"Retry-After": "0"}),
    reply(status=401),
    reply(status=403),
    reply(b"<html>"),
    reset(HEAD + b"{"),
    raw(HEAD + b"{"),
]


@cases("step", FAULTS)
def test_write_back_is_never_retried_by_the_client(
    make_client: MakeClient, stub: StubVendor, step: Step
) -> None:
    stub.at("tokenByAkSk", app_token("token-1"), app_token("token-2"))
    stub.at("midresult", step, reply(obs_answer()))
    with pytest.raises(ISalesError) as caught:
        make_client(obs=OBS).push_mid_result(result=RESULT)
    assert caught.value.maybe_sent
    assert len(stub.sent_to("midresult")) == 1


def test_parallel_call_data_requests_keep_their_own_bytes(
    make_client: MakeClient, stub: StubVendor
) -> None:
    """The bytes recorded for one call contain none of another."""
    stub.at("tokenByAkSk", app_token())
    release = threading.Event()
    stub.at("callnos", hold(release, reply(b"first")), reply(b"second"))
    client = make_client(real_time=True, obs=OBS)
    recorders = [Recorder(), Recorder()]

    def patient() -> None:
        with pytest.raises(BadAnswer):
            read(client, recorders[0])

    thread = threading.Thread(target=patient)
    thread.start()
    while not stub.sent_to("callnos"):
        assert not stub.done.wait(0.001)
    with pytest.raises(BadAnswer):
        read(client, recorders[1])
    release.set()
    thread.join(10)
    assert [[each.body for each in recorder.kept] for recorder in recorders] == [
        [b"first"],
        [b"second"],
    ]


def test_call_data_has_a_longer_timeout_than_other_calls(
    make_client: MakeClient, stub: StubVendor
) -> None:
    """Times short enough for the list to end within them, and long enough for the call data."""
    stub.at("tokenByAkSk", app_token())
    stub.at("tasks", hold(stub.done, reply(GOOD)))
    stub.at("callnos", drip(HEAD_OF_GOOD, [bytes([each]) for each in GOOD], stub.done, pause=0.01))
    client = make_client(
        real_time=True, read_timeout=0.05, deadline=0.1, slow_timeout=30.0, obs=OBS
    )
    with pytest.raises(TimedOut):
        client.list_outbound_tasks(vdn=88, cc_id=1)
    assert [datum.unique_id for datum in read(client, Recorder())] == ["u"]


def test_timeout_for_call_data_is_never_shorter_than_the_ordinary_one(
    make_client: MakeClient, stub: StubVendor
) -> None:
    stub.at("tokenByAkSk", app_token())
    stub.at("callnos", drip(HEAD_OF_GOOD, [bytes([each]) for each in GOOD], stub.done))
    client = make_client(
        real_time=True, read_timeout=30.0, deadline=30.0, slow_timeout=0.01, obs=OBS
    )
    assert [datum.unique_id for datum in read(client, Recorder())] == ["u"]


def test_token_for_call_data_is_fetched_within_the_ordinary_timeout(
    make_client: MakeClient, stub: StubVendor
) -> None:
    stub.at("tokenByAkSk", hold(stub.done, app_token()))
    client = make_client(real_time=True, read_timeout=0.05, deadline=0.1, obs=OBS)
    with pytest.raises(TimedOut) as caught:
        read(client, Recorder())
    assert not caught.value.maybe_sent
    assert stub.sent_to("callnos") == []
