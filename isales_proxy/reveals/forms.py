"""The form of a reveal, for the page and the API."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from isales_proxy.core.form_fields import PlainTextField
from isales_proxy.core.input_cleaning import CleanedInput
from isales_proxy.reveals.services import LONGEST_REASON, SHORTEST_REASON


class RevealForm(CleanedInput, forms.Form):
    """The reason for a reveal, which is recorded in the audit."""

    reason = PlainTextField(
        _("Reason"), required=True, min_length=SHORTEST_REASON, max_length=LONGEST_REASON
    )
