"""What a reader may tell us beside a filter."""

from __future__ import annotations

from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _


class ZoneForm(forms.Form):
    """The reader's choice of a time zone; empty goes back to that of the VDN."""

    time_zone = forms.CharField(required=False, max_length=64)

    def clean_time_zone(self) -> str:
        """Only what the time zone database knows."""
        name = str(self.cleaned_data["time_zone"])
        if name and name not in available_timezones():
            raise ValidationError(_("There is no such time zone."))
        return name
