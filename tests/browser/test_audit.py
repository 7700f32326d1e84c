"""The audit as a person reads it: found, unfolded, paged, and no number left in the address."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from isales_proxy.simulator import Simulator
from tests.browser.conftest import Seat, Sit
from tests.browser.test_circumstances import NARROW, WIDE
from tests.support.axe import violations

pytestmark = pytest.mark.browser

AUDIT = "/vdn/88/audit/"
NUMBER = "13800001234"


def unfold(seat: Seat) -> None:
    """Open every detail and the kinds, as somebody may who looks for something."""
    seat.page.locator(".event-more > summary").first.click()
    seat.page.locator("tr:has(.event-changes) .event-more > summary").first.click()
    if seat.page.locator("#filters .fold:not([open])").count():
        seat.page.locator("#filters .fold > summary").click()
    seat.page.locator(".kinds > summary").click()


def test_events_are_filtered_by_type_and_expanded(sit: Sit, vendor: Simulator) -> None:
    seat = sit("auditor", at=AUDIT)
    seat.page.get_by_role("navigation").get_by_text("Audit").first.wait_for()
    seat.page.locator(".kinds > summary").click()
    seat.page.get_by_label("VDN access changed").check()
    seat.page.wait_for_url(re.compile(r"kind=person\.access"))
    # The menu stays open, so that a second kind can be chosen.
    seat.page.get_by_label("Person changed", exact=True).check()
    seat.page.wait_for_url(re.compile(r"kind=person\.changed"))
    seat.settled()
    kinds = set(seat.page.locator("tr[data-event] .tone").all_inner_texts())
    assert kinds == {"VDN access changed", "Person changed"}
    seat.page.keyboard.press("Escape")
    row = seat.page.locator("tr[data-event]", has_text="VDN access changed").first
    row.locator(".event-more > summary").click()
    expect(row.locator(".event-changes")).to_contain_text("Role")
    seat.page.get_by_label("Remove Event type Person changed").click()
    seat.page.wait_for_url(lambda url: "person.changed" not in url)
    expect(seat.page.locator("input[value='person.changed']")).not_to_be_checked()


def test_typed_number_stays_neither_in_the_field_nor_in_the_address(
    sit: Sit, vendor: Simulator
) -> None:
    seat = sit("auditor", at=AUDIT)
    field = seat.page.get_by_label("Called number (complete)")
    field.fill(NUMBER)
    field.press("Enter")
    seat.page.wait_for_url(re.compile("number_key="))
    expect(seat.page.locator(".chips")).to_contain_text("•••34")
    expect(field).to_have_value("")
    assert NUMBER not in seat.page.url + seat.page.content()
    # The search itself is the newest event that the number has.
    seat.page.reload()
    expect(seat.page.locator("tr[data-event]").first).to_contain_text("Audit searched")
    seat.page.get_by_label("Remove Called number •••34").click()
    seat.page.wait_for_url(lambda url: "number_key" not in url)
    seat.page.go_back()
    seat.page.wait_for_url(re.compile("number_key="))
    assert NUMBER not in seat.page.url


@pytest.mark.parametrize(
    ("viewport", "theme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"]
)
def test_audit_is_accessible(
    sit: Sit, vendor: Simulator, viewport: dict[str, int], theme: str
) -> None:
    seat = sit("auditor", viewport=viewport, color_scheme=theme, expected=("422",))
    # The people whom the product was started with: they were changed from nothing.
    seat.go(f"{AUDIT}?kind=person.access")
    unfold(seat)
    assert violations(seat.page) == []
    width = seat.page.evaluate("document.documentElement.scrollWidth")
    assert width <= viewport["width"], "the page scrolls sideways"
    for query in ("?kind=nothing", "?person=nobody-at-all", "?before=1"):
        seat.go(AUDIT + query)
        assert violations(seat.page) == [], query


def test_number_search_works_without_javascript(sit: Sit, vendor: Simulator) -> None:
    seat = sit("auditor", java_script_enabled=False, at=AUDIT)
    seat.page.locator("input[name=number]").fill(NUMBER)
    seat.page.locator("#filters button[type=submit]").click()
    expect(seat.page.locator(".chips")).to_contain_text("•••34")
    assert NUMBER not in seat.page.url + seat.page.content()
