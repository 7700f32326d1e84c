"""The filters of the reservations list, each declared once: texts, chips above the list, and what a
file tells of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard.ui.list_url import MANY_AGENTS, ListUrl
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.models import CodeCategory
from isales_proxy.outbound import directory
from isales_proxy.privacy import masking
from isales_proxy.reservations.forms import CALL_TYPES, TASK_STATUSES, NamedRange
from isales_proxy.reservations.query import ListQuery
from isales_proxy.reservations.status import ReservationState

_MOST_AGENTS: Final = 8
"""Agents that a file names."""


@dataclass(frozen=True)
class Filter:
    """A filter: its parameter, its name, the text of the button that removes it, and the labels of
    its values. `field` is that of `ListQuery`, "" where files do not tell of it; `more` puts it
    under *More filters*."""

    name: str
    label: str | Promise
    removed_text: str | Promise
    field: str = ""
    choices: Any = ()
    is_time: bool = False
    more: bool = True

    def format(self, value: str) -> str:
        """Return the text of a value of the address that needs no name looked up."""
        return str(dict(self.choices).get(value, value))


_FILTERS: Final = {
    each.name: each
    for each in (
        Filter("called_no", _("Called number"), _("Any called number"), "called_no", more=False),
        Filter("agent", _("Agent"), _("Without agent %s"), "agents", more=False),
        Filter("agents", _("Agents"), _("Any agent"), more=False),
        Filter("task", _("Task"), _("Any task"), "task_id", more=False),
        Filter("begin", _("From"), _("Any start time"), "begin", is_time=True, more=False),
        Filter("end", _("To"), _("Any end time"), "end", is_time=True, more=False),
        Filter("range", _("Due"), _("Any time"), choices=NamedRange.choices, more=False),
        Filter("q", _("Name or result"), _("Any name or result"), "text"),
        Filter("code", _("Result code"), _("Any result code"), "codes"),
        Filter("category", _("Category"), _("Any category"), "category", CodeCategory.choices),
        Filter("type", _("Type"), _("Any type"), "call_type", CALL_TYPES),
        Filter("status", _("Task status"), _("Any task status"), "task_status", TASK_STATUSES),
        Filter("state", _("State"), _("Any state"), "state", ReservationState.choices),
        Filter("as_of", _("As it was at"), _("As it is now"), "as_of", is_time=True),
        Filter("jump", _("Jump to time"), _("From the beginning"), is_time=True),
    )
}
MORE_FILTERS: Final = tuple(each.name for each in _FILTERS.values() if each.more)


def build_chips(
    address: ListUrl, scope: Scope, agents: list[str], times: TimeFormatter
) -> list[dict[str, str]]:
    """Build one chip per filter, with the URL without it; many agents share one chip."""
    filters = (*address.filters, *_list_places(address))
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


def _list_places(address: ListUrl) -> list[tuple[str, str]]:
    """List the time of the list and the time that its page begins with."""
    pairs = (*address.view, *address.cursor)
    return [(name, value) for name, value in pairs if name in {"as_of", "jump"}]


def _build_chip(name: str, value: str, text: str, remove_url: str) -> dict[str, str]:
    removed_text = str(_FILTERS[name].removed_text)
    return {
        "name": name,
        "label": str(_FILTERS[name].label),
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
    """Yield name and text of each filter in use, a called number as masked as the rows."""
    known = directory.get_known_names(scope=scope)
    for each in _FILTERS.values():
        value = getattr(query, each.field) if each.field else None
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
        yield str(each.label), text
