"""Cleaning of input before it is validated: invisible marks, full-width digits, no-break spaces.

The mixins clean the data of forms and of the API's serializers, except passwords.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.http import QueryDict

_FORMAT_CHARACTER: Final = "Cf"
_SPACE: Final = "Zs"
_NUMBER_SEPARATORS: Final = re.compile(r"[\s().\-\u2010-\u2015]+")


class ProseField(forms.CharField):
    """Text for people, whose punctuation (full-width in Chinese) is kept."""


def clean_text(text: str, *, prose: bool = False) -> str:
    """Normalise a text to NFKC (prose to NFC), without format characters, with plain spaces."""
    if text.isascii():
        return text
    visible = "".join(each for each in text if unicodedata.category(each) != _FORMAT_CHARACTER)
    normalised = unicodedata.normalize("NFC" if prose else "NFKC", visible)
    return "".join(" " if unicodedata.category(each) == _SPACE else each for each in normalised)


def clean_number(text: str) -> str:
    """Clean a phone number and remove blanks, dots, dashes and brackets."""
    return _NUMBER_SEPARATORS.sub("", clean_text(text))


class CleanedInput:
    """Mixin that cleans the data of a form; named before the form class."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        form: Any = self
        if form.is_bound:
            form.data = _clean_form_data(form)


class CleanedJson:
    """Mixin that cleans the texts of a serializer's input."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            data = {name: _clean_value(value) for name, value in data.items()}
        return super().to_internal_value(data)  # type: ignore[misc]


def _clean_form_data(form: Any) -> Any:
    data = form.data
    if isinstance(data, QueryDict) and all("".join(values).isascii() for _, values in data.lists()):
        # Nearly always: cleaning would change nothing.
        return data
    fields = {form.add_prefix(name): field for name, field in form.fields.items()}
    unchanged = {
        name for name, field in fields.items() if isinstance(field.widget, forms.PasswordInput)
    }
    prose = {name for name, field in fields.items() if isinstance(field, ProseField)}
    if isinstance(data, QueryDict):
        cleaned = data.copy()
        for name, values in data.lists():
            if name not in unchanged:
                cleaned.setlist(name, [_clean_value(each, prose=name in prose) for each in values])
        return cleaned
    return {
        name: value if name in unchanged else _clean_value(value, prose=name in prose)
        for name, value in data.items()
    }


def _clean_value(value: Any, *, prose: bool = False) -> Any:
    if isinstance(value, list):
        return [_clean_value(each, prose=prose) for each in value]
    return clean_text(value, prose=prose) if isinstance(value, str) else value
