"""The typed `ISALES` setting: where CC-iSales is, how we prove who we are, and our bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings

from isales_proxy.client.auth import Credentials
from isales_proxy.client.config import TransportConfig
from isales_proxy.client.transport.sessions import tls_context


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
    cc_id: int = 1
    vdns: tuple[VdnSeed, ...] = (VdnSeed(88, "Demo"),)
    ca_bundle: str = ""
    connect_timeout: float = 3.0
    read_timeout: float = 10.0
    deadline: float = 15.0
    page_cache_seconds: float = 3.0
    max_page_size: int = 100

    @property
    def demo(self) -> bool:
        """Whether the simulator stands in for CC-iSales."""
        return not self.base_url


def problems(found: ISalesSettings) -> list[str]:
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
    }
    told = []
    for name, (value, trial) in trials.items():
        try:
            if value:
                trial(value)
        except ValueError as error:
            told.append(f"{name}: {error}")
    return told


def isales() -> ISalesSettings:
    """The setting in force."""
    found: ISalesSettings = settings.ISALES
    return found
