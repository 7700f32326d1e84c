"""The simulator follows the vendor's examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from isales_proxy.simulator import Simulator
from tests.support.cases import cases
from tests.support.signed_http import Reply, SignedHttp

EXAMPLES = Path(__file__).parent / "examples"
NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)


def example(name: str) -> Any:
    return json.loads((EXAMPLES / name).read_text("utf-8"))


REFUSALS = example("refusals.json")["cases"]


@pytest.fixture(scope="module")
def http() -> Iterator[SignedHttp]:
    with Simulator(rows=2_000, now=lambda: NOW) as simulator:
        simulator.add_rows(88, example("appoint_list.json")["response"]["body"]["data"])
        with SignedHttp(simulator.base_url, NOW) as signed:
            yield signed


def send(http: SignedHttp, request: dict[str, Any]) -> Reply:
    return http.send(
        request["method"],
        request["path"].replace("{vdnId}", "88"),
        query=[tuple(pair) for pair in request["query"]],
        headers=request["headers"],
        body=b"" if request["body"] is None else json.dumps(request["body"]).encode(),
    )


def types_of(record: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in record.items()}


def test_documented_reservation_request_is_answered_in_the_documented_shape(
    http: SignedHttp,
) -> None:
    case = example("appoint_list.json")
    reply = send(http, case["request"])
    expected = case["response"]["body"]
    assert reply.status == case["response"]["status"]
    assert types_of(reply.json) == types_of(expected)
    for field in ("resultCode", "resultDesc", "returnCode", "returnDesc"):
        assert reply.json[field] == expected[field]
    assert len(reply.json["data"]) == case["request"]["body"]["limit"]
    assert reply.json["totalCount"] > len(reply.json["data"])


def test_documented_reservation_is_returned_unchanged(http: SignedHttp) -> None:
    case = example("appoint_list.json")
    expected = case["response"]["body"]["data"]
    body = {
        **case["request"]["body"],
        "calledNo": "66660001",
        "userAccountList": ["116"],
        "beginTime": 1747302523000,
        "endTime": 1747302523000,
    }
    reply = send(http, {**case["request"], "body": body})
    assert reply.json["data"] == expected
    assert reply.json["totalCount"] == 1


def test_generated_rows_have_the_documented_fields_and_types(http: SignedHttp) -> None:
    case = example("appoint_list.json")
    documented = types_of(case["response"]["body"]["data"][0])
    reply = send(http, {**case["request"], "body": {"limit": 100, "offset": 1000}})
    rows = reply.json["data"]
    alike = [
        row
        for row in rows
        if list(row) == list(documented)
        and all(v is None or type(v) is documented[name] for name, v in row.items())
    ]
    # About 8 of 100 rows carry an oddity on purpose, and not every oddity changes a type.
    assert 85 <= len(alike) < 100


def test_documented_result_codes_are_returned(http: SignedHttp) -> None:
    case = example("query_obs_result_code.json")
    expected = case["response"]["body"]
    first = send(http, case["request"])
    assert first.status == case["response"]["status"]
    assert types_of(first.json) == types_of(expected)
    assert first.json["totalCount"] == expected["totalCount"]
    found = []
    for page in ("1", "2", "3"):
        request = {**case["request"], "query": [["pageSize", "50"], ["pageNum", page]]}
        found += send(http, request).json["obsCodes"]
    assert len(found) == expected["totalCount"]
    for code in expected["obsCodes"]:
        assert code in found


@cases("case", REFUSALS)
def test_refusals_have_the_documented_code_and_sentence(
    http: SignedHttp, case: dict[str, Any]
) -> None:
    reply = send(http, case["request"])
    assert (reply.status, reply.json) == (case["response"]["status"], case["response"]["body"])
