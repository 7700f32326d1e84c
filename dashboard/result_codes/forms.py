"""Forms of the code table: its filter, and the override of a code."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from isales_proxy.core.form_fields import SearchTextField
from isales_proxy.core.input_cleaning import CleanedInput, ProseField
from isales_proxy.models import CodeCategory
from isales_proxy.result_codes.book import TEXTS

LONGEST_TEXT: Final = 500
STATES: Final = (
    ("known", pgettext_lazy("state of a code", "Listed")),
    ("gone", pgettext_lazy("state of a code", "No longer listed")),
    ("unknown", pgettext_lazy("state of a code", "Unknown")),
    ("edited", pgettext_lazy("state of a code", "Edited by an admin")),
)


class CodeFilter(CleanedInput, forms.Form):
    """Filter of the code table's page and of its files."""

    q = SearchTextField(
        _("Search"),
        widget=forms.TextInput({"placeholder": _("Code or text, for example 00604 or busy")}),
    )
    category = forms.ChoiceField(
        required=False,
        choices=[("", _("Any category")), *CodeCategory.choices],
        label=_("Category"),
    )
    state = forms.ChoiceField(
        required=False, choices=[("", _("Any state")), *STATES], label=_("State")
    )

    def get_filters(self) -> dict[str, str]:
        """Return the filters that are set; only after `is_valid()`."""
        found = self.cleaned_data
        return {name: found[name] for name in self.base_fields if found[name]}


class NoteTextField(ProseField):
    """Plain text of some sentences; white space is normalised."""

    def __init__(self, label: Any) -> None:
        super().__init__(required=False, label=label)

    def clean(self, value: Any) -> str:
        text = " ".join(str(super().clean(value)).split())
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
            raise ValidationError(_("Plain text only."))
        if len(text) > LONGEST_TEXT:
            raise ValidationError(_("At most %(most)s characters."), params={"most": LONGEST_TEXT})
        return text


class NoteForm(CleanedInput, forms.Form):
    """Override of a code by an admin."""

    category = forms.ChoiceField(
        required=False, choices=[("", ""), *CodeCategory.choices], label=_("Category")
    )
    meaning_en = NoteTextField(_("Meaning, in English"))
    step_en = NoteTextField(_("Next step, in English"))
    meaning_zh = NoteTextField(_("Meaning, in Chinese"))
    step_zh = NoteTextField(_("Next step, in Chinese"))

    def texts(self) -> dict[str, str]:
        """Return all texts by field name; only after `is_valid()`."""
        return {name: str(self.cleaned_data[name]) for name in TEXTS}
