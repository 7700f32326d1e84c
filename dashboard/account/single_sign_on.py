"""OpenID Connect by allauth, with checks that it lacks (issuer, signature and nonce of the ID
token), and without parameters from links."""

from __future__ import annotations

import time
from typing import Any, Final

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from allauth.utils import build_absolute_uri
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from dashboard.account import id_tokens
from isales_proxy.core.settings import SingleSignOn

# The provider's configuration is cached for a while, by its address.
_CACHE_S: Final = 300.0
_configurations: dict[str, tuple[float, dict[str, Any]]] = {}
_REQUIRED_KEYS: Final = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")


class Adapter(OpenIDConnectOAuth2Adapter):
    """Requests to the provider: its configuration, its keys, the tokens, and claims of the person.

    Raises OAuth2Error, which becomes a page without details.
    """

    _verifier = ""

    @property
    def openid_config(self) -> dict[str, Any]:
        """Return the provider's configuration. Raises OAuth2Error for another issuer."""
        found = _fetch_configuration(self.get_provider().server_url)
        if not all(isinstance(found.get(name), str) for name in _REQUIRED_KEYS):
            raise OAuth2Error("The provider's description is incomplete.")
        if found["issuer"].rstrip("/") != _get_settings().issuer:
            raise OAuth2Error("The provider's description is that of another issuer.")
        return found

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        """Return the address to which the provider redirects."""
        return str(build_absolute_uri(request, reverse("single_sign_on_callback")))

    def get_access_token_data(
        self, request: HttpRequest, app: Any, client: Any, pkce_code_verifier: str | None = None
    ) -> Any:
        """Return the token endpoint's answer; remember the PKCE verifier."""
        self._verifier = pkce_code_verifier or ""
        return super().get_access_token_data(request, app, client, pkce_code_verifier)

    def parse_token(self, data: Any) -> SocialToken:
        """Return the access token, which is used once and not stored."""
        return SocialToken(token=str(data["access_token"]))

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> Any:
        """Return the log-in of a valid ID token, with more claims from `userinfo`."""
        raw = kwargs["response"].get("id_token")
        if not self._verifier or not isinstance(raw, str):
            raise OAuth2Error("No ID token.")
        try:
            claims = id_tokens.verify_id_token(
                raw,
                keys=_fetch_json(self.openid_config["jwks_uri"]),
                issuer=self.openid_config["issuer"],
                client_id=app.client_id,
                nonce=id_tokens.compute_nonce(self._verifier),
            )
        except id_tokens.InvalidIdToken as error:
            raise OAuth2Error(f"ID token: {error}") from None
        if isinstance(self.openid_config.get("userinfo_endpoint"), str):
            more = _fetch_json(self.openid_config["userinfo_endpoint"], bearer=token.token)
            if more.get("sub") != claims["sub"]:
                raise OAuth2Error("Userinfo is that of another person.")
            claims = {**more, **claims}
        return self.get_provider().sociallogin_from_response(request, claims)


class Provider(OpenIDConnectProvider):
    """The one provider of `OIDC_ISSUER`."""

    oauth2_adapter_class = Adapter

    def get_login_url(self, request: HttpRequest, **_more: Any) -> str:
        return reverse("single_sign_on")

    def get_callback_url(self) -> str:
        return reverse("single_sign_on_callback")

    def get_default_scope(self) -> list[str]:
        """Return the scopes, without `email`: accounts have no e-mail address."""
        return ["openid", "profile"]

    def get_pkce_params(self) -> dict[str, Any]:
        """Return the parameters of PKCE, and the nonce derived from its verifier."""
        found: dict[str, Any] = super().get_pkce_params()
        return {**found, "nonce": id_tokens.compute_nonce(found["code_verifier"])}

    def extract_uid(self, data: dict[str, Any]) -> str:
        """Return the provider's ID of the person, which never changes."""
        return str(data["sub"])

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the claims that grant access, and no others."""
        sso = _get_settings()
        return {
            "roles": get_claim(data, sso.role_claim),
            "agent_account": get_claim(data, sso.agent_account_claim),
        }

    def extract_common_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return user name and names, cut to 150 characters."""
        fields = {
            "username": data.get("preferred_username"),
            "first_name": data.get("given_name"),
            "last_name": data.get("family_name"),
            "name": data.get("name"),
        }
        return {name: text[:150] for name, text in fields.items() if isinstance(text, str)}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[Any]:
        return []


def get_claim(claims: Any, name: str) -> Any:
    """Return the claim of a name or dotted path such as `realm_access.roles`, or None."""
    if isinstance(claims, dict) and name in claims:
        return claims[name]
    for part in name.split("."):
        if not isinstance(claims, dict):
            return None
        claims = claims.get(part)
    return claims


def forget() -> None:
    """Clear the cached configuration."""
    _configurations.clear()


def _fetch_configuration(address: str) -> dict[str, Any]:
    """Return the provider's configuration, cached for some minutes."""
    cached = _configurations.get(address)
    if cached is None or cached[0] <= time.monotonic():
        cached = (time.monotonic() + _CACHE_S, _fetch_json(address))
        _configurations[address] = cached
    return cached[1]


def _get_settings() -> SingleSignOn:
    found: SingleSignOn | None = settings.SIGN_IN.single_sign_on
    if found is None:
        raise OAuth2Error("Single sign-on is not configured.")
    return found


def _fetch_json(address: str, *, bearer: str = "") -> dict[str, Any]:
    """Return the provider's answer at this address. Raises OAuth2Error for any failure."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    try:
        with get_adapter().get_requests_session() as session:
            response = session.get(address, headers=headers)
            response.raise_for_status()
            found = response.json()
    except (OSError, ValueError) as error:
        # The errors of requests are subclasses of these.
        raise OAuth2Error(f"The provider did not answer: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise OAuth2Error("The provider answered something else.")
    return found
