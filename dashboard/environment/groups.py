"""Typed groups of settings read from the environment, before Django reads its settings.

Variables are checked one by one while they are read, and together by `find_problems`.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, TypeVar

from environs import validate

from dashboard.environment import checks
from dashboard.environment.variables import BASE_DIR, Variables, load_env_file
from isales_proxy.client.config import ObsAuth
from isales_proxy.core import settings
from isales_proxy.core.settings import (
    ISalesSettings,
    PrivacySettings,
    RetentionSettings,
    SignIn,
    SingleSignOn,
)

T = TypeVar("T")
Check = Callable[[Any], Any]

load_env_file()
# Files of this machine: databases, collected static files, the local secret key.
VAR_DIR: Final = (BASE_DIR / (os.environ.get("VAR_DIR") or "var")).resolve()
# Other users of this machine must not read the files we create: databases with their write-ahead
# logs, sessions, jobs, metrics, keys. Inherited by every process that we start.
os.umask(0o077)

# Django warns below 50 characters; a key below this can be guessed.
_MIN_KEY_LENGTH: Final = 16
_MIN_KEY_CHARACTERS: Final = 5

_SECONDS: Final = validate.Range(min=0.05, max=300)
_ISALES_CHECKS: Final[dict[str, Check]] = {
    "base_url": checks.web_address,
    "obs_base_url": checks.web_address,
    "obs_auth": validate.OneOf(tuple(auth.value for auth in ObsAuth)),
    "token_url": checks.web_address,
    "time_format": checks.time_format,
    "time_format_zone": validate.OneOf(("UTC", "VDN")),
    "cc_id": validate.Range(min=1, max=65535),
    "ca_bundle": checks.certificates,
    "connect_timeout": _SECONDS,
    "read_timeout": _SECONDS,
    "deadline": _SECONDS,
    "call_data_timeout": _SECONDS,
    "page_cache_seconds": validate.Range(min=0, max=3600),
    "max_page_size": validate.Range(min=1, max=1000),
    "calls_per_minute": validate.Range(min=1, max=6000),
}
_DAYS: Final = validate.Range(min=1, max=3650)
_RETENTION: Final[dict[str, tuple[str, Check]]] = {
    "call_data_days": ("CALL_DATA_RETENTION_DAYS", _DAYS),
    "write_back_days": ("WRITE_BACK_RETENTION_DAYS", _DAYS),
    "give_up_hours": ("WRITE_BACK_GIVE_UP_HOURS", validate.Range(min=1, max=8760)),
    "audit_days": ("AUDIT_RETENTION_DAYS", validate.Range(min=1, max=36500)),
    "mirror_version_days": ("MIRROR_VERSION_RETENTION_DAYS", _DAYS),
    "mirror_row_days": ("MIRROR_ROW_RETENTION_DAYS", _DAYS),
}
_PER_DAY: Final = validate.Range(min=0, max=10_000)
# The name of the one provider of single sign-on in allauth's tables.
PROVIDER_ID: Final = "sso"


def read_isales(env: Variables) -> ISalesSettings:
    """Read `ISALES_*`."""
    vdns = env.parsed("ISALES_VDNS", "88:Demo", parse=checks.parse_vdns)
    return _read(env, ISalesSettings, "ISALES_", _ISALES_CHECKS, vdns=vdns or ())


def read_retention(env: Variables) -> RetentionSettings:
    """Read how long data is kept."""
    values = {
        name: env.int(variable, getattr(RetentionSettings, name), validate=check)
        for name, (variable, check) in _RETENTION.items()
    }
    return RetentionSettings(**values)


def read_privacy(env: Variables) -> PrivacySettings:
    """Read who sees called numbers."""
    per_day = {"reveals_per_day": _PER_DAY, "number_searches_per_day": _PER_DAY}
    visible_to = read_list(env, "NUMBERS_VISIBLE_TO", ["supervisor", "admin"], checks.roles)
    return _read(env, PrivacySettings, "", per_day, numbers_visible_to=frozenset(visible_to))


def read_sign_in(env: Variables) -> SignIn:
    """Read second factor, sessions, and single sign-on (`OIDC_*`)."""
    issuer = env.parsed("OIDC_ISSUER", "", parse=checks.parse_issuer)
    grants = env.parsed("OIDC_ROLE_MAP", "", parse=checks.parse_grants)
    sso = _read(env, SingleSignOn, "OIDC_", {}, issuer=issuer or "", grants=grants or ())
    minutes = validate.Range(min=1, max=24 * 60)
    return SignIn(
        second_factor_for=frozenset(read_list(env, "SECOND_FACTOR_FOR", [], checks.roles)),
        idle_minutes=env.int("SESSION_IDLE_MINUTES", SignIn.idle_minutes, validate=minutes),
        hours=env.int("SESSION_HOURS", SignIn.hours, validate=validate.Range(min=1, max=24 * 14)),
        # With anything of it set, `find_problems` says what is missing.
        single_sign_on=sso if sso.issuer or sso.client_id or sso.grants or sso.only else None,
    )


def list_providers(found: SingleSignOn | None) -> dict[str, Any]:
    """List allauth's SOCIALACCOUNT_PROVIDERS: the provider of single sign-on, or none."""
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
    provider = "dashboard.account.single_sign_on.Provider"
    return {"openid_connect": {"provider_class": provider, "APPS": apps}}


