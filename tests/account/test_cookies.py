"""Names of cookies are our own, since the products of one host share their cookies."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as in_force
from django.test import Client

from isales_proxy.models import User
from tests.support import starts

NAMES = ("session", "csrf", "language", "theme", "messages")
SHOW = """
import json
from django.conf import settings as s
from dashboard.ui.requests import NamedCookieStorage
print(json.dumps([s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.LANGUAGE_COOKIE_NAME,
                  s.THEME_COOKIE_NAME, NamedCookieStorage.cookie_name]))
"""


@pytest.mark.django_db
def test_name_of_every_cookie_begins_with_our_prefix(people: dict[str, User]) -> None:
    client = Client()
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"login": "admin", "password": "pass-word-1"})
    client.post("/preferences/theme/", {"theme": "dark"})
    client.post("/preferences/language/", {"language": "zh-hans"})
    # Ends with a message to somebody whom nobody knows any more.
    client.post("/accounts/logout/")
    found = set(client.cookies)
    assert {"callboard-session", "callboard-csrf", "callboard-theme"} <= found
    assert all(name.startswith("callboard-") for name in found)


@pytest.mark.django_db
def test_cookies_of_another_product_are_ignored_and_kept(as_role: Any) -> None:
    client = as_role("supervisor")
    for name in ("sessionid", "csrftoken", "messages", "theme", "django_language"):
        client.cookies[name] = "of-a-neighbour"
    assert client.get("/accounts/").status_code == 200
    assert client.cookies["sessionid"].value == "of-a-neighbour"


@pytest.mark.parametrize(
    ("env", "start"),
    [
        ({}, "callboard-"),
        ({"HTTPS": "1"}, "__Host-callboard-"),
        ({"HTTPS": "1", "COOKIE_PREFIX": "trial"}, "__Host-trial-"),
    ],
)
@pytest.mark.processes
def test_cookie_prefix_is_configurable(tmp_path: Path, env: dict[str, str], start: str) -> None:
    run = starts.run(
        ["manage.py", "shell", "-v0", "-c", SHOW],
        {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "CALLBOARD_ENV_FILE": "", **env},
    )
    assert json.loads(run.stdout) == [start + name for name in NAMES], run.stderr


def test_cookies_meet_the_requirements_of_the_host_prefix() -> None:
    # A browser drops a cookie __Host-… with a domain, or with another path.
    for kind in ("SESSION", "CSRF", "LANGUAGE"):
        assert getattr(in_force, f"{kind}_COOKIE_DOMAIN") is None
        assert getattr(in_force, f"{kind}_COOKIE_PATH") == "/"
