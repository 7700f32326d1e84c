"""Limits that no server can exceed: bytes, time, address, certificates, environment."""

from __future__ import annotations

import dataclasses
import gzip
import itertools
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from isales_proxy.client.auth import Credentials
from isales_proxy.client.client import Client
from isales_proxy.client.config import TransportConfig
from isales_proxy.client.errors import BadAnswer, ISalesError, TimedOut, Unreachable
from isales_proxy.client.operations import LIST_RESERVATIONS
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.transport.connections import Budget, _BudgetReader
from tests.support.stub_vendor import StubVendor, drip, envelope, hold, raw, reply

from .conftest import MakeClient, Notes, Time

QUERY = ReservationQuery()
TLS = Path(__file__).parents[1] / "support" / "tls"
HEAD = b"HTTP/1.1 200 X\r\nContent-Length: 1000000\r\n\r\n"


def call(client: Client, deadline: float | None = None) -> int:
    return client.list_reservations(vdn=88, query=QUERY, deadline=deadline).total


# Bytes


def test_answer_declared_too_large_is_refused_unread(
    make_client: MakeClient, stub: StubVendor
) -> None:
    """The vendor sends no body, so reading it would time out."""
    stub.script(drip(b"HTTP/1.1 200 X\r\nContent-Length: 1001\r\n\r\n", [b""] * 9999, stub.done))
    with pytest.raises(BadAnswer, match="larger"):
        call(make_client(max_bytes=1000))


def test_answer_that_grows_too_large_is_aborted(make_client: MakeClient, stub: StubVendor) -> None:
    endless = itertools.repeat(b"fa00\r\n" + b" " * 64_000 + b"\r\n")
    head = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
    stub.script(drip(head, endless, stub.done, pause=0))
    with pytest.raises(BadAnswer, match="larger"):
        call(make_client(max_bytes=500_000))


def test_answer_of_exactly_the_size_limit_is_read(
    make_client: MakeClient, stub: StubVendor
) -> None:
    body = b'{"resultCode":"0200000","data":[],"totalCount":7}'
    stub.script(reply(body), reply(body + b" "))
    client = make_client(max_bytes=len(body))
    assert call(client) == 7
    with pytest.raises(BadAnswer, match="larger"):
        call(client)


def test_compressed_answer_is_a_bad_answer(client: Client, stub: StubVendor) -> None:
    stub.script(reply(gzip.compress(b" " * 10**6), headers={"Content-Encoding": "gzip"}))
    with pytest.raises(BadAnswer):
        call(client)


def test_body_of_a_failed_answer_is_not_awaited(client: Client, stub: StubVendor) -> None:
    once = dataclasses.replace(LIST_RESERVATIONS, repeatable=False)
    for status in (302, 401, 429, 500):
        head = f"HTTP/1.1 {status} X\r\nContent-Length: 99\r\nLocation: /x\r\n\r\n".encode()
        stub.script(drip(head, [b""] * 9999, stub.done))
        with pytest.raises(ISalesError) as caught:
            client.call(once, vdn=88, body={})
        assert caught.value.http_status == status


# Time


def test_missing_answer_is_a_timeout_after_the_read_timeout(
    make_client: MakeClient, stub: StubVendor, notes: Notes
) -> None:
    stub.script(hold(stub.done, reply(envelope([], 0))))
    with pytest.raises(TimedOut):
        call(make_client(real_time=True, read_timeout=0.05))
    assert notes.outcomes == ["timed_out"]
    assert len(stub.received) == 1


def test_stalled_body_is_a_timeout_after_the_read_timeout(
    make_client: MakeClient, stub: StubVendor
) -> None:
    stub.script(drip(HEAD + b"{", [b""] * 9999, stub.done))
    with pytest.raises(TimedOut):
        call(make_client(real_time=True, read_timeout=0.05))


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 X\r\nA: ", b"b"),
        (HEAD, b" "),
        (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 500 X\r\nA: ", b"b"),
        (b"HTTP/1.1 404 X\r\nContent-Length: 9999\r\n\r\n", b" "),
    ],
    ids=["status", "headers", "body", "chunk-size", "chunks", "500-headers", "404-body"],
)
def test_deadline_ends_an_answer_sent_byte_by_byte(
    make_client: MakeClient, stub: StubVendor, head: bytes, piece: bytes
) -> None:
    """Every byte arrives within the read timeout: only the deadline can end the call."""
    stub.script(drip(head, itertools.repeat(piece, 60_000), stub.done))
    with pytest.raises(TimedOut):
        call(make_client(real_time=True, read_timeout=5.0), deadline=0.2)
    assert len(stub.received) == 1


