"""Both formats of OBS answers, and the answers of the token calls."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isales_proxy.client.client import Client
from isales_proxy.client.envelopes import (
    AppTokenEnvelope,
    LogInEnvelope,
    ObsEnvelope,
    ObsPayload,
    TokenPayload,
)
from isales_proxy.client.errors import BadAnswer, ISalesError, Refused
from isales_proxy.client.queries import ReservationQuery
from tests.support.cases import cases
from tests.support.stub_vendor import StubVendor, envelope, reply
from tests.support.stub_vendor import obs as obs_answer

from .conftest import Notes

DATA = ObsEnvelope()
NO_DATA = ObsEnvelope(holds_data=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["result", "resultData", "taskData", "resultDesc", "x"]), inner
        )
    ),
    max_leaves=12,
)


def body(**answer: Any) -> bytes:
    return json.dumps(answer).encode()


@cases(
    ("result", "word"),
    [(0, "number"), (0.0, "number"), ("0", "text"), (" 0 ", "text")],
)
@cases(
    ("data", "rows", "found"),
    [
        ({"serviceId": "1"}, ({"serviceId": "1"},), "flat"),
        ({"taskData": [{"a": 1}, {"b": 2}]}, ({"a": 1}, {"b": 2}), "taskData list"),
        ({"taskData": []}, (), "taskData list"),
        ({"taskData": None}, (), "taskData empty"),
        ({"taskData": {"a": 1}}, ({"a": 1},), "taskData object"),
        ({"taskData": {}}, (), "taskData object"),
        ({"version": "311", "taskData": [{"a": 1}]}, ({"a": 1},), "taskData list"),
        ([{"a": 1}], ({"a": 1},), "list"),
        ([], (), "list"),
        ({}, (), "empty"),
        (None, (), "empty"),
    ],
)
def test_every_form_of_success_is_decoded(
    result: object, word: str, data: object, rows: tuple[object, ...], found: str
) -> None:
    payload = DATA.decode(body(result=result, resultData=data))
    assert payload == ObsPayload(rows)
    assert payload.shape == f"result {word}, {found}"


@cases("data", ["", "[]", 0, True, {"taskData": "x"}, {"taskData": 1}])
def test_data_of_another_shape_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        DATA.decode(body(result=0, resultData=data))


def test_missing_data_is_a_bad_answer_only_where_data_is_expected() -> None:
    with pytest.raises(BadAnswer):
        DATA.decode(body(result=0))
    assert NO_DATA.decode(body(result=0)) == ObsPayload(())
    assert NO_DATA.decode(body(result="0", resultData=7)).shape == "result text"


@cases("result", [..., None, "", " "])
def test_answer_without_a_result_is_a_bad_answer(result: object) -> None:
    answer = {"resultData": []} | ({} if result is ... else {"result": result})
    with pytest.raises(BadAnswer):
        DATA.decode(json.dumps(answer).encode())


@cases(
    ("result", "code"),
    [
        (1, "1"),
        ("-1", "-1"),
        ("00", "00"),
        ("0200000", "0200000"),
        (True, "(unprintable)"),
        (False, "(unprintable)"),
        ([0], "(unprintable)"),
        ({}, "(unprintable)"),
        ("8613812345678", "(unprintable)"),
    ],
)
def test_result_other_than_zero_is_a_refusal(result: object, code: str) -> None:
    with pytest.raises(Refused) as caught:
        DATA.decode(body(result=result, resultData={"serviceId": "1"}))
    assert caught.value.code == code


@cases("name", ["resultDesc", "resultMsg", "message", "msg", "error"])
def test_vendor_sentence_is_found_and_masked(name: str) -> None:
    with pytest.raises(Refused) as caught:
        NO_DATA.decode(body(result=5, resultDescription=1, **{name: "no\n138 1234 5678"}))
    assert caught.value.vendor_sentence == "no •••"


@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40))
def test_random_content_gives_rows_or_client_errors(content: bytes) -> None:
    for dialect in (DATA, NO_DATA, AppTokenEnvelope(), LogInEnvelope()):
        try:
            dialect.decode(content)
        except Exception as error:  # noqa: BLE001 - any other error is the failure
            if not isinstance(error, ISalesError):
                pytest.fail(f"{dialect}: {error!r}")
        code, sentence = dialect.read_refusal(content)
        assert code is None or isinstance(code, str)
        assert isinstance(sentence, str)


@cases(
    ("expires", "seconds"),
    [
        ("600", 600),
        (600, 600),
        (" 3600.0 ", 3600),
        (0, None),
        (-5, None),
        ("soon", None),
        (None, None),
        (True, None),
        ([600], None),
        (3_600_000, None),
        ("1747302523", None),
    ],
)
def test_implausible_token_lifetime_is_ignored(expires: object, seconds: float | None) -> None:
    found = AppTokenEnvelope().decode(body(AccessToken="abc", Expires=expires))
    assert found == TokenPayload("abc", seconds)


@cases("token", [None, "", " ", 5, ["abc"], "a b", "a\r\nX-Evil: 1", "令牌", "x" * 9000])
def test_token_that_cannot_be_sent_is_a_bad_answer(token: object) -> None:
    with pytest.raises(BadAnswer):
        AppTokenEnvelope().decode(body(AccessToken=token))
    with pytest.raises(BadAnswer):
        LogInEnvelope().decode(body(result=0, resultData={"token": token}))


def test_log_in_answer_has_two_tokens_and_two_lifetimes() -> None:
    data = {
        "token": "abc",
        "tokenExpirationTime": 300,
        "refreshToken": "def",
        "refreshExpirationTime": "3600",
    }
    found = LogInEnvelope().decode(body(result="0", resultData=data))
    assert found == TokenPayload("abc", 300, "def", 3600)
    assert "abc" not in repr(found)
    assert "def" not in repr(found)


def test_log_in_answer_may_lack_a_result_but_not_have_a_failing_one() -> None:
    data = {"token": "abc", "tokenExpirationTime": "300"}
    assert LogInEnvelope().decode(body(resultData=data)) == TokenPayload("abc", 300)
    with pytest.raises(Refused):
        LogInEnvelope().decode(body(result="1", resultData=data))


@cases("data", [None, [], "abc", {}])
def test_log_in_answer_without_a_token_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        LogInEnvelope().decode(body(result=0, resultData=data))


@pytest.mark.parametrize(
    ("header", "date"),
    [
        ("Sun, 01 Jun 2025 10:00:30 +0200", datetime(2025, 6, 1, 8, 0, 30, tzinfo=UTC)),
        ("Sun, 01 Jun 2025 08:00:30 GMT", datetime(2025, 6, 1, 8, 0, 30, tzinfo=UTC)),
        ("Sun, 01 Jun 2025 08:00:30 -0000", datetime(2025, 6, 1, 8, 0, 30, tzinfo=UTC)),
        ("yesterday", None),
        (None, None),
    ],
)
def test_observer_gets_the_vendors_clock_and_the_envelope_shape(
    obs: Client, stub: StubVendor, notes: Notes, header: str | None, date: datetime | None
) -> None:
    headers = {"Date": header} if header else {}
    stub.script(
        reply(obs_answer({"taskData": []}, result="0"), headers=headers),
        reply(envelope([], 0), headers=headers),
        reply({"resultCode": "1"}, headers=headers),
    )
    obs.list_outbound_tasks(vdn=88, cc_id=1)
    obs.list_reservations(vdn=88, query=ReservationQuery())
    with pytest.raises(Refused):
        obs.list_reservations(vdn=88, query=ReservationQuery())
    assert notes.answers == [
        ("fetch_token", None, "AccessToken"),
        ("list_outbound_tasks", date, "result text, taskData list"),
        ("list_reservations", date, "resultCode+returnCode"),
    ]
