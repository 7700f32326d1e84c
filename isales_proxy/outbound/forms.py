"""The filter of the call data that was taken: for its page, its exports and its JSON twin."""

from __future__ import annotations

from typing import Final

from django import forms
from django.utils.translation import gettext_lazy as _

from isales_proxy.core.form_fields import CountField, PageFilter, PlainTextField, SearchTextField
from isales_proxy.core.input_cleaning import CleanedInput
from isales_proxy.outbound.services import RowQuery

# Larger numbers no column can hold.
_LAST_BATCH: Final = 2**31 - 1


class BatchFilter(PageFilter):
    """Batches of one task, or of all."""

    fieldless = ("page", "size", "task")

    task = PlainTextField(_("Task"))


class TaskFilter(CleanedInput, forms.Form):
    """Tasks by name or ID."""

    q = SearchTextField(_("Name or ID"))


class CallDataFilter(BatchFilter):
    """Rows of one task: with a text in them, of one batch."""

    fieldless = ("page", "size", "batch")

    task = None  # type: ignore[assignment]  # settled by the address
    q = SearchTextField(_("Search"))
    batch = CountField(_("Batch"), default=0, most=_LAST_BATCH)

    def question(self, *, service_id: str = "", batch_id: int | None = None) -> RowQuery:
        """The frozen question; only after `is_valid()`. The address may settle task and batch."""
        found = self.cleaned_data
        return RowQuery(
            service_id=service_id,
            batch_id=batch_id if batch_id is not None else found["batch"] or None,
            text=found["q"],
            page=found["page"],
            size=found["size"],
        )
