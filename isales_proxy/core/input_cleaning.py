"""The cleaning of all that is typed or pasted, before anything is validated or compared.

Pasted text brings along marks that nobody sees, full-width figures and no-break blanks. Forms and
the serializers of the JSON API clean by these mixins; passwords stay as they were typed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.http import QueryDict

_UNSEEN: Final = "Cf"
_BLANK: Final = "Zs"
# Characters that people write between the digits of a number.
_SEPARATORS: Final = re.compile(r"[\s().\-\u2010-\u2015]+")


class ProseField(forms.CharField):
    """Sentences for people: their punctuation, full-width in Chinese, stays as it was typed."""


def clean_text(text: str, *, prose: bool = False) -> str:
    """The text in compatibility form (NFKC; prose in NFC), without format characters, every kind of
    blank a plain one."""
    if text.isascii():
        return text
    seen = "".join(each for each in text if unicodedata.category(each) != _UNSEEN)
    formed = unicodedata.normalize("NFC" if prose else "NFKC", seen)
    return "".join(" " if unicodedata.category(each) == _BLANK else each for each in formed)


def clean_number(text: str) -> str:
    """A typed or pasted number without the blanks, dashes and brackets between its digits."""
    return _SEPARATORS.sub("", clean_text(text))


class CleanedInput:
    """Mixin of forms, before the form's class: its data are cleaned before any field sees them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        form: Any = self
        if form.is_bound:
            form.data = _cleaned_data(form)


class CleanedJson:
    """Mixin of serializers for input: texts are cleaned before any field sees them."""

    def to_internal_value(self, data: Any) -> Any:
        """The validated values of cleaned texts."""
        if isinstance(data, Mapping):
            data = {name: _cleaned_value(value) for name, value in data.items()}
        return super().to_internal_value(data)  # type: ignore[misc]


def _cleaned_data(form: Any) -> Any:
    fields = {form.add_prefix(name): field for name, field in form.fields.items()}
    kept = {name for name, field in fields.items() if isinstance(field.widget, forms.PasswordInput)}
    prose = {name for name, field in fields.items() if isinstance(field, ProseField)}
    found = form.data
    if isinstance(found, QueryDict):
        data = found.copy()
        for name, values in found.lists():
            if name not in kept:
                data.setlist(name, [_cleaned_value(each, prose=name in prose) for each in values])
        return data
    return {
        name: value if name in kept else _cleaned_value(value, prose=name in prose)
        for name, value in found.items()
    }


def _cleaned_value(value: Any, *, prose: bool = False) -> Any:
    if isinstance(value, list):
        return [_cleaned_value(each, prose=prose) for each in value]
    return clean_text(value, prose=prose) if isinstance(value, str) else value
