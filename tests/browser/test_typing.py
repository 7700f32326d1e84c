"""Typing in a browser: compositions, names, times with seconds, and rows that stay."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.browser.conftest import Seat, Sit, log_in

pytestmark = pytest.mark.browser

# Longer than the pause after which a field asks.
PAUSE_MS = 900


def asked(vendor: Simulator) -> int:
    return len(vendor.calls.filter(LIST_RESERVATIONS))


@pytest.mark.parametrize("field", ["#f-task", "#f-called-no"])
def test_input_method_composition_is_searched_only_when_it_ends(
    sit: Sit, vendor: Simulator, field: str
) -> None:
    number, name = ("990031", "回访") if field == "#f-task" else ("990032", "外呼")
    row = {"appointId": number, "calledNo": number, "taskId": f"93{number}", "taskName": name}
    vendor.add_rows(88, [row])
    seat = sit(expected=("422",), at=f"/vdn/88/reservations/?called_no={number}")
    seat.go("/vdn/88/reservations/")
    rows = seat.rows().count()
    seat.page.locator(field).focus()
    vendor.calls.clear()
    ime = seat.page.context.new_cdp_session(seat.page)
    for part in ("hui", "hui fang"):
        ime.send(
            "Input.imeSetComposition",
            {"text": part, "selectionStart": len(part), "selectionEnd": len(part)},
        )
        seat.page.wait_for_timeout(PAUSE_MS)
    assert asked(vendor) == 0
    assert seat.rows().count() == rows
    ime.send("Input.insertText", {"text": name if field == "#f-task" else number})
    expect(seat.page).to_have_url(re.compile(r"task=|called_no="))
    expect(seat.rows()).to_have_count(1)
    assert asked(vendor) == 1


def test_unknown_task_typed_keeps_the_rows(sit: Sit) -> None:
    seat = sit(expected=("422",))
    rows = seat.rows().count()
    assert rows
    before = seat.page.url
    field = seat.page.locator("#f-task")
    field.press_sequentially("no such thing", delay=10)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(seat.page.locator("#task-error")).to_be_visible()
    expect(seat.page.locator("#announce")).to_contain_text("Unknown task name")
    assert seat.rows().count() == rows
    assert seat.page.url == before
    expect(field).to_be_focused()
    # Leaving the field asks nothing else, and Enter asks in earnest.
    seat.page.locator("#f-called-no").focus()
    seat.page.wait_for_timeout(PAUSE_MS)
    assert seat.rows().count() == rows
    field.press("Enter")
    expect(seat.rows()).to_have_count(0)


def test_unknown_task_typed_in_the_list_of_write_backs_keeps_the_rows(sit: Sit) -> None:
    seat = sit(at="/vdn/88/write-backs/new/")
    page = seat.page
    page.locator("[name=unique_id]").fill("u-typing")
    page.locator("[name=service_id]").fill("1106025109")
    page.locator("[name=fail_code]").fill("00604")
    page.get_by_role("button", name="Review").click()
    page.locator("button[name=confirm]").click()
    page.wait_for_url(re.compile(r"write-backs/\d+/$"))
    seat.go("/vdn/88/write-backs/")
    rows = page.locator("tr[data-write-back]").count()
    field = page.locator("#f-task")
    field.press_sequentially("no such thing", delay=10)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#announce")).to_contain_text("No write-back has a task")
    assert page.locator("tr[data-write-back]").count() == rows > 0
    assert page.url.endswith("/write-backs/")
    expect(field).to_be_focused()
    expect(field).to_have_value("no such thing")
    field.fill("1106025109")
    expect(page).to_have_url(re.compile("task=1106025109$"))
    expect(field).not_to_have_attribute("aria-invalid", "true")
    field.fill("no such thing")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.press("Enter")
    expect(page.locator("tr[data-write-back]")).to_have_count(0)


def test_agent_is_added_by_name_or_chosen_from_candidates(sit: Sit, vendor: Simulator) -> None:
    vendor.add_rows(
        88,
        [
            {
                "appointId": "941",
                "calledNo": "990041",
                "userAccount": "9411",
                "userName": "Ada Lark",
            },
            {
                "appointId": "942",
                "calledNo": "990041",
                "userAccount": "9412",
                "userName": "Bo Lark",
            },
        ],
    )
    seat = sit(expected=("422",), at="/vdn/88/reservations/?called_no=990041")
    field = seat.page.locator("#f-agent")
    field.fill("Ada Lark")
    field.press("Enter")
    expect(seat.page).to_have_url(re.compile(r"agent=9411"))
    expect(seat.page.locator(".chip-box .chip")).to_have_count(1)
    expect(field).to_have_value("")
    field.fill("Lark")
    field.press("Enter")
    expect(seat.page.locator(".candidates a")).to_have_count(2)
    expect(field).to_have_value("Lark")
    seat.page.locator(".candidates a", has_text="Bo Lark").click()
    expect(seat.page).to_have_url(re.compile(r"agent=9411&agent=9412"))
    expect(seat.page.locator(".chip-box .chip")).to_have_count(2)


def test_seconds_in_the_address_do_not_stop_live_filtering(sit: Sit, vendor: Simulator) -> None:
    row = {"appointId": "951", "calledNo": "990051", "appointTime": 1_900_000_000_000}
    vendor.add_rows(88, [row])
    seat = sit(at="/vdn/88/reservations/?begin=2020-01-01T10:00:30")
    assert seat.page.locator("#f-begin").evaluate("input => input.validity.valid")
    seat.page.locator("#f-called-no").press_sequentially("990051", delay=10)
    expect(seat.rows()).to_have_count(1)


def test_invalid_zone_is_reported_at_its_field(sit: Sit) -> None:
    seat: Seat = sit()
    seat.go("/vdn/88/reservations/?called_no=6")
    seat.page.locator("summary.avatar-btn").click()
    seat.page.locator("#zone").fill("UTC+8")
    seat.page.locator(".zone-form button").click()
    expect(seat.page.locator("#zone-error")).to_be_visible()
    expect(seat.page.locator("#zone")).to_be_focused()
    expect(seat.page).to_have_url(re.compile(r"called_no=6$"))


def test_half_filled_person_is_stored_without_the_password(sit: Sit) -> None:
    seat = sit(None)
    log_in(seat, "admin")
    page = seat.page
    sent: list[str] = []
    page.on(
        "request", lambda one: sent.append(one.post_data or "") if "/draft/" in one.url else None
    )
    seat.go("/admin/isales_proxy/user/add/")
    page.locator("[name=username]").fill("wei")
    page.locator("[name=password1]").fill("A-longer-secret-7")
    page.locator(".add-row a").click()
    page.locator("[name=accesses-1-role]").select_option("auditor")
    with page.expect_response("**/preferences/draft/"):
        page.get_by_role("link", name="People").first.click()
    seat.go("/admin/isales_proxy/user/add/")
    expect(page.locator("[data-restored]")).to_be_visible()
    expect(page.locator("[name=username]")).to_have_value("wei")
    expect(page.locator("[name=accesses-1-role]")).to_have_value("auditor")
    expect(page.locator("[name=password1]")).to_have_value("")
    assert "username=wei" in sent[-1]
    assert "secret" not in "".join(sent)
    page.get_by_role("button", name="Start over").click()
    expect(page.locator("[name=username]")).to_have_value("")


def test_half_filled_vdn_is_stored_without_its_keys(sit: Sit) -> None:
    seat = sit(None)
    log_in(seat, "admin")
    page = seat.page
    sent: list[str] = []
    page.on(
        "request", lambda one: sent.append(one.post_data or "") if "/draft/" in one.url else None
    )
    vdn = "/admin/isales_proxy/vdn/88/change/"
    seat.go(vdn)
    page.locator("[name=app_secret]").fill("A-longer-secret-7")
    page.locator("[name=name]").fill("Half")
    with page.expect_response("**/preferences/draft/"):
        page.get_by_role("link", name="People").first.click()
    seat.go(vdn)
    expect(page.locator("[name=name]")).to_have_value("Half")
    expect(page.locator("[name=app_secret]")).to_have_value("")
    assert "name=Half" in sent[-1]
    assert "secret" not in "".join(sent)
    page.get_by_role("button", name="Start over").click()
    expect(page.locator("[name=name]")).to_have_value("Support")
