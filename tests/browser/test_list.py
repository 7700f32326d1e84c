"""The list in a browser: filters, pages, history, refresh, keys."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.browser.conftest import Seat, Sit
from tests.support.furnished import PASSWORD

pytestmark = pytest.mark.browser


def addresses(seat: Seat) -> str:
    return seat.page.url.removeprefix(seat.base)


def texts(seat: Seat, field: str) -> list[str]:
    return seat.page.locator(f"td[data-field={field}]").all_inner_texts()


def test_wrong_password_shows_an_alert_on_the_log_in_page(sit: Sit) -> None:
    seat = sit(None)
    seat.go("/accounts/login/")
    seat.page.get_by_label("User name").fill("supervisor")
    seat.page.get_by_label("Password").fill("wrong-wrong-wrong")
    seat.page.get_by_role("button", name="Log in").click()
    expect(seat.page.get_by_role("alert")).to_be_visible()
    assert "/accounts/login/" in seat.page.url


def test_log_in_leads_to_the_requested_page(sit: Sit) -> None:
    seat = sit(None)
    seat.go("/vdn/88/result-codes/")
    assert "/accounts/login/" in seat.page.url
    seat.page.get_by_label("User name").fill("auditor")
    seat.page.get_by_label("Password").fill(PASSWORD)
    seat.page.get_by_role("button", name="Log in").click()
    expect(seat.page.get_by_role("heading", name="Result codes")).to_be_visible()


def test_typed_number_filters_after_a_pause(sit: Sit, vendor: Simulator) -> None:
    vendor.add_rows(88, [{"appointId": "901", "calledNo": "990011"}])
    seat = sit()
    vendor.calls.clear()
    seat.page.get_by_label("Called number", exact=True).press_sequentially("990011", delay=20)
    expect(seat.rows()).to_have_count(1)
    expect(seat.page).to_have_url(re.compile(r"called_no=990011$"))
    assert len(vendor.calls.filter(LIST_RESERVATIONS)) == 1
    expect(seat.page.get_by_label("Called number", exact=True)).to_be_focused()


def test_agents_are_added_to_and_removed_from_the_filter(sit: Sit) -> None:
    seat = sit()
    field = seat.page.locator("#f-agent")
    field.fill("116")
    field.press("Enter")
    expect(seat.page).to_have_url(re.compile(r"agent=116"))
    expect(seat.page.locator(".chip-box .chip")).to_have_count(1)
    field.fill("121")
    field.press("Enter")
    expect(seat.page).to_have_url(re.compile(r"agent=116&agent=121"))
    seat.page.locator(".chip-box .chip a").first.click()
    expect(seat.page).not_to_have_url(re.compile(r"agent=116"))
    expect(seat.page).to_have_url(re.compile(r"agent=121"))


def test_typed_task_filters_the_list(sit: Sit) -> None:
    seat = sit()
    seat.page.get_by_label("Task", exact=True).fill("1106025109")
    seat.page.get_by_label("Task", exact=True).press("Enter")
    expect(seat.page).to_have_url(re.compile(r"task=1106025109"))
    seat.settled()
    found = seat.page.locator("td small[data-field=taskId]").all_inner_texts()
    assert set(found) == {"1106025109"}


def test_time_range_is_sent_in_utc(sit: Sit, vendor: Simulator) -> None:
    seat = sit()
    seat.page.get_by_label("From", exact=True).fill("2025-05-15T00:00")
    seat.page.get_by_label("From", exact=True).press("Enter")
    expect(seat.page).to_have_url(re.compile(r"begin=2025-05-15T00%3A00%2B08%3A00$"))
    seat.settled()
    assert vendor.calls[-1].body["beginTime"] == 1747238400000


def test_typed_time_replaces_the_quick_range_and_keeps_its_offset(sit: Sit) -> None:
    seat = sit(at="/vdn/88/reservations/?range=today")
    seat.page.get_by_label("From", exact=True).fill("2025-05-15T00:00")
    seat.page.get_by_label("From", exact=True).press("Enter")
    expect(seat.page).to_have_url(re.compile(r"\?begin=2025-05-15T00%3A00%2B08%3A00$"))
    seat.go("/vdn/88/reservations/?begin=2025-05-15T00%3A00%2B02%3A00")
    expect(seat.page.get_by_label("From", exact=True)).to_have_value("2025-05-15T06:00")
    seat.page.get_by_label("Called number", exact=True).fill("6666")
    expect(seat.page).to_have_url(re.compile(r"called_no=6666&begin=2025-05-15T0.%3A00%2B0"))


@pytest.mark.parametrize("name", ["Next hour", "Today", "Yesterday", "Last 7 days"])
def test_quick_range_is_one_removable_filter(sit: Sit, name: str) -> None:
    seat = sit()
    seat.page.get_by_role("link", name=name, exact=True).click()
    expect(seat.page).to_have_url(re.compile(rf"\?range={name.lower().replace(' ', '-')}$"))
    expect(seat.page.locator(".chips .chip")).to_have_count(1)
    link = seat.page.get_by_role("link", name=name, exact=True)
    expect(link).to_have_attribute("aria-current", "true")
    seat.page.get_by_role("link", name=f"Remove Due {name}").click()
    expect(seat.page.locator(".chips")).to_have_count(0)
    assert addresses(seat) == "/vdn/88/reservations/"


def test_paging_keeps_the_filter_and_a_new_filter_starts_at_page_one(sit: Sit) -> None:
    seat = sit(at="/vdn/88/reservations/?agent=116&size=10")
    seat.page.get_by_role("link", name="Next page").click()
    expect(seat.page).to_have_url(re.compile(r"agent=116&page=2&size=10"))
    expect(seat.page.locator(".pager-text")).to_contain_text("11–20 of")
    seat.page.locator("#goto").fill("3")
    seat.page.locator("#goto").press("Enter")
    expect(seat.page).to_have_url(re.compile(r"page=3"))
    expect(seat.page).to_have_url(re.compile(r"agent=116"))
    seat.page.get_by_label("Called number", exact=True).fill("6666")
    expect(seat.page).to_have_url(re.compile(r"called_no=6666"))
    expect(seat.page).not_to_have_url(re.compile(r"page="))


def test_page_size_can_be_chosen(sit: Sit) -> None:
    seat = sit()
    seat.page.locator(".menu-up summary").click()
    seat.page.get_by_role("link", name="50 per page").click()
    expect(seat.rows()).to_have_count(50)
    expect(seat.page).to_have_url(re.compile(r"size=50"))


def test_back_and_forward_restore_whole_pages_with_their_filter(sit: Sit) -> None:
    seat = sit()
    first = seat.rows().first.get_attribute("data-appoint-id")
    seat.page.get_by_role("link", name="Next page").click()
    expect(seat.page).to_have_url(re.compile(r"page=2"))
    seat.page.get_by_label("Called number", exact=True).fill("6666")
    expect(seat.page).to_have_url(re.compile(r"called_no=6666"))
    seat.page.go_back()
    expect(seat.page).to_have_url(re.compile(r"page=2"))
    expect(seat.page.get_by_label("Called number", exact=True)).to_have_value("")
    expect(seat.page.locator("header.topbar")).to_be_visible()
    seat.page.go_back()
    expect(seat.page.locator("[aria-current=page].pg")).to_have_text("1")
    expect(seat.rows().first).to_have_attribute("data-appoint-id", first or "")
    seat.page.go_forward()
    expect(seat.page.locator("[aria-current=page].pg")).to_have_text("2")
    seat.page.go_forward()
    expect(seat.page.get_by_label("Called number", exact=True)).to_have_value("6666")


def test_reload_keeps_rows_and_filter(sit: Sit) -> None:
    seat = sit()
    seat.page.get_by_label("Called number", exact=True).fill("6666")
    expect(seat.page).to_have_url(re.compile(r"called_no=6666"))
    seat.settled()
    before = texts(seat, "calledNo")
    seat.page.reload()
    assert texts(seat, "calledNo") == before
    expect(seat.page.get_by_label("Called number", exact=True)).to_have_value("6666")


def test_refresh_keeps_rows_focus_and_scroll_position(sit: Sit) -> None:
    seat = sit(viewport={"width": 1440, "height": 500}, at="/vdn/88/reservations/?size=50")
    link = seat.rows().nth(30).locator("a")
    link.focus()
    link.scroll_into_view_if_needed()
    seat.page.evaluate("document.querySelectorAll('tr[data-appoint-id]')[30].mark = 'same'")
    place = link.bounding_box()
    as_of = seat.page.locator("#results").get_attribute("data-as-of")
    seat.page.keyboard.press("r")
    expect(seat.page.locator("#results")).not_to_have_attribute("data-as-of", as_of or "")
    assert seat.rows().nth(30).evaluate("row => row.mark") == "same"
    expect(link).to_be_focused()
    assert link.bounding_box() == place


def test_keyboard_shortcuts_work_except_while_typing(sit: Sit) -> None:
    seat = sit()
    seat.page.keyboard.press("j")
    seat.page.keyboard.press("j")
    expect(seat.rows().nth(1).locator("a")).to_be_focused()
    seat.page.keyboard.press("k")
    expect(seat.rows().nth(0).locator("a")).to_be_focused()
    seat.page.keyboard.press("]")
    expect(seat.page).to_have_url(re.compile(r"page=2"))
    seat.settled()
    seat.page.keyboard.press("[")
    expect(seat.page).not_to_have_url(re.compile(r"page=2"))
    seat.page.keyboard.press("?")
    expect(seat.page.get_by_role("dialog")).to_be_visible()
    seat.page.keyboard.press("Escape")
    seat.page.keyboard.press("/")
    expect(seat.page.get_by_label("Called number", exact=True)).to_be_focused()
    seat.page.keyboard.type("rj?")
    expect(seat.page.get_by_label("Called number", exact=True)).to_have_value("rj?")


def test_empty_list_offers_to_remove_a_filter(sit: Sit) -> None:
    seat = sit(at="/vdn/88/reservations/?called_no=999999999&task=1106025109")
    expect(seat.page.locator("[data-empty=no-match]")).to_be_visible()
    seat.page.get_by_role("link", name="Any called number").click()
    expect(seat.page).not_to_have_url(re.compile("called_no"))
    expect(seat.rows().first).to_be_visible()


def test_invalid_number_is_reported_at_its_field(sit: Sit) -> None:
    seat = sit(expected=("422",))
    seat.page.get_by_label("Called number", exact=True).fill("12ab")
    expect(seat.page.get_by_text("A called number has only digits")).to_be_visible()
    expect(seat.page.get_by_label("Called number", exact=True)).to_have_attribute(
        "aria-invalid", "true"
    )
    expect(seat.page.get_by_label("Called number", exact=True)).to_have_value("12ab")


def test_agent_sees_own_reservations_and_no_agent_filter(sit: Sit) -> None:
    seat = sit("agent")
    expect(seat.page.get_by_role("heading", name="My reservations")).to_be_visible()
    assert set(seat.page.locator("td small[data-field=userAccount]").all_inner_texts()) == {"116"}
    expect(seat.page.locator("#f-agent")).to_have_count(0)


def test_vdn_menu_leads_to_the_other_vdn(sit: Sit) -> None:
    seat = sit()
    seat.page.locator("details.menu summary", has_text="VDN 88").click()
    seat.page.get_by_role("link", name=re.compile("VDN 89")).click()
    expect(seat.page).to_have_url(re.compile("/vdn/89/reservations/"))
    expect(seat.rows().first).to_be_visible()
