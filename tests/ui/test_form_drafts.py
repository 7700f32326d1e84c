"""Drafts of forms: typed text is not lost, every POST is redirected, a form has one result."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from isales_proxy.accounts import form_drafts
from isales_proxy.models import ApiToken, CodeNote, FormDraft, User, WriteBack
from isales_proxy.simulator import Simulator
from tests.support.cases import cases
from tests.support.outbox import TASK, text_of
from tests.support.pages import form_of

NEW = "/vdn/88/write-backs/new/"
NOTE = "/vdn/88/result-codes/00604/note/"
TOKENS = "/accounts/tokens/new/"
TASK_PAGE = f"/vdn/88/tasks/{TASK}/"
FIELDS = {"unique_id": "u-7", "service_id": TASK, "fail_code": "00604", "phone_number": "99002233"}
KEPT_TEXTS = {
    NEW: (FIELDS | {"end_call_time": "tomorrow"}, 'value="99002233"'),
    NOTE: ({"meaning_en": "half a thought", "category": "weather"}, "half a thought"),
    TOKENS: ({"name": "Nightly report", "scope": "read", "days": "2"}, "Nightly report"),
    TASK_PAGE: ({"batch_count": "7", "reason": "because"}, "because"),
}
ADDRESSES = sorted(KEPT_TEXTS)


@pytest.fixture
def admin(vendor: Simulator, people: dict[str, User]) -> Client:
    """An admin who has just reauthenticated."""
    client = Client()
    client.force_login(people["admin"])
    client.post(f"/accounts/reauthenticate/?next={TOKENS}", {"password": "pass-word-1"})
    return client


def target(page: str) -> str:
    return f"{page}call-data/" if page == TASK_PAGE else page


def filled(client: Client, page: str, fields: dict[str, str]) -> dict[str, str]:
    return form_of(text_of(client.get(page))) | fields


@cases("page", ADDRESSES)
def test_refused_form_is_shown_at_its_own_address(admin: Client, page: str) -> None:
    fields, kept = KEPT_TEXTS[page]
    answer = admin.post(target(page), filled(admin, page, fields))
    address = answer.headers["Location"]
    assert answer.status_code == 303
    assert re.fullmatch(re.escape(page) + r"\?form=[0-9a-f]{32}", address)
    for _ in range(2):
        page_with_draft = admin.get(address)
        assert page_with_draft.status_code == 422
        assert kept in text_of(page_with_draft)
        assert "field-error" in text_of(page_with_draft)


@cases("page", ADDRESSES)
def test_typed_text_is_restored_on_return(admin: Client, page: str) -> None:
    fields, kept = KEPT_TEXTS[page]
    admin.post(target(page), filled(admin, page, fields))
    back = admin.get(page)
    assert back.status_code == 200
    assert kept in text_of(back)
    assert "data-restored" in text_of(back)
    assert "field-error" not in text_of(back)


@cases("page", ADDRESSES)
def test_starting_over_deletes_the_draft(admin: Client, page: str) -> None:
    fields, kept = KEPT_TEXTS[page]
    form = filled(admin, page, fields)
    admin.post(target(page), form)
    answer = admin.post(target(page), form | {"discard": "again"})
    assert (answer.status_code, answer.headers["Location"]) == (303, page)
    assert kept not in text_of(admin.get(page))
    assert not FormDraft.objects.exists()


@cases("page", ADDRESSES)
def test_half_filled_form_survives_leaving_its_page(admin: Client, page: str) -> None:
    fields, kept = KEPT_TEXTS[page]
    assert admin.post("/preferences/draft/", filled(admin, page, fields)).status_code == 204
    admin.post("/preferences/language/", {"language": "zh-hans", "next": page})
    again = text_of(admin.get(page))
    assert kept in again
    assert 'lang="zh-hans"' in again


def test_draft_is_encrypted_and_only_for_its_person(admin: Client, as_role: Any) -> None:
    answer = admin.post(NEW, filled(admin, NEW, FIELDS))
    other = as_role("supervisor")
    for address in (answer.headers["Location"], NEW):
        assert "99002233" not in text_of(other.get(address))
    stored = str(list(FormDraft.objects.values()))
    assert "99002233" not in stored + answer.headers["Location"]
    # Not even who has the form of another can put something into it.
    form = form_of(text_of(admin.get(NEW))) | {"phone_number": "666"}
    assert other.post("/preferences/draft/", form).status_code == 409


def test_drafts_are_limited_in_number_and_size_and_expire(
    clock: time_machine.Traveller, admin: Client, people: dict[str, User]
) -> None:
    for number in range(form_drafts.MAX_DRAFTS + 5):
        admin.post(f"{NEW}?n={number}", FIELDS | {"unique_id": ""})
    assert FormDraft.objects.count() == form_drafts.MAX_DRAFTS
    answer = admin.post(NEW, FIELDS | {"unique_id": "x" * 40_000}, follow=True)
    assert "too long" in text_of(answer)
    address = admin.post(NEW, FIELDS | {"unique_id": ""}).headers["Location"]
    clock.shift(timedelta(hours=13))
    fresh = Client()
    fresh.force_login(people["admin"])
    assert "99002233" not in text_of(fresh.get(address))
    form_drafts.purge(timezone.now())
    assert not FormDraft.objects.exists()


def test_review_has_an_address_and_its_form_can_be_reopened(admin: Client) -> None:
    answer = admin.post(NEW, filled(admin, NEW, FIELDS))
    review = answer.headers["Location"]
    assert answer.status_code == 303
    assert review.endswith("&review=1")
    assert '"uniqueId": "u-7"' in text_of(admin.get(review))
    form = form_of(text_of(admin.get(review.removesuffix("&review=1"))))
    assert (form["unique_id"], form["phone_number"]) == ("u-7", "99002233")


def test_stored_form_is_not_stored_again_by_going_back(admin: Client) -> None:
    review = admin.post(NEW, filled(admin, NEW, FIELDS)).headers["Location"]
    form = form_of(text_of(admin.get(review))) | {"confirm": "1"}
    stored = admin.post(NEW, form).headers["Location"]
    for address in (review, review.removesuffix("&review=1")):
        assert admin.get(address).headers["Location"] == stored
    # Changed and sent once more it is the same form all the same.
    again = admin.post(NEW, form | {"unique_id": "u-8", "change": "1"})
    assert again.headers["Location"] == stored
    assert WriteBack.objects.count() == 1
    assert "99002233" not in text_of(admin.get(NEW))


def test_cancel_returns_to_the_previous_page_of_this_site_only(admin: Client) -> None:
    came = "/vdn/88/reservations/?page=2"
    page = text_of(admin.get(NEW, headers={"Referer": f"http://testserver{came}"}))
    form = form_of(page) | {"discard": "leave"}
    assert form["back"] == came
    assert admin.post(NEW, form).headers["Location"] == came
    for evil in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil"):
        assert admin.post(NEW, form | {"back": evil}).headers["Location"] == "/"
    elsewhere = text_of(admin.get(NEW, headers={"Referer": "https://evil.example/vdn/"}))
    assert form_of(elsewhere)["back"] == ""


@pytest.mark.parametrize("page", [NOTE, TOKENS])
def test_form_sent_twice_has_one_result(admin: Client, page: str) -> None:
    good = {
        NOTE: {"meaning_en": "Rejected by the customer."},
        TOKENS: {"name": "Wallboard", "scope": "read", "days": "7"},
    }[page]
    form = filled(admin, page, good)
    first, again = (admin.post(page, form) for _ in range(2))
    assert first.status_code == again.status_code == 303
    assert first.headers["Location"] == again.headers["Location"]
    assert ApiToken.objects.count() + CodeNote.objects.count() == 1
    # A draft that arrives after its form brings nothing back, and is no error.
    assert admin.post("/preferences/draft/", form).status_code == 204
    assert "data-restored" not in text_of(admin.get(page))


def test_secret_is_handed_out_once(people: dict[str, User]) -> None:
    def make() -> tuple[str, str]:
        return "/there/", "a secret"

    user = people["admin"]
    assert form_drafts.once(user=user, key="k", make=make) == ("/there/", False)
    assert form_drafts.once(user=user, key="k", make=make) == ("/there/", True)
    assert "a secret" not in str(list(FormDraft.objects.values()))
    assert form_drafts.take_secret(user=people["agent"], key="k") == ""
    assert [form_drafts.take_secret(user=user, key="k") for _ in range(2)] == ["a secret", ""]


def test_failed_form_can_be_sent_again(people: dict[str, User]) -> None:
    def fail() -> tuple[str, str]:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        form_drafts.once(user=people["admin"], key="k", make=fail)
    assert form_drafts.once(user=people["admin"], key="k", make=lambda: ("/a/", "")) == (
        "/a/",
        False,
    )
