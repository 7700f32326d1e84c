"""QuerySet methods shared by several tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Self, TypeVar

from django.db import models
from django.db.models import Count, Max

# Largest list that may be sorted by columns without an index.
MAX_SORTED_ROWS: Final = 20_000

M = TypeVar("M", bound=models.Model)


class ListQuerySet(models.QuerySet[M]):
    def sorted_by(self, order: Iterable[str]) -> Self:
        """Sort by these expressions; keep the order if there are none."""
        return self.order_by(*order) if order else self

    def get_page(self, page: int, size: int) -> Self:
        """Select the rows of a page; the first is 1."""
        return self[(page - 1) * size : page * size]

    def is_short(self) -> bool:
        """Return True if there are at most `MAX_SORTED_ROWS` rows."""
        return self.order_by()[: MAX_SORTED_ROWS + 1].count() <= MAX_SORTED_ROWS

    def freeze(self) -> tuple[Self, int]:
        """Exclude rows that are added later; also return the number of rows."""
        counted: dict[str, Any] = self.order_by().aggregate(total=Count("pk"), last=Max("pk"))
        return self.filter(pk__lte=counted["last"] or 0), int(counted["total"])
