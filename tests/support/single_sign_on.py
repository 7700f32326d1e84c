"""Helpers for tests of single sign-on, which follow the redirects as a browser does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.test import Client

from dashboard.environment.groups import list_providers
from isales_proxy.core.settings import SingleSignOn
from tests.support.oidc import Provider

BEGIN = "/accounts/single-sign-on/"
LIST = "/vdn/88/result-codes/"


def configure(settings: Any, sso: SingleSignOn) -> None:
    settings.SIGN_IN = replace(settings.SIGN_IN, single_sign_on=sso)
    settings.SOCIALACCOUNT_PROVIDERS = list_providers(sso)


def come(provider: Provider, client: Client | None = None, *, to: str = "") -> tuple[Client, Any]:
    """Log in at the provider and return to the product."""
    client = client or Client()
    away = client.get(BEGIN, {"next": to} if to else {})
    assert away.status_code == 302, away.content
    assert away.headers["Location"].startswith(f"{provider.issuer}/authorize?")
    back = provider.log_in(away.headers["Location"])
    return client, client.get(back.removeprefix("http://testserver"))


def is_in(client: Client) -> bool:
    return client.get(LIST).status_code == 200
