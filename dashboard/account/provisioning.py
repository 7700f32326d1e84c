"""Accounts of single sign-on: created for people whose claims grant a role, refused for others.

People are identified only by the provider's ID. A person whose user name is already taken gets
another user name.
"""

from __future__ import annotations

from typing import Any

import structlog
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import render

from dashboard.account import log_in_audit, provider_calls
from isales_proxy.access import ROLE_PERMISSIONS
from isales_proxy.accounts import changes, sessions
from isales_proxy.accounts import services as people
from isales_proxy.accounts.services import GrantedAccess
from isales_proxy.models import Role

log = structlog.get_logger("isales")


class ClaimsAdapter(DefaultSocialAccountAdapter):
    """allauth's adapter with roles from claims."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Return True: `pre_social_login` refuses people without a role."""
        return True

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Update a known person's access; refuse people without a role."""
        granted = map_claims(sociallogin.account.extra_data)
        person = sociallogin.user if sociallogin.is_existing else None
        if person is not None:
            people.synchronise_access(person=person, granted=granted)
        if granted:
            return
        if person is not None:
            sessions.end_sessions_and_tokens(person=person, by=person, reason="no role left")
        log_in_audit.record_failed(
            person.username if person else "", reason="single sign-on: no role"
        )
        raise ImmediateHttpResponse(render(request, "socialaccount/no_role.html", status=403))

    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> Any:
        """Create the person with the access that the claims grant."""
        granted = map_claims(sociallogin.account.extra_data)
        with changes.record_changes(by=None, people=[]) as touched:
            person = super().save_user(request, sociallogin, form)
            touched.add(person.pk)
        people.synchronise_access(person=person, granted=granted)
        return person

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Any = None,
        **_: Any,
    ) -> None:
        """Log the error, since the page has no details."""
        # The message of an exception may contain a token from the provider's answer.
        log.warning("single_sign_on_failed", error=str(error), cause=type(exception).__name__)
        log_in_audit.record_failed("", reason="single sign-on")

    def get_requests_session(self) -> Any:
        """Return a limited session whose `Authorization` is not overwritten by `.netrc`."""
        session = super().get_requests_session()
        session.trust_env = False
        return provider_calls.limit_session(session)


def map_claims(claims: dict[str, Any]) -> dict[int, GrantedAccess]:
    """Return the access that the claims grant, by VDN (ID); of several roles the one with most
    permissions.

    The role of an agent requires an agent account.
    """
    sso = settings.SIGN_IN.single_sign_on
    if sso is None:
        return {}
    values = _list_values(claims.get("roles"))
    account = claims.get("agent_account")
    agent_account = people.clean_agent_account(
        str(account) if isinstance(account, str | int) else ""
    )
    found: dict[int, GrantedAccess] = {}
    for grant in sso.grants:
        role = Role(grant.role)
        if grant.value not in values or (role is Role.AGENT and not agent_account):
            continue
        known = found.get(grant.vdn_id)
        if known is None or _count_permissions(role) > _count_permissions(known.role):
            found[grant.vdn_id] = GrantedAccess(role, agent_account)
    return found


def _count_permissions(role: Role) -> int:
    return len(ROLE_PERMISSIONS[role])


def _list_values(claim: Any) -> set[str]:
    """List the roles of a claim, which is a text or a list of texts; none of any other claim."""
    if isinstance(claim, str):
        return {claim}
    return {each for each in claim if isinstance(each, str)} if isinstance(claim, list) else set()
