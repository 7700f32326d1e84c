"""The API doctor in a browser: pressed once, heard, read in both themes, copied."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from isales_proxy.simulator import LIST_RESERVATIONS, LIST_RESULT_CODES, Simulator
from tests.browser.conftest import Seat, Sit
from tests.support.axe import violations

pytestmark = pytest.mark.browser

PAGE = "/vdn/88/doctor/"
NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1440, "height": 900}


def run_check(seat: Seat) -> None:
    seat.page.locator("#examine button").click()
    seat.page.locator("[data-source=live]").wait_for()


def test_check_runs_once_and_its_progress_is_shown(sit: Sit, vendor: Simulator) -> None:
    seat = sit("admin", at=PAGE)
    vendor.calls.clear()
    vendor.faults.add("hold", operation=LIST_RESERVATIONS)
    button = seat.page.locator("#examine button")
    button.click()
    expect(button).to_be_disabled()
    expect(button).to_have_text("Checking …", use_inner_text=True)
    button.click(force=True)
    vendor.faults.release()
    seat.page.locator("[data-source=live]").wait_for()
    expect(button).to_be_enabled()
    expect(button).to_have_text("Run check", use_inner_text=True)
    expect(seat.page.locator("#announce")).to_contain_text("interfaces answered")
    assert len(vendor.calls.filter(LIST_RESULT_CODES)) == 1
    assert seat.page.url.endswith(PAGE)


@pytest.mark.parametrize(
    ("viewport", "theme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"]
)
def test_doctor_is_accessible(
    sit: Sit, vendor: Simulator, viewport: dict[str, int], theme: str
) -> None:
    seat = sit("admin", viewport=viewport, color_scheme=theme, at=PAGE)
    assert violations(seat.page) == []
    vendor.faults.add("business", operation=LIST_RESULT_CODES)
    run_check(seat)
    assert violations(seat.page) == []
    width = seat.page.evaluate("document.documentElement.scrollWidth")
    assert width <= viewport["width"], "the page scrolls sideways"


def test_report_is_copied_to_the_clipboard(sit: Sit, vendor: Simulator) -> None:
    seat = sit("admin", at=PAGE)
    run_check(seat)
    seat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    seat.page.get_by_role("button", name="Copy").click()
    expect(seat.page.get_by_text("Report copied")).to_be_visible()
    text = seat.page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("Callboard API doctor")
    assert text == seat.page.locator("textarea").input_value()


def test_check_works_without_javascript(sit: Sit, vendor: Simulator) -> None:
    seat = sit("admin", java_script_enabled=False, at=PAGE)
    button = seat.page.get_by_role("button", name="Run check")
    expect(button).to_have_text("Run check", use_inner_text=True)
    button.click()
    seat.page.locator("[data-section=probes]").wait_for()
    expect(seat.page.get_by_role("button", name="Copy")).to_be_hidden()
    assert "Time range filters by: appointTime" in seat.page.locator("textarea").input_value()
