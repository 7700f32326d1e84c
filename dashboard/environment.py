"""What the environment says, typed and checked, before Django reads its settings.

Every variable may be given as NAME_FILE, a path to read it from. All wrong values are reported in
one message (`ImproperlyConfigured`), so that an operator mends them in one go.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured
from environs import EnvValidationError, FileAwareEnv, ValidationError, validate

from isales_proxy import configuration
from isales_proxy.configuration import ISalesSettings, VdnSeed

BASE_DIR: Path = Path(__file__).resolve().parent.parent
# Where this machine's own files are: databases, collected static files, the local secret key.
VAR_DIR: Path = Path(os.environ.get("VAR_DIR") or BASE_DIR / "var").resolve()

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_VDN = re.compile(r"(?P<id>\d{1,4}):(?P<name>[^:,]{1,80})(?::(?P<zone>[A-Za-z0-9_+\-/]{1,64}))?")


class _Variables(FileAwareEnv):
    """Collects the files that cannot be read, where the library stops at the first one."""

    def __init__(self, *, eager: bool, strip_whitespace: bool) -> None:
        super().__init__(eager=eager, strip_whitespace=strip_whitespace)
        self.unreadable: list[str] = []

    def _get_value(self, env_key: str, default: Any) -> Any:
        try:
            return super()._get_value(env_key, default)
        except ValueError:
            self.unreadable.append(f"{env_key}_FILE: no such readable file")
            return default


@dataclass(frozen=True)
class Environment:
    """The whole environment of a process; secrets are hidden from its repr by their types."""

    debug: bool
    secret_key: str
    allowed_hosts: tuple[str, ...]
    csrf_trusted_origins: tuple[str, ...]
    time_zone: str
    database: Mapping[str, object]
    cache_url: str
    jobs_url: str
    workers: int
    metrics_token: str
    log_level: str
    https: bool
    hsts_subdomains: bool
    simulator_url: str
    isales: ISalesSettings

    def __repr__(self) -> str:
        return f"Environment(debug={self.debug}, isales={self.isales!r})"


def read() -> Environment:
    """Read and check every variable of the contract.

    Raises ImproperlyConfigured with one line for each wrong value.
    """
    env = _Variables(eager=False, strip_whitespace=True)
    VAR_DIR.mkdir(parents=True, exist_ok=True)
    debug = env.bool("DEBUG", True)
    secret_key = env.str("SECRET_KEY", "")
    base_url = env.str("ISALES_BASE_URL", "", validate=_web_address)
    found = Environment(
        debug=debug,
        secret_key=secret_key or (local_secret_key() if debug else ""),
        allowed_hosts=tuple(env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])),
        csrf_trusted_origins=tuple(env.list("CSRF_TRUSTED_ORIGINS", [])),
        time_zone=env.str("TIME_ZONE", "UTC", validate=_time_zone),
        database=env.dj_db_url("DATABASE_URL", f"sqlite:///{VAR_DIR / 'callboard.sqlite3'}"),
        cache_url=env.str("CACHE_URL", "", validate=_redis_address),
        jobs_url=env.str("JOBS_URL", "", validate=_redis_address),
        workers=env.int("WEB_CONCURRENCY", 1, validate=validate.Range(min=1, max=64)),
        metrics_token=env.str("METRICS_TOKEN", ""),
        log_level=env.str("LOG_LEVEL", "INFO", validate=validate.OneOf(_LEVELS)),
        https=env.bool("HTTPS", False),
        hsts_subdomains=env.bool("HSTS_SUBDOMAINS", False),
        simulator_url=env.str("CALLBOARD_SIMULATOR_URL", "", validate=_web_address),
        isales=ISalesSettings(
            base_url=base_url,
            access_key=env.str("ISALES_ACCESS_KEY", ""),
            secret_key=env.str("ISALES_SECRET_KEY", ""),
            cc_id=env.int("ISALES_CC_ID", 1, validate=validate.Range(min=1, max=65535)),
            vdns=_vdns(env),
            ca_bundle=env.str("ISALES_CA_BUNDLE", "", validate=_certificates),
            connect_timeout=_seconds(env, "ISALES_CONNECT_TIMEOUT", 3),
            read_timeout=_seconds(env, "ISALES_READ_TIMEOUT", 10),
            deadline=_seconds(env, "ISALES_DEADLINE", 15),
            page_cache_seconds=env.float(
                "ISALES_PAGE_CACHE_SECONDS", 3, validate=validate.Range(min=0, max=3600)
            ),
            max_page_size=env.int(
                "ISALES_MAX_PAGE_SIZE", 100, validate=validate.Range(min=1, max=1000)
            ),
        ),
    )
    problems = env.unreadable + _sealed(env) + _together(found)
    if problems:
        raise ImproperlyConfigured(
            "The environment does not fit:\n" + "\n".join(f"  - {line}" for line in problems)
        )
    return found


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


def _sealed(env: _Variables) -> list[str]:
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
    if found.isales.base_url and not (found.isales.access_key and found.isales.secret_key):
        problems.append(
            "ISALES_ACCESS_KEY, ISALES_SECRET_KEY: required when ISALES_BASE_URL is set"
        )
    return problems + configuration.problems(found.isales)


def _seconds(env: _Variables, name: str, default: float) -> float:
    # A value that does not fit comes back as None and is told with all others.
    return env.float(name, default, validate=validate.Range(min=0.05, max=300)) or default


def _vdns(env: _Variables) -> tuple[VdnSeed, ...]:
    text = env.str("ISALES_VDNS", "88:Demo", validate=_vdn_list)
    seeds = []
    for part in str(text).split(","):
        if match := _VDN.fullmatch(part.strip()):
            zone = match["zone"] or ""
            seeds.append(VdnSeed(id=int(match["id"]), name=match["name"].strip(), time_zone=zone))
    return tuple(seeds)


def _vdn_list(text: str) -> None:
    for part in text.split(","):
        match = _VDN.fullmatch(part.strip())
        if match is None or not 1 <= int(match["id"]) <= 9999:
            raise ValidationError("wants id:Name[:IANA time zone], comma separated, id 1 to 9999")
        if match["zone"]:
            _time_zone(match["zone"])


def _time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValidationError(f"no such time zone: {name}") from error


def _web_address(text: str) -> None:
    parts = _parts(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.query):
        raise ValidationError("wants https://host[:port]")


def _redis_address(text: str) -> None:
    if text and _parts(text).scheme not in {"redis", "rediss", "unix"}:
        raise ValidationError("wants redis://host:port/number")


def _parts(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError as error:
        raise ValidationError("no address") from error


def _certificates(text: str) -> None:
    if text and not Path(text).exists():
        raise ValidationError("no such file or directory")
