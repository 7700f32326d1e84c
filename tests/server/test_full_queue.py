"""More requests than the server's queue can hold, sent to the real server over sockets."""

from __future__ import annotations

import select
import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.support import web
from tests.support.workers import embedded

pytestmark = pytest.mark.processes

# One thread, and twelve requests that wait for it.
THREADS, WAITING = 1, 12


def test_request_beyond_the_queue_is_refused_at_once_and_the_others_are_answered(
    tmp_path: Path,
) -> None:
    with Simulator(rows=50) as vendor, embedded(vendor, tmp_path) as site:
        # Static files are served from their sources.
        site.env |= {"WEB_THREADS": str(THREADS), "DEBUG": "1"}
        token = web.token(site, "maria", "read")
        rule = vendor.faults.add("hold", operation=LIST_RESERVATIONS, times=None)
        request = (
            "GET /api/v1/vdns/88/reservations/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Token {token}\r\nConnection: close\r\n\r\n"
        ).encode()
        with web.serving(site) as base, ExitStack() as lines:
            lines.callback(vendor.faults.release)
            lines.callback(vendor.faults.remove, rule)
            address = urlsplit(base)
            open_lines: list[socket.socket] = []
            for number in range(THREADS + WAITING + 1):
                line = socket.create_connection((str(address.hostname), address.port or 0), 30)
                open_lines.append(lines.enter_context(line))
                line.sendall(request)
                if number < THREADS:
                    assert vendor.calls.wait_for(number + 1)
            answered = select.select(open_lines, [], [], 30)[0]
            assert len(answered) == 1
            refusal = _read(answered[0])
            assert refusal.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRetry-After: " in refusal
            assert b"application/problem+json" in refusal
            page = requests.get(f"{base}/accounts/login/", timeout=30)
            assert page.status_code == 503
            assert 'data-problem="busy"' in page.text
            assert requests.get(f"{base}/healthz", timeout=30).status_code == 200
            vendor.faults.remove(rule)
            vendor.faults.release()
            rest = [_read(line) for line in open_lines if line not in answered]
            assert {answer[:13] for answer in rest} == {b"HTTP/1.1 200 "}


def _read(line: socket.socket) -> bytes:
    parts = []
    while part := line.recv(65536):
        parts.append(part)
    return b"".join(parts)
