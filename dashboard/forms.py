"""What a reader may tell us beside a filter."""

from __future__ import annotations

from typing import Final
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from isales_proxy.client.queries import MAX_BATCH
from isales_proxy.filters import CountField

_INCOMPLETE: Final = _("This form is incomplete. Open the page anew.")


class ZoneForm(forms.Form):
    """The reader's choice of a time zone; empty goes back to that of the VDN."""

    time_zone = forms.CharField(required=False, max_length=64)

    def clean_time_zone(self) -> str:
        """Only what the time zone database knows."""
        name = str(self.cleaned_data["time_zone"])
        if name and name not in available_timezones():
            raise ValidationError(_("There is no such time zone."))
        return name


class TakeForm(forms.Form):
    """The wish to have call data handed out. `key` makes one form one taking."""

    batch_count = CountField(_("Rows to take"), default=0, most=MAX_BATCH)
    reason = forms.CharField(required=False, max_length=300, label=_("Reason"))
    confirmed = forms.BooleanField(error_messages={"required": _("Tick the box to confirm.")})
    key = forms.UUIDField(error_messages=dict.fromkeys(("required", "invalid"), _INCOMPLETE))

    def clean_batch_count(self) -> int:
        """Nothing is taken for want of a figure."""
        wanted = int(self.cleaned_data["batch_count"])
        if not wanted:
            raise ValidationError(_("Enter how many rows to take."))
        return wanted
