"""API tokens in a browser: made, copied, gone for good, revoked; in both themes and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Seat, Sit
from tests.support.axe import violations
from tests.support.furnished import PASSWORD

pytestmark = pytest.mark.browser

LIST = "/accounts/tokens/"
NEW = f"{LIST}new/"
PHONE = {"width": 360, "height": 740}


def fits(seat: Seat) -> bool:
    return bool(seat.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def make(seat: Seat, name: str) -> str:
    seat.go(NEW)
    if "reauthenticate" in seat.page.url:
        seat.page.locator("input[type=password]").fill(PASSWORD)
        seat.page.locator(".card-page button[type=submit]").click()
        seat.page.wait_for_url(f"**{NEW}")
    assert violations(seat.page) == []
    assert fits(seat)
    seat.page.get_by_label("Name").fill(name)
    seat.page.get_by_role("button", name="Create token").click()
    return seat.page.locator("[data-token-text]").input_value()


@pytest.mark.parametrize(
    ("scheme", "viewport"), [("light", {"width": 1440, "height": 900}), ("dark", PHONE)]
)
def test_new_token_is_shown_once_and_can_be_revoked(
    sit: Sit, scheme: str, viewport: dict[str, int]
) -> None:
    seat = sit("admin", color_scheme=scheme, viewport=viewport)
    text = make(seat, f"By browser, {scheme}")
    assert violations(seat.page) == []
    assert fits(seat)
    asked = seat.page.request.get(
        f"{seat.base}/api/v1/vdns/", headers={"Authorization": f"Token {text}"}
    )
    assert asked.status == 200
    seat.page.get_by_role("link", name="I have copied it").click()
    seat.page.wait_for_url(f"**{LIST}")
    assert violations(seat.page) == []
    assert fits(seat)
    seat.page.get_by_role("link", name=f"Revoke By browser, {scheme}").click()
    seat.page.wait_for_url("**/revoke/")
    assert violations(seat.page) == []
    seat.page.get_by_role("button", name="Revoke").click()
    expect(seat.page.locator("#toasts")).to_contain_text("revoked")
    expect(seat.page.locator("[data-token]")).to_have_count(0)
    refused = seat.page.request.get(
        f"{seat.base}/api/v1/vdns/", headers={"Authorization": f"Token {text}"}
    )
    assert refused.status == 401


def test_going_back_does_not_show_the_token_again(sit: Sit) -> None:
    seat = sit("agent", expected=("410",))
    text = make(seat, "Going back")
    seat.page.get_by_role("link", name="I have copied it").click()
    seat.page.wait_for_url(f"**{LIST}")
    seat.page.go_back()
    seat.page.wait_for_timeout(500)
    assert text not in seat.page.evaluate("document.documentElement.outerHTML")


def test_reload_creates_no_second_token(sit: Sit) -> None:
    seat = sit("auditor", expected=("410",))
    text = make(seat, "Loaded anew")
    with seat.page.expect_navigation():
        seat.page.reload()
    assert text not in seat.page.content()
    expect(seat.page.locator("main [role=status]")).to_contain_text("A token is shown once")
    seat.go(LIST)
    expect(seat.page.locator("[data-token]")).to_have_count(1)
