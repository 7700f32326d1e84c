"""The form of a new API token."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any, Final, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from isales_proxy.accounts import tokens
from isales_proxy.core.input_cleaning import CleanedInput
from isales_proxy.models import TokenScope

_USUAL_DAYS: Final = 30
_LONGEST_NAME: Final = 80
_SAYS: Final[dict[TokenScope, Promise]] = {
    TokenScope.READ: _("lists and single rows"),
    TokenScope.WRITE: _("also write results back, take call data, show a number"),
    TokenScope.ADMIN: _("also refresh and change the result codes"),
}


class TokenForm(CleanedInput, forms.Form):
    """Name, scope and end. Offers only scopes that the person can use."""

    name = forms.CharField(
        label=_("Name"),
        max_length=_LONGEST_NAME,
        help_text=_("For example “Wallboard”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scope = forms.ChoiceField(label=_("Permissions"), widget=forms.RadioSelect)
    days = forms.TypedChoiceField(label=_("Expires after"), coerce=int, initial=_USUAL_DAYS)

    def __init__(
        self,
        data: Any,
        *,
        scopes: Iterable[TokenScope],
        initial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=initial)
        scope = cast("forms.ChoiceField", self.fields["scope"])
        scope.choices = [
            (each.value, format_lazy("{}: {}", each.label, _SAYS[each])) for each in scopes
        ]
        scope.initial = TokenScope.READ
        cast("forms.ChoiceField", self.fields["days"]).choices = [
            (days, ngettext_lazy("%d day", "%d days", days) % days) for days in tokens.DAYS
        ]

    def clean_name(self) -> str:
        """Return one line of plain text. Raises ValidationError."""
        text = str(self.cleaned_data["name"])
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
            raise ValidationError(_("Plain text on one line only."))
        return text
