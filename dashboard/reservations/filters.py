"""The filters of the reservations list as texts: chips above the list, and their description in a
file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.forms import Field
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard.ui.list_url import MANY_AGENTS, ListUrl
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.core.form_fields import LocalTimeField
from isales_proxy.outbound import directory
from isales_proxy.privacy import masking
from isales_proxy.reservations.forms import NamedRange, ReservationFilter
from isales_proxy.reservations.query import ListQuery

_MOST_AGENTS: Final = 8
"""Agents that are named in a file."""


@dataclass(frozen=True)
class Filter:
    """Texts of a filter: its parameter, the text of the button that removes it, and its field of
    `ListQuery`, "" for a filter that files do not mention.

    `more` puts it under *More filters*. Label and choices are those of the form, but for `label`.
    """

    name: str
    removed_text: str | Promise
    query_field: str = ""
    label: str | Promise = ""
    more: bool = True

    @property
    def form_field(self) -> Field:
        """The field of the form."""
        name = "agent" if self.name == "agents" else self.name
        return ReservationFilter.base_fields[name]

    @property
    def label_text(self) -> str:
        """The label in the active language."""
        return str(self.label or self.form_field.label)

    @property
    def is_time(self) -> bool:
        """True for a time."""
        return isinstance(self.form_field, LocalTimeField)

    def format(self, value: str) -> str:
        """Return the text of a value of the address, apart from names and times."""
        return str(dict(getattr(self.form_field, "choices", ())).get(value, value))


_FILTERS: Final = {
    each.name: each
    for each in (
        Filter("called_no", _("Any called number"), "called_no", more=False),
        Filter("agent", _("Without agent %s"), "agents", label=_("Agent"), more=False),
        Filter("agents", _("Any agent"), more=False),
        Filter("task", _("Any task"), "task_id", more=False),
        Filter("begin", _("Any start time"), "begin", more=False),
        Filter("end", _("Any end time"), "end", more=False),
        Filter("range", _("Any time"), more=False),
        Filter("q", _("Any name or result"), "text"),
        Filter("code", _("Any result code"), "codes"),
        Filter("category", _("Any category"), "category"),
        Filter("type", _("Any type"), "call_type"),
        Filter("status", _("Any task status"), "task_status"),
        Filter("state", _("Any state"), "state"),
        Filter("as_of", _("As it is now"), "as_of"),
        Filter("jump", _("From the beginning")),
    )
}
MORE_FILTERS: Final = tuple(each.name for each in _FILTERS.values() if each.more)


def build_chips(
    address: ListUrl, scope: Scope, agents: list[str], times: TimeFormatter
) -> list[dict[str, str]]:
    """Build one chip per filter, with the URL that removes it; many agents share one chip."""
    places = [pair for pair in (*address.view, *address.cursor) if pair[0] in {"as_of", "jump"}]
    filters = (*address.filters, *places)
    if not filters and not agents:
        return []
    known = directory.get_known_names(scope=scope)
    chips = []
    for name, value in filters:
        if name == "agent":
            continue
        text = _FILTERS[name].format(value)
        if name == "task":
            text = known.tasks.get(value) or value
        elif _FILTERS[name].is_time:
            text = times.minute(datetime.fromisoformat(value))
        chips.append(_build_chip(name, value, text, address.without(name, value)))
    if len(agents) > MANY_AGENTS:
        text = f"{len(agents)}: {', '.join(agents[:MANY_AGENTS])} …"
        chips.append(_build_chip("agents", "", text, address.without("agent")))
    else:
        for account in agents:
            person = known.agents.get(account, "")
            text = f"{person} {account}" if person and person != account else account
            chips.append(_build_chip("agent", account, text, address.without("agent", account)))
    return chips


def _build_chip(name: str, value: str, text: str, remove_url: str) -> dict[str, str]:
    removed_text = str(_FILTERS[name].removed_text)
    return {
        "name": name,
        "label": _FILTERS[name].label_text,
        "value": value,
        "text": text,
        "removed_text": removed_text % text if name == "agent" else removed_text,
        "remove_url": remove_url,
    }


def build_ranges(address: ListUrl) -> list[dict[str, Any]]:
    """Build the quick ranges, each a link to the named range."""
    return [
        {
            "label": each.label,
            "url": address.ranged(each.value),
            "current": ("range", each.value) in address.filters,
        }
        for each in NamedRange
    ]


def describe_filters(
    scope: Scope, query: ListQuery, times: TimeFormatter
) -> Iterator[tuple[str, str]]:
    """Yield label and text of each filter in use; a called number is masked like the rows."""
    known = directory.get_known_names(scope=scope)
    for each in _FILTERS.values():
        value = getattr(query, each.query_field) if each.query_field else None
        if not value:
            continue
        if each.name == "called_no" and not scope.can(Permission.SEE_NUMBERS):
            text = masking.mask_number(value)
        elif each.name == "agent":
            shown = [
                f"{known.agents.get(account, '')} {account}".strip()
                for account in value[:_MOST_AGENTS]
            ]
            text = ", ".join([*shown, f"… ({len(value)})"] if len(value) > len(shown) else shown)
        elif each.name == "task":
            text = f"{known.tasks.get(value, '')} {value}".strip()
        elif each.is_time:
            text = times.stamp(value)
        else:
            text = ", ".join(value) if isinstance(value, tuple) else each.format(value)
        yield each.label_text, text
