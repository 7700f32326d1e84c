"""What the API doctor finds: plain facts, put into words by `report`.

Nothing in here is a called number, an account, a name, a key, a token or an address.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from isales_proxy.client.errors import ISalesError

Drift = tuple[tuple[str, str], ...]
"""Pairs of (vendor's field name, kind of difference)."""


class InterfaceStatus(StrEnum):
    """How an interface stands."""

    ANSWERED = "answered"
    FAILED = "failed"
    NO_CREDENTIALS = "no-credentials"
    NO_TOKEN = "no-token"  # noqa: S105 - a state, no secret
    KEYS_CLOSED = "keys-closed"


class Doubt(StrEnum):
    """Why a question stays open."""

    NO_ROWS = "no-rows"
    NOT_PARTED = "not-parted"
    NOT_TELLING = "not-telling"
    IGNORED = "ignored"
    NONE_FITS = "none-fits"
    CHANGED = "changed"
    NO_NUMBER = "no-number"
    NOT_FOUND = "not-found"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    STOPPED = "stopped"


class Match(StrEnum):
    """What `calledNo` matches."""

    WHOLE = "whole"
    PART = "part"


class EndpointInclusion(StrEnum):
    """What ended the search for the largest page."""

    REFUSED = "refused"
    CAPPED = "capped"
    UNREADABLE = "unreadable"
    STOPPED = "stopped"
    TOP = "top"


@dataclass(frozen=True)
class ClockDifference:
    """Vendor's clock minus ours, in seconds, and how far off that may be on either side."""

    seconds: float
    within: float


@dataclass(frozen=True)
class InterfaceFinding:
    """One interface: the call made and what came of it.

    `path` is the documented one. `asked_at` (aware UTC), `ms`, `http_status` and `request_id` are
    those of the last of its `calls`; `rows` and `total` are None where an interface has none.
    `documented` is the envelope of the vendor's page, "" where the page leaves it open.
    """

    operation: str
    vendor_page: str
    method: str
    path: str
    standing: InterfaceStatus
    calls: int = 0
    error: ISalesError | None = None
    asked_at: datetime | None = None
    ms: int | None = None
    http_status: int | None = None
    request_id: str = ""
    shape: str = ""
    documented: str = ""
    clock: ClockDifference | None = None
    rows: int | None = None
    total: int | None = None
    drift: Drift = ()

    @property
    def answered(self) -> bool:
        """Whether a good answer came."""
        return self.standing is InterfaceStatus.ANSWERED

    @property
    def failed(self) -> bool:
        """Whether it should have answered and did not; one without credentials was not asked."""
        return self.standing not in {InterfaceStatus.ANSWERED, InterfaceStatus.NO_CREDENTIALS}

    @property
    def as_documented(self) -> bool:
        """Whether the answer differs in nothing from the vendor's page."""
        return not self.drift and self.shape_documented

    @property
    def shape_documented(self) -> bool:
        """Whether the envelope is that of the vendor's page."""
        return self.documented in {"", self.shape}


@dataclass(frozen=True)
class RangeFinding:
    """Which column `beginTime`/`endTime` of the question test, by the vendor's name."""

    column: str = ""
    not_these: tuple[str, ...] = ()
    doubt: Doubt | None = None


@dataclass(frozen=True)
class NumberFinding:
    """Whether `calledNo` matches whole numbers or parts."""

    match: Match | None = None
    doubt: Doubt | None = None


@dataclass(frozen=True)
class OrderFinding:
    """Whether two identical questions got the same rows in the same order."""

    same: bool | None = None
    doubt: Doubt | None = None


@dataclass(frozen=True)
class PageFinding:
    """The largest page accepted, in rows, and what ended the search at `asked` rows.

    `got` rows came of the page that was cut short. `total` rows are in the list: a cap above that
    would not show. `code` is the vendor's, where it refused.
    """

    largest: int = 0
    ending: EndpointInclusion | None = None
    asked: int = 0
    got: int = 0
    total: int = 0
    code: str = ""
    doubt: Doubt | None = None


@dataclass(frozen=True)
class Probes:
    """What further questions to the list of reservations brought, and the error that ended them."""

    calls: int
    order: OrderFinding
    number: NumberFinding
    time_range: RangeFinding
    page: PageFinding
    stopped: ISalesError | None = None


@dataclass(frozen=True)
class TokenAge:
    """Seconds since the token was issued, and until it ends where that is known."""

    age: float
    left: float | None


@dataclass(frozen=True)
class SettingsFinding:
    """The settings that matter, without an address and without a secret. Times in seconds.

    An address is told by its scheme and whether it names a port. `own_keys` are names of keys.
    """

    demo: bool
    campaigns: str
    obs: str
    obs_auth: str
    header: str
    own_keys: tuple[str, ...]
    own_ca: bool
    connect_timeout: float
    read_timeout: float
    deadline: float
    longest_call: float
    max_page_size: int
    page_cache_seconds: float
    cc_id: int
    time_format: str
    time_format_zone: str


@dataclass(frozen=True)
class Report:
    """One examination: `at` (aware UTC), how long it took, and by whom; "" by the system.

    `probing` is whether probes were wished for; there are none where the list did not answer.
    """

    vdn_id: int
    at: datetime
    seconds: float
    by: str
    probing: bool
    versions: tuple[str, ...]
    interfaces: tuple[InterfaceFinding, ...]
    in_effect: SettingsFinding
    token: TokenAge | None = None
    probes: Probes | None = None

    @property
    def failed(self) -> tuple[InterfaceFinding, ...]:
        """The interfaces that should have answered and did not."""
        return tuple(each for each in self.interfaces if each.failed)
