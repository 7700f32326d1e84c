"""The code book as an admin meets it: read anew, look, apply, look back, roll back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from isales_proxy.simulator import Simulator
from tests.browser.conftest import Sit
from tests.browser.test_circumstances import NARROW, WIDE
from tests.support.axe import violations

pytestmark = pytest.mark.browser

CODES = "/vdn/88/result-codes/"


@pytest.fixture
def new_code(vendor: Simulator) -> Iterator[str]:
    """A code that the vendor lists from now on, and no longer afterwards."""
    vendor.codes["70077"] = ("Fresh from the vendor", "厂商新增")
    yield "70077"
    vendor.codes.pop("70077", None)
    vendor.codes.pop("70078", None)


def test_refreshed_codes_are_applied_and_rolled_back(
    sit: Sit, vendor: Simulator, new_code: str
) -> None:
    seat = sit("admin", color_scheme="dark")
    page = seat.page
    seat.go(CODES)
    row = page.locator(f"tr[data-code='{new_code}'][data-state=known]")

    def read_again() -> Any:
        page.get_by_role("button", name="Refresh from CC-iSales").click()
        return page.locator("#code-refresh")

    # Another test may have left any table behind.
    shown = read_again()
    expect(shown).to_have_attribute("data-state", re.compile("diff|same"))
    if shown.get_attribute("data-state") == "diff":
        shown.get_by_role("button", name="Apply these changes").click()
        expect(shown).to_have_attribute("data-state", "done")
    vendor.codes["70078"] = ("Newest", "最新")
    shown = read_again()
    expect(shown).to_have_attribute("data-state", "diff")
    change = shown.locator("[data-change][data-code='70078']")
    expect(change).to_contain_text("Newest")
    expect(page.locator("#results")).not_to_contain_text("Newest")
    assert violations(seat.page) == []
    shown.get_by_role("button", name="Apply these changes").click()
    expect(shown).to_have_attribute("data-state", "done")
    newest = page.locator("tr[data-code='70078'][data-state=known]")
    expect(newest).to_contain_text("Newest")
    expect(page.locator("#announce")).to_contain_text("kept")
    expect(row).to_be_visible()

    page.get_by_role("link", name="History").click()
    page.wait_for_url("**/history/")
    page.locator("tr[data-entry] a").nth(1).click()
    page.wait_for_url(re.compile(r"/history/\d+/"))
    back = page.locator("[data-part='way-back']")
    expect(back.locator("[data-change][data-code='70078']")).to_be_visible()
    assert violations(seat.page) == []
    back.locator("summary").click()
    back.get_by_role("button", name="Yes, roll back").click()
    page.wait_for_url("**/history/")
    expect(page.locator("tr[data-entry]").first).to_have_attribute("data-kind", "roll-back")
    expect(page.locator("[data-held]")).to_contain_text("Rolled back by admin")
    seat.go(CODES)
    expect(page.locator("tr[data-code='70078'][data-state=known]")).to_have_count(0)


def test_table_is_filtered_while_typing_and_by_category(sit: Sit, vendor: Simulator) -> None:
    seat = sit("agent", at=CODES)
    page = seat.page
    page.get_by_label("Search").fill("queu")
    expect(page.locator("tr[data-code='00604']")).to_have_count(0)
    expect(page.locator("tr[data-code='00702']")).to_be_visible()
    page.get_by_label("Category").select_option("customer")
    expect(page.locator("tr[data-code='00702']")).to_have_count(0)
    expect(page.locator("tr[data-code='00701']")).to_be_visible()
    assert page.url.endswith("?q=queu&category=customer")
    assert (page.locator("[data-export=csv]").get_attribute("href") or "").endswith(
        "?q=queu&category=customer"
    )
    page.locator("tr[data-code='00701'] a").click()
    expect(page.locator("[data-field=step]")).to_contain_text("Call back soon")


def test_note_is_saved_and_restored_to_the_built_in_text(sit: Sit, vendor: Simulator) -> None:
    seat = sit("admin", at=f"{CODES}00145/")
    page = seat.page
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Next step, in English").fill("Ask the customer for a better time.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-field=step]")).to_have_text("Ask the customer for a better time.")
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("button", name="Restore built-in text").click()
    expect(page.locator("[data-field=step]")).to_contain_text("Call again in 10 to 30 minutes")


@pytest.mark.parametrize(
    ("viewport", "theme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"]
)
def test_code_book_is_accessible(
    sit: Sit, vendor: Simulator, viewport: dict[str, int], theme: str
) -> None:
    seat = sit("admin", viewport=viewport, color_scheme=theme, at=f"{CODES}history/")
    entry = seat.page.locator("tr[data-entry] a").first.get_attribute("href") or ""
    for path in (
        CODES,
        f"{CODES}?state=gone",
        f"{CODES}00604/",
        f"{CODES}00604/note/",
        f"{CODES}history/",
        entry,
    ):
        seat.go(path)
        assert violations(seat.page) == [], path
        width = seat.page.evaluate("document.documentElement.scrollWidth")
        assert width <= viewport["width"], f"{path} scrolls sideways"


def test_refresh_without_changes_shows_the_table_again(sit: Sit) -> None:
    """Each code was listed just now; the table beside the outcome says so, too."""
    seat = sit("admin")
    page = seat.page
    seat.go(CODES)
    shown = page.locator("#code-refresh")
    button = page.get_by_role("button", name="Refresh from CC-iSales")
    button.click()
    expect(shown).to_have_attribute("data-state", re.compile("diff|same"))
    if shown.get_attribute("data-state") == "diff":
        shown.get_by_role("button", name="Apply these changes").click()
        expect(shown).to_have_attribute("data-state", "done")
    page.locator("#results").evaluate("table => table.querySelector('tbody').remove()")
    button.click()
    expect(shown).to_have_attribute("data-state", "same")
    expect(page.locator("#results tbody tr").first).to_be_visible()
