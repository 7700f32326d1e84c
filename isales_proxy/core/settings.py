"""The typed `ISALES` setting: where CC-iSales is, how we prove who we are, and our bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from django.conf import settings

from isales_proxy.client.auth import Credentials
from isales_proxy.client.config import ObsAuth, ObsConfig, TransportConfig
from isales_proxy.client.transport.sessions import tls_context

Source = Literal["default", "environment", ".env", "file"]

# An hour: a longer one would hide every late call of a day.
MOST_LATE_GRACE: Final = 3600

# The names of `models.Role`, for what is read before there are models.
ROLES: Final = ("agent", "supervisor", "auditor", "admin")


@dataclass(frozen=True)
class VdnSeed:
    """A VDN to create at start. An empty time zone stands for the process's own."""

    id: int
    name: str
    time_zone: str = ""


@dataclass(frozen=True)
class ISalesSettings:
    """All `ISALES_*` variables. Times in seconds; an empty `base_url` means demo mode."""

    base_url: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    obs_base_url: str = ""
    obs_auth: str = ObsAuth.APP
    app_key: str = ""
    app_secret: str = field(default="", repr=False)
    token_url: str = ""
    token: str = field(default="", repr=False)
    obs_auth_header: str = "Authorization"
    # The vendor leaves the format of the three times of a write-back open.
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

    @property
    def obs(self) -> ObsConfig:
        """How the OBS interfaces are reached. Raises ValueError, without values."""
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
        """Seconds that a call may be under way: nothing else is given as long as call data."""
        return max(self.deadline, self.call_data_timeout)

    @property
    def demo(self) -> bool:
        """Whether the simulator stands in for CC-iSales."""
        return not self.base_url


@dataclass(frozen=True)
class RetentionSettings:
    """How long we keep what is personal, in days, and how long a write-back is tried, in hours."""

    call_data_days: int = 30
    write_back_days: int = 180
    give_up_hours: int = 48
    audit_days: int = 730


@dataclass(frozen=True)
class PrivacySettings:
    """Which roles see called numbers whole; how often a day others may have one shown, and for how
    many different ones they may search."""

    numbers_visible_to: frozenset[str] = frozenset({"supervisor", "admin"})
    reveals_per_day: int = 30
    number_searches_per_day: int = 200


@dataclass(frozen=True)
class Variable:
    """One variable of the environment as it is in effect. Of a secret nothing is `shown`."""

    name: str
    shown: str
    is_set: bool
    source: Source
    secret: bool


def find_problems(found: ISalesSettings) -> list[str]:
    """What the client would refuse at its first call: a line for each variable, without values.

    Nothing is asked of the network. What is not set is no problem here.
    """
    keys = Credentials("-", "-")
    trials: dict[str, tuple[str, Callable[[str], object]]] = {
        "ISALES_ACCESS_KEY": (found.access_key, lambda text: Credentials(text, "-")),
        "ISALES_SECRET_KEY": (found.secret_key, lambda text: Credentials("-", text)),
        "ISALES_BASE_URL": (
            found.base_url,
            lambda text: TransportConfig(base_url=text, credentials=keys),
        ),
        "ISALES_CA_BUNDLE": (found.ca_bundle, tls_context),
        "ISALES_OBS_BASE_URL": (found.obs_base_url, lambda text: ObsConfig(base_url=text)),
        "ISALES_TOKEN_URL": (found.token_url, lambda text: ObsConfig(token_url=text)),
        "ISALES_TOKEN": (found.token, lambda text: ObsConfig(token=text)),
        "ISALES_OBS_AUTH_HEADER": (found.obs_auth_header, lambda text: ObsConfig(header=text)),
    }
    told = []
    for name, (value, trial) in trials.items():
        try:
            if value:
                trial(value)
        except ValueError as error:
            told.append(f"{name}: {error}")
    return told


def get_isales_settings() -> ISalesSettings:
    """The setting in force."""
    found: ISalesSettings = settings.ISALES
    return found


def get_retention_settings() -> RetentionSettings:
    """How long things are kept."""
    found: RetentionSettings = settings.KEEPING
    return found


def get_privacy_settings() -> PrivacySettings:
    """Who sees numbers whole."""
    found: PrivacySettings = settings.PRIVACY
    return found


def late_grace_seconds() -> int:
    """Seconds after its agreed time for which an uncalled reservation is not yet late."""
    found: int = settings.LATE_GRACE_SECONDS
    return found


def list_variables() -> tuple[Variable, ...]:
    """Every variable that the product reads, in the order in which it reads them."""
    found: tuple[Variable, ...] = settings.VARIABLES
    return found
