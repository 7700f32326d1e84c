"""Helpers for tests of the second factor: codes of an app, and its set-up by the pages."""

from __future__ import annotations

import html
import re
import time

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client

LOG_IN = "/accounts/login/"
GIVE = "/accounts/second-factor/authenticate/"
SET_UP = "/accounts/second-factor/totp/activate/"
INDEX = "/accounts/second-factor/"
PASSWORD = "pass-word-1"


def code(secret: str) -> str:
    """Return the app's current code of a secret."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def log_in(name: str, password: str = PASSWORD, client: Client | None = None) -> Client:
    """Return a client that has sent the log-in form."""
    client = client or Client()
    client.post(LOG_IN, {"login": name, "password": password})
    return client


def set_up_app(client: Client) -> str:
    """Set up an authenticator app by its page; return the secret."""
    text = client.get(SET_UP).content.decode()
    found = re.search(r"data-secret>([^<]+)<", text)
    assert found, text
    secret = html.unescape(found[1])
    answer = client.post(SET_UP, {"code": code(secret)})
    assert answer.status_code == 302, answer.content.decode()
    return secret
