"""Filters in force above the reservations list: one chip each with the address without it, and the
quick ranges.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from dashboard.ui.list_url import MANY_AGENTS, ListUrl
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Scope
from isales_proxy.models import CodeCategory
from isales_proxy.outbound import directory
from isales_proxy.reservations.forms import CALL_TYPES, TASK_STATUSES, NamedRange
from isales_proxy.reservations.status import ReservationState

_CHOICES: Final[dict[str, Any]] = {
    "category": CodeCategory.choices,
    "type": CALL_TYPES,
    "status": TASK_STATUSES,
    "state": ReservationState.choices,
    "range": NamedRange.choices,
}
_TIMES: Final = frozenset({"begin", "end", "as_of", "jump"})


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
        text = value
        if name == "task":
            text = known.tasks.get(value) or value
        elif name in _TIMES:
            text = times.minute(datetime.fromisoformat(value))
        elif name in _CHOICES:
            text = str(dict(_CHOICES[name]).get(value, value))
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
    label, removed_text = {
        "called_no": (_("Called number"), _("Any called number")),
        "agent": (_("Agent"), _("Without agent %s") % text),
        "agents": (_("Agents"), _("Any agent")),
        "task": (_("Task"), _("Any task")),
        "begin": (_("From"), _("Any start time")),
        "end": (_("To"), _("Any end time")),
        "range": (_("Due"), _("Any time")),
        "q": (_("Agent, task or business result"), _("Any agent, task or business result")),
        "code": (_("Result code"), _("Any result code")),
        "category": (_("Category"), _("Any category")),
        "type": (_("Type"), _("Any type")),
        "status": (_("Task status"), _("Any task status")),
        "state": (_("State"), _("Any state")),
        "as_of": (_("As it was at"), _("As it is now")),
        "jump": (_("Jump to time"), _("From the beginning")),
    }[name]
    return {
        "name": name,
        "label": label,
        "value": value,
        "text": text,
        "removed_text": removed_text,
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
