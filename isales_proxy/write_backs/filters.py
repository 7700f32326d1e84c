"""The filter of the outbox: what a reader of the page or of its JSON twin may ask, as a frozen
question.
"""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from isales_proxy.core.forms import PageFilter, PlainTextField
from isales_proxy.models import WriteBackState
from isales_proxy.write_backs.queries import MOST_SHOWN, WriteBackQuery


class ShownIdsField(forms.Field):
    """Numbers of write-backs that stand on somebody's screen, parted by commas."""

    def __init__(self) -> None:
        super().__init__(required=False)

    def clean(self, value: Any) -> tuple[int, ...]:
        parts = [part for part in str(value or "").split(",") if part]
        if len(parts) > MOST_SHOWN or any(
            not (part.isascii() and part.isdigit() and len(part) <= 18) for part in parts
        ):
            raise ValidationError(_("Only numbers, parted by commas, please."))
        return tuple(int(part) for part in parts)


class WriteBackFilter(PageFilter):
    """The question of the write-backs page and of its JSON twin."""

    fieldless = ("page", "size", "state", "shown")

    state = forms.ChoiceField(
        required=False, choices=[("", ""), *WriteBackState.choices], label=_("State")
    )
    q = PlainTextField(_("Unique ID or number"))
    task = PlainTextField(_("Task"))
    shown = ShownIdsField()

    def query(self) -> WriteBackQuery:
        """The frozen question; only after `is_valid()`."""
        found = self.cleaned_data
        return WriteBackQuery(
            state=found["state"],
            q=found["q"],
            task=found["task"],
            page=found["page"],
            size=found["size"],
        )


FILTERS: Final = ("state", "q", "task")
