"""Confirmations in the admin have addresses of their own; they are not responses to a POST."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from isales_proxy.accounts import sessions
from isales_proxy.models import User
from tests.support.cases import cases
from tests.support.outbox import text_of
from tests.support.pages import form_of

PEOPLE = "/admin/isales_proxy/user/"


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(username="root"))
    return client


@pytest.fixture
def admin(as_role: Any) -> Client:
    client: Client = as_role("admin")
    # Checks the CSRF token, as a browser's requests are.
    client.handler.enforce_csrf_checks = True
    return client


def start(client: Client, action: str, person: User, query: str = "") -> str:
    """Choose the action in the list of people; return the address that it leads to."""
    token = form_of(text_of(client.get(PEOPLE)))["csrfmiddlewaretoken"]
    form = {"action": action, "_selected_action": str(person.pk), "csrfmiddlewaretoken": token}
    answer = client.post(f"{PEOPLE}{query}", form)
    assert answer.status_code == 303
    return answer.headers["Location"]


@cases("action", ["end_sessions", "reset_second_factor", "delete_selected"])
def test_action_has_a_confirmation_page_with_its_own_address(
    admin: Client, people: dict[str, User], action: str
) -> None:
    address = start(admin, action, people["agent"], "?is_active__exact=1")
    for _time in range(2):
        page = admin.get(address)
        assert page.status_code == 200
        assert "agent" in text_of(page)
        assert User.objects.filter(username="agent").exists()
    done = admin.post(address, form_of(text_of(page)))
    assert done.status_code == 302
    assert done.headers["Location"] == f"{PEOPLE}?is_active__exact=1"
    assert User.objects.filter(username="agent").exists() == (action != "delete_selected")


def test_confirmation_needs_a_post_with_csrf_token(
    admin: Client, people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[User] = []

    def end(*, person: User, **_by: User) -> int:
        ended.append(person)
        return 1

    monkeypatch.setattr(sessions, "end_sessions_and_tokens", end)
    token = form_of(text_of(admin.get(PEOPLE)))["csrfmiddlewaretoken"]
    form = {"action": "end_sessions", "_selected_action": str(people["agent"].pk)}
    address = start(admin, "end_sessions", people["agent"])
    admin.get(f"{address}&confirmed=yes&post=yes")
    assert ended == []
    admin.post(address, form | {"confirmed": "yes"})
    assert ended == []
    admin.post(address, form | {"confirmed": "yes", "csrfmiddlewaretoken": token})
    assert ended == [people["agent"]]


@cases("confirm", ["", "x", "a:b:c", quote('{"action": ["delete_selected"]}')])
def test_forged_confirmation_address_shows_the_list(
    admin: Client, people: dict[str, User], confirm: str
) -> None:
    page = admin.get(f"{PEOPLE}?confirm={confirm}")
    assert page.status_code == 200
    assert 'id="changelist"' in text_of(page)


def test_confirmation_page_shows_only_people_in_scope(
    admin: Client, people: dict[str, User], as_role: Any
) -> None:
    address = start(admin, "end_sessions", people["agent"])
    assert as_role("supervisor").get(address).status_code == 403
    people["agent"].accesses.update(vdn_id=89)
    assert "<li>agent</li>" not in text_of(admin.get(address))


def test_action_continues_with_its_confirmation_after_reauthentication(
    people: dict[str, User], as_role: Any, clock: Any
) -> None:
    client = as_role("admin")
    client.post("/accounts/logout/")
    client.post("/accounts/login/", {"login": "admin", "password": "pass-word-1"})
    clock.shift(3600)
    form = {"action": "end_sessions", "_selected_action": str(people["agent"].pk)}
    asked = client.post(PEOPLE, form)
    assert asked.headers["Location"].startswith("/accounts/reauthenticate/")
    led = client.post(asked.headers["Location"], {"password": "pass-word-1"})
    assert led.status_code == 303
    assert led.headers["Location"].startswith(f"{PEOPLE}?confirm=")
    page = text_of(client.get(led.headers["Location"]))
    assert "<li>agent</li>" in page
    assert client.post(led.headers["Location"], form_of(page)).headers["Location"] == PEOPLE


def test_confirmation_address_is_valid_for_its_person_only(
    admin: Client, people: dict[str, User], root: Client
) -> None:
    address = start(admin, "delete_selected", people["agent"])
    assert 'id="changelist"' in text_of(root.get(address))


def test_refused_deletion_redirects_to_its_page(
    root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = Group.objects.create(name="night shift")
    monkeypatch.setattr(
        "django.contrib.admin.options.ModelAdmin.get_deleted_objects",
        lambda *_args: ([], {}, set(), ["a protected row"]),
    )
    address = f"/admin/auth/group/{group.pk}/delete/"
    answer = root.post(address, {"post": "yes"})
    assert (answer.status_code, answer.headers["Location"]) == (303, address)
    assert "a protected row" in text_of(root.get(address))