def read_database(env: Variables) -> dict[str, Any]:
    """Read `DATABASE_URL`; a relative path of SQLite is relative to the product."""
    default = f"sqlite:///{VAR_DIR / 'callboard.sqlite3'}"
    found: dict[str, Any] = dict(env.dj_db_url("DATABASE_URL", default) or {})
    if str(found.get("ENGINE")).endswith("sqlite3") and found["NAME"] != ":memory:":
        found["NAME"] = str(BASE_DIR / str(found["NAME"]))
    return found


def read_list(env: Variables, name: str, default: list[str], check: Check) -> list[str]:
    """Read comma-separated words without blanks around them."""
    return [
        each for each in env.list(name, default, subcast=str.strip, validate=check) or () if each
    ]


def _read(
    env: Variables, group: type[T], prefix: str, rules: Mapping[str, Check], **given: Any
) -> T:
    """Read each field of a group that is not given from the variable `prefix` + its name in
    capitals. The group declares type and default, `rules` the check.
    """
    readers: dict[type, Callable[..., Any]] = {
        bool: env.bool, int: env.int, float: env.float, str: env.str,
    }  # fmt: skip
    values = dict(given)
    for each in fields(group):  # type: ignore[arg-type]
        if each.name in given:
            continue
        name = prefix + each.name.upper()
        value = readers[type(each.default)](name, each.default, validate=rules.get(each.name))
        # An invalid value comes back as None and is reported with all others.
        values[each.name] = each.default if value is None else value
    return group(**values)


def find_problems(
    *, debug: bool, secret_key: str, isales: ISalesSettings, sign_in: SignIn
) -> list[str]:
    """List problems of variables that do not fit together: a line each."""
    problems = []
    if not debug and not secret_key:
        problems.append("SECRET_KEY: required when DEBUG is off")
    elif not debug and (
        len(secret_key) < _MIN_KEY_LENGTH or len(set(secret_key)) < _MIN_KEY_CHARACTERS
    ):
        problems.append(
            f"SECRET_KEY: too easily guessed; wants {_MIN_KEY_LENGTH} random characters or more, "
            "as `openssl rand -base64 48` gives them"
        )
    if isales.base_url and not (isales.access_key and isales.secret_key):
        problems.append(
            "ISALES_ACCESS_KEY, ISALES_SECRET_KEY: required when ISALES_BASE_URL is set"
        )
    # OBS keys may be left out altogether, but not by half.
    if isales.base_url and isales.obs_auth == ObsAuth.STATIC and not isales.token:
        problems.append("ISALES_TOKEN: required when ISALES_OBS_AUTH is static")
    halved = bool(isales.app_key) != bool(isales.app_secret)
    if isales.base_url and isales.obs_auth != ObsAuth.STATIC and halved:
        problems.append("ISALES_APP_KEY, ISALES_APP_SECRET: needed together")
    if sso := sign_in.single_sign_on:
        required = {
            "OIDC_ISSUER": sso.issuer,
            "OIDC_CLIENT_ID": sso.client_id,
            "OIDC_CLIENT_SECRET": sso.client_secret,
            "OIDC_ROLE_MAP": sso.grants,
        }
        problems += [
            f"{name}: required for single sign-on" for name, value in required.items() if not value
        ]
        if any(grant.role == "agent" for grant in sso.grants) and not sso.agent_account_claim:
            problems.append("OIDC_AGENT_ACCOUNT_CLAIM: required when OIDC_ROLE_MAP makes agents")
    return problems + settings.find_problems(isales)


def load_secret_key() -> str:
    """Return the key of a machine that was given none: created once, readable by its owner."""
    path = VAR_DIR / "secret-key"
    if not path.exists():
        handle, draft = tempfile.mkstemp(dir=VAR_DIR, prefix="secret-key-")
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(50))
        # Linked, not written in place: two processes that start together end up with one key.
        with suppress(FileExistsError):
            os.link(draft, path)
        Path(draft).unlink()
    return path.read_text(encoding="ascii").strip()
