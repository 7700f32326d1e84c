"""Focus, announcements and typed text survive a change of the page."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.browser.conftest import Seat, Sit

pytestmark = pytest.mark.browser

LIST = "/vdn/88/reservations/"
NUMBER = "Called number"
COUNTED = re.compile(r"\d+–\d+ of [\d,]+")


def press(link: Locator) -> None:
    """Activate by keyboard, as somebody without a mouse does."""
    link.focus()
    link.press("Enter")


def read_aloud(seat: Seat, text: str | re.Pattern[str]) -> None:
    expect(seat.page.locator("#announce")).to_have_text(text)


@pytest.mark.parametrize("way", ["Clear", f"Remove {NUMBER} 6666"])
def test_number_typed_again_after_removal_is_searched_again(
    sit: Sit, vendor: Simulator, way: str
) -> None:
    seat = sit()
    field = seat.page.get_by_label(NUMBER, exact=True)
    field.fill("6666")
    expect(seat.page).to_have_url(re.compile("called_no=6666"))
    seat.settled()
    total = seat.page.locator("#results").get_attribute("data-total-count")
    seat.page.get_by_role("link", name=way, exact=True).click()
    expect(seat.page).not_to_have_url(re.compile("called_no"))
    seat.settled()
    vendor.calls.clear()
    field.fill("6666")
    expect(seat.page).to_have_url(re.compile("called_no=6666"))
    expect(seat.page.locator("#results")).to_have_attribute("data-total-count", total or "")
    assert len(vendor.calls.filter(LIST_RESERVATIONS)) == 1


def test_code_typed_again_is_searched_again(sit: Sit) -> None:
    seat = sit(at="/vdn/88/result-codes/")
    field = seat.page.get_by_label("Search", exact=True)
    for text in ("00604", "", "00604"):
        field.fill(text)
        expect(seat.page).to_have_url(re.compile(f"q={text}$" if text else "codes/$"))
    expect(seat.page.locator("tr[data-code]")).to_have_count(1)


def test_fields_of_the_code_table_show_the_filters_in_effect(sit: Sit) -> None:
    seat = sit(at="/vdn/88/result-codes/")
    field, category = seat.page.get_by_label("Search", exact=True), seat.page.locator("#f-category")
    field.fill("busy")
    # Leaves the field before the answer is there.
    category.focus()
    expect(seat.page).to_have_url(re.compile("q=busy$"))
    expect(field).to_have_value("busy")
    category.select_option("network")
    expect(seat.page).to_have_url(re.compile("category=network"))
    expect(field).to_have_value("busy")
    field.fill("zzzz")
    press(seat.page.get_by_role("link", name="Show all codes"))
    expect(seat.page.locator("tr[data-code]").first).to_be_visible()
    expect(field).to_have_value("")
    expect(category).to_have_value("")
    expect(seat.page.locator("#results")).to_be_focused()
    read_aloud(seat, re.compile(r"^\d+ codes$"))


def test_next_page_link_keeps_the_focus_on_every_page(sit: Sit) -> None:
    seat = sit(at=f"{LIST}?size=10")
    following = seat.page.get_by_role("link", name="Next page")
    following.focus()
    for page in range(2, 7):
        seat.page.keyboard.press("Enter")
        expect(seat.page).to_have_url(re.compile(rf"page={page}\b"))
        expect(following).to_be_focused()
        first = (page - 1) * 10 + 1
        read_aloud(seat, re.compile(f"^{first}–"))


def test_each_page_of_call_data_is_announced(sit: Sit) -> None:
    seat = sit(at="/vdn/88/tasks/1106025109/")
    seat.page.locator("#take-form [name=batch_count]").fill("7")
    seat.page.locator("#take-form [name=confirmed]").check()
    seat.page.locator("#take-form button[type=submit]").first.click()
    seat.page.wait_for_url("**/call-data/*/")
    seat.go("/vdn/88/tasks/1106025109/?size=1")
    following = seat.page.get_by_role("link", name="Next page")
    following.focus()
    for page in range(2, 6):
        seat.page.keyboard.press("Enter")
        expect(seat.page).to_have_url(re.compile(rf"page={page}\b"))
        expect(following).to_be_focused()
        read_aloud(seat, re.compile(rf"^{page}–{page} of \d+$"))


def test_focus_stays_in_the_pager_on_the_last_page(sit: Sit, vendor: Simulator) -> None:
    vendor.add_rows(88, [{"appointId": f"97{n}", "calledNo": "990077"} for n in range(12)])
    seat = sit(at=f"{LIST}?called_no=990077&size=10")
    press(seat.page.get_by_role("link", name="Next page"))
    expect(seat.page).to_have_url(re.compile("page=2"))
    expect(seat.page.get_by_role("link", name="Page 2", exact=True)).to_be_focused()


@pytest.mark.parametrize(
    ("query", "link", "label"),
    [
        ("called_no=6666", f"Remove {NUMBER} 6666", NUMBER),
        ("task=1106025109", re.compile("^Remove Task"), "Task"),
        ("agent=116", re.compile("^Remove "), "Agents"),
        ("called_no=6666&task=1106025109", "Clear", NUMBER),
    ],
)
def test_removed_filter_moves_the_focus_to_its_field(
    sit: Sit, query: str, link: str | re.Pattern[str], label: str
) -> None:
    seat = sit(at=f"{LIST}?{query}")
    press(seat.page.get_by_role("link", name=link, exact=isinstance(link, str)).first)
    expect(seat.page.get_by_label(label, exact=True)).to_be_focused()
    read_aloud(seat, COUNTED)


def test_removed_quick_range_moves_the_focus_to_the_filters(sit: Sit) -> None:
    seat = sit()
    press(seat.page.get_by_role("link", name="Last 7 days", exact=True))
    expect(seat.page.get_by_role("link", name="Last 7 days", exact=True)).to_be_focused()
    press(seat.page.get_by_role("link", name="Remove Due Last 7 days"))
    expect(seat.page.get_by_label(NUMBER, exact=True)).to_be_focused()


@pytest.mark.parametrize(
    ("query", "link"),
    [
        ("called_no=999999999&task=1106025109", "Any called number"),
        ("page=9999", "first page"),
    ],
)
def test_link_of_an_empty_list_moves_the_focus_to_the_results(
    sit: Sit, query: str, link: str
) -> None:
    seat = sit(at=f"{LIST}?{query}")
    press(seat.page.locator(".empty-state").get_by_role("link", name=re.compile(link, re.I)))
    expect(seat.rows().first).to_be_visible()
    expect(seat.page.locator("#results")).to_be_focused()
    read_aloud(seat, COUNTED)


def test_choice_of_a_page_size_returns_the_focus_to_its_menu(sit: Sit) -> None:
    seat = sit()
    menu = seat.page.locator(".menu-up summary")
    press(menu)
    press(seat.page.locator(".menu-up a").nth(2))
    expect(seat.rows()).to_have_count(50)
    expect(menu).to_be_focused()


@pytest.fixture
def new_code(vendor: Simulator) -> Iterator[None]:
    vendor.codes["70099"] = ("Once more", "再来一次")
    yield
    vendor.codes.pop("70099", None)


def test_button_disabled_during_a_request_gets_the_focus_back(sit: Sit, new_code: None) -> None:
    seat = sit("admin", at="/vdn/88/result-codes/")
    button = seat.page.locator("#read-again button")
    press(button)
    shown = seat.page.locator("#code-refresh")
    expect(shown).to_have_attribute("data-state", "diff")
    expect(button).to_be_focused()
    press(shown.locator("#apply-codes button").first)
    expect(shown).to_have_attribute("data-state", "done")
    expect(shown).to_be_focused()


def test_menu_closes_when_the_focus_leaves_it(sit: Sit) -> None:
    seat = sit()
    menu = seat.page.locator("details.menu:has(button[value='zh-hans'])")
    press(menu.locator("summary"))
    expect(menu).to_have_attribute("open", "")
    seat.page.keyboard.press("Tab")
    expect(menu.locator("button").first).to_be_focused()
    seat.page.get_by_label(NUMBER, exact=True).focus()
    expect(menu).not_to_have_attribute("open", "")


def test_removed_event_type_moves_the_focus_to_the_type_menu(sit: Sit) -> None:
    seat = sit("auditor", at="/vdn/88/audit/?kind=person.access")
    press(seat.page.get_by_role("link", name=re.compile("^Remove Event type")))
    expect(seat.page).not_to_have_url(re.compile("kind="))
    expect(seat.page.locator(".kinds > summary")).to_be_focused()
    read_aloud(seat, re.compile(r"\d"))
