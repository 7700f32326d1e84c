"""OpenID Connect by allauth, with what it leaves open closed: the issuer, the signature and the
nonce of the ID token, and parameters that a link may not bring along."""

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

# Seconds for which the provider's description of itself is kept, by its address.
_KEPT: Final = 300.0
_descriptions: dict[str, tuple[float, dict[str, Any]]] = {}
_NEEDED: Final = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")


class Adapter(OpenIDConnectOAuth2Adapter):
    """Fetches from the provider: its description, its keys, the tokens, and more about the person.

    Raises OAuth2Error, which becomes a page that says no more than that it did not work.
    """

    _verifier = ""

    @property
    def openid_config(self) -> dict[str, Any]:
        """Return the provider's description of itself. Raises OAuth2Error for another issuer."""
        found = _fetch_description(self.get_provider().server_url)
        if not all(isinstance(found.get(name), str) for name in _NEEDED):
            raise OAuth2Error("The provider's description is incomplete.")
        if found["issuer"].rstrip("/") != _get_settings().issuer:
            raise OAuth2Error("The provider's description is that of another issuer.")
        return found

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        """Return the address to which the provider sends people back."""
        return str(build_absolute_uri(request, reverse("single_sign_on_callback")))

    def get_access_token_data(
        self, request: HttpRequest, app: Any, client: Any, pkce_code_verifier: str | None = None
    ) -> Any:
        """Return the token endpoint's answer; keep the verifier of the attempt."""
        self._verifier = pkce_code_verifier or ""
        return super().get_access_token_data(request, app, client, pkce_code_verifier)

    def parse_token(self, data: Any) -> SocialToken:
        """Return the access token, which is used once and never stored."""
        return SocialToken(token=str(data["access_token"]))

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> Any:
        """Return the log-in of a valid ID token; other claims come from `userinfo`."""
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
                raise OAuth2Error("Userinfo is that of somebody else.")
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
        """Return PKCE and the nonce that belongs to it."""
        found: dict[str, Any] = super().get_pkce_params()
        return {**found, "nonce": id_tokens.compute_nonce(found["code_verifier"])}

    def extract_uid(self, data: dict[str, Any]) -> str:
        """Return the provider's own ID of the person, which is never given to another one."""
        return str(data["sub"])

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the claims that access is granted by, and nothing else of the person."""
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
    """Return a claim by its name or its dotted path, such as `realm_access.roles`; else None."""
    if isinstance(claims, dict) and name in claims:
        return claims[name]
    for part in name.split("."):
        if not isinstance(claims, dict):
            return None
        claims = claims.get(part)
    return claims


def forget() -> None:
    """Ask the provider for its description anew."""
    _descriptions.clear()


def _fetch_description(address: str) -> dict[str, Any]:
    """Return the provider's description of itself, which is kept for some minutes."""
    kept = _descriptions.get(address)
    if kept is None or kept[0] <= time.monotonic():
        kept = (time.monotonic() + _KEPT, _fetch_json(address))
        _descriptions[address] = kept
    return kept[1]


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
            answer = session.get(address, headers=headers)
            answer.raise_for_status()
            found = answer.json()
    except (OSError, ValueError) as error:
        # Of which the errors of requests are some.
        raise OAuth2Error(f"The provider did not answer: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise OAuth2Error("The provider answered something else.")
    return found
