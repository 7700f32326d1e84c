"""Base classes of the admin's lists: allowed lookups, and read-only lists."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from isales_proxy.core.input_cleaning import clean_text

# Lookups that the filters of a list and its date hierarchy use.
_BY_FILTER: Final = ("", "__exact", "__isnull", "__id__exact")
_BY_DATE: Final = ("__year", "__month", "__day", "__gte", "__lt")


class OwnFiltersOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list that can be filtered only by its own filters, and whose search text is cleaned.

    Django allows a URL to filter by any field of the model and of related ones. By counting the
    results one could find hidden values letter by letter.
    """

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return super().get_search_results(request, queryset, clean_text(search_term))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return True if a filter of the list, or its date hierarchy, uses this lookup."""
        filters: Any = self.get_list_filter(request)
        names = [each[0] if isinstance(each, tuple | list) else each for each in filters]
        declared = {f"{name}{how}" for name in names for how in _BY_FILTER}
        declared |= {f"{self.date_hierarchy}{how}" for how in _BY_DATE}
        return lookup in declared


class ReadOnly(OwnFiltersOnly):
    """A read-only list for all staff."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
