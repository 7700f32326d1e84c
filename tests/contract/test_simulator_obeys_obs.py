"""The simulator follows the vendor's examples of the OBS interfaces and of the token calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from isales_proxy.simulator import DEMO_APP_KEY, DEMO_APP_SECRET, Simulator
from tests.support.cases import cases
from tests.support.obs_http import ObsHttp
from tests.support.signed_http import Reply

EXAMPLES = Path(__file__).parent / "examples"
NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)
TASK = "1251250797"


def example(name: str) -> Any:
    return json.loads((EXAMPLES / name).read_text("utf-8"))


REFUSALS = example("obs_refusals.json")["cases"]
GOOD = {
    "app_key": DEMO_APP_KEY,
    "app_secret": DEMO_APP_SECRET,
    "user": DEMO_APP_KEY,
    "passwd": DEMO_APP_SECRET,
}
TOKEN_CALLS = ["token_by_ak_sk.json", "obs_login.json", "obs_refresh.json"]
BUSINESS_CALLS = ["obs_tasks.json", "obs_callnos.json", "obs_midresult.json"]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(rows=0, now=lambda: NOW, vdns=(1, 88)) as running:
        yield running


@pytest.fixture(scope="module")
def declared() -> Iterator[Simulator]:
    """A vendor that answers as in the tables, not as in the examples."""
    with Simulator(rows=0, now=lambda: NOW, vdns=(1, 88), as_declared=True) as running:
        yield running


def send(simulator: Simulator, name: str) -> Reply:
    """The request of an example, with valid credentials and token."""
    request = example(name)["request"]
    headers, body = dict(request["headers"]), dict(request["body"])
    body |= {name: GOOD[name] for name in body if name in GOOD}
    with ObsHttp(simulator.base_url, NOW) as http:
        if "Authorization" in headers:
            headers["Authorization"] = f"Bearer {simulator.tokens.issue()}"
        if "refreshToken" in body:
            body["refreshToken"] = simulator.tokens.issue(60, refresh=True)
            headers["Authentication"] = f"Bearer {body['refreshToken']}"
        return http.post(request["path"], body, headers, method=request["method"])


def shape(value: object) -> object:
    """Return the names and types of a response; a list is represented by its first element."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value[:1]]
    return type(value)


@pytest.mark.parametrize("name", TOKEN_CALLS + BUSINESS_CALLS)
def test_documented_request_is_answered_in_the_documented_shape(
    simulator: Simulator, name: str
) -> None:
    rows = example("obs_callnos.json")["response"]["body"]["resultData"]["taskData"]
    simulator.call_data.put(88, TASK, rows)
    expected = example(name)["response"]
    reply = send(simulator, name)
    assert reply.status == expected["status"]
    assert shape(reply.json) == shape(expected["body"])


@pytest.mark.parametrize("name", ["obs_callnos.json", "obs_midresult.json", "obs_login.json"])
def test_answers_in_declared_form_have_the_documented_shape(declared: Simulator, name: str) -> None:
    row = example("obs_callnos.json")["as_declared"]["body"]["resultData"]
    declared.call_data.put(88, TASK, [row])
    assert shape(send(declared, name).json) == shape(example(name)["as_declared"]["body"])


def test_documented_call_data_is_returned_unchanged() -> None:
    expected = example("obs_callnos.json")["response"]["body"]
    with Simulator(rows=0, call_data_rows=0) as vendor:
        vendor.call_data.put(88, TASK, expected["resultData"]["taskData"])
        assert send(vendor, "obs_callnos.json").json == expected


def test_documented_call_data_in_declared_form_is_returned_unchanged() -> None:
    expected = example("obs_callnos.json")["as_declared"]["body"]
    with Simulator(rows=0, call_data_rows=0, as_declared=True) as vendor:
        vendor.call_data.put(88, TASK, [expected["resultData"]])
        assert send(vendor, "obs_callnos.json").json == expected


def test_documented_write_back_is_recorded_unchanged(simulator: Simulator) -> None:
    case = example("obs_midresult.json")
    simulator.write_backs.clear()
    assert send(simulator, "obs_midresult.json").json == case["response"]["body"]
    assert list(simulator.write_backs) == [case["request"]["body"]]


def test_token_has_the_documented_lifetime(simulator: Simulator) -> None:
    expected = example("token_by_ak_sk.json")["response"]["body"]
    answer = send(simulator, "token_by_ak_sk.json").json
    for field in ("ApplyType", "Expires", "UserID"):
        assert answer[field] == expected[field]
    assert answer["CreateTime"] == str(int(NOW.timestamp()))


def test_generated_rows_have_the_documented_fields_and_types() -> None:
    documented = shape(example("obs_callnos.json")["as_declared"]["body"]["resultData"])
    misspelt = shape({"version": "", **example_row(), "ieData": ""})
    with Simulator(rows=0) as vendor, ObsHttp(vendor.base_url, NOW) as http:
        rows = http.callnos(200).json["resultData"]["taskData"]
    assert {frozenset(row) & {"uniqueId", "uiqueId"} for row in rows} == {
        frozenset({"uniqueId"}),
        frozenset({"uiqueId"}),
    }
    alike = [row for row in rows if shape(row) in (documented, misspelt)]
    # One row in twelve is odd on purpose, and not every oddity changes a type.
    assert 180 <= len(alike) < 200


def example_row() -> dict[str, Any]:
    (row,) = example("obs_callnos.json")["response"]["body"]["resultData"]["taskData"]
    return dict(row)


@cases("case", REFUSALS)
def test_refusals_have_the_documented_code_and_sentence(
    simulator: Simulator, case: dict[str, Any]
) -> None:
    with ObsHttp(simulator.base_url, NOW) as http:
        reply = http.business(case["request"]["path"], case["request"]["body"])
    assert (reply.status, reply.json) == (case["response"]["status"], case["response"]["body"])
