"""What the environment says, typed and checked, before Django reads its settings.

`.env` beside manage.py is a part of it for every entry point, see `env_file`. Every variable may be
given as NAME_FILE, a path to read it from. All wrong values are reported in one message
(`ImproperlyConfigured`), so that an operator mends them in one go.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from environs import EnvValidationError, validate

from dashboard import env_file
from dashboard.environment import checks
from dashboard.environment import sign_in as environment_sign_in
from dashboard.environment.sign_in import SignIn
from dashboard.environment.variables import Variables
from isales_proxy import configuration
from isales_proxy.client.config import ObsAuth
from isales_proxy.configuration import (
    MOST_LATE_GRACE,
    ISalesSettings,
    Keeping,
    Privacy,
    Variable,
    VdnSeed,
)

BASE_DIR: Path = env_file.BASE_DIR
_FROM_FILE = env_file.load()
# Where this machine's own files are: databases, collected static files, the local secret key.
VAR_DIR: Path = (BASE_DIR / (os.environ.get("VAR_DIR") or "var")).resolve()
# Others on this machine have no business with the files that we make: databases with their
# write-ahead logs, sessions, jobs, figures, keys. Inherited by every process that we start.
os.umask(0o077)

_OBS_AUTHS = tuple(auth.value for auth in ObsAuth)
# Django warns below 50 characters; a key below this can be found by trying.
_SHORTEST_KEY = 16
_FEWEST_CHARACTERS = 5
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True)
class Environment:
    """The whole environment of a process; secrets are hidden from its repr by their types."""

    debug: bool
    secret_key: str
    former_secret_keys: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    csrf_trusted_origins: tuple[str, ...]
    time_zone: str
    database: Mapping[str, object]
    cache_url: str
    jobs_url: str
    workers: int
    threads: int
    metrics_token: str
    log_level: str
    https: bool
    cookie_prefix: str
    hsts_subdomains: bool
    simulator_url: str
    late_grace_seconds: int
    isales: ISalesSettings
    keeping: Keeping
    privacy: Privacy
    sign_in: SignIn
    variables: tuple[Variable, ...] = ()

    def __repr__(self) -> str:
        return f"Environment(debug={self.debug}, isales={self.isales!r})"


def read() -> Environment:
    """Read and check every variable of the contract.

    Raises ImproperlyConfigured with one line for each wrong value.
    """
    env = Variables()
    VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    debug = env.bool("DEBUG", True)
    secret_key = env.str("SECRET_KEY", "")
    base_url = env.str("ISALES_BASE_URL", "", validate=checks.web_address)
    found = Environment(
        debug=debug,
        secret_key=secret_key or (local_secret_key() if debug else ""),
        former_secret_keys=tuple(env.list("SECRET_KEY_FALLBACKS", [], subcast=str.strip)),
        allowed_hosts=_several(
            env, "ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"], validate=checks.hosts
        ),
        csrf_trusted_origins=_several(env, "CSRF_TRUSTED_ORIGINS", [], validate=checks.origins),
        time_zone=env.str("TIME_ZONE", "UTC", validate=checks.time_zone),
        database=_database(env),
        cache_url=env.str("CACHE_URL", "", validate=checks.redis_address),
        jobs_url=env.str("JOBS_URL", "", validate=checks.redis_address),
        workers=env.int("WEB_CONCURRENCY", 1, validate=validate.Range(min=1, max=64)),
        threads=env.int("WEB_THREADS", 8, validate=validate.Range(min=1, max=256)),
        metrics_token=env.str("METRICS_TOKEN", "", validate=checks.header_word),
        log_level=env.str("LOG_LEVEL", "INFO", validate=validate.OneOf(_LEVELS)),
        https=env.bool("HTTPS", False),
        cookie_prefix=env.str(
            "COOKIE_PREFIX", "callboard", validate=validate.Regexp(r"[A-Za-z0-9-]{1,40}\Z")
        ),
        hsts_subdomains=env.bool("HSTS_SUBDOMAINS", False),
        simulator_url=env.str("CALLBOARD_SIMULATOR_URL", "", validate=checks.web_address),
        late_grace_seconds=env.int(
            "LATE_GRACE_SECONDS", 60, validate=validate.Range(min=0, max=MOST_LATE_GRACE)
        ),
        isales=ISalesSettings(
            base_url=base_url,
            access_key=env.str("ISALES_ACCESS_KEY", ""),
            secret_key=env.str("ISALES_SECRET_KEY", ""),
            obs_base_url=env.str("ISALES_OBS_BASE_URL", "", validate=checks.web_address),
            obs_auth=env.str("ISALES_OBS_AUTH", "app", validate=validate.OneOf(_OBS_AUTHS)),
            app_key=env.str("ISALES_APP_KEY", ""),
            app_secret=env.str("ISALES_APP_SECRET", ""),
            token_url=env.str("ISALES_TOKEN_URL", "", validate=checks.web_address),
            token=env.str("ISALES_TOKEN", ""),
            obs_auth_header=env.str("ISALES_OBS_AUTH_HEADER", "Authorization"),
            time_format=env.str(
                "ISALES_TIME_FORMAT", "%Y-%m-%d %H:%M:%S", validate=checks.time_format
            ),
            time_format_zone=env.str(
                "ISALES_TIME_FORMAT_ZONE", "UTC", validate=validate.OneOf(("UTC", "VDN"))
            ),
            cc_id=env.int("ISALES_CC_ID", 1, validate=validate.Range(min=1, max=65535)),
            vdns=_vdns(env),
            ca_bundle=env.str("ISALES_CA_BUNDLE", "", validate=checks.certificates),
            connect_timeout=_seconds(env, "ISALES_CONNECT_TIMEOUT", 3),
            read_timeout=_seconds(env, "ISALES_READ_TIMEOUT", 10),
            deadline=_seconds(env, "ISALES_DEADLINE", 15),
            call_data_timeout=_seconds(env, "ISALES_CALL_DATA_TIMEOUT", 60),
            page_cache_seconds=env.float(
                "ISALES_PAGE_CACHE_SECONDS", 3, validate=validate.Range(min=0, max=3600)
            ),
            max_page_size=env.int(
                "ISALES_MAX_PAGE_SIZE", 100, validate=validate.Range(min=1, max=1000)
            ),
        ),
        keeping=Keeping(
            call_data_days=_whole(env, "CALL_DATA_RETENTION_DAYS", 30, most=3650),
            write_back_days=_whole(env, "WRITE_BACK_RETENTION_DAYS", 180, most=3650),
            give_up_hours=_whole(env, "WRITE_BACK_GIVE_UP_HOURS", 48, most=8760),
            audit_days=_whole(env, "AUDIT_RETENTION_DAYS", 730, most=36500),
        ),
        privacy=Privacy(
            numbers_visible_to=_roles(env, "NUMBERS_VISIBLE_TO", ["supervisor", "admin"]),
            reveals_per_day=env.int(
                "REVEALS_PER_DAY", 30, validate=validate.Range(min=0, max=10_000)
            ),
            number_searches_per_day=env.int(
                "NUMBER_SEARCHES_PER_DAY", 200, validate=validate.Range(min=0, max=10_000)
            ),
        ),
        sign_in=environment_sign_in.read(env),
    )
    problems = env.unreadable + env.unknown(_FROM_FILE) + _sealed(env) + _together(found)
    if problems:
        raise ImproperlyConfigured(
            "The environment does not fit:\n" + "\n".join(f"  - {line}" for line in problems)
        )
    return replace(found, variables=env.described())


def local_secret_key() -> str:
    """The key of a machine that was given none: made once, kept in var/, readable by its owner."""
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


def _sealed(env: Variables) -> list[str]:
    try:
        env.seal()
    except EnvValidationError as error:
        told = error.error_messages
        if not isinstance(told, Mapping):
            return [str(text) for text in told]
        return [f"{name}: {' '.join(str(text) for text in told[name])}" for name in sorted(told)]
    return []


def _together(found: Environment) -> list[str]:
    """What no single variable can tell."""
    problems = []
    if not found.debug and not found.secret_key:
        problems.append("SECRET_KEY: required when DEBUG is off")
    elif not found.debug and _is_weak(found.secret_key):
        problems.append(
            f"SECRET_KEY: too easily guessed; wants {_SHORTEST_KEY} characters or more, drawn by "
            "lot, as `openssl rand -base64 48` gives them"
        )
    if found.isales.base_url and not (found.isales.access_key and found.isales.secret_key):
        problems.append(
            "ISALES_ACCESS_KEY, ISALES_SECRET_KEY: required when ISALES_BASE_URL is set"
        )
    if found.isales.base_url:
        problems += _half_keys(found.isales)
    problems += environment_sign_in.problems(found.sign_in)
    return problems + configuration.problems(found.isales)


def _is_weak(key: str) -> bool:
    return len(key) < _SHORTEST_KEY or len(set(key)) < _FEWEST_CHARACTERS


def _half_keys(found: ISalesSettings) -> list[str]:
    """OBS keys may be left out altogether, but not by half."""
    if found.obs_auth == ObsAuth.STATIC:
        return [] if found.token else ["ISALES_TOKEN: required when ISALES_OBS_AUTH is static"]
    if bool(found.app_key) != bool(found.app_secret):
        return ["ISALES_APP_KEY, ISALES_APP_SECRET: needed together"]
    return []


def _database(env: Variables) -> Mapping[str, object]:
    found: dict[str, object] = (
        env.dj_db_url("DATABASE_URL", f"sqlite:///{VAR_DIR / 'callboard.sqlite3'}") or {}
    )
    if str(found.get("ENGINE")).endswith("sqlite3") and found["NAME"] != ":memory:":
        # The same file wherever a command is started.
        found["NAME"] = str(BASE_DIR / str(found["NAME"]))
    return found


def _several(
    env: Variables, name: str, default: list[str], *, validate: Callable[[list[str]], None]
) -> tuple[str, ...]:
    return tuple(filter(None, env.list(name, default, subcast=str.strip, validate=validate) or ()))


def _seconds(env: Variables, name: str, default: float) -> float:
    # A value that does not fit comes back as None and is told with all others.
    return env.float(name, default, validate=validate.Range(min=0.05, max=300)) or default


def _whole(env: Variables, name: str, default: int, *, most: int) -> int:
    return env.int(name, default, validate=validate.Range(min=1, max=most)) or default


def _vdns(env: Variables) -> tuple[VdnSeed, ...]:
    text = env.str("ISALES_VDNS", "88:Demo", validate=checks.vdn_list)
    seeds = []
    for part in str(text).split(","):
        if match := checks.VDN.fullmatch(part.strip()):
            zone = match["zone"] or ""
            seeds.append(VdnSeed(id=int(match["id"]), name=match["name"].strip(), time_zone=zone))
    return tuple(seeds)


def _roles(env: Variables, name: str, default: list[str]) -> frozenset[str]:
    return frozenset(
        role
        for role in env.list(name, default, subcast=str.strip, validate=checks.roles) or ()
        if role
    )
