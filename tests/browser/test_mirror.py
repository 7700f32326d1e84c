"""The complete list in a browser: tabs, order, the list as it was, and both themes of it.

The mirror of VDN 89 was filled once, when the product started, and stays as it was then.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MIRRORED, Seat, Sit
from tests.support.axe import violations

pytestmark = pytest.mark.browser

MIRROR = f"{MIRRORED}?source=mirror"


def count_of(seat: Seat, tab: str) -> str:
    return seat.page.locator(f"[data-tab={tab}]").get_attribute("data-count") or ""


def total_of(seat: Seat) -> str:
    return seat.page.locator("#results").get_attribute("data-total-count") or ""


def test_tabs_open_as_many_rows_as_they_count(sit: Sit) -> None:
    seat = sit(at=MIRROR)
    tabs = seat.page.locator("nav[data-tabs] a")
    names = [tab.get_attribute("data-tab") or "" for tab in tabs.all()]
    assert names == [
        *("open", "overdue", "dialling", "soon", "today", "failed", "done", "gone", "all")
    ]
    for name in ("failed", "overdue", "all"):
        expected = count_of(seat, name)
        seat.page.locator(f"[data-tab={name}]").click()
        expect(seat.page.locator(f"[data-tab={name}]")).to_have_attribute("aria-current", "true")
        seat.settled()
        assert total_of(seat) == expected != "0"
        expect(seat.page.locator(f"[data-tab={name}]")).to_be_focused()
    # Each part of the list has an address, and Back leads to the part before.
    expect(seat.page).to_have_url(re.compile("tab=all"))
    seat.page.go_back()
    expect(seat.page.locator("[data-tab=overdue]")).to_have_attribute("aria-current", "true")


def test_headings_sort_and_keep_the_focus(sit: Sit) -> None:
    seat = sit(at=f"{MIRROR}&tab=all")
    heading = seat.page.locator("th:has(#sort-number)")
    for order in ("ascending", "descending"):
        heading.get_by_role("link").click()
        expect(heading).to_have_attribute("aria-sort", order)
        seat.settled()
        numbers = seat.page.locator("tbody [data-field=calledNo]").all_inner_texts()
        assert len(numbers) > 10
        assert numbers == sorted(numbers, reverse=order == "descending")
        expect(heading.get_by_role("link")).to_be_focused()


def test_name_column_is_wide_when_result_columns_are_empty(sit: Sit) -> None:
    seat = sit(at=f"{MIRROR}&tab=open&size=100", viewport={"width": 1920, "height": 900})
    seat.page.evaluate("document.fonts.ready.then(() => true)")
    is_cut = """(cell, text) => {
        cell.replaceChildren(text);
        return cell.scrollWidth > cell.clientWidth + 1;
    }"""
    cell = seat.page.locator("table.rows td[data-field=taskName]").first
    assert not cell.evaluate(is_cut, "Appointment reminders, dental clinics of the north")
    assert cell.evaluate(is_cut, "Appointment reminders, dental clinics of the north" * 3)


def test_past_list_opens_rows_as_they_were(sit: Sit) -> None:
    # In the zone of VDN 89; the mirror was filled before.
    moment = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    seat = sit(at=f"{MIRROR}&tab=all&as_of={moment}")
    bar = seat.page.locator("[data-source-bar]")
    expect(bar.get_by_role("link", name="Back to now")).to_be_visible()
    assert seat.rows().count() == 25
    row = seat.rows().nth(2)
    ident = row.get_attribute("data-appoint-id") or ""
    row.locator("td").first.click()
    expect(seat.page.locator("#panel [data-field=appointId]")).to_contain_text(ident)
    expect(seat.page.locator("#panel [data-past]")).to_be_visible()
    expect(seat.page).to_have_url(re.compile(f"/reservations/{ident}/.*as_of="))
    seat.page.locator("#panel").get_by_role("link", name="Show it as it is now").click()
    expect(seat.page.locator("#panel [data-past]")).to_have_count(0)
    expect(seat.page.locator("#panel [data-field=appointId]")).to_contain_text(ident)
    expect(seat.page).not_to_have_url(re.compile("as_of="))


@pytest.mark.parametrize(
    ("language", "theme", "viewport"),
    [
        ("en-US", "light", {"width": 1440, "height": 900}),
        ("zh-CN", "dark", {"width": 360, "height": 740}),
    ],
    ids=["en-light-wide", "zh-dark-narrow"],
)
def test_complete_list_is_accessible(
    sit: Sit, language: str, theme: str, viewport: dict[str, int]
) -> None:
    options: dict[str, Any] = {"viewport": viewport, "color_scheme": theme, "locale": language}
    for query in ("&tab=all", "&tab=overdue&sort=-due", "&tab=all&q=no-such-name", "&tab=gone"):
        seat = sit(at=f"{MIRROR}{query}", **options)
        assert violations(seat.page) == [], query
        width = seat.page.evaluate("document.documentElement.scrollWidth")
        assert width <= viewport["width"], "the page scrolls sideways"
