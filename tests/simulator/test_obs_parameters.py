"""The OBS interfaces take each field in the type that its page declares, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from isales_proxy.simulator import Simulator
from tests.support.obs_http import CALLNOS_PATH, JSON, MIDRESULT_PATH, TASKS_PATH, ObsHttp

NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)
PATHS = (TASKS_PATH, CALLNOS_PATH, MIDRESULT_PATH)


@pytest.mark.parametrize(
    ("fields", "code", "names"),
    [
        ({"subCCNo": 1}, "02000006", "subCCNo"),
        ({"vdnId": 88}, "02000006", "vdnId"),
        ({"subCCNo": None}, "02000001", "subCCNo"),
        ({"vdnId": ""}, "02000001", "vdnId"),
        ({"vdnId": "088"}, "02000002", "vdnId"),
        ({"vdnId": "٨٨"}, "02000002", "vdnId"),
        ({"vdnId": "88 "}, "02000002", "vdnId"),
        ({"vdnId": "0"}, "02000007", "vdnId"),
        ({"vdnId": "10000"}, "02000007", "vdnId"),
        ({"subCCNo": "65536"}, "02000007", "subCCNo"),
        ({"version": 311}, "0200001", "version"),
    ],
)
def test_tasks_takes_strings(obs: ObsHttp, fields: dict[str, Any], code: str, names: str) -> None:
    reply = obs.tasks(**fields)
    assert (reply.status, reply.json["result"]) == (400, code)
    assert reply.json["resultDesc"].startswith(names)


@pytest.mark.parametrize(
    ("fields", "code", "names"),
    [
        ({"subCCNo": "1"}, "02000006", "subCCNo"),
        ({"vdnId": "88"}, "02000006", "vdnId"),
        ({"vdnId": True}, "02000006", "vdnId"),
        ({"vdnId": 10_000}, "02000007", "vdnId"),
        ({"serviceId": "1106025109"}, "02000006", "serviceId"),
        ({"serviceId": None}, "02000001", "serviceId"),
        ({"serviceId": ""}, "02000001", "serviceId"),
        ({"serviceId": -1}, "02000007", "serviceId"),
        ({"serviceId": 1.5}, "02000006", "serviceId"),
        ({"serviceId": "a b"}, "02000002", "serviceId"),
        ({"batchCount": "10"}, "02000006", "batchCount"),
        ({"batchCount": 0}, "02000007", "batchCount"),
        ({"batchCount": 1001}, "02000007", "batchCount"),
        ({"batchCount": None}, "02000001", "batchCount"),
        ({"version": 311}, "0200001", "version"),
        ({"batchcount": 1}, "0200001", "batchcount"),
    ],
)
def test_callnos_takes_integers(
    simulator: Simulator, obs: ObsHttp, fields: dict[str, Any], code: str, names: str
) -> None:
    reply = obs.callnos(**fields)
    assert (reply.status, reply.json["result"]) == (400, code)
    assert reply.json["resultDesc"].startswith(names)
    assert simulator.call_data.remaining(88, "1106025109") == 400


@pytest.mark.parametrize(
    ("fields", "code", "names"),
    [
        ({"subCCNo": "1"}, "02000006", "subCCNo"),
        ({"subCCNo": 0}, "02000007", "subCCNo"),
        ({"vdnId": "88"}, "02000006", "vdnId"),
        ({"uniqueId": 5}, "02000006", "uniqueId"),
        ({"uniqueId": ""}, "02000001", "uniqueId"),
        ({"uniqueId": None}, "02000001", "uniqueId"),
        ({"uniqueId": "a b"}, "02000002", "uniqueId"),
        ({"uniqueId": "1" * 65}, "02000003", "uniqueId"),
        ({"serviceId": 1106025109}, "02000006", "serviceId"),
        ({"serviceId": ""}, "02000001", "serviceId"),
        ({"deviceType": "2"}, "02000006", "deviceType"),
        ({"deviceType": None}, "02000001", "deviceType"),
        ({"deviceType": True}, "02000006", "deviceType"),
        ({"deviceType": -1}, "02000007", "deviceType"),
        ({"status": 5}, "02000006", "status"),
        ({"status": None}, "02000006", "status"),
        ({"phoneNumber": 66660001}, "02000006", "phoneNumber"),
        ({"phoneNumber": "6666 0001"}, "02000002", "phoneNumber"),
        ({"phoneNumber": "6" * 33}, "02000003", "phoneNumber"),
        ({"failCode": 604}, "02000006", "failCode"),
        ({"failCode": "x" * 17}, "02000003", "failCode"),
        ({"asrResult": 101}, "02000006", "asrResult"),
        ({"fetchTime": 1747302523000}, "02000006", "fetchTime"),
        ({"writeStartTime": None}, "02000006", "writeStartTime"),
        ({"endCallTime": "2025-06-02\n08:00:00"}, "02000002", "endCallTime"),
        ({"endCallTime": "1" * 65}, "02000003", "endCallTime"),
        ({"callId": "1" * 129}, "02000003", "callId"),
        ({"remark": "x"}, "0200001", "remark"),
        ({"uiqueId": "5"}, "0200001", "uiqueId"),
    ],
)
def test_midresult_takes_what_its_table_declares(
    simulator: Simulator, obs: ObsHttp, fields: dict[str, Any], code: str, names: str
) -> None:
    reply = obs.midresult(**fields)
    assert (reply.status, reply.json["result"]) == (400, code)
    assert reply.json["resultDesc"].startswith(names)
    assert len(simulator.write_backs) == 0


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", [None, b"", b"{", b"[]", b'"x"', b'{"vdnId": NaN}', b"\xff"])
def test_bodies_that_are_no_json_object_are_refused(obs: ObsHttp, path: str, body: Any) -> None:
    assert obs.business(path, body).status == 400


@pytest.mark.parametrize("path", PATHS)
def test_a_query_is_refused(obs: ObsHttp, path: str) -> None:
    assert obs.business(path + "?a=b", {}).json["resultDesc"].startswith("query")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=UTF-8", 200),
        ("application/json;charset=utf-8", 200),
        (None, 200),
        ("text/plain", 400),
        ("application/json; charset=GBK", 400),
        ("application/x-www-form-urlencoded", 400),
        ("", 400),
    ],
)
def test_the_content_type_is_json_when_it_is_given(
    simulator: Simulator, obs: ObsHttp, content_type: str | None, status: int
) -> None:
    headers = {"Authorization": f"Bearer {simulator.tokens.issue()}"}
    if content_type is not None:
        headers["Content-Type"] = content_type
    body = {"subCCNo": "1", "vdnId": "88"}
    assert obs.post(TASKS_PATH, body, headers).status == status


def test_other_methods_and_paths_are_refused(simulator: Simulator, obs: ObsHttp) -> None:
    headers = {**JSON, "Authorization": f"Bearer {simulator.tokens.issue()}"}
    for path in PATHS:
        assert obs.post(path, None, headers, method="GET").status == 405
        assert obs.post(path + "/", {}, headers).status == 404


def test_a_refusal_as_business_is_a_number_or_text_by_setting() -> None:
    for as_text, code in ((False, 1103), (True, "1103")):
        with (
            Simulator(rows=0, result_as_text=as_text) as vendor,
            ObsHttp(vendor.base_url, NOW) as http,
        ):
            reply = http.callnos(serviceId=99)
            assert (reply.status, reply.json["result"]) == (200, code)
            assert vendor.calls[-1].code == "1103"


@pytest.mark.parametrize(
    ("place", "code"),
    [({"subCCNo": 2}, 1101), ({"vdnId": 77}, 1102), ({"vdnId": 89}, 1103)],
)
def test_foreign_places_are_refused(
    simulator: Simulator, obs: ObsHttp, place: dict[str, int], code: int
) -> None:
    assert obs.callnos(**place).json["result"] == code
    assert obs.midresult(**place).json["result"] == code
    assert len(simulator.write_backs) == 0


def test_the_call_centre_is_an_argument() -> None:
    with Simulator(rows=0, cc_id=7) as vendor, ObsHttp(vendor.base_url, NOW) as http:
        assert http.tasks().json["result"] == 1101
        assert http.tasks(subCCNo="7").json["result"] == 0


def test_the_largest_batch_is_an_argument() -> None:
    with Simulator(rows=0, max_batch=5) as vendor, ObsHttp(vendor.base_url, NOW) as http:
        assert http.callnos(6).status == 400
        assert len(http.callnos(5).json["resultData"]["taskData"]) == 5
