"""The side panel: one reservation beside the list, with an address of its own."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.browser.conftest import Seat, Sit

pytestmark = pytest.mark.browser


def open_row(seat: Seat, place: int = 2) -> str:
    row = seat.rows().nth(place)
    ident = row.get_attribute("data-appoint-id") or ""
    row.locator("td").first.click()
    expect(seat.page.locator("#panel [data-field=appointId]")).to_contain_text(ident)
    return ident


def test_click_opens_the_panel_and_escape_closes_it(sit: Sit) -> None:
    seat = sit()
    ident = open_row(seat)
    expect(seat.page.locator("#panel div[data-field]")).to_have_count(18)
    expect(seat.page).to_have_url(re.compile(f"/reservations/{ident}/"))
    seat.page.keyboard.press("Escape")
    expect(seat.page.locator("#panel")).to_be_hidden()
    expect(seat.page).to_have_url(re.compile("/reservations/$"))
    expect(seat.rows().nth(2).locator("a")).to_be_focused()


def test_enter_key_opens_the_panel(sit: Sit) -> None:
    seat = sit()
    seat.page.keyboard.press("j")
    seat.page.keyboard.press("Enter")
    expect(seat.page.locator("#panel-title")).to_be_focused()


def test_panel_address_opens_the_panel_for_another_person(sit: Sit) -> None:
    seat = sit(at="/vdn/88/reservations/?task=1106025109")
    ident = open_row(seat)
    address = seat.page.url.removeprefix(seat.base)
    assert "task=1106025109" in address
    other = sit("auditor", at=address)
    expect(other.page.locator("#panel [data-field=appointId]")).to_contain_text(ident)
    expect(other.rows().first).to_be_visible()
    other.page.get_by_role("link", name="Close").click()
    expect(other.page.locator("#panel")).to_be_hidden()
    expect(other.page).to_have_url(re.compile(r"/reservations/\?task=1106025109$"))


def test_back_closes_the_panel_and_forward_opens_it(sit: Sit) -> None:
    seat = sit()
    ident = open_row(seat)
    seat.page.go_back()
    expect(seat.page.locator("#panel")).to_be_hidden()
    expect(seat.rows().first).to_be_visible()
    seat.page.go_forward()
    expect(seat.page.locator("#panel [data-field=appointId]")).to_contain_text(ident)


def test_panel_stays_open_while_the_list_is_refreshed(sit: Sit, vendor: Simulator) -> None:
    seat = sit()
    ident = open_row(seat)
    as_of = seat.page.locator("#results").get_attribute("data-as-of")
    seat.page.get_by_role("link", name="Refresh").or_(
        seat.page.get_by_role("button", name="Refresh")
    ).click()
    expect(seat.page.locator("#results")).not_to_have_attribute("data-as-of", as_of or "")
    expect(seat.page.locator("#panel [data-field=appointId]")).to_contain_text(ident)


def test_panel_shows_other_reservations_of_the_number(sit: Sit, vendor: Simulator) -> None:
    vendor.add_rows(
        88,
        [
            {"appointId": "911", "calledNo": "990022", "userName": "Ana"},
            {"appointId": "912", "calledNo": "990022", "userName": "Bo", "failCode": "00604"},
        ],
    )
    seat = sit(at="/vdn/88/reservations/911/?called_no=990022")
    related = seat.page.locator(".related")
    expect(related.get_by_text("Bo", exact=True)).to_be_visible()
    expect(related.get_by_text("The call is rejected.")).to_be_visible()
    # Two calls: the list beside the panel, and the number's own.
    assert len(vendor.calls.filter(LIST_RESERVATIONS)) <= 3


def test_field_is_copied_to_the_clipboard(sit: Sit) -> None:
    seat = sit(permissions=["clipboard-read", "clipboard-write"])
    ident = open_row(seat)
    seat.page.locator("#identifiers summary").click()
    seat.page.get_by_role("button", name="Copy Reservation ID").click()
    assert seat.page.evaluate("navigator.clipboard.readText()") == ident
    expect(seat.page.get_by_text("Reservation ID copied")).to_be_visible()


def test_missing_reservation_is_reported_in_the_panel(sit: Sit) -> None:
    seat = sit(expected=("404",), at="/vdn/88/reservations/4711/")
    expect(seat.page.locator("[data-empty=missing]")).to_be_visible()
    expect(seat.rows().first).to_be_visible()


def test_j_and_k_move_the_open_panel_to_other_rows(sit: Sit) -> None:
    seat = sit()
    open_row(seat, 0)
    seat.page.locator("#identifiers summary").click()
    for _ in range(3):
        seat.page.keyboard.press("j")
    third = seat.rows().nth(3)
    ident = third.get_attribute("data-appoint-id") or ""
    expect(seat.page.locator("#panel [data-field=appointId]")).to_contain_text(ident)
    expect(seat.page).to_have_url(re.compile(f"/reservations/{ident}/"))
    expect(third.locator("a")).to_be_focused()
    # What was unfolded once stays so, and one step back is the list.
    expect(seat.page.locator("#identifiers")).to_have_attribute("open", "")
    seat.page.keyboard.press("Escape")
    expect(seat.page.locator("#panel")).to_be_hidden()
    expect(seat.page).to_have_url(re.compile("/reservations/$"))
    expect(third.locator("a")).to_be_focused()
