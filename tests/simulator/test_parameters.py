"""What the documents do not allow is refused with the documented code."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.signed_http import CODES_PATH, CONTENT_TYPE, LIST_PATH, SignedHttp

OK = {"offset": 0, "limit": 10}


@pytest.mark.parametrize(
    ("fields", "code", "names"),
    [
        ({"limit": None}, "02000001", "limit"),
        ({"offset": None}, "02000001", "offset"),
        ({"limit": 0}, "02000007", "limit"),
        ({"limit": 101}, "02000007", "limit"),
        ({"limit": True}, "02000006", "limit"),
        ({"limit": 10.0}, "02000006", "limit"),
        ({"limit": "10"}, "02000006", "limit"),
        ({"offset": False}, "02000006", "offset"),
        ({"offset": -10}, "02000007", "offset"),
        ({"offset": 7}, "02000009", "offset"),
        ({"calledNo": 66660001}, "02000006", "calledNo"),
        ({"calledNo": ""}, "02000001", "calledNo"),
        ({"calledNo": "<b>"}, "02000002", "calledNo"),
        ({"calledNo": "٦٦٦"}, "02000002", "calledNo"),
        ({"calledNo": "6" * 33}, "02000003", "calledNo"),
        ({"taskId": 1106025109}, "02000006", "taskId"),
        ({"taskId": "a b"}, "02000002", "taskId"),
        ({"taskId": "1" * 65}, "02000003", "taskId"),
        ({"userAccountList": "116"}, "02000006", "userAccountList"),
        ({"userAccountList": [116]}, "02000006", "userAccountList"),
        ({"userAccountList": []}, "02000001", "userAccountList"),
        ({"userAccountList": [""]}, "02000001", "userAccountList"),
        ({"userAccountList": ["1<6"]}, "02000002", "userAccountList"),
        ({"userAccountList": ["1"] * 101}, "02000011", "userAccountList"),
        ({"beginTime": "1747302523000"}, "02000006", "beginTime"),
        ({"beginTime": 1747302523000.0}, "02000006", "beginTime"),
        ({"endTime": True}, "02000006", "endTime"),
        ({"endTime": -1}, "02000007", "endTime"),
        ({"beginTime": 2000, "endTime": 1999}, "02000009", "beginTime"),
        ({"page": 1}, "0200001", "page"),
    ],
)
def test_wrong_fields_of_the_list(
    http: SignedHttp, fields: dict[str, Any], code: str, names: str
) -> None:
    reply = http.reservations(**{**OK, **fields})
    assert reply.status == 200
    assert (reply.json["resultCode"], reply.json["returnCode"]) == (code, code)
    assert reply.json["resultDesc"].startswith(f"{names}: ")
    assert "data" not in reply.json


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "02000001"),
        (b"{", "02000008"),
        (b'{"limit":NaN,"offset":0}', "02000008"),
        (b'{"limit":10,"offset":0,"calledNo":"\xff"}', "02000008"),
        (b"[" * 60_000, "02000008"),
        (b"[]", "02000006"),
        (b"null", "02000006"),
    ],
)
def test_bodies_that_are_no_object(http: SignedHttp, body: bytes, code: str) -> None:
    assert http.send("POST", LIST_PATH.format(vdn=88), body=body).json["resultCode"] == code


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json;charset=UTF-8", "application/json; charset=utf-8", ""],
)
def test_the_content_type_is_demanded_letter_for_letter(
    http: SignedHttp, content_type: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {"Accept": "*/*"}
    query = [("pageSize", "50"), ("pageNum", "1")]
    for reply in (
        http.send("POST", LIST_PATH.format(vdn=88), body=b'{"limit":1}', headers=headers),
        http.send("GET", CODES_PATH.format(vdn=88), query=query, headers=headers),
    ):
        assert reply.json["resultCode"] == "0200001"
        assert reply.json["resultDesc"].startswith("Content-Type: ")


@pytest.mark.parametrize(
    ("vdn", "code"),
    [
        ("0", "02000007"),
        ("10000", "02000007"),
        ("088", "02000007"),
        ("9" * 30, "02000007"),
        ("abc", "02000006"),
        ("-1", "02000006"),
        ("77", "0200001"),
    ],
)
def test_the_vdn_is_in_range_and_known(http: SignedHttp, vdn: str, code: str) -> None:
    assert http.reservations(vdn).json["resultCode"] == code


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ([("pageSize", "50")], "02000001"),
        ([("pageNum", "1")], "02000001"),
        ([("pageSize", "50"), ("pageNum", "0")], "02000007"),
        ([("pageSize", "0"), ("pageNum", "1")], "02000007"),
        ([("pageSize", "51"), ("pageNum", "1")], "02000007"),
        ([("pageSize", "-1"), ("pageNum", "1")], "02000007"),
        ([("pageSize", "1.5"), ("pageNum", "1")], "02000006"),
        ([("pageSize", "50"), ("pageNum", "1"), ("x", "1")], "0200001"),
        ([("pageSize", "50"), ("pageSize", "50"), ("pageNum", "1")], "0200001"),
    ],
)
def test_wrong_queries_for_codes(http: SignedHttp, query: list[tuple[str, str]], code: str) -> None:
    assert http.send("GET", CODES_PATH.format(vdn=88), query=query).json["resultCode"] == code


def test_the_locale_governs_the_descriptions(http: SignedHttp) -> None:
    def of_busy(locale: str | None) -> str:
        codes = {code["obsCode"]: code["obsCodeDesc"] for page in (1, 2, 3)
                 for code in http.codes(page, locale=locale).json["obsCodes"]}  # fmt: skip
        return str(codes["00605"])

    assert of_busy("en_US") == "The switch is busy."
    assert of_busy("zh_CN") == of_busy(None) == "交换设备忙"
    assert http.codes(locale="de_DE").json["resultCode"] == "02000007"


def test_a_query_string_on_the_list_and_a_body_on_the_codes_are_refused(http: SignedHttp) -> None:
    listed = http.send("POST", LIST_PATH.format(vdn=88), query=[("a", "1")], body=b"{}")
    assert listed.json["resultCode"] == "0200001"
    coded = http.send(
        "GET",
        CODES_PATH.format(vdn=88),
        query=[("pageSize", "50"), ("pageNum", "1")],
        body=b"{}",
        headers={"Content-Type": CONTENT_TYPE},
    )
    assert coded.json["resultCode"] == "0200001"
