"""Error pages and messages name the cause."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from isales_proxy.models import User
from isales_proxy.simulator import Simulator
from tests.support.outbox import TASK, text_of
from tests.support.pages import form_of
from tests.support.second_factor import code, log_in, set_up_app
from tests.support.tokens import token_of

NEW = "/vdn/88/write-backs/new/"
FIELDS = {"unique_id": "u-7", "service_id": TASK, "phone_number": "99002233"}


@pytest.fixture
def browser(vendor: Simulator, people: dict[str, User]) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people["supervisor"])
    return client


def test_form_from_an_unknown_origin_names_the_origin_and_the_setting(browser: Client) -> None:
    form = form_of(text_of(browser.get(NEW))) | FIELDS
    answer = browser.post(NEW, form, headers={"Origin": "https://board.example"})
    assert answer.status_code == 403
    assert "https://board.example" in text_of(answer)
    assert "CSRF_TRUSTED_ORIGINS" in text_of(answer)


def test_missing_cookie_is_reported(people: dict[str, User]) -> None:
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "x"})
    assert answer.status_code == 403
    assert "sent no cookie" in text_of(answer)


def test_missing_csrf_token_is_reported(browser: Client) -> None:
    browser.get(NEW)
    assert "has no valid security token" in text_of(browser.post(NEW, FIELDS))


def test_form_with_an_outdated_csrf_token_is_kept_as_a_draft(
    browser: Client, people: dict[str, User]
) -> None:
    form = form_of(text_of(browser.get(NEW))) | FIELDS
    # Logged in again in another tab: the browser has another CSRF cookie now.
    browser.cookies.pop(settings.CSRF_COOKIE_NAME)
    browser.get("/accounts/login/")
    other = Client(enforce_csrf_checks=True)
    other.get("/accounts/login/")
    name = settings.CSRF_COOKIE_NAME
    browser.cookies[name] = other.cookies[name].value
    answer = browser.post(NEW, form)
    text = text_of(answer)
    assert answer.status_code == 403
    assert "out of date" in text
    assert f'href="{NEW}?form=' in text
    assert form_of(text_of(browser.get(NEW)))["phone_number"] == "99002233"


@pytest.mark.parametrize("header", ["Bearer {}", "Basic {}", "{}", "Token"])
def test_wrong_authorization_scheme_is_not_reported_as_a_bad_token(
    people: dict[str, User], header: str
) -> None:
    from isales_proxy.models import TokenScope

    text = token_of(people["agent"], TokenScope.READ)[1]
    answer = Client().get("/api/v1/vdns/", headers={"Authorization": header.format(text)})
    assert answer.status_code == 401
    assert "Authorization: Token" in answer.json()["detail"]
    assert "revoked" not in answer.json()["detail"]


def test_undecryptable_second_factor_is_not_reported_as_a_wrong_code(
    people: dict[str, User], settings: Any
) -> None:
    secret = set_up_app(log_in("supervisor"))
    settings.SECRET_KEY = "another-secret-key-altogether"
    client = log_in("supervisor")
    answer = client.post(
        "/accounts/second-factor/authenticate/", {"code": code(secret)}, follow=True
    )
    assert "SECRET_KEY" in text_of(answer)
    assert "Incorrect code" not in text_of(answer)


@pytest.mark.django_db
def test_unknown_host_is_reported_with_the_setting(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["board.example"]
    answer = Client().get("/accounts/login/", headers={"Host": "other.example"})
    assert answer.status_code == 400
    assert "ALLOWED_HOSTS" in text_of(answer)


def test_too_large_form_is_reported(browser: Client) -> None:
    browser.handler.enforce_csrf_checks = False
    answer = browser.post(NEW, FIELDS | {"unique_id": "x" * 300_000})
    assert answer.status_code == 413
    assert "The request is too large" in text_of(answer)
