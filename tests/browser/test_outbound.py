"""Tasks, call data and write-backs as a person meets them, from the list to the vendor."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from isales_proxy.simulator import READ_CALL_DATA, Simulator
from tests.browser.conftest import Sit
from tests.browser.test_circumstances import NARROW, WIDE, sit_in
from tests.support.axe import violations

pytestmark = pytest.mark.browser

TASKS = "/vdn/88/tasks/"


def first_task(seat: Any) -> str:
    seat.go(TASKS)
    links = seat.page.locator("main table a").evaluate_all("all => all.map(a => a.pathname)")
    return next(str(link) for link in links if re.fullmatch(r"/vdn/88/tasks/\d+/", link))


def test_call_data_is_taken_and_its_result_reaches_the_vendor(sit: Sit, vendor: Simulator) -> None:
    seat = sit("supervisor")
    seat.go(first_task(seat))
    seat.page.locator("input[name=batch_count]").fill("3")
    seat.page.locator("input[name=confirmed]").check()
    expect(seat.page.locator("[data-under-way]")).to_be_hidden()
    # Nobody can look at a page that waits for the next one, so it says itself how it was left.
    seat.page.evaluate(
        """() => addEventListener("pagehide", () => sessionStorage.setItem("left", [
            document.querySelector("[data-under-way]").checkVisibility(),
            document.querySelector(".take-form button").disabled,
        ]))"""
    )
    seat.page.locator("form[action$='/call-data/'] button[type=submit]").click()
    seat.page.wait_for_url(re.compile(r"/call-data/\d+/"))
    assert seat.page.evaluate("sessionStorage.getItem('left')") == "true,true"
    assert len(vendor.calls.filter(READ_CALL_DATA)) == 1
    seat.page.reload()
    assert len(vendor.calls.filter(READ_CALL_DATA)) == 1
    seat.page.locator("a[href*='write-backs/new/?datum=']").first.click()
    unique_id = seat.page.locator("[name=unique_id]").input_value()
    assert unique_id
    seat.page.locator("input[name=fail_code]").fill("00000")
    seat.page.locator("main form button[type=submit]").first.click()
    expect(seat.page.locator("main")).to_contain_text('"uniqueId"')
    assert vendor.write_backs.filter(unique_id) == []
    seat.page.get_by_role("button", name="Store and send").click()
    seat.page.wait_for_url(re.compile(r"/write-backs/\d+/"))
    assert vendor.write_backs.wait_for(1, timeout=20)
    (sent,) = vendor.write_backs.filter(unique_id)
    assert sent["failCode"] == "00000"


def test_half_filled_form_survives_theme_change_navigation_and_refusal(
    sit: Sit, vendor: Simulator
) -> None:
    seat = sit("supervisor", expected=("422",))
    page, new = seat.page, "/vdn/88/write-backs/new/"
    seat.go(new)
    page.locator("[name=unique_id]").fill("u-77")
    page.locator("[data-theme-form]").locator("..").locator("summary").click()
    page.locator("[data-theme-form] button[value=dark]").click()
    expect(page.locator("[data-restored]")).to_be_visible()
    expect(page.locator("[name=unique_id]")).to_have_value("u-77")
    page.get_by_text("More fields").first.click()
    page.locator("[name=call_id]").fill("c-1")
    with page.expect_response(lambda answer: "draft" in answer.url):
        page.locator("[name=call_id]").blur()
    page.locator(".back a").click()
    page.wait_for_url("**/write-backs/")
    page.go_back()
    expect(page.locator("[name=call_id]")).to_have_value("c-1")
    page.get_by_role("button", name="Review").click()
    page.wait_for_url("**/new/?form=*")
    expect(page.locator("[data-invalid]")).to_be_visible()
    page.locator("[name=service_id]").fill("1106025109")
    page.get_by_role("button", name="Review").click()
    page.wait_for_url("**review=1")
    # No page of the history is the answer to a POST, so none is the browser's own error.
    for _ in range(2):
        page.go_back()
        expect(page.locator("[name=unique_id]")).to_have_value("u-77")


def test_theme_can_be_changed_on_an_untouched_form(sit: Sit) -> None:
    seat = sit("supervisor", at="/vdn/88/write-backs/new/")
    seat.page.locator("[data-theme-form]").locator("..").locator("summary").click()
    seat.page.locator("[data-theme-form] button[value=dark]").click()
    expect(seat.page.locator("html")).to_have_attribute("data-bs-theme", "dark")


@pytest.mark.parametrize("path", [TASKS, "/vdn/88/write-backs/", "/vdn/88/result-codes/"])
def test_slash_key_focuses_the_search_of_each_list(sit: Sit, path: str) -> None:
    seat = sit("supervisor", at=path)
    seat.page.keyboard.press("/")
    expect(seat.page.locator("[data-search]")).to_be_focused()


@pytest.mark.parametrize(
    ("language", "theme", "viewport"),
    [("en-US", "light", WIDE), ("zh-CN", "dark", NARROW)],
    ids=["en-light-wide", "zh-dark-narrow"],
)
def test_outbound_pages_are_accessible(
    sit: Sit, vendor: Simulator, viewport: dict[str, int], theme: str, language: str
) -> None:
    seat = sit_in(sit, language, viewport=viewport, color_scheme=theme, locale=language)
    for path in (
        TASKS,
        first_task(seat),
        "/vdn/88/write-backs/",
        "/vdn/88/write-backs/new/",
    ):
        seat.go(path)
        assert violations(seat.page) == [], path
        width = seat.page.evaluate("document.documentElement.scrollWidth")
        assert width <= viewport["width"], f"{path} scrolls sideways"