def test_deadline_that_ends_while_connecting_is_a_timeout(
    make_client: MakeClient, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client()

    def slow(*_: object, **__: object) -> None:
        time.passed += 99
        raise OSError("no name")

    monkeypatch.setattr("socket.getaddrinfo", slow)
    with pytest.raises(TimedOut):
        call(client)


def test_all_addresses_of_a_name_share_one_connect_timeout(
    make_client: MakeClient, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float | None] = []

    class Deaf:
        def __init__(self, *_: object) -> None:
            self.timeout: float | None = None

        def setsockopt(self, *_: object) -> None:
            pass

        def settimeout(self, value: float) -> None:
            self.timeout = value

        def connect(self, _: object) -> None:
            tried.append(self.timeout)
            time.passed += 2.0
            raise TimeoutError

        def close(self) -> None:
            pass

    client = make_client(connect_timeout=3.0, attempts=1)
    addresses = [(2, 1, 6, "", ("127.0.0.1", n)) for n in range(1, 9)]
    with monkeypatch.context() as patch:
        patch.setattr("socket.getaddrinfo", lambda *_, **__: addresses)
        patch.setattr("socket.socket", Deaf)
        with pytest.raises(Unreachable):
            call(client)
    assert tried == [3.0, 1.0]


# Place


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_redirects_are_not_followed(make_client: MakeClient, stub: StubVendor, status: int) -> None:
    with StubVendor() as elsewhere:
        stub.script(reply(b"", status=status, headers={"Location": f"{elsewhere.base_url}/x"}))
        with pytest.raises(Unreachable, match="redirect") as caught:
            call(make_client())
        assert elsewhere.connections == 0
    assert caught.value.http_status == status
    assert not caught.value.retryable
    assert len(stub.received) == 1


def test_proxy_and_netrc_settings_of_the_environment_are_ignored(
    make_client: MakeClient, stub: StubVendor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with StubVendor() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.base_url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        call(make_client())
        assert proxy.connections == 0
    assert stub.received[0].header("Authorization").startswith("auth-v2/EXAMPLEAK0001/")


def test_cookies_of_the_vendor_are_not_sent_back(client: Client, stub: StubVendor) -> None:
    stub.script(reply(envelope([], 0), headers={"Set-Cookie": "a=b; Path=/"}))
    call(client)
    call(client)
    assert not stub.received[1].has("Cookie")


# Certificates


@pytest.fixture
def secure() -> Iterator[StubVendor]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "server.pem", TLS / "server.key")
    with StubVendor(tls=context) as stub:
        yield stub


def test_private_certificate_authority_is_trusted_when_configured(
    make_client: MakeClient, secure: StubVendor, tmp_path: Path
) -> None:
    client = make_client(base_url=secure.base_url, ca_bundle=str(TLS / "ca.pem"))
    assert (call(client), call(client)) == (0, 0)
    assert secure.connections == 1
    assert secure.received[0].header("Host") == f"127.0.0.1:{secure.port}"


@pytest.mark.parametrize("bundle", [None, "other-ca.pem"])
def test_server_of_an_unknown_authority_is_refused(
    make_client: MakeClient,
    secure: StubVendor,
    monkeypatch: pytest.MonkeyPatch,
    bundle: str | None,
) -> None:
    # Variables that requests would heed; the system's store is not changed by them.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(TLS / "ca.pem"))
    client = make_client(base_url=secure.base_url, ca_bundle=str(TLS / bundle) if bundle else None)
    with pytest.raises(Unreachable, match="TLS") as caught:
        call(client)
    assert not caught.value.retryable
    assert secure.received == []


def test_certificate_for_another_name_is_refused(
    make_client: MakeClient, secure: StubVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr("socket.getaddrinfo", lambda _, *args, **kw: real("127.0.0.1", *args, **kw))
    client = make_client(
        base_url=f"https://another.example.com:{secure.port}", ca_bundle=str(TLS / "ca.pem")
    )
    with pytest.raises(Unreachable, match="TLS"):
        call(client)
    assert secure.received == []


def test_plain_http_server_at_an_https_address_is_unreachable(
    make_client: MakeClient, stub: StubVendor
) -> None:
    address = stub.base_url.replace("http:", "https:")
    with pytest.raises(Unreachable):
        call(make_client(base_url=address))


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_unreadable_ca_bundle_raises_an_error_at_the_start(
    tmp_path: Path, content: str | None
) -> None:
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    config = TransportConfig(
        base_url="https://a", credentials=Credentials("AK", "SK"), ca_bundle=str(bundle)
    )
    with pytest.raises(ValueError, match="ca_bundle"):
        Client(config)


# Threads


def test_deadlines_of_threads_are_independent(make_client: MakeClient, stub: StubVendor) -> None:
    client = make_client(real_time=True, attempts=1)
    release = threading.Event()
    stub.script(hold(release, reply(envelope([], 1))))
    patient: list[int] = []
    thread = threading.Thread(target=lambda: patient.append(call(client, 10.0)))
    thread.start()
    while not stub.received:
        assert not stub.done.wait(0.001)
    stub.script(hold(stub.done, raw(b"")))
    with pytest.raises(TimedOut):
        call(client, 0.05)
    release.set()
    thread.join(10)
    assert patient == [1]


def test_each_read_waits_no_longer_than_the_time_left(time: Time) -> None:
    budget = Budget(time.monotonic)
    budget.start(2.0)
    ours, theirs = socket.socketpair()
    with ours, theirs, _BudgetReader(ours, budget) as reader:
        ours.settimeout(1.5)
        waits = []
        for _ in range(3):
            theirs.sendall(b"x")
            reader.read(1)
            waits.append(ours.gettimeout())
            time.passed += 0.75
        assert waits == [1.5, 1.25, 0.5]
        with pytest.raises(TimeoutError):
            reader.read(1)


def test_forked_process_does_not_use_the_connection_of_its_parent(
    client: Client, stub: StubVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(client)
    monkeypatch.setattr("os.getpid", lambda: -1)
    call(client)
    call(client)
    assert stub.connections == 2
