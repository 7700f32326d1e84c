"""Forms of the admin that show a draft instead of the stored values.

`dashboard.admin_site` saves the drafts and puts them into the request.
"""

from __future__ import annotations

from typing import Any, Protocol

from django.contrib import admin
from django.forms.utils import ErrorDict
from django.http import HttpRequest, QueryDict

from isales_proxy.accounts.form_drafts import list_secret_fields


class Draft(Protocol):
    """Saved fields. `judged`: show their errors. `notice` has the errors of secrets, which are not
    saved: one per line, beginning with the name of the field."""

    @property
    def data(self) -> QueryDict | None: ...
    @property
    def judged(self) -> bool: ...
    @property
    def notice(self) -> str: ...


class DraftAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Pages to add and to change a record, filled with the draft if there is one."""

    keeps_drafts = True

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Return the form class, bound to the draft."""
        form_class: Any = super().get_form(request, *args, **kwargs)
        draft = _get_draft(request)
        return form_class if draft is None else _bind(form_class, draft)

    def get_formset_kwargs(self, request: HttpRequest, *args: Any) -> Any:
        """Return the arguments of the inline rows, bound to the draft."""
        found = super().get_formset_kwargs(request, *args)
        draft = _get_draft(request)
        return found if draft is None else {**found, "data": draft.data}

    def _create_formsets(self, request: HttpRequest, obj: Any, change: bool) -> Any:
        formsets, inlines = super()._create_formsets(request, obj, change)  # type: ignore[misc]
        draft = _get_draft(request)
        if draft is not None and not draft.judged:
            for formset in formsets:
                formset._errors = []  # noqa: SLF001 - a half-filled form is not validated yet
                formset._non_form_errors = formset.error_class()  # noqa: SLF001
                for form in formset.forms:
                    form._errors = ErrorDict()  # noqa: SLF001
        return formsets, inlines


def _get_draft(request: HttpRequest) -> Draft | None:
    """Return the draft that the page is to show, if it has fields."""
    draft: Draft | None = getattr(request, "callboard_draft", None)
    return None if draft is None or draft.data is None else draft


def _bind(form_class: Any, draft: Draft) -> Any:
    """Return a form class with the fields of the draft as its data."""

    class DraftForm(form_class):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(draft.data, **options)
            if draft.judged:
                _replace_secret_errors(self, draft.notice)
            else:
                self._errors = ErrorDict()

    return DraftForm


def _replace_secret_errors(form: Any, notice: str) -> None:
    """Replace the errors of secrets by those in `notice`, of the values that were submitted."""
    names = list_secret_fields(form)
    for name in names:
        form.errors.pop(name, None)
    for line in notice.splitlines():
        name, _blank, text = line.partition(" ")
        if name in names:
            form.add_error(name, text)
