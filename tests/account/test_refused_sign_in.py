"""Refused forms of the log-in: browsers can go back to the page and reload it."""

from __future__ import annotations

import html
import re

import pytest
import time_machine
from django.test import Client

from isales_proxy.models import User
from tests.support.outbox import text_of
from tests.support.second_factor import GIVE, PASSWORD, SET_UP, code, log_in

LOG_IN = "/accounts/login/"
WANTED = "/vdn/88/tasks/"


@pytest.mark.django_db
def test_wrong_password_is_reported_once_after_a_redirect(people: dict[str, User]) -> None:
    client = Client()
    body = {"login": "supervisor", "password": "not-the-password", "next": WANTED}
    answer = client.post(LOG_IN, body)
    assert answer.status_code == 303
    assert "not-the-password" not in str(answer.cookies)
    page = client.get(answer.headers["Location"])
    assert "User name or password is wrong." in text_of(page)
    assert 'value="supervisor"' in text_of(page)
    assert f'name="next" value="{WANTED}"' in text_of(page)
    again = text_of(client.get(answer.headers["Location"]))
    assert "User name or password is wrong." not in again
    right = client.post(LOG_IN, body | {"password": PASSWORD})
    assert right.headers["Location"] == WANTED


@pytest.mark.django_db
def test_refused_form_is_shown_on_its_own_page_only(people: dict[str, User]) -> None:
    client = log_in("supervisor")
    change = "/accounts/password/change/"
    refused = client.post(
        change, {"oldpassword": "wrong", "password1": "New-secret-77", "password2": "other"}
    )
    assert (refused.status_code, refused.headers["Location"]) == (303, change)
    assert 'class="field-error"' not in text_of(client.get("/accounts/reauthenticate/"))
    page = text_of(client.get(change))
    assert 'id="id_oldpassword_error"' in page
    assert re.search(r'name="oldpassword"[^>]*aria-describedby="id_oldpassword_error"', page)


@pytest.mark.django_db
def test_wrong_code_at_set_up_keeps_the_secret(people: dict[str, User]) -> None:
    with time_machine.travel("2026-03-01 10:00:00Z", tick=False) as clock:
        client = log_in("supervisor")
        first = _secret(text_of(client.get(SET_UP)))
        refused = client.post(SET_UP, {"code": "000000"})
        assert refused.status_code == 303
        page = text_of(client.get(refused.headers["Location"]))
        assert "Incorrect code" in page
        assert _secret(page) == first
        assert client.post(SET_UP, {"code": code(first)}).status_code == 302
        clock.shift(40)
        stage = log_in("supervisor")
        wrong = stage.post(GIVE, {"code": "000000"})
        assert wrong.status_code == 303
        assert "Incorrect code" in text_of(stage.get(wrong.headers["Location"]))


@pytest.mark.django_db
def test_forged_cookie_of_a_refused_form_does_not_break_the_page(people: dict[str, User]) -> None:
    client = Client()
    client.cookies["callboard-refused-form"] = '["/accounts/login/", {}]'
    assert client.get(LOG_IN).status_code == 200


@pytest.mark.django_db
def test_invisible_characters_in_a_user_name_are_ignored(people: dict[str, User]) -> None:
    name = "\u200bsupervisor\ufeff"
    assert Client().post(LOG_IN, {"login": name, "password": PASSWORD}).status_code == 302


def _secret(page: str) -> str:
    found = re.search(r"data-secret>([^<]+)<", page)
    assert found
    return html.unescape(found[1])
