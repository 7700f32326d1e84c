"""The time zone in which a reader asks and reads: their own if they chose one, else the VDN's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from isales_proxy.models import Vdn

# In the session: an IANA name, or "" for whoever goes by the VDN.
SESSION_KEY: Final = "time_zone"


def in_force(session: Mapping[str, Any], vdn: Vdn) -> ZoneInfo:
    """The zone for this reader in this VDN."""
    name = session.get(SESSION_KEY)
    return ZoneInfo(name) if name else vdn.zone
