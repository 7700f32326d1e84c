"""Bounds of queries, and their request bodies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isales_proxy.client.queries import InvalidQuery, ReservationQuery, ResultCodeQuery, check_vdn
from tests.support.cases import cases

NOON = datetime(2025, 5, 15, 12, 0, tzinfo=UTC)


def test_empty_query_sends_only_its_page() -> None:
    assert ReservationQuery().to_body() == {"offset": 0, "limit": 25}


def test_all_parameters_are_sent_in_the_vendors_spelling() -> None:
    query = ReservationQuery(
        called_no="+65 8123",
        agents=("116", "zhang"),
        begin=datetime(2025, 5, 15, 17, 48, 43, 900, tzinfo=timezone(timedelta(hours=8))),
        end=datetime(2025, 5, 15, 9, 48, 43, 999_999, tzinfo=UTC),
        task_id="1106025109",
        page=3,
        size=10,
    )
    assert query.to_body() == {
        "calledNo": "+65 8123",
        "userAccountList": ["116", "zhang"],
        "beginTime": 1747302523000,
        "endTime": 1747302523999,
        "taskId": "1106025109",
        "offset": 20,
        "limit": 10,
    }


@given(page=st.integers(1, 100_000), size=st.integers(1, 1_000))
def test_offset_is_a_multiple_of_the_limit(page: int, size: int) -> None:
    query = ReservationQuery(page=page, size=size)
    assert query.offset == size * (page - 1)


@cases(
    ("field", "value"),
    [
        ("page", 0),
        ("page", 100_001),
        ("page", 10**9),
        ("page", True),
        ("page", "1"),
        ("size", 0),
        ("size", 1_001),
        ("size", 2.0),
        ("called_no", "1" * 65),
        ("called_no", "1\x002"),
        ("called_no", "1\r\nX: y"),
        ("called_no", "\ud800"),
        ("called_no", None),
        ("task_id", "x" * 65),
        ("task_id", "\x7f"),
        ("agents", tuple("a" for _ in range(101))),
        ("agents", ("",)),
        ("agents", (" ",)),
        ("agents", ("a" * 65,)),
        ("agents", (116,)),
        ("agents", ["116"]),
        ("agents", "116"),
        ("begin", datetime(2025, 5, 15)),  # noqa: DTZ001
        ("end", datetime(2025, 5, 15)),  # noqa: DTZ001
        ("end", "2025-05-15"),
    ],
)
def test_value_out_of_bounds_is_refused_with_its_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidQuery) as caught:
        ReservationQuery(**{field: value})
    assert caught.value.field == field
    assert caught.value.reason


def test_begin_after_end_is_refused_and_equal_is_not() -> None:
    ReservationQuery(begin=NOON, end=NOON)
    with pytest.raises(InvalidQuery, match="begin"):
        ReservationQuery(begin=NOON + timedelta(seconds=1), end=NOON)


def test_error_does_not_repeat_the_value() -> None:
    with pytest.raises(InvalidQuery) as caught:
        ReservationQuery(called_no="6581234567" * 7)
    assert "658123" not in str(caught.value) + repr(caught.value)


def test_repr_contains_no_number_and_no_account() -> None:
    shown = repr(ReservationQuery(called_no="6581234567", agents=("zhangwei",)))
    assert "658123" not in shown
    assert "zhangwei" not in shown


def test_key_is_equal_for_equivalent_queries_only() -> None:
    one = ReservationQuery(agents=("b", "a", "b"), begin=NOON)
    same = ReservationQuery(agents=("a", "b"), begin=NOON.astimezone(timezone(timedelta(hours=-5))))
    assert one.key() == same.key()
    assert one.key() != ReservationQuery(agents=("a",), begin=NOON).key()
    assert one.key() != ReservationQuery(agents=("a", "b"), end=NOON).key()


def test_result_code_query_sends_page_and_size() -> None:
    query = ResultCodeQuery(page=2)
    assert query.to_query() == [("pageSize", "50"), ("pageNum", "2")]


@cases(
    ("field", "value"),
    [("page", 0), ("size", 0), ("size", 51), ("locale", "fr_FR"), ("locale", "en_US\r\nX: y")],
)
def test_result_code_query_out_of_bounds_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidQuery, match=field):
        ResultCodeQuery(**{field: value})


@cases("vdn", [0, 10_000, -1, "88", True, 88.0])
def test_vdn_is_a_whole_number_from_1_to_9999(vdn: Any) -> None:
    with pytest.raises(InvalidQuery, match="vdn"):
        check_vdn(vdn)
    assert (check_vdn(1), check_vdn(9_999)) == (1, 9_999)
