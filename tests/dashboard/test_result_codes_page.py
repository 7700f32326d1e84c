"""The code table on the screen, and what an admin sees of a refresh."""

from __future__ import annotations

from typing import Any

import pytest

from isales_proxy.simulator import LIST_RESULT_CODES, Simulator

PAGE = "/vdn/88/result-codes/"
REFRESH = f"{PAGE}refresh/"
FRAGMENT = {"HX-Request": "true"}


@pytest.mark.parametrize(
    ("wanted", "found", "absent"),
    [
        ("00604", "The call is rejected.", "00605"),
        ("REJECTED", "00604", "00605"),
        ("呼叫拒绝", "00604", "00605"),
        ("customer", "00604", "00605"),
    ],
)
def test_the_table_is_searched_by_code_words_and_category(
    vendor: Simulator, as_role: Any, wanted: str, found: str, absent: str
) -> None:
    text = as_role("agent").get(PAGE, {"q": wanted}, headers=FRAGMENT).content.decode()
    assert found in text
    assert absent not in text


def test_markup_in_a_search_is_text(vendor: Simulator, as_role: Any) -> None:
    text = as_role("agent").get(PAGE, {"q": "<script>x</script>"}).content.decode()
    assert "<script>x" not in text


def test_a_refresh_tells_what_it_did(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    admin.get(PAGE)
    vendor.codes.put("70001", "Added", "新增")
    vendor.codes.put("00604", "Reworded", "呼叫拒绝")
    text = admin.post(REFRESH, headers=FRAGMENT).content.decode()
    assert "119 kept, 1 added, 1 reworded" in text
    assert "<html" not in text


def test_a_refresh_without_javascript_comes_back_with_the_outcome(
    vendor: Simulator, as_role: Any
) -> None:
    answer = as_role("admin").post(REFRESH, follow=True)
    assert answer.redirect_chain[-1][0] == PAGE
    assert "120 added" in answer.content.decode()


@pytest.mark.parametrize(("kind", "status"), [("business", 502), ("reset", 503), ("html", 502)])
def test_a_refresh_that_fails_says_why_and_that_nothing_changed(
    vendor: Simulator, as_role: Any, kind: str, status: int
) -> None:
    admin = as_role("admin")
    admin.get(PAGE)
    vendor.faults.add(kind, operation=LIST_RESULT_CODES, times=None)
    answer = admin.post(REFRESH, headers=FRAGMENT)
    text = answer.content.decode()
    assert answer.status_code == status
    assert "Nothing was changed." in text
    assert "data-problem=" in text
    vendor.faults.clear()
    assert "00604" in admin.get(PAGE).content.decode()


def test_an_old_form_is_refused_in_words(vendor: Simulator, people: Any) -> None:
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(people["admin"])
    answer = client.post(REFRESH)
    assert answer.status_code == 403
    assert b"Traceback" not in answer.content


def test_the_page_stands_while_the_vendor_is_away(vendor: Simulator, as_role: Any) -> None:
    vendor.faults.add("reset", operation=LIST_RESULT_CODES, times=None)
    assert as_role("supervisor").get(PAGE).status_code == 200
