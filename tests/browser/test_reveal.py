"""A masked number is shown for thirty seconds, and nothing of it stays behind."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from isales_proxy.simulator import Simulator
from tests.browser.conftest import Seat, Sit
from tests.conftest import AGENT_ACCOUNT

pytestmark = pytest.mark.browser

NUMBER = "6591234567"
LIST = "/vdn/88/reservations/"


@pytest.fixture(autouse=True)
def row(vendor: Simulator) -> None:
    mine = {"userAccount": AGENT_ACCOUNT, "taskId": "4711"}
    vendor.add_rows(88, [{"appointId": "41", "calledNo": NUMBER, **mine}])


def open_panel(seat: Seat) -> None:
    seat.go(f"{LIST}?task=4711")
    seat.rows().first.locator("td").first.click()
    expect(seat.page.locator("#panel-title")).to_have_text("65•••••567")


def send_request(seat: Seat, reason: str = "The customer asked") -> None:
    seat.page.get_by_text("Show number", exact=True).click()
    seat.page.get_by_label("Reason (recorded in the audit)").fill(reason)
    seat.page.get_by_role("button", name="Show for 30 seconds").click()


def test_revealed_number_hides_itself(sit: Sit) -> None:
    seat = sit("agent")
    seat.page.clock.install()
    open_panel(seat)
    send_request(seat)
    shown = seat.page.locator(".revealed-number")
    expect(shown).to_have_text(NUMBER)
    expect(seat.page.locator("[data-hide-after]")).to_be_focused()
    expect(seat.page).to_have_url(re.compile(r"/reservations/41/\?task=4711$"))
    seat.page.clock.fast_forward(20_000)
    expect(seat.page.locator("[data-hide-say]")).to_contain_text(re.compile(r"in (9|10) s"))
    seat.page.clock.fast_forward(11_000)
    expect(shown).to_have_count(0)
    assert NUMBER not in seat.page.content()
    expect(seat.page.locator("#panel")).to_be_visible()


def test_opening_the_reveal_form_focuses_the_reason(sit: Sit) -> None:
    seat = sit("agent")
    open_panel(seat)
    summary = seat.page.get_by_text("Show number", exact=True)
    summary.focus()
    summary.press("Enter")
    expect(seat.page.get_by_label("Reason (recorded in the audit)")).to_be_focused()


def test_back_does_not_show_the_revealed_number_again(sit: Sit) -> None:
    seat = sit("agent")
    open_panel(seat)
    send_request(seat)
    expect(seat.page.locator(".revealed-number")).to_have_text(NUMBER)
    seat.go("/vdn/88/result-codes/")
    seat.page.go_back()
    expect(seat.page.locator("#panel-title")).to_have_text("65•••••567")
    assert NUMBER not in seat.page.content()


def test_too_short_reason_is_reported_at_its_field(sit: Sit) -> None:
    seat = sit("agent", expected=("422",))
    open_panel(seat)
    send_request(seat, "   a   ")
    expect(seat.page.locator("#reveal .field-error")).to_be_visible()
    expect(seat.page.get_by_label("Reason (recorded in the audit)")).to_be_focused()
    assert NUMBER not in seat.page.content()


def test_reveal_works_without_javascript(sit: Sit) -> None:
    seat = sit("agent", java_script_enabled=False, at=f"{LIST}?task=4711")
    seat.rows().first.locator("a").first.click()
    send_request(seat)
    expect(seat.page.locator(".revealed-number")).to_have_text(NUMBER)
    seat.page.get_by_role("link", name="Back", exact=True).click()
    expect(seat.page.locator("#panel-title")).to_have_text("65•••••567")
    assert NUMBER not in seat.page.content()
