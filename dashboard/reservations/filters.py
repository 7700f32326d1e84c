"""The filters of the reservations list as texts: chips above the list, and their description in a
file.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from django.forms import Field
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.ui.list_url import MANY_AGENTS, ListUrl
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.core.form_fields import LocalTimeField
from isales_proxy.outbound import directory
from isales_proxy.privacy import masking
from isales_proxy.reservations.forms import QUERY_FIELDS, NamedRange, ReservationFilter
from isales_proxy.reservations.query import ListQuery

_MOST_AGENTS: Final = 8
"""Agents that are named in a file."""


_REMOVED_TEXTS: Final[dict[str, str | Promise]] = {
    "called_no": _("Any called number"),
    "agent": _("Without agent %s"),
    "agents": _("Any agent"),
    "task": _("Any task"),
    "begin": _("Any start time"),
    "end": _("Any end time"),
    "range": _("Any time"),
    "q": _("Any name or result"),
    "code": _("Any result code"),
    "category": _("Any category"),
    "type": _("Any type"),
    "status": _("Any task status"),
    "state": _("Any state"),
    "as_of": _("As it is now"),
    "jump": _("From the beginning"),
}
"""Filter → text of the button that removes it; `agents` is a chip for many agents."""

MORE_FILTERS: Final = tuple(
    name
    for name in _REMOVED_TEXTS
    if name not in {"called_no", "agent", "agents", "task", "begin", "end", "range"}
)
"""The filters under *More filters*."""

_NOT_IN_FILES: Final = frozenset({"agents", "range", "jump"})


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
        text = _format(name, value)
        if name == "task":
            text = known.tasks.get(value) or value
        elif _is_time(name):
            text = times.minute(datetime.fromisoformat(value))
        chips.append(_build_chip(name, value, text, address.get_url_without(name, value)))
    if len(agents) > MANY_AGENTS:
        text = f"{len(agents)}: {', '.join(agents[:MANY_AGENTS])} …"
        chips.append(_build_chip("agents", "", text, address.get_url_without("agent")))
    else:
        for account in agents:
            person = known.agents.get(account, "")
            text = f"{person} {account}" if person and person != account else account
            chips.append(
                _build_chip("agent", account, text, address.get_url_without("agent", account))
            )
    return chips


def _build_chip(name: str, value: str, text: str, remove_url: str) -> dict[str, str]:
    removed_text = str(_REMOVED_TEXTS[name])
    return {
        "name": name,
        "label": _get_label(name),
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
            "url": address.get_range_url(each.value),
            "current": ("range", each.value) in address.filters,
        }
        for each in NamedRange
    ]


def describe_filters(
    scope: Scope, query: ListQuery, times: TimeFormatter
) -> Iterator[tuple[str, str]]:
    """Yield label and text of each filter in use; a called number is masked like the rows."""
    known = directory.get_known_names(scope=scope)
    for name in _REMOVED_TEXTS:
        value = None if name in _NOT_IN_FILES else getattr(query, QUERY_FIELDS.get(name, name))
        if not value:
            continue
        if name == "called_no" and not scope.can(Permission.SEE_NUMBERS):
            text = masking.mask_number(value)
        elif name == "agent":
            shown = [
                f"{known.agents.get(account, '')} {account}".strip()
                for account in value[:_MOST_AGENTS]
            ]
            text = ", ".join([*shown, f"… ({len(value)})"] if len(value) > len(shown) else shown)
        elif name == "task":
            text = f"{known.tasks.get(value, '')} {value}".strip()
        elif _is_time(name):
            text = times.stamp(value)
        else:
            text = ", ".join(value) if isinstance(value, tuple) else _format(name, value)
        yield _get_label(name), text


def _get_label(name: str) -> str:
    return gettext("Agent") if name == "agent" else str(_get_field(name).label)


def _is_time(name: str) -> bool:
    return isinstance(_get_field(name), LocalTimeField)


def _format(name: str, value: str) -> str:
    """Return the label of a value that is one of the choices, or the value itself."""
    return str(dict(getattr(_get_field(name), "choices", ())).get(value, value))


def _get_field(name: str) -> Field:
    return ReservationFilter.base_fields["agent" if name == "agents" else name]
