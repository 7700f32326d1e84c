"""Layout on paper, with wider letters, and of cut texts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from isales_proxy.simulator import Simulator
from isales_proxy.simulator.demo_data import HOUR
from isales_proxy.simulator.reservations import to_ms
from tests.browser.conftest import Seat, Sit

pytestmark = pytest.mark.browser

LIST = "/vdn/88/reservations/"
# A sheet of A4 in landscape less its margins, in CSS pixels.
SHEET = {"width": 1032, "height": 703}
CUT = """() => {
    const isCut = (part) => part.scrollWidth > part.clientWidth + 1;
    return [...document.querySelectorAll("table.rows :is(td, th)")]
        .filter((cell) => [cell, ...cell.children].some(isCut))
        .map((cell) => ({
            field: cell.dataset.field ?? "th", title: cell.title, text: cell.innerText
        }));
}"""
BOXES_THAT_SCROLL = """() => {
    const found = [];
    for (let at = document.querySelector("table.rows"); at; at = at.parentElement)
        if (getComputedStyle(at).overflowY !== "visible") found.push(at.className);
    return found;
}"""
# WCAG 1.4.12.
SPACING = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("* { line-height: 1.5 !important; letter-spacing: .12em !important; "
        + "word-spacing: .16em !important; }");
    document.adoptedStyleSheets = [sheet];
}"""


def cut(seat: Seat) -> list[dict[str, Any]]:
    seat.page.evaluate("document.fonts.ready.then(() => true)")
    found: list[dict[str, Any]] = seat.page.evaluate(CUT)
    return found


def on_paper(seat: Seat) -> None:
    seat.page.set_viewport_size(SHEET)
    seat.page.emulate_media(media="print")


def test_row_with_a_second_line_below_its_state_is_as_high_as_others(
    sit: Sit, vendor: Simulator
) -> None:
    """Else the rows below move when its state changes."""
    # A time without a year, so that it takes no second line.
    due_ms = to_ms(timezone.now()) + 5 * HOUR
    odd = {"appointId": "97", "calledNo": "9797", "appointTime": due_ms, "callFlag": "0"}
    vendor.add_rows(88, [odd | {"timeout": True}, odd | {"appointId": "98", "timeout": False}])
    seat = sit(viewport={"width": 1440, "height": 900}, at=f"{LIST}?called_no=9797")
    expect(seat.rows().filter(has_text="expired")).to_have_count(1)
    heights = seat.rows().evaluate_all(
        "rows => rows.map(row => row.getBoundingClientRect().height)"
    )
    assert len(heights) == 2
    assert heights[0] == heights[1]


@pytest.mark.parametrize("width", [1440, 1920])
def test_truncated_cells_have_their_whole_text_as_title(sit: Sit, width: int) -> None:
    seat = sit(viewport={"width": width, "height": 900})
    found = cut(seat)
    assert found
    assert all(cell["title"] == cell["text"] for cell in found)
    seat.page.get_by_role("link", name="Next page").click()
    expect(seat.page).to_have_url(re.compile("page=2"))
    seat.settled()
    assert all(cell["title"] == cell["text"] for cell in cut(seat))


@pytest.mark.parametrize("width", [360, 1440, 1920])
def test_wide_letter_spacing_truncates_no_time_number_or_state(
    sit: Sit, vendor: Simulator, width: int
) -> None:
    # The longest number of E.164, dialled by its prefix.
    vendor.add_rows(88, [{"appointId": f"96{width}", "calledNo": "00999123456789012"}])
    seat = sit(at=f"{LIST}?called_no=00999123456789012", viewport={"width": width, "height": 900})
    expect(seat.rows().first).to_be_visible()
    seat.page.evaluate(SPACING)
    fields = {cell["field"] for cell in cut(seat)}
    assert not fields & {"appointTime", "calledNo", "callFlag", "taskStatus", "callType", "th"}
    assert seat.page.evaluate("document.documentElement.scrollWidth") <= width


def test_printed_list_names_its_filters_and_is_not_truncated(sit: Sit) -> None:
    seat = sit(color_scheme="dark", at=f"{LIST}?called_no=6666&size=50")
    total = int(seat.page.locator("#results").get_attribute("data-total-count") or 0)
    on_paper(seat)
    head = seat.page.locator(".print-head")
    expect(head).to_contain_text("VDN 88 · Support")
    expect(head).to_contain_text("Asia/Shanghai")
    printed = seat.page.locator("[data-print]")
    expect(printed).to_contain_text("Called number 6666")
    expect(seat.page.locator("main").locator("button, .btn").filter(visible=True)).to_have_count(0)
    expect(printed).to_contain_text(f"rows 1–50 of {total:,}")
    for heading in seat.page.locator("table.rows th").all():
        expect(heading).to_be_visible()
    assert cut(seat) == []
    assert seat.page.evaluate("document.documentElement.scrollWidth") <= SHEET["width"]
    expect(seat.page.locator("table.rows thead")).to_have_css("display", "table-header-group")
    due = seat.page.locator("td[data-field=appointTime]").first
    expect(due).to_have_css("white-space-collapse", "collapse")
    expect(due).to_have_css("text-wrap-mode", "nowrap")
    # A box that scrolls or has a height of its own would end with the first sheet.
    assert seat.page.evaluate(BOXES_THAT_SCROLL) == []
    sheets = re.findall(rb"/Type\s*/Page\b", seat.page.pdf(prefer_css_page_size=True))
    assert len(sheets) > 1


@pytest.mark.parametrize(
    ("page", "filters"),
    [
        ("tasks/?q=survey", "survey"),
        ("write-backs/?task=1106025109", "1106025109"),
        ("result-codes/?category=network", "Network"),
        ("audit/?person=admin", "admin"),
        ("settings/", ""),
    ],
)
def test_other_printed_lists_name_their_filters_and_are_not_truncated(
    sit: Sit, page: str, filters: str
) -> None:
    seat = sit("admin", at=f"/vdn/88/{page}")
    on_paper(seat)
    head = seat.page.locator(".print-head")
    expect(head).to_contain_text("VDN 88 · Support")
    expect(head).to_contain_text("Asia/Shanghai")
    if filters:
        used = seat.page.locator("#filters .form-control").filter(visible=True)
        expect(used).to_have_count(1)
        shown = "e => e.selectedOptions ? e.selectedOptions[0].text : e.value"
        assert used.evaluate(shown) == filters
    for table in seat.page.locator("main table.rows").all():
        expect(table.locator("> thead")).to_have_css("display", "table-header-group")
    assert cut(seat) == []
    assert seat.page.evaluate(BOXES_THAT_SCROLL) == []
    assert seat.page.evaluate("document.documentElement.scrollWidth") <= SHEET["width"]


def test_open_panel_is_printed_without_the_list(sit: Sit, vendor: Simulator) -> None:
    seat = sit()
    first = seat.rows().first.get_attribute("data-appoint-id") or ""
    seat.go(f"{LIST}{first}/")
    seat.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    on_paper(seat)
    expect(seat.page.locator("#main")).to_be_hidden()
    expect(seat.page.locator("#panel [data-field=appointId]")).to_be_visible()
    expect(seat.page.locator("#panel [data-field=appointId]")).to_contain_text(first)
