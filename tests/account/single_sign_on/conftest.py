"""A configured provider of single sign-on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from isales_proxy.core.settings import Grant, SingleSignOn
from isales_proxy.models import User
from tests.support.oidc import CLIENT_ID, CLIENT_SECRET, Provider
from tests.support.single_sign_on import configure


@pytest.fixture
def provider(settings: Any, people: dict[str, User]) -> Iterator[Provider]:
    """The configured provider."""
    with Provider() as found:
        sso = SingleSignOn(
            issuer=found.issuer,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            name="Example",
            role_claim="roles",
            agent_account_claim="agent",
            grants=(
                Grant("callboard-sup", "supervisor", 88),
                Grant("callboard-adm", "admin", 88),
                Grant("callboard-agent", "agent", 88),
                Grant("sales", "auditor", 89),
            ),
            only=False,
        )
        configure(settings, sso)
        yield found
