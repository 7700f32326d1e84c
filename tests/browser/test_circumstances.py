"""Both themes, both languages, a narrow screen, no JavaScript, and a vendor that goes and comes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from isales_proxy.simulator import LIST_RESERVATIONS, LIST_RESULT_CODES, Simulator
from tests.browser.conftest import Seat, Sit
from tests.support.axe import violations
from tests.support.furnished import PASSWORD

pytestmark = pytest.mark.browser

NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1440, "height": 900}


@pytest.mark.parametrize(
    ("language", "theme", "viewport"),
    [("en-US", "light", WIDE), ("zh-CN", "dark", NARROW)],
    ids=["en-light-wide", "zh-dark-narrow"],
)
def test_pages_are_accessible_in_both_themes_and_languages(
    sit: Sit, viewport: dict[str, int], theme: str, language: str, vendor: Simulator
) -> None:
    options: dict[str, Any] = {"viewport": viewport, "color_scheme": theme, "locale": language}
    stranger = sit(None, **options)
    stranger.go("/accounts/login/")
    assert violations(stranger.page) == []
    seat = sit_in(sit, language, expected=("422", "503", "404"), **options)
    assert violations(seat.page) == []
    if viewport is NARROW:
        width = seat.page.evaluate("document.documentElement.scrollWidth")
        assert width <= viewport["width"], "the page scrolls sideways"
    first = seat.rows().first.get_attribute("data-appoint-id")
    seat.go(f"/vdn/88/reservations/{first}/")
    seat.page.locator("#panel .related").wait_for()
    assert violations(seat.page) == []
    for path in (
        "/vdn/88/result-codes/",
        "/vdn/88/reservations/?page=0",
        "/vdn/88/reservations/?called_no=99999999999",
        "/vdn/7/reservations/",
    ):
        seat.go(path)
        assert violations(seat.page) == [], path
    vendor.faults.add("status", operation=LIST_RESERVATIONS, times=None, status=503)
    seat.go("/vdn/88/reservations/?called_no=31415")
    expect(seat.page.locator("[data-problem=upstream-unavailable]")).to_be_visible()
    assert violations(seat.page) == []


def test_pages_of_an_admin_are_accessible(sit: Sit) -> None:
    seat = sit("admin")
    for path in (
        "/vdn/88/settings/",
        "/vdn/88/tasks/",
        "/vdn/88/write-backs/new/",
        "/accounts/",
        "/accounts/password/change/",
    ):
        seat.go(path)
        assert violations(seat.page) == [], path


def sit_in(sit: Sit, language: str, **options: Any) -> Seat:
    """Log in by the names of the fields, whatever the language."""
    seat = sit(None, **options)
    seat.go("/accounts/login/")
    seat.page.locator("input[name=login]").fill("supervisor")
    seat.page.locator("input[name=password]").fill(PASSWORD)
    seat.page.locator("main button").first.click()
    seat.page.wait_for_url("**/reservations/")
    wanted = "zh-hans" if language.startswith("zh") else "en"
    expect(seat.page.locator("html")).to_have_attribute("lang", wanted)
    return seat


def test_chinese_list_contains_no_english_labels(sit: Sit) -> None:
    seat = sit_in(sit, "zh-CN", locale="zh-CN")
    shown = seat.page.locator("body").inner_text()
    for word in ("Reservations", "Called number", "Refresh", "Today", "Overdue", "min late"):
        assert word not in shown, word
    assert re.search(r"[\u4e00-\u9fff]", shown)


def test_chosen_language_survives_a_reload(sit: Sit) -> None:
    seat = sit()
    seat.page.locator("details.menu:has(button[value='zh-hans']) > summary").click()
    seat.page.locator("button[value='zh-hans']").click()
    expect(seat.page.locator("html")).to_have_attribute("lang", "zh-hans")
    seat.page.reload()
    expect(seat.page.locator("html")).to_have_attribute("lang", "zh-hans")


def test_chosen_theme_survives_a_reload(sit: Sit) -> None:
    seat = sit(color_scheme="light")
    expect(seat.page.locator("html")).to_have_attribute("data-bs-theme", "light")
    seat.page.locator("details.menu:has(button[value='dark']) > summary").click()
    seat.page.locator("button[value='dark']").click()
    expect(seat.page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    seat.page.reload()
    expect(seat.page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_default_theme_is_that_of_the_system(sit: Sit) -> None:
    seat = sit(None, color_scheme="dark")
    seat.go("/accounts/login/")
    expect(seat.page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_lists_filters_and_panel_work_without_javascript(sit: Sit) -> None:
    seat = sit(java_script_enabled=False)
    page = seat.page
    expect(seat.rows()).to_have_count(25)
    page.get_by_role("link", name="Next page").click()
    expect(page).to_have_url(re.compile(r"page=2"))
    page.get_by_label("Called number", exact=True).fill("6666")
    page.locator("#f-agent").fill("116")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(r"called_no=6666.*agent=116"))
    assert set(page.locator("td small[data-field=userAccount]").all_inner_texts()) == {"116"}
    page.get_by_role("link", name="Today", exact=True).click()
    expect(page).to_have_url(re.compile(r"called_no=6666.*range=today"))
    seat.go("/vdn/88/reservations/")
    seat.rows().first.locator("a").click()
    expect(page.locator("#panel div[data-field]")).to_have_count(18)
    page.get_by_role("link", name="Close").click()
    expect(page).to_have_url(re.compile(r"/reservations/$"))
    page.get_by_role("link", name="Result codes").first.click()
    expect(page.get_by_role("cell", name="00604")).to_be_visible()


def test_admin_refreshes_the_codes_without_javascript(sit: Sit, vendor: Simulator) -> None:
    seat = sit("admin", java_script_enabled=False, at="/vdn/88/result-codes/")
    seat.page.locator("#code-refresh button, form[action*=refresh] button").first.click()
    expect(seat.page.get_by_text("No changes.")).to_be_visible()


def test_admin_refreshes_the_codes_and_sees_what_changed(sit: Sit, vendor: Simulator) -> None:
    seat = sit("admin", at="/vdn/88/result-codes/")
    expect(seat.page.get_by_role("cell", name="00604")).to_be_visible()
    vendor.codes["77777"] = ("Brand new", "全新")
    try:
        seat.page.locator("#code-refresh button, form[action*=refresh] button").first.click()
        outcome = seat.page.locator("[data-outcome]")
        expect(outcome).to_contain_text(re.compile(r"\d+ kept, 1 added, 0 reworded"))
        expect(seat.page.get_by_role("cell", name="77777")).to_be_visible()
    finally:
        vendor.codes.pop("77777", None)


def test_failed_refresh_reports_that_nothing_changed(sit: Sit, vendor: Simulator) -> None:
    seat = sit("admin", expected=("503", "502"), at="/vdn/88/result-codes/")
    vendor.faults.add("business", operation=LIST_RESULT_CODES, times=None)
    seat.page.locator("#code-refresh button, form[action*=refresh] button").first.click()
    expect(seat.page.locator("#code-refresh")).to_contain_text("Nothing was changed.")
    expect(seat.page.get_by_role("cell", name="00604")).to_be_visible()


def test_list_shows_an_outage_of_the_vendor_and_its_end(sit: Sit, vendor: Simulator) -> None:
    seat = sit(expected=("503", "504"))
    ids = [row.get_attribute("data-appoint-id") for row in seat.rows().all()]
    vendor.stop()
    seat.page.keyboard.press("r")
    notice = seat.page.locator("[data-problem=upstream-unavailable]")
    expect(notice).to_be_visible()
    expect(seat.page.locator("#results")).to_have_attribute("data-source", "stale")
    expect(seat.page.locator("#health")).to_have_attribute("data-health", "failing")
    assert [row.get_attribute("data-appoint-id") for row in seat.rows().all()] == ids
    seat.page.get_by_label("Called number", exact=True).fill("424242")
    expect(seat.page.locator("[data-empty=failed]")).to_be_visible()
    vendor.start()
    # The circuit lets the next call through after its pause; a person would press again.
    for _ in range(40):
        if not notice.is_visible():
            break
        with seat.page.expect_response(lambda answer: "/reservations/" in answer.url):
            seat.page.get_by_role("link", name="Try again").first.click()
        seat.page.wait_for_timeout(300)
    expect(notice).to_be_hidden()
    expect(seat.page.locator("#health")).to_have_attribute("data-health", "ok")


def test_slow_vendor_is_shown_as_loading_and_then_as_unavailable(
    sit: Sit, vendor: Simulator
) -> None:
    seat = sit(expected=("504",))
    vendor.faults.add("hold", operation=LIST_RESERVATIONS, times=1)
    seat.page.get_by_role("link", name="Next page").click()
    expect(seat.page.locator("#progress")).to_have_class(re.compile("is-on"))
    expect(seat.page.locator("#results")).to_have_attribute("aria-busy", "true")
    expect(seat.page.locator("[data-problem=upstream-unavailable]")).to_be_visible()
    expect(seat.page.locator("#progress")).not_to_have_class(re.compile("is-on"))
    vendor.faults.release()


def test_logged_out_person_is_redirected_to_the_log_in(sit: Sit) -> None:
    seat = sit()
    seat.page.context.clear_cookies()
    seat.page.get_by_role("link", name="Next page").click()
    seat.page.wait_for_url("**/accounts/login/**")
    assert "next=" in seat.page.url
