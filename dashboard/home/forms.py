"""Form of a user's time zone."""

from __future__ import annotations

import re
from typing import Final
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from isales_proxy.core.input_cleaning import CleanedInput

_OFFSET: Final = re.compile(
    r"(?:UTC|GMT)? ?(?P<sign>[+-])(?P<hours>\d{1,2})(?::?00)?", re.ASCII | re.IGNORECASE
)
_DEFAULT_PLACE: Final = "Asia/Shanghai"
# Offset in hours → a place without daylight saving time.
_PLACES: Final = {
    -5: "America/Bogota",
    -3: "America/Sao_Paulo",
    3: "Europe/Istanbul",
    4: "Asia/Dubai",
    5: "Asia/Karachi",
    6: "Asia/Dhaka",
    7: "Asia/Bangkok",
    8: "Asia/Shanghai",
    9: "Asia/Tokyo",
    10: "Australia/Brisbane",
}


class ZoneForm(CleanedInput, forms.Form):
    """Time zone of a user; an empty one means that of the VDN."""

    time_zone = forms.CharField(required=False, max_length=64)

    def clean_time_zone(self) -> str:
        """Return the name of a known time zone or "". Raises ValidationError."""
        name = str(self.cleaned_data["time_zone"])
        if not name or name in available_timezones():
            return name
        if offset := _OFFSET.fullmatch(name):
            place = _PLACES.get(int(offset["sign"] + offset["hours"]), _DEFAULT_PLACE)
            raise ValidationError(
                _("“%(name)s” is an offset. Give a place instead, for example %(place)s."),
                params={"name": name, "place": place},
            )
        raise ValidationError(
            _("“%(name)s” is no time zone. Give a place, for example %(place)s."),
            params={"name": name, "place": _DEFAULT_PLACE},
        )
