"""Reads that the lists of several tables share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Self, TypeVar

from django.db import models
from django.db.models import Count, Max

MOST_SORTED: Final = 20_000
"""Rows of a table up to which it may be sorted by columns without an index."""

M = TypeVar("M", bound=models.Model)


class ListQuerySet(models.QuerySet[M]):
    """Rows of a list: sorted, one page of them, or all for a file."""

    def sorted_by(self, order: Iterable[str]) -> Self:
        """Sort by these expressions; empty ones change nothing."""
        return self.order_by(*order) if order else self

    def get_page(self, page: int, size: int) -> Self:
        """Select the rows of a page; the first is 1."""
        return self[(page - 1) * size : page * size]

    def is_short(self) -> bool:
        """Tell whether there are at most `MOST_SORTED` rows."""
        return self.order_by()[: MOST_SORTED + 1].count() <= MOST_SORTED

    def freeze(self) -> tuple[Self, int]:
        """Select the rows of now, without those that arrive meanwhile; also return how many."""
        counted: dict[str, Any] = self.order_by().aggregate(total=Count("pk"), last=Max("pk"))
        return self.filter(pk__lte=counted["last"] or 0), int(counted["total"])
