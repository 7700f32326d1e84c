"""Answers of a provider, or of an attacker in its place, that are refused."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from django.test import Client

from dashboard.account.log_in_audit import MOST_A_MINUTE
from isales_proxy.models import AuditAction, AuditEvent, User
from tests.support.cases import cases
from tests.support.oidc import CLIENT_ID, CLIENT_SECRET, KEY, OTHER_KEY, Provider
from tests.support.single_sign_on import BEGIN, come, is_in

pytestmark = pytest.mark.django_db


def by_none(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, None, algorithm="none", headers={"kid": "one"})  # type: ignore[arg-type]


def by_another_key(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, OTHER_KEY, algorithm="RS256", headers={"kid": "one"})


def by_an_unknown_key(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, OTHER_KEY, algorithm="RS256", headers={"kid": "two"})


def by_the_client_secret(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, CLIENT_SECRET * 2, algorithm="HS256", headers={"kid": "one"})


def without_a_signature(claims: dict[str, Any]) -> str:
    signed = jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "one"})
    return signed.rpartition(".")[0] + "."


def no_token(claims: dict[str, Any]) -> str:
    return "nonsense"


LIES: dict[str, dict[str, Any]] = {
    "issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "audience": {"aud": "another-client"},
    "audience of several": {"aud": [CLIENT_ID, "another-client"]},
    "authorized party": {"aud": [CLIENT_ID, "x"], "azp": "x"},
    "nonce": {"nonce": "of-another-attempt"},
    "no nonce": {"nonce": None},
    "expired": {"exp": 1_700_000_000},
    "no expiry": {"exp": None},
    "from the future": {"iat": 4_000_000_000},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
}


@cases("lie", LIES)
def test_token_with_a_wrong_claim_is_refused(provider: Provider, lie: str) -> None:
    provider.token = LIES[lie]
    refused(provider)


@cases(
    "sign",
    [
        by_none,
        by_another_key,
        by_an_unknown_key,
        by_the_client_secret,
        without_a_signature,
        no_token,
        lambda _claims: None,
    ],
)
def test_token_not_signed_by_the_provider_is_refused(provider: Provider, sign: Any) -> None:
    provider.sign = sign
    refused(provider)


def test_userinfo_of_another_subject_is_refused(provider: Provider) -> None:
    provider.userinfo = {"sub": "1002", "roles": ["callboard-adm"]}
    refused(provider)


@cases("path", ["/token", "/keys", "/userinfo"])
def test_failure_of_the_provider_during_log_in_is_refused(provider: Provider, path: str) -> None:
    provider.failing = {path}
    refused(provider)


def refused(provider: Provider) -> None:
    client, answer = come(provider)
    assert answer.status_code == 401
    assert b"Log-in failed" in answer.content
    assert not is_in(client)
    assert not User.objects.filter(username="chen").exists()
    event = AuditEvent.objects.filter(action=AuditAction.LOG_IN_FAILED).first()
    assert event is not None


@cases(
    "description",
    [{"issuer": "https://evil.example"}, {"issuer": None}, {"token_endpoint": None}],
)
def test_inconsistent_provider_description_is_refused(
    provider: Provider, description: dict[str, Any]
) -> None:
    provider.description = description
    answer = Client().get(BEGIN)
    assert answer.status_code == 401


def test_unreachable_provider_is_answered_by_401(provider: Provider) -> None:
    provider.failing = {"/.well-known/openid-configuration"}
    assert Client().get(BEGIN).status_code == 401


def test_callback_in_another_browser_is_refused(provider: Provider) -> None:
    away = Client().get(BEGIN)
    back = provider.log_in(away.headers["Location"]).removeprefix("http://testserver")
    victim = Client()
    assert victim.get(back).status_code == 401
    assert not is_in(victim)


def test_callback_is_accepted_once(provider: Provider) -> None:
    client = Client()
    away = client.get(BEGIN)
    back = provider.log_in(away.headers["Location"]).removeprefix("http://testserver")
    assert client.get(back).status_code == 302
    assert client.get(back).status_code == 401


def test_log_in_cancelled_at_the_provider_is_shown_as_cancelled(provider: Provider) -> None:
    client = Client()
    client.get(BEGIN)
    away = client.get(BEGIN).headers["Location"]
    state = away.partition("state=")[2].partition("&")[0]
    answer = client.get(f"{BEGIN}callback/?error=access_denied&state={state}", follow=True)
    assert b"Log-in cancelled" in answer.content


def test_failed_callbacks_in_the_audit_are_limited(provider: Provider) -> None:
    client = Client()
    for number in range(MOST_A_MINUTE + 10):
        client.get(f"{BEGIN}callback/?state={number}")
    events = AuditEvent.objects.filter(action=AuditAction.LOG_IN_FAILED)
    assert events.count() == MOST_A_MINUTE + 1
