"""Records: values of any type are read without errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from isales_proxy.client.errors import BadAnswer
from isales_proxy.client.records import Reservation, ResultCode
from tests.support.cases import cases

ROW: dict[str, Any] = {
    "appointId": "174730253678826340158055543045",
    "callType": "2",
    "appointTime": 1747302523000,
    "calledNo": "66660001",
    "taskId": "1106025109",
    "taskName": "Preempted task",
    "taskStatus": "2",
    "timeout": True,
    "userAccount": "116",
    "userName": "116",
    "beginTime": 1747302513000,
    "endTime": 1747302523000,
    "callFlag": "2",
    "callerNo": "710002",
    "failCode": "00604",
    "result": "0101",
    "busiResult": "Reservation business result > aab",
    "createTime": 1747302536000,
}
MOMENT = datetime(2025, 5, 15, 9, 48, 43, tzinfo=UTC)

# JSON as Python sees it: also the numbers and broken character pairs that its parser lets through.
text = st.text() | st.text(st.characters(categories=["Cs", "Lo", "Cc"]), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)


def read(**changes: Any) -> tuple[Reservation, tuple[tuple[str, str], ...]]:
    return Reservation.parse({**ROW, **changes})


def test_documented_row_is_read_without_drift() -> None:
    record, drift = read()
    assert drift == ()
    assert record.model_dump() == {
        "appoint_id": "174730253678826340158055543045",
        "call_type": "2",
        "appoint_time": MOMENT,
        "called_no": "66660001",
        "task_id": "1106025109",
        "task_name": "Preempted task",
        "task_status": "2",
        "timeout": True,
        "user_account": "116",
        "user_name": "116",
        "begin_time": MOMENT.replace(second=33),
        "end_time": MOMENT,
        "call_flag": "2",
        "caller_no": "710002",
        "fail_code": "00604",
        "result": "0101",
        "busi_result": "Reservation business result > aab",
        "create_time": MOMENT.replace(second=56),
    }


def test_vendor_names_are_the_documented_ones_in_their_order() -> None:
    names = Reservation.vendor_names()
    assert list(names.values()) == list(ROW)
    assert names["busi_result"] == "busiResult"
    assert ResultCode.vendor_names() == {"code": "obsCode", "description": "obsCodeDesc"}


@cases(
    ("sent", "read_as", "kind"),
    [
        ("00604", "00604", None),
        (" 00604 ", "00604", None),
        ("新代码", "新代码", None),
        (604, "604", "retyped"),
        (604.0, "604", "retyped"),
        (1.5, "1.5", "retyped"),
        (True, "true", "retyped"),
        ("", None, None),
        ("  ", None, None),
        (None, None, None),
        ([], None, "unreadable"),
        ({"a": 1}, None, "unreadable"),
        (float("inf"), None, "unreadable"),
        (10**400, None, "unreadable"),
        ("a\x00b", "ab", None),
        ("\ud83d\ude00", "😀", None),
        ("\ud83d!", "\ufffd!", None),
    ],
)
def test_text_is_read_from_every_type_with_its_drift(
    sent: object, read_as: str | None, kind: str | None
) -> None:
    record, drift = read(failCode=sent)
    assert record.fail_code == read_as
    assert drift == ((("failCode", kind),) if kind else ())


@cases(
    ("sent", "read_as", "kind"),
    [
        (True, True, None),
        (False, False, None),
        ("true", True, "retyped"),
        ("FALSE", False, "retyped"),
        ("1", True, "retyped"),
        (0, False, "retyped"),
        (1.0, True, "retyped"),
        ("", None, None),
        (None, None, None),
        (2, None, "unreadable"),
        ("soon", None, "unreadable"),
        ([True], None, "unreadable"),
    ],
)
def test_flags_are_read_from_every_type_with_their_drift(
    sent: object, read_as: bool | None, kind: str | None
) -> None:
    record, drift = read(timeout=sent)
    assert record.timeout is read_as
    assert drift == ((("timeout", kind),) if kind else ())


@cases(
    ("sent", "read_as", "kind"),
    [
        (1747302523000, MOMENT, None),
        (1747302523007, MOMENT.replace(microsecond=7000), None),
        ("1747302523000", MOMENT, "retyped"),
        (" 1747302523000.0 ", MOMENT, "retyped"),
        (1747302523000.0, MOMENT, "retyped"),
        (0, None, "unreadable"),
        (-62135596800000, None, "unreadable"),
        (253402300799000, None, "unreadable"),
        ("", None, None),
        (None, None, None),
        (True, None, "unreadable"),
        ("2025-05-15 09:48:43", None, "unreadable"),
        ("٣", None, "unreadable"),
        (10**17, None, "unreadable"),
        (-(10**30), None, "unreadable"),
        (float("nan"), None, "unreadable"),
        (float("-inf"), None, "unreadable"),
        ({}, None, "unreadable"),
    ],
)
def test_times_are_read_from_every_type_with_their_drift(
    sent: object, read_as: datetime | None, kind: str | None
) -> None:
    record, drift = read(createTime=sent)
    assert record.create_time == read_as
    assert drift == ((("createTime", kind),) if kind else ())


def test_missing_fields_are_none_and_only_outcome_fields_are_no_drift() -> None:
    record, drift = Reservation.parse({})
    assert set(record.model_dump().values()) == {None}
    outcome = {"beginTime", "endTime", "callFlag", "callerNo", "failCode", "result", "busiResult"}
    assert drift == tuple((name, "missing") for name in ROW if name not in outcome)


def test_unknown_fields_are_kept() -> None:
    record, drift = read(priority=3, remark={"a": ["预约", None]})
    assert record.model_extra == {"priority": 3, "remark": {"a": ["预约", None]}}
    assert drift == (("priority", "unknown"), ("remark", "unknown"))


def test_our_own_field_name_is_an_unknown_field_and_changes_nothing() -> None:
    record, drift = read(fail_code="99999")
    assert record.fail_code == "00604"
    assert drift == (("fail_code", "unknown"),)


def test_field_name_with_a_control_character_does_not_replace_a_known_field() -> None:
    record, _ = Reservation.parse({"failCode\x00": "99999", **ROW})
    assert record.fail_code == "00604"


def test_drift_names_never_carry_a_number_or_a_control_character() -> None:
    _, drift = read(**{"66660001": 1, "a\nb": 1, "预约": 1, "x" * 65: 1, "": 1})
    assert drift == (("(unprintable)", "unknown"),) * 5


def test_at_most_twenty_unknown_names_are_reported() -> None:
    record, drift = read(**{f"extra{n}": n for n in range(100)})
    assert len(drift) == 20
    assert len(record.model_extra or {}) == 100


def test_deeply_nested_unknown_values_are_cut() -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    record, _ = read(extra=deep)
    assert len(json.dumps(record.model_extra)) < 100


def test_records_are_frozen_and_their_repr_contains_no_value() -> None:
    record, _ = read()
    with pytest.raises(ValidationError):
        record.fail_code = "1"  # type: ignore[misc]
    for shown in (repr(record), str(record), f"{record}"):
        assert shown == "<Reservation>"


@cases("row", [None, [], "x", 1, True, [ROW]])
def test_row_other_than_an_object_is_a_bad_answer(row: object) -> None:
    with pytest.raises(BadAnswer):
        Reservation.parse(row)
    with pytest.raises(BadAnswer):
        ResultCode.parse(row)


@given(name=st.sampled_from(sorted(ROW)), value=values)
@example(name="taskName", value="\ud800")
@example(name="appointTime", value=10**400)
def test_no_value_of_a_field_makes_reading_fail(name: str, value: object) -> None:
    record, drift = read(**{name: value})
    # And what was read can go wherever text goes.
    record.model_dump_json()
    assert {field for field, _ in drift} <= {name}


@given(row=st.dictionaries(text | st.sampled_from(sorted(ROW)), values, max_size=6))
def test_no_row_makes_reading_fail(row: dict[str, Any]) -> None:
    record, drift = Reservation.parse(row)
    record.model_dump()
    known = {*ROW, "(unprintable)"}
    assert {field for field, kind in drift if kind != "unknown"} <= known
    code, _ = ResultCode.parse(row)
    assert isinstance(code.code, str)


def test_documented_result_code_is_read_without_drift() -> None:
    code, drift = ResultCode.parse({"obsCode": "00605", "obsCodeDesc": "The switch is busy."})
    assert (code.code, code.description, drift) == ("00605", "The switch is busy.", ())


@cases(
    ("row", "code", "drift"),
    [
        ({"obsCode": 605, "obsCodeDesc": ""}, "605", (("obsCode", "retyped"),)),
        ({"obsCode": [], "obsCodeDesc": "x"}, "", (("obsCode", "unreadable"),)),
        ({"obsCode": None, "obsCodeDesc": "x"}, "", ()),
        ({"obsCodeDesc": "x"}, "", (("obsCode", "missing"),)),
    ],
)
def test_odd_result_code_is_read_with_drift(row: dict[str, Any], code: str, drift: object) -> None:
    record, found = ResultCode.parse(row)
    assert (record.code, found) == (code, drift)
