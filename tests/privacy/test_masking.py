"""Masking of numbers in every shape and place."""

from __future__ import annotations

import json
import unicodedata
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isales_proxy.client import number_rules
from isales_proxy.client.number_rules import MASK, SHOWN
from isales_proxy.client.records import Reservation
from isales_proxy.privacy import masking
from isales_proxy.privacy.field_policies import CALL_DATUM, RESERVATION, Content
from isales_proxy.reservations.status import ReservationState, get_status
from isales_proxy.write_backs.fields import POLICIES
from tests.support.cases import cases
from tests.support.clock import NOON

DIGITS = st.characters(categories=["Nd"])
BETWEEN = st.text(alphabet=" -.()/,+\u00a0\u2010\u2013\u200b\t", max_size=3)
ANY = st.text(max_size=60)


def most_shown(count: int) -> int:
    """Return how many of `count` digits may stay readable."""
    if count <= 4:
        return 0
    return count // 2 if count < 11 else 7


def digits(text: str) -> str:
    """Return the runs of digits that a reader could combine, as ASCII."""
    return "".join(str(unicodedata.decimal(each)) for each in text if each.isdecimal())


def runs(text: str) -> list[str]:
    """Return the digit runs of a text between letters and masks."""
    found, run = [], ""
    for character in unicodedata.normalize("NFKC", text):
        if character.isnumeric():
            run += character
        elif character.isalpha() or character == MASK:
            found.append(run)
            run = ""
    return [each for each in [*found, run] if each]


@st.composite
def numbers(draw: Any) -> str:
    """A number of up to twenty digits of any scripts, written in groups."""
    parts = [draw(DIGITS) + draw(BETWEEN) for _ in range(draw(st.integers(1, 20)))]
    return str(draw(st.sampled_from(["", "+", "＋", "00", "("])) + "".join(parts))


@cases(
    ("number", "shown"),
    [
        ("15800000001", "158••••0001"),
        ("+86 158-0000-0001", "+861••••••0001"),
        ("6591234567", "65•••••567"),
        ("66661234", "6••••234"),
        ("710002", "•••002"),
        ("95588", "•••88"),
        ("7050", "••••"),
        ("7", "•"),
        ("", ""),
        ("sip:ann@example.com", "••••••••••••"),
        ("7081 ext. 5", "••••••••"),
        ("①②③④⑤⑥⑦⑧⑨①②", "•••••••••••"),
    ],
)
def test_masked_number_keeps_its_ends(number: str, shown: str) -> None:
    assert masking.mask_number(number) == shown


@given(numbers() | ANY)
@example("+1 5 8 0 0 0 0 0 0 0 1")
def test_masked_number_keeps_few_digits(number: str) -> None:
    shown = masking.mask_number(number)
    assert len(digits(shown)) <= most_shown(len(digits(number)))
    if number.strip():
        assert set(shown) <= {"+", MASK, *filter(str.isdecimal, number)}


@given(ANY, numbers(), ANY)
@example("call ", "158-0000-0001", " now")
@example("", "1️⃣5️⃣8️⃣0️⃣0️⃣0️⃣0️⃣", "")
@example("", "一三八零零零零零零零一", "吗")
@example("", "㉑㉒㉓㉔㉕㉖㉗㉘㉙㉚㉛", "")
@example("", "158•0000•0001", "")
@example("", "00¼¼", "")
def test_masked_text_keeps_no_run_of_six_digits(before: str, number: str, after: str) -> None:
    shown = masking.mask_text(before + number + after)
    assert all(len(run) < SHOWN.min_numerals for run in runs(shown))
    told = digits(number)
    if len(told) >= SHOWN.min_numerals:
        assert told not in digits(shown)


@cases(
    "text",
    ["", "in 5 days, 3 tries", "desk 12", "等待 30 分钟", "RedInd=1,OldRes=1", "amount 12.50"],
)
def test_text_without_a_number_is_unchanged(text: str) -> None:
    assert masking.mask_text(text) == text


