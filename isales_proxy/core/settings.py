"""Typed settings: CC-iSales, retention, privacy, log-in. Defaults are declared here alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from django.conf import settings

from isales_proxy.client.auth import Credentials
from isales_proxy.client.config import ObsAuth, ObsConfig, TransportConfig
from isales_proxy.client.transport.sessions import tls_context

Source = Literal["default", "environment", ".env", "file"]

# An hour: a longer grace would hide every late call of a day.
MOST_LATE_GRACE: Final = 3600

# Values of `models.Role`, for settings that are read before there are models.
ROLES: Final = ("agent", "supervisor", "auditor", "admin")


@dataclass(frozen=True)
class VdnSeed:
    """A VDN to create at start. An empty time zone stands for the process's own."""

    id: int
    name: str
    time_zone: str = ""


@dataclass(frozen=True)
class ISalesSettings:
    """Settings of `ISALES_<FIELD>`. Times in seconds; an empty `base_url` means demo mode."""

    base_url: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    obs_base_url: str = ""
    obs_auth: str = ObsAuth.APP.value
    app_key: str = ""
    app_secret: str = field(default="", repr=False)
    token_url: str = ""
    token: str = field(default="", repr=False)
    obs_auth_header: str = "Authorization"
    # The vendor's page leaves the format of the three times of a write-back open.
    time_format: str = "%Y-%m-%d %H:%M:%S"
    time_format_zone: str = "UTC"
    cc_id: int = 1
    vdns: tuple[VdnSeed, ...] = (VdnSeed(88, "Demo"),)
    ca_bundle: str = ""
    connect_timeout: float = 3.0
    read_timeout: float = 10.0
    deadline: float = 15.0
    call_data_timeout: float = 60.0
    page_cache_seconds: float = 3.0
    max_page_size: int = 100
    # Of the list of one VDN, by people and the mirror together; the mirror waits.
    calls_per_minute: int = 60

    @property
    def obs(self) -> ObsConfig:
        """Configuration of the OBS interfaces. Raises ValueError, whose text holds no value."""
        return ObsConfig(
            base_url=self.obs_base_url,
            auth=ObsAuth(self.obs_auth),
            key=self.app_key,
            secret=self.app_secret,
            token=self.token,
            token_url=self.token_url,
            header=self.obs_auth_header,
        )

    @property
    def longest_call(self) -> float:
        """Longest duration of a call in seconds: that of call data, which has the most time."""
        return max(self.deadline, self.call_data_timeout)

    @property
    def demo(self) -> bool:
        """Tell whether the simulator stands in for CC-iSales."""
        return not self.base_url


@dataclass(frozen=True)
class RetentionSettings:
    """Retention of personal data in days, and hours after which a write-back is given up."""

    call_data_days: int = 30
    write_back_days: int = 180
    give_up_hours: int = 48
    audit_days: int = 730
    mirror_version_days: int = 90
    mirror_row_days: int = 180


@dataclass(frozen=True)
class PrivacySettings:
    """Roles that see called numbers in full, and daily limits of the others: numbers revealed, and
    different numbers searched."""

    numbers_visible_to: frozenset[str] = frozenset({"supervisor", "admin"})
    reveals_per_day: int = 30
    number_searches_per_day: int = 200


@dataclass(frozen=True)
class Grant:
    """A value of the role claim and what it grants: this role in this VDN."""

    value: str
    role: str
    vdn_id: int


@dataclass(frozen=True)
class SingleSignOn:
    """An OpenID Connect provider. `only`: passwords are for superusers alone."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    name: str = "single sign-on"
    role_claim: str = "roles"
    agent_account_claim: str = ""
    grants: tuple[Grant, ...] = ()
    only: bool = False


@dataclass(frozen=True)
class SignIn:
    """Log-in and sessions: roles that need a second factor, minutes without a request and hours
    after which a session ends, and the provider of single sign-on."""

    second_factor_for: frozenset[str] = frozenset()
    idle_minutes: int = 120
    hours: int = 12
    single_sign_on: SingleSignOn | None = None


@dataclass(frozen=True)
class Variable:
    """One variable of the environment in effect. `shown` is "" for a secret."""

    name: str
    shown: str
    is_set: bool
    source: Source
    secret: bool


TRIALS: Final[dict[str, Callable[[str], object]]] = {
    "access_key": lambda text: Credentials(text, "-"),
    "secret_key": lambda text: Credentials("-", text),
    "base_url": lambda text: TransportConfig(base_url=text, credentials=Credentials("-", "-")),
    "ca_bundle": tls_context,
    "obs_base_url": lambda text: ObsConfig(base_url=text),
    "token_url": lambda text: ObsConfig(token_url=text),
    "token": lambda text: ObsConfig(token=text),
    "obs_auth_header": lambda text: ObsConfig(header=text),
}
"""What the client makes of a setting of CC-iSales. Raises ValueError, without the value."""


def find_problems(found: ISalesSettings) -> list[str]:
    """List what the client would refuse at its first call: a line a variable, without values.

    Sends nothing. Variables that are not set are no problem here.
    """
    problems = []
    for name, trial in TRIALS.items():
        try:
            if value := getattr(found, name):
                trial(value)
        except ValueError as error:
            problems.append(f"ISALES_{name.upper()}: {error}")
    return problems


def get_isales_settings() -> ISalesSettings:
    """Return the settings of CC-iSales."""
    return settings.ISALES


def get_retention_settings() -> RetentionSettings:
    """Return the retention settings."""
    return settings.RETENTION


def get_privacy_settings() -> PrivacySettings:
    """Return the privacy settings."""
    return settings.PRIVACY


def late_grace_seconds() -> int:
    """Return the seconds after its due time for which an uncalled reservation is not yet late."""
    return settings.LATE_GRACE_SECONDS
