"""The times of a write-back as the vendor is told them, whose format it leaves open."""

from __future__ import annotations

from datetime import UTC, datetime

from isales_proxy.configuration import isales
from isales_proxy.models import Vdn


def time_text(moment: datetime | None, vdn: Vdn) -> str:
    """A time as the vendor is told it: the settings say in which format and zone."""
    if moment is None:
        return ""
    found = isales()
    if found.time_format == "milliseconds":
        return str(round(moment.timestamp() * 1000))
    if found.time_format == "seconds":
        return str(int(moment.timestamp()))
    zone = vdn.zone if found.time_format_zone == "VDN" else UTC
    return moment.astimezone(zone).strftime(found.time_format)


def is_twofold(moment: datetime | None, vdn: Vdn) -> bool:
    """Whether the text of this time fits a second one, since the clocks of the VDN go back."""
    found = isales()
    if moment is None or found.time_format_zone != "VDN" or "%z" in found.time_format:
        return False
    if found.time_format in {"milliseconds", "seconds"}:
        return False
    local = moment.astimezone(vdn.zone)
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def read_time(text: str, vdn: Vdn) -> datetime | None:
    """The time that such a text tells, aware; None for one of another format than is set now."""
    found = isales()
    try:
        if found.time_format in {"milliseconds", "seconds"}:
            return datetime.fromtimestamp(
                int(text) / (1000 if found.time_format == "milliseconds" else 1), UTC
            )
        moment = datetime.strptime(text, found.time_format)  # noqa: DTZ007 - the zone comes below
    except (ValueError, OverflowError, OSError):
        return None
    zone = vdn.zone if found.time_format_zone == "VDN" else UTC
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
