"""Addresses of CC-iSales and time limits, all validated before the first call."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Self

from .auth import Credentials, check_header_text, check_secret_text

MAX_ATTEMPTS = 10
MAX_TOKEN_SECONDS = 3600
TOKEN_PATH = "/apigovernance/api/oauth/tokenByAkSk"  # noqa: S105 – a path, no secret

_ADDRESS = re.compile(
    r"(?P<origin>https?://"
    r"(?P<host>(?:[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?))"
    r"(?P<prefix>(?:/[A-Za-z0-9_~\-][A-Za-z0-9._~\-]*)*)/?"
)
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9\-]{0,63}")


class Endpoint(StrEnum):
    """A service with an address of its own."""

    CAMPAIGNS = "campaigns"
    OBS = "obs"
    TOKEN = "token"  # noqa: S105 – no secret


class ObsAuth(StrEnum):
    """Source of the token of the OBS interfaces."""

    APP = "app"
    LOGIN = "login"
    STATIC = "static"


@dataclass(frozen=True, slots=True)
class Origin:
    """An address in its parts: ``scheme://host[:port]``, ``host[:port]``, and the path before
    the vendor's, mostly nothing."""

    base: str
    host: str
    prefix: str

    @classmethod
    def parse(cls, name: str, address: str) -> Self:
        """Split an address. Raises `ValueError` with the name of the setting, not its value."""
        found = _ADDRESS.fullmatch(address)
        if found is None or not 0 < int(found["port"] or 1) < 65_536:
            raise ValueError(f"{name} must be http(s)://host[:port], without user, query or blanks")
        return cls(found["origin"], found["host"], found["prefix"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ObsConfig:
    """Settings of the OBS interfaces. Raises `ValueError`, without values, for bad settings.

    ``base_url`` is that of CC-iSales when empty, ``token_url`` the documented path below it.
    ``key`` and ``secret`` are those of the app, or user and password of the log-in; ``token`` is
    the static one. ``header`` is the name of the header with the token, ``token_seconds`` the
    requested lifetime. Nothing needs to be set; see `configured`.
    """

    base_url: str = ""
    auth: ObsAuth = ObsAuth.APP
    key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    token_url: str = ""
    header: str = "Authorization"
    token_seconds: int = MAX_TOKEN_SECONDS

    def __post_init__(self) -> None:
        for name, address in (("base_url", self.base_url), ("token_url", self.token_url)):
            if address:
                Origin.parse(name, address)
        if self.auth not in frozenset(ObsAuth):
            raise ValueError("auth must be app, login or static")
        for name, value in (("key", self.key), ("secret", self.secret)):
            if value:
                check_secret_text(name, value)
        if self.token:
            check_header_text("token", self.token)
        if _HEADER_NAME.fullmatch(self.header) is None:
            raise ValueError("header must be the name of an HTTP header")
        if not 1 <= self.token_seconds <= MAX_TOKEN_SECONDS:
            raise ValueError(f"token_seconds must be from 1 to {MAX_TOKEN_SECONDS}")

    @property
    def configured(self) -> bool:
        """Return True if the settings that the chosen ``auth`` needs are there."""
        if self.auth == ObsAuth.STATIC:
            return bool(self.token)
        return bool(self.key and self.secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportConfig:
    """Settings of the transport to CC-iSales. Raises `ValueError`, without values, for bad ones.

    ``base_url`` is ``http(s)://host[:port]``, where needed with a path before the vendor's; that
    path is signed too. ``ca_bundle`` is a file or directory of certificate authorities in place of
    the system's. Timeouts, deadline, ``max_retry_wait`` and ``breaker_cooldown`` are in seconds,
    ``slow_timeout`` is read timeout and deadline of slow operations, if longer than the ordinary
    ones. ``max_bytes`` bounds an answer, ``attempts`` counts the first one too.
    Without keys in ``obs`` the OBS interfaces cannot be called.
    """

    base_url: str
    credentials: Credentials
    ca_bundle: str | None = None
    connect_timeout: float = 3.0
    read_timeout: float = 10.0
    deadline: float = 15.0
    slow_timeout: float = 60.0
    max_bytes: int = 8 * 1024 * 1024
    attempts: int = 3
    max_retry_wait: float = 5.0
    breaker_threshold: int = 5
    breaker_cooldown: float = 5.0
    obs: ObsConfig = field(default_factory=ObsConfig)

    _POSITIVE: ClassVar[tuple[str, ...]] = (
        "connect_timeout",
        "read_timeout",
        "deadline",
        "slow_timeout",
        "max_bytes",
        "attempts",
        "breaker_threshold",
    )

    def __post_init__(self) -> None:
        Origin.parse("base_url", self.base_url)
        for name in self._POSITIVE:
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise ValueError(f"{name} must be greater than 0")
        if self.attempts > MAX_ATTEMPTS:
            raise ValueError(f"attempts must be at most {MAX_ATTEMPTS}")
        if min(self.max_retry_wait, self.breaker_cooldown) < 0:
            raise ValueError("max_retry_wait and breaker_cooldown must not be negative")

    def read_timeout_of(self, *, slow: bool) -> float:
        """Seconds that an operation waits for the next part of an answer."""
        return max(self.read_timeout, self.slow_timeout) if slow else self.read_timeout

    def deadline_of(self, *, slow: bool) -> float:
        """Seconds that a call of an operation may take altogether."""
        return max(self.deadline, self.slow_timeout) if slow else self.deadline

    def origin_of(self, endpoint: Endpoint) -> Origin:
        """Return the address of an endpoint; for `Endpoint.TOKEN` it includes the whole path."""
        obs = self.obs
        if endpoint is Endpoint.CAMPAIGNS:
            return Origin.parse("base_url", self.base_url)
        if endpoint is Endpoint.TOKEN and obs.token_url:
            return Origin.parse("token_url", obs.token_url)
        origin = Origin.parse("base_url", obs.base_url or self.base_url)
        if endpoint is Endpoint.TOKEN:
            return Origin(origin.base, origin.host, origin.prefix + TOKEN_PATH)
        return origin
