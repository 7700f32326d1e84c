"""Undocumented requests are refused with the documented code."""

from __future__ import annotations

from typing import Any

from isales_proxy.simulator import Simulator
from tests.support.cases import cases
from tests.support.obs_http import CALLNOS_PATH, MIDRESULT_PATH, TASKS_PATH, ObsHttp
from tests.support.signed_http import CODES_PATH, SignedHttp

OBS_PATHS = (TASKS_PATH, CALLNOS_PATH, MIDRESULT_PATH)


@cases(
    ("fields", "code"),
    [
        ({"limit": None}, "02000001"),
        ({"offset": -10}, "02000007"),
        ({"userAccountList": [116]}, "02000006"),
        ({"beginTime": "1747302523000"}, "02000006"),
        ({"beginTime": 2000, "endTime": 1999}, "02000009"),
        ({"page": 1}, "0200001"),
    ],
)
def test_wrong_fields_of_the_list_are_refused(
    http: SignedHttp, fields: dict[str, Any], code: str
) -> None:
    reply = http.reservations(**fields)
    assert (reply.status, reply.json["resultCode"], reply.json["returnCode"]) == (200, code, code)
    assert reply.json["resultDesc"].startswith(f"{next(iter(fields))}: ")
    assert "data" not in reply.json


@cases(("vdn", "code"), [("10000", "02000007"), ("77", "0200001")])
def test_vdn_must_be_in_range_and_known(http: SignedHttp, vdn: str, code: str) -> None:
    assert http.reservations(vdn).json["resultCode"] == code


@cases(
    ("query", "code"),
    [
        ([("pageSize", "50"), ("pageNum", "1"), ("x", "1")], "0200001"),
        ([("pageSize", "50"), ("pageSize", "50"), ("pageNum", "1")], "0200001"),
    ],
)
def test_wrong_queries_for_codes_are_refused(
    http: SignedHttp, query: list[tuple[str, str]], code: str
) -> None:
    assert http.send("GET", CODES_PATH.format(vdn=88), query=query).json["resultCode"] == code


def test_locale_selects_the_language_of_descriptions(http: SignedHttp) -> None:
    def text_of(code: str, locale: str | None) -> str:
        pages = [http.codes(page, locale=locale).json["obsCodes"] for page in (1, 2, 3)]
        return next(row["obsCodeDesc"] for page in pages for row in page if row["obsCode"] == code)

    assert text_of("00605", "en_US") == "The switch is busy."
    assert text_of("00605", "zh_CN") == text_of("00605", None) == "交换设备忙"
    assert http.codes(locale="de_DE").json["resultCode"] == "02000007"


def test_codes_can_be_changed_while_it_runs(simulator: Simulator, http: SignedHttp) -> None:
    simulator.codes["90099"] = ("New.", "新")
    simulator.codes["00604"] = ("Turned down.", "拒")
    simulator.codes.pop("00605", None)
    pages = [http.codes(page, locale="en_US").json["obsCodes"] for page in (1, 2, 3)]
    found = {row["obsCode"]: row["obsCodeDesc"] for page in pages for row in page}
    assert (found["90099"], found["00604"]) == ("New.", "Turned down.")
    assert "00605" not in found


@cases(
    ("fields", "code"),
    [
        ({"serviceId": "a b"}, "02000002"),
        ({"batchCount": True}, "02000006"),
        ({"batchCount": 1001}, "02000007"),
    ],
)
def test_callnos_refuses_wrong_fields(
    simulator: Simulator, obs: ObsHttp, fields: dict[str, Any], code: str
) -> None:
    reply = obs.callnos(**fields)
    assert (reply.status, reply.json["result"]) == (400, code)
    assert simulator.call_data.remaining(88, "1106025109") == 400


@cases(
    ("fields", "code"),
    [
        ({"uniqueId": "1" * 65}, "02000003"),
        ({"deviceType": None}, "02000001"),
        ({"status": None}, "02000006"),
        ({"remark": "x"}, "0200001"),
    ],
)
def test_midresult_refuses_wrong_fields(
    simulator: Simulator, obs: ObsHttp, fields: dict[str, Any], code: str
) -> None:
    reply = obs.midresult(**fields)
    assert (reply.status, reply.json["result"]) == (400, code)
    assert reply.json["resultDesc"].startswith(next(iter(fields)))
    assert len(simulator.write_backs) == 0


def test_obs_calls_require_a_json_object_and_no_query(obs: ObsHttp) -> None:
    for path in OBS_PATHS:
        assert obs.business(path, b"[]").status == 400
        assert obs.business(path + "?a=b", {}).json["resultDesc"].startswith("query")
        assert obs.post(path, None, {}, method="GET").status == 401


@cases(
    ("content_type", "status"),
    [("application/json; charset=UTF-8", 200), ("text/plain", 400)],
)
def test_content_type_must_be_json_when_given(
    simulator: Simulator, obs: ObsHttp, content_type: str | None, status: int
) -> None:
    headers = {"Authorization": f"Bearer {simulator.tokens.issue()}"}
    if content_type is not None:
        headers["Content-Type"] = content_type
    assert obs.post(TASKS_PATH, {"subCCNo": "1", "vdnId": "88"}, headers).status == status
