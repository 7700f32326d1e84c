"""The typed `ISALES` setting: where CC-iSales is, how we prove who we are, and our bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings


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


def isales() -> ISalesSettings:
    """The setting in force."""
    found: ISalesSettings = settings.ISALES
    return found
