"""Typed settings: CC-iSales, retention, privacy, log-in.

A variable of the environment is declared once, as a field: name, type, default and check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from environs import validate

from isales_proxy.client.auth import Credentials
from isales_proxy.client.config import ObsAuth, ObsConfig, TransportConfig
from isales_proxy.client.transport.sessions import create_tls_context
from isales_proxy.core import checks
from isales_proxy.core.checks import Grant, VdnSeed

Source = Literal["default", "environment", ".env", "file"]

# An hour: a longer grace would hide every late call of a day.
MOST_LATE_GRACE: Final = 3600

_SECONDS: Final = validate.Range(min=0.05, max=300)
_DAYS: Final = validate.Range(min=1, max=3650)
_PER_DAY: Final = validate.Range(min=0, max=10_000)


def variable(
    default: Any,
    check: Callable[[Any], object] | None = None,
    *,
    name: str = "",
    parse: Callable[[str], Any] | None = None,
    secret: bool = False,
) -> Any:
    """Declare a field that is read from the environment, with its default and its check.

    The variable has the `name`, else that of the field in capitals after the prefix of its group.
    `parse` makes the value from a text, of which `default` is one then. A `secret` has no repr.
    """
    return field(
        default=parse(default) if parse else default,
        repr=not secret,
        metadata={"name": name, "default": default, "check": check, "parse": parse},
    )


@dataclass(frozen=True)
class ISalesSettings:
    """Settings of `ISALES_<FIELD>`. Times in seconds; an empty `base_url` means demo mode."""

    base_url: str = variable("", checks.web_address)
    access_key: str = variable("")
    secret_key: str = variable("", secret=True)
    obs_base_url: str = variable("", checks.web_address)
    obs_auth: str = variable(ObsAuth.APP.value, validate.OneOf(tuple(map(str, ObsAuth))))
    app_key: str = variable("")
    app_secret: str = variable("", secret=True)
    token_url: str = variable("", checks.web_address)
    token: str = variable("", secret=True)
    obs_auth_header: str = variable("Authorization")
    # The vendor's page leaves the format of the three times of a write-back open.
    time_format: str = variable("%Y-%m-%d %H:%M:%S", checks.time_format)
    time_format_zone: str = variable("UTC", validate.OneOf(("UTC", "VDN")))
    cc_id: int = variable(1, validate.Range(min=1, max=65535))
    vdns: tuple[VdnSeed, ...] = variable("88:Demo", parse=checks.parse_vdns)
    ca_bundle: str = variable("", checks.certificates)
    connect_timeout: float = variable(3.0, _SECONDS)
    read_timeout: float = variable(10.0, _SECONDS)
    deadline: float = variable(15.0, _SECONDS)
    call_data_timeout: float = variable(60.0, _SECONDS)
    page_cache_seconds: float = variable(3.0, validate.Range(min=0, max=3600))
    max_page_size: int = variable(100, validate.Range(min=1, max=1000))
    # Of the list of one VDN, by people and the mirror together; the mirror waits.
    calls_per_minute: int = variable(60, validate.Range(min=1, max=6000))

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

    call_data_days: int = variable(30, _DAYS, name="CALL_DATA_RETENTION_DAYS")
    write_back_days: int = variable(180, _DAYS, name="WRITE_BACK_RETENTION_DAYS")
    give_up_hours: int = variable(
        48, validate.Range(min=1, max=8760), name="WRITE_BACK_GIVE_UP_HOURS"
    )
    audit_days: int = variable(730, validate.Range(min=1, max=36500), name="AUDIT_RETENTION_DAYS")
    mirror_version_days: int = variable(90, _DAYS, name="MIRROR_VERSION_RETENTION_DAYS")
    mirror_row_days: int = variable(180, _DAYS, name="MIRROR_ROW_RETENTION_DAYS")


@dataclass(frozen=True)
class PrivacySettings:
    """Roles that see called numbers in full, and daily limits of the others: numbers revealed, and
    different numbers searched."""

    numbers_visible_to: frozenset[str] = variable("supervisor, admin", parse=checks.parse_roles)
    reveals_per_day: int = variable(30, _PER_DAY)
    number_searches_per_day: int = variable(200, _PER_DAY)


@dataclass(frozen=True)
class SingleSignOn:
    """An OpenID Connect provider, of `OIDC_<FIELD>`. `only`: passwords are for superusers alone."""

    issuer: str = variable("", parse=checks.parse_issuer)
    client_id: str = variable("")
    client_secret: str = variable("", secret=True)
    name: str = variable("single sign-on")
    role_claim: str = variable("roles")
    agent_account_claim: str = variable("")
    grants: tuple[Grant, ...] = variable("", name="OIDC_ROLE_MAP", parse=checks.parse_grants)
    only: bool = variable(False)


@dataclass(frozen=True)
class SignIn:
    """Log-in and sessions: roles that need a second factor, minutes without a request and hours
    after which a session ends, and the provider of single sign-on."""

    second_factor_for: frozenset[str] = variable("", parse=checks.parse_roles)
    idle_minutes: int = variable(
        120, validate.Range(min=1, max=24 * 60), name="SESSION_IDLE_MINUTES"
    )
    hours: int = variable(12, validate.Range(min=1, max=24 * 14), name="SESSION_HOURS")
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
    "ca_bundle": create_tls_context,
    "obs_base_url": lambda text: ObsConfig(base_url=text),
    "token_url": lambda text: ObsConfig(token_url=text),
    "token": lambda text: ObsConfig(token=text),
    "obs_auth_header": lambda text: ObsConfig(header=text),
}
"""Setting of CC-iSales → the client's own check of it. Raises ValueError, without the value."""


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
