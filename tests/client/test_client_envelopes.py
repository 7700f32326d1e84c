"""Bytes → payload or error, which contains none of the bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isales_proxy.client.envelopes import Envelope, Payload
from isales_proxy.client.errors import BadAnswer, ISalesError, Refused
from tests.support.cases import cases

ENVELOPE = Envelope(rows="data")
OK = "0200000"


def decode(answer: object) -> Payload:
    return ENVELOPE.decode(answer if isinstance(answer, bytes) else json.dumps(answer).encode())


def good(**changes: Any) -> dict[str, Any]:
    answer = {"resultCode": OK, "returnCode": OK, "data": [{"a": 1}], "totalCount": 4, **changes}
    return {name: value for name, value in answer.items() if value is not ...}


@cases(
    "changes",
    [
        {},
        {"resultCode": ...},
        {"returnCode": ...},
        {"returnCode": None},
        {"resultCode": ""},
        {"resultCode": 200000, "returnCode": ...},
        {"totalCount": "4"},
        {"extra": {"a": []}},
    ],
)
def test_every_form_of_success_is_decoded(changes: dict[str, Any]) -> None:
    assert decode(good(**changes)) == Payload(rows=({"a": 1},), total=4)


def test_byte_order_mark_and_duplicate_keys_are_tolerated() -> None:
    assert decode(b"\xef\xbb\xbf" + json.dumps(good()).encode()).total == 4
    assert decode(json.dumps(good()).replace('"data"', '"data":[],"data"').encode()).total == 4


@cases(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"true",
        b'"0200000"',
        b"<html><body>Welcome</body></html>",
        b"\x00\xff\xfe garbage",
        json.dumps(good()).encode()[:30],
        json.dumps(good(), ensure_ascii=False).encode("utf-16"),
        '{"resultCode":"0200000","data":["é"],"totalCount":1}'.encode("latin-1"),
        b'{"resultCode":"0200000","data":[],"totalCount":NaN}',
        b'{"resultCode":"0200000","data":[-Infinity],"totalCount":1}',
        b'{"resultCode":"0200000","data":[' + b"1" * 5000 + b'],"totalCount":1}',
        b'{"resultCode":"0200000","data":' + b"[" * 200_000 + b"]" * 200_000 + b',"totalCount":1}',
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"{} {}",
    ],
)
def test_body_other_than_a_json_object_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(BadAnswer) as caught:
        decode(body)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@cases(
    "changes",
    [
        {"resultCode": ..., "returnCode": ...},
        {"resultCode": None, "returnCode": None},
        {"resultCode": "", "returnCode": " "},
        {"data": ...},
        {"data": None},
        {"data": {}},
        {"data": "[]"},
        {"data": 0},
        {"totalCount": ...},
        {"totalCount": None},
        {"totalCount": "four"},
        {"totalCount": ""},
        {"totalCount": "-1"},
        {"totalCount": -1},
        {"totalCount": 1.5},
        {"totalCount": True},
        {"totalCount": [4]},
        {"totalCount": 10**30},
        {"totalCount": "4" * 30},
    ],
)
def test_envelope_with_missing_or_mistyped_fields_is_a_bad_answer(changes: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        decode(good(**changes))


@cases(
    ("changes", "code"),
    [
        ({"resultCode": "0200001", "returnCode": "0200001"}, "0200001"),
        ({"resultCode": "0200001", "returnCode": ...}, "0200001"),
        ({"resultCode": ..., "returnCode": "0200006"}, "0200006"),
        ({"resultCode": OK, "returnCode": "0200006"}, "0200006"),
        ({"resultCode": "0200001", "returnCode": OK}, "0200001"),
        ({"resultCode": "0200001", "returnCode": "0200006"}, "0200001"),
        ({"resultCode": "200000"}, "200000"),
        ({"resultCode": 0}, "0"),
        ({"resultCode": False}, "(unprintable)"),
        ({"resultCode": [OK]}, "(unprintable)"),
        ({"resultCode": "8613812345678"}, "(unprintable)"),
        ({"resultCode": "<b>", "data": None}, "(unprintable)"),
    ],
)
def test_code_other_than_success_is_a_refusal(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as caught:
        decode(good(**changes))
    assert caught.value.code == code


def test_vendor_sentence_of_the_failing_code_is_cleaned_and_masked() -> None:
    spoken = "calledNo 138 1234-5678\r\nis\x00 wrong\u202e; " + "x" * 400
    with pytest.raises(Refused) as caught:
        decode(good(returnCode="0200001", resultDesc="success", returnDesc=spoken))
    sentence = caught.value.vendor_sentence
    assert sentence.startswith("calledNo ••• is wrong; xxx")
    assert len(sentence) <= 300
    assert "1234" not in str(caught.value)


@cases("text", [None, 5, ["x"], {}])
def test_sentence_other_than_text_is_empty(text: object) -> None:
    with pytest.raises(Refused) as caught:
        decode(good(resultCode="0200001", resultDesc=text))
    assert caught.value.vendor_sentence == ""


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_random_bytes_raise_only_client_errors(body: bytes) -> None:
    with pytest.raises(ISalesError):
        decode(body)


@cases(
    ("body", "expected"),
    [
        (b'{"resultCode":"02000002","resultDesc":"bad"}', ("02000002", "bad")),
        (b'{"resultCode":"0200000"}', (None, "")),
        (b"<html>", (None, "")),
    ],
)
def test_code_and_sentence_are_read_from_the_body_of_a_4xx(body: bytes, expected: object) -> None:
    assert ENVELOPE.read_refusal(body) == expected
