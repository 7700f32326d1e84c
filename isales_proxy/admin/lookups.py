"""Lists of the admin: which lookups their addresses may use, and lists that are only read."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from isales_proxy.core.input_cleaning import clean_text

# How the filters of a list, and its dates, put their questions.
_BY_FILTER: Final = ("", "__exact", "__isnull", "__id__exact")
_BY_DATE: Final = ("__year", "__month", "__day", "__gte", "__lt")


class OwnFiltersOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list that is narrowed by its own filters alone, and by a search that is cleaned as all
    typed text is.

    Django lets an address narrow it by every field of the model, and of models that this one points
    to. Who counts what is left would find a field that is shown to nobody, letter by letter.
    """

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return super().get_search_results(request, queryset, clean_text(search_term))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Tell whether one of the list's filters, or its dates, asks so."""
        filters: Any = self.get_list_filter(request)
        names = [each[0] if isinstance(each, tuple | list) else each for each in filters]
        declared = {f"{name}{how}" for name in names for how in _BY_FILTER}
        declared |= {f"{self.date_hierarchy}{how}" for how in _BY_DATE}
        return lookup in declared


class ReadOnly(OwnFiltersOnly):
    """A list for whoever may enter the admin at all, in which nobody changes anything."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
