"""Requests of the campaign interfaces, and the pages they return."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from isales_proxy.client.auth import Credentials, Request, verify_c2
from isales_proxy.client.client import Client
from isales_proxy.client.config import Endpoint, TransportConfig
from isales_proxy.client.errors import BadAnswer, Refused
from isales_proxy.client.queries import InvalidQuery, ReservationQuery, ResultCodeQuery
from tests.support.cases import cases
from tests.support.stub_vendor import Received, StubVendor, envelope, raw, reply

from .conftest import ACCESS_KEY, NOW, SECRET_KEY, MakeClient, Notes

QUERY = ReservationQuery(
    called_no="+65 8123", agents=("预约员", "116"), begin=NOW, task_id="11", page=2, size=50
)


def signed(received: Received, **changes: Any) -> bool:
    """Return True if the received request is signed correctly."""
    target = urlsplit(received.target)
    request = {
        "method": received.method,
        "path": target.path,
        "query": parse_qsl(target.query, keep_blank_values=True),
        "headers": {"Host": received.header("Host")},
        "body": received.body,
        **changes,
    }
    keys = Credentials(ACCESS_KEY, SECRET_KEY)
    return verify_c2(received.header("Authorization"), Request(**request), keys, NOW)


def test_request_for_reservations_is_as_documented(client: Client, stub: StubVendor) -> None:
    client.list_reservations(vdn=88, query=QUERY)
    (received,) = stub.received
    assert received.method == "POST"
    assert received.target == "/rest/isales/v1/openapi/campaigns/88/appoint/list"
    assert received.header("Content-Type") == "application/json; charset=UTF-8"
    assert received.header("Accept-Encoding") == "identity"
    assert received.header("Host") == f"127.0.0.1:{stub.port}"
    assert not received.has("locale")
    assert json.loads(received.body) == QUERY.to_body()


def test_bytes_sent_are_the_bytes_signed(client: Client, stub: StubVendor) -> None:
    client.list_reservations(vdn=88, query=QUERY)
    (received,) = stub.received
    # Real UTF-8, no blanks, names in order.
    assert (
        received.body
        == (
            '{"beginTime":1748764800000,"calledNo":"+65 8123","limit":50,"offset":50,'
            '"taskId":"11","userAccountList":["预约员","116"]}'
        ).encode()
    )
    assert signed(received)
    assert not signed(received, body=received.body + b" ")
    assert not signed(received, headers={"Host": "127.0.0.1"})


def test_request_for_result_codes_is_as_documented(client: Client, stub: StubVendor) -> None:
    stub.default = reply(envelope([{"obsCode": "00605"}], 1, field="obsCodes"))
    page = client.list_result_codes(vdn=9, query=ResultCodeQuery(page=3, locale="en_US"))
    (received,) = stub.received
    assert received.method == "GET"
    assert received.target == (
        "/rest/isales/v1/openapi/campaigns/9/queryOBSResultCode?pageSize=50&pageNum=3"
    )
    assert received.header("Content-Type") == "application/json; charset=UTF-8"
    assert received.header("locale") == "en_US"
    assert not received.has("Content-Length")
    assert received.body == b""
    assert signed(received)
    assert [code.code for code in page.items] == ["00605"]


def test_query_without_locale_sends_no_locale_header(client: Client, stub: StubVendor) -> None:
    stub.default = reply(envelope([], 0, field="obsCodes"))
    client.list_result_codes(vdn=9, query=ResultCodeQuery())
    assert not stub.received[0].has("locale")


def test_every_attempt_gets_a_new_signature(client: Client, stub: StubVendor) -> None:
    stub.script(reply(status=503, headers={"Retry-After": "2"}))
    client.list_reservations(vdn=88, query=QUERY)
    first, second = (received.header("Authorization") for received in stub.received)
    assert "/2025-06-01T08:00:00Z/" in first
    assert "/2025-06-01T08:00:02Z/" in second
    assert all(signed(received) for received in stub.received)
    assert stub.received[0].body == stub.received[1].body


def test_path_prefix_of_the_base_url_is_sent_and_signed(
    make_client: MakeClient, stub: StubVendor
) -> None:
    make_client(base_url=f"{stub.base_url}/edge/cc/").list_reservations(vdn=88, query=QUERY)
    (received,) = stub.received
    assert received.target == "/edge/cc/rest/isales/v1/openapi/campaigns/88/appoint/list"
    assert signed(received)


def test_page_has_rows_total_and_each_drift_once(
    client: Client, stub: StubVendor, notes: Notes
) -> None:
    stub.default = reply(envelope([{"appointId": 1, "new": 1}, {"appointId": 2, "new": 2}], "52"))
    page = client.list_reservations(vdn=88, query=QUERY)
    assert [row.appoint_id for row in page.items] == ["1", "2"]
    assert (page.total, page.page, page.size, page.pages) == (52, 2, 50, 2)
    assert notes.calls == [("list_reservations", "ok", 1, 200)]
    # Two rows, but each difference is told once.
    assert notes.drifts.count(("list_reservations", "appointId", "retyped")) == 1
    assert notes.drifts.count(("list_reservations", "new", "unknown")) == 1


def test_more_rows_than_requested_and_too_small_total_are_drift(
    client: Client, stub: StubVendor, notes: Notes
) -> None:
    stub.default = reply(envelope([{}, {}, {}], 2))
    page = client.list_reservations(vdn=88, query=ReservationQuery(size=2))
    assert len(page.items) == 3
    assert ("list_reservations", "data", "oversize") in notes.drifts
    assert ("list_reservations", "totalCount", "too_small") in notes.drifts


@pytest.mark.parametrize(("rows", "read"), [(125, True), (126, False), (5000, False)])
def test_far_more_rows_than_requested_are_a_bad_answer(
    client: Client, stub: StubVendor, rows: int, read: bool
) -> None:
    stub.default = reply(envelope([{"appointId": str(n)} for n in range(rows)], rows))
    query = ReservationQuery(size=25)
    if read:
        assert len(client.list_reservations(vdn=88, query=query).items) == rows
        return
    with pytest.raises(BadAnswer) as caught:
        client.list_reservations(vdn=88, query=query)
    assert caught.value.operation == "list_reservations"


def test_far_more_codes_than_requested_are_a_bad_answer(client: Client, stub: StubVendor) -> None:
    rows = [{"resultCode": str(n)} for n in range(5000)]
    stub.default = reply(envelope(rows, len(rows), field="obsCodes"))
    with pytest.raises(BadAnswer):
        client.list_result_codes(vdn=88, query=ResultCodeQuery(page=1, size=25))


def test_row_other_than_an_object_is_a_bad_answer(client: Client, stub: StubVendor) -> None:
    stub.default = reply(envelope([{}, None], 2))
    with pytest.raises(BadAnswer) as caught:
        client.list_reservations(vdn=88, query=QUERY)
    assert caught.value.operation == "list_reservations"
    assert caught.value.request_id


@pytest.mark.parametrize("vdn", [0, 10_000])
def test_vdn_out_of_bounds_makes_no_call(client: Client, stub: StubVendor, vdn: int) -> None:
    with pytest.raises(InvalidQuery):
        client.list_reservations(vdn=vdn, query=QUERY)
    with pytest.raises(InvalidQuery):
        client.list_result_codes(vdn=vdn, query=ResultCodeQuery())
    assert stub.received == []


@pytest.mark.parametrize(
    ("operation", "code", "meaning"),
    [
        ("reservations", "0200006", "The CC-iSales database failed."),
        ("codes", "0200006", None),
        ("codes", "02000011", "There are too many parameters."),
        ("reservations", "0299999", None),
    ],
)
def test_meaning_of_a_code_depends_on_its_interface(
    client: Client, stub: StubVendor, operation: str, code: str, meaning: str | None
) -> None:
    stub.default = reply({"resultCode": code, "resultDesc": "no"})
    ask = {
        "codes": lambda: client.list_result_codes(vdn=88, query=ResultCodeQuery()),
        "reservations": lambda: client.list_reservations(vdn=88, query=QUERY),
    }[operation]
    with pytest.raises(Refused) as caught:
        ask()
    error = caught.value
    assert (error.code, error.meaning, error.vendor_sentence) == (code, meaning, "no")
    assert error.http_status == 200
    assert len(stub.received) == 1


def test_status_4xx_is_a_refusal_with_the_code_of_its_body(
    client: Client, stub: StubVendor
) -> None:
    stub.script(
        reply({"returnCode": "02000007", "returnDesc": "limit"}, status=400),
        reply(b"<html>", status=404),
        raw(b"HTTP/1.1 400 X\r\nContent-Length: 99\r\n\r\n{"),
    )
    found = []
    for _ in range(3):
        with pytest.raises(Refused) as caught:
            client.list_reservations(vdn=88, query=QUERY)
        found.append((caught.value.http_status, caught.value.code, caught.value.meaning))
    assert found == [
        (400, "02000007", "A parameter has a wrong value."),
        (404, None, None),
        (400, None, None),
    ]


def test_thread_keeps_its_connection_and_shares_it_with_no_other(
    client: Client, stub: StubVendor
) -> None:
    for _ in range(5):
        client.list_reservations(vdn=88, query=QUERY)
    assert stub.connections == 1
    barrier = threading.Barrier(3)

    def work(_: int) -> None:
        barrier.wait(10)
        for _ in range(4):
            client.list_reservations(vdn=88, query=QUERY)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    assert stub.connections == 4
    used = {received.connection for received in stub.received[5:]}
    assert used == {2, 3, 4}


def test_chunked_answer_is_read_and_its_connection_kept(client: Client, stub: StubVendor) -> None:
    body = json.dumps(envelope([], 7)).encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (body[:5], body[5:]))
    answer = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"

    def step(sock: Any, _: Received) -> bool:
        sock.sendall(answer)
        return True

    stub.default = step
    for _ in range(2):
        assert client.list_reservations(vdn=88, query=QUERY).total == 7
    assert stub.connections == 1


def test_calls_after_close_connect_again(client: Client, stub: StubVendor) -> None:
    client.list_reservations(vdn=88, query=QUERY)
    client.close()
    client.list_reservations(vdn=88, query=QUERY)
    assert stub.connections == 2


@cases(
    "base_url",
    [
        "",
        "isales.example.com",
        "ftp://isales.example.com",
        "https://",
        "https://user:pw@isales.example.com",
        "https://isales.example.com:0",
        "https://isales.example.com:70000",
        "https://isales.example.com:28443?x=1",
        "https://isales.example.com/#x",
        "https://isales.example.com/../x",
        "https://isales.example.com/a//b",
        "https://isales.example.com\r\nX: y",
        "https://isales.example.com\n",
        " https://isales.example.com",
        "https://预约.example.com",
    ],
)
def test_invalid_base_url_is_refused_without_its_value(base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url") as caught:
        TransportConfig(base_url=base_url, credentials=Credentials("AK", "SK"))
    assert "isales.example.com" not in str(caught.value)


@cases(
    ("base_url", "host", "prefix"),
    [
        ("https://10.0.0.1:28443", "10.0.0.1:28443", ""),
        ("https://[::1]:28443/", "[::1]:28443", ""),
        ("http://isales", "isales", ""),
        ("https://isales.example.com:443/a/b", "isales.example.com:443", "/a/b"),
    ],
)
def test_base_url_is_split_into_host_and_prefix(base_url: str, host: str, prefix: str) -> None:
    config = TransportConfig(base_url=base_url, credentials=Credentials("AK", "SK"))
    origin = config.origin_of(Endpoint.CAMPAIGNS)
    assert (origin.host, origin.prefix) == (host, prefix)
    assert origin.base == base_url.partition("://")[0] + "://" + host


@cases(
    "setting",
    [
        {"connect_timeout": 0},
        {"read_timeout": -1},
        {"deadline": float("nan")},
        {"deadline": float("inf")},
        {"slow_timeout": 0},
        {"max_bytes": 0},
        {"attempts": 0},
        {"attempts": 11},
        {"max_retry_wait": -1},
        {"breaker_threshold": 0},
        {"breaker_cooldown": -0.1},
    ],
)
def test_invalid_transport_setting_is_refused_by_name(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        TransportConfig(base_url="https://a", credentials=Credentials("AK", "SK"), **setting)


@cases(
    ("access_key", "secret_key"),
    [
        ("", "s"),
        ("a", ""),
        ("a b", "s"),
        ("a\r\nX-Evil: 1", "s"),
        ("a\n", "s"),
        ("预约", "s"),
        ("a", "topsecret\n"),
        ("a", "topsecret\x00"),
    ],
)
def test_invalid_key_is_refused_without_its_value(access_key: str, secret_key: str) -> None:
    with pytest.raises(ValueError, match="key") as caught:
        Credentials(access_key, secret_key)
    assert "topsecret" not in str(caught.value)
    assert "Evil" not in str(caught.value)
