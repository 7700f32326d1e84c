"""All that is typed goes through one cleaning before anything compares it; passwords do not."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from allauth.account.forms import LoginForm
from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import QueryDict
from django.utils.module_loading import import_string
from rest_framework import serializers

import dashboard
import isales_proxy
from isales_proxy.core.input_cleaning import CleanedInput, CleanedJson, ProseField, clean_text
from isales_proxy.models import Access, User, Vdn
from tests.support.cases import cases

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("isales_proxy.", "dashboard.")


def every_class(base: type) -> Iterator[type]:
    for root in (isales_proxy, dashboard):
        for found in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            if ".migrations" not in found.name and "gunicorn" not in found.name:
                importlib.import_module(found.name)
    waiting = list(base.__subclasses__())
    while waiting:
        each = waiting.pop()
        waiting += each.__subclasses__()
        if each.__module__.startswith(PRODUCT):
            yield each


def test_every_form_of_the_product_is_cleaned() -> None:
    found = set(every_class(forms.BaseForm))
    # Django makes a class of each admin form anew; it stands below ours.
    assert len(found) > 12
    assert [each for each in found if not issubclass(each, CleanedInput)] == []


def test_every_form_configured_for_a_library_page_is_cleaned() -> None:
    named = [*settings.ACCOUNT_FORMS.values(), *settings.MFA_FORMS.values()]
    assert [name for name in named if not issubclass(import_string(name), CleanedInput)] == []
    typed = [admin.site.get_model_admin(model) for model in (Access, User, Vdn)]
    assert [each for each in typed if not issubclass(each.form, CleanedInput)] == []


def test_every_serializer_that_reads_a_body_is_cleaned() -> None:
    """Bodies are read by `RequestBody.parse` alone."""
    read = [each for each in every_class(serializers.BaseSerializer) if hasattr(each, "parse")]
    assert len(read) >= 3
    assert [each for each in read if not issubclass(each, CleanedJson)] == []
    made = {
        path.name: re.findall(r"(\w+)\(\s*data=", path.read_text())
        for path in (ROOT / "isales_proxy" / "api").glob("*.py")
    }
    assert {name for name, found in made.items() if found} == {"base.py"}


@cases(
    ("typed", "expected"),
    [
        ("１５８００００", "1580000"),
        ("\u202d158\u200b00\ufeff00\u00ad0\u202c", "15800000"),
        ("a\u00a0b\u202fc\u3000d\u2007e", "a b c d e"),
        ("＋６５", "+65"),
        ("ﬁ", "fi"),
        ("plain", "plain"),
    ],
)
def test_invisible_characters_and_full_width_forms_are_normalised(
    typed: str, expected: str
) -> None:
    assert clean_text(typed) == expected
    assert clean_text(clean_text(typed)) == expected


class Probe(CleanedInput, forms.Form):
    text = forms.CharField()
    many = forms.MultipleChoiceField(choices=[("1", "1")], required=False)
    prose = ProseField(required=False)
    password = forms.CharField(widget=forms.PasswordInput, required=False)


@cases("prefix", [None, "p"])
def test_form_cleans_every_field_except_passwords(prefix: str | None) -> None:
    at = f"{prefix}-" if prefix else ""
    given = QueryDict(mutable=True)
    for name, value in {
        "text": "\u200b１",
        "prose": "（好）\u200b",
        "password": "１\u200b",
    }.items():
        given[at + name] = value
    given.setlist(f"{at}many", ["１", "1\u00ad"])
    for data in (given, given.dict() | {f"{at}many": given.getlist(f"{at}many")}):
        form = Probe(data, prefix=prefix)
        assert form.is_valid(), form.errors
        assert form.cleaned_data == {
            "text": "1",
            "many": ["1", "1"],
            "prose": "（好）",
            "password": "１\u200b",
        }
    assert given[f"{at}text"] == "\u200b１"


def test_log_in_form_cleans_the_name_and_not_the_password() -> None:
    found: Any = import_string(settings.ACCOUNT_FORMS["login"])
    assert issubclass(found, LoginForm)
    form = found({"login": "\u202dｍaria\ufeff", "password": "ｐ\u200b"})
    assert form.data["login"] == "maria"
    assert form.data["password"] == "ｐ\u200b"
