"""Form of the audit verification."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from isales_proxy.audit import verify
from isales_proxy.core.input_cleaning import CleanedInput

_LONGEST: int = 18 + 1 + 64


class VerifyForm(CleanedInput, forms.Form):
    """An anchor that was noted elsewhere; without one, the chain alone is verified."""

    anchor = forms.CharField(
        required=False,
        max_length=_LONGEST,
        label=_("Anchor to check"),
        help_text=_("The last event of an earlier verification, as NUMBER:FINGERPRINT. Optional."),
    )

    def clean_anchor(self) -> tuple[int, str] | None:
        """Return number and fingerprint of the event, or None."""
        text = self.cleaned_data["anchor"]
        found = verify.parse_anchor(text)
        if text and found is None:
            raise ValidationError(_("An anchor is a number, a colon and 64 digits or letters a–f."))
        return found
