"""The filter of the call data that was taken: for its page, its exports and its JSON twin."""

from __future__ import annotations

from typing import Final

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from isales_proxy.client.queries import MAX_PAGE, MAX_PAGE_SIZE
from isales_proxy.configuration import isales
from isales_proxy.filters import DEFAULT_SIZE, CountField, PlainTextField
from isales_proxy.services.call_data import RowQuestion

# Larger numbers no column can hold.
_LAST_BATCH: Final = 2**31 - 1


class BatchFilter(forms.Form):
    """Batches of one task, or of all."""

    task = PlainTextField(_("Task"))
    page = CountField(_("Page"), default=1, most=MAX_PAGE)
    size = CountField(_("Rows per page"), default=DEFAULT_SIZE, most=MAX_PAGE_SIZE)

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)

    def clean_size(self) -> int:
        """An address made where larger pages were allowed still works here."""
        return min(int(self.cleaned_data["size"]), isales().max_page_size)


class CallDataFilter(BatchFilter):
    """Rows of one task: with a text in them, of one batch."""

    task = None  # type: ignore[assignment]  # settled by the address
    q = PlainTextField(_("Search"))
    batch = CountField(_("Batch"), default=0, most=_LAST_BATCH)

    def question(self, *, service_id: str = "", batch_id: int | None = None) -> RowQuestion:
        """The frozen question; only after `is_valid()`. The address may settle task and batch."""
        found = self.cleaned_data
        return RowQuestion(
            service_id=service_id,
            batch_id=batch_id if batch_id is not None else found["batch"] or None,
            text=found["q"],
            page=found["page"],
            size=found["size"],
        )
