"""Lookups that an address of the admin may use on a list."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from isales_proxy.core.input_cleaning import clean_text

# How the filters of a list, and its dates, put their questions.
_BY_FILTER: Final = ("", "__exact", "__isnull", "__id__exact")
_BY_DATE: Final = ("__year", "__month", "__day", "__gte", "__lt")


class CleanedSearch(BaseModelAdmin):  # type: ignore[type-arg]
    """A list whose search is cleaned as all typed text is."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """The rows that bear it."""
        found: tuple[QuerySet[Any], bool] = super().get_search_results(  # type: ignore[misc]
            request, queryset, clean_text(search_term)
        )
        return found


class OwnFiltersOnly(CleanedSearch, admin.ModelAdmin):  # type: ignore[type-arg]
    """A list that is narrowed by its own filters alone.

    Django lets an address narrow it by every field of the model, and of models that this one points
    to. Who counts what is left would find a field that is shown to nobody, letter by letter.
    """

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:  # noqa: ARG002
        """Tell whether one of the list's filters, or its dates, asks so."""
        filters: Any = self.get_list_filter(request)
        names = [each[0] if isinstance(each, tuple | list) else each for each in filters]
        declared = {f"{name}{how}" for name in names for how in _BY_FILTER}
        declared |= {f"{self.date_hierarchy}{how}" for how in _BY_DATE}
        return lookup in declared
