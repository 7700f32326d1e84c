"""Slow clients, large bodies and ambiguous requests, sent to the real server over sockets."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import requests

from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.support import web
from tests.support.workers import Site, embedded

pytestmark = pytest.mark.processes

HOST = b"Host: 127.0.0.1\r\n"
FORM = b"POST /accounts/login/ HTTP/1.1\r\n" + HOST + b"Cookie: csrftoken=" + b"a" * 32 + b"\r\n"
URL_ENCODED = b"Content-Type: application/x-www-form-urlencoded\r\n"
LARGE_FILE = (
    b"GET /static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js HTTP/1.1\r\n"
    + HOST
    + b"\r\n"
)
FUTURE = "Fri, 01 Jan 2100 00:00:00 GMT"
MULTIPART = b"Content-Type: multipart/form-data; boundary=x\r\n"
FILE = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
SLOW = {
    "nothing": b"",
    "half a header": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-Half: ",
    "half a body": FORM + URL_ENCODED + b"Content-Length: 1000\r\n\r\nlogin=a",
    "half a chunk": FORM + URL_ENCODED + b"Transfer-Encoding: chunked\r\n\r\nff\r\nlogin=a",
    "half a file": FORM + MULTIPART + b"Content-Length: 100000\r\n\r\n" + FILE,
    "no reading": LARGE_FILE * 10,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    var = tmp_path_factory.mktemp("server")
    with Simulator(rows=50) as vendor, embedded(vendor, var) as found:
        # Static files are served from their sources; stored uploads would be in `TMPDIR`.
        found.env |= {"DEBUG": "1", "TMPDIR": str(var / "tmp")}
        (var / "tmp").mkdir()
        yield found


@pytest.fixture(scope="module")
def base(site: Site) -> Iterator[str]:
    with web.serving(site) as address:
        yield address


@pytest.fixture
def connect(base: str) -> Iterator[Callable[[bytes], socket.socket]]:
    with ExitStack() as open_lines:

        def line(sent: bytes) -> socket.socket:
            found = open_lines.enter_context(
                socket.create_connection(("127.0.0.1", int(base.rpartition(":")[2])), timeout=30)
            )
            found.sendall(sent)
            return found

        yield line


def read_all(line: socket.socket) -> bytes:
    return b"".join(iter(lambda: line.recv(65536), b""))


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
def test_forty_slow_connections_do_not_block_other_requests(
    base: str, connect: Callable[[bytes], socket.socket], sent: bytes
) -> None:
    for _ in range(40):
        connect(sent)
    # Well below the deadline of the slow connections.
    for path in ("/healthz", "/accounts/login/"):
        assert requests.get(base + path, timeout=8).status_code == 200


def test_connections_beyond_the_limit_do_not_block_other_requests(
    base: str, connect: Callable[[bytes], socket.socket]
) -> None:
    for _ in range(450):
        connect(SLOW["half a header"])
    assert requests.get(f"{base}/healthz", timeout=8).status_code == 200


def test_connection_without_a_complete_header_is_closed(
    base: str,
    connect: Callable[[bytes], socket.socket],
) -> None:
    """A connection that is in use meanwhile stays open, however short its requests are."""
    lines = [connect(SLOW["nothing"]), connect(SLOW["half a header"])]
    used = HTTPConnection(base.removeprefix("http://"), timeout=10)
    used.connect()
    # It may not come back by a new connection.
    used.auto_open = 0
    with closing(used), ThreadPoolExecutor(1) as pool:
        ended = pool.submit(lambda: [read_all(line) for line in lines])
        # Deadlines are checked each second: six more requests take two seconds.
        left = 6
        while left:
            used.request("GET", "/healthz")
            assert used.getresponse().read()
            left -= ended.done()
            threading.Event().wait(0.3)
    assert ended.result() == [b"", b""]


def chunks(count: int) -> bytes:
    return (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * count


TOO_LARGE = {
    "announced": FORM + MULTIPART + b"Content-Length: 400000000\r\n\r\n" + FILE,
    "announced as a form": FORM + URL_ENCODED + b"Content-Length: 400000000\r\n\r\nlogin=",
    "sent": FORM + MULTIPART + b"Content-Length: 20000000\r\n\r\n" + b"x" * 20_000_000,
    "in chunks": FORM + MULTIPART + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(80),
}


@pytest.mark.parametrize("sent", TOO_LARGE.values(), ids=TOO_LARGE)
def test_too_large_body_is_refused_with_a_page_and_not_stored(
    site: Site, connect: Callable[[bytes], socket.socket], sent: bytes
) -> None:
    answer = read_all(connect(sent))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"The request is too large" in answer
    assert b"Connection: close" in answer
    assert list(Path(site.env["TMPDIR"]).iterdir()) == []


@pytest.mark.parametrize("length", [b"Content-Length: 400000000\r\n\r\n", b""])
def test_too_large_api_body_is_refused_with_a_problem(
    connect: Callable[[bytes], socket.socket], length: bytes
) -> None:
    body = length or b"Transfer-Encoding: chunked\r\n\r\n" + chunks(5)
    answer = read_all(connect(b"POST /api/v1/vdns/88/write-backs/ HTTP/1.1\r\n" + HOST + body))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer


def test_chunked_body_is_read(base: str) -> None:
    session = requests.Session()
    form = session.get(f"{base}/accounts/login/", timeout=10).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[1]  # type: ignore[index]
    body = f"login=maria&password=callboard-people-1&csrfmiddlewaretoken={token}".encode()
    answer = session.post(
        f"{base}/accounts/login/",
        data=iter([body[:9], body[9:]]),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        allow_redirects=False,
        timeout=10,
    )
    assert answer.status_code == 302


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    ],
)
def test_body_with_ambiguous_length_is_refused(
    connect: Callable[[bytes], socket.socket], sent: bytes
) -> None:
    assert read_all(connect(sent)).partition(b" ")[2].startswith(b"400 ")


def test_answer_to_head_has_no_body_and_keeps_the_connection_open(
    connect: Callable[[bytes], socket.socket],
) -> None:
    line = connect(b"HEAD /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
    first = line.recv(65536)
    assert first.startswith(b"HTTP/1.1 200 ")
    assert first.endswith(b"\r\n\r\n")
    line.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert read_all(line).startswith(b"HTTP/1.1 200 ")


def test_long_addresses_and_htmx_headers_are_accepted(base: str) -> None:
    address = f"{base}/accounts/login/?next=/" + "a" * 8_000
    headers = {"HX-Request": "true", "HX-Current-URL": address, "Referer": address}
    assert requests.get(address, headers=headers, timeout=10).status_code == 200
    assert requests.get(base, headers={"X-Long": "a" * 70_000}, timeout=10).status_code == 431


def test_requests_under_way_at_shutdown_are_answered(tmp_path: Path) -> None:
    with Simulator(rows=50) as vendor, embedded(vendor, tmp_path) as site:
        token = web.token(site, "maria", "read")
        rule = vendor.faults.add("hold", operation=LIST_RESERVATIONS, times=None)
        answers: list[Any] = []
        with web.started(site) as (base, server):
            asking = threading.Thread(
                target=lambda: answers.append(
                    requests.get(
                        f"{base}/api/v1/vdns/88/reservations/",
                        headers={"Authorization": f"Token {token}"},
                        timeout=30,
                    )
                )
            )
            asking.start()
            assert vendor.calls.wait_for(1)
            os.kill(server.pid, signal.SIGTERM)
            vendor.faults.remove(rule)
            vendor.faults.release()
            asking.join()
            assert server.wait(30) == 0
        assert [answer.status_code for answer in answers] == [200]


def test_connection_stays_open_after_an_answer_without_a_body(base: str) -> None:
    with closing(HTTPConnection(base.partition("//")[2], timeout=30)) as line:
        line.request("GET", "/static/css/app.css", headers={"If-Modified-Since": FUTURE})
        answer = line.getresponse()
        assert (answer.status, answer.read()) == (304, b"")
        assert not answer.will_close
        line.request("GET", "/healthz")
        assert line.getresponse().status == 200
