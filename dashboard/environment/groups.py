"""Groups of settings that are read from the environment, and checks of their combinations."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from dashboard.environment.variables import BASE_DIR, Variables, load_env_file
from isales_proxy.client.config import ObsAuth
from isales_proxy.core import settings
from isales_proxy.core.settings import ISalesSettings, SignIn, SingleSignOn

load_env_file()
# Directory for databases, collected static files, the generated secret key.
VAR_DIR: Final = (BASE_DIR / (os.environ.get("VAR_DIR") or "var")).resolve()
# Other users of this machine must not read our files: databases with their write-ahead logs,
# sessions, jobs, metrics, keys. Child processes inherit this.
os.umask(0o077)

# Django warns below 50 characters; shorter keys than these could be guessed.
_MIN_KEY_LENGTH: Final = 16
_MIN_KEY_CHARACTERS: Final = 5

# ID of the provider of single sign-on in allauth's tables.
PROVIDER_ID: Final = "sso"


def read_sign_in(env: Variables) -> SignIn:
    """Read the settings of second factor, sessions, and single sign-on (`OIDC_*`)."""
    sso = env.read(SingleSignOn, "OIDC_")
    # If one of these is set, `find_problems` requires the others.
    is_used = sso.issuer or sso.client_id or sso.grants or sso.only
    return replace(env.read(SignIn), single_sign_on=sso if is_used else None)


def list_providers(found: SingleSignOn | None) -> dict[str, Any]:
    """Return allauth's SOCIALACCOUNT_PROVIDERS: the provider of single sign-on, or none."""
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


def find_problems(
    *, debug: bool, secret_key: str, isales: ISalesSettings, sign_in: SignIn
) -> list[str]:
    """List problems of combinations of variables, one line each."""
    problems = []
    if not debug and not secret_key:
        problems.append("SECRET_KEY: required when DEBUG is off")
    elif not debug and (
        len(secret_key) < _MIN_KEY_LENGTH or len(set(secret_key)) < _MIN_KEY_CHARACTERS
    ):
        problems.append(
            f"SECRET_KEY: too easily guessed; must have {_MIN_KEY_LENGTH} random characters or "
            "more, for example those of `openssl rand -base64 48`"
        )
    if isales.base_url and not (isales.access_key and isales.secret_key):
        problems.append(
            "ISALES_ACCESS_KEY, ISALES_SECRET_KEY: required when ISALES_BASE_URL is set"
        )
    # The OBS keys are optional, but only together.
    if isales.base_url and isales.obs_auth == ObsAuth.STATIC and not isales.token:
        problems.append("ISALES_TOKEN: required when ISALES_OBS_AUTH is static")
    one_key_missing = bool(isales.app_key) != bool(isales.app_secret)
    if isales.base_url and isales.obs_auth != ObsAuth.STATIC and one_key_missing:
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
    """Return the generated secret key, which is created at first use, readable by its owner."""
    path = VAR_DIR / "secret-key"
    if not path.exists():
        handle, draft = tempfile.mkstemp(dir=VAR_DIR, prefix="secret-key-")
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(50))
        # A link is atomic: two processes that start at the same time get the same key.
        with suppress(FileExistsError):
            os.link(draft, path)
        Path(draft).unlink()
    return path.read_text(encoding="ascii").strip()
