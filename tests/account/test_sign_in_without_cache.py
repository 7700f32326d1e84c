"""Limits of log-ins also apply while the cache is unavailable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.cache import caches
from django.test import Client
from django.utils import timezone

from isales_proxy import retention
from isales_proxy.accounts import sessions, tokens
from isales_proxy.models import AuditAction, AuditEvent, SignInAttempt, TokenScope, User
from tests.support.second_factor import GIVE, LOG_IN, PASSWORD, code, log_in, set_up_app

pytestmark = pytest.mark.django_db(transaction=True)

NEW = "New-secret-77"
CHANGE = "/accounts/password/change/"


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel("2026-03-01 10:00:00Z", tick=False) as found:
        yield found


@pytest.fixture(autouse=True)
def _away(settings: Any) -> None:
    """A Redis cache at a port on which nothing listens."""
    away = {
        "BACKEND": "isales_proxy.core.redis_cache.ForgivingRedisCache",
        "LOCATION": "redis://127.0.0.1:1/0",
    }
    settings.CACHES = {"default": away, "answers": away, "rows": away}
    assert caches["default"].get("anything") is None


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_wrong_passwords_are_limited(people: dict[str, User], clock: Any) -> None:
    assert is_in(log_in("agent"))
    for number in range(6):
        log_in("agent", f"no-{number}", Client(REMOTE_ADDR=f"192.0.2.{number}"))
    assert not is_in(log_in("Agent"))
    clock.shift(301)
    assert is_in(log_in("agent"))


def test_code_works_once_and_wrong_codes_are_limited(people: dict[str, User], clock: Any) -> None:
    secret = set_up_app(log_in("supervisor"))
    clock.shift(120)
    first, second = log_in("supervisor"), log_in("supervisor")
    for client in (first, second):
        client.post(GIVE, {"code": code(secret)})
    assert (is_in(first), is_in(second)) == (True, False)
    clock.shift(400)
    guessing = log_in("supervisor")
    for number in range(6):
        guessing.post(GIVE, {"code": f"00000{number}"})
    guessing.post(GIVE, {"code": code(secret)})
    assert not is_in(guessing)
    again = log_in("supervisor")
    again.post(GIVE, {"code": code(secret)})
    assert not is_in(again)


def test_expired_attempts_are_deleted(people: dict[str, User], clock: Any) -> None:
    log_in("agent", "wrong")
    assert SignInAttempt.objects.exists()
    clock.shift(7200)
    retention.apply_retention(timezone.now() + timedelta(days=365))
    assert not SignInAttempt.objects.exists()


def test_temporary_password_cannot_be_changed_to_itself(people: dict[str, User]) -> None:
    User.objects.filter(username="agent").update(password_is_temporary=True)
    client = log_in("agent")
    page = client.get("/vdn/88/reservations/?size=10")
    asked = client.get(page.headers["Location"]).content.decode()
    assert "An admin set your password" in asked
    form = {"oldpassword": PASSWORD, "password1": PASSWORD, "password2": PASSWORD}
    refused = client.post(page.headers["Location"], form, follow=True)
    assert "not the current one" in refused.content.decode()
    assert User.objects.get(username="agent").password_is_temporary
    new = form | {"password1": NEW, "password2": NEW, "next": "/vdn/88/reservations/?size=10"}
    done = client.post(page.headers["Location"], new)
    # To the page that was wanted, rather than to the empty form again.
    assert done.headers["Location"] == "/vdn/88/reservations/?size=10"
    assert not User.objects.get(username="agent").password_is_temporary


def test_required_second_factor_applies_to_older_tokens(
    people: dict[str, User], settings: Any
) -> None:
    supervisor = people["supervisor"]
    _token, text = tokens.create_token(user=supervisor, name="old", scope=TokenScope.READ, days=1)
    _token, bound = tokens.create_token(
        user=supervisor, name="new", scope=TokenScope.READ, days=1, second_factor=True
    )

    def send_request(text: str) -> int:
        return Client().get("/api/v1/vdns/", HTTP_AUTHORIZATION=f"Token {text}").status_code

    assert (send_request(text), send_request(bound)) == (200, 200)
    settings.SIGN_IN = replace(settings.SIGN_IN, second_factor_for=frozenset({"supervisor"}))
    assert (send_request(text), send_request(bound)) == (403, 200)


def test_number_of_sessions_per_person_is_limited(people: dict[str, User], clock: Any) -> None:
    clients = []
    for _ in range(sessions.MAX_SESSIONS + 3):
        clients.append(log_in("agent"))
        clock.shift(1)
    assert UserSession.objects.count() == sessions.MAX_SESSIONS
    page = "/accounts/sessions/"
    statuses = [client.get(page).status_code for client in (*clients[:3], *clients[3:5])]
    assert statuses == [302, 302, 302, 200, 200]
    ended = AuditEvent.objects.filter(action=AuditAction.SESSION_REVOKED)
    assert [event.detail["which"] for event in ended] == ["oldest"] * 3


def test_log_in_replaces_the_session_of_another_person(people: dict[str, User]) -> None:
    client = log_in("agent")
    before = client.session.session_key
    client.post(LOG_IN, {"login": "supervisor", "password": "wrong"})
    assert client.session["_auth_user_id"] == str(people["agent"].pk)
    log_in("supervisor", client=client)
    assert client.session["_auth_user_id"] == str(people["supervisor"].pk)
    assert client.session.session_key != before
    (listed,) = UserSession.objects.filter(user=people["supervisor"])
    assert listed.session_key == client.session.session_key
    assert not UserSession.objects.get(user=people["agent"]).exists()
    # The same person once more: again another key.
    before = client.session.session_key
    log_in("supervisor", client=client)
    assert client.session.session_key != before


def test_second_factor_is_required_over_the_session_of_another_person(
    people: dict[str, User], clock: Any
) -> None:
    secret = set_up_app(log_in("supervisor"))
    clock.shift(120)
    client = log_in("supervisor", client=log_in("agent"))
    assert not is_in(client)
    client.post(GIVE, {"code": code(secret)})
    assert client.session["_auth_user_id"] == str(people["supervisor"].pk)


def test_password_hash_with_other_parameters_is_renewed_at_log_in(
    people: dict[str, User], settings: Any
) -> None:
    settings.PASSWORD_HASHERS = ["dashboard.account.passwords.PasswordHasher"]
    agent = people["agent"]
    agent.password = Argon2PasswordHasher().encode(PASSWORD, "a-salt-of-before")
    agent.save(update_fields=["password"])
    client = log_in("agent")
    agent.refresh_from_db()
    assert "$m=19456,t=2,p=1$" in agent.password
    assert client.get("/accounts/").status_code == 200