@given(
    st.dictionaries(
        st.sampled_from([field.vendor_name for field in RESERVATION]) | st.text(max_size=8),
        numbers() | ANY | st.integers() | st.booleans() | st.none(),
    )
)
@settings(max_examples=200)
def test_no_field_of_a_masked_reservation_holds_a_number(row: dict[str, Any]) -> None:
    found, _drift = Reservation.parse(row)
    shown = masking.mask_reservation(found)
    assert shown.model_extra == {}
    for field in RESERVATION:
        before, after = getattr(found, field.name), getattr(shown, field.name)
        if field.holds in {Content.ID, Content.TIME, Content.FLAG}:
            assert after == before
        elif before and field.holds is Content.NUMBER:
            assert len(digits(after)) <= most_shown(len(digits(before)))
        elif before and field.holds is Content.TEXT:
            assert all(len(run) < SHOWN.min_numerals for run in runs(after))
        elif before:
            # A code has eight digits at most, and is none of the row's numbers.
            assert sum(map(str.isdecimal, after)) <= 8
            for own in (found.called_no, found.caller_no):
                told = digits(own or "")
                assert len(told) < SHOWN.min_numerals or told not in digits(after)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | numbers() | ANY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY, inner, max_size=4),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from([*CALL_DATUM, *POLICIES, "extra"]) | ANY, JSON, max_size=6),
    st.sampled_from([CALL_DATUM, POLICIES]),
)
@settings(max_examples=200)
def test_no_masked_raw_row_holds_a_number(row: dict[str, Any], table: dict[str, Content]) -> None:
    shown = masking.mask_fields(row, table)
    json.dumps(shown)
    assert len(shown) == len(row)
    plain = {Content.ID, Content.CODE, Content.TIME}
    for name, value in shown.items():
        if table.get(name) in plain:
            continue
        for leaf in leaves({name: value}):
            assert all(len(run) < SHOWN.min_numerals for run in runs(leaf))


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [leaf for pair in value.items() for part in pair for leaf in leaves(part)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [] if value is None or isinstance(value, bool) else [str(value)]


def test_short_own_number_is_masked() -> None:
    row = Reservation.model_validate({"calledNo": "95588", "busiResult": "95588 is a bank"})
    assert masking.mask_reservation(row).busi_result == "•••88 is a bank"


def test_field_policies_have_every_documented_field_in_order() -> None:
    assert [field.name for field in RESERVATION] == list(Reservation.vendor_names())
    assert {field.name for field in RESERVATION if field.personal} == {
        "called_no",
        "caller_no",
        "task_name",
        "user_name",
        "busi_result",
    }


@cases("name", ["customer", "customerId", "cust_no", "CustID"])
def test_customer_id_is_kept(name: str) -> None:
    told = json.dumps({name: "C-0012345", "note": "ring 15800000002"})
    shown = masking.mask_text(told, ("15800000001",))
    assert json.loads(shown) == {name: "C-0012345", "note": "ring 158••••0002"}
    row = {"phoneNumber": ["15800000001"], "callData": told}
    assert "C-0012345" in masking.mask_fields(row, CALL_DATUM)["callData"]


@cases("ident", ["15800000001", "C-15800000001", "C-0000001", "C-8000000", "C-123456789"])
def test_possible_number_is_no_customer_id(ident: str) -> None:
    told = json.dumps({"customer": ident})
    assert ident not in masking.mask_text(told, ("15800000001",))


@cases("part", ["15800", "5800", "0001", "00000"])
def test_part_of_the_own_number_is_masked_in_text(part: str) -> None:
    assert part not in masking.mask_text(f"the one with {part}, please", ("15800000001",))


@cases("part", ["15800", "00001", "8000000"])
def test_part_of_the_own_number_is_masked_in_codes(part: str) -> None:
    assert part not in masking.mask_code(part, ("15800000001",))
    assert masking.mask_code(part, ("6591234567",)) == part


@cases("number", ["00865550000157", "00000", "+8613800000123"])
def test_answered_call_is_no_failure_where_its_number_has_many_zeros(number: str) -> None:
    row, _drift = Reservation.parse({"calledNo": number, "failCode": "00000"})
    shown = masking.mask_reservation(row)
    status = get_status(shown, NOON, late_grace=timedelta(0))
    assert (shown.fail_code, status.state) == ("00000", ReservationState.ANSWERED)


def test_each_character_of_a_long_text_is_classified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the look-ups of characters, which are the costly part: one for each different one."""
    looked_up: list[str] = []
    kind = number_rules._classify

    def counted(character: str, parting: str) -> str:
        looked_up.append(character)
        return kind(character, parting)

    monkeypatch.setattr(number_rules, "_classify", counted)
    number_rules._compile_scanner.cache_clear()
    text = "Kunde 4711 – bitte, ①② 1 2 3 rufen ​" * 2_000
    for _ in range(3):
        masking.mask_text(text, ("15800000001",))
    assert len(looked_up) == len(set(text))
    number_rules._compile_scanner.cache_clear()
