"""The wish to have one number shown: one form for the page and for its JSON twin."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from isales_proxy.core.form_fields import PlainTextField
from isales_proxy.core.input_cleaning import CleanedInput
from isales_proxy.reveals.services import LONGEST_REASON, SHORTEST_REASON


class RevealForm(CleanedInput, forms.Form):
    """Why the number is needed; the audit keeps it."""

    reason = PlainTextField(
        _("Reason"), required=True, min_length=SHORTEST_REASON, max_length=LONGEST_REASON
    )
