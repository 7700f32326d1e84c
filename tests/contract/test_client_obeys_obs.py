"""The client follows the vendor's examples of the OBS interfaces and of the token calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from isales_proxy.client.auth import Credentials
from isales_proxy.client.client import Client
from isales_proxy.client.config import ObsAuth, ObsConfig, TransportConfig
from isales_proxy.client.errors import Refused
from isales_proxy.client.ie_data import parse_ie_data
from isales_proxy.client.queries import CallDataQuery, IntermediateResult
from isales_proxy.client.records import CallDatum, OutboundTask
from isales_proxy.client.transport import Received
from tests.support.cases import cases
from tests.support.stub_vendor import Received as Sent
from tests.support.stub_vendor import StubVendor, reply

EXAMPLES = Path(__file__).parent / "examples"
NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)
TASK = "1251250797"

Question = Callable[[Client], Any]


def example(name: str) -> Any:
    return json.loads((EXAMPLES / name).read_text("utf-8"))


def client_of(stub: StubVendor, clock: Callable[[], datetime] = lambda: NOW, **obs: Any) -> Client:
    """A client with the token of the examples, or another configuration."""
    given = obs or {"auth": ObsAuth.STATIC, "token": "e3fca9398eaa5cef4b57b523b9c75fae"}
    return Client(
        TransportConfig(
            base_url=stub.base_url,
            credentials=Credentials("AK", "SK"),
            obs=ObsConfig(**given),
        ),
        clock=clock,
    )


def ask_tasks(client: Client) -> tuple[OutboundTask, ...]:
    return client.list_outbound_tasks(vdn=1, cc_id=1)


def ask_call_data(client: Client) -> tuple[CallDatum, ...]:
    query = CallDataQuery(cc_id=1, service_id=TASK, batch_count=1)
    return client.read_call_data(vdn=88, query=query, on_received=lambda _: None)


def push(client: Client) -> None:
    body = example("obs_midresult.json")["request"]["body"]
    client.push_mid_result(result=IntermediateResult.from_body(body))


BUSINESS: list[tuple[str, Question]] = [
    ("obs_tasks.json", ask_tasks),
    ("obs_callnos.json", ask_call_data),
    ("obs_midresult.json", push),
]
business_calls = pytest.mark.parametrize(
    ("name", "ask"), BUSINESS, ids=[name for name, _ in BUSINESS]
)


def check_sent(sent: Sent, request: dict[str, Any]) -> None:
    """The request of an example; what is empty there may be left out."""
    assert (sent.method, sent.target) == (request["method"], request["path"])
    for name, value in request["headers"].items():
        assert sent.header(name) == value
    given = {name: value for name, value in request["body"].items() if value != ""}
    found = json.loads(sent.body)
    assert found == given
    # 1, "1" and True are three things on the wire.
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in given.items()
    }


@business_calls
def test_documented_request_is_sent(name: str, ask: Question) -> None:
    case = example(name)
    with StubVendor() as stub, client_of(stub) as client:
        stub.script(reply(case["response"]["body"]))
        ask(client)
    (sent,) = stub.received
    check_sent(sent, case["request"])


@pytest.mark.parametrize("form", ["response", "as_declared"])
def test_tasks_are_read_in_both_forms(form: str) -> None:
    with StubVendor() as stub, client_of(stub) as client:
        stub.script(reply(example("obs_tasks.json")[form]["body"]))
        (task,) = ask_tasks(client)
    assert task.service_id == "12345"


@pytest.mark.parametrize("form", ["response", "as_declared"])
def test_call_data_is_read_in_both_forms_and_spellings(form: str) -> None:
    with StubVendor() as stub, client_of(stub) as client:
        stub.script(reply(example("obs_callnos.json")[form]["body"]))
        (row,) = ask_call_data(client)
    assert (row.service_id, row.unique_id) == ("fadsfa", "sfa")
    assert row.phone_numbers == ("10086", "1008611")
    assert (row.call_data, row.caller_number) == ("1s56fas68dasf", "10086")
    if form == "response":
        assert (row.version, row.ie_data) == (None, "xxx")
        return
    assert row.version == "311"
    parts = parse_ie_data(row.ie_data or "")
    red, number = parts.elements
    assert (red.name, dict(red.fields)) == (
        "RedInfo",
        {"RedInd": "1", "OldRes": "1", "Res": "1", "Count": "2"},
    )
    assert (number.name, dict(number.fields)["Number"]) == ("RedNumber", "9558800")
    assert parts.sip_headers == (
        ("x-charge", "Bob sip:bob@biloxi.com;tag=a\\6c,85cf"),
        ("x-vdf", "vender name"),
    )


@pytest.mark.parametrize("form", ["response", "as_declared"])
def test_answer_is_kept_byte_for_byte(form: str) -> None:
    body = json.dumps(example("obs_callnos.json")[form]["body"]).encode()
    kept: list[Received] = []
    with StubVendor() as stub, client_of(stub) as client:
        stub.script(reply(body))
        query = CallDataQuery(cc_id=1, service_id=TASK, batch_count=1)
        client.read_call_data(vdn=88, query=query, on_received=kept.append)
    assert [(part.status, part.body, part.complete) for part in kept] == [(200, body, True)]


@pytest.mark.parametrize("form", ["response", "as_declared"])
def test_acknowledgement_of_a_write_back_is_read_in_both_forms(form: str) -> None:
    with StubVendor() as stub, client_of(stub) as client:
        stub.script(reply(example("obs_midresult.json")[form]["body"]))
        push(client)
        assert len(stub.received) == 1


def test_app_token_is_requested_as_documented_and_used() -> None:
    case = example("token_by_ak_sk.json")
    given = case["request"]["body"]
    obs = {"key": given["app_key"], "secret": given["app_secret"], "token_seconds": 600}
    with StubVendor() as stub, client_of(stub, **obs) as client:
        tasks = reply(example("obs_tasks.json")["response"]["body"])
        stub.script(reply(case["response"]["body"]), tasks, tasks)
        ask_tasks(client)
        ask_tasks(client)
        state = client.token_state()
    fetched, *asked = stub.received
    check_sent(fetched, case["request"])
    assert [sent.header("Authorization") for sent in asked] == ["Bearer zzzzzzzz"] * 2
    assert state is not None
    assert state.expires_at == NOW + timedelta(seconds=600)


@pytest.mark.parametrize("form", ["response", "as_declared"])
def test_log_in_and_refresh_are_requested_as_documented(form: str) -> None:
    now = NOW
    log_in, refresh = example("obs_login.json"), example("obs_refresh.json")
    first = log_in[form]["body"]
    # The two examples use other tokens; here the refresh follows the log-in.
    first["resultData"] |= {"token": "first", **refresh["request"]["body"]}
    given = log_in["request"]["body"]
    obs = {"auth": ObsAuth.LOGIN, "key": given["user"], "secret": given["passwd"]}
    tasks = reply(example("obs_tasks.json")["response"]["body"])
    with StubVendor() as stub, client_of(stub, lambda: now, **obs) as client:
        stub.script(reply(first), tasks, reply(refresh[form]["body"]), tasks)
        ask_tasks(client)
        now += timedelta(seconds=300)
        ask_tasks(client)
        state = client.token_state()
    logged_in, before, refreshed, after = stub.received
    check_sent(logged_in, log_in["request"])
    check_sent(refreshed, refresh["request"])
    assert before.header("Authorization") == "Bearer first"
    assert after.header("Authorization") == "Bearer fajiofjqwioeha"
    assert state is not None
    assert state.expires_at == now + timedelta(seconds=300)


@cases(
    ("ask", "case"),
    [(ask, case) for _name, ask in BUSINESS for case in example("obs_refusals.json")["cases"]],
)
def test_refusal_has_the_vendors_code_and_sentence(ask: Question, case: dict[str, Any]) -> None:
    answer = case["response"]
    with StubVendor() as stub, client_of(stub) as client:
        stub.script(reply(answer["body"], status=answer["status"]))
        with pytest.raises(Refused) as caught:
            ask(client)
    assert caught.value.code == str(answer["body"]["result"])
    assert caught.value.vendor_sentence
    assert len(stub.received) == 1
