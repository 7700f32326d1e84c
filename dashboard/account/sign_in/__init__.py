"""How people get in: second factor, sessions and their limits, single sign-on."""

from __future__ import annotations

from typing import Any, Final

from isales_proxy.core.settings import SingleSignOn

# The name of the one provider in allauth's tables.
PROVIDER_ID: Final = "sso"


def providers(found: SingleSignOn | None) -> dict[str, Any]:
    """allauth's SOCIALACCOUNT_PROVIDERS for this provider, or for none."""
    apps = []
    if found is not None:
        apps.append(
            {
                "provider_id": PROVIDER_ID,
                "name": found.name,
                "client_id": found.client_id,
                "secret": found.client_secret,
                "settings": {"server_url": found.issuer, "oauth_pkce_enabled": True},
            }
        )
    provider = "dashboard.account.sign_in.single_sign_on.Provider"
    return {"openid_connect": {"provider_class": provider, "APPS": apps}}
