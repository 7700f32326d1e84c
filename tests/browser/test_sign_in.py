"""Logging in with a browser: a security key, an authenticator app, and where one is logged in."""

from __future__ import annotations

import time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import expect

from tests.browser.conftest import Seat, Sit
from tests.support.axe import violations
from tests.support.furnished import PASSWORD

pytestmark = pytest.mark.browser

FACTOR = "/accounts/second-factor/"
NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1440, "height": 900}
# WebAuthn wants a host name, and plain HTTP on this one alone.
HOST = "localhost"


def seated(sit: Sit, **options: object) -> Seat:
    """A browser at the log-in page, at an address where security keys work."""
    seat = sit(None, **options)
    seat.base = seat.base.replace("127.0.0.1", HOST)
    return seat


def give_password(seat: Seat) -> None:
    seat.go("/accounts/login/")
    seat.page.get_by_label("User name").fill("keyholder")
    seat.page.get_by_label("Password").fill(PASSWORD)
    seat.page.get_by_role("button", name="Log in").click()


def plug_in(seat: Seat) -> None:
    """A virtual security key that is touched at once."""
    line = seat.page.context.new_cdp_session(seat.page)
    line.send("WebAuthn.enable")
    line.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "usb",
                "hasResidentKey": False,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )


def arrived(seat: Seat) -> None:
    seat.page.wait_for_url("**/reservations/")


def add_key(seat: Seat, name: str) -> None:
    seat.go(f"{FACTOR}webauthn/add/")
    seat.page.get_by_label("Key name").fill(name)
    seat.page.get_by_role("button", name="Add it now").click()


def remove_first_key(seat: Seat) -> None:
    seat.go(f"{FACTOR}webauthn/")
    seat.page.get_by_role("link", name="Remove").first.click()
    seat.page.get_by_role("button", name="Remove").click()
    seat.page.wait_for_url(f"**{FACTOR}webauthn/")


@pytest.fixture
def holder(sit: Sit) -> Seat:
    """Return a seat that is logged in, with a virtual security key."""
    seat = seated(sit)
    plug_in(seat)
    give_password(seat)
    arrived(seat)
    return seat


def test_security_key_is_added_used_at_log_in_and_removed(holder: Seat) -> None:
    page = holder.page
    add_key(holder, "Blue key")
    page.wait_for_url("**/recovery-codes/")
    expect(page.locator(".codes li")).to_have_count(10)
    holder.go(f"{FACTOR}webauthn/")
    expect(page.locator("[data-key]")).to_contain_text("Blue key")
    page.get_by_role("link", name="Rename").click()
    page.get_by_label("Key name").fill("Red key")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("[data-key]")).to_contain_text("Red key")
    # Out and in again, with the key.
    holder.go("/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Log out").click()
    give_password(holder)
    page.wait_for_url(f"**{FACTOR}authenticate/")
    page.get_by_role("button", name="Use a security key").click()
    arrived(holder)
    remove_first_key(holder)
    expect(page.locator("[data-key]")).to_have_count(0)


def test_security_key_that_fails_is_reported(sit: Sit) -> None:
    seat = seated(sit)
    give_password(seat)
    arrived(seat)
    seat.go(f"{FACTOR}webauthn/add/")
    seat.page.evaluate(
        "() => { navigator.credentials.create = () => Promise.reject(new Error('no key')); }"
    )
    button = seat.page.get_by_role("button", name="Add it now")
    button.click()
    expect(seat.page.get_by_role("alert")).to_contain_text("did not answer")
    expect(button).to_be_enabled()


def test_authenticator_app_is_set_up_used_at_log_in_and_removed(sit: Sit) -> None:
    seat = seated(sit)
    page = seat.page
    give_password(seat)
    arrived(seat)
    seat.go(f"{FACTOR}totp/activate/")
    # The policy lets the QR code be drawn.
    assert page.locator("img.qr").evaluate("image => image.naturalWidth") > 0
    page.get_by_text("Without a camera").click()
    secret = page.locator("[data-secret]").inner_text()
    page.get_by_label("Code from the app").fill(code(secret))
    page.get_by_role("button", name="Set up").click()
    page.wait_for_url("**/recovery-codes/")
    codes = page.locator(".codes li").all_inner_texts()
    seat.go("/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Log out").click()
    give_password(seat)
    page.wait_for_url(f"**{FACTOR}authenticate/")
    page.get_by_label("Code").fill("123")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Log in").click()
    arrived(seat)
    seat.go(f"{FACTOR}totp/deactivate/")
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("[data-factor=none]")).to_be_visible()


def code(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def test_ending_other_sessions_logs_them_out(sit: Sit) -> None:
    here, there = seated(sit), seated(sit)
    for seat in (here, there):
        give_password(seat)
        arrived(seat)
    here.go("/accounts/sessions/")
    expect(here.page.locator("[data-session][data-current]")).to_have_count(1)
    here.page.get_by_role("button", name="End all others").click()
    expect(here.page.locator("[data-session]")).to_have_count(1)
    # What is on the screen there asks for the next page as a fragment, and finds the log-in.
    there.page.locator("#refresh").click()
    there.page.wait_for_url("**/accounts/login/**")


@pytest.mark.parametrize(
    ("viewport", "theme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"]
)
def test_account_pages_are_accessible(sit: Sit, viewport: dict[str, int], theme: str) -> None:
    seat = seated(sit, viewport=viewport, color_scheme=theme)
    plug_in(seat)
    give_password(seat)
    arrived(seat)
    for path in (
        "/accounts/",
        "/accounts/sessions/",
        FACTOR,
        f"{FACTOR}totp/activate/",
        f"{FACTOR}webauthn/add/",
        f"{FACTOR}webauthn/",
    ):
        seat.go(path)
        assert violations(seat.page) == [], path
        wide = seat.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, path
    seat.go("/accounts/sessions/")
    others = seat.page.get_by_role("button", name="End all others")
    if others.count():
        others.click()
        expect(seat.page.locator("[data-session]")).to_have_count(1)


def test_pages_of_reauthentication_are_accessible(holder: Seat) -> None:
    page = holder.page
    add_key(holder, "Blue key")
    page.wait_for_url("**/recovery-codes/")
    assert violations(holder.page) == []
    for path in (f"{FACTOR}webauthn/reauthenticate/", f"{FACTOR}reauthenticate/"):
        holder.go(f"{path}?next={FACTOR}")
        assert violations(holder.page) == [], path
    holder.go("/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Log out").click()
    give_password(holder)
    page.wait_for_url(f"**{FACTOR}authenticate/")
    assert violations(holder.page) == []
    page.get_by_role("button", name="Use a security key").click()
    arrived(holder)
    holder.go(f"{FACTOR}webauthn/reauthenticate/?next={FACTOR}")
    page.get_by_role("button", name="Use a security key").click()
    # The address that asks names the one that it leads to.
    page.wait_for_url(lambda url: "reauthenticate" not in url)
    remove_first_key(holder)


def test_automatic_refresh_sends_the_poll_header(sit: Sit) -> None:
    seat = sit("supervisor", at="/vdn/88/write-backs/")
    with seat.page.expect_request(lambda asked: "x-poll" in asked.headers) as found:
        # As if some were waiting to be delivered.
        seat.page.evaluate("document.getElementById('results').dataset.pollUrl = location.pathname")
    assert found.value.headers["hx-request"] == "true"
