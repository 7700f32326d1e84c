"""Attempts at single sign-on are limited: rows, requests to the provider, waiting threads."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from dashboard.account import provider_calls
from isales_proxy.accounts import sign_in_attempts
from isales_proxy.models import AuditAction, AuditEvent
from tests.support.oidc import Provider
from tests.support.single_sign_on import BEGIN, come, is_in

DESCRIPTION = "/.well-known/openid-configuration"


def test_provider_description_is_fetched_once_for_many_attempts(provider: Provider) -> None:
    for _ in range(5):
        assert Client().get(BEGIN).status_code == 302
    assert provider.paths == [DESCRIPTION]


def test_attempts_from_one_address_are_limited(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(sign_in_attempts.SINGLE_SIGN_ON_BY_ADDRESS, amount=3)
    monkeypatch.setattr(sign_in_attempts, "SINGLE_SIGN_ON_BY_ADDRESS", few)
    statuses = [Client().get(BEGIN).status_code for _ in range(5)]
    assert statuses == [302, 302, 302, 429, 429]
    assert Session.objects.count() == 3
    assert AuditEvent.objects.filter(action=AuditAction.LOG_IN_LOCKED).count() == 1
    assert Client(REMOTE_ADDR="192.0.2.9").get(BEGIN).status_code == 302


def test_session_of_an_unfinished_attempt_ends_within_minutes(
    provider: Provider, people: dict[str, Any]
) -> None:
    Client().get(BEGIN)
    soon = timezone.now() + timedelta(minutes=11)
    assert Session.objects.filter(expire_date__lt=soon).count() == 1
    client, _answer = come(provider)
    assert is_in(client)
    assert client.session.get_expiry_age() > 3600


@pytest.mark.parametrize("path", [DESCRIPTION, "/token", "/keys", "/userinfo"])
def test_provider_that_times_out_repeatedly_is_no_longer_called(
    provider: Provider, people: dict[str, Any], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(provider_calls, "DEADLINE_S", 0.2)
    monkeypatch.setattr(provider_calls, "_MAX_CALLS", 9)
    provider_calls.forget()
    provider.hanging = {path}
    for _ in range(3):
        client = Client()
        answer = client.get(BEGIN)
        if path != DESCRIPTION:
            assert answer.status_code == 302
            back = provider.log_in(answer.headers["Location"])
            answer = client.get(back.removeprefix("http://testserver"))
        assert not is_in(client)
        assert "Location" not in answer.headers
    asked = provider.paths.count(path)
    client = Client()
    answer = client.get(BEGIN)
    if path != DESCRIPTION:
        back = provider.log_in(answer.headers["Location"])
        client.get(back.removeprefix("http://testserver"))
    assert not is_in(client)
    assert provider.paths.count(path) == asked


def test_at_most_two_calls_wait_for_a_hanging_provider(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_calls, "DEADLINE_S", 0.1)
    monkeypatch.setattr(provider_calls, "_MAX_WAIT_S", 0.01)
    monkeypatch.setattr(provider_calls, "_MAX_FAILURES", 99)
    provider_calls.forget()
    provider.hanging = {DESCRIPTION}
    for _ in range(5):
        assert Client().get(BEGIN).status_code != 302
    assert provider.paths == [DESCRIPTION] * 2
