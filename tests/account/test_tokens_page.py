"""The page of one's own API tokens, and those of others in Django's admin."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from time_machine import Traveller

from isales_proxy.accounts import tokens
from isales_proxy.jobs import apply_retention
from isales_proxy.models import Access, ApiToken, AuditAction, AuditEvent, Role, TokenScope, User
from tests.support.cases import cases
from tests.support.pages import form_of
from tests.support.tokens import program, token_of

LIST = "/accounts/tokens/"
NEW = f"{LIST}new/"
FIELDS = {"name": "Nightly report", "scope": "read", "days": "30"}


@pytest.fixture
def sure(people: dict[str, User]) -> Callable[[str], Client]:
    """Return a function that logs a role in, with reauthentication, and returns the client."""

    def log_in(role: str) -> Client:
        client = Client()
        client.force_login(people[role])
        answer = client.get(NEW)
        assert answer.status_code == 302
        address = answer.headers["Location"]
        assert address.startswith("/accounts/reauthenticate/")
        assert client.post(address, {"password": "pass-word-1"}).headers["Location"] == NEW
        return client

    return log_in


def text_of(answer: Any) -> str:
    page = html.unescape(answer.content.decode())
    found = re.search(r"<textarea[^>]+data-token-text>([^<]+)<", page)
    return found[1] if found else ""


def make(client: Client, **values: str) -> Any:
    form = form_of(client.get(NEW).content.decode()) | FIELDS | values
    return client.post(NEW, form, follow=True)


def test_new_token_works_and_is_shown_once(
    sure: Callable[[str], Client], people: dict[str, User]
) -> None:
    client = sure("supervisor")
    filled = form_of(client.get(NEW).content.decode()) | FIELDS
    answer = client.post(NEW, filled, follow=True)
    text = text_of(answer)
    assert program(text).get("/api/v1/vdns/").status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]

    token = ApiToken.objects.get()
    assert (token.user, token.name, token.scope) == (people["supervisor"], FIELDS["name"], "read")
    assert token.expiry is not None
    assert timedelta(days=29) < token.expiry - datetime.now(UTC) <= timedelta(days=30)
    assert text not in str(ApiToken.objects.values())

    # The page loaded again shows nothing, and the form sent again makes no second token.
    again = client.get(answer.redirect_chain[-1][0])
    assert (again.status_code, text_of(again)) == (410, "")
    again = client.post(NEW, filled, follow=True)
    assert (again.status_code, text_of(again)) == (410, "")
    assert ApiToken.objects.count() == 1
    page = client.get(LIST).content.decode()
    assert FIELDS["name"] in page
    assert token.token_key in page
    assert text not in page
    assert text not in str(client.session.items())


def test_creating_a_token_requires_reauthentication(as_role: Any) -> None:
    client = as_role("admin")
    assert client.post(NEW, FIELDS).headers["Location"].startswith("/accounts/reauthenticate/")
    assert not ApiToken.objects.exists()


@cases(
    ("role", "offered"),
    [
        ("supervisor", ["read", "write"]),
        ("auditor", ["read"]),
        ("admin", ["read", "write", "admin"]),
    ],
)
def test_only_usable_scopes_are_offered(
    sure: Callable[[str], Client], role: str, offered: list[str]
) -> None:
    client = sure(role)
    page = client.get(NEW).content.decode()
    assert re.findall(r'name="scope" value="(\w+)"', page) == offered
    for scope in {"write", "admin", "root"} - set(offered):
        assert make(client, scope=scope).status_code == 422
    assert not ApiToken.objects.exists()


@cases(
    "bad",
    [
        {"name": ""},
        {"name": "x" * 81},
        {"name": "a\x00b"},
        {"name": "a\nb"},
        {"days": "2"},
        {"days": "36500"},
        {"days": "-1"},
        {"days": ""},
        {"scope": ""},
    ],
)
def test_invalid_token_form_is_refused(sure: Callable[[str], Client], bad: dict[str, str]) -> None:
    answer = make(sure("admin"), **bad)
    assert answer.status_code == 422
    assert "field-error" in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_person_has_at_most_twenty_unexpired_tokens(
    sure: Callable[[str], Client], people: dict[str, User]
) -> None:
    client = sure("agent")
    for _ in range(tokens.MAX_TOKENS):
        token_of(people["agent"], TokenScope.READ)
    assert make(client).status_code == 409
    ApiToken.objects.filter(pk=ApiToken.objects.for_person(people["agent"])[0].pk).update(
        expiry=datetime.now(UTC) - timedelta(seconds=1)
    )
    assert text_of(make(client))


def test_revoking_a_token_asks_first_and_is_recorded(as_role: Any, people: dict[str, User]) -> None:
    client = as_role("agent")
    token, text = token_of(people["agent"], TokenScope.READ)
    address = f"{LIST}{token.token_key}/revoke/"
    assert address in client.get(LIST).content.decode()
    assert client.get(address).status_code == 200
    assert program(text).get("/api/v1/vdns/").status_code == 200
    assert client.post(address).headers["Location"] == LIST
    assert program(text).get("/api/v1/vdns/").status_code == 401
    event = AuditEvent.objects.get(action=AuditAction.TOKEN_REVOKED)
    assert (event.actor, event.subject) == ("agent", f"token {token.token_key}")
    assert client.get(address).status_code == 404


def test_foreign_token_is_not_found(as_role: Any, people: dict[str, User]) -> None:
    token, text = token_of(people["agent"], TokenScope.READ)
    client = as_role("admin")
    assert token.token_key not in client.get(LIST).content.decode()
    for send in (client.get, client.post):
        assert send(f"{LIST}{token.token_key}/revoke/").status_code == 404
    assert program(text).get("/api/v1/vdns/").status_code == 200


def test_own_tokens_can_be_sorted_paged_and_exported(as_role: Any, people: dict[str, User]) -> None:
    token_of(people["admin"], TokenScope.READ)
    made = [token_of(people["agent"], TokenScope.READ, days=days)[0] for days in (7, 1, 30)]
    ends = [made[index].token_key for index in (2, 0, 1)]
    client = as_role("agent")
    first = client.get(LIST, {"sort": "-ends", "size": "2"}).content.decode()
    assert re.findall(r'data-token="([^"]+)"', first) == ends[:2]
    second = client.get(LIST, {"sort": "-ends", "size": "2", "page": "2"}).content.decode()
    assert re.findall(r'data-token="([^"]+)"', second) == ends[2:]
    file = client.get(f"{LIST}export.csv", {"sort": "-ends"})
    assert re.findall(r"cb_\w+", file.getvalue().decode()) == ends


def test_created_token_is_recorded_without_its_text(sure: Callable[[str], Client]) -> None:
    text = text_of(make(sure("admin"), scope="admin"))
    event = AuditEvent.objects.get(action=AuditAction.TOKEN_CREATED)
    assert event.subject == f"token {text[:15]}"
    assert event.detail["scope"] == "admin"
    assert text[16:] not in str(AuditEvent.objects.values())


@pytest.mark.parametrize("by_hand", [True, False])
def test_expired_tokens_are_deleted(
    clock: Traveller, people: dict[str, User], by_hand: bool
) -> None:
    kept, _text = token_of(people["agent"], TokenScope.READ, days=90)
    token_of(people["agent"], TokenScope.READ, days=7)
    clock.shift(timedelta(days=8))
    if by_hand:
        call_command("apply_retention", verbosity=0)
    else:
        apply_retention.call_local()
    assert list(ApiToken.objects.all()) == [kept]


ADMIN = "/admin/isales_proxy/apitoken/"


def test_admin_revokes_tokens_of_managed_people_only(as_role: Any, people: dict[str, User]) -> None:
    near, near_text = token_of(people["agent"], TokenScope.READ)
    stranger = User.objects.create_user("stranger", password="pass-word-1")
    Access.objects.create(user=stranger, vdn_id=89, role=Role.AUDITOR)
    far, far_text = token_of(stranger, TokenScope.READ)
    beyond, _text = token_of(people["both"], TokenScope.READ)

    client = as_role("admin")
    page = client.get(ADMIN).content.decode()
    assert near.token_key in page
    assert far.token_key not in page
    assert beyond.token_key not in page
    assert client.get(f"{ADMIN}add/").status_code == 403
    shown = client.get(f"{ADMIN}{near.pk}/change/").content.decode()
    assert 'name="name"' not in shown

    client.post(
        ADMIN,
        {"action": "delete_selected", "_selected_action": [near.pk, far.pk], "post": "yes"},
    )
    assert program(near_text).get("/api/v1/vdns/").status_code == 401
    assert program(far_text).get("/api/v1/vdns/").status_code == 200
    event = AuditEvent.objects.get(action=AuditAction.TOKEN_REVOKED)
    assert (event.actor, event.detail["username"]) == ("admin", "agent")
    assert as_role("supervisor").get(ADMIN).status_code == 403
