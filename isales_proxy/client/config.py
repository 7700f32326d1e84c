"""Where CC-iSales is and how patient to be. Everything is checked here, before the first call."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import ClassVar

from .auth import Credentials

MAX_ATTEMPTS = 10

_BASE_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<prefix>(?:/[A-Za-z0-9_~\-][A-Za-z0-9._~\-]*)*)/?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportConfig:
    """How to reach CC-iSales. Raises `ValueError`, without values, when a setting is unusable.

    ``base_url`` is ``http(s)://host[:port]``, where needed with a path before the vendor's; that
    path is signed too. ``ca_bundle`` is a file or directory of certificate authorities in place of
    the system's. Timeouts, deadline, ``max_retry_wait`` and ``breaker_cooldown`` are in seconds,
    ``max_bytes`` bounds an answer, ``attempts`` counts the first one too.
    """

    base_url: str
    credentials: Credentials
    ca_bundle: str | None = None
    connect_timeout: float = 3.0
    read_timeout: float = 10.0
    deadline: float = 15.0
    max_bytes: int = 8 * 1024 * 1024
    attempts: int = 3
    max_retry_wait: float = 5.0
    breaker_threshold: int = 5
    breaker_cooldown: float = 5.0

    _POSITIVE: ClassVar[tuple[str, ...]] = (
        "connect_timeout",
        "read_timeout",
        "deadline",
        "max_bytes",
        "attempts",
        "breaker_threshold",
    )

    def __post_init__(self) -> None:
        found = _BASE_URL.fullmatch(self.base_url)
        if found is None or not 0 < int(found["port"] or 1) < 65_536:
            raise ValueError(
                "base_url must be http(s)://host[:port], without user, query or blanks"
            )
        for name in self._POSITIVE:
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise ValueError(f"{name} must be greater than 0")
        if self.attempts > MAX_ATTEMPTS:
            raise ValueError(f"attempts must be at most {MAX_ATTEMPTS}")
        if min(self.max_retry_wait, self.breaker_cooldown) < 0:
            raise ValueError("max_retry_wait and breaker_cooldown must not be negative")

    @property
    def origin(self) -> str:
        """Scheme, host and port, to which paths are appended."""
        scheme, _, rest = self.base_url.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"

    @property
    def host(self) -> str:
        """Host and, where given, port: the value of the ``Host`` header, sent and signed."""
        return self.base_url.partition("://")[2].partition("/")[0]

    @property
    def path_prefix(self) -> str:
        """What stands before the vendor's paths; mostly nothing."""
        rest = self.base_url.partition("://")[2].partition("/")[2].rstrip("/")
        return f"/{rest}" if rest else ""
