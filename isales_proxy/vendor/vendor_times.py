"""Format of the times in a write-back, which the vendor's page does not specify."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings

from isales_proxy.models import Vdn


def format_time(moment: datetime | None, vdn: Vdn) -> str:
    """Format a time for the vendor, in the format and zone of the settings; "" for None."""
    if moment is None:
        return ""
    found = settings.ISALES
    if found.time_format == "milliseconds":
        return str(round(moment.timestamp() * 1000))
    if found.time_format == "seconds":
        return str(int(moment.timestamp()))
    zone = vdn.zone if found.time_format_zone == "VDN" else UTC
    return moment.astimezone(zone).strftime(found.time_format)


def is_ambiguous(instant: datetime | None, vdn: Vdn) -> bool:
    """Return True if the formatted time occurs twice, since the VDN's clocks go back."""
    found = settings.ISALES
    if instant is None or found.time_format_zone != "VDN" or "%z" in found.time_format:
        return False
    if found.time_format in {"milliseconds", "seconds"}:
        return False
    local = instant.astimezone(vdn.zone)
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def parse_time(text: str, vdn: Vdn) -> datetime | None:
    """Parse a formatted time to an aware one; None if it has another format."""
    found = settings.ISALES
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
