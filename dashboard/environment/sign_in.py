"""What the environment says of logging in: second factor, sessions, single sign-on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from environs import ValidationError, validate

from dashboard.environment import checks
from isales_proxy.core.settings import ROLES

_GRANT: Final = re.compile(r"(?P<value>[^\s].*)=(?P<role>[a-z]+)@(?P<vdn>\d{1,4})")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Grant:
    """What one value of the role claim stands for: this role in this VDN."""

    value: str
    role: str
    vdn_id: int


@dataclass(frozen=True)
class SingleSignOn:
    """An OpenID Connect provider. `only`: passwords are for superusers alone."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str
    role_claim: str
    agent_account_claim: str
    grants: tuple[Grant, ...]
    only: bool


@dataclass(frozen=True)
class SignIn:
    """How people get in and how long they stay. `idle_minutes` since a person's last act."""

    second_factor_for: frozenset[str] = frozenset()
    idle_minutes: int = 120
    hours: int = 12
    single_sign_on: SingleSignOn | None = None


def read(env: Any) -> SignIn:
    """Read the variables; what does not fit is told by `env` with all others."""
    roles = env.list("SECOND_FACTOR_FOR", [], subcast=str.strip, validate=checks.roles)
    issuer = env.str("OIDC_ISSUER", "", validate=_issuer)
    sso = SingleSignOn(
        issuer=str(issuer or "").rstrip("/"),
        client_id=env.str("OIDC_CLIENT_ID", ""),
        client_secret=env.str("OIDC_CLIENT_SECRET", ""),
        name=env.str("OIDC_NAME", "single sign-on"),
        role_claim=env.str("OIDC_ROLE_CLAIM", "roles"),
        agent_account_claim=env.str("OIDC_AGENT_ACCOUNT_CLAIM", ""),
        grants=_grants(env.str("OIDC_ROLE_MAP", "", validate=_role_map)),
        only=env.bool("OIDC_ONLY", False),
    )
    return SignIn(
        second_factor_for=frozenset(role for role in roles or () if role),
        idle_minutes=_whole(env, "SESSION_IDLE_MINUTES", 120, most=24 * 60),
        hours=_whole(env, "SESSION_HOURS", 12, most=24 * 14),
        # With anything of it set, `problems` says what is missing.
        single_sign_on=sso if sso.issuer or sso.client_id or sso.grants or sso.only else None,
    )


def problems(found: SignIn) -> list[str]:
    """What no single variable can tell."""
    sso = found.single_sign_on
    if sso is None:
        return []
    needed = {
        "OIDC_ISSUER": sso.issuer,
        "OIDC_CLIENT_ID": sso.client_id,
        "OIDC_CLIENT_SECRET": sso.client_secret,
        "OIDC_ROLE_MAP": sso.grants,
    }
    told = [f"{name}: required for single sign-on" for name, value in needed.items() if not value]
    if any(grant.role == "agent" for grant in sso.grants) and not sso.agent_account_claim:
        told.append("OIDC_AGENT_ACCOUNT_CLAIM: required when OIDC_ROLE_MAP makes agents")
    return told


def _issuer(text: str) -> None:
    """The provider's own address, over TLS unless it is on this machine."""
    checks.web_address(text)
    parts = urlsplit(text)
    if text and parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ValidationError("wants https://")


def _role_map(text: str) -> None:
    """`value=role@VDN`, comma separated."""
    for part in filter(None, (each.strip() for each in text.split(","))):
        match = _GRANT.fullmatch(part)
        if match is None or match["role"] not in ROLES or not 1 <= int(match["vdn"]) <= 9999:
            raise ValidationError(
                f"wants value=role@VDN, comma separated; roles: {', '.join(ROLES)}"
            )


def _grants(text: str | None) -> tuple[Grant, ...]:
    found = (_GRANT.fullmatch(part.strip()) for part in (text or "").split(","))
    return tuple(
        Grant(match["value"].strip(), match["role"], int(match["vdn"])) for match in found if match
    )


def _whole(env: Any, name: str, default: int, *, most: int) -> int:
    return env.int(name, default, validate=validate.Range(min=1, max=most)) or default
