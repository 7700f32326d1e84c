"""Log-ins are counted by client address, also behind a proxy and over a unix socket."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client, RequestFactory

from dashboard.account.adapter import ClosedAdapter
from isales_proxy.models import User
from tests.support.cases import cases

PROXY = "10.0.0.1"
LOG_IN = "/accounts/login/"


def attempt(name: str, password: str, **meta: str) -> int:
    """Log in without a session; return the status."""
    body = {"login": name, "password": password}
    return Client().post(LOG_IN, body, **meta).status_code  # type: ignore[arg-type]


@pytest.mark.django_db
def test_many_log_ins_behind_one_address_are_not_limited(people: dict[str, User]) -> None:
    statuses = [attempt("agent", "pass-word-1", REMOTE_ADDR=PROXY) for _ in range(60)]
    assert statuses == [302] * 60


@pytest.mark.django_db
def test_failed_log_ins_from_one_address_are_limited(people: dict[str, User]) -> None:
    statuses = [attempt(f"nobody{number}", "x", REMOTE_ADDR=PROXY) for number in range(25)]
    assert statuses[0] == 303
    assert 302 not in statuses
    assert attempt("agent", "pass-word-1", REMOTE_ADDR=PROXY) != 302


@pytest.mark.django_db
def test_limit_behind_a_proxy_applies_to_the_forwarded_address_only(
    people: dict[str, User], settings: Any
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    for number in range(25):
        # What a browser says of itself counts for nothing.
        said = f"198.51.100.{number}, 192.0.2.1"
        attempt(f"nobody{number}", "x", REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_FOR=said)
    others = {"REMOTE_ADDR": PROXY, "HTTP_X_FORWARDED_FOR": "192.0.2.2"}
    assert attempt("agent", "pass-word-1", **others) == 302
    same = {"REMOTE_ADDR": PROXY, "HTTP_X_FORWARDED_FOR": "192.0.2.1"}
    assert attempt("agent", "pass-word-1", **same) != 302


@pytest.mark.django_db
@cases("address", [LOG_IN, "/admin/login/"])
def test_failed_log_ins_to_one_account_are_limited_over_all_addresses(
    people: dict[str, User], address: str
) -> None:
    with time_machine.travel("2026-03-01 10:00:00Z", tick=False) as clock:
        for number in range(6):
            body = {"login": "agent", "password": f"no-{number}"}
            Client().post(address, body, REMOTE_ADDR=f"192.0.2.{number}")
        assert attempt("agent", "pass-word-1", REMOTE_ADDR="192.0.2.99") == 303
        assert attempt("AGENT", "pass-word-1", REMOTE_ADDR="192.0.2.99") == 303
        assert attempt("supervisor", "pass-word-1", REMOTE_ADDR="192.0.2.99") == 302
        clock.shift(6 * 60)
        assert attempt("agent", "pass-word-1", REMOTE_ADDR="192.0.2.99") == 302


class Counting(MD5PasswordHasher):
    """Count how often a password is hashed."""

    algorithm = "counting"
    times = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).times += 1
        return str(super().encode(password, salt))


@pytest.mark.django_db
def test_unknown_names_are_answered_like_wrong_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = [f"{Counting.__module__}.Counting"]
    User.objects.create_user("agent", password="pass-word-1")
    effort, words = [], []
    for name in ("agent", "nobody"):
        Counting.times = 0
        answer = Client().post(LOG_IN, {"login": name, "password": "wrong"}, follow=True)
        effort.append(Counting.times)
        words.append((answer.status_code, answer.context["form"].errors))
    assert effort[0] == effort[1] == 1
    assert words[0] == words[1]


@pytest.mark.django_db
def test_log_in_over_a_unix_socket_succeeds(people: dict[str, User]) -> None:
    assert attempt("agent", "pass-word-1", REMOTE_ADDR="") == 302


@cases(
    ("proxies", "said", "address"),
    [
        (proxies, *each)
        for each in [
            ("", "127.0.0.1"),
            ("192.0.2.1", "192.0.2.1"),
            ("198.51.100.9, 192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("unknown", "127.0.0.1"),
        ]
        for proxies in [0, 1]
    ],
)
def test_address_behind_a_unix_socket_is_the_forwarded_one(
    settings: Any, proxies: int, said: str, address: str
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    request = RequestFactory().post(LOG_IN, REMOTE_ADDR="", HTTP_X_FORWARDED_FOR=said)
    assert ClosedAdapter(request).get_client_ip(request) == address


def test_forwarded_address_is_ignored_without_a_proxy() -> None:
    request = RequestFactory().post(LOG_IN, REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_FOR="192.0.2.1")
    assert ClosedAdapter(request).get_client_ip(request) == PROXY
