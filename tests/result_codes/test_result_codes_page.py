"""The page of the code table, that of one code, and the code in a reservation's panel."""

from __future__ import annotations

import re
from typing import Any

import pytest

from isales_proxy.simulator import LIST_RESULT_CODES, Simulator
from tests.support.cases import cases
from tests.support.codes import FRAGMENT, HISTORY, PAGE, REFRESH, list_history, scheduled


@cases(
    ("wanted", "found", "absent"),
    [
        ("00604", "The call is rejected.", "00605"),
        ("REJECTED", "00604", "00605"),
        ("呼叫拒绝", "00604", "00605"),
        ("customer", "00604", "00605"),
    ],
)
def test_table_is_searched_by_code_text_and_category(
    vendor: Simulator, as_role: Any, wanted: str, found: str, absent: str
) -> None:
    text = as_role("agent").get(PAGE, {"q": wanted}, headers=FRAGMENT).content.decode()
    assert found in text
    assert absent not in text


def test_markup_in_a_search_is_escaped(vendor: Simulator, as_role: Any) -> None:
    text = as_role("agent").get(PAGE, {"q": "<script>x</script>"}).content.decode()
    assert "<script>x" not in text


def codes(text: str) -> list[str]:
    return re.findall(r'<tr id="[^"]*" data-code="([^"]*)"', text)


def test_text_of_the_vendor_and_our_explanation_are_shown(vendor: Simulator, as_role: Any) -> None:
    text = as_role("agent").get(PAGE, {"q": "00604"}, headers=FRAGMENT).content.decode()
    for words in ("The call is rejected.", "呼叫拒绝", "The call was rejected.", "Customer"):
        assert words in text
    assert "Do not call again at once." in text


@pytest.mark.parametrize(
    ("query", "present", "absent"),
    [
        ({"category": "platform"}, "00702", "00604"),
        ({"category": "network"}, "00155", "00604"),
        ({"category": "success"}, "00000", "00604"),
        ({"category": "customer", "q": "busy"}, "00537", "00604"),
        ({"state": "known"}, "00604", "00003"),
        ({"state": "gone"}, "00003", "00604"),
        ({"state": "edited"}, "00145", "00604"),
        ({"state": "unknown"}, "98765", "00604"),
    ],
)
def test_table_is_filtered_by_category_and_state(
    vendor: Simulator, as_role: Any, query: dict[str, str], present: str, absent: str
) -> None:
    admin = as_role("admin")
    admin.get(PAGE)
    vendor.codes.pop("00003", None)
    scheduled()
    admin.post(f"{PAGE}00145/note/", {"meaning_en": "Busy, our way."})
    vendor.add_rows(88, [{"appointId": "5", "calledNo": "700001", "failCode": "98765"}])
    admin.get("/vdn/88/reservations/", {"called_no": "700001"})
    listed = codes(as_role("auditor").get(PAGE, query, headers=FRAGMENT).content.decode())
    assert present in listed
    assert absent not in listed


@cases("query", [{"category": "weather"}, {"state": "odd"}, {"q": "x" * 200}, {"q": "a\x01b"}])
def test_invalid_filter_is_reported_at_its_field(
    vendor: Simulator, as_role: Any, query: dict[str, str]
) -> None:
    answer = as_role("agent").get(PAGE, query)
    assert answer.status_code == 422
    assert "field-error" in answer.content.decode()
    assert codes(answer.content.decode()) == []


def test_texts_of_the_vendor_are_escaped(vendor: Simulator, as_role: Any) -> None:
    vendor.codes["77777"] = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>')
    admin = as_role("admin")
    for path in (PAGE, f"{PAGE}77777/", f"{PAGE}77777/note/", HISTORY):
        text = admin.get(path).content.decode()
        assert "<script>alert" not in text
        assert "<img src=x" not in text
    vendor.codes["77777"] = ("<b>other</b>", "<i>另</i>")
    for text in (
        admin.post(REFRESH, follow=True).content.decode(),
        admin.get(list_history(admin)[0]["url"]).content.decode(),
    ):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text
        assert "<b>other" not in text


@cases("code", ["a/b", "..", ".", "history", "refresh", "export.csv", "a\\b"])
def test_code_that_fits_no_address_is_listed(vendor: Simulator, as_role: Any, code: str) -> None:
    vendor.codes[code] = ("Odd", "怪")
    text = as_role("admin").get(PAGE, {"q": "odd"}).content.decode()
    assert f"<b>{code}</b>" in text


def test_code_has_its_own_page(vendor: Simulator, as_role: Any) -> None:
    agent = as_role("agent")
    text = agent.get(f"{PAGE}00702/").content.decode()
    for words in ("排队超时", "Queue timeout", "Platform", "What to do next"):
        assert words in text
    assert "/note/" not in text
    assert agent.get(f"{PAGE}99999/").status_code == 404
    assert agent.get("/vdn/89/result-codes/00702/").status_code == 404


def test_chinese_readers_get_the_chinese_explanation(vendor: Simulator, as_role: Any) -> None:
    text = as_role("agent").get(f"{PAGE}00604/", headers={"Accept-Language": "zh-Hans"})
    assert "不要立即再次呼叫" in text.content.decode()


def test_panel_of_a_reservation_explains_its_result_code(vendor: Simulator, as_role: Any) -> None:
    vendor.add_rows(
        88,
        [
            {"appointId": "41", "calledNo": "700041", "failCode": "00548"},
            {"appointId": "42", "calledNo": "700042"},
        ],
    )
    reader = as_role("supervisor")
    text = reader.get("/vdn/88/reservations/41/", {"called_no": "700041"}).content.decode()
    assert "mobile phone was switched off" in text
    assert "Call again some hours later" in text
    assert "/vdn/88/result-codes/00548/" in text
    text = reader.get("/vdn/88/reservations/42/", {"called_no": "700042"}).content.decode()
    assert "panel-code" not in text


def test_refresh_without_csrf_token_is_refused(vendor: Simulator, people: Any) -> None:
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(people["admin"])
    answer = client.post(REFRESH)
    assert answer.status_code == 403
    assert b"Traceback" not in answer.content


def test_page_is_served_while_the_vendor_is_away(vendor: Simulator, as_role: Any) -> None:
    vendor.faults.add("reset", operation=LIST_RESULT_CODES, times=None)
    assert as_role("supervisor").get(PAGE).status_code == 200
