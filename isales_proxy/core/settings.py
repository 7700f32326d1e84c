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
MAX_LATE_GRACE_S: Final = 3600

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
    """Declare a field that is read from a variable of the environment.

    The variable is called `name`, or the prefix of its group and the field's name in capitals.
    `parse` converts the text of the variable, and then also `default`. A `secret` is not in the
    repr.
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
    # Format of the three times of a write-back, which the vendor's page does not specify.
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
    # Calls for the list of one VDN, by people and the mirror together; the mirror waits for people.
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
        """Longest duration of a call in seconds."""
        return max(self.deadline, self.call_data_timeout)

    @property
    def demo(self) -> bool:
        """Return True if the simulator is used instead of CC-iSales."""
        return not self.base_url


@dataclass(frozen=True)
class RetentionSettings:
    """Retention of personal data in days, and hours until a write-back is given up."""

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
    """Roles that see called numbers, and daily limits for the others: numbers revealed, different
    numbers searched."""

    numbers_visible_to: frozenset[str] = variable("supervisor, admin", parse=checks.parse_roles)
    reveals_per_day: int = variable(30, _PER_DAY)
    number_searches_per_day: int = variable(200, _PER_DAY)


@dataclass(frozen=True)
class SingleSignOn:
    """An OpenID Connect provider: `OIDC_<FIELD>`. `only`: only superusers may use passwords."""

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
    """Log-in and sessions: roles that need a second factor, limits of a session (minutes without a
    request, hours altogether), and the provider of single sign-on."""

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


CLIENT_CHECKS: Final[dict[str, Callable[[str], object]]] = {
    "access_key": lambda text: Credentials(text, "-"),
    "secret_key": lambda text: Credentials("-", text),
    "base_url": lambda text: TransportConfig(base_url=text, credentials=Credentials("-", "-")),
    "ca_bundle": create_tls_context,
    "obs_base_url": lambda text: ObsConfig(base_url=text),
    "token_url": lambda text: ObsConfig(token_url=text),
    "token": lambda text: ObsConfig(token=text),
    "obs_auth_header": lambda text: ObsConfig(header=text),
}
"""Setting of CC-iSales → function that raises ValueError, without the value, for an invalid one."""


def find_problems(found: ISalesSettings) -> list[str]:
    """Describe the variables that the client would refuse at its first call, without values.

    Nothing is sent. Variables that are not set are ignored.
    """
    problems = []
    for name, check in CLIENT_CHECKS.items():
        try:
            if value := getattr(found, name):
                check(value)
        except ValueError as error:
            problems.append(f"ISALES_{name.upper()}: {error}")
    return problems
