"""The client sends the requests of the vendor's examples and reads their answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from isales_proxy.client.auth import Credentials
from isales_proxy.client.client import Client
from isales_proxy.client.config import TransportConfig
from isales_proxy.client.errors import Refused
from isales_proxy.client.queries import ReservationQuery, ResultCodeQuery
from isales_proxy.simulator import DEMO_ACCESS_KEY, DEMO_SECRET_KEY, LIST_RESERVATIONS, Simulator
from tests.support.cases import cases
from tests.support.stub_vendor import StubVendor, reply

EXAMPLES = Path(__file__).parent / "examples"


def example(name: str) -> Any:
    return json.loads((EXAMPLES / name).read_text("utf-8"))


def client_of(base_url: str) -> Client:
    return Client(
        TransportConfig(
            base_url=base_url, credentials=Credentials(DEMO_ACCESS_KEY, DEMO_SECRET_KEY)
        )
    )


def test_documented_reservation_request_is_sent_and_its_answer_read() -> None:
    case = example("appoint_list.json")
    with StubVendor() as stub, client_of(stub.base_url) as client:
        stub.script(reply(case["response"]["body"]))
        page = client.list_reservations(
            vdn=1, query=ReservationQuery(task_id="1106025109", page=1, size=10)
        )
    sent = stub.received[0]
    assert sent.target == case["request"]["path"].replace("{vdnId}", "1")
    assert json.loads(sent.body) == case["request"]["body"]
    assert sent.header("Content-Type") == "application/json; charset=UTF-8"
    (row,) = page.items
    assert page.total == 4
    assert row.appoint_id == "174730253678826340158055543045"
    assert row.appoint_time == datetime(2025, 5, 15, 9, 48, 43, tzinfo=UTC)
    assert (row.fail_code, row.result, row.timeout) == ("00604", "0101", True)


def test_documented_result_code_answer_is_read() -> None:
    case = example("query_obs_result_code.json")
    with StubVendor() as stub, client_of(stub.base_url) as client:
        stub.script(reply(case["response"]["body"]))
        page = client.list_result_codes(vdn=88, query=ResultCodeQuery(page=1, size=50))
    assert page.total == 120
    assert [code.code for code in page.items] == ["00605", "00604", "00603", "00602", "00606"]
    assert page.items[1].description == "The call is rejected."


@cases("case", example("refusals.json")["cases"])
def test_refusal_has_the_vendors_code_and_sentence(case: dict[str, Any]) -> None:
    body = case["response"]["body"]
    with StubVendor() as stub, client_of(stub.base_url) as client:
        stub.script(reply(body))
        with pytest.raises(Refused) as caught:
            client.list_reservations(vdn=88, query=ReservationQuery())
    assert caught.value.code == body["resultCode"]
    assert caught.value.vendor_sentence


def test_every_page_of_a_list_is_accepted_by_a_strict_vendor() -> None:
    with Simulator(rows=120) as vendor, client_of(vendor.base_url) as client:
        seen = set()
        for number in range(1, 4):
            page = client.list_reservations(vdn=88, query=ReservationQuery(page=number, size=50))
            seen |= {row.appoint_id for row in page.items}
        assert len(seen) == page.total
        assert [call.verified for call in vendor.calls.filter(LIST_RESERVATIONS)] == [True] * 3
