"""The query for both sources of reservations: the vendor's fields and those of the mirror."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import Any, Final, Self

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from pydantic import TypeAdapter

from isales_proxy.client.queries import ReservationQuery

MAX_SORTED_ROWS: Final = 20_000
"""Rows up to which a list is sorted by a column without an index."""
DEEPEST_OFFSET: Final = 10_000
"""Rows up to which pages are read by their offset; later ones by the row before them."""

MOST_NUMBERS: Final = 1_000
"""Rows up to which the complete list is searched for a part of a number."""

_CURSOR: Final = re.compile(r"(none|[0-9]{1,17})-([0-9]{1,18})")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Tab(TextChoices):
    """Part of the complete list. *Today* overlaps the others; *All* has the rows of every state."""

    OPEN = "open", pgettext_lazy("reservations", "Open")
    OVERDUE = "overdue", _("Overdue")
    DIALLING = "dialling", _("Dialling now")
    SOON = "soon", _("Due soon")
    TODAY = "today", _("Today")
    FAILED = "failed", _("Failed")
    DONE = "done", pgettext_lazy("reservations", "Done")
    GONE = "gone", _("Gone")
    ALL = "all", pgettext_lazy("reservations", "All")


class Source(TextChoices):
    """Origin of a list."""

    LIVE = "live", _("live")
    MIRROR = "mirror", _("complete list")


class SourceRefused(ValueError):
    """The source cannot answer the query; `fields` names the fields that it does not support.

    `source` is the requested one, or MIRROR where the VDN has no mirror.
    """

    def __init__(self, source: Source, fields: list[str]) -> None:
        super().__init__(", ".join(fields))
        self.source = source
        self.fields = fields


class VagueNumber(SourceRefused):
    """More than `MOST_NUMBERS` rows have a number that begins or ends with the given digits."""

    def __init__(self) -> None:
        super().__init__(Source.MIRROR, ["called_no"])


SORT_KEYS: Final = (
    *("due", "number", "agent", "task", "type", "task-status", "call", "result", "business"),
)
"""Keys of the columns that the mirror sorts by."""
HIDDEN_SORTS: Final = frozenset({"number", "business"})
"""Columns whose order would reveal masked numbers."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of a row in the order of the due time, at which a page begins or ends."""

    due: datetime | None
    row_id: int

    def __str__(self) -> str:
        at = "none" if self.due is None else str((self.due - _EPOCH) // _MICROSECOND)
        return f"{at}-{self.row_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a cursor from an address. Raises ValueError."""
        match = _CURSOR.fullmatch(text)
        if match is None or int(match[2]) >= 2**63:
            raise ValueError(text)
        due = None if match[1] == "none" else _EPOCH + int(match[1]) * _MICROSECOND
        return cls(due, int(match[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery(ReservationQuery):
    """A page of the list, from the vendor or the mirror.

    `sort` is a key of `SORT_KEYS`, with `-` before it for descending order. `text` is a part of an
    agent's or a task's name or of a business result, `state` a value of `ReservationState`. `as_of`
    (aware UTC) is for the list as it was known then. `after` is the row before the page, `before`
    the row after it, `jump` the due time that it begins with.
    """

    tab: Tab | None = None
    sort: str = ""
    source: Source | None = None
    text: str = field(default="", repr=False)
    codes: tuple[str, ...] = ()
    category: str = ""
    call_type: str = ""
    task_status: str = ""
    state: str = ""
    as_of: datetime | None = None
    after: Cursor | None = None
    before: Cursor | None = None
    jump: datetime | None = None

    @classmethod
    def extend(cls, query: ReservationQuery) -> ListQuery:
        """Return a plain query with the fields of the mirror, all empty; a `ListQuery` itself."""
        if isinstance(query, ListQuery):
            return query
        return cls(**{each.name: getattr(query, each.name) for each in fields(ReservationQuery)})

    def serialize(self) -> dict[str, Any]:
        """Return the query as JSON values, without its page."""
        page = {"page", "size", "after", "before", "jump"}
        found: dict[str, Any] = _get_adapter().dump_python(self, mode="json", exclude=page)
        return found

    @classmethod
    def deserialize(cls, found: Mapping[str, Any]) -> ListQuery:
        """Return the query of `serialize`; fields that an earlier release lacked are empty."""
        return _get_adapter().validate_python(found)

    def describe(self) -> dict[str, object]:
        """Return the filters for the audit, without numbers and texts that may contain one."""
        found = {
            "agents": len(self.agents),
            "task": self.task_id,
            "begin": self.begin,
            "end": self.end,
            "by_number": bool(self.called_no),
            "tab": str(self.tab or ""),
            "by_text": bool(self.text),
            "codes": ",".join(self.codes),
            "category": self.category,
            "type": self.call_type,
            "status": self.task_status,
            "state": self.state,
            "as_of": self.as_of,
        }
        return {name: value for name, value in found.items() if value}

    def list_mirror_fields(self) -> list[str]:
        """List the used fields that only the mirror supports."""
        return [name for name in _MIRROR_FIELDS if getattr(self, name)]


@cache
def _get_adapter() -> TypeAdapter[ListQuery]:
    return TypeAdapter(ListQuery)


_MIRROR_FIELDS: Final = tuple(
    each.name
    for each in fields(ListQuery)
    if each.name not in {"source", *(shared.name for shared in fields(ReservationQuery))}
)


def get_days(now: datetime, zone: tzinfo, first: int, last: int) -> tuple[datetime, datetime]:
    """Return the beginnings (UTC) of two local days, as offsets from the day of `now` (aware)."""
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    # Days are added to the local date: one of them may have 23 or 25 hours.
    begin, end = ((today + timedelta(days=days)).astimezone(UTC) for days in (first, last))
    return begin, end
