"""Signed requests, connections, start and stop."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from isales_proxy.simulator import Simulator
from tests.support.signed_http import CODES_PATH, LIST_PATH, SignedHttp, signature

NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)
STAMP = "2025-06-02T08:00:00Z"
PATH = LIST_PATH.format(vdn=88)
BODY = b'{"limit":10,"offset":0}'


def test_second_implementation_of_the_signature_reproduces_vector_a() -> None:
    made = signature(
        "POST",
        "/rest/isales/v1/openapi/campaigns/1/appoint/list",
        [],
        "isales.example.com:28443",
        b'{"limit":10,"offset":0,"taskId":"1106025109"}',
        "2025-06-01T08:00:00Z",
        "EXAMPLEAK0001",
        "ExampleSecretKey-0001",
    )
    assert made.endswith("/1606c0ab4e07b8e170ab424d1f99f6eed40ff4b98685b54ab14d750e36e7d043")


def test_signed_request_is_answered_and_recorded(simulator: Simulator, http: SignedHttp) -> None:
    assert http.reservations(taskId="1106025109").status == 200
    (call,) = simulator.calls
    assert call.operation == "appoint/list"
    assert call.body == {"offset": 0, "limit": 10, "taskId": "1106025109"}
    assert (call.verified, call.status, call.vdn) == (True, 200, "88")
    assert call.headers["host"] == http.host


@pytest.mark.parametrize(
    "forge",
    [
        lambda _: {"signed_body": BODY.replace(b"0", b"1")},
        lambda _: {"authorization": signature("POST", PATH, [], "127.0.0.1", BODY, STAMP)},
        lambda http: {
            "authorization": signature(
                "POST", PATH, [], http.host, BODY, STAMP, secret_key="another"
            )
        },
        lambda _: {"now": NOW - timedelta(minutes=16)},
    ],
    ids=[
        "other body",
        "host without port",
        "other secret key",
        "clock behind",
    ],
)
def test_wrongly_signed_request_gets_401_without_json(
    simulator: Simulator, http: SignedHttp, forge: Callable[[SignedHttp], dict[str, Any]]
) -> None:
    reply = http.send("POST", PATH, body=BODY, **forge(http))
    assert reply.status == 401
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.body)
    assert [call.verified for call in simulator.calls] == [False]


def test_unknown_paths_get_404_and_wrong_methods_405(http: SignedHttp) -> None:
    assert http.send("POST", PATH + "/", body=BODY).status == 404
    assert http.send("GET", "/").status == 404
    assert http.send("GET", PATH).status == 405
    assert http.send("POST", CODES_PATH.format(vdn=88), body=BODY).status == 405


def test_stopped_simulator_refuses_connections_and_restarts_on_its_port() -> None:
    simulator = Simulator(rows=10, now=lambda: NOW)
    with simulator, SignedHttp(simulator.base_url, NOW) as http:
        assert http.reservations().status == 200
        address = simulator.base_url
        simulator.stop()
        # The kept connection ends, too, or an outage would not be one.
        with pytest.raises(OSError, match=r"closed|reset|refused|[Pp]ipe"):
            http.reservations()
        with SignedHttp(address, NOW) as other, pytest.raises(ConnectionRefusedError):
            other.reservations()
        simulator.start()
        assert simulator.base_url == address
        with SignedHttp(address, NOW) as again:
            assert again.reservations().status == 200
    simulator.stop()
